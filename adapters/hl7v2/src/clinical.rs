//! Converts DG1, AL1, PR1, OBX and NTE to the clinical part of a body, and back.
//!
//! What a body has no room for becomes a remark, or stays among the extras (`words.rs`). OBX are
//! read in `results.rs`.

use jiff::tz::TimeZone;
use tierlink_codec::Reading;
use tierlink_schemas::Kind;

use crate::attachments;
use crate::canon::Canon;
use crate::fault::Fault;
use crate::lists::Lists;
use crate::local;
use crate::notes::{Notes, What};
use crate::read::Seg;
use crate::results::{self, Words};
use crate::status;
use crate::time::Zones;
use crate::tree::Tree;
use crate::types::{
    read_coded, read_day, read_instant, take_any_set_id, take_set_id, write_coded, write_day,
    write_instant,
};
use crate::write::Line;

/// Reads every clinical segment that bodies of `kind` have room for. Gives back the words of the
/// report.
pub(crate) fn read(
    tree: &Tree,
    kind: Kind,
    with: &Reading<'_>,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<Words, Fault> {
    let lists = Lists::of(kind);
    let mut left_out = Vec::new();
    if let Some(list) = lists.diagnoses {
        for (nth, dg1) in (1..).zip(tree.all("DG1")) {
            if is_deleted(dg1, 21, &mut left_out, notes)? {
                continue;
            }
            read_diagnosis(dg1, nth, list, zones, canon, notes)?;
        }
    }
    if lists.clinical {
        for (nth, al1) in (1..).zip(tree.all("AL1")) {
            read_allergy(al1, nth, canon, notes);
        }
        for (nth, pr1) in (1..).zip(tree.all("PR1")) {
            if !is_deleted(pr1, 20, &mut left_out, notes)? {
                read_procedure(pr1, nth, zones, canon, notes);
            }
        }
        for nte in tree.all("NTE") {
            take_any_set_id(nte);
            if let Some(text) = nte.whole_field(3) {
                canon.put(&format!("clinical.notes.{}", canon.len("clinical.notes")), text);
            }
        }
    }
    let mut words = results::read(tree, kind, zones, canon, notes)?;
    words.left_out.splice(0..0, left_out);
    // Values that correct others come last, whatever their place in the message.
    for obx in tree.all("OBX") {
        if let Some(path) = local::path(obx).filter(|path| *path != local::KIND) {
            if obx.first(11).peek(1).is_some_and(|status| status != "F") {
                return Err(Fault::Modifier {
                    field: obx.path(11),
                    why: "is not F; a field of ours (99TL) is stated as a fact, or not at all",
                });
            }
            local::read(obx, path, with, canon)?;
        }
    }
    Ok(words)
}

/// Whether a segment says that it deletes what was sent before (HL7 table 0206). It is left out.
fn is_deleted(
    seg: Seg<'_>,
    field: u16,
    left_out: &mut Vec<String>,
    notes: &mut Notes,
) -> Result<bool, Fault> {
    match seg.text(field, 1) {
        None | Some("A" | "U" | "X") => Ok(false),
        Some("D") => {
            left_out.push(seg.label());
            status::leave_out(seg, field, notes);
            Ok(true)
        }
        Some(_) => Err(Fault::Modifier {
            field: seg.path(field),
            why: "is no action code of HL7 table 0206; send A, U, D or X",
        }),
    }
}

fn read_diagnosis(
    dg1: Seg<'_>,
    nth: usize,
    list: &str,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let path = format!("{list}.{}", canon.len(list));
    let what = format!("{path}.what");
    let mut any = read_coded(dg1.first(3), &what, canon, notes);
    let words = format!("{what}.text");
    let description = dg1.whole_field(4);
    match (canon.text(&words).map(str::to_owned), description) {
        (None, Some(text)) => {
            any = true;
            canon.put(&words, text);
        }
        (Some(name), Some(text)) if name != text => {
            if !read_marks(&text, &name, &path, canon) {
                canon.put(&format!("{path}.note"), text);
            }
        }
        (_, _) => {}
    }
    if !any {
        return Ok(());
    }
    take_set_id(dg1, nth);
    read_day(dg1, 5, &format!("{path}.on"), canon, zones, notes);
    if dg1.first(15).peek(1) == Some("1") {
        dg1.text(15, 1);
        canon.put(&format!("{path}.main"), true);
    }
    match dg1.text(6, 1) {
        // W is what senders write who do not say, because the field is required.
        None | Some(WORKING) => {}
        Some(FINAL) => canon.put(&format!("{path}.certainty"), "confirmed"),
        Some("A") => {
            let note = canon.take(&format!("{path}.note"));
            let note: Vec<String> = std::iter::once("入院诊断".to_owned()).chain(note).collect();
            canon.put(&format!("{path}.note"), note.join("；"));
        }
        Some(_) => {
            return Err(Fault::Modifier {
                field: dg1.path(6),
                why: "is no diagnosis type of HL7 table 0052; send A, W or F",
            });
        }
    }
    Ok(())
}

/// DG1-6: admitted to be unsure, or unsaid.
const WORKING: &str = "W";
/// DG1-6 of a diagnosis that is sure.
const FINAL: &str = "F";

/// How sure a diagnosis is and whether it still holds, as words before its name in DG1-4: HL7 v2
/// has no field for either.
const MARKS: [(&str, &str, &str); 9] = [
    ("certainty", "provisional", "疑似"),
    ("certainty", "differential", "鉴别诊断"),
    ("certainty", "unconfirmed", "未证实"),
    ("status", "active", "现患"),
    ("status", "recurrence", "复发"),
    ("status", "relapse", "再发"),
    ("status", "inactive", "静止"),
    ("status", "remission", "缓解"),
    ("status", "resolved", "痊愈"),
];

