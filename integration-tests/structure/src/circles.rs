//! Circles between the files of a crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::crates::{Crate, FileId, Use};

/// Files that all use each other, directly or through others.
pub struct Circle {
    /// Paths of the files in the circle.
    pub files: BTreeSet<String>,
    /// One way round, a line for each step.
    pub way: String,
}

/// Every circle of a crate.
pub fn circles(of: &Crate) -> Vec<Circle> {
    let uses = of.uses();
    let reach: Vec<BTreeSet<FileId>> =
        (0..of.files.len()).map(|file| reachable(file, &uses)).collect();
    let mut told: BTreeSet<FileId> = BTreeSet::new();
    let mut found = Vec::new();
    for file in 0..of.files.len() {
        if !reach[file].contains(&file) || told.contains(&file) {
            continue;
        }
        let members: BTreeSet<FileId> =
            reach[file].iter().copied().filter(|other| reach[*other].contains(&file)).collect();
        told.extend(&members);
        found.push(Circle {
            files: members.iter().map(|member| of.files[*member].clone()).collect(),
            way: way(of, shortest(&members, &uses)),
        });
    }
    found
}

fn reachable(from: FileId, uses: &BTreeMap<(FileId, FileId), Use>) -> BTreeSet<FileId> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        for (_, to) in uses.keys().filter(|(from, _)| *from == at) {
            if reached.insert(*to) {
                next.push(*to);
            }
        }
    }
    reached
}

/// The shortest way from one of these files back to itself.
fn shortest<'u>(
    members: &BTreeSet<FileId>,
    uses: &'u BTreeMap<(FileId, FileId), Use>,
) -> Vec<&'u Use> {
    let from_each = members.iter().filter_map(|start| {
        let mut came_by: BTreeMap<FileId, &Use> = BTreeMap::new();
        let mut next = VecDeque::from([*start]);
        while let Some(at) = next.pop_front() {
            for step in uses.values().filter(|step| step.from == at) {
                if let std::collections::btree_map::Entry::Vacant(free) = came_by.entry(step.to) {
                    free.insert(step);
                    next.push_back(step.to);
                }
            }
        }
        let mut way = vec![*came_by.get(start)?];
        while way[0].from != *start {
            way.insert(0, came_by[&way[0].from]);
        }
        Some(way)
    });
    from_each.min_by_key(Vec::len).unwrap_or_default()
}

fn way(of: &Crate, steps: Vec<&Use>) -> String {
    let mut text = String::new();
    for step in steps {
        let (from, to) = (&of.files[step.from], &of.files[step.to]);
        writeln!(text, "  {from}:{} uses {} of {to}", step.line, step.what).unwrap();
    }
    text
}
