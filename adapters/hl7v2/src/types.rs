//! HL7's compound types (CWE, XPN, XAD, XTN, XCN) to canonical parts and back.
//!
//! Each pair of functions says the same thing twice, once per direction. Writing takes from the
//! canonical body only what reading would find again; the rest is left for `local.rs`.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::time::{self, Moment, Precision, Zones};
use crate::tree::WHOLE;
use crate::write::Line;

/// Whether a text is in Latin letters. Chinese text in a code slot is words, not a code.
pub(crate) fn is_latin(text: &str) -> bool {
    text.is_ascii()
}

/// Coding systems whose HL7 name differs from ours.
const SYSTEMS: [(&str, &str); 4] =
    [("I10", "ICD-10"), ("I9C", "ICD-9-CM"), ("LN", "LOINC"), ("SCT", "SNOMED CT")];

fn our_system(theirs: &str) -> &str {
    SYSTEMS.iter().find(|(hl7, _)| *hl7 == theirs).map_or(theirs, |(_, ours)| ours)
}

fn their_system(ours: &str) -> &str {
    SYSTEMS.iter().find(|(_, known)| *known == ours).map_or(ours, |(hl7, _)| hl7)
}

/// Code systems of the country, by how their names begin. Of two codes for one concept theirs
/// counts first.
const NATIONAL: [&str; 7] = ["ICD-10", "ICD-9", "ICD10", "ICD9", "GB", "WS", "CV"];

fn is_national(system: Option<&str>) -> bool {
    system.map(our_system).is_some_and(|system| NATIONAL.iter().any(|it| system.starts_with(it)))
}

/// Reads `code^text^system^code^text^system` into `path`. Says whether there was anything.
pub(crate) fn read_coded(rep: Rep<'_>, path: &str, canon: &mut Canon, notes: &mut Notes) -> bool {
    let [first, second, third] = [1, 2, 3].map(|component| rep.text(component));
    let other = read_other(rep);
    let words_first = first.is_some_and(|first| !is_latin(first)) && second.is_none();
    let (code, text) = if words_first { (None, first) } else { (first, second) };
    // `^^汉族`: the words stand where the coding system belongs.
    let words_last = code.is_none() && text.is_none() && third.is_some() && other.is_none();
    if words_last {
        notes
            .add(rep.own_path(), What::Mapping("words in the coding system's place; read as text"));
        canon.put_some(&format!("{path}.text"), third);
        return true;
    }
    let own = code.map(|code| Coding { code, text, system: third });
    let [main, translation] = match (own, other) {
        (None, other) => [other, None],
        (Some(own), Some(other)) if is_national(other.system) && !is_national(own.system) => {
            [Some(other), Some(own)]
        }
        (own, other) => [own, other],
    };
    // What the doctor wrote stands before the words of a table.
    let words = rep.text(9).or(text).or(main.and_then(|main| main.text));
    let words = words.or_else(|| if main.is_none() { rep.text(5) } else { None });
    canon.put_some(&format!("{path}.code"), main.map(|main| main.code));
    canon.put_some(&format!("{path}.text"), words);
    canon.put_some(&format!("{path}.system"), main.and_then(|main| main.system).map(our_system));
    if let Some(Coding { code, text, system }) = translation {
        let place = |part: &str| format!("{path}.translations.0.{part}");
        canon.put(&place("code"), code);
        canon.put_some(&place("system"), system.map(our_system));
        canon.put_some(&place("text"), text);
    }
    main.is_some() || words.is_some()
}

/// One code of a concept.
#[derive(Clone, Copy)]
struct Coding<'t> {
    code: &'t str,
    text: Option<&'t str>,
    system: Option<&'t str>,
}

