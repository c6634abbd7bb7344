//! Answers of FHIR: written for senders, and read from destinations.
//!
//! ```text
//!   accepted           200  Bundle, response.code ok
//!   repeated           200  the same with "duplicate"; 409 duplicate where BaRS expects it
//!   refused            400 structure, 403 forbidden, 404 not-found, 409 conflict,
//!                      422 required/value/invariant, 425 transient
//!   nothing was stored 503  transient
//! ```
//!
//! Neither way carries a value: our problems name fields, and of a partner's OperationOutcome only
//! codes and paths are repeated, because its diagnostics may quote the patient.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use tierlink_codec::{Answer, Answered, Reading, Reply};
use tierlink_schemas::{CaseNumber, Problem, Refusal, Verdict, outside};
use uuid::Uuid;

use crate::bundle::Bundle;
use crate::decode::message_id;
use crate::encode::MEDIA_TYPE;
use crate::events::Dialect;
use crate::limits::{ANSWER_BYTES_MAX, EXPRESSION_CHARS_MAX, FINDINGS_MAX};
use crate::opened::Arrived;
use crate::{codes, json as tree, systems};

/// What an answer needs of a message that was not decoded, because its sender may not send.
fn arrived(bytes: &[u8]) -> Arrived {
    let bundle = tree::read(bytes).and_then(Bundle::open);
    bundle.map_or_else(|_| Arrived::default(), |bundle| Arrived::of(&bundle, message_id(&bundle)))
}

/// Writes the answer for a sender.
pub fn answer(bytes: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer {
    let known = with.known::<Arrived>();
    let arrived = known.map_or_else(|| Cow::Owned(arrived(bytes)), Cow::Borrowed);
    let (status, body) = match reply {
        Reply::TryAgain(problem) => (503, outcome(&[issue("error", "transient", problem)])),
        Reply::Verdict(Verdict::Accepted { case_number, state, .. }) => {
            let number = case_number.as_ref().map(CaseNumber::as_str);
            let taken = information("informational", number, state.as_deref());
            (200, positive(&arrived, with, taken))
        }
        Reply::Verdict(Verdict::Repeated { case_number, state, .. }) => {
            let number = case_number.as_ref().map(CaseNumber::as_str);
            let taken = information("duplicate", number, state.as_deref());
            match arrived.dialect {
                Dialect::Bars => (409, outcome(&[taken])),
                Dialect::Own | Dialect::Plain => (200, positive(&arrived, with, taken)),
            }
        }
        Reply::Verdict(Verdict::Refused { refusal, problems }) => {
            let issues = problems
                .iter()
                .take(FINDINGS_MAX)
                .map(|problem| issue("error", issue_code(*refusal, problem), problem));
            let read = problems.iter().all(|problem| !is_structural(problem));
            let unread = *refusal == Refusal::Unreadable && !problems.is_empty();
            let status = if unread && read { 422 } else { status_of(*refusal) };
            (status, outcome(&issues.collect::<Vec<Value>>()))
        }
    };
    // Writing a tree of texts cannot fail; an empty body would still carry the status.
    let frame = serde_json::to_vec(&body).unwrap_or_default();
    Answer { frames: vec![frame], status, media_type: MEDIA_TYPE }
}

/// Writes what the sender of a body in another form hears.
pub fn unsupported(problem: &Problem) -> Answer {
    let body = outcome(&[issue("error", "not-supported", problem)]);
    let frame = serde_json::to_vec(&body).unwrap_or_default();
    Answer { frames: vec![frame], status: 415, media_type: MEDIA_TYPE }
}

const fn status_of(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Unreadable => 400,
        Refusal::Sender => 403,
        Refusal::NotFound => 404,
        Refusal::Conflict | Refusal::Rule => 409,
        Refusal::Invalid => 422,
        Refusal::Early => 425,
    }
}

/// Whether the bytes are no FHIR message at all, in contrast to one that says something wrong.
fn is_structural(problem: &Problem) -> bool {
    !problem.code.as_str().starts_with(['C', 'D'])
        || [codes::UNREADABLE, codes::NO_MESSAGE].contains(&problem.code)
}

