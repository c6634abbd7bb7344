//! `tierlink acts`: who did what, when and why.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tierlink_edge::lane::parcel_id;
use tierlink_schemas::{LaneName, OrganisationCode};
use tierlink_store::{ActName, ActQuery, ActRow, DeliveryId};

use super::{ConfigFile, print};
use crate::api::acts_view;

/// Characters of a configuration's fingerprint to show in a table.
const FINGERPRINT_SHOWN: usize = 8;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List acts of people, the newest first
    ///
    /// Every replay, drop, pause, resume, token, reload and vouching for the clock is here, with who did it and why:
    /// whether it came by the command line, the API or a signal.
    List(List),
}

/// Filters of the list.
#[derive(Clone, Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// Only these: replay, drop, pause, resume, token-create, token-revoke, reload,
    /// clock-vouch or lane-remove
    #[arg(long, value_parser = act_name)]
    act: Option<ActName>,
    /// Only acts that concern this organisation: its deliveries, lanes and tokens
    #[arg(long, visible_alias = "lane")]
    organisation: Option<OrganisationCode>,
    /// Only acts by this person, or with the token of this name
    #[arg(long)]
    by: Option<String>,
    /// Only acts since a day in China such as 2026-11-30, or an instant such as
    /// 2026-11-30T08:00:00Z
    #[arg(long, value_parser = instant)]
    since: Option<Timestamp>,
    /// Largest number of acts
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn act_name(text: &str) -> Result<ActName, String> {
    ActName::read(text)
        .ok_or_else(|| format!("must be one of {}", ActName::ALL.map(ActName::as_str).join(", ")))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    let midnight = |day: Date| day.to_zoned(zone).ok().map(|begun| begun.timestamp());
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().and_then(midnight))
        .ok_or_else(|| "must be a day or an instant".to_owned())
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::List(list) = command;
    let query = ActQuery {
        act: list.act,
        organisation: list.organisation,
        by: list.by,
        since: list.since,
        after: None,
        limit: list.limit,
    };
    let acts = list.file.ask(async |store| store.acts(query).await).await?;
    if list.json {
        print::json(&acts_view(&acts, list.limit));
    } else {
        let rows: Vec<Vec<String>> = acts.iter().map(row).collect();
        print::table(&["at", "by", "through", "act", "on", "why"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(act: &ActRow) -> Vec<String> {
    vec![
        print::time(act.at),
        act.by.clone(),
        act.through.clone(),
        act.act.clone(),
        subject(act),
        act.why.clone(),
    ]
}

/// What the act concerns, named as in other commands.
fn subject(act: &ActRow) -> String {
    if let (Some(message), Some(to)) = (act.message, act.organisation.clone()) {
        return parcel_id(&DeliveryId { message, to });
    }
    if let Some(token) = &act.token {
        let whose = act.organisation.as_ref().map_or("operator", OrganisationCode::as_str);
        return format!("{token} ({whose})");
    }
    if let (Some(before), Some(after)) = (&act.config_before, &act.config_after) {
        let short = |print: &str| print.chars().take(FINGERPRINT_SHOWN).collect::<String>();
        return format!("{} → {}", short(before), short(after));
    }
    match &act.organisation {
        None => "-".to_owned(),
        Some(whose) => LaneName::new(whose.clone(), act.system.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        assert_eq!(instant("2026-11-30").unwrap(), "2026-11-29T16:00:00Z".parse().unwrap());
        assert_eq!(
            instant("2026-11-30T08:00:00+08:00").unwrap(),
            "2026-11-30T00:00:00Z".parse().unwrap()
        );
        assert!(instant("yesterday").is_err());
    }
}
