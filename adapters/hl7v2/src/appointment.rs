//! SCH, TQ1 and the resources AIL, AIP and AIG to an appointment.
//!
//! A patient comes at the time that is read here, so it is read for certain: a date is no midnight,
//! and times that differ refuse the message with both places named. SCH-25 says whether there is an
//! appointment at all.

use jiff::{SignedDuration, Timestamp};

use crate::canon::Canon;
use crate::fault::Fault;
use crate::notes::{Notes, What};
use crate::read::Seg;
use crate::time::{Moment, Precision, Zones};
use crate::tree::Tree;
use crate::types::{is_latin, need_time, read_practitioner};

/// Where the start of an appointment stands: from version 2.5 on, and before.
const STARTS: [(&str, u16, u16); 2] = [("TQ1", 7, 1), ("SCH", 11, 4)];

/// Where its end stands.
const ENDS: [(&str, u16, u16); 2] = [("TQ1", 8, 1), ("SCH", 11, 5)];

/// Where resources say when they are needed.
const RESOURCES: [(&str, u16); 4] = [("AIS", 4), ("AIL", 6), ("AIP", 6), ("AIG", 8)];

/// Reads the appointment that a SIU or SRR gives, with the remarks beside it.
pub(crate) fn read(
    tree: &Tree,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let sch = tree.first("SCH").ok_or_else(|| Fault::Missing {
        field: "SCH".to_owned(),
        why: "it is clear what was booked",
    })?;
    check_status(sch, notes)?;
    let stated = one_time(tree, &STARTS, zones, notes)?;
    let end = one_time(tree, &ENDS, zones, notes)?;
    let start = resources(tree, stated, end, zones, notes)?.ok_or_else(|| Fault::Missing {
        field: "SCH-11".to_owned(),
        why: "the patient knows when to come; send SCH-11.4, or TQ1-7 from version 2.5 on",
    })?;
    if end.is_some_and(|end| end < start) {
        return Err(Fault::Invalid {
            field: "SCH-11".to_owned(),
            why: "the appointment ends before it begins",
        });
    }
    let end = end_by_duration(sch, start, end, notes);
    canon.put("appointment.start", start.to_string());
    canon.put_some("appointment.end", end.map(|end| end.to_string()));
    canon.put_some("appointment.number", sch.text(2, 1));
    read_resources(tree, canon, notes)
}

/// The doctor, the place and the queue number.
pub(crate) fn read_resources(
    tree: &Tree,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    read_people(tree, canon, notes)?;
    read_places(tree, canon, notes)
}

/// SCH-25 of an appointment that does not take place (HL7 table 0278).
fn says_called_off(status: &str) -> bool {
    matches!(status.to_ascii_lowercase().as_str(), "cancelled" | "canceled" | "dc" | "deleted")
}

/// Whether SCH-25 says that the appointment is off, whatever the event.
pub(crate) fn is_called_off(tree: &Tree) -> bool {
    tree.first("SCH").and_then(|sch| sch.first(25).peek(1)).is_some_and(says_called_off)
}

/// Reads which appointment a SIU, SRR or SRM cancels: its number and time at the side that gave it.
pub(crate) fn read_cancelled(
    tree: &Tree,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    if let Some(arq) = tree.first("ARQ") {
        // An origin's own number is that of its request; the appointment has the other side's.
        canon.put_some("appointment.number", arq.text(2, 1));
        read_wanted(arq, "appointment", zones, canon, notes)?;
        read_asker(arq, canon);
        return Ok(());
    }
    let sch = tree.first("SCH").ok_or_else(|| Fault::Missing {
        field: "SCH".to_owned(),
        why: "it is clear which appointment is cancelled",
    })?;
    match sch.text(25, 1) {
        Some(status) if !says_called_off(status) && is_latin(status) => {
            return Err(Fault::Modifier {
                field: sch.path(25),
                why: "contradicts the event, which says that the appointment is cancelled",
            });
        }
        Some(status) if !says_called_off(status) => {
            notes
                .add(sch.path(25), What::Mapping("is a word of the sender's own; it was not used"));
        }
        Some(_) | None => {}
    }
    let start = one_time(tree, &STARTS, zones, notes)?;
    let end = one_time(tree, &ENDS, zones, notes)?;
    canon.put_some("appointment.start", start.map(|at| at.to_string()));
    canon.put_some("appointment.end", end.map(|at| at.to_string()));
    canon.put_some("appointment.number", sch.text(2, 1));
    Ok(())
}

