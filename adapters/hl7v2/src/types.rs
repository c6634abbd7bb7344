//! HL7's compound types (CWE, XPN, XAD, XTN, XCN) to canonical parts and back.
//!
//! Each pair of functions says the same thing twice, once per direction. Writing takes from the
//! canonical body only what reading would find again; the rest is left for `local.rs`.

use jiff::tz::TimeZone;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::time::{self, Moment, Precision};
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

/// Reads `code^text^system` into `path`. Says whether there was anything.
pub(crate) fn read_coded(rep: Rep<'_>, path: &str, canon: &mut Canon, notes: &mut Notes) -> bool {
    let (first, second, third) = (rep.text(1), rep.text(2), rep.text(3));
    let words_first = first.is_some_and(|first| !is_latin(first)) && second.is_none();
    let (code, text) = if words_first { (None, first) } else { (first, second) };
    // `^^汉族`: the words stand where the coding system belongs.
    let words_last = code.is_none() && text.is_none() && third.is_some();
    if words_last {
        notes
            .add(rep.own_path(), What::Mapping("words in the coding system's place; read as text"));
        canon.put_some(&format!("{path}.text"), third);
        return true;
    }
    canon.put_some(&format!("{path}.code"), code);
    canon.put_some(&format!("{path}.text"), text);
    canon.put_some(&format!("{path}.system"), third.map(our_system));
    code.is_some() || text.is_some()
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
    for (component, path) in [(1, code), (2, text)] {
        if let Some(value) = canon.take(&path) {
            line.put_at(field, repetition, component, 1, value);
        }
    }
    if let Some(value) = canon.take(&system) {
        line.put_at(field, repetition, 3, 1, their_system(&value));
    }
}

/// The name in an XPN: Chinese names run together, others keep their blanks.
pub(crate) fn read_name(rep: Rep<'_>) -> Option<String> {
    let parts: Vec<&str> = (1..=4).filter_map(|component| rep.text(component)).collect();
    join_name(&parts)
}

/// The name in an XCN, where the code comes first.
pub(crate) fn read_name_behind_code(rep: Rep<'_>) -> Option<String> {
    let parts: Vec<&str> = (2..=4).filter_map(|component| rep.text(component)).collect();
    join_name(&parts)
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

/// A telephone number in an XTN, wherever the version or the vendor puts it.
pub(crate) fn read_phone(rep: Rep<'_>) -> Option<String> {
    for component in [1, 12] {
        if let Some(number) = rep.text(component) {
            return Some(number.to_owned());
        }
    }
    let parts: Vec<&str> = [5, 6, 7].into_iter().filter_map(|part| rep.text(part)).collect();
    (!parts.is_empty()).then(|| parts.concat())
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
pub(crate) fn write_address(line: &mut Line, field: u16, canon: &mut Canon, path: &str) {
    let places = [(4, "province"), (3, "city"), (9, "county"), (8, "township"), (5, "postal_code")];
    let structured = places.iter().any(|(_, part)| canon.text(&format!("{path}.{part}")).is_some());
    if !structured {
        line.put_some(field, 1, canon.take(&format!("{path}.text")));
        return;
    }
    for (component, part) in places.into_iter().chain([(1, "street"), (2, "house")]) {
        line.put_some(field, component, canon.take(&format!("{path}.{part}")));
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

/// Reads a time into `path` as an instant.
pub(crate) fn read_instant(
    seg: Seg<'_>,
    field: u16,
    path: &str,
    canon: &mut Canon,
    zone: &TimeZone,
    notes: &mut Notes,
) {
    let instant = try_time(seg, field, 1, notes).and_then(|moment| moment.timestamp(zone));
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
pub(crate) fn read_day(seg: Seg<'_>, field: u16, path: &str, canon: &mut Canon, notes: &mut Notes) {
    let Some(text) = seg.first(field).peek(1) else {
        return;
    };
    match time::read(text).map(|moment| (moment.date(), moment)) {
        Some((Some(day), moment)) => {
            canon.put(path, day.to_string());
            if moment.precision == Precision::Day {
                seg.text(field, 1);
            }
            if !moment.standard {
                notes.add(seg.path(field), What::DateForm);
            }
        }
        Some((None, _)) | None => notes.add(seg.path(field), What::DateUnreadable),
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
