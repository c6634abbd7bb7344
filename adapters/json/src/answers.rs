//! Answers of native JSON: written for senders, and read from destinations.
//!
//! ```text
//!   accepted, repeated   200                              ▶ taken
//!   refused              4xx, application/problem+json    ▶ refused
//!   nothing stored       503, application/problem+json    ▶ not now
//! ```
//!
//! Of a destination a status alone means nothing, because gateways, proxies and login pages give the
//! same ones. Its own words are a JSON object with `verdict`, with `number`, or with `problems` or
//! `refusal` beside an error.
//!
//! A refusal follows RFC 9457, so that any HTTP client can show it. A destination's own words
//! are never passed on, because they may quote a patient: only our error codes and the names of
//! our fields are.

use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;
use tierlink_codec::{Answer, Answered, Reply};
use tierlink_schemas::verdict::Refusal;
use tierlink_schemas::{Problem, Verdict, outside, schema};
use uuid::Uuid;

use crate::codes::D099_ANSWER;
use crate::strict;

/// Media type of messages and verdicts.
pub(crate) const JSON: &str = "application/json";

/// Media type of refusals.
const PROBLEM_JSON: &str = "application/problem+json";

/// HTTP status: nothing was stored, try again.
const UNAVAILABLE: u16 = 503;

/// Largest answer to read, in bytes. A verdict has a few hundred.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Most problems of a destination that are passed on.
const PROBLEMS_MAX: usize = 20;

/// What a sender reads when its message was not taken.
#[skip_serializing_none]
#[derive(Serialize)]
struct NotTaken<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    verdict: Option<&'static str>,
    refusal: Option<Refusal>,
    problems: &'a [Problem],
}

/// Writes the answer for a sender.
pub(crate) fn write(reply: &Reply<'_>) -> Answer {
    match reply {
        Reply::Verdict(verdict @ (Verdict::Accepted { .. } | Verdict::Repeated { .. })) => {
            answer(200, JSON, verdict)
        }
        Reply::Verdict(Verdict::Refused { refusal, problems }) => {
            let (status, title) = outcome_of(*refusal);
            let body = NotTaken {
                r#type: type_of(problems),
                title,
                status,
                verdict: Some("refused"),
                refusal: Some(*refusal),
                problems,
            };
            answer(status, PROBLEM_JSON, &body)
        }
        Reply::TryAgain(problem) => {
            let problems = std::slice::from_ref(*problem);
            let body = NotTaken {
                r#type: type_of(problems),
                title: "Nothing was stored; send the same message again later",
                status: UNAVAILABLE,
                verdict: None,
                refusal: None,
                problems,
            };
            answer(UNAVAILABLE, PROBLEM_JSON, &body)
        }
    }
}

fn answer(status: u16, media_type: &'static str, body: &impl Serialize) -> Answer {
    let frame = serde_json::to_vec(body)
        .unwrap_or_else(|_| unreachable!("answers have string keys and no failing writers"));
    Answer { frames: vec![frame], status, media_type }
}

fn type_of(problems: &[Problem]) -> String {
    match problems.first() {
        Some(problem) => format!("urn:tierlink:error:{}", problem.code),
        None => "about:blank".to_owned(),
    }
}

const fn outcome_of(refusal: Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::Unreadable => (400, "The message could not be read"),
        Refusal::Invalid => (422, "The message was read and its content is wrong"),
        Refusal::NotFound => (404, "There is no such case for this sender"),
        Refusal::Conflict => (409, "This message id was used for other content before"),
        Refusal::Rule => (409, "The state of the case does not allow it"),
        Refusal::Early => (425, "What it refers to has not arrived yet; send it again later"),
        Refusal::Sender => (403, "The sender may not send this"),
    }
}

