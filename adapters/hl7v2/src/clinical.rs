//! Converts DG1, AL1, PR1, OBX and NTE to the clinical part of a body, and back.
//!
//! ```text
//!   OBX  ED, RP                        ─▶ attachments
//!        99TL path                     ─▶ that field (local.rs)
//!        WS/T 363 element or its name  ─▶ clinical.chief_complaint and so on, in a request
//!        anything else                 ─▶ observations, where the body has any
//! ```
//!
//! What a body has no field for becomes an extra.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use tierlink_codec::Reading;
use tierlink_schemas::Kind;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::local;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::tree::Tree;
use crate::types::{
    read_coded, read_day, read_instant, take_set_id, write_coded, write_day, write_instant,
};
use crate::write::Line;

/// Where the body of a kind has its clinical lists; `None` where it has no such list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    pub(crate) diagnoses: Option<&'static str>,
    pub(crate) observations: Option<&'static str>,
    /// Allergies, procedures and notes exist only where the whole clinical part does.
    pub(crate) clinical: bool,
    pub(crate) attachments: bool,
}

impl Lists {
    /// The lists that bodies of this kind have.
    pub(crate) const fn of(kind: Kind) -> Self {
        let none =
            Self { diagnoses: None, observations: None, clinical: false, attachments: false };
        match kind {
            Kind::ReferralSubmit
            | Kind::ReferralAmend
            | Kind::TransferOffer
            | Kind::TransferAmend
            | Kind::ConsultationRequest
            | Kind::ConsultationAmend => Self {
                diagnoses: Some("clinical.diagnoses"),
                observations: Some("clinical.observations"),
                clinical: true,
                attachments: true,
            },
            Kind::ReferralFeedback => Self {
                diagnoses: Some("diagnoses"),
                observations: Some("observations"),
                attachments: true,
                ..none
            },
            Kind::TransferDischarge => Self { attachments: true, ..none },
            Kind::TransferFollowUp => Self { observations: Some("observations"), ..none },
            Kind::ConsultationOpinion => {
                Self { diagnoses: Some("diagnoses"), attachments: true, ..none }
            }
            Kind::ConsultationReport => {
                Self { observations: Some("observations"), attachments: true, ..none }
            }
            Kind::ConsultationCritical => Self { observations: Some("items"), ..none },
            Kind::ReferralReview
            | Kind::ReferralReturn
            | Kind::ReferralAccept
            | Kind::ReferralDecline
            | Kind::ReferralRedirect
            | Kind::ReferralSchedule
            | Kind::ReferralArrive
            | Kind::ReferralNoShow
            | Kind::ReferralCancel
            | Kind::ReferralConfirmCancel
            | Kind::ReferralRefuseCancel
            | Kind::ReferralClose
            | Kind::TransferAccept
            | Kind::TransferDecline
            | Kind::TransferRedirect
            | Kind::TransferReceive
            | Kind::TransferCancel
            | Kind::TransferClose
            | Kind::ConsultationReview
            | Kind::ConsultationReturn
            | Kind::ConsultationAccept
            | Kind::ConsultationDecline
            | Kind::ConsultationSchedule
            | Kind::ConsultationStart
            | Kind::ConsultationAcknowledge
            | Kind::ConsultationNoShow
            | Kind::ConsultationCancel
            | Kind::ConsultationClose
            | Kind::ConsultationClaim
            | Kind::ConsultationRecollect
            | Kind::ConsultationAudit
            | Kind::SlotPublish
            | Kind::SlotWithdraw
            | Kind::StatusQuery
            | Kind::StatusReport
            | Kind::Receipt => none,
        }
    }
}

/// The longest value of an observation that the canonical message holds.
const VALUE_CHARS_MAX: usize = 20_000;

/// Reads every clinical segment that bodies of `kind` have room for.
pub(crate) fn read(
    tree: &Tree,
    kind: Kind,
    with: &Reading<'_>,
    zone: &TimeZone,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let lists = Lists::of(kind);
    if let Some(list) = lists.diagnoses {
        for (nth, dg1) in (1..).zip(tree.all("DG1")) {
            read_diagnosis(dg1, nth, list, canon, notes);
        }
    }
    if lists.clinical {
        for (nth, al1) in (1..).zip(tree.all("AL1")) {
            read_allergy(al1, nth, canon, notes);
        }
        for (nth, pr1) in (1..).zip(tree.all("PR1")) {
            read_procedure(pr1, nth, zone, canon, notes);
        }
        for nte in tree.all("NTE") {
            take_any_set_id(nte);
            if let Some(text) = nte.whole_field(3) {
                canon.put(&format!("clinical.notes.{}", canon.len("clinical.notes")), text);
            }
        }
    }
    // Values that correct others come last, whatever their place in the message.
    for obx in tree.all("OBX").filter(|obx| local::path(*obx).is_none()) {
        read_observation(obx, &lists, zone, canon, notes);
    }
    for obx in tree.all("OBX") {
        if let Some(path) = local::path(obx).filter(|path| *path != local::KIND) {
            local::read(obx, path, with, canon)?;
        }
    }
    Ok(())
}

