//! Reads the body of each kind from the segments that contain it.
//!
//! Requests use most of a message; statements about a case use little, and the rest becomes extras.
//! The patient of a statement is only compared with the case (`subject.rs`).

use jiff::tz::TimeZone;
use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_codec::{CodeMaps, Reading};
use tierlink_schemas::codes::{self, TableId};
use tierlink_schemas::{Family, Kind, Priority};

use crate::canon::Canon;
use crate::clinical;
use crate::fault::Fault;
use crate::header::Header;
use crate::local;
use crate::notes::{Notes, What};
use crate::numbers::is_shifted;
use crate::patient;
use crate::read::{Rep, Seg};
use crate::statement;
use crate::time::Moment;
use crate::tree::Tree;
use crate::types::{need_time, read_coded, read_instant, read_practitioner, try_time};

/// What is needed for reading a body.
pub(crate) struct Context<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) header: &'a Header,
    pub(crate) with: &'a Reading<'a>,
    pub(crate) zone: &'a TimeZone,
}

/// Reads the body of `kind` into `canon`.
pub(crate) fn read(
    kind: Kind,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let tree = context.tree;
    if kind.states_request() {
        patient::read(tree, context.with.profile, canon, notes)?;
        read_request(kind, context, canon, notes)?;
    }
    match kind {
        Kind::ReferralSchedule | Kind::ConsultationSchedule => {
            read_appointment(context, canon, notes)?;
        }
        Kind::ReferralArrive | Kind::TransferReceive => {
            let arrived = [("PV1", 44), ("EVN", 6), ("EVN", 2)];
            read_first_instant(&arrived, "at", context, canon, notes);
            read_encounter(tree, "encounter", canon);
            if kind == Kind::ReferralArrive && context.header.event == "A01" {
                canon.put("admitted", true);
            }
        }
        Kind::TransferDischarge => {
            read_first_instant(&[("PV1", 45), ("EVN", 6)], "at", context, canon, notes);
            if let Some(pv1) = tree.first("PV1") {
                read_coded(pv1.first(36), "disposition", canon, notes);
            }
        }
        Kind::ReferralFeedback => canon.put("stage", stage(context)),
        Kind::StatusReport => read_state(tree, canon),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralNoShow
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::Receipt => {}
    }
    read_reason(kind, context, canon, notes);
    clinical::read(tree, kind, context.with, context.zone, canon, notes)?;
    if let Some(path) = words_of(kind) {
        read_words(kind, path, tree, canon);
    }
    Ok(())
}

fn read_request(
    kind: Kind,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let tree = context.tree;
    if let Some(rf1) = tree.first("RF1").filter(|_| !is_shifted(tree)) {
        match kind.family() {
            Family::Consultation => read_coded(rf1.first(3), "kind", canon, notes),
            Family::Transfer => false,
            Family::Referral | Family::Slot | Family::Status | Family::Receipt => {
                read_coded(rf1.first(3), "purpose", canon, notes)
            }
        };
        if kind.family() == Family::Referral {
            read_category(rf1, tree, canon);
            let until = try_time(rf1, 8, 1, notes).and_then(|moment| last_instant(moment, context));
            canon.put_some("valid_until", until);
        }
        if kind.family() == Family::Consultation {
            canon.put_some("reason", rf1.text(10, 2).or_else(|| rf1.text(10, 1)));
        } else {
            for rep in rf1.repetitions(10) {
                let path = format!("reasons.{}", canon.len("reasons"));
                read_coded(rep, &path, canon, notes);
            }
            canon.put_some("reason_text", rf1.whole_field(14));
        }
        if kind.family() == Family::Consultation && rf1.first(4).peek(1) == Some("SO") {
            rf1.text(4, 1);
        }
    } else if context.header.message_type == "REF" && tree.first("RF1").is_none() {
        notes.add("RF1", What::Mapping("is missing; read without priority and number"));
    }
    if let Some(pv1) = tree.first("PV1").filter(|_| kind.family() == Family::Transfer) {
        read_instant(pv1, 44, "stay.admitted_at", canon, context.zone, notes);
        read_instant(pv1, 45, "stay.discharged_at", canon, context.zone, notes);
        read_coded(pv1.first(36), "stay.disposition", canon, notes);
    }
    if kind.family() == Family::Consultation {
        read_consultation(tree, canon, notes);
    }
    read_booking(kind, context, canon, notes)
}

