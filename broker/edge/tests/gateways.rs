//! What the way to a hospital over HTTP reports of what it hears: an answer of the hospital's own, or
//! that something else answered. What follows from it is not decided here.

#![expect(clippy::unwrap_used, reason = "a test's own mistakes may panic")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tierlink_codec::{Answered, Codec, Directory, Encoded, OrganisationProfile, Writing};
use tierlink_edge::destination::{Heard, SendResult};
use tierlink_edge::network;
use tierlink_fhir::Fhir;
use tierlink_hl7v2::Hl7v2;
use tierlink_json::Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CONTROL_ID: &str = "01923c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d";
const PAGE: &str = "<html><title>Sign in</title></html>";

/// Sends one message to a server that answers with these words, and gives what was heard and what
/// the server was asked.
async fn send(codec: &dyn Codec, more: &str, answer: String) -> (Heard, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"hello") {
            request.push(socket.read_u8().await.unwrap());
        }
        *seen.lock() = String::from_utf8(request).unwrap();
        socket.write_all(answer.as_bytes()).await.unwrap();
    });
    let text = format!(
        "[organisation]\ncode = \"330199001\"\nname = \"龙溪县人民医院\"\ntier = \"county\"\n\
         [format]\nname = \"{}\"\n[outbound]\naddress = \"http://127.0.0.1:{port}/in\"\n{more}",
        codec.name()
    );
    let organisation = OrganisationProfile::from_toml(&text).unwrap();
    let profile = organisation.default_system().unwrap();
    let mut destination = network::open("/".as_ref(), profile).unwrap().unwrap();
    let encoded = Encoded {
        bytes: Bytes::from_static(b"hello"),
        media_type: "application/fhir+json",
        control_id: CONTROL_ID.to_owned(),
        losses: Vec::new(),
        code_maps: None,
    };
    let writing = Writing { profile, directory: &Directory::default() };

    let heard = destination.send(&encoded, codec, &writing).await;

    server.await.unwrap();
    let asked = asked.lock().clone();
    (heard, asked)
}

fn response(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

async fn hears(codec: &dyn Codec, more: &str, status: u16, body: &str) -> SendResult {
    send(codec, more, response(status, "", body)).await.0.result
}

fn turned_away(result: &SendResult) -> Option<(u16, &str)> {
    match result {
        SendResult::TurnedAway { status, problem } => Some((*status, problem.code.as_str())),
        SendResult::Answered(_) | SendResult::NoAnswer(_) => None,
    }
}

#[tokio::test]
async fn a_page_is_never_the_answer_of_a_hospital_whatever_its_status() {
    let codecs: [&dyn Codec; 3] = [&Fhir, &Json, &Hl7v2];
    for codec in codecs {
        for status in [200, 204, 302, 400, 403, 404, 405, 409, 410, 413, 415, 422, 429, 502, 503] {
            let body = if status == 204 { "" } else { PAGE };
            // In FHIR an empty 2xx takes a message.
            if codec.name() == "fhir" && status == 204 {
                continue;
            }

            let result = hears(codec, "", status, body).await;

            let name = codec.name();
            assert_eq!(turned_away(&result), Some((status, "E051")), "{name} {status}: {result:?}");
        }
    }
}

#[tokio::test]
async fn whoever_asks_who_we_are_says_nothing_about_the_message_whatever_the_body() {
    let own =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}"#;
    for status in [401, 407] {
        for body in ["", PAGE, own] {
            let result = hears(&Fhir, "", status, body).await;

            assert_eq!(turned_away(&result), Some((status, "E050")), "{body}");
        }
    }
}

#[tokio::test]
async fn words_of_the_hospitals_own_format_are_its_answer_whatever_the_status() {
    let outcome =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"too-long"}]}"#;
    let verdict = r#"{"verdict":"refused","problems":[]}"#;
    for status in [403, 404, 405, 410, 413, 415, 422] {
        for (codec, body) in [(&Fhir as &dyn Codec, outcome), (&Json, verdict)] {
            let result = hears(codec, "", status, body).await;

            let refused = matches!(result, SendResult::Answered(Answered::Refused { .. }));
            assert!(refused, "{status} {body}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_profile_says_which_further_answers_take_a_message() {
    let texts = "[outbound.taken]\ntexts = ['\"code\":0']\n";
    let empty = "[outbound.taken]\nempty = true\n";
    let is_taken = |result: &SendResult| {
        matches!(result, SendResult::Answered(Answered::Taken { number: None }))
    };

    assert!(is_taken(&hears(&Json, texts, 200, r#"{"code":0,"msg":"ok"}"#).await));
    assert!(is_taken(&hears(&Json, empty, 202, " \r\n").await));
    assert!(!is_taken(&hears(&Json, texts, 200, r#"{"code":401,"msg":"expired"}"#).await));
    assert!(!is_taken(&hears(&Json, texts, 200, PAGE).await));
    assert!(!is_taken(&hears(&Json, texts, 500, r#"{"code":0}"#).await));
    assert!(!is_taken(&hears(&Json, empty, 200, PAGE).await));
    assert!(!is_taken(&hears(&Json, texts, 200, "").await));
}

#[tokio::test]
async fn the_wait_that_is_asked_for_and_the_form_that_we_read_are_passed_on() {
    let (in_seconds, asked) = send(&Fhir, "", response(503, "Retry-After: 120\r\n", PAGE)).await;
    let headers = "Date: Mon, 02 Mar 2026 08:00:00 GMT\r\n\
                   Retry-After: Mon, 02 Mar 2026 08:01:00 GMT\r\n";
    let (by_date, _) = send(&Fhir, "", response(429, headers, "")).await;
    let (unasked, _) = send(&Fhir, "", response(503, "", "")).await;

    assert_eq!(in_seconds.retry_after, Some(Duration::from_mins(2)));
    assert_eq!(by_date.retry_after, Some(Duration::from_mins(1)));
    assert_eq!(unasked.retry_after, None);
    let accept = asked.lines().find_map(|line| line.strip_prefix("accept: "));
    assert_eq!(accept, Some("application/fhir+json, */*;q=0.1"), "{asked}");
}

/// A gateway may quote the message, and with it the patient.
#[tokio::test]
async fn no_word_of_a_gateway_reaches_a_problem() {
    let body = "张三 990101199001010010 <script>";
    for status in [200, 401, 403, 503] {
        let SendResult::TurnedAway { problem, .. } = hears(&Fhir, "", status, body).await else {
            panic!("{status} is no answer")
        };

        let text = problem.to_string();
        assert!(!text.contains('张') && !text.contains("990101") && !text.contains('<'), "{text}");
    }
}
