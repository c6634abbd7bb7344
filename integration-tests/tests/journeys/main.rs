//! Whole stories, told to the real program over real sockets, in both modes.
//!
//! Each story is checked where it matters: on the bytes that arrive at the other hospital, in that
//! hospital's own format, and on the state of the case.
//!
//! Hospitals answer through their own doors: `SECOND` and `CITY` over FHIR, `QINGSHI` and `LEAD`
//! over MLLP, `FENGQIAO` and `LIUWAN` in JSON. Where a format has no word for something, the
//! organisation says it in JSON with its token, as the design allows everybody to.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod acts;
mod consultations;
mod delivery;
mod formats;
mod intruders;
mod limits;
mod operators;
mod rabbit;
mod referrals;
mod simulate;
mod systems;

use serde_json::{Value, json};
use tierlink_integration_tests::county::County;
use tierlink_integration_tests::hospitals::{Received, said};

/// A referral by JSON that must be accepted; gives the case number.
async fn refer(county: &County, from: &str, to: &str) -> String {
    county.must_send(&said(from, "referral.submit", None, Some(to)).unwrap()).await.unwrap()
}

/// A statement that must be accepted, and the state after it.
async fn say(county: &County, author: &str, kind: &str, case_number: &str) -> String {
    let message = said(author, kind, Some(case_number), None).unwrap();
    must_say(county, &message).await
}

/// The same for a message that the test has changed.
async fn must_say(county: &County, message: &Value) -> String {
    let answer = county.send(message).await.unwrap();
    assert_eq!(answer.status, 200, "{}: {}", message["kind"], answer.body);
    answer.json()["state"].as_str().unwrap_or_default().to_owned()
}

/// A statement that must be refused; gives the code of the first problem.
async fn refused(county: &County, message: &Value) -> String {
    let answer = county.send(message).await.unwrap();
    answer.refused().unwrap_or_else(|error| panic!("{}: {error}", message["kind"])).0
}

/// The kinds that a hospital took about a case, in order.
fn kinds_about(received: &[Received], case_number: &str) -> Vec<String> {
    let about = received.iter().filter(|one| one.taken && one.is_about(case_number));
    about.map(|one| one.kind.clone()).collect()
}

/// The body of the canonical JSON in a received message.
fn body(received: &Received) -> Value {
    received.json()["body"].clone()
}

/// The first resource of a type in a received Bundle.
fn resource(received: &Received, kind: &str) -> Value {
    let bundle = received.json();
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let found = entries.map(|entry| &entry["resource"]).find(|one| one["resourceType"] == kind);
    found.cloned().unwrap_or_else(|| panic!("no {kind} in {}", received.kind))
}

/// The notes of a case's events, in order.
async fn notes(county: &County, case_number: &str) -> Vec<String> {
    let case = county.case("operator", case_number).await.unwrap();
    let events = case["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|event| event["note"].as_str().map(str::to_owned)).collect()
}

/// A request with its business number, so that the receiver's copy can be recognised.
fn numbered(mut message: Value, number: &str) -> Value {
    let author = message["source"]["organisation"].clone();
    message["case"]["numbers"] = json!([{ "organisation": author, "number": number }]);
    message
}
