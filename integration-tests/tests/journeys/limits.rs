//! What fills queues, and what somebody writes into the queue of receipts.

use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, LIUWAN, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_schemas::delivery::BodyHash;

use super::rabbit::{next, publish, read_lane, receipt_properties};
use super::{kinds_about, refer};

/// More than the lane takes: what its reader holds, and what may wait beside.
const WAITING: usize = 30;

/// However much waits for a lane that is full, the others do not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_is_full_says_so_and_delays_nobody() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.settings = "[limits]\nrelay_batch = 2\nlane_prefetch = 2\n".to_owned();
    let vhost = county.bus().rsplit('/').next().unwrap().to_owned();
    let lane = format!("^tierlink\\.to\\.{SECOND}$");
    // As the limit of a lane, only sooner.
    let limit = "{\"max-length\":3,\"overflow\":\"reject-publish\"}";
    let words = ["set_policy", "-p", &vhost, "small", &lane, limit, "--apply-to", "queues"];
    county.rabbit().unwrap().administer(&words).await.unwrap();
    county.begin().await.unwrap();
    county.hospital(SECOND).down().await;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(refer(&county, FENGQIAO, SECOND).await);
    }
    eventually("the lane is full", async || {
        Ok((county.figure("tierlink_lanes_full").await? > 0.5).then_some(()))
    })
    .await
    .unwrap();

    let beside = refer(&county, FENGQIAO, LEAD).await;

    county.hospital(LEAD).wait_for_kind("REF^I12", &beside).await.unwrap();
    let told = county.logs().unwrap();
    let told: Vec<&str> = told.lines().filter(|line| line.contains("B013")).collect();
    assert!(told.len() == 1 && told[0].contains(SECOND), "{told:?}");
    county.hospital(SECOND).up().await.unwrap();
    for case in &waiting {
        county.hospital(SECOND).wait_for_kind("referral.submit", case).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    let taken = county.hospital(SECOND).taken();
    for case in &waiting {
        assert_eq!(kinds_about(&taken, case), ["referral.submit"]);
    }
    eventually("it is over", async || {
        Ok((county.figure("tierlink_lanes_full").await? < 0.5).then_some(()))
    })
    .await
    .unwrap();
}

/// Whoever has the RabbitMQ user of one hospital writes 200 kB, commands for a terminal and a
/// patient where operators read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_receipt_says_in_words_reaches_no_operator() {
    const EVIL: &str = "\u{1b}[2J汪德福 990101195001010010 13900000001";

    let mut county = County::plan(Mode::Production).await.unwrap();
    county.profile(FENGQIAO).unwrap().outbound.push("remote = true".to_owned());
    county.begin().await.unwrap();
    let queue = format!("tierlink.to.{FENGQIAO}");
    let (_connection, channel, mut lane) = read_lane(&county, &queue).await;
    let case = refer(&county, LIUWAN, FENGQIAO).await;
    let parcel = next(&mut lane).await;
    let message: Value = serde_json::from_slice(&parcel.data).unwrap();
    let receipt = |change: &dyn Fn(&mut Value)| {
        let mut receipt = json!({
            "of": message["id"], "destination": FENGQIAO, "outcome": "refused", "attempts": 1,
            "body_sha256": BodyHash::of(&parcel.data).hex(), "number": EVIL, "problems": [{ "code": "D035", "field": EVIL, "text": EVIL }],
        });
        change(&mut receipt);
        receipt
    };
    let unread: [&dyn Fn(&mut Value); 4] = [
        &|it| it["note"] = json!(EVIL),
        &|it| it["problems"][0]["text"] = json!(EVIL.repeat(4_000)),
        &|it| it["problems"][0]["value"] = json!(EVIL),
        &|it| it["of"] = json!("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"),
    ];

    for change in unread {
        publish(&channel, FENGQIAO, &receipt(change), receipt_properties(&parcel)).await;
    }
    publish(&channel, FENGQIAO, &receipt(&|_| {}), receipt_properties(&parcel)).await;

    let parked = county.wait_parked(1).await.unwrap();
    eventually("what is no receipt is among the dead parcels", async || {
        Ok((county.figure("tierlink_bus_dead").await? > 3.5).then_some(()))
    })
    .await
    .unwrap();
    let shown = county.run(&["parked", "list"]).await.unwrap();
    let of_case = county.case("operator", &case).await.unwrap();
    let logs = county.logs().unwrap();
    let problem = &parked[0]["problems"][0];
    assert_eq!((&problem["code"], &problem["field"]), (&json!("D035"), &json!("receipt")));
    for read in [shown.stdout, of_case.to_string(), logs, json!(parked).to_string()] {
        for word in ["[2J", "\\u001b", "汪德福", "990101", "139000"] {
            assert!(!read.contains(word), "{word} in {read}");
        }
    }
}