/// Reads what a destination's answer means for the delivery.
pub(crate) fn read(answer: &[u8], status: Option<u16>) -> Answered {
    let body = body_of(answer);
    let verdict = body.get("verdict").and_then(Value::as_str);
    let says_taken = matches!(verdict, Some("accepted" | "repeated" | "duplicate"));
    let says_why = !says_taken
        && (verdict == Some("refused")
            || body.get("problems").is_some_and(Value::is_array)
            || body.get("refusal").is_some_and(Value::is_string));
    match status {
        Some(200..=299) if says_why => refused(&body, "in its answer"),
        Some(200..=299) if says_taken || has_number(&body) => {
            Answered::Taken { number: number_of(&body) }
        }
        Some(409) if matches!(verdict, Some("repeated" | "duplicate")) => {
            Answered::Taken { number: number_of(&body) }
        }
        Some(status @ (408 | 425 | 429 | 500..=599)) if says_why => {
            let text =
                format!("The destination answered HTTP {status}: not now. It is tried again.");
            Answered::NotNow { problems: vec![Problem::new(D099_ANSWER, "answer", text)] }
        }
        Some(status @ 400..=499) if says_why => refused(&body, &format!("with HTTP {status}")),
        Some(status) => unreadable(&format!(
            "HTTP {status} came without a verdict, so it is no answer to a delivery; check the \
             address in the profile, or set outbound.taken."
        )),
        None if says_taken => Answered::Taken { number: number_of(&body) },
        None if says_why => refused(&body, "in its answer"),
        None => unreadable(
            "The answer holds no verdict; expected is `accepted`, `repeated` or `refused`.",
        ),
    }
}

/// Whether it gives the message a number of its own and says nothing else than our answers do, as a
/// page or a gateway never does. A code or an error beside the number may say that nothing was taken.
fn has_number(body: &Value) -> bool {
    const OURS: [&str; 4] = ["number", "message", "case_number", "state"];
    let Some(fields) = body.as_object() else { return false };
    let given = match fields.get("number") {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Number(number)) => number.as_u64().is_some_and(|number| number > 0),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    given && fields.keys().all(|name| OURS.contains(&name.as_str()))
}

/// The answer as JSON; null for anything else.
fn body_of(answer: &[u8]) -> Value {
    let (answer, _) = strict::unmarked(answer);
    if answer.len() > ANSWER_BYTES_MAX {
        return Value::Null;
    }
    serde_json::from_slice(answer).unwrap_or_default()
}

/// The destination's own number for the message: `number`, or the id in `message`.
///
/// Many systems write words such as `success` into `message`, so there only an id counts.
fn number_of(body: &Value) -> Option<String> {
    let number = match body.get("number") {
        Some(Value::String(text)) => outside::number(text),
        Some(Value::Number(number)) => outside::number(&number.to_string()),
        _ => None,
    };
    let id = || body.get("message")?.as_str()?.parse::<Uuid>().ok().map(|id| id.to_string());
    number.or_else(id)
}

fn unreadable(text: &str) -> Answered {
    Answered::Unreadable { problem: Problem::new(D099_ANSWER, "answer", text) }
}

/// A refusal, with the fields and codes of ours that it names.
fn refused(body: &Value, how: &str) -> Answered {
    let listed = body.get("problems").and_then(Value::as_array).into_iter().flatten();
    let mut problems: Vec<Problem> =
        listed.filter_map(|problem| passed_on(problem, how)).take(PROBLEMS_MAX).collect();
    if problems.is_empty() {
        let text = format!(
            "The destination refused the message {how}; ask its IT staff why, then send it again or drop it."
        );
        problems.push(Problem::new(D099_ANSWER, "answer", text));
    }
    Answered::Refused { problems }
}

/// The part of a destination's problem that cannot identify a patient: a known field, and a code
/// of our form.
fn passed_on(problem: &Value, how: &str) -> Option<Problem> {
    let field = problem.get("field").and_then(Value::as_str);
    let field = field.filter(|path| schema::some_kind_knows(path))?;
    let code = problem.get("code").and_then(Value::as_str).and_then(outside::code);
    let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
    let text = format!("The destination refused this field {how}{code}; correct it at the source.");
    Some(Problem::new(D099_ANSWER, field, text))
}
