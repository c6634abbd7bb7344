//! No patient in logs, metrics, errors, lists, queue headers or announcements, in any encoding.
//!
//! A patient with an unmistakable name, number, telephone and address is sent in every format:
//! well, broken, refused and undeliverable. The broker logs at `debug`. Then everything that the
//! program shows to anybody but the hospitals of the case is searched.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod broken;
mod patient;
mod search;
mod trail;

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use patient::{NAME, Shown, canary, exchange, json_referral, search};
use search::Search;
use serde_json::json;
use tierlink_integration_tests::county::{
    BAIMA, CITY, County, FENGQIAO, LEAD, LIUWAN, Mode, QINGSHI, QINGSHI_FACILITY, SECOND,
    inbox_secret,
};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Turn, fhir_referral, hl7_referral, new_control_id, new_number, said,
};

for_both_modes! {
    nothing_that_the_program_shows_holds_a_patient,
    one_message_is_followed_through_the_log_by_its_id,
}

async fn one_message_is_followed_through_the_log_by_its_id(mode: Mode) {
    trail::follow(mode, &json_referral(FENGQIAO, SECOND), SECOND, &search()).await;
}

async fn nothing_that_the_program_shows_holds_a_patient(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    county.environment.push(("TIERLINK_LOG".to_owned(), "debug".to_owned()));
    // A charset in which the name cannot be written.
    county.profile(LEAD).unwrap().format =
        "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"GBK\"\napplication = \"HIP\"";
    county.profile(LIUWAN).unwrap().outbound.push("remote = true".to_owned());
    county.profile(FENGQIAO).unwrap().outbound.push("receipts = \"all\"".to_owned());
    county.profile(CITY).unwrap().retry.push("give_up_after_hours = 0".to_owned());
    county.begin().await.unwrap();
    let listener = match mode {
        Mode::Embedded => None,
        Mode::Production => Some(Listener::join(&county).await),
    };
    let mut shown = Shown::default();

    good(&county, &mut shown).await;
    broken::hl7(&county, &mut shown).await;
    broken::http(&county, &mut shown).await;
    undeliverable(&county).await;

    command_line(&county, &mut shown).await;
    operators_view(&county, &mut shown).await;
    if let Some(listener) = listener {
        rabbit(&county, listener, &mut shown).await;
    }
    shown.add("log before the end", county.logs().unwrap());
    shown.add("log", county.stop().await.unwrap());
    shown.check(&search(), 60);
    secrets(&county, &shown);
}

/// Tokens and secrets are shown once, by `token create`, and never again.
fn secrets(county: &County, shown: &Shown) {
    let mut search = Search::default();
    for code in [QINGSHI, SECOND, FENGQIAO] {
        search.add(county.token(code).unwrap());
        search.add(&inbox_secret(code));
    }
    shown.check(&search, 60);
}

