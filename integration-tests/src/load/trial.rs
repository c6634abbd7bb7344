//! A trial: hospitals tell lives while one thing breaks, and everything is counted afterwards.
//!
//! ```text
//!   Trial::of("rabbitmq: restart")
//!     tellers tell ─────────────────────────▶ finish their lives ┐
//!     the fault begins, and ends             ▶ curtain           ┴▶ drain ▶ count ▶ one line, judged
//! ```
//!
//! The line goes to the test's output and, where `TIERLINK_FAULTS_REPORT` names a file, to its end:
//! `ops/test --faults` prints that file when all is done.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::Value;

use super::chance::{Chance, SEED_VARIABLE};
use super::chaos::check_log;

use super::long;
use super::teller::{Stage, Teller};
use crate::county::{County, EVERYBODY, Mode};
use crate::eventually::eventually_within;
use crate::servers::Broker;
use tierlink_simulator::ledger::{Counts, count};

/// Names the file that every trial adds its line to.
pub const REPORT_VARIABLE: &str = "TIERLINK_FAULTS_REPORT";

// So many lives are told at once. One hospital speaks at a time in each.
const TELLERS: u64 = 8;
// What the bus has lost is found after 75 seconds at the latest.
const DRAIN_WITHIN: Duration = Duration::from_mins(2);
const DRAIN_WITHIN_LONG: Duration = Duration::from_mins(5);
const FLOW_WITHIN: Duration = Duration::from_secs(45);

/// One fault on trial.
#[derive(Debug)]
pub struct Trial {
    fault: String,
    seed: u64,
    began: Instant,
    /// Where the trial draws from.
    pub chance: Chance,
}

impl Trial {
    /// A trial of this fault, with the seed of the environment or a new one.
    #[must_use]
    pub fn of(fault: &str) -> Self {
        let seed = Chance::seed();
        eprintln!("{fault}: {SEED_VARIABLE}={seed}");
        Self { fault: fault.to_owned(), seed, began: Instant::now(), chance: Chance::new(seed) }
    }

    /// Lets tellers tell while `breaking` goes on; then drains, counts, reports and judges.
    ///
    /// `breaking` gives back the processes that run in the end.
    ///
    /// # Errors
    ///
    /// If anything was lost, doubled, reordered or wrongly refused, if a message was not heard or
    /// not delivered in the end, or if a log has a panic or an alarm.
    pub async fn run(
        &self,
        stage: &Arc<Stage>,
        breaking: impl Future<Output = Result<Vec<Broker>>>,
    ) -> Result<(Counts, Vec<Broker>)> {
        let tellers = (0..TELLERS).map(|name| {
            let telling = tokio::spawn(Teller::new(stage, &self.chance, name).tell());
            async move { telling.await? }
        });
        let telling = try_join_all(tellers);
        let breaking = async {
            let brokers = breaking.await;
            stage.lower_the_curtain();
            brokers
        };
        let (brokers, _lives) = futures::try_join!(breaking, telling)?;
        let counts = self.judge(stage, &brokers).await?;
        Ok((counts, brokers))
    }

