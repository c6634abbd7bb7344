//! What senders hear, and what the answers of destinations mean.

use crate::county::{self, HOSPITAL, TOWNSHIP, reading, writing};
use serde_json::{Value, json};
use tierlink_codec::{Answer, Answered, Codec, Reading, Reply};
use tierlink_fhir::{Fhir, metadata};
use tierlink_schemas::{CaseNumber, Code, Kind, Problem, Refusal, Verdict};
use uuid::Uuid;

const OURS: &str = "01923c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn answer(arrived: &[u8], reply: &Reply<'_>) -> (Answer, Value) {
    let county = county::open();
    let answer = Fhir.answer(arrived, reply, &reading(&county, TOWNSHIP));
    let body = serde_json::from_slice(&answer.frames[0]).unwrap();
    (answer, body)
}

fn accepted() -> Verdict {
    Verdict::Accepted {
        message: Uuid::nil(),
        case_number: Some(CaseNumber::build('R', 2026, 1)),
        state: Some("submitted".to_owned()),
    }
}

fn repeated() -> Verdict {
    Verdict::Repeated { message: Uuid::nil(), case_number: None, state: None }
}

#[test]
fn an_accepted_message_is_answered_with_the_case_number() {
    let (answer, body) = answer(&fixture("referral"), &Reply::Verdict(&accepted()));

    let header = &body["entry"][0]["resource"];
    let issue = &body["entry"][1]["resource"]["issue"][0];
    assert_eq!(answer.status, 200);
    assert_eq!(header["response"]["code"], "ok");
    assert_eq!(header["response"]["identifier"], "T01-20261121-0001");
    let number = CaseNumber::build('R', 2026, 1);
    assert_eq!(issue["details"]["coding"][0]["code"], number.as_str());
}

#[test]
fn a_repeat_is_a_success_and_bars_hears_duplicate() {
    let (ours, body) = answer(&fixture("referral"), &Reply::Verdict(&repeated()));
    assert_eq!(ours.status, 200);
    assert_eq!(body["entry"][1]["resource"]["issue"][0]["code"], "duplicate");

    let (bars, body) = answer(&fixture("bars_rejection"), &Reply::Verdict(&repeated()));
    assert_eq!(bars.status, 409);
    assert_eq!(body["issue"][0]["code"], "duplicate");
}

#[test]
fn each_refusal_has_its_status_and_names_code_and_field() {
    for (refusal, found, status, code) in [
        (Refusal::Unreadable, "D060", 400, "structure"),
        (Refusal::Sender, "D065", 403, "forbidden"),
        (Refusal::NotFound, "R001", 404, "not-found"),
        (Refusal::Conflict, "S010", 409, "conflict"),
        (Refusal::Rule, "R021", 409, "business-rule"),
        (Refusal::Invalid, "C013", 422, "value"),
        (Refusal::Early, "R003", 425, "transient"),
        // What the decoder finds is told as what it is, too.
        (Refusal::Unreadable, "D071", 422, "required"),
        (Refusal::Unreadable, "D063", 422, "not-supported"),
        (Refusal::Unreadable, "D074", 422, "not-supported"),
        (Refusal::Unreadable, "D064", 422, "invariant"),
        (Refusal::Invalid, "C001", 422, "required"),
        (Refusal::Invalid, "C028", 422, "duplicate"),
    ] {
        let problem = Problem::new(Code::new(found), "ServiceRequest.priority", "send another");
        let verdict = Verdict::refused(refusal, problem);

        let (answer, body) = answer(b"anything at all", &Reply::Verdict(&verdict));

        let issue = &body["issue"][0];
        assert_eq!((answer.status, issue["code"].as_str()), (status, Some(code)));
        assert_eq!(issue["details"]["coding"][0]["code"], found);
        assert_eq!(issue["expression"][0], "ServiceRequest.priority");
    }
}

#[test]
fn nothing_stored_means_try_again() {
    let problem = Problem::new(Code::new("S001"), "", "the store is busy");

    let (answer, body) = answer(b"", &Reply::TryAgain(&problem));

    assert_eq!((answer.status, body["issue"][0]["code"].as_str()), (503, Some("transient")));
}

