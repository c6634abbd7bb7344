//! What stands before a hospital answers in its place: a gateway that does not know us, that hiccups,
//! that finds a message too large, that is busy, or a login page. Nothing is lost, doubled, parked
//! wrongly or out of order, and the other hospitals notice nothing.
//!
//! Seen to fail: with every 4xx a refusal, and with every 2xx an acceptance.

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{BAIMA, County, FENGQIAO, LIUWAN, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Gateway, Received, new_number, said};

use crate::seen::{complaints, doctor, doctor_is_content, failures_told, figure_is, page};

for_both_modes! {
    a_gateway_that_does_not_know_us_holds_the_lane_until_it_does,
    a_gateway_that_hiccups_parks_nothing,
    a_login_page_is_no_delivery,
    one_message_too_large_for_a_proxy_is_parked_alone,
    whoever_asks_for_a_wait_is_given_it,
}

/// Bytes that the proxy of one of these tests lets through. A plain referral has a few thousand.
const LETS_THROUGH: usize = 60_000;

/// A referral to `to`. Gives the number that it bears, and the broker's.
async fn refer(county: &County, to: &str) -> (String, String) {
    refer_with(county, to, json!([])).await
}

async fn refer_with(county: &County, to: &str, attachments: Value) -> (String, String) {
    // Nobody refers to itself; an emergency of a village needs no review.
    let author = if to == FENGQIAO { LIUWAN } else { FENGQIAO };
    let mut message = said(author, "referral.submit", None, Some(to)).unwrap();
    let number = new_number("GW");
    message["priority"] = json!("emergency");
    message["case"] = json!({ "numbers": [{ "organisation": author, "number": number }] });
    message["body"]["attachments"] = attachments;
    let case = county.must_send(&message).await.unwrap();
    (number, case)
}

async fn refer_some(county: &County, to: &str, count: usize) -> Vec<String> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(refer(county, to).await.0);
    }
    numbers
}

fn stand_before(county: &County, hospital: &str, gateway: Gateway) {
    county.hospital(hospital).behave(|manners| manners.gateway = Some(gateway));
}

fn step_aside(county: &County, hospital: &str) {
    county.hospital(hospital).behave(|manners| manners.gateway = None);
}

/// The numbers of what a hospital took, in order.
fn taken(county: &County, hospital: &str, numbers: &[String]) -> Vec<String> {
    let whose = |text: &str| numbers.iter().find(|number| text.contains(*number)).cloned();
    county.hospital(hospital).taken().iter().filter_map(|one| whose(&one.text)).collect()
}

