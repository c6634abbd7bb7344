//! `tierlink refusal`: refused messages, with their raw bytes on request.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};
use tierlink_schemas::OrganisationCode;
use tierlink_store::RefusalQuery;
use uuid::Uuid;

use super::{ConfigFile, print};

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List refused messages, the newest first
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only messages of this organisation
        #[arg(long)]
        organisation: Option<OrganisationCode>,
        /// Largest number of messages
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one message: every problem and, with --raw, the bytes as they arrived
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The id, as `tierlink refusal list` prints it
        id: Uuid,
        /// Print the bytes as they arrived. They contain patient data.
        #[arg(long)]
        raw: bool,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { file, organisation, limit, json } => {
            let query = RefusalQuery { id: None, organisation, limit: limit.clamp(1, 1_000) };
            list(&file, query, json).await
        }
        Command::Show { file, id, raw } => show(&file, id, raw).await,
    }
}

async fn list(file: &ConfigFile, query: RefusalQuery, json: bool) -> anyhow::Result<ExitCode> {
    let refusals = file.ask(async |store| store.refusals(query).await).await?;
    if json {
        let rows: Vec<Value> = refusals
            .iter()
            .map(|row| {
                json!({
                    "id": row.id,
                    "organisation": row.organisation,
                    "format": row.format,
                    "received_at": row.received_at,
                    "problems": row.problems,
                })
            })
            .collect();
        print::json(&json!({ "refusals": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = refusals
        .iter()
        .map(|row| {
            vec![
                row.id.to_string(),
                print::time(row.received_at),
                row.organisation.to_string(),
                row.format.clone(),
                row.problems.first().map_or_else(|| "-".to_owned(), ToString::to_string),
            ]
        })
        .collect();
    print::table(&["id", "at", "organisation", "format", "why"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn show(file: &ConfigFile, id: Uuid, raw: bool) -> anyhow::Result<ExitCode> {
    let query = RefusalQuery { id: Some(id), organisation: None, limit: 1 };
    let found = file.ask(async |store| store.refusals(query).await).await?.into_iter().next();
    let Some(found) = found else { bail!("There is no such refusal (any more).") };
    if raw {
        print::bytes(&found.raw);
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!(
        "{}  {}  {}  {} bytes of {}",
        found.id,
        print::time(found.received_at),
        found.organisation,
        found.raw.len(),
        found.format
    ));
    for problem in &found.problems {
        print::line(&format!("  {problem}  (ops/errors/{}.md)", problem.code));
    }
    Ok(ExitCode::SUCCESS)
}
