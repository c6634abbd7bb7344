//! How errors and troubles are told, and what a newer release's tables mean for this one.

use tierlink_store::Store;

pub use tierlink_edge::trouble::{CommonTrouble, Trouble, chain};

/// What to say when a newer release has changed the tables already: in a rolling upgrade, or after
/// going back one release.
pub async fn newer_tables(store: &dyn Store) -> Result<Option<String>, tierlink_store::Error> {
    let newer: Vec<String> =
        store.newer_tables().await?.into_iter().map(|version| format!("{version:04}")).collect();
    Ok((!newer.is_empty()).then(|| {
        format!(
            "A newer release has applied migrations that this one does not know: {}. This one \
             passes over them and works on.",
            newer.join(", ")
        )
    }))
}