/// One good message in each format. Their answers are shown, and the patient does arrive.
async fn good(county: &County, shown: &mut Shown) {
    let mut line = county.mllp(QINGSHI).await.unwrap();
    let (id, number) = (new_control_id(), new_number("QS"));
    let sides = (QINGSHI_FACILITY, SECOND);
    let hl7 = hl7_referral(sides, (&id, &number), &canary(), Charset::Gb18030).unwrap();
    shown.add("ACK", exchange(&mut line, &hl7).await);
    let bundle = fhir_referral((BAIMA, SECOND), &new_number("BM"), &canary()).unwrap();
    let answer = county.http(BAIMA).unwrap().send_fhir(&bundle).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    shown.add("FHIR answer", answer.body);
    let answer = county.send(&json_referral(FENGQIAO, SECOND)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    shown.add("JSON answer", answer.body);

    let arrived = county.hospital(SECOND).wait_for_count(3).await.unwrap();
    let search = search();
    for one in &arrived {
        assert!(search.find(&one.raw).is_some(), "the patient must arrive in a {}", one.kind);
    }
}

/// Deliveries that end parked: refused with the patient's name, unwritable, never answered.
async fn undeliverable(county: &County) {
    county.wait_drained().await.unwrap();
    county.hospital(SECOND).behave(|manners| {
        manners.next(Turn::Refuse, 2).next(Turn::NotNow, 1).next(Turn::Garbage, 1);
    });
    county.hospital(QINGSHI).behave(|manners| {
        manners.next(Turn::Refuse, 1);
    });
    for _ in 0..4 {
        county.must_send(&json_referral(FENGQIAO, SECOND)).await.unwrap();
    }
    // LEAD's charset lacks a character of the name. One patient has a number that says who it is,
    // and is sent with a loss; the other has none.
    county.must_send(&json_referral(FENGQIAO, LEAD)).await.unwrap();
    let mut nameless = json_referral(FENGQIAO, LEAD);
    nameless["body"]["patient"].as_object_mut().unwrap().remove("document");
    county.must_send(&nameless).await.unwrap();
    county.must_send(&json_referral(LIUWAN, SECOND)).await.unwrap();
    let mut urgent = json_referral(FENGQIAO, CITY);
    urgent["priority"] = json!("emergency");
    county.hospital(CITY).down().await;
    county.must_send(&urgent).await.unwrap();
    // Two refused by SECOND, one by QINGSHI, one never answered by CITY, and the one that says
    // nobody in LEAD's charset.
    let parked = county.wait_parked(5).await.unwrap();
    assert!(parked.iter().any(|one| one["to"] == LEAD), "{parked:?}");
}

/// What the command line prints for people and for programs.
async fn command_line(county: &County, shown: &mut Shown) {
    let operator = county.operator().unwrap();
    let parked = operator.get("/api/v1/parked").await.unwrap().json();
    let delivery = parked["parked"][0]["delivery"].as_str().unwrap().to_owned();
    let case = parked["parked"][0]["case_number"].as_str().unwrap().to_owned();
    let refusals = county.run(&["refusal", "list", "--json", "--limit", "500"]).await.unwrap();
    let refusals = refusals.json().unwrap();
    let refusals = refusals["refusals"].as_array().unwrap().clone();
    assert!(refusals.len() >= 40, "only {} refusals were kept", refusals.len());
    let mut calls: Vec<Vec<&str>> = vec![
        vec!["case", "list"],
        vec!["case", "list", "--all", "--json"],
        vec!["case", "show", &case],
        vec!["case", "show", NAME],
        vec!["lane", "list"],
        vec!["lane", "list", "--json"],
        vec!["parked", "list"],
        vec!["parked", "list", "--json"],
        vec!["parked", "show", &delivery],
        vec!["refusal", "list", "--limit", "500"],
        vec!["refusal", "list", "--json", "--limit", "500"],
        vec!["token", "list"],
        vec!["doctor"],
        vec!["check"],
    ];
    for refusal in refusals.iter().step_by(5) {
        calls.push(vec!["refusal", "show", refusal["id"].as_str().unwrap()]);
    }
    for call in calls {
        let ran = county.run(&call).await.unwrap();
        // What the operator typed is the operator's.
        let typed = |text: String| if call.contains(&NAME) { text.replace(NAME, "") } else { text };
        shown.add(format!("tierlink {}", call[..2.min(call.len())].join(" ")), typed(ran.stdout));
        shown.add(format!("tierlink {} (errors)", call[0]), typed(ran.stderr));
    }
}

/// What an operator's token and a monitor see.
async fn operators_view(county: &County, shown: &mut Shown) {
    let operator = county.operator().unwrap();
    let cases = operator.get("/api/v1/cases?limit=200").await.unwrap();
    let all = cases.json()["cases"].as_array().unwrap().clone();
    assert!(all.len() >= 8, "only {} cases", all.len());
    shown.add("the operator's cases", cases.body);
    for case in &all {
        let number = case["number"].as_str().unwrap();
        for part in ["", "/events", "/custody"] {
            let path = format!("/api/v1/cases/{number}{part}");
            shown.add(path.clone(), operator.get(&path).await.unwrap().body);
        }
    }
    for path in ["/api/v1/lanes", "/api/v1/parked", "/api/v1/slots", "/readyz", "/metrics"] {
        let answer = operator.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        shown.add(path, answer.body);
    }
    assert!(county.figure("tierlink_messages_total").await.unwrap() > 40.0);
}

/// Somebody who listens to announcements from the beginning.
struct Listener {
    _connection: Connection,
    channel: lapin::Channel,
    events: lapin::Consumer,
}

impl Listener {
    async fn join(county: &County) -> Self {
        let connection =
            Connection::connect(county.bus(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = "tierlink.listen.canary";
        let passing = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), passing, FieldTable::default()).await.unwrap();
        let bind = QueueBindOptions::default();
        let nothing = FieldTable::default();
        let events = "tierlink.events".into();
        channel.queue_bind(queue.into(), events, "#".into(), bind, nothing).await.unwrap();
        let events = channel
            .basic_consume(queue.into(), "".into(), passing_reader(), FieldTable::default())
            .await
            .unwrap();
        Self { _connection: connection, channel, events }
    }
}

fn passing_reader() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() }
}

