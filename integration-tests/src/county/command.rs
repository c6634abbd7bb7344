//! The program's command line, called as an operator would.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::servers::program;

/// What a call of the program's command line printed.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Text on standard output.
    pub stdout: String,
    /// Text on standard error.
    pub stderr: String,
}

impl Ran {
    /// The output, if it succeeded.
    pub fn succeeded(self) -> Result<String> {
        ensure!(self.status.success(), "{}: {}{}", self.status, self.stderr, self.stdout);
        Ok(self.stdout)
    }

    /// The output as JSON, if it succeeded.
    pub fn json(self) -> Result<Value> {
        Ok(serde_json::from_str(&self.succeeded()?)?)
    }
}

/// Runs the program with these words.
pub async fn run_program(words: &[&str]) -> Result<Ran> {
    let mut command = tokio::process::Command::new(program().await?);
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIERLINK_") {
            command.env_remove(name);
        }
    }
    let output = command.output().await.context("could not run tierlink")?;
    Ok(Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
