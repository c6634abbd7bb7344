//! `tierlink parked`: deliveries that need a person.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use tierlink_edge::lane::{parcel_id, read_parcel_id};
use tierlink_schemas::LaneName;
use tierlink_store::{DeliveryId, ParkedQuery, ParkedRow};

use super::{ConfigFile, Signature, print};
use crate::api::parked_view;
use crate::desk::{Act, Desk, Performed, Person, Reason};

/// Largest number of deliveries to list.
const LIST_MAX: u32 = 1_000;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List parked deliveries, the oldest first
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only deliveries of this lane: an organisation's code, or CODE:SYSTEM for
        /// a further system
        #[arg(long)]
        lane: Option<LaneName>,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one delivery: why it is parked and what waits behind it
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The delivery, as `tierlink parked list` prints it
        delivery: String,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Send a delivery again, written anew with the present profile
    ///
    /// Deliveries that wait behind it for the same case follow in order. It keeps its message id,
    /// so a hospital that received it before can recognise it.
    Replay(OnParked),
    /// Give a delivery up; those that wait behind it are sent without it
    Drop(OnParked),
}

/// Arguments of an act on a parked delivery.
#[derive(Clone, Debug, Args)]
pub struct OnParked {
    #[command(flatten)]
    file: ConfigFile,
    /// The delivery, as `tierlink parked list` prints it
    delivery: String,
    #[command(flatten)]
    signature: Signature,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, lane, json } => list(&file, lane, json).await,
        Command::Show { file, delivery, json } => show(&file, &delivery, json).await,
        Command::Replay(asked) => apply(asked, Act::Replay, "queued").await,
        Command::Drop(asked) => apply(asked, Act::Drop, "withdrawn").await,
    }
}

fn read(text: &str) -> anyhow::Result<DeliveryId> {
    read_parcel_id(text).ok_or_else(|| {
        anyhow!(
            "`{text}` is no delivery; `tierlink parked list` prints them as <id>@<organisation>"
        )
    })
}

async fn list(file: &ConfigFile, lane: Option<LaneName>, json: bool) -> anyhow::Result<ExitCode> {
    let query = ParkedQuery { lane, limit: LIST_MAX, ..ParkedQuery::default() };
    let parked = file.ask(async |store| store.parked(query).await).await?;
    if json {
        let parked: Vec<_> = parked.iter().map(parked_view).collect();
        print::json(&json!({ "parked": parked }));
    } else {
        let rows: Vec<Vec<String>> = parked.iter().map(row).collect();
        print::table(&HEADINGS, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// The headings over what [`row`] shows.
const HEADINGS: [&str; 7] = ["delivery", "lane", "case", "message", "since", "behind", "why"];

fn row(parked: &ParkedRow) -> Vec<String> {
    vec![
        parcel_id(&parked.delivery.id),
        parked.delivery.lane().to_string(),
        parked.delivery.case_number.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        parked.delivery.kind.to_string(),
        print::time(parked.since),
        parked.behind.to_string(),
        parked.problems.first().map_or_else(|| "-".to_owned(), ToString::to_string),
    ]
}

async fn show(file: &ConfigFile, delivery: &str, json: bool) -> anyhow::Result<ExitCode> {
    let id = read(delivery)?;
    let query = ParkedQuery { id: Some(id), limit: 1, ..ParkedQuery::default() };
    let parked = file.ask(async |store| store.parked(query).await).await?;
    let Some(found) = parked.into_iter().next() else {
        bail!("This delivery is not parked (any more).");
    };
    if json {
        print::json(&parked_view(&found));
        return Ok(ExitCode::SUCCESS);
    }
    print::table(&HEADINGS, &[row(&found)]);
    for problem in &found.problems {
        print::line(&format!("  {problem}  (ops/errors/{}.md)", problem.code));
    }
    Ok(ExitCode::SUCCESS)
}

async fn apply(
    asked: OnParked,
    act: fn(DeliveryId) -> Act,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let act = act(read(&asked.delivery)?);
    let config = asked.file.load()?;
    let performed =
        async |desk: &Desk, person: &Person, why: &Reason| desk.perform(act, person, why).await;
    match asked.signature.at_desk(config, performed).await? {
        Performed::Recorded(_) | Performed::AsBefore => {
            print::line(&format!("{}: {done}.", asked.delivery));
        }
    }
    Ok(ExitCode::SUCCESS)
}
