//! `tierlink lane`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use tierlink_schemas::OrganisationCode;

use super::{ConfigFile, print};
use crate::api::lane_view;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List lanes: what waits, how long, and why
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop delivering to an organisation; what it must receive waits
    Pause {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code
        lane: OrganisationCode,
    },
    /// Deliver again
    Resume {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code
        lane: OrganisationCode,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, json } => list(&file, json).await,
        Command::Pause { file, lane } => pause(&file, &lane, true).await,
        Command::Resume { file, lane } => pause(&file, &lane, false).await,
    }
}

async fn pause(
    file: &ConfigFile,
    lane: &OrganisationCode,
    paused: bool,
) -> anyhow::Result<ExitCode> {
    if !file.load()?.profiles.contains_key(lane) {
        print::error("No profile has this code; `tierlink lane list` shows the lanes.");
        return Ok(ExitCode::from(2));
    }
    let store = file.store().await?;
    store.pause_lane(lane, paused).await?;
    store.close().await;
    let word = if paused { "paused" } else { "resumed" };
    print::line(&format!("{lane}: {word}. Running brokers follow within two seconds."));
    Ok(ExitCode::SUCCESS)
}

async fn list(file: &ConfigFile, json: bool) -> anyhow::Result<ExitCode> {
    let store = file.store().await?;
    let lanes = store.lanes().await?;
    store.close().await;
    if json {
        let lanes: Vec<Value> = lanes.iter().map(lane_view).collect();
        print::json(&json!({ "lanes": lanes }));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = lanes
        .iter()
        .map(|lane| {
            let trouble = lane
                .trouble
                .as_ref()
                .map_or_else(|| "-".to_owned(), |(at, p)| format!("{} {p}", print::time(*at)));
            vec![
                lane.lane.to_string(),
                if lane.paused { "paused" } else { "open" }.to_owned(),
                lane.waiting.to_string(),
                lane.parked.to_string(),
                print::time_or_dash(lane.oldest_at),
                print::time_or_dash(lane.last_settled_at),
                trouble,
            ]
        })
        .collect();
    let headings = ["lane", "", "waiting", "parked", "oldest", "last answer", "last silence"];
    print::table(&headings, &rows);
    Ok(ExitCode::SUCCESS)
}
