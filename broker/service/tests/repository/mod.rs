//! The files of this repository, as the tests of its documents read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const NOT_OURS: [&str; 3] = ["target", ".git", "node_modules"];

/// The top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file whose name ends in this, below a folder. At least one, or the test looks at nothing.
pub fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} below {}", below.display());
    found
}

/// A file's text.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file by its path in the repository.
pub fn file(path: &str) -> String {
    text(&top().join(path))
}

/// A path as people write it: from the top.
pub fn short(path: &Path) -> String {
    path.strip_prefix(top()).unwrap().display().to_string()
}

/// The sources that run in production: no tests, neither beside nor inside.
pub fn production() -> Vec<(PathBuf, String)> {
    files(&top(), ".rs")
        .into_iter()
        .filter(|path| {
            let path = short(path);
            path.contains("src/") && !path.contains("/tests") && !path.starts_with("integration-")
        })
        .map(|path| {
            let whole = text(&path);
            let shipped = whole.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
            (path, shipped)
        })
        .collect()
}

/// Every `"…"` of a source that stands on one line, without the quotes. Good enough for names.
pub fn literals(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// What stands between single backticks on one line, and the lines of code blocks.
pub fn code(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.insert(line.trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}
