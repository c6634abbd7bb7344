//! The simulated hospitals of `tierlink-simulator`, and the letters that only tests write, with
//! every field in the test's hand: HL7 v2 and FHIR.
//!
//! Every letter is new: its own message id, its own number, the present time. The people in them
//! are invented.

use anyhow::Result;
use serde_json::{Value, json};
use uuid::Uuid;

pub use tierlink_simulator::*;

/// MSH and RF1 of a referral in HL7 v2.4, PRD, PID, DG1: as an old system writes it.
///
/// `from` is MSH-4 of the sender, `to` what it calls the receiver. The message's control id and
/// business number are given, because the answer must carry them.
pub fn hl7_referral(
    (from, to): (&str, &str),
    (control_id, number): (&str, &str),
    person: &Person,
    charset: Charset,
) -> Result<Vec<u8>> {
    let at = hl7_time();
    let text = [
        format!(
            "MSH|^~\\&|HIS|{from}|TIERLINK|{to}|{at}||REF^I12|{control_id}|P|2.4||||||{}",
            charset.label()
        ),
        format!("RF1|P|A^ASAP^HL70280|||I|{number}^{from}|{at}|||UP04^因技术条件限制不能处置"),
        format!("PRD|RP^Referring Provider^HL70286|沈立新^^^^主治医师||03&内科^^^{from}|0571-99010101||QS0012"),
        format!("PRD|RT^Referred to Provider^HL70286|||03.04&心血管内科^^^{to}"),
        pid(person),
        "DG1|1||I20.000^不稳定型心绞痛^I10||20260310|W|||||||||1".to_owned(),
        "OBX|1|TX|DE04.01.119.00^主诉||反复活动后胸闷3月||||||F".to_owned(),
    ]
    .map(|line| line + "\r")
    .concat();
    charset.encode(&text)
}

/// RRI^I12 to a referral or transfer: `status` is RF1-1, `A` or `R`.
///
/// MSA-2 is the control id of the REF^I12 that is answered, RF1-6 its number.
pub fn hl7_answer(
    (from, to): (&str, &str),
    status: &str,
    (answered, number): (&str, &str),
    charset: Charset,
) -> Result<Vec<u8>> {
    let reason = if status == "R" { "RJ01^本周无床位" } else { "" };
    let text = [
        format!(
            "MSH|^~\\&|HIS|{from}|TIERLINK|{to}|{}||RRI^I12|{}|P|2.4||||||{}",
            hl7_time(),
            new_control_id(),
            charset.label()
        ),
        format!("MSA|AA|{answered}"),
        format!("RF1|{status}|A||||{number}||||{reason}"),
    ]
    .map(|line| line + "\r")
    .concat();
    charset.encode(&text)
}

/// ADT: `A04` arrived, `A01` admitted, `A03` discharged. PV1-5 names the case.
pub fn hl7_visit(
    (from, to): (&str, &str),
    event: &str,
    case_number: &str,
    person: &Person,
    charset: Charset,
) -> Result<Vec<u8>> {
    let at = hl7_time();
    let text = [
        format!(
            "MSH|^~\\&|HIS|{from}|TIERLINK|{to}|{at}||ADT^{event}|{}|P|2.4||||||{}",
            new_control_id(),
            charset.label()
        ),
        format!("EVN|{event}|{at}"),
        pid(person),
        format!("PV1|1|I|||{case_number}||||||||||||||ZY0001"),
    ]
    .map(|line| line + "\r")
    .concat();
    charset.encode(&text)
}

fn hl7_time() -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::now().to_zoned(zone).strftime("%Y%m%d%H%M%S").to_string()
}