/// The alternate code (CWE.4 to CWE.6), but not what we write there ourselves.
fn read_other(rep: Rep<'_>) -> Option<Coding<'_>> {
    if rep.peek(6) == Some(crate::LOCAL_SYSTEM) {
        return None;
    }
    let code = rep.text(4)?;
    Some(Coding { code, text: rep.text(5), system: rep.text(6) })
}

/// Writes a coded field.
pub(crate) fn write_coded(
    line: &mut Line,
    field: u16,
    repetition: u16,
    canon: &mut Canon,
    path: &str,
) {
    let (code, text, system) =
        (format!("{path}.code"), format!("{path}.text"), format!("{path}.system"));
    let words_as_code = canon.text(&text).is_none();
    if let Some(words) = canon.text(&code).filter(|code| words_as_code && !is_latin(code)) {
        // Reading would take it for text, so it also travels on its own.
        line.put_at(field, repetition, 1, 1, words);
        return;
    }
    let has_code = canon.text(&code).is_some();
    for (component, path) in [(1, code), (2, text)] {
        if let Some(value) = canon.take(&path) {
            line.put_at(field, repetition, component, 1, value);
        }
    }
    if let Some(value) = canon.take(&system) {
        line.put_at(field, repetition, 3, 1, their_system(&value));
    }
    // Without a code before it, or before a national one, it would be read as the code.
    let other = |part: &str| format!("{path}.translations.0.{part}");
    let system = canon.text(&other("system")).map(str::to_owned);
    if has_code && !is_national(system.as_deref()) {
        for (component, part) in [(4, "code"), (5, "text")] {
            if let Some(value) = canon.take(&other(part)) {
                line.put_at(field, repetition, component, 1, value);
            }
        }
        if let Some(value) = canon.take(&other("system")) {
            line.put_at(field, repetition, 6, 1, their_system(&value));
        }
    }
}

/// The name in an XPN: Chinese names run together, others keep their blanks.
pub(crate) fn read_name(rep: Rep<'_>) -> Option<String> {
    let family = family_name(rep, 1);
    let parts = (2..=4).filter_map(|component| rep.text(component));
    join_name(&family.into_iter().chain(parts).collect::<Vec<_>>())
}

/// FN: `surname&own prefix&own surname…`, in Latin letters. In other scripts a raw delimiter in a
/// name is a part of it.
fn family_name(rep: Rep<'_>, component: u16) -> Option<&str> {
    let divided = rep.peek_sub(component, WHOLE).is_some_and(is_latin);
    if divided { rep.sub(component, 1) } else { rep.text(component) }
}

/// The name in an XCN, where the code comes first.
pub(crate) fn read_name_behind_code(rep: Rep<'_>) -> Option<String> {
    let family = family_name(rep, 2);
    let parts = (3..=4).filter_map(|component| rep.text(component));
    join_name(&family.into_iter().chain(parts).collect::<Vec<_>>())
}

fn join_name(parts: &[&str]) -> Option<String> {
    let between = if parts.iter().all(|part| is_latin(part)) { " " } else { "" };
    (!parts.is_empty()).then(|| parts.join(between))
}

/// A practitioner in an XCN: `code^family^given^…^prefix`.
pub(crate) fn read_practitioner(rep: Rep<'_>, path: &str, canon: &mut Canon) {
    canon.put_some(&format!("{path}.code"), rep.text(1));
    canon.put_some(&format!("{path}.name"), read_name_behind_code(rep));
    canon.put_some(&format!("{path}.title"), rep.text(6));
}

/// Writes a practitioner as an XCN.
pub(crate) fn write_practitioner(
    line: &mut Line,
    field: u16,
    repetition: u16,
    canon: &mut Canon,
    path: &str,
) {
    for (component, part) in [(1, "code"), (2, "name"), (6, "title")] {
        if let Some(value) = canon.take(&format!("{path}.{part}")) {
            line.put_at(field, repetition, component, 1, value);
        }
    }
}

/// Reads an XAD into `path`.
pub(crate) fn read_address(rep: Rep<'_>, path: &str, canon: &mut Canon) {
    let places = [(4, "province"), (3, "city"), (9, "county"), (8, "township"), (5, "postal_code")];
    let structured = places.iter().any(|(component, _)| rep.peek(*component).is_some());
    if !structured {
        canon.put_some(&format!("{path}.text"), rep.text(1));
        return;
    }
    for (component, part) in places {
        canon.put_some(&format!("{path}.{part}"), rep.text(component));
    }
    canon.put_some(&format!("{path}.street"), rep.text(1));
    canon.put_some(&format!("{path}.house"), rep.text(2));
}

/// Writes an XAD. The six levels go in where there are any, the text otherwise.
pub(crate) fn write_address(
    line: &mut Line,
    field: u16,
    repetition: u16,
    canon: &mut Canon,
    path: &str,
) {
    let places = [(4, "province"), (3, "city"), (9, "county"), (8, "township"), (5, "postal_code")];
    let structured = places.iter().any(|(_, part)| canon.text(&format!("{path}.{part}")).is_some());
    if !structured {
        let text = canon.take(&format!("{path}.text")).unwrap_or_default();
        line.put_at(field, repetition, 1, 1, text);
        return;
    }
    for (component, part) in places.into_iter().chain([(1, "street"), (2, "house")]) {
        let text = canon.take(&format!("{path}.{part}")).unwrap_or_default();
        line.put_at(field, repetition, component, 1, text);
    }
}

/// Reads a time that something depends on.
pub(crate) fn need_time(
    seg: Seg<'_>,
    field: u16,
    component: u16,
    notes: &mut Notes,
) -> Result<Option<Moment>, Fault> {
    let rep = seg.first(field);
    let Some(text) = rep.peek(component) else {
        return Ok(None);
    };
    let path = || {
        if component == 1 { seg.path(field) } else { rep.path(component) }
    };
    let moment = time::read(text).ok_or_else(|| Fault::NotATime { field: path() })?;
    rep.text(component);
    if !moment.standard {
        notes.add(path(), What::DateForm);
    }
    Ok(Some(moment))
}

/// Reads a time that nothing depends on. If it is none, it stays among the extras.
pub(crate) fn try_time(
    seg: Seg<'_>,
    field: u16,
    component: u16,
    notes: &mut Notes,
) -> Option<Moment> {
    match need_time(seg, field, component, notes) {
        Ok(moment) => moment,
        Err(_) => {
            notes.add(seg.path(field), What::DateUnreadable);
            None
        }
    }
}

/// Reads a time into `path` as an instant. A day is no instant: it stays where it is, for a remark.
pub(crate) fn read_instant(
    seg: Seg<'_>,
    field: u16,
    path: &str,
    canon: &mut Canon,
    zones: &Zones,
    notes: &mut Notes,
) {
    let written = seg.first(field).peek(1).and_then(time::read);
    if written.is_some_and(|moment| moment.precision < Precision::Time) {
        notes.add(seg.path(field), What::DayOnly);
        return;
    }
    let instant = try_time(seg, field, 1, notes).and_then(|moment| moment.timestamp(&zones.times));
    canon.put_some(path, instant.map(|at| at.to_string()));
}

/// Writes an instant. Finer fractions than HL7 has stay behind, to travel on their own.
pub(crate) fn write_instant(
    line: &mut Line,
    field: u16,
    component: u16,
    canon: &mut Canon,
    path: &str,
    zone: &TimeZone,
) {
    let Some(at) = canon.text(path).and_then(|text| text.parse::<jiff::Timestamp>().ok()) else {
        return;
    };
    line.put(field, component, time::write(at, zone));
    if at.subsec_nanosecond() % 100_000 == 0 {
        canon.take(path);
    }
}

/// Reads a day into `path`. A time of day that stands there too stays among the extras.
pub(crate) fn read_day(
    seg: Seg<'_>,
    field: u16,
    path: &str,
    canon: &mut Canon,
    zones: &Zones,
    notes: &mut Notes,
) {
    let Some(text) = seg.first(field).peek(1) else {
        return;
    };
    match time::read(text).map(|moment| (moment.day(zones), moment)) {
        Some((Some(day), moment)) => {
            canon.put(path, day.to_string());
            if moment.precision == Precision::Day {
                seg.text(field, 1);
            }
            note_day(seg.path(field), moment, day, notes);
        }
        Some((None, _)) | None => notes.add(seg.path(field), What::DateUnreadable),
    }
}

/// Notes how a day was read: in another form, or out of a time in another zone.
pub(crate) fn note_day(path: String, moment: Moment, day: Date, notes: &mut Notes) {
    if moment.date() != Some(day) {
        notes.add(path.clone(), What::DayMoved);
    }
    if !moment.standard {
        notes.add(path, What::DateForm);
    }
}

/// Writes a day.
pub(crate) fn write_day(line: &mut Line, field: u16, canon: &mut Canon, path: &str) {
    let day = canon.take(path).and_then(|text| text.parse::<jiff::civil::Date>().ok());
    line.put_some(field, 1, day.map(time::write_date));
}

/// The number in front of every repeated segment is not worth keeping when it only counts.
pub(crate) fn take_set_id(seg: Seg<'_>, nth: usize) {
    if seg.first(1).peek(1) == Some(nth.to_string().as_str()) {
        seg.text(1, 1);
    }
}

/// Sets are numbered anew in each group, so any small number only counts.
pub(crate) fn take_any_set_id(seg: Seg<'_>) {
    let counts = |id: &str| id.len() <= 4 && id.bytes().all(|b| b.is_ascii_digit());
    if seg.first(1).peek(1).is_some_and(counts) {
        seg.text(1, 1);
    }
}
