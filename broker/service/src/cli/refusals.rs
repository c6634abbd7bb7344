//! `tierlink refusal`: refused messages, with their raw bytes on request.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};
use tierlink_schemas::{LaneName, OrganisationCode, Version};
use tierlink_store::{RefusalQuery, RefusalRow};
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
        /// Print the bytes as they came, of a long message the first 64 KiB. They hold patient data
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
                    "system": row.system,
                    "code_map": row.code_map,
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
                sender(row),
                row.format.clone(),
                row.problems.first().map_or_else(|| "-".to_owned(), ToString::to_string),
            ]
        })
        .collect();
    print::table(&["id", "at", "sender", "format", "why"], &rows);
    Ok(ExitCode::SUCCESS)
}

/// Who sent it: the organisation, with its system where that is not the default one.
fn sender(refusal: &RefusalRow) -> String {
    LaneName::new(refusal.organisation.clone(), refusal.system.clone()).to_string()
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
        "{}  {}  {}  {} bytes kept of {}",
        found.id,
        print::time(found.received_at),
        sender(&found),
        found.raw.len(),
        found.format
    ));
    if let Some(Version { label, hash }) = &found.code_map {
        print::line(&format!("  read with the code map {} {hash}", label.as_deref().unwrap_or("")));
    }
    for problem in &found.problems {
        print::line(&format!("  {problem}  (ops/errors/{}.md)", problem.code));
    }
    Ok(ExitCode::SUCCESS)
}