/// Waits until a hospital has all of these, and checks that it has each once and nothing is parked.
async fn arrive_once(county: &County, hospital: &str, numbers: &[String]) -> Vec<String> {
    for number in numbers {
        county.hospital(hospital).wait_for_text(number).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    let order = taken(county, hospital, numbers);
    let mut sorted = order.clone();
    sorted.sort();
    let mut wanted = numbers.to_vec();
    wanted.sort();
    assert_eq!(sorted, wanted, "each arrives exactly once");
    assert_eq!(parked(county).await, Vec::<Value>::new());
    order
}

async fn parked(county: &County) -> Vec<Value> {
    let answer = county.operator().unwrap().get("/api/v1/parked").await.unwrap().json();
    answer["parked"].as_array().cloned().unwrap_or_default()
}

async fn others_go_on(county: &County) {
    let (number, _case) = refer(county, BAIMA).await;
    let arrives = county.hospital(BAIMA).wait_for_text(&number);
    tokio::time::timeout(Duration::from_secs(5), arrives).await.unwrap().unwrap();
}

/// The code of what an operator is shown as the trouble of a lane.
async fn trouble(county: &County, lane: &str) -> String {
    let ran = county.run(&["lane", "list", "--json"]).await.unwrap().succeeded().unwrap();
    let lanes: Value = serde_json::from_str(&ran).unwrap();
    let row = lanes["lanes"].as_array().unwrap().iter().find(|row| row["lane"] == lane).unwrap();
    row["trouble"]["problem"]["code"].as_str().unwrap_or_default().to_owned()
}

async fn is_turned_away(county: &County, hospital: &str, times: usize) {
    eventually("it was turned away", async || {
        Ok((county.hospital(hospital).turned_away() >= times).then_some(()))
    })
    .await
    .unwrap();
}

async fn a_gateway_that_does_not_know_us_holds_the_lane_until_it_does(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    doctor_is_content(&county).await;
    let before = county.logs().unwrap().len();
    stand_before(&county, SECOND, Gateway::new(401));

    let numbers = refer_some(&county, SECOND, 6).await;
    is_turned_away(&county, SECOND, 8).await;
    others_go_on(&county).await;

    figure_is(&county, "tierlink_lane_held", |held| held == 1.0).await;
    assert_eq!(trouble(&county, SECOND).await, "E050");
    let wrong = doctor(&county).await.unwrap();
    let held = page("TierLinkLaneHeld");
    assert_eq!(wrong.get(&format!("lane {SECOND}")), Some(&held), "{wrong:?}");
    assert_eq!(wrong.len(), 1, "nothing else is wrong: {wrong:?}");
    assert_eq!(parked(&county).await, Vec::<Value>::new());
    let log = county.logs().unwrap();
    let told = complaints(&log, before);
    assert_eq!(told.values().sum::<usize>(), 1, "one alarm: {told:?}");
    assert!(told.keys().all(|line| line.contains("is held") && line.contains("E050")), "{told:?}");

    step_aside(&county, SECOND);
    let order = arrive_once(&county, SECOND, &numbers).await;

    assert_eq!(order, numbers, "the order of the whole lane is kept");
    figure_is(&county, "tierlink_lane_held", |held| held == 0.0).await;
    doctor_is_content(&county).await;
    let over = failures_told(&county.logs().unwrap(), &format!("The lane of {SECOND} is held"));
    assert!(over.is_some_and(|times| times >= 8), "its end is told with a count: {over:?}");
}

async fn a_gateway_that_hiccups_parks_nothing(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let mut cases = Vec::new();
    for _ in 0..6 {
        cases.push(refer(&county, SECOND).await);
    }
    let before: Vec<String> = cases.iter().map(|(number, _)| number.clone()).collect();
    arrive_once(&county, SECOND, &before).await;

    for status in [403, 404, 405, 410, 413, 415, 400, 431] {
        stand_before(&county, SECOND, Gateway::new(status));
        let told = county.hospital(SECOND).turned_away();
        let numbers = refer_some(&county, SECOND, 5).await;
        is_turned_away(&county, SECOND, told + 4).await;
        others_go_on(&county).await;
        step_aside(&county, SECOND);
        arrive_once(&county, SECOND, &numbers).await;
    }

    // Two messages of one case stay in order, though the first is turned away.
    stand_before(&county, SECOND, Gateway::new(404));
    let told = county.hospital(SECOND).turned_away();
    let (number, case) = refer(&county, SECOND).await;
    let cancel = said(FENGQIAO, "referral.cancel", Some(&case), None).unwrap();
    county.must_send(&cancel).await.unwrap();
    is_turned_away(&county, SECOND, told + 2).await;
    step_aside(&county, SECOND);
    county.hospital(SECOND).wait_for_kind("referral.cancel", &case).await.unwrap();
    county.wait_drained().await.unwrap();
    let about = |one: &&Received| one.text.contains(&number) || one.is_about(&case);
    let all = county.hospital(SECOND).taken();
    let kinds: Vec<&str> = all.iter().filter(about).map(|one| one.says.as_str()).collect();
    assert_eq!(kinds, ["referral.submit", "referral.cancel"]);
    assert_eq!(parked(&county).await, Vec::<Value>::new());
    doctor_is_content(&county).await;
}

/// In FHIR and in native JSON, whose systems answer 200 to everything that they take.
async fn a_login_page_is_no_delivery(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    for hospital in [SECOND, FENGQIAO] {
        for status in [200, 302] {
            stand_before(&county, hospital, Gateway::new(status));
            let told = county.hospital(hospital).turned_away();
            let numbers = refer_some(&county, hospital, 4).await;
            is_turned_away(&county, hospital, told + 7).await;
            others_go_on(&county).await;
            assert_eq!(trouble(&county, hospital).await, "E051");
            figure_is(&county, "tierlink_lane_held", |held| held == 1.0).await;

            step_aside(&county, hospital);
            arrive_once(&county, hospital, &numbers).await;
            figure_is(&county, "tierlink_lane_held", |held| held == 0.0).await;
        }
    }
    doctor_is_content(&county).await;
}

async fn one_message_too_large_for_a_proxy_is_parked_alone(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    stand_before(
        &county,
        SECOND,
        Gateway { lets_through_bytes: LETS_THROUGH, ..Gateway::new(413) },
    );
    let scan = json!([{
        "kind": "image", "title": "胸部影像", "media_type": "application/pdf",
        "content": BASE64_STANDARD.encode("%PDF".repeat(LETS_THROUGH)),
    }]);
    let (large, _case) = refer_with(&county, SECOND, scan).await;
    let mut numbers = refer_some(&county, SECOND, 5).await;
    for number in &numbers {
        county.hospital(SECOND).wait_for_text(number).await.unwrap();
    }

    let parked = county.wait_parked(1).await.unwrap();

    numbers.extend(refer_some(&county, SECOND, 3).await);
    for number in &numbers {
        county.hospital(SECOND).wait_for_text(number).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    assert_eq!(taken(&county, SECOND, &numbers), numbers, "in order, and each once");
    let delivery = parked[0]["delivery"].as_str().unwrap();
    let shown = county.run(&["parked", "show", delivery]).await.unwrap().succeeded().unwrap();
    assert!(shown.contains("E051") && shown.contains("413"), "{shown}");
    figure_is(&county, "tierlink_lane_held", |held| held == 0.0).await;

    step_aside(&county, SECOND);
    let words = ["parked", "replay", delivery, "--because", "代理已放宽限制"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    county.hospital(SECOND).wait_for_text(&large).await.unwrap();
    doctor_is_content(&county).await;
}

async fn whoever_asks_for_a_wait_is_given_it(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let asks = Gateway { retry_after: Some(3), ..Gateway::new(503) };
    stand_before(&county, SECOND, asks);

    let numbers = refer_some(&county, SECOND, 3).await;
    is_turned_away(&county, SECOND, 1).await;
    let (since, told) = (Instant::now(), county.hospital(SECOND).turned_away());
    is_turned_away(&county, SECOND, told + 1).await;

    assert!(since.elapsed() > Duration::from_secs(2), "only {:?}", since.elapsed());
    others_go_on(&county).await;
    step_aside(&county, SECOND);
    let order = arrive_once(&county, SECOND, &numbers).await;
    assert_eq!(order, numbers, "the order of the whole lane is kept");
    doctor_is_content(&county).await;
}
