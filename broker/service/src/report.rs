//! Texts about errors, and about tables of a newer release.

pub use tierlink_edge::trouble::{CommonTrouble, Trouble, chain};

/// The text to log when a newer release has changed the tables: in a rolling upgrade, or after
/// going back one release.
#[must_use]
pub fn newer_tables(versions: &[i64]) -> Option<String> {
    let newer: Vec<String> = versions.iter().map(|version| format!("{version:04}")).collect();
    (!newer.is_empty()).then(|| {
        format!(
            "A newer release has applied migrations that this one does not know: {}. This one \
             passes over them and works on.",
            newer.join(", ")
        )
    })
}
