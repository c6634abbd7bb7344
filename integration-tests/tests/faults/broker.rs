//! The program itself breaks: killed at random, halted, one of several killed, replaced.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::load::chaos::{Chaos, check_log};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::servers::{Postgres, Rabbit};

const KILLS: usize = 20;
const KILLS_LONG: usize = 100;

fn kills() -> usize {
    if long() { KILLS_LONG } else { KILLS }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_an_embedded_broker() {
    let trial = Trial::of(&format!("embedded: {} kills at random", kills()));
    let stage = set_the_stage(None, None).await.unwrap();
    let killed = AtomicUsize::new(0);

    let breaking = async {
        let chaos = Chaos::start(&stage, trial.chance.apart(1_000), &killed).await?;
        Ok(vec![chaos.kill(kills()).await?])
    };
    let (counts, _brokers) = trial.run(&stage, breaking).await.unwrap();

    assert!(counts.acknowledged > kills(), "messages flowed between the kills: {counts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_restarts_of_both_servers() {
    let trial = Trial::of(&format!("broker: {} kills at random, both servers too", kills()));
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let killed = AtomicUsize::new(0);

    let breaking = async {
        let chaos = Chaos::start(&stage, trial.chance.apart(1_000), &killed).await?;
        let restarts = async {
            reach(&killed, kills() / 4).await?;
            rabbit.restart().await?;
            reach(&killed, kills() / 2).await?;
            postgres.restart().await
        };
        Ok(vec![futures::try_join!(chaos.kill(kills()), restarts)?.0])
    };
    let (counts, _brokers) = trial.run(&stage, breaking).await.unwrap();

    assert!(counts.acknowledged > kills(), "messages flowed between the kills: {counts}");
}

/// Waits until so many kills are done.
async fn reach(killed: &AtomicUsize, wanted: usize) -> Result<()> {
    eventually_within(Duration::from_mins(20), "so many kills are done", async || {
        Ok((killed.load(Ordering::Relaxed) >= wanted).then_some(()))
    })
    .await
}

/// As long as systemd may wait before it kills.
const ENDS_WITHIN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_takes_over_and_a_stopping_one_drops_nothing() {
    let trial = Trial::of("broker: one of two killed, the other stopped");
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();

    // The first process has the leases and the lanes; hospitals talk to the second.
    let elsewhere = stage.county.elsewhere().unwrap();
    let mut first = elsewhere.start().await.unwrap();
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
        Ok(vec![third])
    };
    trial.run(&stage, breaking).await.unwrap();
}