/// ARQ-15 and ARQ-19: who asks, and who entered it.
pub(crate) fn read_asker(arq: Seg<'_>, canon: &mut Canon) {
    let (asks, entered) = (arq.first(15), arq.first(19));
    let same = (1..=6).all(|part| asks.peek(part) == entered.peek(part));
    read_practitioner(asks, "by", canon);
    if canon.get("by").is_none() {
        read_practitioner(entered, "by", canon);
    } else if same {
        entered.whole();
    }
}

/// SCH-25 (HL7 table 0278): only what stands is an appointment.
fn check_status(sch: Seg<'_>, notes: &mut Notes) -> Result<(), Fault> {
    let Some(status) = sch.text(25, 1) else { return Ok(()) };
    match status.to_ascii_lowercase().as_str() {
        "booked" | "overbook" | "started" => {}
        "cancelled" | "canceled" | "dc" | "deleted" | "pending" | "waitlist" | "blocked"
        | "noshow" | "complete" => {
            return Err(Fault::Modifier {
                field: sch.path(25),
                why: "is no appointment that the patient can come to; send Booked when there is \
                      one, and SIU^S26 for a no-show",
            });
        }
        _ if !is_latin(status) => {
            notes
                .add(sch.path(25), What::Mapping("is a word of the sender's own; it was not used"));
        }
        _ => {
            return Err(Fault::Modifier {
                field: sch.path(25),
                why: "is no status of HL7 table 0278; send Booked for an appointment that stands",
            });
        }
    }
    Ok(())
}

/// A time of day. A date alone is refused.
fn time_of_day(
    seg: Seg<'_>,
    field: u16,
    component: u16,
    zones: &Zones,
    notes: &mut Notes,
) -> Result<Option<(String, Timestamp)>, Fault> {
    let Some(moment) = need_time(seg, field, component, notes)? else { return Ok(None) };
    let path = if component == 1 { seg.path(field) } else { seg.first(field).path(component) };
    if moment.precision < Precision::Time {
        return Err(Fault::Invalid {
            field: path,
            why: "an appointment needs a time of day, and a date alone is no midnight; send \
                  YYYYMMDDHHMM",
        });
    }
    Ok(moment.timestamp(&zones.times).map(|at| (path, at)))
}

/// The one time that several places state.
fn one_time(
    tree: &Tree,
    places: &[(&str, u16, u16)],
    zones: &Zones,
    notes: &mut Notes,
) -> Result<Option<Timestamp>, Fault> {
    let mut known: Option<(String, Timestamp)> = None;
    for (name, field, component) in places {
        for segment in tree.all(name) {
            if segment.repetitions(*field).count() > 1 {
                return Err(Fault::Contradiction { field: format!("{}[2]", segment.path(*field)) });
            }
            let Some((path, at)) = time_of_day(segment, *field, *component, zones, notes)? else {
                continue;
            };
            match &known {
                Some((first, known)) if *known != at => {
                    return Err(Fault::Contradiction { field: format!("{first} and {path}") });
                }
                Some(_) => {}
                None => known = Some((path, at)),
            }
        }
    }
    Ok(known.map(|(_, at)| at))
}

/// The start, from the resources where nothing else states it. A resource may be needed later than
/// the appointment begins, but not outside it.
fn resources(
    tree: &Tree,
    stated: Option<Timestamp>,
    end: Option<Timestamp>,
    zones: &Zones,
    notes: &mut Notes,
) -> Result<Option<Timestamp>, Fault> {
    let mut start = stated;
    for (name, field) in RESOURCES {
        for segment in tree.all(name).filter(|segment| !is_removed(*segment)) {
            let Some((path, at)) = time_of_day(segment, field, 1, zones, notes)? else {
                continue;
            };
            match start {
                None => start = Some(at),
                Some(start) => {
                    let within = end.is_some_and(|end| start <= at && at < end);
                    if at != start && !within {
                        let field = format!("SCH-11 and {path}");
                        return Err(Fault::Contradiction { field });
                    }
                }
            }
        }
    }
    Ok(start)
}

/// A resource that is taken away again (HL7 table 0206).
fn is_removed(resource: Seg<'_>) -> bool {
    resource.first(2).peek(1) == Some("D")
}

