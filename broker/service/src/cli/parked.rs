//! `tierlink parked`: deliveries that need a person.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use tierlink_core::delivery;
use tierlink_schemas::OrganisationCode;
use tierlink_store::{DeliveryId, ParkedRow, ReceiptOf};
use uuid::Uuid;

use super::{ConfigFile, print};
use crate::api::parked_view;
use crate::judge::CoreJudge;
use crate::lane::{parcel_id, read_parcel_id};

/// Most that are listed.
const LIST_MAX: u32 = 1_000;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List parked deliveries, the oldest first
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only those to this organisation
        #[arg(long)]
        lane: Option<OrganisationCode>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one: why it is parked and what waits behind it
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The delivery, as `tierlink parked list` prints it
        delivery: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send it again, written anew with the profile as it is now
    ///
    /// What waits behind it for the same case follows in order. It keeps its message id, so a
    /// hospital that has it already can recognise it.
    Replay(Act),
    /// Give it up; what waits behind it goes on without it
    Drop(Act),
}

/// An act on a parked delivery.
#[derive(Clone, Debug, Args)]
pub struct Act {
    #[command(flatten)]
    file: ConfigFile,
    /// The delivery, as `tierlink parked list` prints it
    delivery: String,
    /// Why, for the journal
    #[arg(long)]
    because: String,
    /// Who, for the journal; the user of this terminal if absent
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, lane, json } => list(&file, lane, json).await,
        Command::Show { file, delivery, json } => show(&file, &delivery, json).await,
        Command::Replay(act) => apply(act, delivery::Act::Replay).await,
        Command::Drop(act) => apply(act, delivery::Act::Drop).await,
    }
}

fn read(text: &str) -> anyhow::Result<DeliveryId> {
    read_parcel_id(text).ok_or_else(|| {
        anyhow!(
            "`{text}` is no delivery; `tierlink parked list` prints them as <id>@<organisation>"
        )
    })
}

async fn list(
    file: &ConfigFile,
    lane: Option<OrganisationCode>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let store = file.store().await?;
    let parked = store.parked(lane, LIST_MAX).await?;
    store.close().await;
    if json {
        let parked: Vec<Value> = parked.iter().map(parked_view).collect();
        print::json(&json!({ "parked": parked }));
    } else {
        let rows: Vec<Vec<String>> = parked.iter().map(row).collect();
        let headings = ["delivery", "case", "message", "since", "behind", "why"];
        print::table(&headings, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(parked: &ParkedRow) -> Vec<String> {
    vec![
        parcel_id(&parked.delivery.id),
        parked.delivery.case_number.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        parked.delivery.kind.to_string(),
        print::time(parked.since),
        parked.behind.to_string(),
        parked.problems.first().map_or_else(|| "-".to_owned(), ToString::to_string),
    ]
}

async fn show(file: &ConfigFile, delivery: &str, json: bool) -> anyhow::Result<ExitCode> {
    let id = read(delivery)?;
    let store = file.store().await?;
    let parked = store.parked(Some(id.to.clone()), LIST_MAX).await?;
    store.close().await;
    let Some(found) = parked.into_iter().find(|row| row.delivery.id == id) else {
        bail!("This delivery is not parked (any more).");
    };
    if json {
        print::json(&parked_view(&found));
        return Ok(ExitCode::SUCCESS);
    }
    print::table(&["delivery", "case", "message", "since", "behind", "why"], &[row(&found)]);
    for problem in &found.problems {
        print::line(&format!("  {problem}  (ops/errors/{}.md)", problem.code));
    }
    Ok(ExitCode::SUCCESS)
}

async fn apply(act: Act, its: delivery::Act) -> anyhow::Result<ExitCode> {
    let id = read(&act.delivery)?;
    if act.because.trim().is_empty() {
        bail!("--because must say why; it is kept in the journal.");
    }
    let judge = CoreJudge { config: Arc::new(act.file.load()?) };
    let store = act.file.store().await?;
    let (now, spare) = (Timestamp::now(), Uuid::now_v7());
    let receipt: ReceiptOf = Arc::new(move |row| judge.withdrawn(row, now, spare));
    let next = store.act_on_parked(id, its, &act.by, &act.because, now, Some(receipt)).await?;
    store.close().await;
    match next {
        Some(state) => {
            print::line(&format!("{}: {}.", act.delivery, state_word(&state)));
            Ok(ExitCode::SUCCESS)
        }
        None => {
            print::error("This delivery is not parked (any more).");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The state of a delivery in one word.
pub fn state_word(state: &delivery::State) -> &'static str {
    match state {
        delivery::State::Queued => "queued",
        delivery::State::Published => "on the bus",
        delivery::State::Waiting { .. } => "waiting",
        delivery::State::Delivered => "delivered",
        delivery::State::Parked { .. } => "parked",
        delivery::State::Withdrawn => "withdrawn",
    }
}
