//! FHIR R4 messages as a township's cloud system and a city hospital write them.
//!
//! A request is a ServiceRequest with what hangs on it; everything that is said about a case later
//! is a Task. The event says which.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Heard, Statement, Verdict};
use crate::demo::cast::{Doctor, Org};
use crate::demo::story::Act;

const EVENT: &str = "urn:tierlink:event";
const CASE_NUMBER: &str = "urn:tierlink:case-number";
const ORGANISATION: &str = "urn:tierlink:organisation:";
const EXTENSION: &str = "urn:tierlink:extension:";
const DATA_ELEMENT: &str = "urn:oid:2.16.156.10011.2.2.1";
const IDENTITY_NUMBER: &str = "urn:oid:2.16.156.10011.1.3";

/// A Bundle that is being written.
struct Bundle {
    entries: Vec<Value>,
}

impl Bundle {
    /// Adds a resource and gives the reference to it.
    fn add(&mut self, resource: Value) -> Value {
        let url = format!("urn:uuid:{}", Uuid::now_v7());
        let reference = json!({ "reference": url });
        let entry = [("fullUrl".to_owned(), url.into()), ("resource".to_owned(), resource)];
        self.entries.push(Value::Object(entry.into_iter().collect()));
        reference
    }

    fn organisation(&mut self, org: Org) -> Value {
        self.add(json!({
            "resourceType": "Organization",
            "identifier": [{ "system": "urn:tierlink:organisation", "value": org.code() }],
            "name": org.name(),
        }))
    }

    fn practitioner(&mut self, doctor: Doctor) -> Value {
        self.add(json!({
            "resourceType": "Practitioner",
            "identifier": [{ "value": doctor.code }],
            "name": [{ "text": doctor.name }],
            "qualification": [{ "code": { "text": doctor.title } }],
        }))
    }

    fn side(&mut self, org: Org, department: (&str, &str)) -> Value {
        let (organisation, practitioner) =
            (self.organisation(org), self.practitioner(org.doctor()));
        self.add(json!({
            "resourceType": "PractitionerRole",
            "organization": organisation,
            "practitioner": practitioner,
            "specialty": [{
                "coding": [{ "system": "urn:tierlink:codes:department", "code": department.0 }],
                "text": department.1,
            }],
            "telecom": [{ "system": "phone", "value": org.phone() }],
        }))
    }
}

/// Writes a message.
pub(super) fn write(s: &Statement<'_>) -> Vec<u8> {
    let mut bundle = Bundle { entries: Vec::new() };
    let focus = match s.act.asks() {
        Some(to) => request(&mut bundle, s, to),
        None => task(&mut bundle, s),
    };
    let sender = bundle.organisation(s.who);
    let mut header = json!({
        "resourceType": "MessageHeader",
        "id": s.message_id,
        "eventCoding": { "system": EVENT, "code": s.kind() },
        "sender": sender,
        "source": {
            "software": "HIS",
            "endpoint": format!("{ORGANISATION}{}", s.who.code()),
        },
        "focus": [focus],
    });
    if let Some(to) = s.act.asks() {
        let endpoint = format!("{ORGANISATION}{}", to.code());
        header["destination"] = json!([{ "endpoint": endpoint }]);
    } else {
        header["author"] = bundle.practitioner(s.who.doctor());
    }
    if let Some(answered) = &s.answers {
        header["response"] = json!({ "identifier": answered, "code": "ok" });
    }
    let url = format!("urn:uuid:{}", s.message_id);
    bundle.entries.insert(0, json!({ "fullUrl": url, "resource": header }));
    let bundle = json!({
        "resourceType": "Bundle",
        "id": Uuid::now_v7().to_string(),
        "type": "message",
        "timestamp": s.now.to_string(),
        "entry": bundle.entries,
    });
    bundle.to_string().into_bytes()
}

fn own_number(s: &Statement<'_>) -> Value {
    json!({ "system": format!("{ORGANISATION}{}", s.who.code()), "value": s.number_here() })
}

