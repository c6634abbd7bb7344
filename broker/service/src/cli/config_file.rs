//! The option `--config` of the commands that need the configuration.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use tierlink_store::Queries;

use crate::config::{Config, ConfigError};

/// The location of the configuration.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration: a TOML file, or the folder that holds `county.toml`
    #[arg(long, short, env = "TIERLINK_CONFIG", default_value = "county.toml")]
    config: PathBuf,
}

impl ConfigFile {
    pub fn path(&self) -> PathBuf {
        if self.config.is_dir() { self.config.join("county.toml") } else { self.config.clone() }
    }

    /// Reads the configuration. If it cannot be used, the error lists every problem.
    pub fn load(&self) -> anyhow::Result<Config> {
        Config::load(&self.path()).map_err(|error| all_problems(&self.path(), &error))
    }

    /// Opens the store, runs a query, and closes the store.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&dyn Queries) -> Result<T, tierlink_store::Error>,
    ) -> anyhow::Result<T> {
        let store = crate::app::open_store(&self.load()?, false).await?;
        let answer = question(&*store).await;
        store.close().await;
        Ok(answer?)
    }
}

/// An error with every problem of a configuration, one per line.
pub fn all_problems(path: &Path, error: &ConfigError) -> anyhow::Error {
    let mut text = format!("{}: {error}", path.display());
    for problem in &error.0 {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    anyhow!(text)
}
