//! The program itself breaks: killed at random, halted, one of several killed, replaced.

mod halted;
mod replaced;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::load::chaos::{Chaos, check_log};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::servers::{
    Broker, Postgres, Rabbit, fresh_database, shared_postgres, shared_rabbit,
};

/// RabbitMQ gives up on a silent process within twice as many seconds. Production has 10.
const HEARTBEAT_SECONDS: u32 = 2;

/// A stage with a database and a virtual host of its own, on servers that others use as well.
pub(crate) async fn set_a_shared_stage() -> Result<Arc<Stage>> {
    let database = fresh_database(&shared_postgres().await?).await?;
    let vhost = shared_rabbit().await?.fresh_vhost().await?;
    let bus = format!("{vhost}?heartbeat={HEARTBEAT_SECONDS}");
    set_the_stage(Some(&database), Some(&bus)).await
}

/// How often a process took over the relay.
fn leases(broker: &Broker) -> Result<usize> {
    Ok(broker.logs()?.matches("This process has the lease `relay` now").count())
}

/// Ends a process as systemd does, and checks that it ended well and in time.
async fn end_well(broker: &mut Broker) -> Result<()> {
    let asked = Instant::now();
    let ended = broker.terminate().await?;
    let took = asked.elapsed();
    ensure!(ended.success(), "it ended with {ended}: {}", broker.logs()?);
    ensure!(took < ENDS_WITHIN, "it took {} s to end", took.as_secs());
    check_log(broker)
}

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
        end_well(&mut second).await?;
        let third = stage.county.start_another(&[]).await?;
        flow(&stage, 10).await?;
        Ok(vec![third])
    };
    trial.run(&stage, breaking).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_processes_one_is_killed_and_one_of_the_others_relays() {
    let trial = Trial::of("broker: one of three killed, again and again");
    let stage = set_a_shared_stage().await.unwrap();
    let elsewhere = [stage.county.elsewhere().unwrap(), stage.county.elsewhere().unwrap()];
    let mut first = elsewhere[0].start().await.unwrap();
    let mut second = elsewhere[1].start().await.unwrap();
    let third = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        ensure!(leases(&first)? == 1, "the first does not relay: {}", first.logs()?);
        first.kill9().await?;
        flow(&stage, 20).await?;
        let took_over = [leases(&second)?, leases(&third)?];
        ensure!(took_over.iter().sum::<usize>() == 1, "the lease went to {took_over:?}");
        first = elsewhere[0].start().await?;
        second.kill9().await?;
        flow(&stage, 20).await?;
        Ok(vec![first, third])
    };
    trial.run(&stage, breaking).await.unwrap();
}
