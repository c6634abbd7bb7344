//! What others see of RabbitMQ: an adapter beside a hospital, a listener, a lane that is deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, EVERYBODY, FENGQIAO, LEAD, LIUWAN, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::said;
use tierlink_schemas::delivery::BodyHash;

use super::{kinds_about, refer, say};

const WAIT_MAX: Duration = Duration::from_secs(30);

async fn channel(county: &County) -> (Connection, Channel) {
    let connection =
        Connection::connect(county.bus(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

/// Reads a lane as an adapter beside a hospital does.
///
/// An adapter that comes before the broker has opened the lane, or before RabbitMQ has chosen a
/// leader for a queue that was declared just now, is refused and tries again.
pub(super) async fn read_lane(county: &County, queue: &str) -> (Connection, Channel, Consumer) {
    eventually("the lane can be read", async || {
        let (connection, channel) = channel(county).await;
        let consumer = consume(&channel, queue).await;
        Ok(consumer.ok().map(|consumer| (connection, channel, consumer)))
    })
    .await
    .unwrap()
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
}

pub(super) async fn next(consumer: &mut Consumer) -> Delivery {
    let next = tokio::time::timeout(WAIT_MAX, consumer.next()).await;
    next.expect("a parcel comes in time").expect("the consumer stays").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_beside_a_hospital_reads_its_lane_and_writes_receipts() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.profile(FENGQIAO).unwrap().outbound.push("remote = true".to_owned());
    county.profile(LIUWAN).unwrap().outbound.push("receipts = \"all\"".to_owned());
    county.begin().await.unwrap();
    let queue = format!("tierlink.to.{FENGQIAO}");
    let (_connection, channel, mut lane) = read_lane(&county, &queue).await;
    let case = refer(&county, LIUWAN, FENGQIAO).await;
    county
        .must_send(&said(LIUWAN, "referral.amend", Some(&case), Some(FENGQIAO)).unwrap())
        .await
        .unwrap();

    let parcel = next(&mut lane).await;
    let message: Value = serde_json::from_slice(&parcel.data).unwrap();
    assert_eq!(message["kind"], "referral.submit");
    assert_eq!(message["case"]["number"], case.as_str());
    assert_eq!(message["body"]["patient"]["name"], "汪德福");
    answer(&channel, &parcel, &message["id"], "delivered").await;
    let second = next(&mut lane).await;
    let amended: Value = serde_json::from_slice(&second.data).unwrap();
    assert_eq!(amended["kind"], "referral.amend", "the next comes once the first is answered");
    answer(&channel, &second, &amended["id"], "refused").await;

    let parked = county.wait_parked(1).await.unwrap();
    assert_eq!(parked[0]["kind"], "referral.amend");
    let custody = county.case("operator", &case).await.unwrap()["custody"].clone();
    let first = custody.as_array().unwrap().iter().find(|row| row["message"] == message["id"]);
    let first = first.cloned().unwrap();
    assert_eq!(first["state"]["state"], "delivered");
    assert_eq!(first["destination_number"], "FQ-BESIDE-1");
    assert_eq!(county.hospital(FENGQIAO).received().len(), 0, "the broker itself sends nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_of_one_system_settles_nothing_of_another() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    let his = county.hospital(LEAD).address();
    let systems = format!(
        "[[systems]]\nname = \"his\"\ndefault = true\n[systems.format]\nname = \"hl7v2\"\n\
         [systems.inbound]\nlistener = \"lead\"\n[systems.outbound]\naddress = \"{his}\"\n\
         [[systems]]\nname = \"ecg\"\ntakes = [\"ecg\"]\n[systems.format]\nname = \"json\"\n\
         [systems.outbound]\nremote = true\n"
    );
    county.profile(LEAD).unwrap().systems = Some(systems);
    county.begin().await.unwrap();
    county.hospital(LEAD).down().await;
    let ecg = format!("{LEAD}:ecg");
    let queue = format!("tierlink.to.{ecg}");
    let (_connection, channel, mut lane) = read_lane(&county, &queue).await;
    let referral = refer(&county, FENGQIAO, LEAD).await;
    let request = said(FENGQIAO, "consultation.request", None, Some(LEAD)).unwrap();
    let read = county.must_send(&request).await.unwrap();
    let parcel = next(&mut lane).await;
    let message: Value = serde_json::from_slice(&parcel.data).unwrap();
    let case = county.case("operator", &referral).await.unwrap();
    let of_the_his = case["custody"][0].clone();
    assert_eq!((&of_the_his["lane"], &of_the_his["to"]), (&json!(LEAD), &json!(LEAD)));

    // The same organisation, the same round: only the system is another.
    let properties = receipt_properties(&parcel);
    let forged = receipt(&parcel, LEAD, &of_the_his["message"], "delivered");
    let its_name = format!("{}@{LEAD}", of_the_his["message"].as_str().unwrap());
    let under_its_name = properties.clone().with_message_id(its_name.into());
    publish(&channel, &ecg, &forged, under_its_name).await;
    let own = receipt(&parcel, LEAD, &message["id"], "delivered");
    publish(&channel, &ecg, &own, properties).await;

    let state = async |case: &str| {
        let case = county.case("operator", case).await?;
        anyhow::Ok(case["custody"][0].clone())
    };
    eventually("the receipt of its own reading counts", async || {
        let hop = state(&read).await?;
        assert_eq!(hop["lane"], ecg.as_str());
        Ok((hop["state"]["state"] == "delivered").then_some(()))
    })
    .await
    .unwrap();
    let hop = state(&referral).await.unwrap();
    assert_ne!(hop["state"]["state"], "delivered", "the ECG system speaks for the HIS: {hop}");
    eventually("the forged receipt is among the dead parcels", async || {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let dead = channel.queue_declare("tierlink.dead".into(), passive, FieldTable::default());
        Ok((dead.await?.message_count() == 1).then_some(()))
    })
    .await
    .unwrap();
    county.hospital(LEAD).up().await.unwrap();
    county.hospital(LEAD).wait_for_kind("REF^I12", &referral).await.unwrap();
}

/// What an adapter does when its hospital has answered.
pub(super) async fn answer(channel: &Channel, parcel: &Delivery, of: &Value, outcome: &str) {
    let receipt = receipt(parcel, FENGQIAO, of, outcome);
    publish(channel, FENGQIAO, &receipt, receipt_properties(parcel)).await;
    parcel.ack(BasicAckOptions::default()).await.unwrap();
}

fn receipt(parcel: &Delivery, destination: &str, of: &Value, outcome: &str) -> Value {
    let problem =
        json!({ "code": "E900", "field": "body.patient", "text": "the hospital said no" });
    json!({
        "of": of,
        "destination": destination,
        "outcome": outcome,
        "number": "FQ-BESIDE-1",
        "problems": if outcome == "refused" { json!([problem]) } else { json!([]) },
        "attempts": 1,
        "body_sha256": BodyHash::of(&parcel.data).hex(),
    })
}

/// Id and round as on the parcel that is answered.
pub(super) fn receipt_properties(parcel: &Delivery) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(parcel.properties.message_id().clone().unwrap())
        .with_headers(parcel.properties.headers().clone().unwrap())
}

pub(super) async fn publish(
    channel: &Channel,
    lane: &str,
    receipt: &Value,
    properties: BasicProperties,
) {
    let confirmed = channel
        .basic_publish(
            "tierlink.receipts".into(),
            lane.into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            receipt.to_string().as_bytes(),
            properties,
        )
        .await
        .unwrap();
    assert!(confirmed.await.unwrap().is_ack());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_events_are_announced_without_patient_data() {
    let county = County::open(Mode::Production).await.unwrap();
    let (_connection, channel) = channel(&county).await;
    let queue = "tierlink.listen.test";
    let passing = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passing, FieldTable::default()).await.unwrap();
    channel
        .queue_bind(
            queue.into(),
            "tierlink.events".into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let mut events = consume(&channel, queue).await.unwrap();

    let case = refer(&county, FENGQIAO, SECOND).await;
    say(&county, SECOND, "referral.accept", &case).await;

    for (number, kind, by, state) in
        [(1, "referral.submit", FENGQIAO, "submitted"), (2, "referral.accept", SECOND, "accepted")]
    {
        let event = next(&mut events).await;
        assert_eq!(event.routing_key.as_str(), format!("{kind}.{by}"));
        let text = String::from_utf8(event.data.clone()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["event"], number);
        assert_eq!(body["case_number"], case.as_str());
        assert_eq!(body["to_state"], state);
        for patient in ["汪", "990101195001010010", "139000000", "柳湾", "I20.000", "胸闷"] {
            assert!(!text.contains(patient), "{patient} is announced");
        }
        event.ack(BasicAckOptions::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_lane_is_opened_and_filled_again() {
    let county = County::open(Mode::Production).await.unwrap();
    let second = county.hospital(SECOND);
    second.down().await;
    let lost = refer(&county, FENGQIAO, SECOND).await;
    let also_lost = refer(&county, FENGQIAO, SECOND).await;
    let beside = refer(&county, FENGQIAO, LEAD).await;
    county.hospital(LEAD).wait_for_kind("REF^I12", &beside).await.unwrap();
    let (_connection, channel) = channel(&county).await;

    let lane = format!("tierlink.to.{SECOND}");
    channel.queue_delete(lane.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let after = refer(&county, FENGQIAO, SECOND).await;
    second.up().await.unwrap();

    for case in [&lost, &also_lost, &after] {
        second.wait_for_kind("referral.submit", case).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    assert_eq!(kinds_about(&second.taken(), &after).len(), 1);
}

/// However much waits for a lane that cannot be opened, the others do not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_lane_that_cannot_be_opened_delays_nobody() {
    // Far more than a window of the relay.
    const WAITING: usize = 40;

    let mut county = County::plan(Mode::Production).await.unwrap();
    county.settings = "[limits]\nrelay_batch = 2\n".to_owned();
    // A queue of that name with other settings is in the way.
    let (connection, raw) = channel(&county).await;
    let lane = format!("tierlink.to.{SECOND}");
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    raw.queue_declare(lane.as_str().into(), options, FieldTable::default()).await.unwrap();
    county.begin().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(refer(&county, FENGQIAO, SECOND).await);
    }

    let beside = refer(&county, FENGQIAO, LEAD).await;

    county.hospital(LEAD).wait_for_kind("REF^I12", &beside).await.unwrap();
    let ready = county.anonymous().unwrap().get("/readyz").await.unwrap().json();
    let told = ready["lanes"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains(SECOND) && told.contains("B004"), "{told}");

    raw.queue_delete(lane.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    for case in &waiting {
        county.hospital(SECOND).wait_for_kind("referral.submit", case).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

/// Who reads each lane, by the name that RabbitMQ gave to the reader when it joined.
async fn readers(county: &County) -> BTreeMap<String, String> {
    let vhost = county.bus().rsplit('/').next().unwrap();
    let words = ["list_consumers", "-p", vhost, "--no-table-headers", "queue_name", "consumer_tag"];
    let told = county.rabbit().unwrap().administer(&words).await.unwrap();
    told.lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(queue, _)| queue.starts_with("tierlink.to."))
        .map(|(queue, tag)| (queue.to_owned(), tag.to_owned()))
        .collect()
}

/// A reload that changes one hospital leaves the lanes of the others where they are. They go by the
/// new configuration all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_changes_one_hospital_moves_its_lane_only() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.begin().await.unwrap();
    let before = eventually("every lane is read", async || {
        let readers = readers(&county).await;
        Ok((readers.len() == EVERYBODY.len()).then_some(readers))
    })
    .await
    .unwrap();

    county.profile(SECOND).unwrap().wait_ms_max = 500;
    county.reload().await.unwrap();

    let changed = format!("tierlink.to.{SECOND}");
    let after = eventually("the changed lane has joined anew", async || {
        let readers = readers(&county).await;
        let joined = readers.get(&changed).is_some_and(|tag| *tag != before[&changed]);
        Ok((joined && readers.len() == EVERYBODY.len()).then_some(readers))
    })
    .await
    .unwrap();
    let moved: Vec<&String> = after
        .iter()
        .filter(|(queue, tag)| before[*queue] != **tag)
        .map(|(queue, _)| queue)
        .collect();
    assert_eq!(moved, [&changed]);
    for hospital in [LEAD, SECOND] {
        let case = refer(&county, FENGQIAO, hospital).await;
        let kind = if hospital == LEAD { "REF^I12" } else { "referral.submit" };
        county.hospital(hospital).wait_for_kind(kind, &case).await.unwrap();
    }
}