/// SCH-9 and SCH-10 say how long it lasts, where no end is stated.
fn end_by_duration(
    sch: Seg<'_>,
    start: Timestamp,
    end: Option<Timestamp>,
    notes: &mut Notes,
) -> Option<Timestamp> {
    let number = sch.first(9).peek(1).and_then(|text| text.parse::<i64>().ok());
    let unit = sch.first(10).peek(1).map(str::to_ascii_lowercase);
    let minutes = match (number, unit.as_deref()) {
        (Some(number), None | Some("min" | "m" | "minutes" | "分钟" | "分")) => Some(number),
        (Some(number), Some("h" | "hr" | "hours" | "小时")) => number.checked_mul(60),
        (Some(number), Some("s" | "sec" | "seconds")) => Some(number / 60),
        (Some(_), Some(_)) | (None, _) => None,
    };
    let computed = minutes
        .filter(|minutes| (1..=24 * 60).contains(minutes))
        .and_then(|minutes| start.checked_add(SignedDuration::from_mins(minutes)).ok());
    let agrees = end.is_none() || end == computed;
    if computed.is_some() && agrees {
        sch.text(9, 1);
        sch.text(10, 1);
        return computed;
    }
    if sch.has(9) {
        notes.add(sch.path(9), What::Mapping("is not the time until the end; the end counts"));
    }
    end
}

/// The doctor to see, and everybody else who takes part.
fn read_people(tree: &Tree, canon: &mut Canon, notes: &mut Notes) -> Result<(), Fault> {
    for aip in tree.all("AIP") {
        if is_left_out(aip, notes)? {
            continue;
        }
        let path = if canon.get("appointment.practitioner").is_none() {
            "appointment.practitioner".to_owned()
        } else {
            let others = "appointment.other_practitioners";
            format!("{others}.{}", canon.len(others))
        };
        read_practitioner(aip.first(3), &path, canon);
    }
    Ok(())
}

fn is_left_out(resource: Seg<'_>, notes: &mut Notes) -> Result<bool, Fault> {
    crate::types::take_any_set_id(resource);
    match resource.text(2, 1) {
        None | Some("A" | "U" | "X") => Ok(false),
        Some("D") => {
            crate::status::leave_out(resource, 2, notes);
            Ok(true)
        }
        Some(_) => Err(Fault::Modifier {
            field: resource.path(2),
            why: "is no action code of HL7 table 0206; send A, U, D or X",
        }),
    }
}

fn read_places(tree: &Tree, canon: &mut Canon, notes: &mut Notes) -> Result<(), Fault> {
    for ail in tree.all("AIL") {
        if is_left_out(ail, notes)? || canon.get("appointment.place").is_some() {
            continue;
        }
        canon.put_some("appointment.bed", ail.text(3, 3));
        let place = ail.text(3, 9).map(str::to_owned).or_else(|| ail.whole(3));
        canon.put_some("appointment.place", place);
    }
    for aig in tree.all("AIG") {
        if is_left_out(aig, notes)? {
            continue;
        }
        // A general resource that is a number is the place in the queue (号序).
        let resource = aig.first(3);
        let words = resource.peek(2).or_else(|| resource.peek(1));
        let Some(words) = words.filter(|words| words.contains('号')) else { continue };
        if canon.get("appointment.queue_number").is_none() {
            canon.put("appointment.queue_number", words);
            resource.text(2).or_else(|| resource.text(1));
        }
    }
    Ok(())
}

/// Reads when the patient could come (ARQ-11) into `path`. A day alone is the whole day.
pub(crate) fn read_wanted(
    arq: Seg<'_>,
    path: &str,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let first = need_time(arq, 11, 1, notes)?;
    let last = need_time(arq, 11, 2, notes)?;
    let is_day = |moment: Option<Moment>| moment.is_some_and(|it| it.precision == Precision::Day);
    let last = if is_day(first) && last.is_none() { first } else { last };
    let zone = if is_day(first) { &zones.place } else { &zones.times };
    let start = first.and_then(|it| it.timestamp(zone)).map(|at| at.to_string());
    let end = last.and_then(|it| it.end(zones)).map(|at| at.to_string());
    canon.put_some(&format!("{path}.start"), start);
    canon.put_some(&format!("{path}.end"), end);
    Ok(())
}