/// Names, headers and routing keys in RabbitMQ, and the announcements with their bodies.
async fn rabbit(county: &County, mut listener: Listener, shown: &mut Shown) {
    let node = county.rabbit().unwrap();
    let vhost = county.bus().rsplit('/').next().unwrap();
    for list in [
        ["list_queues", "name", "arguments"],
        ["list_exchanges", "name", "arguments"],
        ["list_bindings", "routing_key", "arguments"],
        ["list_consumers", "consumer_tag", "arguments"],
    ] {
        let printed = node.administer(&[list[0], "-p", vhost, list[1], list[2]]).await.unwrap();
        assert!(!printed.is_empty(), "{} printed nothing", list[0]);
        shown.add(list[0], printed);
    }
    shown.add("list_connections", node.administer(&["list_connections", "name"]).await.unwrap());

    // The village's lane is read by nobody: something for it makes its headers visible.
    let lane = format!("tierlink.to.{LIUWAN}");
    let mut parcels = listener
        .channel
        .basic_consume(lane.as_str().into(), "".into(), passing_reader(), FieldTable::default())
        .await
        .unwrap();
    let case = county.must_send(&json_referral(LIUWAN, QINGSHI)).await.unwrap();
    let yes = said(QINGSHI, "referral.accept", Some(&case), None).unwrap();
    county.must_send(&yes).await.unwrap();
    let parcel =
        tokio::time::timeout(tierlink_integration_tests::eventually::WAIT_MAX, parcels.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    assert!(search().find(&parcel.data).is_some(), "the parcel itself carries the patient");
    shown.add("headers of a parcel", format!("{:?} {}", parcel.properties, parcel.routing_key));

    let mut announced = 0;
    let cases = county.operator().unwrap().get("/api/v1/cases?limit=200").await.unwrap().json();
    let cases = cases["cases"].as_array().unwrap().len();
    eventually("everything is announced", async || {
        while let Ok(Some(event)) =
            tokio::time::timeout(std::time::Duration::from_millis(50), listener.events.next()).await
        {
            let event = event?;
            announced += 1;
            shown.add(
                "an announcement's head",
                format!("{:?} {}", event.properties, event.routing_key),
            );
            shown.add("an announcement", event.data);
        }
        Ok((announced > cases).then_some(()))
    })
    .await
    .unwrap();
    let dead = node.administer(&["list_queues", "-p", vhost, "name", "messages"]).await.unwrap();
    assert!(dead.lines().any(|line| line.starts_with("tierlink.dead") && line.ends_with('0')));
}