/// Sets are numbered anew in each group, so any small number only counts.
fn take_any_set_id(seg: Seg<'_>) {
    if seg
        .first(1)
        .peek(1)
        .is_some_and(|id| id.len() <= 4 && id.bytes().all(|b| b.is_ascii_digit()))
    {
        seg.text(1, 1);
    }
}

fn read_diagnosis(dg1: Seg<'_>, nth: usize, list: &str, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("{list}.{}", canon.len(list));
    let what = format!("{path}.what");
    let mut any = read_coded(dg1.first(3), &what, canon, notes);
    let words = format!("{what}.text");
    if canon.text(&words).is_none() {
        let text = dg1.whole_field(4);
        any |= text.is_some();
        canon.put_some(&words, text);
    } else if dg1.first(4).peek(1) == canon.text(&words) {
        dg1.text(4, 1);
    }
    if !any {
        return;
    }
    take_set_id(dg1, nth);
    read_day(dg1, 5, &format!("{path}.on"), canon, notes);
    if dg1.first(15).peek(1) == Some("1") {
        dg1.text(15, 1);
        canon.put(&format!("{path}.main"), true);
    }
    if dg1.first(6).peek(1) == Some(WORKING) {
        dg1.text(6, 1);
    }
}

/// DG1-6 is required. Which of its values holds is not ours to say, so the weakest is written.
const WORKING: &str = "W";

fn read_allergy(al1: Seg<'_>, nth: usize, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("clinical.allergies.{}", canon.len("clinical.allergies"));
    if !read_coded(al1.first(3), &format!("{path}.substance"), canon, notes) {
        return;
    }
    take_set_id(al1, nth);
    canon.put_some(&format!("{path}.reaction"), al1.whole_field(5));
}

fn read_procedure(pr1: Seg<'_>, nth: usize, zone: &TimeZone, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("clinical.procedures.{}", canon.len("clinical.procedures"));
    let what = format!("{path}.what");
    let mut any = read_coded(pr1.first(3), &what, canon, notes);
    if canon.text(&format!("{what}.text")).is_none() {
        let text = pr1.whole_field(4);
        any |= text.is_some();
        canon.put_some(&format!("{what}.text"), text);
    }
    if !any {
        return;
    }
    take_set_id(pr1, nth);
    read_instant(pr1, 5, &format!("{path}.at"), canon, zone, notes);
}

fn read_observation(
    obx: Seg<'_>,
    lists: &Lists,
    zone: &TimeZone,
    canon: &mut Canon,
    notes: &mut Notes,
) {
    take_any_set_id(obx);
    if matches!(obx.first(2).peek(1), Some("ED" | "RP")) {
        if lists.attachments {
            read_attachment(obx, canon, notes);
        }
        return;
    }
    if lists.clinical
        && let Some(path) = local::clinical_path(obx)
        && canon.text(path).is_none()
    {
        obx.first(3).whole();
        obx.text(2, 1);
        canon.put_some(path, obx.whole_field(5));
        take_result_status(obx);
        return;
    }
    let Some(list) = lists.observations else {
        return;
    };
    let path = format!("{list}.{}", canon.len(list));
    if !read_coded(obx.first(3), &format!("{path}.what"), canon, notes) {
        return;
    }
    // Plain texts and numbers show themselves; of any other type the name is kept.
    if matches!(obx.first(2).peek(1), Some("ST" | "TX" | "FT" | "NM")) {
        obx.text(2, 1);
    }
    let length: usize = obx.repetitions(5).filter_map(Rep::length).sum();
    if length <= VALUE_CHARS_MAX {
        canon.put_some(&format!("{path}.value"), obx.whole_field(5));
    } else {
        notes.add(obx.path(5), What::Mapping("too long for a value; kept among the extras"));
    }
    canon.put_some(&format!("{path}.unit"), obx.text(6, 1));
    canon.put_some(&format!("{path}.range"), obx.whole_field(7));
    canon.put_some(&format!("{path}.flag"), obx.text(8, 1));
    read_instant(obx, 14, &format!("{path}.at"), canon, zone, notes);
    take_result_status(obx);
}