/// The end of the day, for a validity that states only a day.
fn last_instant(moment: Moment, context: &Context<'_>) -> Option<String> {
    let moment = if moment.precision == crate::time::Precision::Day {
        Moment { when: moment.when.date().at(23, 59, 59, 0), ..moment }
    } else {
        moment
    };
    moment.timestamp(context.zone).map(|at| at.to_string())
}

/// RF1-5 (HL7 table 0284), or the class of the visit (PV1-2, table 0004).
fn read_category(rf1: Seg<'_>, tree: &Tree, canon: &mut Canon) {
    let category = |code: &str| match code {
        "I" => Some("inpatient"),
        "O" | "A" => Some("outpatient"),
        "E" => Some("emergency"),
        _ => None,
    };
    let stated = rf1.first(5).peek(1).and_then(category);
    if stated.is_some() {
        rf1.text(5, 1);
    }
    let visit = || tree.first("PV1").and_then(|pv1| pv1.first(2).peek(1)).and_then(category);
    canon.put_some("kind", stated.or_else(visit));
}

fn read_consultation(tree: &Tree, canon: &mut Canon, notes: &mut Notes) {
    let Some(modality) = statement::modality(tree) else {
        canon.put("form", "offline");
        return;
    };
    canon.put("form", "reading");
    canon.put("reading.modality", modality);
    let Some(obr) = tree.first("OBR") else { return };
    obr.text(24, 1);
    read_coded(obr.first(4), "reading.exam", canon, notes);
    let number = tree.first("ORC").and_then(|orc| orc.first(2).peek(1));
    canon.put_some("reading.order_number", number);
}

/// A referral that comes as a booking request says when the patient could come.
fn read_booking(
    kind: Kind,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let Some(arq) = context.tree.first("ARQ") else {
        return Ok(());
    };
    let instant = |moment: Option<Moment>| {
        moment.and_then(|moment| moment.timestamp(context.zone)).map(|at| at.to_string())
    };
    if kind.family() == Family::Referral {
        canon.put_some("wanted.start", instant(need_time(arq, 11, 1, notes)?));
        canon.put_some("wanted.end", instant(need_time(arq, 11, 2, notes)?));
        read_coded(arq.first(6), "purpose", canon, notes);
        read_coded(arq.first(7), "reasons.0", canon, notes);
    }
    Ok(())
}

/// When and where: TQ1 from version 2.5 on, SCH-11 before, the resources where neither is sent.
fn read_appointment(
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let tree = context.tree;
    let sch = tree.first("SCH").ok_or_else(|| Fault::Missing {
        field: "SCH".to_owned(),
        why: "it is clear what was booked",
    })?;
    let mut times = (None, None);
    let places = [("TQ1", 7, 1, 8, 1), ("SCH", 11, 4, 11, 5)];
    for (name, field, component, end_field, end_component) in places {
        let Some(segment) = tree.first(name) else {
            continue;
        };
        let start = need_time(segment, field, component, notes)?;
        if start.is_some() {
            times = (start, need_time(segment, end_field, end_component, notes)?);
            break;
        }
    }
    for (name, field) in [("AIS", 4), ("AIL", 6), ("AIP", 6), ("AIG", 8)] {
        if times.0.is_none()
            && let Some(segment) = tree.first(name)
        {
            times.0 = need_time(segment, field, 1, notes)?;
        }
    }
    let at = |moment: Option<Moment>| moment.and_then(|moment| moment.timestamp(context.zone));
    let (start, end) = (at(times.0), at(times.1));
    let Some(start) = start else {
        return Err(Fault::Missing {
            field: "SCH-11".to_owned(),
            why: "the patient knows when to come; send SCH-11.4, or TQ1-7 from version 2.5 on",
        });
    };
    if end.is_some_and(|end| end < start) {
        return Err(Fault::Invalid {
            field: "SCH-11".to_owned(),
            why: "the appointment ends before it begins",
        });
    }
    canon.put("appointment.start", start.to_string());
    canon.put_some("appointment.end", end.map(|end| end.to_string()));
    canon.put_some("appointment.number", sch.text(2, 1));
    if let Some(aip) = tree.first("AIP") {
        read_practitioner(aip.first(3), "appointment.practitioner", canon);
    }
    if let Some(ail) = tree.first("AIL") {
        canon.put_some("appointment.bed", ail.text(3, 3));
        let place = ail.text(3, 9).map(str::to_owned).or_else(|| ail.whole(3));
        canon.put_some("appointment.place", place);
    }
    let remarks = remarks(tree);
    if !remarks.is_empty() {
        canon.put("appointment.instructions", remarks.join("\n"));
    }
    Ok(())
}

