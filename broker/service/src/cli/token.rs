//! `tierlink token`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use tierlink_schemas::OrganisationCode;

use super::{ConfigFile, print};
use crate::tokens;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make a token and print it, once
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// A name to revoke it by, such as `his-2026`
        name: String,
        /// Whose token; without it, an operator's
        #[arg(long)]
        organisation: Option<OrganisationCode>,
        /// After how many days it stops working
        #[arg(long)]
        days: Option<u32>,
    },
    /// List tokens that work
    List {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Make a token useless
    Revoke {
        #[command(flatten)]
        file: ConfigFile,
        /// Its name
        name: String,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { file, name, organisation, days } => {
            if let Some(code) = &organisation
                && !file.load()?.profiles.contains_key(code)
            {
                bail!("No profile has the code {code}; add one first.");
            }
            let expires_at = days
                .map(|days| Timestamp::now() + SignedDuration::from_hours(i64::from(days) * 24));
            let (text, row) = tokens::create(&name, organisation, expires_at);
            let store = file.store().await?;
            store.add_token(row).await?;
            store.close().await;
            print::error("Keep it safe; it is not shown again. It works within five seconds.");
            print::line(&text);
        }
        Command::List { file } => {
            let store = file.store().await?;
            let rows: Vec<Vec<String>> = store
                .tokens()
                .await?
                .into_iter()
                .map(|token| {
                    vec![
                        token.name,
                        token.organisation.map_or_else(|| "operator".into(), |o| o.to_string()),
                        print::time(token.created_at),
                        print::time_or_dash(token.expires_at),
                    ]
                })
                .collect();
            store.close().await;
            print::table(&["name", "whose", "made", "ends"], &rows);
        }
        Command::Revoke { file, name } => {
            let store = file.store().await?;
            let revoked = store.revoke_token(&name, Timestamp::now()).await?;
            store.close().await;
            if !revoked {
                bail!("There is no token of this name.");
            }
            print::line(&format!("{name}: revoked. It stops working within five seconds."));
        }
    }
    Ok(ExitCode::SUCCESS)
}