/// FHIR's issue types for what the decoder and the checks find.
const ISSUES: [(&str, &[&str]); 7] = [
    ("required", &["C001", "C002", "C009", "C010", "C020", "C024", "D069", "D071", "D072"]),
    ("invariant", &["C008", "C012", "C014", "C018", "C023", "C027", "C033", "D064", "D068"]),
    ("not-supported", &["C030", "D063", "D074"]),
    ("too-long", &["C022", "D061", "D084"]),
    ("code-invalid", &["C006", "C015", "D067", "D077"]),
    ("duplicate", &["C028"]),
    ("forbidden", &["D065"]),
];

/// The FHIR issue type that comes nearest.
fn issue_code(refusal: Refusal, problem: &Problem) -> &'static str {
    match refusal {
        Refusal::Unreadable if is_structural(problem) => "structure",
        Refusal::Sender => "forbidden",
        Refusal::NotFound => "not-found",
        Refusal::Conflict => "conflict",
        Refusal::Rule => "business-rule",
        Refusal::Early => "transient",
        Refusal::Invalid | Refusal::Unreadable => {
            let known = |(_, found): &&(&str, &[&str])| found.contains(&problem.code.as_str());
            ISSUES.iter().find(known).map_or("value", |(name, _)| name)
        }
    }
}

fn issue(severity: &str, code: &str, problem: &Problem) -> Value {
    json!({
        "severity": severity,
        "code": code,
        "details": { "coding": [{ "system": systems::ERROR, "code": problem.code.as_str() }] },
        "diagnostics": problem.text,
        "expression": [problem.field],
    })
}

fn information(code: &str, number: Option<&str>, state: Option<&str>) -> Value {
    let mut issue = Map::new();
    issue.insert("severity".into(), "information".into());
    issue.insert("code".into(), code.into());
    let mut details = Map::new();
    if let Some(number) = number {
        let coding = json!([{ "system": systems::CASE_NUMBER, "code": number }]);
        details.insert("coding".into(), coding);
    }
    if let Some(state) = state {
        details.insert("text".into(), state.into());
    }
    if !details.is_empty() {
        issue.insert("details".into(), Value::Object(details));
    }
    Value::Object(issue)
}

fn outcome(issues: &[Value]) -> Value {
    json!({ "resourceType": "OperationOutcome", "issue": issues })
}

/// A message that answers the one that arrived, with an OperationOutcome that tells the case.
fn positive(arrived: &Arrived, with: &Reading<'_>, taken: Value) -> Value {
    let id = |label: &str| Uuid::new_v5(&with.id, label.as_bytes()).to_string();
    let mut outcome = outcome(&[taken]);
    outcome["id"] = id("outcome").into();
    let outcome_url = format!("urn:uuid:{}", id("outcome"));
    let mut header = Map::new();
    header.insert("resourceType".into(), "MessageHeader".into());
    header.insert("id".into(), id("header").into());
    let (system, code) =
        arrived.event.clone().unwrap_or_else(|| (systems::EVENT.to_owned(), "receipt".to_owned()));
    header.insert("eventCoding".into(), json!({ "system": system, "code": code }));
    header
        .insert("source".into(), json!({ "endpoint": "urn:tierlink:broker", "name": "TierLink" }));
    let details = json!({ "reference": outcome_url });
    let mut response = Map::new();
    response.insert("identifier".into(), json!(arrived.message_id));
    response.insert("code".into(), "ok".into());
    response.insert("details".into(), details);
    header.insert("response".into(), Value::Object(response));
    json!({
        "resourceType": "Bundle",
        "id": id("bundle"),
        "type": "message",
        "timestamp": with.received_at,
        "entry": [
            { "fullUrl": format!("urn:uuid:{}", id("header")), "resource": header },
            { "fullUrl": outcome_url, "resource": outcome },
        ],
    })
}

