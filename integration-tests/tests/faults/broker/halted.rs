//! A process is halted (SIGSTOP) and wakes up: alone, and as the one of two that relays.

use std::time::Duration;

use anyhow::{Result, ensure};
use tierlink_integration_tests::county::EVERYBODY;
use tierlink_integration_tests::eventually::{eventually, eventually_within};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow};
use tokio::time::{Instant, sleep_until};

use super::{leases, set_a_shared_stage};

/// Longer than a lease lasts and than RabbitMQ waits for a silent process, in both forms.
const HALTED: Duration = Duration::from_secs(8);
const HALTED_LONG: Duration = Duration::from_mins(1);

/// How long a hospital thinks while lanes are to fill, and how many messages then wait in one.
const THINKS: Duration = Duration::from_millis(400);
const WAITING: u64 = 6;

fn halted() -> Duration {
    if long() { HALTED_LONG } else { HALTED }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_process_goes_on_where_it_stood() {
    let trial = Trial::of(&format!("broker: halted for {} s", halted().as_secs()));
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 20).await?;
        broker.halt().await?;
        sleep_until(Instant::now() + halted()).await;
        broker.wake().await?;
        flow(&stage, 20).await?;
        Ok(vec![broker])
    };
    let (counts, _brokers) = trial.run(&stage, breaking).await.unwrap();

    assert!(counts.repeats <= EVERYBODY.len(), "more than was on its way came again: {counts}");
}

/// What the sleeper had in hand it may send once more when it wakes, one message for each lane.
/// What it only had before it, the other has delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_relays_while_the_holder_of_the_lease_sleeps() {
    let seconds = halted().as_secs();
    let trial = Trial::of(&format!("broker: the one of two that relays halted for {seconds} s"));
    let stage = set_a_shared_stage().await.unwrap();
    let elsewhere = stage.county.elsewhere().unwrap();
    let sleeper = elsewhere.start().await.unwrap();
    let other = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 20).await?;
        ensure!(leases(&sleeper)? == 1, "the first does not relay: {}", sleeper.logs()?);
        fill_the_lanes(&stage).await?;
        sleeper.halt().await?;
        let until = Instant::now() + halted();
        eventually_within(halted(), "the other relays", async || {
            Ok((leases(&other)? == 1).then_some(()))
        })
        .await?;
        hurry(&stage);
        flow(&stage, 20).await?;
        sleep_until(until).await;
        sleeper.wake().await?;
        flow(&stage, 20).await?;
        ensure!(leases(&sleeper)? == 1, "both relay: {}", sleeper.logs()?);
        Ok(vec![other, sleeper])
    };
    let (counts, _brokers) = trial.run(&stage, breaking).await.unwrap();

    assert!(counts.repeats <= EVERYBODY.len(), "the sleeper sent what was delivered: {counts}");
}

/// Makes hospitals think for a while, until some of them have several messages before them.
async fn fill_the_lanes(stage: &Stage) -> Result<()> {
    for code in EVERYBODY {
        stage.county.hospital(code).behave(|manners| manners.slow = THINKS);
    }
    let operator = stage.county.operator()?;
    eventually("messages wait in a lane", async || {
        let lanes = operator.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let deepest = lanes.iter().filter_map(|lane| lane["waiting"].as_u64()).max();
        Ok((deepest >= Some(WAITING)).then_some(()))
    })
    .await
}

fn hurry(stage: &Stage) {
    for code in EVERYBODY {
        stage.county.hospital(code).behave(|manners| manners.slow = Duration::ZERO);
    }
}
