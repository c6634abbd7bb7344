//! The command line. The doc comments here are the help texts.
//!
//! Output is a table for people or, with `--json`, JSON for programs. Exit codes: 0 done, 1 failed,
//! 2 the input was refused or the command line is not valid.

mod acts;
mod bearer;
mod cases;
mod check;
mod clock;
mod config_file;
mod doctor;
mod lanes;
mod lanes_on_bus;
mod migrate;
mod parked;
pub(crate) mod print;
mod refusals;
mod send;
mod serve;
mod signature;
mod simulate;
mod token;
mod translate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bearer::BearerToken;
use config_file::ConfigFile;
use signature::Signature;

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

    /// Simulate one hospital against a running broker, well-behaved or faulty,
    /// for integration tests
    ///
    /// Receives, answers and sends as ops/examples/simulate shows. Exit code 1 if the broker
    /// refused something, or something expected was not received in time.
    Simulate(simulate::Options),

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

    /// Say that the broker's clock is right
    #[command(subcommand)]
    Clock(clock::Command),

    /// Look at deliveries that need a person, replay or drop them
    #[command(subcommand)]
    Parked(parked::Command),

    /// Look at what people did: replay, drop, pause, resume, tokens, reload, clock
    #[command(subcommand)]
    Acts(acts::Command),

    /// Look at messages that were refused
    #[command(subcommand)]
    Refusal(refusals::Command),

    /// Bring the store's tables up to date
    Migrate(ConfigFile),

    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Token(token::Command),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Dependencies may compile in two crypto providers, so ours is installed explicitly.
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
        Command::Simulate(options) => simulate::run(options).await,
        Command::Check(file) => Ok(check::run(&file)),
        Command::Doctor(options) => doctor::run(options).await,
        Command::Translate(options) => translate::run(&options),
        Command::Send(options) => send::run(options).await,
        Command::Case(command) => cases::run(command).await,
        Command::Lane(command) => lanes::run(command).await,
        Command::Clock(command) => clock::run(command).await,
        Command::Parked(command) => parked::run(command).await,
        Command::Acts(command) => acts::run(command).await,
        Command::Refusal(command) => refusals::run(command).await,
        Command::Migrate(file) => migrate::run(&file).await,
        Command::Token(command) => token::run(command).await,
    }
}
