//! `tierlink migrate`.

use std::process::ExitCode;

use super::{ConfigFile, print};

pub async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let config = file.load()?;
    let store = tierlink_store::open_to_migrate(
        &crate::app::store_url(&config),
        config.settings.store.connections,
    )?;
    let done = store.migrate().await?;
    if done.is_empty() {
        print::line("The tables were up to date.");
    }
    for name in done {
        print::line(&format!("Migrated: {name}."));
    }
    if let Some(newer) = crate::report::newer_tables(&store.newer_tables().await?) {
        print::line(&newer);
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
