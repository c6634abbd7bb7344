//! `tierlink doctor`: can everything be reached, does anything wait, and what to do about it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ConfigFile, print};
use crate::app;
use crate::config::Config;
use crate::destination;

/// How long one look may take.
const LOOK_LASTS: Duration = Duration::from_secs(10);

/// Check that everything can be reached.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: ConfigFile,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Finding {
    what: String,
    ok: bool,
    text: String,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = options.file.load()?;
    let mut findings = vec![calendar(&config)];
    store(&config, &mut findings).await;
    findings.push(bus(&config).await);
    hospitals(&config, &mut findings).await;
    let well = findings.iter().all(|finding| finding.ok);
    if options.json {
        let findings: Vec<Value> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "ok": f.ok, "text": f.text }))
            .collect();
        print::json(&json!({ "ok": well, "findings": findings }));
    } else {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|f| {
                let mark = if f.ok { "ok" } else { "!!" };
                vec![mark.to_owned(), f.what.clone(), f.text.clone()]
            })
            .collect();
        print::table(&["", "what", "finding"], &rows);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn finding(what: &str, outcome: Result<String, String>) -> Finding {
    let ok = outcome.is_ok();
    Finding { what: what.to_owned(), ok, text: outcome.unwrap_or_else(|text| text) }
}

fn calendar(config: &Config) -> Finding {
    let year = config.county.calendar.date(Timestamp::now()).year();
    finding(
        "calendar",
        if config.county.calendar.covers(year) {
            Ok(format!("holidays of {year} are known"))
        } else {
            Err(format!(
                "no holidays are known for {year}; put the State Council's list into calendar.days"
            ))
        },
    )
}

async fn store(config: &Config, findings: &mut Vec<Finding>) {
    let store = match tokio::time::timeout(LOOK_LASTS, app::open_store(config, false)).await {
        Ok(Ok(store)) => store,
        Ok(Err(error)) => {
            findings.push(finding("store", Err(format!("{error:#}"))));
            return;
        }
        Err(_) => {
            findings.push(finding("store", Err("S001: does not answer; is it running?".into())));
            return;
        }
    };
    findings.push(finding("store", Ok(format!("{} answers", store.name()))));
    match store.lanes().await {
        Ok(lanes) => {
            for lane in lanes {
                let waiting = lane.waiting;
                let parked = lane.parked;
                let what = format!("lane {}", lane.lane);
                let outcome = if parked > 0 {
                    Err(format!("{parked} parked, {waiting} waiting; see `tierlink parked list`"))
                } else if let Some((since, problem)) = lane.trouble {
                    Err(format!("{waiting} waiting, last try {}: {problem}", print::time(since)))
                } else if lane.paused {
                    Err(format!("paused, {waiting} waiting; `tierlink lane resume {}`", lane.lane))
                } else {
                    Ok(format!("{waiting} waiting"))
                };
                findings.push(finding(&what, outcome));
            }
        }
        Err(error) => findings.push(finding("lanes", Err(format!("{}: {error}", error.code())))),
    }
    match store.figures(Timestamp::now()).await {
        Ok(figures) if figures.overdue > 0 => findings.push(finding(
            "deadlines",
            Err(format!(
                "{} open case(s) are overdue; see `tierlink case list --overdue`",
                figures.overdue
            )),
        )),
        Ok(figures) => {
            findings.push(finding("deadlines", Ok(format!("{} open cases", figures.open))));
        }
        Err(error) => {
            findings.push(finding("deadlines", Err(format!("{}: {error}", error.code()))));
        }
    }
    store.close().await;
}

async fn bus(config: &Config) -> Finding {
    let bus = match app::open_bus(config) {
        Ok(bus) => bus,
        Err(error) => return finding("bus", Err(format!("{error:#}"))),
    };
    let outcome = match tokio::time::timeout(LOOK_LASTS, bus.healthy()).await {
        Ok(Ok(())) => match bus.dead().await {
            Ok(0) => Ok("answers, no dead parcels".to_owned()),
            Ok(dead) => {
                Err(format!("{dead} dead parcel(s) in tierlink.dead; see ops/errors/B007.md"))
            }
            Err(error) => Err(format!("{}: {error}", error.code())),
        },
        Ok(Err(error)) => Err(format!("{}: {error}", error.code())),
        Err(_) => Err("B001: does not answer; is RabbitMQ running?".to_owned()),
    };
    bus.close().await;
    finding("bus", outcome)
}

async fn hospitals(config: &Config, findings: &mut Vec<Finding>) {
    let mut profiles: Vec<_> = config.profiles.values().collect();
    profiles.sort_by(|a, b| a.organisation.code.cmp(&b.organisation.code));
    for profile in profiles {
        let what = format!("{} {}", profile.organisation.code, profile.organisation.name);
        let outcome = match destination::open(config, profile) {
            Ok(None) if profile.outbound.remote => Ok("served by its own adapter".to_owned()),
            Ok(None) => {
                Err("has no outbound.address; what it must receive waits in its lane".to_owned())
            }
            Ok(Some(mut door)) => match tokio::time::timeout(LOOK_LASTS, door.reach()).await {
                Ok(Ok(())) => Ok("can be reached".to_owned()),
                Ok(Err(problem)) => Err(problem.to_string()),
                Err(_) => Err("E003: does not answer".to_owned()),
            },
            Err(problem) => Err(problem.to_string()),
        };
        findings.push(finding(&what, outcome));
    }
}
