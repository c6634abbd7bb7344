//! `tierlink token`.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use tierlink_schemas::OrganisationCode;

use super::{ConfigFile, Signature, print};
use crate::desk::{Act, Desk, Performed, Person, Reason};

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Create a token and print it; it cannot be printed again
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// Name of the token, to revoke it by, such as `his-2026`
        name: String,
        /// Organisation that may use the token; without it, the token is an operator's
        #[arg(long)]
        organisation: Option<OrganisationCode>,
        /// Days until the token stops working
        #[arg(long)]
        days: Option<u32>,
        #[command(flatten)]
        signature: Signature,
    },
    /// List valid tokens
    List {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Revoke a token
    Revoke {
        #[command(flatten)]
        file: ConfigFile,
        /// Name of the token
        name: String,
        #[command(flatten)]
        signature: Signature,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { file, name, organisation, days, signature } => {
            let expires_at = days
                .map(|days| Timestamp::now() + SignedDuration::from_hours(i64::from(days) * 24));
            let created = async |desk: &Desk, person: &Person, why: &Reason| {
                desk.create_token(&name, organisation, expires_at, person, why).await
            };
            let text = signature.at_desk(file.load()?, created).await?;
            print::error("Keep it safe; it is not shown again. It works within five seconds.");
            print::line(&text);
        }
        Command::List { file } => {
            let rows: Vec<Vec<String>> = file
                .ask(async |store| store.tokens().await)
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
            print::table(&["name", "whose", "made", "ends"], &rows);
        }
        Command::Revoke { file, name, signature } => {
            let act = Act::RevokeToken(name.clone());
            let performed = async |desk: &Desk, person: &Person, why: &Reason| {
                desk.perform(act, person, why).await
            };
            match signature.at_desk(file.load()?, performed).await? {
                Performed::Recorded(_) | Performed::AsBefore => {
                    let within = "It stops working within five seconds";
                    print::line(&format!("{name}: revoked. {within}."));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
