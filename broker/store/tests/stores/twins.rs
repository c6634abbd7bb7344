//! The migrations of both databases say the same: files, tables, columns and named rules.

use std::collections::{BTreeMap, BTreeSet};

type Tables = BTreeMap<String, BTreeSet<String>>;

fn folder(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(name)
}

fn texts(name: &str) -> BTreeMap<String, String> {
    std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            (file, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Everything that a file names: `table.column`, indexes, constraints.
fn names(sql: &str) -> Tables {
    let mut tables = Tables::new();
    let mut table = String::new();
    for line in sql.lines().map(|line| line.split("--").next().unwrap_or("").trim()) {
        let mut words =
            line.split(|c: char| c.is_whitespace() || c == '(').filter(|w| !w.is_empty());
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let third = words.next().unwrap_or("");
        match (first, second) {
            ("CREATE", "TABLE") => third.clone_into(&mut table),
            ("CREATE", "INDEX") => add(&mut tables, "indexes", third),
            ("CREATE", "UNIQUE") => add(&mut tables, "indexes", words.next().unwrap_or("")),
            ("DROP", _) => add(&mut tables, "dropped", third.trim_end_matches(';')),
            ("ALTER", "TABLE") if line.contains(" ADD COLUMN ") => {
                add(&mut tables, third, words.nth(2).unwrap_or(""));
            }
            ("CONSTRAINT", name) => add(&mut tables, &table, name),
            (word, kind) if is_type(kind) => add(&mut tables, &table, word),
            _ => {}
        }
        if line.starts_with(')') {
            table.clear();
        }
    }
    tables
}

fn is_type(word: &str) -> bool {
    let types = ["uuid", "blob", "bytea", "text", "bigint", "integer", "boolean"];
    types.contains(&word.trim_end_matches(','))
}

fn add(tables: &mut Tables, table: &str, name: &str) {
    tables.entry(table.to_owned()).or_default().insert(name.to_owned());
}

#[test]
fn both_databases_have_the_same_tables_columns_and_rules() {
    let (postgres, sqlite) = (texts("postgres"), texts("sqlite"));

    let files = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(files(&postgres), files(&sqlite));
    for (file, sql) in &postgres {
        let (one, other) = (names(sql), names(&sqlite[file]));
        let count: usize = one.values().map(BTreeSet::len).sum();
        assert!(count > 0, "{file} names no columns");
        assert_eq!(one, other, "{file}");
    }
}
