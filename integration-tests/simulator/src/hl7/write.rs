//! The segments of each HL7 v2 message that a hospital sends. Requests are in `request.rs`,
//! the segments that several messages share in `segments.rs`.

use anyhow::Result;

use super::KIND;
use super::request::{offer, referral, second_opinion};
use super::segments::{
    Field, guided, line, notes, origin_number, patient, results, text, time, yes,
};
use crate::{AUDITOR, Act, Doctor, READER, Sort, Statement, json};

/// Writes a message.
pub(crate) fn write(s: &Statement<'_>) -> Result<Vec<u8>> {
    let (event, lines) = body(s)?;
    let receiver = s.to.map_or("TIERLINK", |to| s.by.calls(&to.code));
    let head = format!(
        "MSH|^~\\&|{}|{}|TIERLINK|{receiver}|{}||{event}|{}|P|{}||||||{}",
        s.by.application,
        s.by.facility,
        time(s, s.now),
        s.message_id,
        s.by.version,
        s.by.charset_stated,
    );
    let text: String = std::iter::once(head).chain(lines).map(|line| line + "\r").collect();
    s.by.charset.encode(&text)
}

/// The message type with its event, and the segments behind MSH.
fn body(s: &Statement<'_>) -> Result<(&'static str, Vec<String>)> {
    Ok(match s.act {
        Act::Refer => ("REF^I12", referral(s, s.asked()?)),
        Act::Offer => ("REF^I12", offer(s, s.asked()?)),
        Act::AskForExperts | Act::AskForReading => ("REF^I12", second_opinion(s, s.asked()?)?),
        Act::Amend => ("REF^I13", amended(s)?),
        Act::Cancel => ("REF^I14", decided(s, "")?),
        Act::ConfirmCancel => ("RRI^I14", decided(s, "A^Accepted^HL70283")?),
        Act::RefuseCancel => ("RRI^I14", decided(s, "R^Rejected^HL70283")?),
        Act::Return | Act::Redirect | Act::Recollect => {
            ("RRI^I12", decided(s, "P^Pending^HL70283")?)
        }
        Act::NoShow => ("SIU^S26", no_show(s)?),
        Act::Book => ("SRM^S01", booking(s, "CHECKUP^复查")),
        Act::Unschedule if s.by.party.code == s.case.origin => {
            ("SRM^S04", booking(s, "CN12^改日再约"))
        }
        Act::Unschedule => ("SIU^S15", unbooked(s)),
        Act::Accept => ("RRI^I12", accept(s, &[])),
        Act::AcceptAsExpert => ("RRI^I12", accept(s, &expert_here(s))),
        Act::Decline => ("RRI^I12", decline(s)),
        Act::Review => ("RRI^I12", answer(s, &[], &["资料齐全，同意上转"])),
        Act::Start => ("RRI^I12", answer(s, &[], &[])),
        Act::Claim => ("RRI^I12", answer(s, &person("reader", READER), &[])),
        Act::Audit => ("RRI^I12", audit(s)),
        Act::Acknowledge | Act::ReadBack | Act::Close => ("RRI^I12", answer(s, &[], &["随访完成"])),
        Act::Schedule => ("SIU^S12", schedule(s, &[])),
        Act::ScheduleSession => ("SIU^S12", schedule(s, &session(s))),
        Act::Arrive => ("ADT^A01", visit(s, "A01", "I")),
        Act::Receive => ("ADT^A04", visit(s, "A04", "O")),
        Act::Discharge => ("ADT^A03", discharge(s)),
        Act::Outcome => ("ORU^R01", outcome(s)),
        Act::Opinion => ("ORU^R01", opinion(s)),
        Act::FollowUp => ("ORU^R01", follow_up(s)),
        Act::Report => ("ORU^R01", report(s)),
        Act::Critical => ("ORU^R01", critical(s)),
    })
}