fn read(status: u16, body: &str) -> Answered {
    let county = county::open();
    Fhir.read_answer(OURS, body.as_bytes(), Some(status), &writing(&county, HOSPITAL))
}

fn outcome(severity: &str, code: &str) -> String {
    json!({ "resourceType": "OperationOutcome", "issue": [{
        "severity": severity, "code": code, "diagnostics": "张三 990101195001010010 is no patient",
        "expression": ["ServiceRequest.performer[0]"],
    }] })
    .to_string()
}

#[test]
fn a_destination_that_took_it_may_give_its_number() {
    let task = json!({ "resourceType": "Task", "identifier": [{ "value": "H-77" }] }).to_string();

    assert_eq!(read(200, &task), Answered::Taken { number: Some("H-77".to_owned()) });
    assert_eq!(read(202, ""), Answered::Taken { number: None });
    let twice = read(409, &outcome("error", "duplicate"));
    assert!(matches!(twice, Answered::Taken { .. }), "{twice:?}");
}

/// The number of a person, a command for a terminal and a long text are nobody's number, wherever they
/// stand; issue types and places that FHIR and we do not have are not passed on.
#[test]
fn what_an_answer_says_is_filtered_before_it_is_kept() {
    let long = "9".repeat(200_000);
    for evil in ["990101195001010010", "13900000001", "7\u{1b}[2J", "汪德福", &long] {
        let resource =
            |kind: &str| json!({ "resourceType": kind, "identifier": [{ "value": evil }] });
        let header = json!({ "resourceType": "MessageHeader", "id": evil,
            "response": { "identifier": OURS, "code": "ok" } });
        let outcome = json!({ "resourceType": "OperationOutcome", "id": evil,
            "issue": [{ "details": { "coding": [{ "code": evil }] } }] });
        let bundle = json!({ "resourceType": "Bundle", "type": "message", "entry": [
            { "resource": header }, { "resource": resource("Task") },
            { "resource": resource("ServiceRequest") }, { "resource": outcome } ] });
        for answer in [resource("Task").to_string(), bundle.to_string()] {
            assert_eq!(read(200, &answer), Answered::Taken { number: None }, "{answer:.200}");
        }
    }
    for (code, place) in [
        ("zhangsan", "Zhangsan.phone"),
        ("zhang-san", "Patient.zhangsanborninnineteenfiftyoneinlongxicounty"),
    ] {
        let refused =
            read(422, &outcome("error", code).replace("ServiceRequest.performer[0]", place));
        let Answered::Refused { problems } = refused else { panic!("{refused:?}") };
        assert_eq!(problems[0].field, "HTTP");
        assert!(problems[0].text.contains("issue unknown"), "{}", problems[0].text);
    }
}

#[test]
fn our_own_answers_are_understood_by_ourselves() {
    for (verdict, taken) in [(accepted(), true), (repeated(), true)] {
        let (answer, _) = answer(&fixture("referral"), &Reply::Verdict(&verdict));
        let county = county::open();
        let with = writing(&county, HOSPITAL);

        let found = Fhir.read_answer(OURS, &answer.frames[0], Some(answer.status), &with);

        assert_eq!(matches!(found, Answered::Taken { .. }), taken, "{found:?}");
    }
}

#[test]
fn silence_of_every_kind_is_tried_again() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let busy = read(status, &outcome("error", "transient"));
        assert!(matches!(busy, Answered::NotNow { .. }), "{status}: {busy:?}");
    }
    let later = json!({ "resourceType": "Bundle", "type": "message", "entry": [{ "resource": {
        "resourceType": "MessageHeader", "response": { "identifier": OURS, "code": "transient-error" } } }] });
    assert!(matches!(read(200, &later.to_string()), Answered::NotNow { .. }));
}

#[test]
fn a_refusal_repeats_codes_and_paths_and_never_a_value() {
    for (status, body) in [
        (422, outcome("error", "invalid")),
        (409, outcome("error", "conflict")),
        (200, outcome("fatal", "value")),
    ] {
        let Answered::Refused { problems } = read(status, &body) else { panic!("{status}") };

        assert_eq!(problems[0].field, "ServiceRequest.performer[0]");
        assert!(!problems[0].text.contains('张') && !problems[0].text.contains("990101"));
    }
    let sly = outcome("error", "Zhang San")
        .replace("ServiceRequest.performer[0]", "Patient.where(name='x')");
    let Answered::Refused { problems } = read(400, &sly) else { panic!() };
    assert_eq!(problems[0].field, "HTTP");
    assert!(!problems[0].text.contains("Zhang"));
}

