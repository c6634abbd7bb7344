//! The segments of each HL7 v2 message that the two hospitals send. Requests are in
//! `hl7_request.rs`.

use super::Statement;
use super::hl7::{GUIDE, KIND, called, escaped, habits, time};
use super::hl7_request::{offer, referral, second_opinion};
use crate::demo::cast::{AUDITOR, Doctor, Org, READER};
use crate::demo::story::Act;

/// The message type with its event, and the segments behind MSH.
pub(super) fn body(s: &Statement<'_>) -> (&'static str, Vec<String>) {
    match s.act {
        Act::Refer(to) => ("REF^I12", referral(s, to)),
        Act::Offer(to) => ("REF^I12", offer(s, to)),
        Act::AskForExperts(to) | Act::AskForReading(to) => ("REF^I12", second_opinion(s, to)),
        Act::Accept => ("RRI^I12", accept(s, &[])),
        Act::AcceptAsExpert => ("RRI^I12", accept(s, &expert_here(s))),
        Act::Review => ("RRI^I12", answer(s, &[], &["资料齐全，同意上转"])),
        Act::Start => ("RRI^I12", answer(s, &[], &[])),
        Act::Claim => ("RRI^I12", answer(s, &person("reader", READER), &[])),
        Act::Audit => ("RRI^I12", audit(s)),
        Act::Acknowledge | Act::ReadBack | Act::Close => ("RRI^I12", answer(s, &[], &["随访完成"])),
        Act::Schedule => ("SIU^S12", schedule(s, &[])),
        Act::ScheduleSession => ("SIU^S12", schedule(s, &session())),
        Act::Arrive => ("ADT^A01", visit(s, "A01", "I")),
        Act::Receive => ("ADT^A04", visit(s, "A04", "O")),
        Act::Discharge => ("ADT^A03", discharge(s)),
        Act::Outcome => ("ORU^R01", outcome(s)),
        Act::Opinion => ("ORU^R01", opinion(s)),
        Act::FollowUp => ("ORU^R01", follow_up(s)),
        Act::Report => ("ORU^R01", report(s)),
        Act::Critical => ("ORU^R01", critical(s)),
    }
}

/// A segment from its fields: number and content.
pub(super) fn line(name: &str, fields: &[(usize, &str)]) -> String {
    let last = fields.iter().map(|(at, _)| *at).max().unwrap_or(0);
    let mut all = vec![""; last + 1];
    for (at, content) in fields {
        all[*at] = content;
    }
    all[0] = name;
    all.join("|")
}

/// A field of the county's guide, as OBX.
pub(super) struct Field {
    path: String,
    value: String,
    kind: &'static str,
}

pub(super) fn text(path: &str, value: &str) -> Field {
    Field { path: path.to_owned(), value: escaped(value), kind: "ST" }
}

pub(super) fn yes(path: &str) -> Field {
    Field { path: path.to_owned(), value: "Y".to_owned(), kind: "ID" }
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

/// Values and fields of the guide, numbered on.
pub(super) fn results<'f>(
    values: &[(&str, &str, &str, &str)],
    fields: impl IntoIterator<Item = &'f Field>,
) -> Vec<String> {
    let values = values.iter().map(|(kind, what, value, unit)| {
        [(*kind).to_owned(), (*what).to_owned(), (*value).to_owned(), (*unit).to_owned()]
    });
    let fields = fields.into_iter().map(|field| {
        let question = format!("{}^^{GUIDE}", field.path);
        [field.kind.to_owned(), question, field.value.clone(), String::new()]
    });
    let all = values.chain(fields).enumerate();
    all.map(|(nth, [kind, question, value, unit])| {
        let nth = (nth + 1).to_string();
        line("OBX", &[(1, &nth), (2, &kind), (3, &question), (5, &value), (6, &unit), (11, "F")])
    })
    .collect()
}

pub(super) fn notes(words: &[&str]) -> Vec<String> {
    let numbered = words.iter().enumerate();
    numbered
        .map(|(nth, words)| line("NTE", &[(1, &(nth + 1).to_string()), (3, &escaped(words))]))
        .collect()
}

pub(super) fn patient(s: &Statement<'_>) -> String {
    let (patient, facility) = (&s.flow.patient, habits(s.who).facility);
    let identifiers =
        format!("{}^^^{facility}^OPN~{}^^^^NI", s.encounter(), patient.identity_number);
    let sex = match (s.who, patient.female) {
        // The township's own codes; its profile maps them.
        (Org::Qingshi, false) => "1",
        (Org::Qingshi, true) => "2",
        (_, false) => "M",
        (_, true) => "F",
    };
    line(
        "PID",
        &[
            (1, "1"),
            (3, &identifiers),
            (5, &escaped(patient.name)),
            (7, patient.born),
            (8, sex),
            (11, &escaped(patient.address)),
            (13, patient.phone),
        ],
    )
}