/// Result status "final" is what every sent result has, so it need not be kept.
fn take_result_status(obx: Seg<'_>) {
    if obx.first(11).peek(1) == Some("F") {
        obx.text(11, 1);
    }
}

/// OBX-3 codes for kinds of attachment. The first code of a kind is the one that we write.
const PAPERS: [(&str, &str, &str); 12] = [
    ("18842-5", "LN", "discharge_summary"),
    ("113014", "DCM", "dicom"),
    ("11524-6", "LN", "ecg"),
    ("11502-2", "LN", "laboratory"),
    ("18748-4", "LN", "examination"),
    ("front_page", local::SYSTEM, "front_page"),
    ("diagnosis", local::SYSTEM, "diagnosis"),
    ("shared_document", local::SYSTEM, "shared_document"),
    ("image", local::SYSTEM, "image"),
    ("other", local::SYSTEM, "other"),
    ("57133-1", "LN", "other"),
    ("11488-4", "LN", "other"),
];

/// ED: `source^type^subtype^encoding^content`. RP: `pointer^source^type^subtype`.
fn read_attachment(obx: Seg<'_>, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("attachments.{}", canon.len("attachments"));
    let (value, question) = (obx.first(5), obx.first(3));
    let is_reference = obx.first(2).peek(1) == Some("RP");
    let (first_type, content) =
        if is_reference { (3, value.peek(1).map(str::to_owned)) } else { (2, inline(value)) };
    let Some(content) = content else {
        notes.add(
            obx.path(5),
            What::Mapping("an attachment without readable content; kept among the extras"),
        );
        return;
    };
    obx.text(2, 1);
    let known =
        question.peek(1).and_then(|code| PAPERS.iter().find(|(known, _, _)| *known == code));
    canon.put(&format!("{path}.kind"), known.map_or("other", |(_, _, kind)| *kind));
    if known.is_some() {
        question.text(1);
        question.text(3);
    }
    let title = question.text(2).or_else(|| question.text(1)).unwrap_or("附件");
    canon.put(&format!("{path}.title"), title);
    let parts = [value.text(first_type), value.text(first_type + 1)];
    let media_type = match parts {
        [Some(kind), Some(subtype)] => format!("{kind}/{subtype}").to_ascii_lowercase(),
        [Some(one), None] | [None, Some(one)] if one.contains('/') => one.to_ascii_lowercase(),
        _ => "application/octet-stream".to_owned(),
    };
    canon.put(&format!("{path}.media_type"), media_type);
    if is_reference {
        value.text(1);
        canon.put(&format!("{path}.reference"), content);
    } else {
        value.text(4);
        value.text(5);
        canon.put(&format!("{path}.content"), content);
    }
    take_result_status(obx);
}

/// The content of an ED as base64, whichever way it was encoded.
fn inline(value: Rep<'_>) -> Option<String> {
    let written = value.peek(5)?;
    match value.peek(4)?.to_ascii_lowercase().as_str() {
        "base64" => {
            let plain: String = written.chars().filter(|c| !c.is_whitespace()).collect();
            let valid = STANDARD.decode(&plain).is_ok_and(|bytes| !bytes.is_empty());
            valid.then_some(plain)
        }
        "a" => Some(STANDARD.encode(written)),
        _ => None,
    }
}

/// Writes DG1, AL1 and PR1, in the order that the structures want.
pub(crate) fn write_lists(canon: &mut Canon, kind: Kind, zone: &TimeZone) -> Vec<Line> {
    let mut lines = Vec::new();
    let lists = Lists::of(kind);
    if let Some(list) = lists.diagnoses {
        lines.extend(write_diagnoses(canon, list));
    }
    if !lists.clinical {
        return lines;
    }
    for index in 0..canon.len("clinical.allergies") {
        let mut al1 = Line::new("AL1");
        al1.put(1, 1, (index + 1).to_string());
        write_coded(&mut al1, 3, 1, canon, &format!("clinical.allergies.{index}.substance"));
        al1.put_some(5, 1, canon.take(&format!("clinical.allergies.{index}.reaction")));
        lines.push(al1);
    }
    for index in 0..canon.len("clinical.procedures") {
        let mut pr1 = Line::new("PR1");
        pr1.put(1, 1, (index + 1).to_string());
        write_coded(&mut pr1, 3, 1, canon, &format!("clinical.procedures.{index}.what"));
        write_instant(&mut pr1, 5, 1, canon, &format!("clinical.procedures.{index}.at"), zone);
        lines.push(pr1);
    }
    lines
}

