//! Reads the body of each kind from the segments that contain it.
//!
//! Requests use most of a message; statements about a case use little, and the rest becomes extras.
//! The patient of a statement is only compared with the case (`subject.rs`).

use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_codec::{CodeMaps, Reading};
use tierlink_schemas::codes::{self, TableId};
use tierlink_schemas::message::Extra;
use tierlink_schemas::{Family, Kind, Priority, reasons};

use crate::appointment;
use crate::canon::Canon;
use crate::clinical;
use crate::fault::Fault;
use crate::header::Header;
use crate::local;
use crate::notes::{Notes, What};
use crate::numbers::is_shifted;
use crate::party;
use crate::patient;
use crate::places;
use crate::read::{Rep, Seg};
use crate::statement;
use crate::status::{self, Status};
use crate::time::Zones;
use crate::tree::Tree;
use crate::types::{is_latin, read_coded, read_instant, take_any_set_id, try_time};
use crate::words;

/// What is needed for reading a body.
pub(crate) struct Context<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) header: &'a Header,
    pub(crate) with: &'a Reading<'a>,
    pub(crate) zones: &'a Zones,
}

/// Reads the body of `kind` into `canon`.
pub(crate) fn read(
    kind: Kind,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<Vec<Extra>, Fault> {
    let tree = context.tree;
    if kind.states_request() {
        patient::read(tree, context.with.profile, context.zones, canon, notes)?;
        read_request(kind, context, canon, notes)?;
    }
    match kind {
        Kind::ReferralSchedule | Kind::ConsultationSchedule => {
            appointment::read(tree, context.zones, canon, notes)?;
            let remarks = remarks(tree);
            canon.put_some("appointment.instructions", joined(&remarks));
        }
        Kind::ReferralBook => read_time_asked_for(context, canon, notes)?,
        Kind::ReferralUnschedule => appointment::read_cancelled(tree, context.zones, canon, notes)?,
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
        Kind::ReferralNoShow | Kind::ConsultationNoShow => check_missed(tree)?,
        Kind::ReferralFeedback => {
            canon.put("stage", stage(context));
            read_interpreter(tree, canon);
        }
        Kind::StatusReport => read_state(tree, canon),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
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
    let report = if kind.states_request() { Status::Final } else { report_status(context)? };
    if kind == Kind::ReferralFeedback && report == Status::Preliminary {
        canon.put("stage", "interim");
    }
    read_reason(kind, context, canon, notes);
    let found = clinical::read(tree, kind, context.with, context.zones, canon, notes)?;
    let mut lines = found.lines;
    if reasons::table_of(kind).is_none() && !kind.states_request() {
        // The words of an acceptance or a close in an order's status (360X).
        lines.extend(tree.first("ORC").and_then(|orc| words_in(orc.first(16))));
    }
    // Remarks of a request are in its list already, those of an appointment in its instructions.
    lines.extend(remarks(tree));
    if report != Status::Final {
        let first = lines.first_mut();
        match first {
            Some(first) => first.insert_str(0, report.mark()),
            None => lines.push(format!("{}见检查结果", report.mark())),
        }
    }
    let mut extras = Vec::new();
    if let Some(text) = joined(&lines) {
        let place = if tree.first("NTE").is_some() { "NTE-3" } else { "OBX-5" };
        extras.extend(words::add(kind, place, &text, canon, notes));
    }
    extras.extend(words::add_left_out(kind, &found.left_out, canon, notes));
    Ok(extras)
}

/// OBR-32: who answers for a report, as code and name in subcomponents or as components.
fn read_interpreter(tree: &Tree, canon: &mut Canon) {
    let Some(who) =
        tree.all("OBR").map(|obr| obr.first(32)).find(|who| who.peek_sub(1, 1).is_some())
    else {
        return;
    };
    let code = who.sub(1, 1);
    let inside: String = [2, 3].into_iter().filter_map(|part| who.sub(1, part)).collect();
    let beside = who.peek(2).filter(|words| crate::time::read(words).is_none());
    let name = if inside.is_empty() { beside.and_then(|_| who.text(2)) } else { Some(&*inside) };
    match (code, name) {
        (Some(words), None) if !is_latin(words) => canon.put("by.name", words),
        (code, name) => {
            canon.put_some("by.code", code);
            canon.put_some("by.name", name);
        }
    }
}

/// SCH-25 of a no-show says so too, or nothing.
fn check_missed(tree: &Tree) -> Result<(), Fault> {
    let stated = tree.first("SCH").and_then(|sch| Some((sch, sch.text(25, 1)?)));
    match stated {
        Some((sch, status)) if !status.eq_ignore_ascii_case("noshow") && is_latin(status) => {
            Err(Fault::Modifier {
                field: sch.path(25),
                why: "contradicts the event (S26), which says that the patient did not come",
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// How sure a whole report is: OBR-25 of each order, TXA-17 and TXA-19 of a document.
fn report_status(context: &Context<'_>) -> Result<Status, Fault> {
    let tree = context.tree;
    let is_report = matches!(context.header.message_type.as_str(), "ORU" | "MDM");
    let mut worst = Status::Final;
    // A report goes with its order. One whose order is off is none.
    for orc in tree.all("ORC").filter(|_| is_report) {
        let off = |field, codes: &[&str]| {
            orc.first(field).peek(1).is_some_and(|code| codes.contains(&code))
        };
        if !matches!(orc.text(1, 1), None | Some("RE" | "SC" | "OK" | "NW" | "SN" | "OE"))
            && !off(1, &["CA", "OC", "CR", "DC", "OD", "DR"])
        {
            return Err(Fault::Modifier {
                field: orc.path(1),
                why: "is no order control of a report; send RE",
            });
        }
        for (field, codes) in [(1, &["CA", "OC", "CR", "DC", "OD", "DR"][..]), (5, &["CA", "DC"])] {
            if off(field, codes) {
                return Err(Fault::Modifier {
                    field: orc.path(field),
                    why: "says that the order is cancelled or discontinued, so there is no report",
                });
            }
        }
    }
    for obr in tree.all("OBR") {
        let status = status::of_report(obr)?;
        if status != Status::Final && worst != Status::Preliminary {
            worst = status;
        }
    }
    if let Some(txa) = tree.first("TXA")
        && status::of_document(txa)? == Status::Preliminary
    {
        worst = Status::Preliminary;
    }
    Ok(worst)
}

/// The words of a coded field: beside the code, or in its place.
fn words_in(rep: Rep<'_>) -> Option<String> {
    let alone = rep.peek(1).is_some_and(|code| rep.peek(2).is_none() && !is_latin(code));
    let words = if alone { rep.text(1) } else { rep.text(2) };
    words.map(str::to_owned)
}

/// Says what most senders leave out as "not stated": neither refused nor guessed.
pub(crate) fn fill_in(kind: Kind, context: &Context<'_>, canon: &mut Canon, notes: &mut Notes) {
    let mut not_stated = |path: &str, text: &str, canon: &mut Canon| {
        canon.put(path, text);
        let place = places::of(path, &context.header.message_type);
        let place = place.unwrap_or_else(|| "RF1".to_owned());
        notes.add(place, What::Mapping("is not stated; carried as 未说明, not stated"));
    };
    if reasons::table_of(kind)
        .is_some_and(|table| canon.text("reason.code") == Some(reasons::other(table)))
        && canon.text("reason.text").is_none()
    {
        canon.put("reason.text", "未说明原因");
    }
    if !kind.states_request() {
        return;
    }
    match kind.family() {
        Family::Referral | Family::Transfer => {
            if canon.len("reasons") == 0 && canon.text("reason_text").is_none() {
                not_stated("reason_text", "未说明转诊原因", canon);
            }
        }
        Family::Consultation => {
            let is_reading = canon.text("form") == Some("reading");
            let says_why =
                canon.text("purpose").is_some() || canon.text("reason").is_some() || is_reading;
            if !says_why {
                not_stated("reason", "未说明会诊原因", canon);
            }
        }
        Family::Slot | Family::Status | Family::Receipt => {}
    }
    if kind.family() == Family::Transfer
        && canon.text("parent_referral").is_none()
        && canon.text("no_referral_reason.code").is_none()
    {
        not_stated("no_referral_reason.text", "发送方未说明上转单号", canon);
        canon.put("no_referral_reason.code", "NR99");
    }
    let is_referral = kind.family() == Family::Referral;
    let says_what =
        canon.len("clinical.diagnoses") > 0 || canon.text("clinical.chief_complaint").is_some();
    if is_referral && !says_what {
        let is_order = context.header.message_type == "OMG";
        let elsewhere = if canon.len("attachments") > 0 {
            Some("未说明，见所附文件")
        } else if canon.len("clinical.notes") > 0 || canon.len("clinical.observations") > 0 {
            Some("未说明，见备注和检查结果")
        } else if is_order && canon.len("reasons") > 0 {
            Some("未说明，见转诊原因")
        } else {
            None
        };
        if let Some(text) = elsewhere {
            not_stated("clinical.chief_complaint", text, canon);
        }
    }
}

fn read_request(
    kind: Kind,
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let tree = context.tree;
    if let Some(rf1) = tree.first("RF1").filter(|_| !is_shifted(tree)) {
        check_pending(rf1)?;
        read_dispositions(rf1, canon, notes);
        match kind.family() {
            Family::Consultation => read_coded(rf1.first(3), "kind", canon, notes),
            Family::Transfer => false,
            Family::Referral | Family::Slot | Family::Status | Family::Receipt => {
                read_coded(rf1.first(3), "purpose", canon, notes)
            }
        };
        if kind.family() == Family::Referral {
            read_category(rf1, tree, canon);
            read_begin(rf1, context, canon, notes);
            let until = try_time(rf1, 8, 1, notes).and_then(|moment| moment.end(context.zones));
            canon.put_some("valid_until", until.map(|at| at.to_string()));
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
    }
    read_order_reasons(kind, tree, canon, notes);
    if context.header.message_type == "REF" && tree.first("RF1").is_none() {
        notes.add("RF1", What::Mapping("is missing; read without priority and number"));
    }
    if let Some(pv1) = tree.first("PV1").filter(|_| kind.family() == Family::Transfer) {
        read_instant(pv1, 44, "stay.admitted_at", canon, context.zones, notes);
        read_instant(pv1, 45, "stay.discharged_at", canon, context.zones, notes);
        read_coded(pv1.first(36), "stay.disposition", canon, notes);
    }
    if kind.family() == Family::Consultation {
        read_consultation(tree, canon, notes);
        let (profile, directory) = (context.with.profile, context.with.directory);
        party::read_experts(tree, profile, directory, context.zones, canon, notes)?;
    }
    read_booking(kind, context, canon, notes)
}

/// OBR-31 of an order: why it is asked for.
fn read_order_reasons(kind: Kind, tree: &Tree, canon: &mut Canon, notes: &mut Notes) {
    let reps = tree.all("OBR").flat_map(|obr| obr.repetitions(31));
    for rep in reps {
        if kind.family() == Family::Consultation {
            let words = words_in(rep).or_else(|| rep.text(1).map(str::to_owned));
            let before = canon.take("reason");
            let all: Vec<String> = before.into_iter().chain(words).collect();
            canon.put_some("reason", joined(&all));
        } else {
            let path = format!("reasons.{}", canon.len("reasons"));
            read_coded(rep, &path, canon, notes);
        }
    }
}

/// RF1-1 of a request says that it waits for an answer (HL7 table 0283).
fn check_pending(rf1: Seg<'_>) -> Result<(), Fault> {
    match rf1.text(1, 1) {
        None | Some("P") => Ok(()),
        Some(_) => Err(Fault::Modifier {
            field: rf1.path(1),
            why: "is not P (pending), so it is no request; answer with RRI, or send P",
        }),
    }
}

/// RF1-7: from which day on the referral holds, where that is not the day on which it is sent.
fn read_begin(rf1: Seg<'_>, context: &Context<'_>, canon: &mut Canon, notes: &mut Notes) {
    let zones = context.zones;
    let Some(day) = try_time(rf1, 7, 1, notes).and_then(|moment| moment.day(zones)) else {
        return;
    };
    let sent = zones.sent.map(|sent| zones.place.to_datetime(sent).date());
    if sent != Some(day) {
        let nth = canon.len("clinical.notes");
        canon.put(&format!("clinical.notes.{nth}"), format!("转诊自{day}起有效"));
    }
}

/// RF1-4 (HL7 table 0282): what is asked for beside the treatment, in words for the receiver.
fn read_dispositions(rf1: Seg<'_>, canon: &mut Canon, notes: &mut Notes) {
    for rep in rf1.repetitions(4) {
        let words = match rep.peek(1) {
            Some("WR") => "请寄送书面报告",
            Some("RP") => "评估后请将患者转回",
            Some("AM") => "请接手后续诊疗",
            Some("SO") | None => continue,
            Some(_) => {
                notes.add(rep.own_path(), What::Mapping("is no disposition of HL7 table 0282"));
                continue;
            }
        };
        rep.text(1);
        canon.put(&format!("clinical.notes.{}", canon.len("clinical.notes")), words);
    }
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
    if kind.family() == Family::Referral {
        appointment::read_wanted(arq, "wanted", context.zones, canon, notes)?;
        read_coded(arq.first(6), "purpose", canon, notes);
        read_coded(arq.first(7), "reasons.0", canon, notes);
    }
    Ok(())
}

/// A booking request about a referral that exists: when, with whom and where.
fn read_time_asked_for(
    context: &Context<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let Some(arq) = context.tree.first("ARQ") else {
        return Err(Fault::Missing {
            field: "ARQ".to_owned(),
            why: "it is clear what is asked for",
        });
    };
    appointment::read_wanted(arq, "appointment", context.zones, canon, notes)?;
    appointment::read_resources(context.tree, canon, notes)?;
    appointment::read_asker(arq, canon);
    Ok(())
}

/// The remarks that nothing else has read.
fn remarks(tree: &Tree) -> Vec<String> {
    tree.all("NTE")
        .filter(|nte| nte.repetitions(3).any(|rep| !rep.is_read()))
        .filter_map(|nte| {
            take_any_set_id(nte);
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
        read_instant(segment, *field, path, canon, context.zones, notes);
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

/// A reason is no safety field, so one that we do not know becomes "other" in the sender's words.
fn read_reason(kind: Kind, context: &Context<'_>, canon: &mut Canon, notes: &mut Notes) {
    let Some(table) = reasons::table_of(kind) else {
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
    let by_words = words.and_then(|words| codes::by_name(table, words));
    if known.is_none() && by_words.is_some() && code.is_some() {
        let what = "holds a code that is not known; the words beside it counted";
        notes.add(place_of_reason(tree), What::Mapping(what));
    }
    let known = known.or(by_words);
    if let Some(row) = known {
        canon.put("reason.code", row.code.as_str());
        canon.put_some("reason.text", words);
        return;
    }
    notes.add(
        place_of_reason(tree),
        What::Mapping(
            "holds no reason that is known; read as another reason, in the sender's words",
        ),
    );
    let own: Vec<String> = [code, words].into_iter().flatten().map(str::to_owned).collect();
    canon.put("reason.code", reasons::other(table));
    canon.put_some("reason.text", joined(&own));
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
