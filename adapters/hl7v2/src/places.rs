//! Where a sender writes what a canonical path names.
//!
//! The checks behind all formats speak of `body.patient.name`. Whoever sends HL7 v2 knows that
//! field as PID-5, so answers name it so.

/// The beginning of a canonical path and its field. The longest beginning counts. `#` is the number
/// of the segment: the first item of a list is in the first one.
const PLACES: [(&str, &str); 66] = [
    ("patient", "PID"),
    ("patient.identity", "PID-5"),
    ("patient.name", "PID-5"),
    ("patient.other_names", "PID-5"),
    ("patient.sex", "PID-8"),
    ("patient.birth_date", "PID-7"),
    ("patient.document", "PID-3"),
    ("patient.identifiers", "PID-3"),
    ("patient.address", "PID-11"),
    ("patient.phone", "PID-13"),
    ("patient.telecoms", "PID-13"),
    ("patient.marital_status", "PID-16"),
    ("patient.ethnicity", "PID-22"),
    ("patient.nationality", "PID-28"),
    ("patient.contact", "NK1"),
    ("patient.contact.name", "NK1-2"),
    ("patient.contact.relation", "NK1-3"),
    ("patient.contact.address", "NK1-4"),
    ("patient.contact.phone", "NK1-5"),
    ("patient.insurance", "IN1"),
    ("from", "PRD"),
    ("from.organisation", "PRD-10"),
    ("from.practitioner", "PRD-2"),
    ("from.practitioner.phone", "PRD-5"),
    ("from.phone", "PRD-5"),
    ("from.department", "PRD-4"),
    ("from.encounter", "PV1-19"),
    ("to", "PRD"),
    ("to.organisation", "PRD-10"),
    ("to.department", "PRD-4"),
    ("experts", "PRD"),
    ("reasons", "RF1-10"),
    ("reason_text", "RF1-10"),
    ("reason", "RF1-10"),
    ("purpose", "RF1-3"),
    ("valid_until", "RF1-8"),
    ("parent_referral", "RF1-11"),
    ("no_referral_reason", "RF1-11"),
    ("stay.admitted_at", "PV1-44"),
    ("stay.discharged_at", "PV1-45"),
    ("stay.disposition", "PV1-36"),
    ("clinical", "OBX-5"),
    ("clinical.notes", "NTE-3"),
    ("clinical.diagnoses", "DG1#-3"),
    ("clinical.allergies", "AL1#-3"),
    ("clinical.procedures", "PR1#-3"),
    ("diagnoses", "DG1#-3"),
    ("observations", "OBX-5"),
    ("attachments", "OBX-5"),
    ("reading", "OBR-4"),
    ("wanted", "ARQ-11"),
    ("appointment.start", "SCH-11"),
    ("appointment.end", "SCH-11"),
    ("appointment.number", "SCH-2"),
    ("appointment.practitioner", "AIP-3"),
    ("appointment.experts", "AIP-3"),
    ("appointment.place", "AIL-3"),
    ("appointment.bed", "AIL-3"),
    ("appointment.instructions", "NTE-3"),
    ("writer", "OBR-32"),
    ("conclusion", "OBX-5"),
    ("findings", "OBX-5"),
    ("summary", "OBX-5"),
    ("opinion", "NTE-3"),
    ("note", "NTE-3"),
    ("text", "OBX-5"),
];

/// Parts of the envelope, by the beginning of their paths.
const ENVELOPE: [(&str, &str); 5] = [
    ("source.message_id", "MSH-10"),
    ("source.system", "MSH-3"),
    ("source.organisation", "MSH-4"),
    ("occurred_at", "MSH-7"),
    ("destinations", "PRD-10"),
];

/// Fields that message types keep in places of their own.
const BY_TYPE: [(&str, &str, &str); 17] = [
    ("SRM", "appointment.number", "ARQ-2"),
    ("SRM", "appointment", "ARQ-11"),
    ("SRM", "by", "ARQ-15"),
    ("SIU", "reason", "SCH-6"),
    ("SRM", "reason", "ARQ-6"),
    ("SRM", "reasons", "ARQ-7"),
    ("SRM", "reason_text", "ARQ-7"),
    ("OSU", "reason", "ORC-16"),
    ("OMG", "reason", "ORC-16"),
    ("OMG", "reasons", "OBR-31"),
    ("OMG", "reason_text", "OBR-31"),
    ("OMG", "purpose", "OBR-31"),
    ("SRM", "priority", "ARQ-12"),
    ("OMG", "priority", "TQ1-9"),
    ("", "priority", "RF1-2"),
    ("ADT", "at", "PV1-44"),
    ("ADT", "encounter", "PV1-19"),
];

/// The field in which a message of this type states what `path` names. Nothing where HL7 v2 has no
/// field for it.
pub(crate) fn of(path: &str, message_type: &str) -> Option<String> {
    if let Some((_, place)) = ENVELOPE.iter().find(|(start, _)| begins(path, start)) {
        return Some((*place).to_owned());
    }
    if begins(path, "case") {
        return Some(of_number(message_type).to_owned());
    }
    let inside = ["body.", "subject.", "context."].iter().find_map(|part| path.strip_prefix(part));
    let inside = match (inside, path.starts_with("subject.")) {
        (Some(inside), true) => format!("patient.{inside}"),
        (Some(inside), false) => inside.to_owned(),
        (None, _) => path.to_owned(),
    };
    let mut own = BY_TYPE.iter().filter(|(kind, _, _)| kind.is_empty() || *kind == message_type);
    if let Some((_, _, place)) = own.find(|(_, start, _)| begins(&inside, start)) {
        return Some((*place).to_owned());
    }
    let (start, place) = PLACES
        .iter()
        .filter(|(start, _)| begins(&inside, start))
        .max_by_key(|(start, _)| start.len())?;
    let nth = index(&inside[start.len()..]).unwrap_or(0) + 1;
    let nth = if nth > 1 { format!("[{nth}]") } else { String::new() };
    Some(place.replace('#', &nth))
}

/// Where a message of this type states which case it is about.
pub(crate) fn of_number(message_type: &str) -> &'static str {
    match message_type {
        "REF" | "RRI" => "RF1-6",
        "SIU" | "SRR" => "SCH-26",
        "SRM" => "ARQ-1",
        "ADT" => "PV1-5",
        "MDM" => "TXA-14",
        _ => "ORC-2",
    }
}

fn begins(path: &str, start: &str) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

/// `[3].what` as 3.
fn index(rest: &str) -> Option<usize> {
    rest.strip_prefix('[')?.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_path_becomes_the_senders_field() {
        let of = |path, kind| of(path, kind).unwrap_or_default();

        assert_eq!(of("body.patient.name", "REF"), "PID-5");
        assert_eq!(of("subject.document.number", "RRI"), "PID-3");
        assert_eq!(of("body.clinical.diagnoses[2].what", "REF"), "DG1[3]-3");
        assert_eq!(of("body.clinical.diagnoses[0].what", "REF"), "DG1-3");
        assert_eq!(of("body.reason.text", "RRI"), "RF1-10");
        assert_eq!(of("body.reason.text", "SIU"), "SCH-6");
        assert_eq!(of("body.reasons", "OMG"), "OBR-31");
        assert_eq!(of("priority", "OMG"), "TQ1-9");
        assert_eq!(of("case.number", "ADT"), "PV1-5");
        assert_eq!(of("body.consent", "REF"), "");
    }
}
