//! The command line. The doc comments here are the help texts.
//!
//! Output is a table for people and, with `--json`, JSON for programs. Exit codes: 0 done, 1 it
//! failed, 2 the input was refused or the call made no sense.

mod cases;
mod check;
mod doctor;
mod lanes;
mod migrate;
mod parked;
pub(crate) mod print;
mod refusals;
mod send;
mod serve;
mod token;
mod translate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use tierlink_store::Store;

use crate::config::{Config, ConfigError};

/// TierLink carries referrals, discharge-back transfers and remote consultations between the
/// hospitals of a county medical consortium (县域医共体双向转诊与远程会诊消息平台)
#[derive(Debug, Parser)]
#[command(name = "tierlink", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    ///
    /// Listens for messages, keeps cases, and delivers. SIGTERM or Ctrl-C stops it after what is
    /// in hand is finished; SIGHUP reads the configuration again.
    Serve(serve::Options),

    /// Play a whole county on this machine, without any server
    Demo(crate::demo::Options),

    /// Check the configuration and list every problem at once
    Check(ConfigFile),

    /// Check that the store, the bus and every hospital can be reached
    Doctor(doctor::Options),

    /// Translate one message into another format, offline
    Translate(translate::Options),

    /// Send files to an endpoint, as a hospital would, and print each answer
    Send(send::Options),

    /// Look at cases
    #[command(subcommand)]
    Case(cases::Command),

    /// Look at lanes, pause and resume them
    #[command(subcommand)]
    Lane(lanes::Command),

    /// Look at deliveries that need a person, replay or drop them
    #[command(subcommand)]
    Parked(parked::Command),

    /// Look at messages that were refused
    #[command(subcommand)]
    Refusal(refusals::Command),

    /// Bring the store's tables up to date
    Migrate(ConfigFile),

    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Token(token::Command),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration: a TOML file, or the folder that holds `county.toml`
    #[arg(long, short, env = "TIERLINK_CONFIG", default_value = "county.toml")]
    config: PathBuf,
}

impl ConfigFile {
    fn path(&self) -> PathBuf {
        if self.config.is_dir() { self.config.join("county.toml") } else { self.config.clone() }
    }

    /// Reads the configuration; prints every problem if it cannot be used.
    fn load(&self) -> anyhow::Result<Config> {
        Config::load(&self.path()).map_err(|error| all_problems(&self.path(), &error))
    }

    async fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        crate::app::open_store(&self.load()?, false).await
    }
}

fn all_problems(path: &Path, error: &ConfigError) -> anyhow::Error {
    let mut text = format!("{}: {error}", path.display());
    for problem in &error.0 {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    anyhow!(text)
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two providers could be compiled in by dependencies; rustls must not have to guess.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(&format!("X004: the program cannot start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            print::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::run(options).await,
        Command::Demo(options) => crate::demo::run(options).await,
        Command::Check(file) => Ok(check::run(&file)),
        Command::Doctor(options) => doctor::run(options).await,
        Command::Translate(options) => translate::run(&options),
        Command::Send(options) => send::run(options).await,
        Command::Case(command) => cases::run(command).await,
        Command::Lane(command) => lanes::run(command).await,
        Command::Parked(command) => parked::run(command).await,
        Command::Refusal(command) => refusals::run(command).await,
        Command::Migrate(file) => migrate::run(&file).await,
        Command::Token(command) => token::run(command).await,
    }
}
