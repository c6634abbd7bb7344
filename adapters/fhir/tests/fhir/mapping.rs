//! `MAPPING.md` names every element that the code reads, and none that no sample shows.

use std::collections::BTreeSet;

use crate::county;
use crate::samples;
use tierlink_fhir::elements_read;

/// The elements that the table names: every code in the first cell of its rows.
fn named() -> BTreeSet<String> {
    let text = include_str!("../../MAPPING.md");
    let (_, table) = text.split_once("## Every element that is read").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap_or((table, ""));
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn read() -> BTreeSet<String> {
    let county = county::open();
    let mut read = BTreeSet::new();
    for sample in samples::all(&county) {
        let bytes = sample.bundle.to_string();
        read.extend(elements_read(bytes.as_bytes(), &county::reading(&county, &sample.sender)));
    }
    read
}

#[test]
fn the_table_names_every_element_that_is_read_and_none_that_is_not() {
    let (named, read) = (named(), read());

    let missing: Vec<_> = read.difference(&named).collect();
    assert!(missing.is_empty(), "read, and not in MAPPING.md: {missing:#?}");
    let unread: Vec<_> = named.difference(&read).collect();
    assert!(unread.is_empty(), "in MAPPING.md, and read in no sample: {unread:#?}");
}