fn patient(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let patient = &s.flow.patient;
    bundle.add(json!({
        "resourceType": "Patient",
        "identifier": [{ "system": IDENTITY_NUMBER, "value": patient.identity_number }],
        "name": [{ "text": patient.name }],
        "gender": if patient.female { "female" } else { "male" },
        "birthDate": patient.born_iso(),
        "telecom": [{ "system": "phone", "value": patient.phone }],
        "address": [{ "text": patient.address }],
    }))
}

fn request(bundle: &mut Bundle, s: &Statement<'_>, to: Org) -> Value {
    let subject = patient(bundle, s);
    let requester = bundle.side(s.who, ("04", "外科"));
    let performer = bundle.side(to, ("04.01", "普通外科"));
    let (code, words) = s.flow.patient.diagnosis;
    let diagnosis = bundle.add(json!({
        "resourceType": "Condition",
        "code": { "coding": [{ "system": "urn:tierlink:codes:ICD-10-CN", "code": code }], "text": words },
        "subject": subject,
    }));
    let complaint = bundle.add(json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": DATA_ELEMENT, "code": "DE04.01.119.00", "display": "主诉" }] },
        "subject": subject,
        "valueString": s.flow.patient.complaint,
    }));
    let consent = bundle.add(json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "treatment",
        }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "patient": subject,
        "dateTime": s.now.to_string(),
        "performer": [{ "display": s.flow.patient.name }],
    }));
    bundle.add(json!({
        "resourceType": "ServiceRequest",
        "identifier": [own_number(s)],
        "status": "active",
        "intent": "order",
        "priority": "routine",
        "code": { "coding": [{ "system": "urn:tierlink:codes:referral_purpose", "code": "surgery" }],
                  "text": "手术" },
        "subject": subject,
        "authoredOn": s.now.to_string(),
        "requester": requester,
        "performer": [performer],
        "reasonCode": [{ "coding": [{ "system": "urn:tierlink:codes:reason_up", "code": "UP04" }],
                         "text": "因技术、设备条件限制不能处置" }],
        "supportingInfo": [diagnosis, complaint, consent],
    }))
}

/// An extension of the county's guide that holds a text.
fn extension(name: &str, value: &str) -> Value {
    json!({ "url": format!("{EXTENSION}{name}"), "valueString": value })
}

fn task(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let mut outputs = Vec::new();
    let mut extensions = Vec::new();
    let status = match s.act {
        Act::Accept => "accepted",
        Act::AcceptAsExpert => {
            extensions.push(json!({ "url": format!("{EXTENSION}expert"), "extension": [
                { "url": "organisation", "valueString": s.who.code() },
                { "url": "practitioner", "valueString": s.who.doctor().code },
            ] }));
            "accepted"
        }
        Act::Schedule => {
            outputs.push(appointment(bundle, s));
            "accepted"
        }
        Act::Arrive | Act::Receive => {
            outputs.push(visit(bundle, s));
            "in-progress"
        }
        Act::Outcome => {
            extensions.push(extension("stage", "outcome"));
            outputs.push(bundle.add(json!({
                "resourceType": "Observation",
                "status": "final",
                "code": { "coding": [{
                    "system": DATA_ELEMENT, "code": "DE06.00.296.00", "display": "诊疗过程描述",
                }] },
                "valueString": "甲状腺右叶切除，术后恢复好，病理良性。",
            })));
            "in-progress"
        }
        Act::Refer(_)
        | Act::Offer(_)
        | Act::AskForExperts(_)
        | Act::AskForReading(_)
        | Act::Review
        | Act::Start
        | Act::Opinion
        | Act::FollowUp
        | Act::Discharge
        | Act::Claim
        | Act::Critical
        | Act::Report
        | Act::Audit
        | Act::ReadBack
        | Act::Acknowledge
        | Act::ScheduleSession
        | Act::Close => "completed",
    };
    let number = json!({ "system": CASE_NUMBER, "value": s.known_number() });
    let outputs: Vec<Value> = outputs
        .into_iter()
        .map(|part| json!({ "type": { "text": "part" }, "valueReference": part }))
        .collect();
    let mut task = json!({
        "resourceType": "Task",
        "status": status,
        "intent": "order",
        "basedOn": [{ "identifier": number }, { "identifier": own_number(s) }],
        "focus": { "type": "ServiceRequest", "identifier": number },
        "authoredOn": s.now.to_string(),
    });
    if !outputs.is_empty() {
        task["output"] = outputs.into();
    }
    if !extensions.is_empty() {
        task["extension"] = extensions.into();
    }
    bundle.add(task)
}

