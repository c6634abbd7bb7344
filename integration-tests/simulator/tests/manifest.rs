//! The simulator shares no code with the broker: a mistake of the one must not hide in the other.

use toml::Table;

#[test]
fn the_simulator_depends_on_no_crate_of_the_broker() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();

    let mut named = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let table = manifest.get(section).and_then(|it| it.as_table());
        named.extend(table.into_iter().flat_map(Table::keys).cloned());
    }

    assert!(named.iter().any(|name| name == "tokio"), "the manifest was read: {named:?}");
    let ours: Vec<&String> = named.iter().filter(|name| name.starts_with("tierlink")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    assert!(!manifest.contains_key("target"), "dependencies of one platform are not looked at");
}
