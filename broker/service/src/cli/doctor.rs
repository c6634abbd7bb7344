//! `tierlink doctor`: checks what can be reached and what waits too long, and names the runbook.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tierlink_core::doubt::APART_MAX;
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_edge::network;
use tierlink_schemas::LaneName;
use tierlink_store::{LaneRow, Queries, StoredTime, TokenRow};

use super::lanes_on_bus::lanes_not_open;
use super::{ConfigFile, print};
use crate::app;
use crate::certificate_watch;
use crate::config::Config;
use crate::health::{lanes_report, queues_report};

/// Longest duration of one check.
const LOOK_LASTS: Duration = Duration::from_secs(10);
/// A delivery that waits longer without a known reason is reported. The alert has the same limit.
const STANDS_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// How long before its end a token is reported. The alert has the same limit.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

const STORE_AWAY: &str = "ops/runbooks/TierLinkStoreAway.md";
const BUS_AWAY: &str = "ops/runbooks/TierLinkBusAway.md";
const DEAD_PARCELS: &str = "ops/runbooks/TierLinkDeadParcels.md";
const QUEUE_SETTINGS: &str = "ops/runbooks/TierLinkQueueSettings.md";
const LANE_SILENT: &str = "ops/runbooks/TierLinkLaneSilent.md";
const LANES_NOT_OPEN: &str = "ops/runbooks/TierLinkLanesNotOpen.md";
const LANE_STANDS: &str = "ops/runbooks/TierLinkLaneStands.md";
const DELIVERY_PARKED: &str = "ops/runbooks/TierLinkDeliveryParked.md";
const DEADLINES_OVERDUE: &str = "ops/runbooks/TierLinkDeadlinesOverdue.md";
const CLOCK_IN_DOUBT: &str = "ops/runbooks/TierLinkClockInDoubt.md";
const LANE_HELD: &str = "ops/runbooks/TierLinkLaneHeld.md";
const CERTIFICATE_EXPIRES: &str = "ops/runbooks/TierLinkCertificateExpires.md";
const TOKEN_EXPIRES: &str = "ops/runbooks/TierLinkTokenExpires.md";

/// Check that everything can be reached.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: ConfigFile,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Result of one check.
struct Finding {
    what: String,
    ok: bool,
    text: String,
    /// The runbook to read if something is wrong.
    see: Option<&'static str>,
}

impl Finding {
    /// Sets the runbook.
    fn see(mut self, runbook: &'static str) -> Self {
        self.see = (!self.ok).then_some(runbook);
        self
    }
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = options.file.load()?;
    let mut findings = vec![calendar(&config)];
    let paused = store(&config, &mut findings).await;
    bus(&config, &paused, &mut findings).await;
    findings.extend(certificates(&config, SystemEnvironment.now()));
    hospitals(&config, &mut findings).await;
    let well = findings.iter().all(|finding| finding.ok);
    if options.json {
        let findings: Vec<Value> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "ok": f.ok, "text": f.text, "see": f.see }))
            .collect();
        print::json(&json!({ "ok": well, "findings": findings }));
    } else {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|f| {
                let mark = if f.ok { "ok" } else { "!!" };
                let see = f.see.unwrap_or_default().to_owned();
                vec![mark.to_owned(), f.what.clone(), f.text.clone(), see]
            })
            .collect();
        print::table(&["", "what", "finding", "see"], &rows);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn finding(what: &str, outcome: Result<String, String>) -> Finding {
    let ok = outcome.is_ok();
    Finding { what: what.to_owned(), ok, text: outcome.unwrap_or_else(|text| text), see: None }
}

