//! `tierlink lane`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use tierlink_schemas::OrganisationCode;

use super::{ConfigFile, Signature, print};
use crate::api::lane_view;
use crate::desk::{Act, Desk, Performed, Person, Reason};

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
        #[command(flatten)]
        signature: Signature,
    },
    /// Deliver again
    Resume {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code
        lane: OrganisationCode,
        #[command(flatten)]
        signature: Signature,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, json } => list(&file, json).await,
        Command::Pause { file, lane, signature } => {
            apply(&file, Act::Pause(lane.clone()), &lane, "paused", &signature).await
        }
        Command::Resume { file, lane, signature } => {
            apply(&file, Act::Resume(lane.clone()), &lane, "resumed", &signature).await
        }
    }
}

async fn apply(
    file: &ConfigFile,
    act: Act,
    lane: &OrganisationCode,
    done: &str,
    signature: &Signature,
) -> anyhow::Result<ExitCode> {
    let performed =
        async |desk: &Desk, person: &Person, why: &Reason| desk.perform(act, person, why).await;
    match signature.at_desk(file.load()?, performed).await? {
        Performed::Recorded(_) => {
            print::line(&format!("{lane}: {done}. Running brokers follow within two seconds."));
        }
        Performed::AsBefore => print::line(&format!("{lane}: it was {done} already.")),
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(file: &ConfigFile, json: bool) -> anyhow::Result<ExitCode> {
    let store = file.store().await?;
    let lanes = store.lanes().await?;
    store.close().await;
    if json {
        let lanes: Vec<_> = lanes.iter().map(lane_view).collect();
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