fn appointment(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let (start, end) = s.appointment();
    bundle.add(json!({
        "resourceType": "Appointment",
        "status": "booked",
        "identifier": [{ "value": format!("SY{}", s.flow.own_number.replace('-', "")) }],
        "start": start.to_string(),
        "end": end.to_string(),
        "specialty": [{
            "coding": [{ "system": "urn:tierlink:codes:department", "code": "04.01" }],
            "text": "普通外科",
        }],
        "patientInstruction": "带身份证、医保卡和全部检查资料，空腹。",
        "participant": [{ "status": "accepted" }],
    }))
}

fn visit(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let (status, class) =
        if s.act == Act::Arrive { ("in-progress", "IMP") } else { ("arrived", "AMB") };
    bundle.add(json!({
        "resourceType": "Encounter",
        "status": status,
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class,
        },
        "identifier": [{ "value": s.encounter() }],
        "period": { "start": s.now.to_string() },
    }))
}

/// Reads a message: what it says, about which case. `None` when it is no FHIR message.
pub(super) fn read(bundle: &Value) -> Option<Heard> {
    let entries = bundle["entry"].as_array()?;
    let resources = || entries.iter().map(|entry| &entry["resource"]);
    let header = resources().find(|it| it["resourceType"] == "MessageHeader")?;
    let mut numbers = Vec::new();
    for resource in resources() {
        let listed = match resource["resourceType"].as_str() {
            Some("ServiceRequest") => resource["identifier"].as_array(),
            Some("Task") => resource["basedOn"].as_array(),
            _ => None,
        };
        for one in listed.into_iter().flatten() {
            let identifier = one.get("identifier").unwrap_or(one);
            let system = identifier["system"].as_str().unwrap_or_default();
            let value = identifier["value"].as_str().unwrap_or_default();
            if system == CASE_NUMBER || system.starts_with(ORGANISATION) {
                numbers.push((system == CASE_NUMBER, value.to_owned()));
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    bundle.to_string().hash(&mut hasher);
    Some(Heard {
        wire_id: header["id"].as_str()?.to_owned(),
        kind: header["eventCoding"]["code"].as_str()?.to_owned(),
        ours: numbers.iter().find(|(ours, _)| *ours).map(|(_, number)| number.clone()),
        numbers: numbers.into_iter().map(|(_, number)| number).collect(),
        fingerprint: hasher.finish(),
        taken: false,
    })
}

/// Writes the answer to the message `id`.
pub(super) fn answer(id: &str, verdict: Verdict) -> Value {
    if verdict == Verdict::Refused {
        return json!({ "resourceType": "OperationOutcome", "issue": [{
            "severity": "error", "code": "value", "expression": ["Appointment.specialty"],
        }] });
    }
    let header = json!({
        "resourceType": "MessageHeader",
        "id": Uuid::now_v7().to_string(),
        "eventCoding": { "system": EVENT, "code": "receipt" },
        "source": { "software": "HIS" },
        "response": { "identifier": id, "code": "ok" },
    });
    json!({ "resourceType": "Bundle", "type": "message", "entry": [{ "resource": header }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_the_identifiers_of_its_case() {
        let bundle = json!({ "resourceType": "Bundle", "entry": [
            { "resource": { "resourceType": "MessageHeader", "id": "m1",
                "eventCoding": { "code": "referral.accept" } } },
            { "resource": { "resourceType": "Task", "basedOn": [
                { "identifier": { "system": CASE_NUMBER, "value": "R2600000011" } },
                { "identifier": { "system": "urn:tierlink:organisation:330199102", "value": "BM1" } },
                { "identifier": { "system": "urn:other", "value": "x" } },
            ] } },
        ]});

        let heard = read(&bundle).unwrap();

        assert_eq!(heard.ours.as_deref(), Some("R2600000011"));
        assert_eq!(heard.numbers, ["R2600000011", "BM1"]);
        assert_eq!(read(&json!({ "resourceType": "Patient" })), None);
    }
}