/// The number of the case as its owner and this hospital write it.
pub(super) fn origin_number(s: &Statement<'_>) -> String {
    format!("{}^{}", s.flow.own_number, called(s.who, s.flow.origin))
}

fn ours(s: &Statement<'_>) -> String {
    s.number.as_ref().map(|number| format!("{number}^TIERLINK")).unwrap_or_default()
}

fn here(s: &Statement<'_>) -> String {
    if s.who == s.flow.origin {
        return String::new();
    }
    format!("{}^{}", s.number_here(), habits(s.who).facility)
}

/// MSA and RF1 of an answer. `status` is RF1-1.
fn answering(s: &Statement<'_>, status: &str) -> Vec<String> {
    let numbers: Vec<String> =
        [here(s), ours(s)].into_iter().filter(|number| !number.is_empty()).collect();
    let mut lines = Vec::new();
    if let Some(answered) = &s.answers {
        lines.push(line("MSA", &[(1, "AA"), (2, answered)]));
    }
    let fields = [(1, status), (6, &origin_number(s)), (11, &numbers.join("~"))];
    lines.push(line("RF1", &fields));
    lines
}

fn accept(s: &Statement<'_>, fields: &[Field]) -> Vec<String> {
    let mut lines = answering(s, "A^Accepted^HL70283");
    lines.extend(results(&[], fields));
    lines.extend(notes(&["同意接收"]));
    lines
}

fn expert_here(s: &Statement<'_>) -> Vec<Field> {
    vec![
        text("expert.organisation", s.who.code()),
        text("expert.practitioner", s.who.doctor().code),
    ]
}

/// An answer that only the county's guide has a word for.
fn answer(s: &Statement<'_>, fields: &[Field], words: &[&str]) -> Vec<String> {
    let mut lines = answering(s, "P^Pending^HL70283");
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
    let number = format!("YY{}", s.flow.own_number.replace('-', ""));
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
    let doctor = s.who.doctor();
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

/// One room and both experts, for one time.
fn session() -> Vec<Field> {
    let mut fields = vec![
        text("appointment.room", "HZ-01"),
        text("appointment.join_link", "https://meet.example.invalid/hz01"),
    ];
    for (nth, org) in [Org::Lead, Org::City].into_iter().enumerate() {
        let path = format!("appointment.experts.{nth}");
        fields.push(text(&format!("{path}.organisation"), org.code()));
        fields.push(text(&format!("{path}.practitioner"), org.doctor().code));
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
    for (nth, org) in [Org::Lead, Org::City].into_iter().enumerate() {
        fields.extend(person(&format!("by.{nth}"), org.doctor()));
    }
    lines.extend(results(&[words], &fields));
    lines
}

fn follow_up(s: &Statement<'_>) -> Vec<String> {
    let mut lines = reporting(s, "follow-up^随访^QSWSY");
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
    let mut lines = reporting(s, "critical^危急值^330199001");
    let values = [("ST", "^ST段抬高", "II、III、aVF导联0.2mV", "")];
    let mut fields = vec![stated(s)];
    fields.extend(person("by", READER));
    lines.extend(results(&values, &fields));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::flows::FLOWS;
    use crate::demo::story::Step;

    #[test]
    fn a_field_stands_at_its_number() {
        assert_eq!(line("PV1", &[(1, "1"), (5, "R1")]), "PV1|1||||R1");
    }

    #[test]
    fn every_message_of_the_story_names_its_case() {
        for flow in &FLOWS {
            let asks = Step::Says(Org::Lead, Act::AskForExperts(Org::City));
            for step in flow.steps.iter().chain([&asks]) {
                let Step::Says(who @ (Org::Lead | Org::Qingshi), act) = *step else { continue };
                let statement = Statement {
                    who,
                    act,
                    flow,
                    message_id: "M1".to_owned(),
                    number: Some("R2600000011".to_owned()),
                    parent: None,
                    answers: None,
                    now: jiff::Timestamp::UNIX_EPOCH,
                };

                let (event, lines) = body(&statement);

                let all = lines.join("\r");
                let named = all.contains(flow.own_number) || all.contains("R2600000011");
                assert!(named, "{event} of {}", flow.key);
            }
        }
    }
}