    /// Drains, counts, reports and judges what was said on this stage. For trials that tell
    /// something else than lives.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn judge(&self, stage: &Stage, brokers: &[Broker]) -> Result<Counts> {
        let counts = self.judge_with_reports(stage, brokers).await?;
        ensure!(
            counts.acknowledged == counts.delivered,
            "what was acknowledged is not what was delivered: {counts}"
        );
        Ok(counts)
    }

    /// The same where the broker speaks too, because deadlines pass: then more is delivered than
    /// hospitals said.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn judge_with_reports(&self, stage: &Stage, brokers: &[Broker]) -> Result<Counts> {
        drain(stage).await.with_context(|| logs_of(brokers))?;
        for broker in brokers {
            check_log(broker)?;
        }
        let counts = count(&stage.said(), &stage.arrived(), &stage.cases().await?);
        self.report(&counts)?;
        let seed = self.seed;
        ensure!(counts.is_clean(), "{SEED_VARIABLE}={seed} repeats this: {counts}");
        ensure!(counts.sent > 0, "nothing was said: {counts}");
        ensure!(counts.sent == counts.acknowledged, "somebody was not heard in the end: {counts}");
        Ok(counts)
    }

    /// Prints the line of this trial, and adds it to the report if there is one.
    ///
    /// # Errors
    ///
    /// If the report cannot be written.
    pub fn report(&self, counts: &Counts) -> Result<()> {
        let mut line = String::new();
        writeln!(line, "{} ({} s): {counts}", self.fault, self.began.elapsed().as_secs())?;
        eprint!("{line}");
        if let Some(path) = std::env::var_os(REPORT_VARIABLE) {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(line.as_bytes())).with_context(|| {
                format!("{REPORT_VARIABLE} names a file that cannot be written")
            })?;
        }
        Ok(())
    }
}

/// A county with tokens and configuration, and no broker. `None` stands for the embedded parts.
///
/// # Errors
///
/// If the program does not start on this store and bus.
pub async fn set_the_stage(store: Option<&str>, bus: Option<&str>) -> Result<Arc<Stage>> {
    let county = County::plan(Mode::Embedded).await?;
    set_the_stage_with(county, store, bus).await
}

/// The same in one of the two modes, on the servers that tests share.
///
/// # Errors
///
/// If the program does not start.
pub async fn set_the_stage_in(mode: Mode) -> Result<Arc<Stage>> {
    set_the_stage_with(County::plan(mode).await?, None, None).await
}

/// The same, where answers may take half a minute: a slow hospital is no silent one.
///
/// # Errors
///
/// If the program does not start.
pub async fn set_the_patient_stage_in(mode: Mode) -> Result<Arc<Stage>> {
    let mut county = County::plan(mode).await?;
    for code in EVERYBODY {
        county.profile(code)?.answer_seconds = 30;
    }
    set_the_stage_with(county, None, None).await
}

async fn set_the_stage_with(
    mut county: County,
    store: Option<&str>,
    bus: Option<&str>,
) -> Result<Arc<Stage>> {
    if let Some(store) = store {
        county.set_store(store);
    }
    if let Some(bus) = bus {
        county.set_bus(bus);
    }
    county.begin().await?;
    county.stop().await?;
    Ok(Stage::new(county))
}

/// Waits until so many more messages were taken by their destinations.
///
/// # Errors
///
/// If they are not within a time in which they should be.
pub async fn flow(stage: &Stage, more: usize) -> Result<()> {
    let wanted = stage.taken() + more;
    eventually_within(FLOW_WITHIN, "deliveries go on", async || {
        Ok((stage.taken() >= wanted).then_some(()))
    })
    .await
}

/// Waits until every delivery of every case is taken.
///
/// # Errors
///
/// If something still waits after two minutes, or five in the long form.
pub async fn drain(stage: &Stage) -> Result<()> {
    let operator = stage.county.operator()?;
    let within = if long() { DRAIN_WITHIN_LONG } else { DRAIN_WITHIN };
    eventually_within(within, "nothing waits in any lane, and nothing is parked", async || {
        let Ok(answer) = operator.get("/api/v1/lanes").await else { return Ok(None) };
        let lanes = answer.json()["lanes"].as_array().cloned().unwrap_or_default();
        // What is parked is replayed by an operator of the trial, or shows in the end as lost.
        let waiting = |lane: &Value| lane["waiting"] != 0 || lane["parked"] != 0;
        Ok((!lanes.is_empty() && !lanes.iter().any(waiting)).then_some(()))
    })
    .await
}

fn logs_of(brokers: &[Broker]) -> String {
    brokers.iter().filter_map(|broker| broker.logs().ok()).collect::<Vec<_>>().join("\n")
}
