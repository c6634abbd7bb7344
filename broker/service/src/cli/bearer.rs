//! The option `--token-file` of the commands that speak HTTP as a hospital does.
//!
//! A token is never an option's value: whoever may list processes would read it there.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;

/// Where the bearer token is.
#[derive(Clone, Debug, Args)]
pub struct BearerToken {
    /// A file that holds the bearer token for HTTP; TIERLINK_TOKEN is read when absent
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl BearerToken {
    /// The token, if one was given.
    pub fn read(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else {
            return Ok(std::env::var("TIERLINK_TOKEN").ok().filter(|token| !token.is_empty()));
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("--token-file: {} cannot be read", path.display()))?;
        let token = text.trim().to_owned();
        ensure!(!token.is_empty(), "--token-file: {} is empty", path.display());
        Ok(Some(token))
    }
}