/// Reads a destination's answer.
///
/// A status other than 2xx counts only with a FHIR resource as its body: gateways and proxies give
/// the same ones.
pub fn read_answer(control_id: &str, bytes: &[u8], status: Option<u16>) -> Answered {
    let body = (bytes.len() <= ANSWER_BYTES_MAX).then(|| tree::read(bytes).ok()).flatten();
    let bundle = body.clone().and_then(|body| Bundle::open(body).ok());
    let issues = issues(body.as_ref());
    let status = status.unwrap_or(200);
    let has = |code: &str| issues.iter().any(|issue| issue.code.as_deref() == Some(code));
    let is_fhir = body.as_ref().is_some_and(|body| kind_of(body).is_some());
    match status {
        200..=299 => taken(control_id, bytes, body.as_ref(), bundle.as_ref(), &issues),
        _ if !is_fhir => {
            unreadable(&format!("the destination answered HTTP {status} with no FHIR resource"))
        }
        409 if has("duplicate") => Answered::Taken { number: number(bundle.as_ref()) },
        408 | 425 | 429 | 500..=599 => {
            Answered::NotNow { problems: told(codes::PARTNER_BUSY, status, &issues) }
        }
        400..=499 => Answered::Refused { problems: told(codes::PARTNER_REFUSED, status, &issues) },
        _ => unreadable(&format!("the destination answered with HTTP status {status}")),
    }
}

fn kind_of(body: &Value) -> Option<&str> {
    body.get("resourceType").and_then(Value::as_str)
}

fn taken(
    control_id: &str,
    bytes: &[u8],
    body: Option<&Value>,
    bundle: Option<&Bundle>,
    issues: &[Issue],
) -> Answered {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Answered::Taken { number: None };
    }
    let Some(body) = body else {
        return unreadable("the destination answered 2xx with something that is no JSON");
    };
    let Some(kind) = kind_of(body) else {
        return unreadable("the destination answered 2xx with no FHIR resource");
    };
    if !is_answer(kind, body, bundle) {
        return unreadable("the destination answered 2xx with a resource that answers no message");
    }
    if let Some(bundle) = bundle
        && let Some(header) = bundle.first("MessageHeader")
    {
        match bundle.peek(header, "response/code") {
            Some("transient-error") => {
                return Answered::NotNow { problems: told(codes::PARTNER_BUSY, 200, issues) };
            }
            Some("fatal-error") => {
                return Answered::Refused { problems: told(codes::PARTNER_REFUSED, 200, issues) };
            }
            _ => {}
        }
        // An id that is not ours may be the Bundle's, which some partners answer to; one that is
        // of our kind and still another is the answer to another message.
        let answered = bundle.peek(header, "response/identifier").map(str::trim);
        let other = answered.and_then(|id| Uuid::parse_str(id).ok());
        if other.is_some_and(|id| id.get_version_num() == 7 && id.to_string() != control_id) {
            return Answered::Stray;
        }
    }
    if kind == "OperationOutcome" {
        let fatal = issues.iter().any(|issue| issue.severity_is_bad);
        let waits = issues.iter().any(|i| {
            matches!(i.code.as_deref(), Some("transient" | "lock-error" | "timeout" | "throttled"))
        });
        if fatal && waits {
            return Answered::NotNow { problems: told(codes::PARTNER_BUSY, 200, issues) };
        }
        if fatal {
            return Answered::Refused { problems: told(codes::PARTNER_REFUSED, 200, issues) };
        }
    }
    let own = body.get("identifier").and_then(|i| i.get(0).unwrap_or(i).get("value"));
    let own = own.and_then(Value::as_str).and_then(outside::number);
    Answered::Taken { number: own.or_else(|| number(bundle)) }
}

/// Whether a resource can be what a system says after it took a message: an outcome, a message with
/// its header, what it made of the request, or a response Bundle in which each entry was done.
fn is_answer(kind: &str, body: &Value, bundle: Option<&Bundle>) -> bool {
    const MADE: [&str; 7] = [
        "OperationOutcome",
        "MessageHeader",
        "Parameters",
        "ServiceRequest",
        "Task",
        "Appointment",
        "Communication",
    ];
    if kind != "Bundle" {
        return MADE.contains(&kind);
    }
    if matches!(body["type"].as_str(), Some("transaction-response" | "batch-response")) {
        let entries = body["entry"].as_array();
        let done = |entry: &Value| {
            entry["response"]["status"].as_str().is_some_and(|status| status.starts_with('2'))
        };
        return entries.is_some_and(|entries| entries.iter().all(done));
    }
    bundle.is_some_and(|bundle| bundle.first("MessageHeader").is_some())
}

