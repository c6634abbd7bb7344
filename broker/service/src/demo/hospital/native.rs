//! Native JSON as a township that writes its own system, and a village's app, send it.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::{Heard, Statement, Verdict};
use crate::demo::cast::{Doctor, Org};
use crate::demo::story::Act;

/// Writes a message.
pub(super) fn write(s: &Statement<'_>) -> Vec<u8> {
    let mut case = json!({
        "numbers": [{ "organisation": s.who.code(), "number": s.number_here() }],
    });
    if let Some(number) = &s.number {
        case["number"] = json!(number);
    }
    let mut message = json!({
        "schema": "1.0",
        "kind": s.kind(),
        "case": case,
        "source": {
            "organisation": s.who.code(),
            "system": "HIS",
            "message_id": s.message_id,
        },
        "occurred_at": s.now.to_string(),
        "body": body(s),
    });
    if s.act.asks().is_some() {
        message["priority"] = json!(match s.act {
            Act::AskForReading(_) => "emergency",
            Act::Refer(_) => "urgent",
            _ => "routine",
        });
    }
    if let Some(answered) = &s.answers {
        message["in_reply_to"] = json!({ "message_id": answered });
    }
    message.to_string().into_bytes()
}

fn body(s: &Statement<'_>) -> Value {
    match s.act {
        Act::Refer(to) => referral(s, to),
        Act::AskForExperts(to) => consultation(s, to),
        Act::AskForReading(to) => reading(s, to),
        Act::ReadBack => json!({ "critical": true, "by": person(s.who.doctor()) }),
        Act::Acknowledge => {
            json!({ "adopted": true, "by": person(s.who.doctor()), "note": "已按意见执行" })
        }
        Act::Accept => json!({ "by": person(s.who.doctor()), "opinion": "同意接收" }),
        Act::Review => json!({ "by": person(s.who.doctor()), "opinion": "同意" }),
        Act::Offer(_)
        | Act::AcceptAsExpert
        | Act::Schedule
        | Act::ScheduleSession
        | Act::Start
        | Act::Opinion
        | Act::Arrive
        | Act::Outcome
        | Act::Discharge
        | Act::Receive
        | Act::FollowUp
        | Act::Claim
        | Act::Critical
        | Act::Report
        | Act::Audit
        | Act::Close => json!({ "by": person(s.who.doctor()) }),
    }
}

fn person(doctor: Doctor) -> Value {
    json!({ "code": doctor.code, "name": doctor.name, "title": doctor.title })
}

fn party(org: Org, department: (&str, &str), doctor: Option<Doctor>) -> Value {
    let mut party = json!({
        "organisation": org.code(),
        "name": org.name(),
        "phone": org.phone(),
        "department": { "code": department.0, "system": "department", "text": department.1 },
    });
    if let Some(doctor) = doctor {
        party["practitioner"] = person(doctor);
    }
    party
}

fn patient(s: &Statement<'_>) -> Value {
    let patient = &s.flow.patient;
    json!({
        "name": patient.name,
        "sex": if patient.female { "female" } else { "male" },
        "birth_date": patient.born_iso(),
        "document": { "kind": "01", "number": patient.identity_number },
        "phone": patient.phone,
        "address": { "text": patient.address },
    })
}

fn clinical(s: &Statement<'_>) -> Value {
    let (code, words) = s.flow.patient.diagnosis;
    json!({
        "chief_complaint": s.flow.patient.complaint,
        "diagnoses": [{
            "what": { "code": code, "system": "ICD-10-CN", "text": words },
            "main": true,
        }],
    })
}

fn referral(s: &Statement<'_>, to: Org) -> Value {
    json!({
        "direction": "up",
        "kind": "outpatient",
        "reasons": [{ "code": "UP06", "system": "reason_up" }],
        "reason_text": "需进一步检查、明确诊断",
        "from": party(s.who, ("02", "全科医疗科"), Some(s.who.doctor())),
        "to": party(to, ("04.04", "泌尿外科"), None),
        "patient": patient(s),
        "clinical": clinical(s),
        "consent": { "given": true, "signer": s.flow.patient.name, "at": s.now.to_string() },
    })
}

fn consultation(s: &Statement<'_>, to: Org) -> Value {
    let expert =
        |org: Org| json!({ "organisation": org.code(), "practitioner": person(org.doctor()) });
    json!({
        "form": "interactive",
        "kind": { "code": "ordinary", "system": "consultation_type", "text": "普通远程会诊" },
        "purpose": "调整降糖方案",
        "from": party(s.who, ("03", "内科"), Some(s.who.doctor())),
        "to": party(to, ("03.07", "内分泌科"), None),
        "experts": [expert(Org::Lead), expert(Org::City)],
        "patient": patient(s),
        "summary": "2型糖尿病10年，口服两种药物，糖化血红蛋白9.2%。",
        "clinical": clinical(s),
        "consent": { "given": true, "signer": s.flow.patient.name, "at": s.now.to_string() },
    })
}

fn reading(s: &Statement<'_>, to: Org) -> Value {
    json!({
        "form": "reading",
        "from": party(s.who, ("02", "全科医疗科"), Some(s.who.doctor())),
        "to": party(to, ("32.06", "心电诊断专业"), None),
        "patient": patient(s),
        "summary": s.flow.patient.complaint,
        "clinical": clinical(s),
        "reading": {
            "modality": "ecg",
            "exam": { "code": "ecg_routine", "system": "reading_service", "text": "常规心电图" },
            "order_number": s.flow.own_number,
            "acquired_at": s.now.to_string(),
            "uploaded_at": s.now.to_string(),
            "device": "12导心电采集盒",
        },
        "attachments": [{
            "kind": "ecg",
            "title": "十二导联心电原始数据",
            "media_type": "application/octet-stream",
            "reference": format!("ecg/{}/{}", s.who.code(), s.flow.own_number),
            "size_bytes": 120_384,
        }],
        "consent": { "given": true, "emergency_exception": true },
    })
}

/// Reads a message: what it says, about which case. `None` when it is none.
pub(super) fn read(message: &Value) -> Option<Heard> {
    let ours = message["case"]["number"].as_str().map(str::to_owned);
    let theirs = message["case"]["numbers"].as_array().into_iter().flatten();
    let theirs = theirs.filter_map(|it| it["number"].as_str().map(str::to_owned));
    let mut hasher = DefaultHasher::new();
    message.to_string().hash(&mut hasher);
    Some(Heard {
        wire_id: message["id"].as_str()?.to_owned(),
        kind: message["kind"].as_str()?.to_owned(),
        numbers: ours.iter().cloned().chain(theirs).collect(),
        ours,
        fingerprint: hasher.finish(),
        taken: false,
    })
}

/// Writes the answer to the message `id`.
pub(super) fn answer(id: &str, verdict: Verdict) -> Value {
    match verdict {
        Verdict::Taken | Verdict::TakenInSilence => json!({ "verdict": "accepted", "number": id }),
        Verdict::Refused => json!({ "verdict": "refused", "problems": [
            { "code": "C006", "field": "body.appointment.department.code" },
        ] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_every_number_of_its_case() {
        let message = json!({ "id": "m1", "kind": "receipt", "case": {
            "number": "C2600000011", "numbers": [{ "organisation": "A", "number": "HZ1" }],
        }});

        let heard = read(&message).unwrap();

        assert_eq!(heard.numbers, ["C2600000011", "HZ1"]);
        assert_eq!(read(&json!({})), None);
    }
}
