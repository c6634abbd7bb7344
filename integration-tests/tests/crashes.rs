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

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::Value;
use tempfile::TempDir;
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode, QINGSHI, QINGSHI_FACILITY};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::hospitals::{Charset, HttpSender, Person, hl7_referral, said};
use tierlink_integration_tests::load::chance::{Chance, SEED_VARIABLE};
use tierlink_integration_tests::load::chaos::{Chaos, check_log};
use tierlink_integration_tests::load::ledger::{Counts, count};
use tierlink_integration_tests::load::teller::{Stage, Teller};
use tierlink_integration_tests::servers::{Broker, Postgres, Rabbit, free_port};

const KILLS: usize = 20;
const KILLS_LONG: usize = 100;
// So many lives are told at once. One hospital speaks at a time in each.
const TELLERS: u64 = 8;
const DRAIN_WITHIN: Duration = Duration::from_mins(1);

fn kills() -> usize {
    let long = std::env::var("TIERLINK_FAULTS").is_ok_and(|faults| faults == "long");
    if long { KILLS_LONG } else { KILLS }
}

/// Prints what a person wants to see of a run. The test runner shows it.
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
        let waiting = |lane: &Value| lane["waiting"] != 0;
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

/// How long RabbitMQ stays away.
const AWAY: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_go_away_cost_time_and_nothing_else() {
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let without_rabbit = rabbit_goes_away(&stage.county, &rabbit).await.unwrap();
    let without_postgres = postgres_goes_away(&stage.county, &postgres).await.unwrap();

    for case in without_rabbit.iter().chain(&without_postgres) {
        stage.county.hospital(LEAD).wait_for_kind("REF^I12", case).await.unwrap();
    }
    drain(&stage).await.unwrap();
    // What was on its way when PostgreSQL went may come twice, under the same id.
    let taken = stage.county.hospital(LEAD).taken();
    let ids: HashSet<&str> = taken.iter().map(|one| one.control_id.as_str()).collect();
    assert_eq!(ids.len(), without_rabbit.len() + without_postgres.len());
    check_log(&broker).unwrap();
}

/// While RabbitMQ is away messages are taken all the same, and the broker calls itself ready.
async fn rabbit_goes_away(county: &County, rabbit: &Rabbit) -> Result<Vec<String>> {
    let sender = county.http(FENGQIAO)?;
    rabbit.stop_app().await?;

    let began = Instant::now();
    let mut cases = Vec::new();
    eventually_within(AWAY * 2, "RabbitMQ has been away for long enough", async || {
        let message = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
        cases.push(sender.send(&message).await?.accepted()?);
        Ok((began.elapsed() >= AWAY && cases.len() >= 10).then_some(()))
    })
    .await?;
    let ready = sender.get("/readyz").await?;
    ensure!(ready.status == 200, "not ready: {}", ready.body);
    ensure!(ready.json()["bus"] != "ok", "the bus is not known to be away: {}", ready.body);
    let arrived = county.hospital(LEAD).received().len();
    ensure!(arrived == 0, "{arrived} messages passed a RabbitMQ that was away");

    rabbit.start_app().await?;
    Ok(cases)
}

/// While PostgreSQL is away nobody is told that a message was taken; afterwards the same process
/// goes on.
async fn postgres_goes_away(county: &County, postgres: &Postgres) -> Result<Vec<String>> {
    let sender = county.http(FENGQIAO)?;
    let mut line = county.mllp(QINGSHI).await?;
    let json = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
    let hl7 = hl7_referral(
        (QINGSHI_FACILITY, LEAD),
        ("AWAY0001", "QS-AWAY"),
        &Person::default(),
        Charset::Gb18030,
    )?;
    postgres.stop().await?;

    let (by_http, by_mllp) = futures::join!(sender.send(&json), line.exchange(&hl7));
    let (by_http, by_mllp) = (by_http?, by_mllp?);
    ensure!(by_http.status == 503, "HTTP {}: {}", by_http.status, by_http.body);
    ensure!(by_mllp.field("MSA", 1) == "AE", "MLLP: {by_mllp:?}");
    ensure!(by_mllp.all("ERR").concat().contains("207"), "MLLP: {by_mllp:?}");
    let ready = HttpSender::new(county.http_port(), None)?.get("/readyz").await?;
    ensure!(ready.status == 503, "ready without a store: {}", ready.body);

    postgres.restart().await?;
    eventually_within(Duration::from_secs(30), "the broker goes on", async || {
        let answer = sender.send(&json).await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    let again = line.exchange(&hl7).await?;
    ensure!(again.field("MSA", 3).starts_with("accepted;"), "it had been stored: {again:?}");
    Ok(vec![sender.send(&json).await?.accepted()?, again.accepted()?])
}

/// As long as systemd may wait before it kills.
const ENDS_WITHIN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_takes_over_and_a_stopping_one_drops_nothing() {
    let (seed, began) = (Chance::seed(), Instant::now());
    let chance = Chance::new(seed);
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();

    // The first process has the leases and the lanes; hospitals talk to the second.
    let (folder, port) = elsewhere(&stage.county).unwrap();
    let mut first = Broker::start(folder.path(), &[]).await.unwrap();
    first.wait_ready(&format!("http://127.0.0.1:{port}/readyz")).await.unwrap();
    let mut second = stage.county.start_another(&[]).await.unwrap();
    let breaking = async {
        flow(&stage, 10).await?;
        first.kill9().await?;
        flow(&stage, 20).await?;
        let asked = Instant::now();
        let ended = second.terminate().await?;
        let took = asked.elapsed();
        ensure!(ended.success(), "it ended with {ended}: {}", second.logs()?);
        ensure!(took < ENDS_WITHIN, "it took {} s to end", took.as_secs());
        check_log(&second)?;
        let third = stage.county.start_another(&[]).await?;
        flow(&stage, 10).await?;
        Ok(third)
    };
    let (counts, _third) = run(&stage, &chance, breaking).await.unwrap();

    judge("two processes", seed, 1, began, &counts);
}

/// Waits until so many more messages were taken by their destinations.
async fn flow(stage: &Stage, more: usize) -> Result<()> {
    let wanted = stage.taken() + more;
    eventually_within(Duration::from_secs(30), "deliveries go on", async || {
        Ok((stage.taken() >= wanted).then_some(()))
    })
    .await
}

/// The county's configuration once more, with other ports. Gives its HTTP port.
fn elsewhere(county: &County) -> Result<(TempDir, u16)> {
    let folder = TempDir::with_prefix("tierlink-second.")?;
    for inner in ["profiles", "secrets"] {
        let (from, to) = (county.folder().join(inner), folder.path().join(inner));
        std::fs::create_dir(&to)?;
        for file in std::fs::read_dir(from)? {
            let file = file?;
            std::fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    let mut toml = std::fs::read_to_string(county.folder().join("county.toml"))?;
    let port = free_port()?;
    for (old, new) in [
        (county.http_port(), port),
        (county.mllp_port(QINGSHI), free_port()?),
        (county.mllp_port(LEAD), free_port()?),
    ] {
        toml = toml.replace(&format!("127.0.0.1:{old}\""), &format!("127.0.0.1:{new}\""));
    }
    std::fs::write(folder.path().join("county.toml"), toml)?;
    Ok((folder, port))
}
