//! Answers to senders, and what a destination's answer means.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use serde_json::{Value, json};
use tierlink_codec::{Answered, Codec, Directory, Profile, Reading, Reply, Writing};
use tierlink_json::Json;
use tierlink_schemas::verdict::Refusal;
use tierlink_schemas::{CaseNumber, Code, OrganisationCode, Problem, Tier, Verdict};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x019c_d5a0_0000_7000_8000_0000_0000_0001);

fn profile() -> Profile {
    Profile::bare(OrganisationCode::new("330199101").unwrap(), Tier::Township, "json")
}

/// Status, media type and JSON of what the sender hears.
fn heard(reply: &Reply<'_>) -> (u16, &'static str, Value) {
    let (profile, directory) = (profile(), Directory::default());
    let received_at = "2026-03-10T01:00:05Z".parse().unwrap();
    let with =
        Reading { profile: &profile, directory: &directory, id: ID, received_at, head: None };

    let answer = Json.answer(b"anything at all", reply, &with);

    assert_eq!(answer.frames.len(), 1);
    (answer.status, answer.media_type, serde_json::from_slice(&answer.frames[0]).unwrap())
}

fn meaning(status: Option<u16>, body: &[u8]) -> Answered {
    let (profile, directory) = (profile(), Directory::default());
    Json.read_answer("0", body, status, &Writing { profile: &profile, directory: &directory })
}

fn taken(number: Option<&str>) -> Answered {
    Answered::Taken { number: number.map(str::to_owned) }
}

fn problem() -> Problem {
    Problem::new(Code::new("C001"), "priority", "A new case needs its priority.")
}

#[test]
fn a_taken_message_is_answered_with_its_id_and_case() {
    let case_number = Some(CaseNumber::build('R', 2026, 1));
    let state = Some("submitted".to_owned());

    let (status, media_type, body) = heard(&Reply::Verdict(&Verdict::Accepted {
        message: ID,
        case_number: case_number.clone(),
        state: state.clone(),
    }));

    assert_eq!((status, media_type), (200, "application/json"));
    assert_eq!(
        body,
        json!({
            "verdict": "accepted", "message": ID.to_string(),
            "case_number": case_number.as_ref().unwrap().as_str(), "state": "submitted",
        })
    );

    let (status, _, body) =
        heard(&Reply::Verdict(&Verdict::Repeated { message: ID, case_number, state }));
    assert_eq!((status, &body["verdict"]), (200, &json!("repeated")));
}

#[test]
fn a_refusal_is_a_problem_document_with_every_problem() {
    let statuses = [
        (Refusal::Unreadable, 400),
        (Refusal::Invalid, 422),
        (Refusal::NotFound, 404),
        (Refusal::Conflict, 409),
        (Refusal::Rule, 409),
        (Refusal::Early, 425),
        (Refusal::Sender, 403),
    ];
    for (refusal, expected) in statuses {
        let (status, media_type, body) =
            heard(&Reply::Verdict(&Verdict::refused(refusal, problem())));

        assert_eq!((status, media_type), (expected, "application/problem+json"));
        assert_eq!(body["type"], "urn:tierlink:error:C001");
        assert_eq!(body["status"], expected);
        assert_eq!(body["verdict"], "refused");
        assert!(body["title"].as_str().unwrap().len() > 10);
        assert_eq!(body["problems"][0]["field"], "priority");
    }
}

#[test]
fn nothing_stored_is_no_verdict() {
    let (status, media_type, body) = heard(&Reply::TryAgain(&problem()));

    assert_eq!((status, media_type), (503, "application/problem+json"));
    assert_eq!(body["status"], 503);
    assert_eq!(body.get("verdict"), None);
}

#[test]
fn our_own_answers_are_understood_by_us() {
    let accepted = Verdict::Accepted { message: ID, case_number: None, state: None };
    let refused = Verdict::refused(Refusal::Invalid, problem());
    let again = problem();
    for reply in [Reply::Verdict(&accepted), Reply::Verdict(&refused), Reply::TryAgain(&again)] {
        let (status, _, body) = heard(&reply);

        let answered = meaning(Some(status), &serde_json::to_vec(&body).unwrap());

        match (reply, answered) {
            (Reply::Verdict(Verdict::Accepted { .. }), Answered::Taken { number }) => {
                assert_eq!(number, Some(ID.to_string()));
            }
            (Reply::Verdict(Verdict::Refused { .. }), Answered::Refused { problems }) => {
                assert_eq!(problems[0].field, "priority");
                assert!(problems[0].text.contains("C001"));
            }
            (Reply::TryAgain(_), Answered::NotNow { .. }) => {}
            (reply, answered) => unreachable!("{reply:?} was read as {answered:?}"),
        }
    }
}

