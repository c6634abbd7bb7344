//! What a crash may cost: a repeat, never a message, never a second effect, never the order.
//!
//! The broker is the real program in a process of its own, killed with SIGKILL at random while
//! hospitals tell whole lives of cases. Each run prints its seed and its counts:
//!
//! ```text
//!     ops/test -- -p tierlink-integration-tests --test crashes --no-capture
//!     TIERLINK_TEST_SEED=4711 …            the same chance again
//!     TIERLINK_FAULTS=long …               five times as many kills
//! ```
//!
//! What counts as lost, doubled and reordered stands in `load::ledger`, whose own tests show that
//! each of these verdicts can fall.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use tierlink_integration_tests::county::{County, Mode};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::load::chance::{Chance, SEED_VARIABLE};
use tierlink_integration_tests::load::chaos::{Chaos, check_log};
use tierlink_integration_tests::load::ledger::{Counts, count};
use tierlink_integration_tests::load::teller::{Stage, Teller};
use tierlink_integration_tests::servers::{Broker, Postgres, Rabbit};

const KILLS: usize = 20;
const KILLS_LONG: usize = 100;
// So many lives are told at once. One hospital speaks at a time in each.
const TELLERS: u64 = 8;
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

fn kills() -> usize {
    let long = std::env::var("TIERLINK_FAULTS").is_ok_and(|faults| faults == "long");
    if long { KILLS_LONG } else { KILLS }
}

/// Prints what a person wants to see of a run. The test runner shows it.
#[expect(clippy::print_stderr, reason = "counts are what this test is run for")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// A county with tokens and configuration, and no broker.
async fn set_the_stage(store: Option<&str>, bus: Option<&str>) -> Result<Arc<Stage>> {
    let mut county = County::plan(Mode::Embedded).await?;
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

/// Lets tellers tell while `breaking` goes on, then drains and counts.
async fn run(
    stage: &Arc<Stage>,
    chance: &Chance,
    breaking: impl Future<Output = Result<Broker>>,
) -> Result<(Counts, Broker)> {
    let tellers = (0..TELLERS).map(|name| {
        let telling = tokio::spawn(Teller::new(stage, chance, name).tell());
        async move { telling.await? }
    });
    let telling = try_join_all(tellers);
    let breaking = async {
        let broker = breaking.await;
        stage.lower_the_curtain();
        broker
    };
    let (broker, _lives) = futures::try_join!(breaking, telling)?;
    drain(stage).await.with_context(|| broker.logs().unwrap_or_default())?;
    check_log(&broker)?;
    let counts = count(&stage.said(), &stage.arrived(), &stage.cases().await?);
    Ok((counts, broker))
}

/// Waits until every delivery of every case is settled.
async fn drain(stage: &Stage) -> Result<()> {
    let operator = stage.county.operator()?;
    eventually_within(DRAIN_WITHIN, "nothing waits in any lane", async || {
        let lanes = operator.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let waiting = |lane: &serde_json::Value| lane["waiting"] != 0;
        Ok((!lanes.is_empty() && !lanes.iter().any(waiting)).then_some(()))
    })
    .await
}

fn judge(what: &str, seed: u64, kills: usize, began: Instant, counts: &Counts) {
    tell(&format!(
        "{what}: {kills} kills in {} s, {SEED_VARIABLE}={seed}: {counts}",
        began.elapsed().as_secs()
    ));
    assert!(counts.is_clean(), "{SEED_VARIABLE}={seed} repeats this: {counts}");
    assert!(counts.acknowledged > kills, "messages flowed between the kills: {counts}");
    assert_eq!(counts.sent, counts.acknowledged, "every hospital was heard in the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_of_an_embedded_broker_lose_double_and_reorder_nothing() {
    let (seed, began) = (Chance::seed(), Instant::now());
    tell(&format!("embedded: {SEED_VARIABLE}={seed}"));
    let chance = Chance::new(seed);
    let stage = set_the_stage(None, None).await.unwrap();
    let killed = AtomicUsize::new(0);

    let breaking =
        async { Chaos::start(&stage, chance.apart(1_000), &killed).await?.kill(kills()).await };
    let (counts, _broker) = run(&stage, &chance, breaking).await.unwrap();

    judge("embedded", seed, killed.load(Ordering::Relaxed), began, &counts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_and_restarts_of_both_servers_lose_double_and_reorder_nothing() {
    let (seed, began) = (Chance::seed(), Instant::now());
    tell(&format!("production: {SEED_VARIABLE}={seed}"));
    let chance = Chance::new(seed);
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let killed = AtomicUsize::new(0);

    let breaking = async {
        let chaos = Chaos::start(&stage, chance.apart(1_000), &killed).await?;
        let restarts = async {
            reach(&killed, kills() / 4).await?;
            rabbit.restart().await?;
            reach(&killed, kills() / 2).await?;
            postgres.restart().await
        };
        Ok(futures::try_join!(chaos.kill(kills()), restarts)?.0)
    };
    let (counts, _broker) = run(&stage, &chance, breaking).await.unwrap();

    judge("production", seed, killed.load(Ordering::Relaxed), began, &counts);
}

/// Waits until so many kills are done.
async fn reach(killed: &AtomicUsize, wanted: usize) -> Result<()> {
    eventually_within(Duration::from_mins(10), "so many kills are done", async || {
        Ok((killed.load(Ordering::Relaxed) >= wanted).then_some(()))
    })
    .await
}
