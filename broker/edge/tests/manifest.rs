//! What the edge must never depend on, so that it can run without a broker around it.

#![expect(clippy::unwrap_used, reason = "the steps between a test and its claim")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What decides, keeps, or is the whole broker.
const NEVER: [&str; 4] = ["tierlink-store", "tierlink-core", "tierlink-judge", "tierlink"];

/// The names of our crates that `manifest` depends on to run.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = manifest["dependencies"].as_table().unwrap();
    table.keys().filter(|name| name.starts_with("tierlink")).cloned().collect()
}

#[test]
fn the_edge_needs_neither_a_store_nor_the_core() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let read = |path: &Path| -> toml::Table {
        toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let workspace = read(&top.join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let manifests: BTreeMap<String, toml::Table> = members
        .iter()
        .map(|member| read(&top.join(member.as_str().unwrap()).join("Cargo.toml")))
        .map(|manifest| (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest))
        .collect();
    let mut needed = BTreeSet::new();
    let mut next = vec!["tierlink-edge".to_owned()];
    while let Some(name) = next.pop() {
        next.extend(dependencies(&manifests[&name]));
        needed.insert(name);
        next.retain(|name| !needed.contains(name));
    }

    let found: Vec<&str> = NEVER.into_iter().filter(|name| needed.contains(*name)).collect();

    assert!(needed.len() > 1 && NEVER.iter().any(|name| manifests.contains_key(*name)));
    assert!(found.is_empty(), "the edge needs {found:?}");
}