#[test]
fn success_is_taken_with_the_destinations_number_if_it_has_one() {
    assert_eq!(meaning(Some(200), b"{\"verdict\":\"accepted\",\"problems\":[]}"), taken(None));
    assert_eq!(meaning(Some(200), b"{\"number\":\" ZZ-1 \"}"), taken(Some("ZZ-1")));
    assert_eq!(meaning(Some(201), b"{\"number\":42}"), taken(Some("42")));
    assert_eq!(meaning(Some(200), b"{\"number\":\"a\\u0000b\"}"), taken(None));
    let long = format!("{{\"number\":\"{}\"}}", "9".repeat(201));
    assert_eq!(meaning(Some(200), long.as_bytes()), taken(None));
}

/// The number of a person, a command for a terminal and three megabytes are nobody's number; codes and
/// fields that are not ours are not passed on.
#[test]
fn what_an_answer_says_is_filtered_before_it_is_kept() {
    let long = "9".repeat(50_000);
    for evil in ["990101195001010010", "13900000001", "7\u{1b}[2J", "汪德福", &long] {
        let body = json!({ "number": evil }).to_string();
        assert_eq!(meaning(Some(200), body.as_bytes()), taken(None), "{evil:?}");
        let body = json!({
            "problems": [{ "field": evil, "code": evil }, { "field": "priority", "code": evil }],
        });
        let refused = meaning(Some(422), body.to_string().as_bytes());
        let Answered::Refused { problems } = refused else { unreachable!("{refused:?}") };
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["priority"]);
        assert!(!problems[0].text.contains("code"), "{}", problems[0].text);
    }
    assert_eq!(meaning(Some(200), b"{\"number\":13900000001}"), taken(None));
}

/// Seen to fail while every 2xx was an acceptance.
#[test]
fn success_without_words_of_ours_is_no_acceptance() {
    let bodies: [&[u8]; 11] = [
        b"",
        b"OK",
        b"<html><title>Sign in</title></html>",
        b"{\"message\":\"success\"}",
        b"{\"code\":401,\"message\":\"token expired\"}",
        b"{\"verdict\":\"maybe\",\"number\":\"7\"}",
        b"{\"number\":\"\",\"code\":500}",
        b"{\"number\":0}",
        b"{\"number\":-1}",
        b"{\"number\":\"5\",\"error\":\"not stored\",\"success\":false}",
        b"[]",
    ];
    for body in bodies {
        let found = meaning(Some(200), body);
        assert!(matches!(found, Answered::Unreadable { .. }), "{body:?}: {found:?}");
    }
}

#[test]
fn a_refusal_inside_a_success_is_a_refusal() {
    assert!(matches!(meaning(Some(200), b"{\"verdict\":\"refused\"}"), Answered::Refused { .. }));
}

#[test]
fn a_repeat_is_taken() {
    assert_eq!(meaning(Some(409), b"{\"verdict\":\"repeated\"}"), taken(None));
    assert_eq!(
        meaning(Some(409), b"{\"verdict\":\"duplicate\",\"number\":\"7\"}"),
        taken(Some("7"))
    );
    assert!(matches!(meaning(Some(409), b"{}"), Answered::Unreadable { .. }));
}

#[test]
fn not_now_is_tried_again_and_no_is_not() {
    let ours = b"{\"problems\":[{\"code\":\"C001\",\"field\":\"priority\"}]}";
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(matches!(meaning(Some(status), ours), Answered::NotNow { .. }), "{status}");
    }
    for status in [400, 401, 403, 404, 413, 422] {
        assert!(matches!(meaning(Some(status), ours), Answered::Refused { .. }), "{status}");
    }
    for status in [400, 401, 403, 404, 413, 422, 429, 502, 503] {
        for body in [&b"<html>"[..], b"", b"{\"status\":404,\"error\":\"Not Found\"}"] {
            let found = meaning(Some(status), body);
            assert!(
                matches!(found, Answered::Unreadable { .. }),
                "a gateway's {status}: {found:?}"
            );
        }
    }
    for status in [0, 100, 301, 302, 600, 999] {
        assert!(matches!(meaning(Some(status), b""), Answered::Unreadable { .. }), "{status}");
    }
}

#[test]
fn without_a_status_the_verdict_decides() {
    assert_eq!(meaning(None, b"{\"verdict\":\"accepted\"}"), taken(None));
    assert!(matches!(meaning(None, b"{\"verdict\":\"refused\"}"), Answered::Refused { .. }));
    assert!(matches!(meaning(None, b"{}"), Answered::Unreadable { .. }));
    assert!(matches!(meaning(None, b"\xff"), Answered::Unreadable { .. }));
}

#[test]
fn a_partners_text_never_comes_through() {
    let body = json!({
        "title": "secret", "detail": "secret", "verdict": "secret",
        "problems": [
            { "code": "secret", "field": "body.patient.name", "text": "secret" },
            { "code": "C001", "field": "secret", "text": "secret" },
            { "code": "C001", "field": "body.attachments[secret].title", "text": "secret" },
        ],
    });

    let Answered::Refused { problems } = meaning(Some(422), &serde_json::to_vec(&body).unwrap())
    else {
        unreachable!("422 is a refusal")
    };

    let fields: Vec<&str> = problems.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["body.patient.name"]);
    assert!(!problems[0].to_string().contains("secret"));
}