fn person(path: &str, doctor: Doctor) -> Vec<Field> {
    vec![
        text(&format!("{path}.code"), doctor.code),
        text(&format!("{path}.name"), doctor.name),
        text(&format!("{path}.title"), doctor.title),
    ]
}

fn stated(s: &Statement<'_>) -> Field {
    text(KIND, s.kind())
}

fn ours(s: &Statement<'_>) -> String {
    s.number.as_ref().map(|number| format!("{number}^TIERLINK")).unwrap_or_default()
}

fn here(s: &Statement<'_>) -> String {
    if s.by.party.code == s.case.origin {
        return String::new();
    }
    format!("{}^{}", s.number_here(), s.by.facility)
}

/// RF1-11: the number here and the broker's.
fn numbers(s: &Statement<'_>) -> String {
    let all = [here(s), ours(s)];
    all.into_iter().filter(|number| !number.is_empty()).collect::<Vec<_>>().join("~")
}

/// MSA and RF1 of an answer. `status` is RF1-1, `reason` RF1-10.
fn answering(s: &Statement<'_>, status: &str, reason: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(answered) = s.answers.as_ref().filter(|_| s.act != Act::Cancel) {
        lines.push(line("MSA", &[(1, "AA"), (2, answered)]));
    }
    let fields = [(1, status), (6, &origin_number(s)), (10, reason), (11, &numbers(s))];
    lines.push(line("RF1", &fields));
    lines
}

fn accept(s: &Statement<'_>, fields: &[Field]) -> Vec<String> {
    let mut lines = answering(s, "A^Accepted^HL70283", "");
    lines.extend(results(&[], fields));
    lines.extend(notes(&["同意接收"]));
    lines
}

fn decline(s: &Statement<'_>) -> Vec<String> {
    answering(s, "R^Rejected^HL70283", "RJ01^本周无床位")
}

/// The request again, as it is now.
fn amended(s: &Statement<'_>) -> Result<Vec<String>> {
    let to = s.asked()?;
    Ok(match s.case.sort {
        Sort::Referral => referral(s, to),
        Sort::Transfer => offer(s, to),
        Sort::Consultation => second_opinion(s, to)?,
    })
}

/// A decision with its reason in RF1-10, and by the county's guide what HL7 has no field for.
fn decided(s: &Statement<'_>, status: &str) -> Result<Vec<String>> {
    let mut body = json::body(s)?;
    let reason = body.as_object_mut().and_then(|fields| fields.remove("reason"));
    let part = |name: &str| reason.as_ref().and_then(|it| it[name].as_str()).unwrap_or_default();
    let reason = match part("code") {
        "" => String::new(),
        code => format!("{code}^{}", part("text")),
    };
    let mut lines = answering(s, status, &reason);
    let mut fields = vec![stated(s)];
    fields.extend(guided("", &body));
    lines.extend(results(&[], &fields));
    Ok(lines)
}

fn no_show(s: &Statement<'_>) -> Result<Vec<String>> {
    let sch =
        [(1, origin_number(s)), (6, "NOSHOW".to_owned()), (25, "Noshow".to_owned()), (26, ours(s))];
    let sch: Vec<(usize, &str)> = sch.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let mut lines = vec![line("SCH", &sch), patient(s)];
    let mut fields = vec![stated(s)];
    fields.extend(guided("", &json::body(s)?));
    lines.extend(results(&[], &fields));
    Ok(lines)
}

/// A time that the origin asks for, or does not need any more: the natural message, with no line of
/// the county's guide.
fn booking(s: &Statement<'_>, reason: &str) -> Vec<String> {
    let doctor = s.by.doctor();
    let doctor = format!("{}^{}", doctor.code, doctor.name);
    let (start, end) = s.appointment();
    let times = format!("{}^{}", time(s, start), time(s, end));
    let number = origin_number(s);
    let mut fields = vec![(1, number.as_str()), (6, reason), (15, &doctor), (19, &doctor)];
    if s.act == Act::Book {
        fields.insert(2, (11, &times));
    }
    let ours = ours(s);
    if s.number.is_some() {
        fields.push((24, &ours));
    }
    vec![line("ARQ", &fields), patient(s), line("RGS", &[(1, "1")])]
}

