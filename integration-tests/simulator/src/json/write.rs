//! Native JSON as a hospital writes it: requests by hand, the rest from the published examples.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Act, Doctor, Party, READER, Sort, Statement, moment, new_number, now};

macro_rules! examples {
    ($($kind:literal),+ $(,)?) => {
        [$(($kind, include_str!(concat!("../../../../schemas/examples/", $kind, ".json")))),+]
    };
}

/// Every example that was published, by its kind.
const EXAMPLES: [(&str, &str); 50] = examples![
    "consultation.accept",
    "consultation.acknowledge",
    "consultation.amend",
    "consultation.audit",
    "consultation.cancel",
    "consultation.claim",
    "consultation.close",
    "consultation.critical",
    "consultation.decline",
    "consultation.no-show",
    "consultation.opinion",
    "consultation.recollect",
    "consultation.report",
    "consultation.request",
    "consultation.return",
    "consultation.review",
    "consultation.schedule",
    "consultation.start",
    "receipt",
    "referral.accept",
    "referral.amend",
    "referral.arrive",
    "referral.book",
    "referral.cancel",
    "referral.close",
    "referral.confirm-cancel",
    "referral.decline",
    "referral.feedback",
    "referral.no-show",
    "referral.redirect",
    "referral.refuse-cancel",
    "referral.return",
    "referral.review",
    "referral.schedule",
    "referral.submit",
    "referral.unschedule",
    "slot.publish",
    "slot.withdraw",
    "status.query",
    "status.report",
    "transfer.accept",
    "transfer.amend",
    "transfer.cancel",
    "transfer.close",
    "transfer.decline",
    "transfer.discharge",
    "transfer.follow-up",
    "transfer.offer",
    "transfer.receive",
    "transfer.redirect",
];

/// The published example of a kind, as it is.
pub fn canonical(kind: &str) -> Result<Value> {
    let found = EXAMPLES.iter().find(|(name, _)| *name == kind);
    let (_, text) = found.with_context(|| format!("no example of {kind} was published"))?;
    Ok(serde_json::from_str(text)?)
}

/// A new message of this kind by `author`, about this case if one is named.
///
/// A request goes to `to`, from `author`. For every other kind `to` is not written.
pub fn said(
    author: &str,
    kind: &str,
    case_number: Option<&str>,
    to: Option<&str>,
) -> Result<Value> {
    let mut message = canonical(kind)?;
    let fields = message.as_object_mut().context("an example is an object")?;
    for ours in ["id", "received_at", "trace", "in_reply_to", "destinations"] {
        fields.remove(ours);
    }
    message["source"] = json!({
        "organisation": author, "system": "模拟系统", "message_id": new_number(author),
    });
    message["occurred_at"] = json!(now());
    message["case"] = match case_number {
        Some(number) => json!({ "number": number }),
        None => json!({}),
    };
    let body = message["body"].as_object_mut().context("a body is an object")?;
    if let Some(from) = body.get_mut("from") {
        from["organisation"] = json!(author);
        // The example's telephone and name belong to another organisation.
        if let Some(from) = from.as_object_mut() {
            from.remove("name");
        }
    }
    if body.contains_key("from") {
        let to = to.context("a request needs a target")?;
        body.insert("to".to_owned(), json!({ "organisation": to }));
        // These would end or book something on the example's day.
        for dated in ["direction", "valid_until", "wanted", "transport"] {
            body.remove(dated);
        }
    }
    if let Some(dated) = body.get_mut("hold_until") {
        *dated = json!(moment(60 * 24));
    }
    if kind == "referral.unschedule" {
        // The example's appointment is not this one; the broker knows which stands.
        body.remove("appointment");
    }
    if kind.ends_with(".schedule") || kind == "referral.book" {
        ensure!(body.contains_key("appointment"), "a schedule has an appointment");
        let appointment = &mut message["body"]["appointment"];
        appointment["start"] = json!(moment(60 * 26));
        appointment["end"] = json!(moment(60 * 27));
        if let Some(appointment) = appointment.as_object_mut() {
            appointment.remove("slot");
        }
    }
    Ok(message)
}

