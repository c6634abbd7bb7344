//! The committed JSON Schemas are those of the types. `TIERLINK_UPDATE=1` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use tierlink_schemas::{Kind, schema};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("json")
}

fn name_of(kind: Kind) -> String {
    format!("{kind}.schema.json")
}

#[test]
fn every_schema_file_is_up_to_date() {
    let update = std::env::var_os("TIERLINK_UPDATE").is_some();
    let mut stale = Vec::new();
    for kind in Kind::ALL {
        let path = folder().join(name_of(*kind));
        let right = schema::file_of(*kind);
        if update {
            fs::write(&path, &right).unwrap();
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(right.as_str()) {
            stale.push(name_of(*kind));
        }
    }

    assert!(stale.is_empty(), "stale: {stale:?}; run again with TIERLINK_UPDATE=1 and commit");
}

#[test]
fn no_schema_file_is_left_over() {
    let known: Vec<String> = Kind::ALL.iter().map(|kind| name_of(*kind)).collect();

    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} belongs to no kind");
    }
}
