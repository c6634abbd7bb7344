//! `tierlink token`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use jiff::SignedDuration;
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_schemas::OrganisationCode;
use tierlink_store::Scope;

use super::{ConfigFile, Signature, print};
use crate::desk::{Act, Desk, Performed, Person, Reason};
use crate::tokens::Wanted;

/// How long a token lasts unless somebody says otherwise. A token that nobody exchanges is one that
/// nobody knows any more.
const DAYS: u32 = 365;
/// The same for an operator's, which can do more harm.
const OPERATOR_DAYS: u32 = 90;
/// Longest life of a token: ten years.
const DAYS_MAX: i64 = 3_650;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Create a token and print it; it cannot be printed again
    #[command(group = clap::ArgGroup::new("owner").required(true).args(["organisation", "operator"]))]
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// Name of the token, to revoke it by, such as `his-2026`
        name: String,
        /// Whose token
        #[arg(long)]
        organisation: Option<OrganisationCode>,
        /// An operator's token: it sees lanes and all cases, and acts
        #[arg(long, conflicts_with = "organisation")]
        operator: bool,
        /// What it may be used for, once for each; everything that its owner may do if absent
        #[arg(long, value_parser = read_scope)]
        scope: Vec<Scope>,
        /// After how many days it stops working; 365 if absent, 90 for an operator's
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
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

fn read_scope(name: &str) -> Result<Scope, String> {
    Scope::read(name).ok_or_else(|| {
        let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("is none of {}", names.join(", "))
    })
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { file, name, organisation, operator: _, scope, days, signature } => {
            let possible = Scope::all_of(organisation.as_ref());
            let asked: BTreeSet<Scope> = scope.into_iter().collect();
            if let Some(never) = asked.difference(&possible).next() {
                let names: Vec<&str> = possible.iter().map(|scope| scope.as_str()).collect();
                let (never, names) = (never.as_str(), names.join(", "));
                bail!("such a token cannot be used for {never}; it can for {names}");
            }
            let usual = if organisation.is_some() { DAYS } else { OPERATOR_DAYS };
            let lasts = SignedDuration::from_hours(i64::from(days.unwrap_or(usual)) * 24);
            let wanted = Wanted {
                name,
                organisation,
                scopes: if asked.is_empty() { possible } else { asked },
                expires_at: Some(SystemEnvironment.now() + lasts),
            };
            let created = async |desk: &Desk, person: &Person, why: &Reason| {
                desk.create_token(wanted, person, why).await
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
                    let scopes: Vec<&str> = token.scopes.iter().map(|it| it.as_str()).collect();
                    vec![
                        token.name,
                        token.organisation.map_or_else(|| "operator".into(), |o| o.to_string()),
                        print::time(token.created_at),
                        print::time_or_dash(token.expires_at),
                        print::time_or_dash(token.last_used_at),
                        scopes.join(", "),
                    ]
                })
                .collect();
            print::table(&["name", "whose", "made", "ends", "last used", "may"], &rows);
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