/// Writes a message.
pub(crate) fn write(s: &Statement<'_>) -> Result<Vec<u8>> {
    let mut case = json!({
        "numbers": [{ "organisation": s.by.party.code, "number": s.number_here() }],
    });
    if let Some(number) = &s.number {
        case["number"] = json!(number);
    }
    let mut message = json!({
        "schema": "1.0",
        "kind": s.kind(),
        "case": case,
        "source": {
            "organisation": s.by.party.code,
            "system": s.by.called(),
            "message_id": s.message_id,
        },
        "occurred_at": s.now.to_string(),
        "body": body(s)?,
    });
    if let Some(priority) = s.priority() {
        message["priority"] = json!(s.by.own_code("priority", priority).unwrap_or(priority));
    }
    if let Some(answered) = &s.answers {
        message["in_reply_to"] = json!({ "message_id": answered });
    }
    Ok(message.to_string().into_bytes())
}

/// The body in the canonical form, which HL7 v2 and FHIR go back to where they have no form.
pub(crate) fn body(s: &Statement<'_>) -> Result<Value> {
    let by = || person(s.by.doctor());
    let reason = |code: &str, words: &str| json!({ "code": s.by.own_code("reason", code).unwrap_or(code), "text": words });
    Ok(match s.act {
        Act::Refer => referral(s, s.asked()?),
        Act::AskForExperts => consultation(s, s.asked()?),
        Act::AskForReading => reading(s, s.asked()?),
        Act::Amend => match s.case.sort {
            Sort::Referral => referral(s, s.asked()?),
            Sort::Transfer => as_published(s)?,
            Sort::Consultation if s.case.experts.is_empty() => reading(s, s.asked()?),
            Sort::Consultation => consultation(s, s.asked()?),
        },
        Act::Return => json!({ "reason": reason("RT01", "请补充检查结果"), "by": by() }),
        Act::Redirect => {
            let to = s.by.calls(&s.asked()?.code);
            json!({ "to": to, "reason": reason("RD02", "需上级医院进一步评估"), "by": by() })
        }
        Act::Cancel => json!({ "reason": reason("CN02", "家属商量后暂不前往"), "by": by() }),
        Act::Unschedule => {
            let (code, words) = if s.by.party.code == s.case.origin {
                ("CN12", "家属当天有事")
            } else {
                ("CN11", "医生停诊")
            };
            json!({ "reason": reason(code, words), "by": by() })
        }
        Act::ConfirmCancel => json!({ "by": by(), "note": "床位已释放" }),
        Act::RefuseCancel => json!({ "by": by(), "note": "患者已在途，请先联系家属确认" }),
        Act::NoShow => {
            json!({ "at": s.now.to_string(), "contact_attempts": 2, "note": "电话无人接听" })
        }
        Act::Recollect => {
            json!({ "reason": reason("RC02", "导联脱落，请重新采集"), "by": person(READER) })
        }
        Act::ScheduleSession => session(s),
        Act::ReadBack => json!({ "critical": true, "by": person(s.by.doctor()) }),
        Act::Acknowledge => {
            json!({ "adopted": true, "by": person(s.by.doctor()), "note": "已按意见执行" })
        }
        Act::Accept => json!({ "by": person(s.by.doctor()), "opinion": "同意接收" }),
        Act::Review => json!({ "by": person(s.by.doctor()), "opinion": "同意" }),
        Act::Close => json!({ "by": person(s.by.doctor()) }),
        Act::Offer
        | Act::AcceptAsExpert
        | Act::Decline
        | Act::Schedule
        | Act::Book
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
        | Act::Audit => as_published(s)?,
    })
}

/// The body of the published example, where it stands for this hospital and this day.
fn as_published(s: &Statement<'_>) -> Result<Value> {
    let to = s.to.map(|to| to.code.as_str());
    let mut body = said(&s.by.party.code, s.kind(), None, to)?["body"].take();
    if body.get("patient").is_some() {
        body["patient"] = patient(s);
    }
    if body.get("expert").is_some() {
        let code = s.by.doctor().code;
        body["expert"] = json!({ "organisation": s.by.party.code, "practitioner": code });
    }
    if let (Some(parent), Some(fields)) = (&s.parent, body.as_object_mut()) {
        fields.remove("no_referral_reason");
        fields.insert("parent_referral".to_owned(), json!(parent));
    }
    Ok(body)
}

/// A person in the canonical form.
pub(crate) fn person(doctor: Doctor) -> Value {
    json!({ "code": doctor.code, "name": doctor.name, "title": doctor.title })
}

