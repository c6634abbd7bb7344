//! `tierlink clock`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigFile, Signature, print};
use crate::desk::{Act, Desk, Person, Reason};

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say that the clock of the broker's machine is right, after looking at it
    ///
    /// A broker whose clock disagrees with others reports deadlines all the same, but lets no case
    /// expire and closes none by itself. The doubt ends by itself once the clocks have agreed for
    /// ten minutes; this ends it at once, in every process.
    Vouch {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        signature: Signature,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Vouch { file, signature } = command;
    let performed = async |desk: &Desk, person: &Person, why: &Reason| {
        desk.perform(Act::VouchForClock, person, why).await
    };
    let _recorded = signature.at_desk(file.load()?, performed).await?;
    print::line("Recorded. Running brokers whose clock is in doubt follow within two seconds.");
    Ok(ExitCode::SUCCESS)
}