fn remarks(tree: &Tree) -> Vec<String> {
    tree.all("NTE")
        .filter_map(|nte| {
            nte.text(1, 1);
            nte.whole_field(3)
        })
        .collect()
}

fn read_encounter(tree: &Tree, path: &str, canon: &mut Canon) {
    canon.put_some(path, tree.first("PV1").and_then(|pv1| pv1.text(19, 1)));
}

fn read_first_instant(
    places: &[(&str, u16)],
    path: &str,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) {
    for (name, field) in places {
        let Some(segment) = context.tree.first(name) else {
            continue;
        };
        read_instant(segment, *field, path, canon, context.zone, notes);
        if canon.text(path).is_some() {
            return;
        }
    }
}

/// Stage of a feedback: a discharge summary is the final outcome.
fn stage(context: &Context<'_>) -> &'static str {
    let tree = context.tree;
    let summary = tree.first("OBR").and_then(|obr| obr.first(4).peek(1)) == Some("18842-5")
        || tree.first("TXA").and_then(|txa| txa.first(2).peek(1)) == Some("DS");
    if context.header.message_type == "ADT" || summary { "outcome" } else { "interim" }
}

fn read_state(tree: &Tree, canon: &mut Canon) {
    let state = match tree.first("RF1").and_then(|rf1| rf1.text(1, 1)) {
        Some("A") => "accepted",
        Some("R") => "declined",
        Some("E") => "expired",
        _ => "submitted",
    };
    canon.put("state", state);
}

/// The table of a kind's reasons, with the code that means "other".
pub(crate) fn reasons_of(kind: Kind) -> Option<(TableId, &'static str)> {
    Some(match kind {
        Kind::ReferralReturn | Kind::ConsultationReturn => (TableId::ReturnReason, "RT99"),
        Kind::ReferralDecline | Kind::TransferDecline | Kind::ConsultationDecline => {
            (TableId::DeclineReason, "RJ99")
        }
        Kind::ReferralRedirect | Kind::TransferRedirect => (TableId::RedirectReason, "RD99"),
        Kind::ReferralCancel | Kind::TransferCancel | Kind::ConsultationCancel => {
            (TableId::CancelReason, "CN99")
        }
        Kind::ConsultationRecollect => (TableId::RecollectReason, "RC99"),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralAccept
        | Kind::ReferralSchedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationAccept
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => return None,
    })
}

/// A reason is no safety field, so one that we do not know becomes "other" in the sender's words.
fn read_reason(kind: Kind, context: &Context<'_>, canon: &mut Canon, notes: &mut Notes) {
    let Some((table, other)) = reasons_of(kind) else {
        return;
    };
    let tree = context.tree;
    let places = [("RF1", 10), ("ORC", 16), ("SCH", 6), ("ARQ", 6)];
    let stated = places.into_iter().find_map(|(name, field)| {
        let rep = tree.first(name)?.first(field);
        (rep.peek(1).is_some() || rep.peek(2).is_some()).then_some(rep)
    });
    let (code, words) = stated.map_or((None, None), |rep: Rep<'_>| (rep.text(1), rep.text(2)));
    if let Some(rep) = stated.filter(|rep| rep.peek(3) == Some(local::SYSTEM)) {
        rep.text(3);
    }
    let remarks = remarks(tree);
    // Our own messages state our code beside the receiver's.
    let beside = stated.filter(|rep| rep.peek(6) == Some(local::SYSTEM));
    let beside = beside.and_then(|rep| rep.text(6).and(rep.text(4)));
    let known = code.or(beside).and_then(|code| {
        let mapped = match CodeMaps::of(context.with.profile).read(Table::Reason, code) {
            Meaning::Code(ours) => ours,
            Meaning::NoMap | Meaning::Unlisted => beside.unwrap_or(code),
        };
        codes::lookup(table, mapped).or_else(|| codes::by_name(table, mapped))
    });
    let known = known.or_else(|| words.and_then(|words| codes::by_name(table, words)));
    if let Some(row) = known {
        canon.put("reason.code", row.code.as_str());
        let text = words.map(str::to_owned).or_else(|| joined(&remarks));
        canon.put_some("reason.text", text);
        return;
    }
    notes.add(
        place_of_reason(tree),
        What::Mapping(
            "holds no reason that is known; read as another reason, in the sender's words",
        ),
    );
    let own: Vec<String> = [code, words].into_iter().flatten().map(str::to_owned).collect();
    let all: Vec<String> = own.into_iter().chain(remarks).collect();
    canon.put("reason.code", other);
    canon.put("reason.text", joined(&all).unwrap_or_else(|| "未说明原因".to_owned()));
}

fn place_of_reason(tree: &Tree) -> &'static str {
    if tree.first("RF1").is_some() {
        "RF1-10"
    } else if tree.first("ORC").is_some() {
        "ORC-16"
    } else {
        "SCH-6"
    }
}

fn joined(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The field of a body for free text about the statement itself.
fn words_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::ReferralAccept
        | Kind::TransferAccept
        | Kind::ConsultationAccept
        | Kind::ReferralReview
        | Kind::ConsultationReview => "opinion",
        Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferClose
        | Kind::ConsultationClose
        | Kind::ReferralNoShow
        | Kind::ConsultationNoShow
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationAudit => "note",
        Kind::ReferralFeedback | Kind::TransferDischarge => "summary",
        Kind::TransferFollowUp => "findings",
        Kind::ConsultationOpinion => "text",
        Kind::ConsultationReport => "conclusion",
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReturn
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralArrive
        | Kind::ReferralCancel
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferCancel
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReturn
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationCancel
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => return None,
    })
}