/// A FHIR message: a header with one of our events, and these resources.
#[must_use]
pub fn bundle(event: &str, (from, to): (&str, &str), resources: Vec<Value>) -> Value {
    let endpoint = |code: &str| format!("urn:tierlink:organisation:{code}");
    let header = json!({
        "resourceType": "MessageHeader",
        "id": new_number("FHIR"),
        "eventCoding": { "system": "urn:tierlink:event", "code": event },
        "destination": [{ "endpoint": endpoint(to) }],
        "source": { "endpoint": endpoint(from), "software": "模拟FHIR系统" },
    });
    let entries: Vec<Value> = std::iter::once(header)
        .chain(resources)
        .map(|resource| {
            json!({ "fullUrl": format!("urn:uuid:{}", Uuid::now_v7()), "resource": resource })
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "id": Uuid::now_v7(),
        "type": "message",
        "timestamp": now(),
        "entry": entries,
    })
}

/// A referral as a FHIR system sends it.
#[must_use]
pub fn fhir_referral((from, to): (&str, &str), number: &str, person: &Person) -> Value {
    let mut request = service_request((from, to), number, "referral");
    request["reasonCode"] = coded("reason_up", "UP04");
    bundle(
        "referral.submit",
        (from, to),
        vec![request, person.fhir(), diagnosis(), organisation(from), organisation(to)],
    )
}

/// A discharge-back transfer. `parent` is the number of the referral that brought the patient up.
#[must_use]
pub fn fhir_transfer(
    (from, to): (&str, &str),
    number: &str,
    person: &Person,
    parent: &str,
) -> Value {
    let mut request = service_request((from, to), number, "transfer");
    request["priority"] = json!("routine");
    request["reasonCode"] = coded("reason_down", "DN06");
    request["basedOn"] = json!([{
        "identifier": { "system": "urn:tierlink:case-number", "value": parent },
    }]);
    bundle(
        "transfer.offer",
        (from, to),
        vec![request, person.fhir(), diagnosis(), organisation(from), organisation(to)],
    )
}

/// What a FHIR system says about a case: a Task with one of our events.
#[must_use]
pub fn fhir_answer(event: &str, status: &str, sides: (&str, &str), case_number: &str) -> Value {
    let task = json!({
        "resourceType": "Task",
        "id": "task",
        "status": status,
        "intent": "order",
        "focus": {
            "type": "ServiceRequest",
            "identifier": { "system": "urn:tierlink:case-number", "value": case_number },
        },
    });
    bundle(event, sides, vec![task])
}

fn service_request((from, to): (&str, &str), number: &str, family: &str) -> Value {
    json!({
        "resourceType": "ServiceRequest",
        "id": "request",
        "identifier": [{ "system": format!("urn:tierlink:organisation:{from}"), "value": number }],
        "status": "active",
        "intent": "order",
        "category": [{ "coding": [{ "system": "urn:tierlink:family", "code": family }] }],
        "priority": "urgent",
        "subject": { "reference": "Patient/patient" },
        "authoredOn": now(),
        "requester": { "reference": format!("Organization/{from}") },
        "performer": [{ "reference": format!("Organization/{to}") }],
    })
}

fn coded(table: &str, code: &str) -> Value {
    json!([{ "coding": [{ "system": format!("urn:tierlink:codes:{table}"), "code": code }] }])
}

fn diagnosis() -> Value {
    json!({
        "resourceType": "Condition",
        "id": "diagnosis",
        "code": {
            "coding": [{ "system": "urn:tierlink:codes:ICD-10-CN", "code": "I20.000" }],
            "text": "不稳定型心绞痛",
        },
    })
}

fn organisation(code: &str) -> Value {
    json!({
        "resourceType": "Organization",
        "id": code,
        "identifier": [{ "system": "urn:tierlink:organisation", "value": code }],
    })
}

fn pid(person: &Person) -> String {
    let sex = if person.sex == "male" { "M" } else { "F" };
    format!(
        "PID|1||{}^^^^NI||{}||{}|{sex}|||{}||{}",
        person.number,
        person.name,
        person.born.replace('-', ""),
        person.address,
        person.phone
    )
}
