//! RabbitMQ breaks: restarted, cut off, blocked, gone for minutes, without a lane, with poison or an
//! intruder in it.

mod intruder;
mod poison;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lapin::options::QueueDeleteOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::HttpSender;
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::servers::{Broker, Rabbit, fresh_database, shared_postgres};

use super::broker::set_a_shared_stage;

/// How long RabbitMQ is gone.
const GONE: Duration = Duration::from_secs(15);
const GONE_LONG: Duration = Duration::from_mins(10);
/// How long it takes nothing from publishers.
const BLOCKED: Duration = Duration::from_secs(3);
const BLOCKED_LONG: Duration = Duration::from_mins(1);
/// How often connections are cut, and lanes deleted or unbound.
const TIMES: usize = 4;
const TIMES_LONG: usize = 30;

fn times() -> usize {
    if long() { TIMES_LONG } else { TIMES }
}

/// A connection to the county's virtual host beside the broker's own.
async fn beside(county: &County) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(county.bus(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Waits until `/readyz` says this of the bus, while it goes on calling the broker ready.
async fn wait_for_bus(county: &County, what: &str, says: impl Fn(&str) -> bool) -> Result<()> {
    let sender = HttpSender::new(county.http_port(), None)?;
    eventually(what, async || {
        let ready = sender.get("/readyz").await?;
        ensure!(ready.status == 200, "not ready: {}", ready.body);
        let body = ready.json();
        let bus = body["bus"].as_str().context("readyz says nothing of the bus")?;
        Ok(says(bus).then_some(()))
    })
    .await
}

/// One line when the trouble of the relay began, one when it ended, and no flood in between.
fn check_told(broker: &Broker, times: usize) -> Result<()> {
    const LINES_PER_TROUBLE: usize = 24;
    let logs = broker.logs()?;
    let count = |text: &str| logs.lines().filter(|line| line.contains(text)).count();
    let told = count(" WARN ") + count("ERROR ");
    ensure!(told > 0, "nothing was told of it:\n{logs}");
    ensure!(told <= LINES_PER_TROUBLE * times, "{told} lines for {times} troubles:\n{logs}");
    let (began, ended) =
        (count("Deliveries do not get to the bus: "), count(": Deliveries do not"));
    ensure!(began <= times, "{began} beginnings of {times} troubles:\n{logs}");
    ensure!(began == ended, "{began} troubles began, {ended} ended:\n{logs}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_power_cut() {
    let trial = Trial::of("rabbitmq: restart, power cut, restart");
    let rabbit = Rabbit::start().await.unwrap();
    let database = fresh_database(&shared_postgres().await.unwrap()).await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        rabbit.restart().await?;
        flow(&stage, 10).await?;
        rabbit.write_down_queues().await?;
        rabbit.kill_immediately().await?;
        rabbit.restart().await?;
        flow(&stage, 10).await?;
        wait_for_bus(&stage.county, "the bus is well", |bus| bus == "ok").await?;
        Ok(vec![broker])
    };
    let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

    check_told(&brokers[0], 2).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_are_closed_again_and_again() {
    let trial = Trial::of(&format!("rabbitmq: all connections closed, {} times", times()));
    let rabbit = Rabbit::start().await.unwrap();
    let database = fresh_database(&shared_postgres().await.unwrap()).await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        for _ in 0..times() {
            flow(&stage, 8).await?;
            rabbit.close_all_connections().await?;
        }
        flow(&stage, 8).await?;
        Ok(vec![broker])
    };
    let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

    check_told(&brokers[0], times()).unwrap();
}

/// Publishers are blocked; acknowledgements go on, on a connection of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_of_memory_and_disk_block_publishers() {
    let rabbit = Rabbit::start().await.unwrap();
    for (what, on, off) in [
        ("memory", ["set_vm_memory_high_watermark", "0.00001"], "0.4"),
        ("disk", ["set_disk_free_limit", "900000GB"], "1MB"),
    ] {
        let trial = Trial::of(&format!("rabbitmq: {what} alarm"));
        let database = fresh_database(&shared_postgres().await.unwrap()).await.unwrap();
        let vhost = rabbit.fresh_vhost().await.unwrap();
        let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
        let broker = stage.county.start_another(&[]).await.unwrap();

        let breaking = async {
            flow(&stage, 10).await?;
            rabbit.node().administer(&on).await?;
            let blocked = |bus: &str| bus.starts_with("B003");
            wait_for_bus(&stage.county, "the bus is known to be blocked", blocked).await?;
            tokio::time::sleep(if long() { BLOCKED_LONG } else { BLOCKED }).await;
            rabbit.node().administer(&[on[0], off]).await?;
            wait_for_bus(&stage.county, "the alarm is over", |bus| bus == "ok").await?;
            flow(&stage, 10).await?;
            Ok(vec![broker])
        };
        let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

        // A short alarm only delays confirms, which is no trouble yet; `/readyz` told of it above.
        if long() {
            check_told(&brokers[0], 1).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_is_gone_for_a_while() {
    let gone = if long() { GONE_LONG } else { GONE };
    let trial = Trial::of(&format!("rabbitmq: node gone for {} s", gone.as_secs()));
    let rabbit = Rabbit::start().await.unwrap();
    let database = fresh_database(&shared_postgres().await.unwrap()).await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        rabbit.stop().await?;
        wait_for_bus(&stage.county, "the bus is known to be away", |bus| bus != "ok").await?;
        tokio::time::sleep(gone).await;
        rabbit.restart().await?;
        flow(&stage, 10).await?;
        Ok(vec![broker])
    };
    let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

    check_told(&brokers[0], 1).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_deleted_while_messages_flow() {
    let trial = Trial::of(&format!("rabbitmq: queues deleted, {} times", times()));
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        let (_connection, channel) = beside(&stage.county).await?;
        for round in 0..times() {
            flow(&stage, 8).await?;
            let lane = [LEAD, FENGQIAO, SECOND][round % 3];
            let queue = format!("tierlink.to.{lane}");
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        flow(&stage, 8).await?;
        Ok(vec![broker])
    };
    let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

    check_told(&brokers[0], times()).unwrap();
}

/// Without `mandatory` RabbitMQ confirms what it drops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_cannot_be_reached_from_the_exchange() {
    let trial = Trial::of(&format!("rabbitmq: unroutable lane, {} times", times()));
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        let (_connection, channel) = beside(&stage.county).await?;
        for round in 0..times() {
            flow(&stage, 8).await?;
            let lane = [LEAD, FENGQIAO, SECOND][round % 3];
            unbind(&channel, lane).await?;
        }
        flow(&stage, 8).await?;
        Ok(vec![broker])
    };
    let (_counts, brokers) = trial.run(&stage, breaking).await.unwrap();

    let logs = brokers[0].logs().unwrap();
    assert!(logs.contains("The lane was missing on the bus"), "nothing was said of it:\n{logs}");
    check_told(&brokers[0], times()).unwrap();
}

/// Takes the way to a lane away; the queue and its consumer stay.
async fn unbind(channel: &Channel, lane: &str) -> Result<()> {
    let queue = format!("tierlink.to.{lane}");
    let exchange = "tierlink.deliver";
    channel.queue_unbind(queue.into(), exchange.into(), lane.into(), FieldTable::default()).await?;
    Ok(())
}