/// The hospital that gave the appointment cancels it.
fn unbooked(s: &Statement<'_>) -> Vec<String> {
    let sch = [
        (1, origin_number(s)),
        (2, booked_number(s)),
        (6, "CN11^医生停诊".to_owned()),
        (25, "Cancelled".to_owned()),
        (26, ours(s)),
    ];
    let sch: Vec<(usize, &str)> = sch.iter().map(|(at, text)| (*at, text.as_str())).collect();
    vec![line("SCH", &sch), patient(s), line("RGS", &[(1, "1")])]
}

/// The number that a hospital gives an appointment.
fn booked_number(s: &Statement<'_>) -> String {
    format!("YY{}", s.case.own_number.replace('-', ""))
}

fn expert_here(s: &Statement<'_>) -> Vec<Field> {
    vec![
        text("expert.organisation", &s.by.party.code),
        text("expert.practitioner", s.by.doctor().code),
    ]
}

/// An answer that only the county's guide has a word for.
fn answer(s: &Statement<'_>, fields: &[Field], words: &[&str]) -> Vec<String> {
    let mut lines = answering(s, "P^Pending^HL70283", "");
    let kind = stated(s);
    lines.extend(results(&[], std::iter::once(&kind).chain(fields)));
    lines.extend(notes(words));
    lines
}

fn audit(s: &Statement<'_>) -> Vec<String> {
    let mut fields = person("auditor", AUDITOR);
    fields.push(yes("passed"));
    answer(s, &fields, &[])
}

fn schedule(s: &Statement<'_>, fields: &[Field]) -> Vec<String> {
    let (start, end) = s.appointment();
    let times = format!("^^^{}^{}", time(s, start), time(s, end));
    let number = booked_number(s);
    let sch = line(
        "SCH",
        &[
            (1, &origin_number(s)),
            (2, &number),
            (6, "BOOKED"),
            (11, &times),
            (25, "Booked"),
            (26, &ours(s)),
        ],
    );
    let doctor = s.by.doctor();
    let doctor = format!("{}^{}^^^^{}", doctor.code, doctor.name, doctor.title);
    let mut lines = vec![sch];
    lines.extend(notes(&["带身份证、医保卡和全部检查资料"]));
    lines.push(patient(s));
    lines.extend(results(&[], fields));
    lines.push(line("RGS", &[(1, "1")]));
    lines.push(line("AIL", &[(1, "1"), (3, "^^^^^^^^住院楼6层护士站")]));
    lines.push(line("AIP", &[(1, "1"), (3, &doctor)]));
    lines
}

/// One room and all experts, for one time.
fn session(s: &Statement<'_>) -> Vec<Field> {
    let mut fields = vec![
        text("appointment.room", "HZ-01"),
        text("appointment.join_link", "https://meet.example.invalid/hz01"),
    ];
    for (nth, expert) in s.experts().iter().enumerate() {
        let path = format!("appointment.experts.{nth}");
        fields.push(text(&format!("{path}.organisation"), &expert.code));
        let doctor = expert.doctor.unwrap_or_default();
        fields.push(text(&format!("{path}.practitioner"), doctor.code));
    }
    fields
}

fn visit(s: &Statement<'_>, event: &str, class: &str) -> Vec<String> {
    let now = time(s, s.now);
    let pv1 = [(1, "1"), (2, class), (5, s.known_number()), (19, &s.encounter()), (44, &now)];
    vec![line("EVN", &[(1, event), (2, &now)]), patient(s), line("PV1", &pv1)]
}