#[test]
fn an_answer_to_another_message_is_not_ours() {
    let other = json!({ "resourceType": "Bundle", "type": "message", "entry": [{ "resource": {
        "resourceType": "MessageHeader",
        "response": { "identifier": "01923c4d-5e6f-7a8b-9c0d-000000000000", "code": "ok" } } }] });

    assert_eq!(read(200, &other.to_string()), Answered::Stray);
}

#[test]
fn a_login_page_is_no_answer() {
    assert!(matches!(read(200, "<html>login</html>"), Answered::Unreadable { .. }));
    assert!(matches!(read(200, "{\"ok\":true}"), Answered::Unreadable { .. }));
    // Seen to fail while every resource was an acceptance.
    let batch = |status: &str| {
        json!({
            "resourceType": "Bundle", "type": "batch-response",
            "entry": [{ "response": { "status": "201 Created" } }, { "response": { "status": status } }],
        })
    };
    assert_eq!(read(200, &batch("201").to_string()), Answered::Taken { number: None });
    let headless = json!({ "resourceType": "Bundle", "type": "message", "entry": [] });
    for other in [batch("400 Bad Request"), headless, json!({ "resourceType": "Patient" })] {
        assert!(matches!(read(200, &other.to_string()), Answered::Unreadable { .. }), "{other}");
    }
    assert!(matches!(read(302, ""), Answered::Unreadable { .. }));
}

/// Seen to fail while every 4xx was a refusal.
#[test]
fn a_status_without_a_resource_is_no_word_of_the_destination() {
    for status in [400, 401, 403, 404, 405, 407, 410, 413, 415, 422, 429, 500, 502, 503, 504] {
        for body in ["", "<html><h1>Not Found</h1></html>", "{\"error\":\"Not Found\"}"] {
            let found = read(status, body);
            assert!(matches!(found, Answered::Unreadable { .. }), "{status} {body}: {found:?}");
        }
    }
    for status in [400, 403, 404, 413, 415, 422] {
        let own = read(status, &outcome("error", "not-supported"));
        assert!(matches!(own, Answered::Refused { .. }), "{status}: {own:?}");
    }
}

#[test]
fn the_sender_is_found_before_anything_else_is_read() {
    assert_eq!(Fhir.sender(&fixture("referral")).names[0], "T-01");
    assert!(Fhir.sender(b"{").names.is_empty());
}

#[test]
fn the_capability_statement_lists_every_kind_both_ways() {
    let statement = metadata("https://broker.example/fhir/");

    let messages = statement["messaging"][0]["supportedMessage"].as_array().unwrap();
    assert_eq!(messages.len(), 2 * Kind::ALL.len());
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(
        statement["messaging"][0]["endpoint"][0]["address"],
        "https://broker.example/fhir/$process-message"
    );
}

/// A Bundle may hold 12 MiB: the tree that was built to find its sender is the one that is decoded,
/// and the answer looks at nothing again.
#[test]
fn a_bundle_that_was_opened_to_find_its_sender_is_not_opened_again() {
    let county = county::open();
    let bytes = fixture("referral");
    let plain = Fhir.decode(&bytes, &reading(&county, TOWNSHIP));
    let sender = Fhir.sender(&bytes);
    let with = Reading { head: Some(&sender.head), ..reading(&county, TOWNSHIP) };

    let decoded = Fhir.decode(b"not looked at", &with);

    assert_eq!(decoded.outcome, plain.outcome);
    assert_eq!(decoded.deviations, plain.deviations);
    let verdict = accepted();
    let reply = Reply::Verdict(&verdict);
    let with = Reading { head: Some(&decoded.head), ..with };
    let answer = Fhir.answer(b"not looked at", &reply, &with);
    assert_eq!(answer, Fhir.answer(&bytes, &reply, &reading(&county, TOWNSHIP)));
}