fn party(party: &Party, department: (&str, &str)) -> Value {
    let mut written = json!({
        "organisation": party.code,
        "department": { "code": department.0, "system": "department", "text": department.1 },
    });
    for (name, value) in [("name", &party.name), ("phone", &party.phone)] {
        if !value.is_empty() {
            written[name] = json!(value);
        }
    }
    if let Some(doctor) = party.doctor {
        written["practitioner"] = person(doctor);
    }
    written
}

/// An organisation that is asked, before anybody there has signed.
fn unsigned(party: &Party) -> Party {
    Party { doctor: None, ..party.clone() }
}

fn patient(s: &Statement<'_>) -> Value {
    let mut patient = s.case.patient.canonical();
    if let Some(own) = s.by.own_code("sex", s.case.patient.sex) {
        patient["sex"] = json!(own);
    }
    patient
}

fn clinical(s: &Statement<'_>) -> Value {
    let (code, words) = &s.case.patient.diagnosis;
    json!({
        "chief_complaint": s.case.patient.complaint,
        "diagnoses": [{
            "what": { "code": code, "system": "ICD-10-CN", "text": words },
            "main": true,
        }],
    })
}

fn referral(s: &Statement<'_>, to: &Party) -> Value {
    json!({
        "direction": "up",
        "kind": "outpatient",
        "reasons": [{ "code": "UP06", "system": "reason_up" }],
        "reason_text": "需进一步检查、明确诊断",
        "from": party(&s.by.party, ("02", "全科医疗科")),
        "to": party(&unsigned(to), ("04.04", "泌尿外科")),
        "patient": patient(s),
        "clinical": clinical(s),
        "consent": { "given": true, "signer": s.case.patient.name, "at": s.now.to_string() },
    })
}

fn consultation(s: &Statement<'_>, to: &Party) -> Value {
    let experts = s.case.experts.iter().map(|expert| {
        let doctor = person(expert.doctor.unwrap_or_default());
        json!({ "organisation": expert.code, "practitioner": doctor })
    });
    json!({
        "form": "interactive",
        "kind": { "code": "ordinary", "system": "consultation_type", "text": "普通远程会诊" },
        "purpose": "调整降糖方案",
        "from": party(&s.by.party, ("03", "内科")),
        "to": party(&unsigned(to), ("03.07", "内分泌科")),
        "experts": experts.collect::<Vec<_>>(),
        "patient": patient(s),
        "summary": "2型糖尿病10年，口服两种药物，糖化血红蛋白9.2%。",
        "clinical": clinical(s),
        "consent": { "given": true, "signer": s.case.patient.name, "at": s.now.to_string() },
    })
}

/// One room and all experts, for one time.
fn session(s: &Statement<'_>) -> Value {
    let (start, end) = s.appointment();
    let experts = s.experts();
    let experts = experts.iter().map(|expert| {
        let doctor = expert.doctor.unwrap_or_default();
        json!({ "organisation": expert.code, "practitioner": doctor.code })
    });
    json!({ "appointment": {
        "number": format!("YY{}", s.case.own_number.replace('-', "")),
        "start": start.to_string(),
        "end": end.to_string(),
        "room": "HZ-01",
        "experts": experts.collect::<Vec<_>>(),
        "join_link": "https://meet.example.invalid/hz01",
    } })
}

fn reading(s: &Statement<'_>, to: &Party) -> Value {
    json!({
        "form": "reading",
        "from": party(&s.by.party, ("02", "全科医疗科")),
        "to": party(&unsigned(to), ("32.06", "心电诊断专业")),
        "patient": patient(s),
        "summary": s.case.patient.complaint,
        "clinical": clinical(s),
        "reading": {
            "modality": "ecg",
            "exam": { "code": "ecg_routine", "system": "reading_service", "text": "常规心电图" },
            "order_number": s.case.own_number,
            "acquired_at": s.now.to_string(),
            "uploaded_at": s.now.to_string(),
            "device": "12导心电采集盒",
        },
        "attachments": [{
            "kind": "ecg",
            "title": "十二导联心电原始数据",
            "media_type": "application/octet-stream",
            "reference": format!("ecg/{}/{}", s.by.party.code, s.case.own_number),
            "size_bytes": 120_384,
        }],
        "consent": { "given": true, "emergency_exception": true },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_example_is_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/examples");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let known: Vec<String> = EXAMPLES.iter().map(|(kind, _)| format!("{kind}.json")).collect();

        assert_eq!(files, known);
    }
}