/// The words of a report are its text values and remarks, one paragraph each.
fn read_words(kind: Kind, path: &str, tree: &Tree, canon: &mut Canon) {
    if canon.text(path).is_some() {
        return;
    }
    let mut words = Vec::new();
    if clinical::Lists::of(kind).observations.is_none() {
        let texts = tree.all("OBX").filter(|obx| {
            matches!(obx.first(2).peek(1), Some("TX" | "FT" | "ST")) && local::path(*obx).is_none()
        });
        for obx in texts {
            obx.text(2, 1);
            if let Some(text) = obx.whole_field(5) {
                words.push(text);
            }
        }
    }
    words.extend(remarks(tree));
    canon.put_some(path, joined(&words));
}

/// RF1-2, ARQ-12 or TQ1-9: how urgent it is. A safety field.
pub(crate) fn priority(
    context: &Context<'_>,
    notes: &mut Notes,
) -> Result<Option<Priority>, Fault> {
    let tree = context.tree;
    for (name, field) in [("RF1", 2), ("ARQ", 12), ("TQ1", 9)] {
        // The TQ1 of an appointment says how the appointment was timed.
        if name == "TQ1" && context.header.message_type != "OMG" {
            continue;
        }
        let Some(rep) = tree.first(name).map(|segment| segment.first(field)) else {
            continue;
        };
        if let Some(written) = rep.text(1) {
            let path = format!("{name}-{field}");
            return read_priority(rep, written, path, context).map(Some);
        }
    }
    if context.header.message_type == "REF" {
        notes.add("RF1-2", What::Mapping("states no priority; none was set"));
    }
    Ok(None)
}

fn read_priority(
    rep: Rep<'_>,
    written: &str,
    field: String,
    context: &Context<'_>,
) -> Result<Priority, Fault> {
    // Our own messages state a priority that HL7 has no code for beside the nearest one.
    let exact = (rep.peek(6) == Some(local::SYSTEM)).then(|| rep.text(4)).flatten();
    let code = match (exact, CodeMaps::of(context.with.profile).read(Table::Priority, written)) {
        (Some(exact), Meaning::Code(ours)) if exact != ours => {
            return Err(Fault::Contradiction { field });
        }
        (Some(exact), Meaning::Code(_) | Meaning::NoMap) => Some(exact),
        (None, Meaning::Code(ours)) => Some(ours),
        (_, Meaning::Unlisted) => None,
        (None, Meaning::NoMap) => match written.to_ascii_uppercase().as_str() {
            "S" => Some("emergency"),
            "A" => Some("urgent"),
            "R" => Some("routine"),
            _ => codes::lookup(TableId::Urgency, written)
                .or_else(|| codes::by_name(TableId::Urgency, written))
                .map(|row| row.code.as_str()),
        },
    };
    code.and_then(|code| Priority::ALL.into_iter().find(|known| known.as_str() == code))
        .ok_or(Fault::UnknownCode { field, expected: "S, A or R", map: "priority" })
}