/// Reads `疑似、复发：name`, which is how marks are written. Anything else is words of the sender.
fn read_marks(text: &str, name: &str, path: &str, canon: &mut Canon) -> bool {
    let Some(marks) = text.strip_suffix(name).and_then(|rest| rest.strip_suffix('：')) else {
        return false;
    };
    let known: Option<Vec<_>> =
        marks.split('、').map(|mark| MARKS.iter().find(|(_, _, word)| *word == mark)).collect();
    for (field, value, _) in known.iter().flatten().copied() {
        canon.put(&format!("{path}.{field}"), *value);
    }
    known.is_some()
}

fn write_marks(dg1: &mut Line, canon: &mut Canon, path: &str) {
    let name = canon.text(&format!("{path}.what.text")).map(str::to_owned);
    let Some(name) = name else { return };
    let mut words = Vec::new();
    for (field, value, word) in MARKS {
        let place = format!("{path}.{field}");
        if canon.text(&place) == Some(value) {
            canon.take(&place);
            words.push(word);
        }
    }
    if !words.is_empty() {
        dg1.put(4, 1, format!("{}：{name}", words.join("、")));
    }
}

/// AL1-4 (HL7 table 0128) to how bad the reaction was.
const SEVERITIES: [(&str, &str); 3] = [("SV", "severe"), ("MO", "moderate"), ("MI", "mild")];

fn read_allergy(al1: Seg<'_>, nth: usize, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("clinical.allergies.{}", canon.len("clinical.allergies"));
    if !read_coded(al1.first(3), &format!("{path}.substance"), canon, notes) {
        return;
    }
    take_set_id(al1, nth);
    canon.put_some(&format!("{path}.reaction"), al1.whole_field(5));
    let Some(written) = al1.text(4, 1) else { return };
    match SEVERITIES.iter().find(|(code, _)| *code == written) {
        Some((_, severity)) => canon.put(&format!("{path}.severity"), *severity),
        None if written == "U" => {}
        None => {
            // A word of the sender's own is a word for the receiver.
            let words = al1.text(4, 2).unwrap_or(written);
            canon.put(&format!("{path}.note"), format!("程度：{words}"));
            notes.add(al1.path(4), What::Mapping("is not SV, MO, MI or U; carried as words"));
        }
    }
}

fn read_procedure(pr1: Seg<'_>, nth: usize, zones: &Zones, canon: &mut Canon, notes: &mut Notes) {
    let path = format!("clinical.procedures.{}", canon.len("clinical.procedures"));
    let what = format!("{path}.what");
    let mut any = read_coded(pr1.first(3), &what, canon, notes);
    let description = pr1.whole_field(4);
    match (canon.text(&format!("{what}.text")), description) {
        (None, Some(text)) => {
            any = true;
            canon.put(&format!("{what}.text"), text);
        }
        (Some(name), Some(text)) if name != text => canon.put(&format!("{path}.note"), text),
        (_, _) => {}
    }
    if !any {
        return;
    }
    take_set_id(pr1, nth);
    read_instant(pr1, 5, &format!("{path}.at"), canon, zones, notes);
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
        let path = format!("clinical.allergies.{index}");
        let mut al1 = Line::new("AL1");
        al1.put(1, 1, (index + 1).to_string());
        write_coded(&mut al1, 3, 1, canon, &format!("{path}.substance"));
        al1.put_some(5, 1, canon.take(&format!("{path}.reaction")));
        let severity = format!("{path}.severity");
        let code = SEVERITIES.iter().find(|(_, it)| canon.text(&severity) == Some(it));
        if let Some((code, _)) = code {
            al1.put(4, 1, *code);
            canon.take(&severity);
        }
        lines.push(al1);
    }
    for index in 0..canon.len("clinical.procedures") {
        let mut pr1 = Line::new("PR1");
        pr1.put(1, 1, (index + 1).to_string());
        write_coded(&mut pr1, 3, 1, canon, &format!("clinical.procedures.{index}.what"));
        let at = format!("clinical.procedures.{index}.at");
        write_instant(&mut pr1, 5, 1, canon, &at, zone);
        lines.push(pr1);
    }
    lines
}

fn write_diagnoses(canon: &mut Canon, list: &str) -> Vec<Line> {
    (0..canon.len(list))
        .map(|index| {
            let path = format!("{list}.{index}");
            let mut dg1 = Line::new("DG1");
            dg1.put(1, 1, (index + 1).to_string());
            let certainty = format!("{path}.certainty");
            let is_sure = canon.text(&certainty) == Some("confirmed");
            if is_sure {
                canon.take(&certainty);
            }
            dg1.put(6, 1, if is_sure { FINAL } else { WORKING });
            write_marks(&mut dg1, canon, &path);
            write_coded(&mut dg1, 3, 1, canon, &format!("{path}.what"));
            write_day(&mut dg1, 5, canon, &format!("{path}.on"));
            if canon.take_bool(&format!("{path}.main")) == Some(true) {
                dg1.put(15, 1, "1");
            }
            dg1
        })
        .collect()
}

/// Writes results and attachments as OBX.
pub(crate) fn write_results(canon: &mut Canon, kind: Kind, zone: &TimeZone) -> Vec<Line> {
    let mut lines = results::write(canon, kind, zone);
    if Lists::of(kind).attachments {
        lines.extend(attachments::write(canon));
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
