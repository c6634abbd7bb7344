//! The store is five small traits, and nobody takes one that it does not use.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files that hold the whole store: they open it and close it.
const OPEN_THE_STORE: [&str; 4] =
    ["app.rs", "cli/config_file.rs", "cli/doctor.rs", "cli/migrate.rs"];

/// Most methods that one part may have.
const METHODS_MAX: usize = 12;

/// The sources of the service by their paths in it.
fn sources() -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let short = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
                sources.insert(short, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// Whether `user` works with what `holder` holds: it is the same file, stands below it, or beside it
/// in a folder.
fn works_with(user: &str, holder: &str) -> bool {
    let below = format!("{}/", holder.trim_end_matches(".rs"));
    let beside = holder.rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
    user == holder
        || user.starts_with(&below)
        || beside.is_some_and(|folder| user.starts_with(&folder))
}

/// Each trait of the store with the names of its methods.
fn traits() -> BTreeMap<String, BTreeSet<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/src/store.rs");
    let text = std::fs::read_to_string(file).unwrap();
    let mut traits: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub trait ") {
            rest.split(':').next().unwrap().clone_into(&mut current);
        }
        let line = line.trim_start();
        let signature = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        if let Some(signature) = signature {
            let name = signature.split('(').next().unwrap().to_owned();
            traits.entry(current.clone()).or_default().insert(name);
        }
    }
    traits
}

#[test]
fn the_store_is_five_small_traits_and_their_sum() {
    let traits = traits();

    let names: Vec<&str> = traits.keys().map(String::as_str).collect();
    assert_eq!(names, ["Acts", "Arrivals", "Outbox", "Queries", "Store", "Upkeep"]);
    for (name, methods) in traits {
        assert!(methods.len() <= METHODS_MAX, "{name} has {} methods", methods.len());
    }
}

#[test]
fn no_caller_sees_a_part_of_the_store_that_it_does_not_use() {
    let traits = traits();
    let mut callers = 0;
    let sources = sources();
    for (short, text) in &sources {
        let users: String = sources
            .iter()
            .filter(|(user, _)| works_with(user, short))
            .map(|(_, text)| text.as_str())
            .collect();
        for (name, methods) in &traits {
            if !text.contains(&format!("dyn {name}")) || OPEN_THE_STORE.contains(&short.as_str()) {
                continue;
            }
            callers += 1;

            assert_ne!(name, "Store", "{short} takes the whole store");
            assert!(
                methods.iter().any(|method| users.contains(&format!(".{method}("))),
                "{short} takes {name} and calls nothing of it"
            );
        }
    }
    assert!(callers >= 10, "only {callers} callers were found: is this the right folder?");
}
