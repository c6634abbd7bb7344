//! Parcels that the broker never put into a lane: bytes that are none, wrong headers, names of
//! nobody or of somebody else, another message under a known name, a lane that is bound twice.
//!
//! None may stop the lane, go round for ever, end the process, reach a hospital or settle anything;
//! all must be among the dead parcels, and be told of once.

use anyhow::{Context, Result, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use tierlink_integration_tests::county::{FENGQIAO, LEAD, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::said;
use tierlink_integration_tests::load::trial::{Trial, flow};
use tierlink_integration_tests::servers::Broker;
use uuid::Uuid;

use super::beside;
use crate::broker::set_a_shared_stage;

/// So many of each kind: enough to see a flood in the log.
const EACH: usize = 20;

/// Something in a lane that does not belong there.
struct Poison {
    id: Option<String>,
    headers: Option<FieldTable>,
    body: Vec<u8>,
}

/// What an operator may read of it, at most: one line for each kind of reader and lane.
const LINES_MAX: usize = 2;

fn headers(round: AMQPValue) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("x-tierlink-round".into(), round);
    headers.insert("x-tierlink-number".into(), AMQPValue::LongLongInt(1));
    headers
}

fn poisons() -> Result<Vec<Poison>> {
    let good = || Some(headers(AMQPValue::LongLongInt(1)));
    let wrong = || Some(headers(AMQPValue::LongString("first".into())));
    let somebody = |lane: &str| Some(format!("{}@{lane}", Uuid::now_v7()));
    let message = said(FENGQIAO, "referral.submit", None, Some(LEAD))?.to_string().into_bytes();
    Ok(vec![
        Poison { id: None, headers: None, body: vec![0, 159, 146, 150] },
        Poison { id: somebody(LEAD), headers: None, body: message.clone() },
        Poison { id: somebody(LEAD), headers: wrong(), body: message.clone() },
        Poison { id: Some("what is this".to_owned()), headers: good(), body: message.clone() },
        Poison { id: somebody(LEAD), headers: good(), body: message.clone() },
        Poison { id: somebody(SECOND), headers: good(), body: message },
    ])
}

async fn publish(channel: &Channel, lane: &str, poison: &Poison) -> Result<()> {
    let mut properties = BasicProperties::default().with_delivery_mode(2);
    if let Some(id) = &poison.id {
        properties = properties.with_message_id(id.as_str().into());
    }
    if let Some(headers) = &poison.headers {
        properties = properties.with_headers(headers.clone());
    }
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirm = channel
        .basic_publish("tierlink.deliver".into(), lane.into(), options, &poison.body, properties)
        .await?
        .await?;
    ensure!(confirm.is_ack(), "RabbitMQ did not take the poison");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_in_a_lane_is_set_aside_and_told_once() {
    let trial = Trial::of("rabbitmq: poison in a lane");
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        let (_connection, channel) = beside(&stage.county).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let poisons = poisons()?;
        for _ in 0..EACH {
            flow(&stage, 1).await?;
            for poison in &poisons {
                publish(&channel, LEAD, poison).await?;
            }
        }
        flow(&stage, 20).await?;
        let poisoned = f64::from(u32::try_from(EACH * poisons.len())?);
        eventually("all of it is among the dead parcels, and counted", async || {
            let dead = stage.county.figure("tierlink_bus_dead").await?;
            Ok((dead >= poisoned).then_some(()))
        })
        .await?;
        let dead = stage.county.figure("tierlink_bus_dead").await?;
        ensure!((dead - poisoned).abs() < 0.5, "{dead} dead parcels of {poisoned}");
        let doctor = stage.county.run(&["doctor"]).await?;
        ensure!(
            doctor.stdout.contains("dead parcel(s)"),
            "the doctor is silent: {}",
            doctor.stdout
        );
        Ok(Vec::new())
    };
    trial.run(&stage, breaking).await.unwrap();

    check_told(&broker).unwrap();
}

/// Somebody binds a lane's queue under another lane's code as well: copies of what is for one
/// hospital lie in the lane of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_one_hospital_never_goes_through_the_door_of_another() {
    let trial = Trial::of("rabbitmq: a lane bound to the code of another");
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        let (_connection, channel) = beside(&stage.county).await?;
        flow(&stage, 10).await?;
        let (queue, exchange) = (format!("tierlink.to.{LEAD}"), "tierlink.deliver");
        channel
            .queue_bind(
                queue.into(),
                exchange.into(),
                FENGQIAO.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        flow(&stage, 40).await?;
        Ok(Vec::new())
    };
    trial.run(&stage, breaking).await.unwrap();

    let buried = stage.county.figure("tierlink_buried_total").await.unwrap();
    assert!(buried > 0.0, "nothing strange was met");
    check_told(&broker).unwrap();
}

/// The operator reads of it, and is not flooded; the process lives.
fn check_told(broker: &Broker) -> Result<()> {
    let logs = broker.logs()?;
    ensure!(!logs.contains("panicked"), "{logs}");
    let told: Vec<&str> = logs.lines().filter(|line| line.contains("B010")).collect();
    let first = told.first().context("nothing was told of it")?;
    ensure!(told.len() <= LINES_MAX, "{} lines, such as {first}", told.len());
    Ok(())
}
