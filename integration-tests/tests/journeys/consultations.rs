//! Consultations with experts and rooms, and readings with writer, auditor and critical values.

use serde_json::{Value, json};
use tierlink_integration_tests::county::{BAIMA, CITY, County, FENGQIAO, LEAD, Mode};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::said;

use super::{body, must_say, notes, refused, say};

for_both_modes! {
    two_experts_meet_in_a_room_that_nobody_else_can_book,
    a_reading_needs_a_second_person_and_a_critical_value_is_read_back,
}

/// An interactive consultation with one expert in the county and one outside.
fn wish(origin: &str) -> Value {
    let mut message = said(origin, "consultation.amend", None, Some(LEAD)).unwrap();
    message["kind"] = json!("consultation.request");
    message["body"]["experts"] = json!([
        { "organisation": LEAD, "practitioner": { "code": "XY1043", "name": "章思齐" } },
        { "organisation": CITY, "practitioner": { "code": "SY3310", "name": "周慕云" } },
    ]);
    message
}

fn accepted_for(author: &str, practitioner: &str, case: &str) -> Value {
    let mut message = said(author, "consultation.accept", Some(case), None).unwrap();
    message["body"]["expert"] = json!({ "organisation": author, "practitioner": practitioner });
    message
}

/// A session in the lead hospital's room, `from` to `to` o'clock on a day to come.
fn session(case: &str, room: &str, expert: &str, (from, to): (u32, u32)) -> Value {
    let mut message = said(LEAD, "consultation.schedule", Some(case), None).unwrap();
    let appointment = &mut message["body"]["appointment"];
    let day = appointment["start"].as_str().unwrap()[..10].to_owned();
    appointment["start"] = json!(format!("{day}T{from:02}:00:00Z"));
    appointment["end"] = json!(format!("{day}T{to:02}:00:00Z"));
    appointment["room"] = json!(room);
    appointment["experts"] = json!([{ "organisation": LEAD, "practitioner": expert }]);
    message
}

async fn two_experts_meet_in_a_room_that_nobody_else_can_book(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let baima = county.hospital(BAIMA);
    let case = county.must_send(&wish(BAIMA)).await.unwrap();
    let asked = county.hospital(LEAD).wait_for_kind("REF^I12", &case).await.unwrap();
    assert_eq!(asked.hl7().component("RF1", 4, 1), "SO");
    // Nobody outside hears of it before the lead hospital has let it go.
    assert_eq!(county.state(&case).await.unwrap(), "in_review");
    assert_eq!(refused(&county, &accepted_for(CITY, "SY3310", &case)).await, "R002");
    assert!(county.hospital(CITY).received().is_empty());
    assert_eq!(say(&county, LEAD, "consultation.review", &case).await, "dispatched");
    county.hospital(CITY).wait_for_kind("consultation.request", &case).await.unwrap();

    assert_eq!(must_say(&county, &accepted_for(LEAD, "XY1043", &case)).await, "dispatched");
    assert_eq!(must_say(&county, &accepted_for(CITY, "SY3310", &case)).await, "accepted");
    let first = session(&case, "HZ-01", "XY1043", (7, 8));
    assert_eq!(must_say(&county, &first).await, "scheduled");
    let told = baima.wait_for_kind("consultation.schedule", &case).await.unwrap();
    assert!(told.text.contains("https://meet.example.invalid/hz2603210004"));

    let other = county.must_send(&wish(FENGQIAO)).await.unwrap();
    assert_eq!(say(&county, LEAD, "consultation.review", &other).await, "dispatched");
    let same_room = session(&other, "HZ-01", "XY9999", (7, 9));
    assert_eq!(refused(&county, &same_room).await, "R063", "the room is taken");
    let same_expert = session(&other, "HZ-02", "XY1043", (7, 9));
    assert_eq!(refused(&county, &same_expert).await, "R063", "the expert is taken");
    let later = session(&other, "HZ-01", "XY1043", (8, 9));
    assert_eq!(must_say(&county, &later).await, "scheduled", "an end is not part of a booking");

    assert_eq!(say(&county, LEAD, "consultation.start", &case).await, "in_session");
    let mut opinion = said(LEAD, "consultation.opinion", Some(&case), None).unwrap();
    opinion["body"]["recommendation"] = json!("refer_up");
    assert_eq!(must_say(&county, &opinion).await, "opinion_issued");
    let heard = baima.wait_for_kind("consultation.opinion", &case).await.unwrap();
    assert!(heard.text.contains("加用基础胰岛素"));
    assert!(notes(&county, &case).await.contains(&"refer_up_recommended".to_owned()));
    assert_eq!(say(&county, BAIMA, "consultation.acknowledge", &case).await, "acknowledged");

    let mut linked = said(BAIMA, "referral.submit", None, Some(LEAD)).unwrap();
    linked["case"]["parent"] = json!(case);
    let linked = county.must_send(&linked).await.unwrap();
    assert_eq!(county.case(BAIMA, &case).await.unwrap()["children"], json!([linked]));
    assert_eq!(county.case(LEAD, &linked).await.unwrap()["parent"], json!(case));
    assert_eq!(say(&county, BAIMA, "consultation.close", &case).await, "closed");
}

async fn a_reading_needs_a_second_person_and_a_critical_value_is_read_back(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let fengqiao = county.hospital(FENGQIAO);
    let request = said(FENGQIAO, "consultation.request", None, Some(LEAD)).unwrap();
    let case = county.must_send(&request).await.unwrap();
    assert_eq!(county.state(&case).await.unwrap(), "uploaded");
    county.hospital(LEAD).wait_for_text(&case).await.unwrap();

    assert_eq!(say(&county, LEAD, "consultation.claim", &case).await, "claimed");
    assert_eq!(say(&county, LEAD, "consultation.critical", &case).await, "claimed");
    let alarm = fengqiao.wait_for_kind("consultation.critical", &case).await.unwrap();
    assert_eq!(body(&alarm)["items"][0]["flag"], "HH");
    assert_eq!(say(&county, LEAD, "consultation.report", &case).await, "written");
    let mut alone = said(LEAD, "consultation.audit", Some(&case), None).unwrap();
    alone["body"]["auditor"]["code"] = json!("XD2003");
    assert_eq!(refused(&county, &alone).await, "R065", "the writer cannot audit");
    assert_eq!(say(&county, LEAD, "consultation.audit", &case).await, "reported");
    let report = fengqiao.wait_for_kind("consultation.report", &case).await.unwrap();
    assert_eq!(body(&report)["conclusion"], "急性下壁心肌梗死图形，请结合临床立即处置。");
    fengqiao.wait_for_kind("consultation.audit", &case).await.unwrap();

    assert_eq!(say(&county, FENGQIAO, "consultation.acknowledge", &case).await, "acknowledged");
    let early = said(FENGQIAO, "consultation.close", Some(&case), None).unwrap();
    assert_eq!(refused(&county, &early).await, "R052", "the critical value was not read back");
    let mut read_back = said(FENGQIAO, "consultation.acknowledge", Some(&case), None).unwrap();
    read_back["body"]["critical"] = json!(true);
    assert_eq!(must_say(&county, &read_back).await, "acknowledged");
    assert_eq!(say(&county, FENGQIAO, "consultation.close", &case).await, "closed");
    assert!(notes(&county, &case).await.contains(&"critical_read_back".to_owned()));
}