fn write_diagnoses(canon: &mut Canon, list: &str) -> Vec<Line> {
    (0..canon.len(list))
        .map(|index| {
            let mut dg1 = Line::new("DG1");
            dg1.put(1, 1, (index + 1).to_string()).put(6, 1, WORKING);
            write_coded(&mut dg1, 3, 1, canon, &format!("{list}.{index}.what"));
            write_day(&mut dg1, 5, canon, &format!("{list}.{index}.on"));
            if canon.take_bool(&format!("{list}.{index}.main")) == Some(true) {
                dg1.put(15, 1, "1");
            }
            dg1
        })
        .collect()
}

/// Writes diagnoses, attachments and observations as OBX, then all remaining values.
pub(crate) fn write_results(canon: &mut Canon, kind: Kind, zone: &TimeZone) -> Vec<Line> {
    let lists = Lists::of(kind);
    let mut lines = Vec::new();
    if let Some(list) = lists.observations {
        for index in 0..canon.len(list) {
            lines.push(write_observation(canon, &format!("{list}.{index}"), zone));
        }
    }
    if lists.attachments {
        for index in 0..canon.len("attachments") {
            lines.extend(write_attachment(canon, &format!("attachments.{index}")));
        }
    }
    lines
}

/// Writes all values that were not written before. Must be the last step.
pub(crate) fn write_rest(canon: &Canon) -> Vec<Line> {
    canon.leaves().into_iter().filter_map(|(path, value)| local::write(&path, value)).collect()
}

/// Writes the remarks of a request.
pub(crate) fn write_notes(canon: &mut Canon) -> Vec<Line> {
    (0..canon.len("clinical.notes"))
        .filter_map(|index| {
            let text = canon.take(&format!("clinical.notes.{index}"))?;
            let mut nte = Line::new("NTE");
            nte.put(1, 1, (index + 1).to_string()).put(3, 1, text);
            Some(nte)
        })
        .collect()
}

fn write_observation(canon: &mut Canon, path: &str, zone: &TimeZone) -> Line {
    let mut obx = Line::new("OBX");
    let part = |part: &str| format!("{path}.{part}");
    let value = canon.take(&part("value")).unwrap_or_default();
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    let is_long = value.len() > 200 || value.contains('\n');
    let value_type = match (is_number, is_long) {
        (true, _) => "NM",
        (false, true) => "TX",
        (false, false) => "ST",
    };
    obx.put(2, 1, value_type).put(5, 1, value).put(11, 1, "F");
    write_coded(&mut obx, 3, 1, canon, &part("what"));
    obx.put_some(6, 1, canon.take(&part("unit")))
        .put_some(7, 1, canon.take(&part("range")))
        .put_some(8, 1, canon.take(&part("flag")));
    write_instant(&mut obx, 14, 1, canon, &part("at"), zone);
    obx
}

fn write_attachment(canon: &mut Canon, path: &str) -> Option<Line> {
    let part = |part: &str| format!("{path}.{part}");
    let content = canon.text(&part("content")).is_some();
    if !content && canon.text(&part("reference")).is_none() {
        return None;
    }
    let media_type = canon.take(&part("media_type")).unwrap_or_default();
    let kind = canon.take(&part("kind")).unwrap_or_default();
    let (code, system, _) =
        PAPERS.iter().find(|(_, _, known)| *known == kind).copied().unwrap_or(PAPERS[9]);
    let (family, subtype) = media_type.split_once('/').unwrap_or(("application", "octet-stream"));
    let mut obx = Line::new("OBX");
    obx.put(3, 1, code).put(3, 3, system).put(11, 1, "F");
    obx.put_some(3, 2, canon.take(&part("title")));
    if content {
        obx.put(2, 1, "ED").put(5, 2, family).put(5, 3, subtype).put(5, 4, "Base64");
        obx.put_some(5, 5, canon.take(&part("content")));
    } else {
        obx.put(2, 1, "RP").put(5, 3, family).put(5, 4, subtype);
        obx.put_some(5, 1, canon.take(&part("reference")));
    }
    Some(obx)
}
