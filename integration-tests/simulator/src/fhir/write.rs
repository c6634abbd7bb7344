//! FHIR R4 messages as a hospital writes them.
//!
//! A request is a ServiceRequest with what hangs on it; everything that is said about a case later
//! is a Task. The event says which.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CASE_NUMBER, ORGANISATION};
use crate::{Act, Doctor, Party, Statement};

const EVENT: &str = "urn:tierlink:event";
const EXTENSION: &str = "urn:tierlink:extension:";
const DATA_ELEMENT: &str = "urn:oid:2.16.156.10011.2.2.1";

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

    fn organisation(&mut self, party: &Party) -> Value {
        self.add(json!({
            "resourceType": "Organization",
            "identifier": [{ "system": "urn:tierlink:organisation", "value": party.code }],
            "name": party.name,
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

    fn side(&mut self, party: &Party, department: (&str, &str)) -> Value {
        let organisation = self.organisation(party);
        let practitioner = party.doctor.map(|doctor| self.practitioner(doctor));
        let mut role = json!({
            "resourceType": "PractitionerRole",
            "organization": organisation,
            "specialty": [{
                "coding": [{ "system": "urn:tierlink:codes:department", "code": department.0 }],
                "text": department.1,
            }],
        });
        if let Some(practitioner) = practitioner {
            role["practitioner"] = practitioner;
        }
        if !party.phone.is_empty() {
            role["telecom"] = json!([{ "system": "phone", "value": party.phone }]);
        }
        self.add(role)
    }
}

/// Writes a message.
pub(crate) fn write(s: &Statement<'_>) -> Result<Vec<u8>> {
    let mut bundle = Bundle { entries: Vec::new() };
    if matches!(s.act, Act::AskForExperts | Act::AskForReading) {
        bail!("in FHIR a simulated hospital refers and hands back; it asks for no consultation");
    }
    let focus =
        if s.act.asks() { request(&mut bundle, s, s.asked()?) } else { task(&mut bundle, s) };
    let sender = bundle.organisation(&s.by.party);
    let mut header = json!({
        "resourceType": "MessageHeader",
        "id": s.message_id,
        "eventCoding": { "system": EVENT, "code": s.kind() },
        "sender": sender,
        "source": {
            "software": "HIS",
            "endpoint": format!("{ORGANISATION}{}", s.by.party.code),
        },
        "focus": [focus],
    });
    if let Some(to) = s.to {
        let endpoint = format!("{ORGANISATION}{}", to.code);
        header["destination"] = json!([{ "endpoint": endpoint }]);
    } else {
        header["author"] = bundle.practitioner(s.by.doctor());
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
    Ok(bundle.to_string().into_bytes())
}

fn own_number(s: &Statement<'_>) -> Value {
    json!({ "system": format!("{ORGANISATION}{}", s.by.party.code), "value": s.number_here() })
}

fn request(bundle: &mut Bundle, s: &Statement<'_>, to: &Party) -> Value {
    let patient = &s.case.patient;
    let subject = bundle.add(patient.fhir());
    let requester = bundle.side(&s.by.party, ("04", "外科"));
    let performer = bundle.side(to, ("04.01", "普通外科"));
    let (code, words) = &patient.diagnosis;
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
        "valueString": patient.complaint,
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
        "performer": [{ "display": patient.name }],
    }));
    let (reasons, reason, words) = if s.act == Act::Offer {
        ("reason_down", "DN06", "完成难度较大的诊治且病情平稳")
    } else {
        ("reason_up", "UP04", "因技术、设备条件限制不能处置")
    };
    let mut request = json!({
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
        "reasonCode": [{ "coding": [{ "system": format!("urn:tierlink:codes:{reasons}"), "code": reason }],
                         "text": words }],
        "supportingInfo": [diagnosis, complaint, consent],
    });
    if s.act == Act::Offer {
        let family = json!({ "system": "urn:tierlink:family", "code": "transfer" });
        request["category"] = json!([{ "coding": [family] }]);
    }
    if let Some(parent) = &s.parent {
        let parent = json!({ "system": CASE_NUMBER, "value": parent });
        request["basedOn"] = json!([{ "identifier": parent }]);
    }
    bundle.add(request)
}

/// An extension of the county's guide that holds a text.
fn extension(name: &str, value: &str) -> Value {
    json!({ "url": format!("{EXTENSION}{name}"), "valueString": value })
}

fn task(bundle: &mut Bundle, s: &Statement<'_>) -> Value {
    let mut outputs = Vec::new();
    let mut extensions = Vec::new();
    let mut reason = None;
    let status = match s.act {
        Act::Accept => "accepted",
        Act::Decline => {
            reason = Some(json!({ "coding": [{ "code": "RJ01" }], "text": "本周无床位" }));
            "rejected"
        }
        Act::AcceptAsExpert => {
            extensions.push(json!({ "url": format!("{EXTENSION}expert"), "extension": [
                { "url": "organisation", "valueString": s.by.party.code },
                { "url": "practitioner", "valueString": s.by.doctor().code },
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
        Act::Refer
        | Act::Offer
        | Act::AskForExperts
        | Act::AskForReading
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
    if let Some(reason) = reason {
        task["statusReason"] = reason;
    }
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
        "identifier": [{ "value": format!("SY{}", s.case.own_number.replace('-', "")) }],
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