fn discharge(s: &Statement<'_>) -> Vec<String> {
    let now = time(s, s.now);
    let pv1 = [
        (1, "1"),
        (2, "I"),
        (5, s.known_number()),
        (19, &s.encounter()),
        (36, "3^医嘱转社区卫生服务机构/乡镇卫生院^disposition"),
        (45, &now),
    ];
    let mut lines = vec![line("EVN", &[(1, "A03"), (2, &now)]), patient(s), line("PV1", &pv1)];
    let summary = ("TX", "18842-5^出院小结^LN", "病情平稳出院，由家属陪同返乡。", "");
    lines.extend(results(&[summary], []));
    lines
}

/// What stands before the results of a report.
fn reporting(s: &Statement<'_>, title: &str) -> Vec<String> {
    let orc = [(1, "RE"), (2, &origin_number(s)), (3, &here(s)), (4, &ours(s))];
    vec![
        patient(s),
        line("ORC", &orc.map(|(at, text): (usize, &str)| (at, text))),
        line("OBR", &[(1, "1"), (4, title), (22, &time(s, s.now)), (25, "F")]),
    ]
}

fn outcome(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, "18842-5^Discharge summary^LN");
    let values = [("NM", "8480-6^收缩压^LN", "132", "mmHg")];
    let plan = [text("plan", "1月后门诊复查")];
    lines.extend(results(&values, &plan));
    lines.extend(notes(&["诊疗结束，症状缓解，病情平稳"]));
    lines
}

fn opinion(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, "11488-4^Consultation note^LN");
    let words = ("TX", "DE06.00.018.00^会诊意见", "加用基础胰岛素，睡前8单位，每3日调整", "");
    let mut fields = vec![text("recommendation", "treat_in_place")];
    for (nth, expert) in s.experts().iter().enumerate() {
        fields.extend(person(&format!("by.{nth}"), expert.doctor.unwrap_or_default()));
    }
    lines.extend(results(&[words], &fields));
    lines
}

fn follow_up(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, &format!("follow-up^随访^{}", s.by.facility));
    let values = [("NM", "8480-6^收缩压^LN", "136", "mmHg")];
    let fields = [stated(s), text("mode", "现场")];
    lines.extend(results(&values, &fields));
    lines.extend(notes(&["可独立行走，无新发不适"]));
    lines
}

fn report(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, "11524-6^EKG study^LN");
    let values = [("NM", "8867-4^心率^LN", "54", "次/分")];
    let mut fields = vec![
        stated(s),
        text("findings", "窦性心律，II、III、aVF导联ST段弓背向上抬高0.2mV"),
        text("conclusion", "急性下壁心肌梗死图形，请立即处置"),
    ];
    fields.extend(person("writer", READER));
    lines.extend(results(&values, &fields));
    lines
}

fn critical(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, &format!("critical^危急值^{}", s.by.facility));
    let values = [("ST", "^ST段抬高", "II、III、aVF导联0.2mV", "")];
    let mut fields = vec![stated(s)];
    fields.extend(person("by", READER));
    lines.extend(results(&values, &fields));
    lines
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{Case, Party, Person, System};

    #[test]
    fn every_message_names_its_case() {
        let profile = "[organisation]\ncode = \"330199001\"\n[format]\nname = \"hl7v2\"\n";
        let by = System::read(profile, None).unwrap();
        let to = Party { code: "330199101".to_owned(), ..Party::default() };
        for kind in Act::kinds() {
            let (act, sort) = Act::of_kind(kind).unwrap();
            let case = Case {
                sort,
                origin: String::new(),
                own_number: "QS-7".to_owned(),
                patient: Person::default(),
                experts: Vec::new(),
            };
            let statement = Statement {
                by: &by,
                act,
                case: &case,
                to: act.names_somebody().then_some(&to),
                message_id: "M1".to_owned(),
                number: Some("R2600000011".to_owned()),
                parent: None,
                answers: None,
                now: Timestamp::UNIX_EPOCH,
            };

            let text = String::from_utf8(write(&statement).unwrap()).unwrap();

            assert!(text.contains("QS-7") || text.contains("R2600000011"), "{kind}: {text}");
        }
    }
}