fn calendar(config: &Config) -> Finding {
    let year = config.county.calendar.date(SystemEnvironment.now()).year();
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

/// Checks the store. Returns the lanes that are paused.
async fn store(config: &Config, findings: &mut Vec<Finding>) -> HashSet<LaneName> {
    let store = match tokio::time::timeout(LOOK_LASTS, app::open_store(config, false)).await {
        Ok(Ok(store)) => store,
        Ok(Err(error)) => {
            findings.push(finding("store", Err(format!("{error:#}"))).see(STORE_AWAY));
            return HashSet::new();
        }
        Err(_) => {
            let silent = Err("S001: does not answer; is it running?".to_owned());
            findings.push(finding("store", silent).see(STORE_AWAY));
            return HashSet::new();
        }
    };
    findings.push(finding("store", Ok(format!("{} answers", store.name()))));
    if let Ok(Some(newer)) = store.newer_tables().await.map(|v| crate::report::newer_tables(&v)) {
        findings.push(finding("tables", Ok(newer)));
    }
    findings.push(match store.time().await {
        Ok(stored) => clock(SystemEnvironment.now(), &stored),
        Err(error) => finding("clock", Err(format!("{}: {error}", error.code()))),
    });
    let paused = ask(config, &*store, findings).await;
    store.close().await;
    paused
}

/// Whether the clock of this machine agrees with that of the database server, and stands after what
/// is stored.
fn clock(now: Timestamp, stored: &StoredTime) -> Finding {
    let apart = |at: Timestamp| now.duration_since(at).as_secs();
    let text = match (stored.server, stored.newest) {
        (Some(server), _) if now.duration_since(server).abs() > APART_MAX => Err(format!(
            "{} s away from that of the database server; no case ends by it",
            apart(server)
        )),
        (_, Some(newest)) if now.duration_until(newest) > APART_MAX => Err(format!(
            "{} s behind the newest message; it is wrong now, or was wrong then",
            -apart(newest)
        )),
        (Some(_), _) => Ok("agrees with that of the database server".to_owned()),
        (None, _) => Ok("stands after what is stored".to_owned()),
    };
    finding("clock", text).see(CLOCK_IN_DOUBT)
}

/// What the store says about lanes, tokens and deadlines. Gives the lanes that are paused.
async fn ask(
    config: &Config,
    store: &dyn Queries,
    findings: &mut Vec<Finding>,
) -> HashSet<LaneName> {
    let mut paused = HashSet::new();
    let now = SystemEnvironment.now();
    match store.lanes().await {
        Ok(lanes) => {
            paused.extend(lanes.iter().filter(|row| row.paused).map(|row| row.lane.clone()));
            findings.extend(lanes.into_iter().map(|row| lane(config, row, now)));
        }
        Err(error) => findings.push(finding("lanes", Err(format!("{}: {error}", error.code())))),
    }
    match store.tokens().await {
        Ok(tokens) => findings.extend(tokens.iter().filter_map(|token| expires_soon(token, now))),
        Err(error) => findings.push(finding("tokens", Err(format!("{}: {error}", error.code())))),
    }
    match store.figures(now).await {
        Ok(figures) if figures.overdue > 0 => {
            let text = format!(
                "{} open case(s) are overdue; see `tierlink case list --overdue`",
                figures.overdue
            );
            findings.push(finding("deadlines", Err(text)).see(DEADLINES_OVERDUE));
        }
        Ok(figures) => {
            findings.push(finding("deadlines", Ok(format!("{} open cases", figures.open))));
        }
        Err(error) => {
            findings.push(finding("deadlines", Err(format!("{}: {error}", error.code()))));
        }
    }
    paused
}

/// Judges a lane by the store's records: whether it needs a person, or will go on by itself.
fn lane(config: &Config, row: LaneRow, now: Timestamp) -> Finding {
    let LaneRow { lane, waiting, parked, .. } = row;
    let what = format!("lane {lane}");
    let Some(system) = config.system(&lane) else {
        let text = format!(
            "{waiting} waiting, {parked} parked, and no profile has this system; put it back"
        );
        return finding(&what, if waiting + parked == 0 { Ok(text) } else { Err(text) })
            .see(LANE_STANDS);
    };
    if system.is_people() {
        return finding(&what, Ok(format!("{waiting} with people")));
    }
    let stands_since =
        row.oldest_at.filter(|at| now.duration_since(*at) > STANDS_AFTER && waiting > 0);
    if parked > 0 {
        let text = format!("{parked} parked, {waiting} waiting; see `tierlink parked list`");
        finding(&what, Err(text)).see(DELIVERY_PARKED)
    } else if let Some((at, problem)) = row.trouble {
        let text = format!("{waiting} waiting, last try {}: {problem}", print::time(at));
        let answered = [network::NOT_LET_IN, network::NOT_ITS_WORD].contains(&problem.code);
        finding(&what, Err(text)).see(if answered { LANE_HELD } else { LANE_SILENT })
    } else if row.paused {
        let text = format!("paused, {waiting} waiting; `tierlink lane resume {lane}`");
        finding(&what, Err(text)).see(LANE_STANDS)
    } else if let Some(since) = stands_since {
        let text = format!("{waiting} waiting, the oldest since {}", print::time(since));
        finding(&what, Err(text)).see(LANE_STANDS)
    } else {
        finding(&what, Ok(format!("{waiting} waiting")))
    }
}

fn expires_soon(token: &TokenRow, now: Timestamp) -> Option<Finding> {
    let at = token.expires_at.filter(|at| *at > now && now.duration_until(*at) < EXPIRES_SOON)?;
    let text = format!("stops working {}; hand over a new one", print::time(at));
    Some(finding(&format!("token {}", token.name), Err(text)).see(TOKEN_EXPIRES))
}

async fn bus(config: &Config, paused: &HashSet<LaneName>, findings: &mut Vec<Finding>) {
    let bus = match app::open_bus(config) {
        Ok(bus) => bus,
        Err(error) => {
            findings.push(finding("bus", Err(format!("{error:#}"))).see(BUS_AWAY));
            return;
        }
    };
    let mut see = BUS_AWAY;
    let outcome = match tokio::time::timeout(LOOK_LASTS, bus.healthy()).await {
        Ok(Ok(())) => match bus.dead().await {
            Ok(0) => Ok("answers, no dead parcels".to_owned()),
            Ok(dead) => {
                see = DEAD_PARCELS;
                Err(format!("{dead} dead parcel(s) in tierlink.dead"))
            }
            Err(error) => Err(format!("{}: {error}", error.code())),
        },
        Ok(Err(error)) => Err(format!("{}: {error}", error.code())),
        Err(_) => Err("B001: does not answer; is RabbitMQ running?".to_owned()),
    };
    let answers = outcome.is_ok() || see == DEAD_PARCELS;
    findings.push(finding("bus", outcome).see(see));
    if answers && bus.remembers() {
        // Looking at the settings of a queue means declaring it, as the broker does.
        let looked = match bus.open_lanes(&[]).await {
            Ok(_) => queues_report(&bus.queues_in_trouble())
                .map(|()| "have the limits that they should have".to_owned()),
            Err(error) => Err(format!("{}: {error}", error.code())),
        };
        findings.push(finding("queues on the bus", looked).see(QUEUE_SETTINGS));
        let looked = match lanes_not_open(config, paused, &*bus).await {
            Ok(shut) => lanes_report(&shut).map(|()| "none is shut".to_owned()),
            Err(error) => Err(format!("{}: {error}", error.code())),
        };
        findings.push(finding("lanes on the bus", looked).see(LANES_NOT_OPEN));
    }
    bus.close().await;
}

/// The certificates that the configuration names and that end soon, or one line that none does.
fn certificates(config: &Config, now: Timestamp) -> Vec<Finding> {
    let own = certificate_watch::own(config);
    let Some(next) = own.iter().map(|known| known.ends_at).min() else { return Vec::new() };
    let near = own.iter().filter_map(|known| Some((known, certificate_watch::text(known, now)?)));
    let mut found: Vec<Finding> = near.map(|(known, text)| ends_soon(&known.what, &text)).collect();
    if found.is_empty() {
        let text = format!("of ours the next ends {}", print::time(next));
        found.push(finding("certificates", Ok(text)));
    }
    found
}

fn ends_soon(what: &str, text: &str) -> Finding {
    finding(what, Err(format!("{}: {text}", certificate_watch::ENDS_SOON))).see(CERTIFICATE_EXPIRES)
}

async fn hospitals(config: &Config, findings: &mut Vec<Finding>) {
    let mut systems: Vec<_> = config.systems().filter(|system| !system.is_people()).collect();
    systems.sort_by_key(|system| system.lane());
    for profile in systems {
        let what = format!("{} {}", profile.lane(), profile.organisation.name);
        let outcome = match network::open(&config.folder, profile) {
            Ok(None) if profile.outbound.remote => Ok("served by its own adapter".to_owned()),
            Ok(None) => {
                Err("has no outbound.address; what it must receive waits in its lane".to_owned())
            }
            Ok(Some(mut destination)) => {
                let reached = tokio::time::timeout(LOOK_LASTS, destination.reach()).await;
                if let Some(ends_at) = destination.certificate_ends_at() {
                    let what = format!("the certificate of {}", profile.lane());
                    let known = certificate_watch::Known { what, ends_at };
                    let near = certificate_watch::text(&known, SystemEnvironment.now());
                    findings.extend(near.map(|text| ends_soon(&known.what, &text)));
                }
                match reached {
                    Ok(Ok(())) => Ok("can be reached".to_owned()),
                    Ok(Err(problem)) => Err(problem.to_string()),
                    Err(_) => Err("E003: does not answer".to_owned()),
                }
            }
            Err(problem) => Err(problem.to_string()),
        };
        findings.push(finding(&what, outcome).see(LANE_SILENT));
    }
}
