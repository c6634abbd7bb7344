//! `tierlink lane`.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use tierlink_bus::LaneTrouble;
use tierlink_codec::Profile;
use tierlink_schemas::LaneName;
use tierlink_store::LaneRow;

use super::{ConfigFile, Signature, print};
use crate::api::lane_view;
use crate::desk::{Act, Desk, Performed, Person, Reason};

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List lanes: what waits, how long, and why
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Stop delivering to a system; what it must receive waits
    Pause {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code, or CODE:SYSTEM for a further system
        lane: LaneName,
        #[command(flatten)]
        signature: Signature,
    },
    /// Deliver to a paused system again
    Resume {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code, or CODE:SYSTEM for a further system
        lane: LaneName,
        #[command(flatten)]
        signature: Signature,
    },
    /// Agree that a system, or a whole organisation, leaves the configuration
    ///
    /// A reload that would drop an organisation or one of its systems is refused until this was
    /// said of it by name, within the last 24 hours: a folder in the middle of a copy looks just
    /// like an organisation that has left. An organisation that gets another code leaves under
    /// its old one.
    Remove {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation's code, or CODE:SYSTEM for a further system
        lane: LaneName,
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
        Command::Remove { file, lane, signature } => remove(&file, lane, &signature).await,
    }
}

async fn apply(
    file: &ConfigFile,
    act: Act,
    lane: &LaneName,
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

async fn remove(
    file: &ConfigFile,
    lane: LaneName,
    signature: &Signature,
) -> anyhow::Result<ExitCode> {
    let act = Act::AgreeToRemoval(lane.clone());
    let performed =
        async |desk: &Desk, person: &Person, why: &Reason| desk.perform(act, person, why).await;
    let _recorded = signature.at_desk(file.load()?, performed).await?;
    print::line(&format!("{lane}: may leave. Reload the running brokers within 24 hours."));
    Ok(ExitCode::SUCCESS)
}

async fn list(file: &ConfigFile, json: bool) -> anyhow::Result<ExitCode> {
    let config = file.load()?;
    let mut lanes = file.ask(async |store| store.lanes().await).await?;
    let paused = lanes.iter().filter(|row| row.paused).map(|row| row.lane.clone()).collect();
    let not_open = super::lanes_on_bus::ask_the_bus(&config, &paused).await;
    let not_open: HashMap<&str, &LaneTrouble> =
        not_open.iter().map(|trouble| (trouble.lane.as_str(), trouble)).collect();
    let known: HashSet<&LaneName> = lanes.iter().map(|row| &row.lane).collect();
    let empty: Vec<LaneRow> = config
        .systems()
        .map(Profile::lane)
        .filter(|lane| not_open.contains_key(lane.to_string().as_str()) && !known.contains(lane))
        .map(LaneRow::empty)
        .collect();
    lanes.extend(empty);
    if json {
        let view = |row: &LaneRow| {
            let mut view = json!(lane_view(row));
            if let Some(trouble) = not_open.get(row.lane.to_string().as_str()) {
                view["not_open"] = json!(format!("{}: {}", trouble.code, trouble.why));
            }
            view
        };
        let lanes: Vec<Value> = lanes.iter().map(view).collect();
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
            let state = match not_open.get(lane.lane.to_string().as_str()) {
                Some(trouble) => format!("NOT OPEN ({})", trouble.code),
                None if lane.paused => "paused".to_owned(),
                None => "open".to_owned(),
            };
            vec![
                lane.lane.to_string(),
                state,
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
