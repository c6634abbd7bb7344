//! How errors and troubles are told, and what a newer release's tables mean for this one.

pub use tierlink_edge::trouble::{CommonTrouble, Trouble, chain};

/// What to say when a newer release has changed the tables already: in a rolling upgrade, or after
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