/// The destination's own number for the case or the message.
fn number(bundle: Option<&Bundle>) -> Option<String> {
    let bundle = bundle?;
    let places = [
        ("ServiceRequest", "identifier/0/value"),
        ("Task", "identifier/0/value"),
        ("Appointment", "identifier/0/value"),
        ("OperationOutcome", "issue/0/details/coding/0/code"),
        ("MessageHeader", "id"),
    ];
    places.iter().find_map(|(kind, path)| outside::number(bundle.peek(bundle.first(kind)?, path)?))
}

struct Issue {
    code: Option<String>,
    expression: Option<String>,
    severity_is_bad: bool,
}

/// The issues of an OperationOutcome, alone or in a Bundle.
fn issues(body: Option<&Value>) -> Vec<Issue> {
    let Some(body) = body else { return Vec::new() };
    let is_outcome = |value: &&Value| value["resourceType"] == "OperationOutcome";
    let inner = body["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
    let outcomes = std::iter::once(body).chain(inner).filter(is_outcome);
    let issues = outcomes.flat_map(|outcome| outcome["issue"].as_array().into_iter().flatten());
    issues
        .take(FINDINGS_MAX)
        .map(|issue| Issue {
            code: issue["code"]
                .as_str()
                .filter(|code| ISSUE_TYPES.contains(code))
                .map(str::to_owned),
            expression: issue["expression"][0]
                .as_str()
                .or_else(|| issue["location"][0].as_str())
                .filter(|path| is_path(path))
                .map(str::to_owned),
            severity_is_bad: matches!(issue["severity"].as_str(), Some("fatal" | "error")),
        })
        .collect()
}

/// FHIR's issue types (R4 and R5, value set `issue-type`); anything else may be a value.
const ISSUE_TYPES: &[&str] = &[
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "limited-filter",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
    "success",
];

/// What a message of ours consists of. A destination that names a place in another resource names
/// none of ours.
const RESOURCES: &[&str] = &[
    "AllergyIntolerance",
    "Appointment",
    "Binary",
    "Bundle",
    "CarePlan",
    "Communication",
    "Composition",
    "Condition",
    "Consent",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Location",
    "MedicationRequest",
    "MedicationStatement",
    "MessageHeader",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "RelatedPerson",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Task",
];

/// `ServiceRequest.performer[0]`, and nothing that compares or quotes a value.
fn is_path(path: &str) -> bool {
    let plain = |step: &str| {
        let (name, index) = step.split_once('[').unwrap_or((step, ""));
        let index = index.strip_suffix(']').unwrap_or(index);
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphabetic())
            && index.len() <= 4
            && index.bytes().all(|b| b.is_ascii_digit())
    };
    let resource = path.split(['.', '[']).next().unwrap_or_default();
    path.len() <= EXPRESSION_CHARS_MAX
        && RESOURCES.contains(&resource)
        && path.split('.').all(|step| plain(step) && step.len() <= outside::NAME_CHARS_MAX)
}

fn told(code: tierlink_schemas::Code, status: u16, issues: &[Issue]) -> Vec<Problem> {
    let advice = if code == codes::PARTNER_BUSY {
        "it is sent again later"
    } else {
        "a person must look at it"
    };
    if issues.is_empty() {
        let text = format!("the destination answered HTTP {status} without a reason; {advice}");
        return vec![Problem::new(code, "HTTP", text)];
    }
    issues
        .iter()
        .map(|issue| {
            let name = issue.code.as_deref().unwrap_or("unknown");
            let field = issue.expression.clone().unwrap_or_else(|| "HTTP".to_owned());
            let text = format!("the destination answered HTTP {status}, issue {name}; {advice}");
            Problem::new(code.clone(), field, text)
        })
        .collect()
}

fn unreadable(text: &str) -> Answered {
    let text = format!("{text}; ask the destination what it means");
    Answered::Unreadable { problem: Problem::new(codes::PARTNER_UNREADABLE, "HTTP", text) }
}
