//! The checks of this crate over every source of the repository.
#![expect(clippy::unwrap_used, reason = "a source that cannot be read is a failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tierlink_structure::circles::circles;
use tierlink_structure::crates::{Crate, Sources};
use tierlink_structure::{catch_all, lists, outside};

/// Every source of the repository, by its path from the top.
fn sources() -> Sources {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut sources = Sources::new();
    let folders = ["schemas", "adapters", "broker", "integration-tests"];
    let mut next: Vec<PathBuf> = folders.iter().map(|folder| top.join(folder)).collect();
    while let Some(folder) = next.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                next.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let short = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
                sources.insert(short, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// Whether a file is the root of a crate, by cargo's rules and those of our manifests.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [.., "src" | "bench", "lib.rs" | "main.rs"]
            | [.., "tests" | "benches" | "examples", _, "main.rs"]
            | [_, "tests" | "benches" | "examples", _]
            | [_, _, "tests" | "benches" | "examples", _]
    )
}

#[test]
fn no_crate_has_a_circle_between_its_files() {
    let sources = sources();
    let mut told = String::new();
    let mut read = BTreeSet::new();

    for root in sources.keys().filter(|path| is_root(path)) {
        let whole = Crate::read(root, &sources);
        for circle in circles(&whole) {
            let files: Vec<&str> = circle.files.iter().map(String::as_str).collect();
            write!(told, "a circle of {}:\n{}", files.join(", "), circle.way).unwrap();
        }
        read.extend(whole.files);
    }

    assert!(told.is_empty(), "{told}");
    let unread: Vec<_> = sources.keys().filter(|path| !read.contains(*path)).collect();
    let are_tests = unread.iter().all(|path| path.ends_with("tests.rs"));
    assert!(are_tests, "no crate that this test knows declares {unread:?}");
}

/// Whether the matches of a source must name every variant: the core, and every format and transport.
fn names_every_variant(path: &str) -> bool {
    let is_adapter = path.starts_with("adapters/") && path.split('/').nth(2) == Some("src");
    path.starts_with("broker/core/src/") || is_adapter
}

#[test]
fn no_match_over_states_acts_kinds_or_events_has_a_catch_all_arm() {
    let sources = sources();
    let mut variants: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.values() {
        catch_all::note_variants(source, &mut variants);
    }
    let mut told = String::new();

    let mut looked_at = 0;
    for (path, source) in sources.iter().filter(|(path, _)| names_every_variant(path)) {
        looked_at += 1;
        for (line, what) in catch_all::find(source, &variants) {
            writeln!(told, "{path}:{line}: {what}").unwrap();
        }
    }

    assert!(looked_at > 100, "only {looked_at} sources were looked at");
    assert!(told.is_empty(), "{told}");
}

#[test]
fn a_list_of_all_variants_leaves_none_out() {
    let mut told = String::new();
    for (path, source) in sources() {
        for (line, what) in lists::incomplete(&source) {
            writeln!(told, "{path}:{line}: {what}").unwrap();
        }
    }

    assert!(told.is_empty(), "{told}");
}

/// The folders whose code is handed the time, random numbers and ids.
const HANDED: [&str; 3] = ["schemas/", "adapters/", "broker/"];

/// Files that take them from the machine all the same, how often, and why.
const TAKES_FROM_OUTSIDE: &[(&str, usize, &str)] = &[
    ("broker/edge/src/environment.rs", 3, "it is what hands them in"),
    ("broker/service/src/tokens.rs", 1, "a secret that a test could repeat would be none"),
    (
        "broker/bus/src/rabbit/link.rs",
        1,
        "waits between connections to a real server, on real time",
    ),
];

#[test]
fn time_chance_and_ids_come_in_from_outside() {
    let sources = sources();
    let mut told = String::new();

    for folder in HANDED {
        let is_code = |path: &str| path.starts_with(folder) && path.contains("/src/");
        for (path, source) in sources.iter().filter(|(path, _)| is_code(path)) {
            if path.ends_with("tests.rs") {
                continue;
            }
            let found = outside::find(source);
            let known = TAKES_FROM_OUTSIDE.iter().find(|(known, ..)| known == path);
            let (count, why) = known.map_or((0, ""), |(_, count, why)| (*count, *why));
            if found.len() != count {
                writeln!(told, "{path}, which may {count} times {why}:").unwrap();
                for (line, what) in found {
                    writeln!(told, "{path}:{line}: {what}").unwrap();
                }
            }
        }
    }

    assert!(told.is_empty(), "take these from an `Environment`:\n{told}");
}
