//! `tierlink case`: numbers, states and deliveries of cases. Shows no patient data.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_edge::lane::parcel_id;
use tierlink_schemas::{CaseNumber, Family, OrganisationCode};
use tierlink_store::{CaseKey, CaseQuery};

use super::{ConfigFile, print};
use crate::api::{case_file_view, case_row_view};
use crate::desk::state_word;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List open cases, the most urgent first; with --all every case, the newest first
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only cases of this family: referral, transfer or consultation
        #[arg(long, value_parser = family)]
        family: Option<Family>,
        /// Only cases in this state, such as `accepted`
        #[arg(long)]
        state: Option<String>,
        /// Only cases that this organisation must act on
        #[arg(long)]
        with: Option<OrganisationCode>,
        /// Ended cases too
        #[arg(long)]
        all: bool,
        /// Only cases whose deadline has passed
        #[arg(long)]
        overdue: bool,
        /// Largest number of cases
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one case: its events, and where each message is on its way
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The case's number, such as R2600012345, or its id
        case: String,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

fn family(text: &str) -> Result<Family, String> {
    Family::WITH_CASES
        .into_iter()
        .find(|family| family.as_str() == text)
        .ok_or_else(|| "must be referral, transfer or consultation".to_owned())
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, family, state, with, all, overdue, limit, json } => {
            let query = CaseQuery {
                family,
                state,
                with,
                open: (!all).then_some(true),
                overdue_at: overdue.then(|| SystemEnvironment.now()),
                limit: limit.clamp(1, 1_000),
                ..CaseQuery::default()
            };
            list(&file, query, json).await
        }
        Command::Show { file, case, json } => show(&file, &case, json).await,
    }
}

async fn list(file: &ConfigFile, query: CaseQuery, json: bool) -> anyhow::Result<ExitCode> {
    let rows = file.ask(async |store| store.cases(query).await).await?;
    if json {
        let rows: Vec<_> = rows.iter().map(case_row_view).collect();
        print::json(&json!({ "cases": rows }));
    } else {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.number.to_string(),
                    row.state.clone(),
                    row.priority.as_str().to_owned(),
                    row.origin.to_string(),
                    row.target.to_string(),
                    row.reviewer.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                    print::time(row.changed_at),
                    print::time_or_dash(row.due_at),
                ]
            })
            .collect();
        let headings =
            ["case", "state", "priority", "origin", "target", "reviewer", "changed", "due"];
        print::table(&headings, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(file: &ConfigFile, case: &str, json: bool) -> anyhow::Result<ExitCode> {
    let key = match (case.parse(), CaseNumber::read(case)) {
        (Ok(id), _) => CaseKey::Id(id),
        (_, Some(number)) => CaseKey::Number(number),
        _ => {
            print::error("This is no case number: a digit may be missing or swapped.");
            return Ok(ExitCode::from(2));
        }
    };
    let found = file.ask(async |store| store.case(key, None).await).await?;
    let Some(found) = found else {
        print::error("There is no such case.");
        return Ok(ExitCode::FAILURE);
    };
    if json {
        print::json(&case_file_view(&found));
        return Ok(ExitCode::SUCCESS);
    }
    let case = &found.case;
    print::line(&format!(
        "{}  {}  {}  {} → {}",
        case.number,
        case.state.as_str(),
        case.priority.as_str(),
        case.origin,
        case.target
    ));
    for deadline in &case.deadlines {
        print::line(&format!("due {}  {}", print::time(deadline.due), deadline.name.as_str()));
    }
    print::line("");
    let events: Vec<Vec<String>> = found
        .events
        .iter()
        .map(|event| {
            vec![
                event.number.to_string(),
                print::time(event.at),
                event.by.to_string(),
                event.kind.to_string(),
                event.to_state.clone(),
                event.reason.clone().or_else(|| event.note.clone()).unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["#", "at", "by", "said", "state", "reason or note"], &events);
    print::line("");
    let custody: Vec<Vec<String>> = found
        .custody
        .iter()
        .map(|row| {
            vec![
                row.delivery.kind.to_string(),
                row.delivery.lane().to_string(),
                state_word(&row.delivery.state).to_owned(),
                row.delivery.attempts.to_string(),
                print::time_or_dash(row.settled_at),
                parcel_id(&row.delivery.id),
            ]
        })
        .collect();
    print::table(&["message", "to", "delivery", "tries", "answered", "id"], &custody);
    Ok(ExitCode::SUCCESS)
}
