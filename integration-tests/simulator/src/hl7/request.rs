//! The requests that open a case, as REF^I12.

use anyhow::Result;

use super::segments::{
    Field, guided, line, notes, origin_number, patient, results, text, time, yes,
};
use crate::{Doctor, Party, Statement, json};

/// 主诉 by its national data element.
fn complaint<'a>(s: &Statement<'a>) -> (&'static str, &'static str, &'a str, &'static str) {
    ("TX", "DE04.01.119.00^主诉", &s.case.patient.complaint, "")
}

fn side(
    s: &Statement<'_>,
    role: &str,
    party: &Party,
    department: &str,
    doctor: Option<Doctor>,
) -> String {
    let place = format!("{department}^^^{}^^^^^{}", s.by.calls(&party.code), party.name);
    let name = doctor.map(|it| format!("{}^^^^{}", it.name, it.title)).unwrap_or_default();
    let code = doctor.map(|it| it.code).unwrap_or_default();
    line("PRD", &[(1, role), (2, &name), (4, &place), (5, &party.phone), (7, code)])
}

fn sides(s: &Statement<'_>, to: &Party, departments: (&str, &str)) -> Vec<String> {
    vec![
        side(s, "RP^Referring Provider^HL70286", &s.by.party, departments.0, Some(s.by.doctor())),
        side(s, "RT^Referred to Provider^HL70286", to, departments.1, None),
    ]
}

fn diagnosis(s: &Statement<'_>) -> String {
    let (code, words) = &s.case.patient.diagnosis;
    let what = format!("{code}^{words}^ICD-10-CN");
    line("DG1", &[(1, "1"), (3, &what), (6, "W"), (15, "1")])
}

pub(super) fn referral(s: &Statement<'_>, to: &Party) -> Vec<String> {
    let priority = s.by.own_code("priority", "urgent").unwrap_or("A^ASAP^HL70280");
    let rf1 = line(
        "RF1",
        &[
            (1, "P"),
            (2, priority),
            (3, "treatment^治疗^referral_purpose"),
            (5, "I"),
            (6, &origin_number(s)),
            (9, &time(s, s.now)),
            (10, "UP04^因技术、设备条件限制不能处置^reason_up"),
        ],
    );
    let mut lines = vec![rf1];
    lines.extend(sides(s, to, ("03&内科", "03.04&心血管内科")));
    lines.push(patient(s));
    lines.push(diagnosis(s));
    lines.push(line("AL1", &[(1, "1"), (2, "DA"), (3, "^青霉素"), (5, "皮疹")]));
    lines.push(line("OBR", &[(1, "1"), (4, "57133-1^Referral note^LN")]));
    let consent = [yes("consent.given"), text("consent.signer", &s.case.patient.name)];
    let pressure = ("NM", "8480-6^收缩压^LN", "158", "mmHg");
    lines.extend(results(&[complaint(s), pressure], &consent));
    lines.push(line("PV1", &[(1, "1"), (2, "I"), (19, &s.encounter())]));
    lines.extend(notes(&["途中避免用力"]));
    lines
}

pub(super) fn offer(s: &Statement<'_>, to: &Party) -> Vec<String> {
    let priority = s.by.own_code("priority", "routine").unwrap_or("R^Routine^HL70280");
    let rf1 = line(
        "RF1",
        &[
            (1, "P"),
            (2, priority),
            (6, &origin_number(s)),
            (9, &time(s, s.now)),
            (10, "DN06^完成难度较大的诊治且病情平稳^reason_down"),
        ],
    );
    let mut fields = vec![
        text("plan.treatment", "继续目前治疗，两周后复查"),
        text("plan.targets.0", "血压低于140/90mmHg"),
        text("plan.red_flags.0", "静息胸痛或新发肢体无力，立即上转"),
        text("plan.follow_ups.0.on", &s.follow_up_day()),
        text("plan.follow_ups.0.what", "血压、用药依从性"),
        text("tracking.doctor.code", s.by.doctor().code),
        text("tracking.doctor.name", s.by.doctor().name),
        text("tracking.mode", "电话"),
    ];
    match &s.parent {
        Some(parent) => fields.push(text("parent_referral", parent)),
        None => {
            fields.push(text("no_referral_reason.code", "NR02"));
            fields.push(text("no_referral_reason.text", "急诊或120直接送达"));
        }
    }
    let (admitted, leaves) = (s.now - jiff::SignedDuration::from_hours(24 * 8), s.now);
    let pv1 = [
        (1, "1".to_owned()),
        (2, "I".to_owned()),
        (19, s.encounter()),
        (36, "3^医嘱转社区卫生服务机构/乡镇卫生院^disposition".to_owned()),
        (44, time(s, admitted)),
        (45, time(s, leaves)),
    ];
    let pv1: Vec<(usize, &str)> = pv1.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let mut lines = vec![rf1];
    lines.extend(sides(s, to, ("03.04&心血管内科", "02&全科医疗科")));
    lines.push(patient(s));
    lines.push(diagnosis(s));
    lines.push(line("OBR", &[(1, "1"), (4, "18842-5^Discharge summary^LN")]));
    lines.extend(results(&[], &fields));
    lines.push(line("PV1", &pv1));
    lines
}

/// What a consultation has and a referral in HL7 has no field for.
const OF_CONSULTATIONS: [&str; 6] = ["form", "kind", "purpose", "experts", "summary", "reading"];

/// HL7 has one word for every consultation: second opinion (RF1-4 SO).
pub(super) fn second_opinion(s: &Statement<'_>, to: &Party) -> Result<Vec<String>> {
    let (priority, usual) = match s.priority() {
        Some("emergency") => ("emergency", "S^STAT^HL70280"),
        _ => ("routine", "R^Routine^HL70280"),
    };
    let priority = s.by.own_code("priority", priority).unwrap_or(usual);
    let rf1 = line(
        "RF1",
        &[
            (1, "P"),
            (2, priority),
            (4, "SO^Second opinion^HL70282"),
            (6, &origin_number(s)),
            (9, &time(s, s.now)),
            (10, "^请求会诊"),
        ],
    );
    let mut lines = vec![rf1];
    lines.extend(sides(s, to, ("03&内科", "03&内科")));
    lines.push(patient(s));
    lines.push(diagnosis(s));
    let body = json::body(s)?;
    let fields: Vec<Field> =
        OF_CONSULTATIONS.iter().flat_map(|name| guided(name, &body[*name])).collect();
    lines.extend(results(&[complaint(s)], &fields));
    Ok(lines)
}
