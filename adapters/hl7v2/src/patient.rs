//! PID, NK1 and IN1 to the canonical patient and back.
//!
//! Who the patient is is a safety field. A number that claims to be an identity number and cannot
//! be one refuses the message, and so do a birth date that is none and a code for the sex that
//! nobody explained: `1` is male in the national table and female in some systems.

use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_codec::{CodeMaps, Profile};
use tierlink_schemas::identity::{IdentityNumber, Tolerance};

use crate::canon::Canon;
use crate::fault::Fault;
use crate::header::Version;
use crate::notes::{Notes, What};
use crate::person_names as names;
use crate::read::{Rep, Seg};
use crate::telecoms;
use crate::time::Zones;
use crate::tree::Tree;
use crate::types::{
    need_time, note_day, read_address, read_coded, read_day, read_name, take_set_id, write_address,
    write_coded, write_day,
};
use crate::write::Line;

/// The resident identity card in CV02.01.101.
pub(crate) const IDENTITY_CARD: &str = "01";

/// PID-3.5 to kinds of identity document. The first name of a kind is the one that we write.
const DOCUMENTS: [(&str, &str); 14] = [
    ("NI", "01"),
    ("NNCHN", "01"),
    ("IDCARD", "01"),
    ("身份证", "01"),
    ("居民身份证", "01"),
    ("HRB", "02"),
    ("户口簿", "02"),
    ("PPN", "03"),
    ("护照", "03"),
    ("MI", "04"),
    ("DL", "05"),
    ("HKM", "06"),
    ("TWN", "07"),
    ("OID", "99"),
];

/// PID-3.5 to kinds of identifier. The first name of a kind is the one that we write.
const IDENTIFIERS: [(&str, &str); 17] = [
    ("PI", "patient_number"),
    ("PT", "patient_number"),
    ("OPN", "outpatient_number"),
    ("门诊号", "outpatient_number"),
    ("IPN", "inpatient_number"),
    ("住院号", "inpatient_number"),
    ("MR", "record_number"),
    ("病案号", "record_number"),
    ("HC", "health_card"),
    ("电子健康卡", "health_card"),
    ("健康卡号", "health_card"),
    ("MB", "insurance_number"),
    ("SB", "insurance_number"),
    ("医保号", "insurance_number"),
    ("医保卡号", "insurance_number"),
    ("MPI", "master_index"),
    ("EMPI", "master_index"),
];

/// PID-3.5 of a number whose kind nobody told us (HL7 table 0203).
const UNSPECIFIED: &str = "U";

const SEXES: [(&str, &str); 10] = [
    ("M", "male"),
    ("F", "female"),
    ("U", "unknown"),
    ("O", "unspecified"),
    ("N", "unspecified"),
    ("男", "male"),
    ("女", "female"),
    ("未知", "unknown"),
    ("不详", "unknown"),
    ("未说明", "unspecified"),
];

/// Reads the patient into `patient`.
pub(crate) fn read(
    tree: &Tree,
    profile: &Profile,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let mut all = tree.all("PID");
    let pid = all.next().ok_or_else(|| Fault::Missing {
        field: "PID".to_owned(),
        why: "the receiver knows who the patient is",
    })?;
    if all.next().is_some() {
        return Err(Fault::Contradiction { field: "PID".to_owned() });
    }
    take_set_id(pid, 1);
    read_numbers(pid, profile, canon, notes)?;
    names::read(pid, profile, zones, canon, notes);
    let birth = need_time(pid, 7, 1, notes)?;
    match birth.map(|moment| (moment, moment.day(zones))) {
        Some((moment, Some(day))) => {
            note_day(pid.path(7), moment, day, notes);
            canon.put("patient.birth_date", day.to_string());
        }
        Some((_, None)) => {
            notes.add("PID-7", What::Mapping("gives no day; no birth date was taken from it"));
        }
        None => {}
    }
    read_sex(pid, profile, canon)?;
    telecoms::read_addresses(pid, 11, "patient.address", "patient.other_addresses", canon, notes);
    telecoms::read(pid, &[13, 14], "patient.phone", "patient.telecoms", zones, canon);
    read_coded(pid.first(16), "patient.marital_status", canon, notes);
    read_coded(pid.first(22), "patient.ethnicity", canon, notes);
    let nationality = if pid.has(28) { 28 } else { 26 };
    read_coded(pid.first(nationality), "patient.nationality", canon, notes);
    read_death(pid, zones, canon, notes)?;
    read_contacts(tree, zones, canon, notes);
    read_insurance(tree, canon, notes);
    if canon.text("patient.name").is_none() && canon.text("patient.identity").is_none() {
        return Err(Fault::Missing {
            field: "PID-5".to_owned(),
            why: "the receiver knows who the patient is; send 无名氏 for an unknown patient",
        });
    }
    Ok(())
}

/// PID-29 to PID-31: whether the patient has died, and whether anybody knows who it is.
fn read_death(
    pid: Seg<'_>,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let yes_or_no = |field: u16| match pid.text(field, 1) {
        Some("Y") => Ok(true),
        Some("N") | None => Ok(false),
        Some(_) => Err(Fault::Modifier {
            field: pid.path(field),
            why: "is neither Y nor N; send one of them, or nothing",
        }),
    };
    if pid.has(29) {
        read_day(pid, 29, "patient.deceased_on", canon, zones, notes);
    }
    if yes_or_no(30)? || canon.text("patient.deceased_on").is_some() {
        canon.put("patient.deceased", true);
    }
    if yes_or_no(31)? && canon.text("patient.identity").is_none() {
        canon.put("patient.identity", "unknown");
    }
    Ok(())
}

fn read_numbers(
    pid: Seg<'_>,
    profile: &Profile,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    for rep in pid.repetitions(3) {
        read_number(rep, canon, notes, false)?;
    }
    if canon.len("patient.identifiers") == 0 && pid.has(2) {
        notes.add("PID-2", What::Mapping("holds the patient's number, which belongs in PID-3"));
        read_number(pid.first(2), canon, notes, false)?;
    }
    if let Some(text) = pid.first(19).peek(1) {
        let number = IdentityNumber::read(text);
        if !profile.quirks.identity_in_pid19 && number.is_err() {
            let what = "is no possible identity number; kept as another number of the patient";
            notes.add("PID-19", What::Mapping(what));
            pid.text(19, 1);
            put_other_number(canon, text, "PID-19");
        } else {
            if !profile.quirks.identity_in_pid19 {
                notes.add("PID-19", What::Mapping("holds an identity number; read as such"));
            }
            pid.text(19, 1);
            put_document(canon, IDENTITY_CARD, text, "PID-19", notes, false)?;
        }
    }
    let mother = pid.first(21);
    if mother.peek(5).is_some_and(|kind| document_kind(kind).is_some()) {
        read_number(mother, canon, notes, true)?;
    }
    Ok(())
}

pub(crate) fn document_kind(written: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)).map(|(_, kind)| *kind)
}

/// A number of which nobody knows what it is.
fn put_other_number(canon: &mut Canon, value: &str, label: &str) {
    let path = format!("patient.identifiers.{}", canon.len("patient.identifiers"));
    canon.put(&format!("{path}.kind"), "other");
    canon.put(&format!("{path}.value"), value);
    canon.put(&format!("{path}.label"), label);
}

/// One CX. Documents that prove who somebody is are told from numbers that only count.
pub(crate) fn read_number(
    rep: Rep<'_>,
    canon: &mut Canon,
    notes: &mut Notes,
    of_mother: bool,
) -> Result<(), Fault> {
    let Some(value) = rep.text(1) else {
        return Ok(());
    };
    let written = rep.peek(5);
    if let Some(kind) = written.and_then(document_kind) {
        rep.text(5);
        return put_document(canon, kind, value, &rep.own_path(), notes, of_mother);
    }
    let path = format!("patient.identifiers.{}", canon.len("patient.identifiers"));
    let known = written
        .map(|written| IDENTIFIERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)));
    canon.put(&format!("{path}.value"), value);
    match known {
        None => canon.put(&format!("{path}.kind"), "patient_number"),
        Some(Some((_, kind))) => canon.put(&format!("{path}.kind"), *kind),
        Some(None) => {
            canon.put(&format!("{path}.kind"), "other");
            canon.put_some(&format!("{path}.label"), written.filter(|w| *w != UNSPECIFIED));
        }
    }
    rep.text(5);
    canon.put_some(&format!("{path}.assigner"), rep.sub(4, 1));
    Ok(())
}

pub(crate) fn put_document(
    canon: &mut Canon,
    kind: &str,
    text: &str,
    field: &str,
    notes: &mut Notes,
    of_mother: bool,
) -> Result<(), Fault> {
    let number = if kind == IDENTITY_CARD {
        let (number, tolerances) = IdentityNumber::read(text).map_err(|_| Fault::Invalid {
            field: field.to_owned(),
            why: "an identity number has 18 characters, a birth date in it and a check character",
        })?;
        for tolerance in tolerances {
            notes.add(field, What::Mapping(tolerated(tolerance)));
        }
        number.as_str().to_owned()
    } else {
        text.to_owned()
    };
    if let Some(stated) = canon.text("patient.document.number") {
        let same = stated == number && canon.text("patient.document.kind") == Some(kind);
        // Somebody may well send a passport beside a card; only one of a kind can be true.
        if same {
            return Ok(());
        }
        if canon.text("patient.document.kind") == Some(kind) {
            return Err(Fault::Contradiction { field: field.to_owned() });
        }
        let path = format!("patient.identifiers.{}", canon.len("patient.identifiers"));
        canon.put(&format!("{path}.kind"), "other");
        canon.put(&format!("{path}.value"), number);
        canon.put(&format!("{path}.label"), format!("CV02.01.101 {kind}"));
        return Ok(());
    }
    canon.put("patient.document.kind", kind);
    canon.put("patient.document.number", number);
    if of_mother {
        canon.put("patient.document.of_mother", true);
        canon.put("patient.identity", "newborn");
    }
    Ok(())
}

fn tolerated(tolerance: Tolerance) -> &'static str {
    match tolerance {
        Tolerance::Upgraded => "an identity number of 15 digits; extended to 18",
        Tolerance::LowerCase => "an identity number with a small x; read as X",
        _ => "an identity number with blanks or wide characters; read without",
    }
}

fn read_sex(pid: Seg<'_>, profile: &Profile, canon: &mut Canon) -> Result<(), Fault> {
    let Some(written) = pid.text(8, 1) else {
        return Ok(());
    };
    canon.put(
        "patient.sex",
        sex_of(written, profile).ok_or_else(|| Fault::UnknownCode {
            field: "PID-8".to_owned(),
            expected: "M, F, U or O",
            map: "sex",
        })?,
    );
    Ok(())
}

/// The sex that a code stands for at this sender.
pub(crate) fn sex_of<'p>(written: &str, profile: &'p Profile) -> Option<&'p str> {
    match CodeMaps::of(profile).read(Table::Sex, written) {
        Meaning::NoMap => {
            SEXES.iter().find(|(code, _)| code.eq_ignore_ascii_case(written)).map(|(_, sex)| *sex)
        }
        Meaning::Code(ours) => Some(ours),
        Meaning::Unlisted => None,
    }
}

/// NK1: whom to call, the first one first.
fn read_contacts(tree: &Tree, zones: &Zones, canon: &mut Canon, notes: &mut Notes) {
    for (nth, nk1) in (1..).zip(tree.all("NK1")) {
        let path = if nth == 1 {
            "patient.contact".to_owned()
        } else {
            format!("patient.other_contacts.{}", canon.len("patient.other_contacts"))
        };
        take_set_id(nk1, nth);
        canon.put_some(&format!("{path}.name"), read_name(nk1.first(2)));
        read_coded(nk1.first(3), &format!("{path}.relation"), canon, notes);
        if let Some(rep) = nk1.repetitions(4).next() {
            read_address(rep, &format!("{path}.address"), canon);
        }
        let (phone, further) = (format!("{path}.phone"), format!("{path}.telecoms"));
        telecoms::read(nk1, &[5, 6], &phone, &further, zones, canon);
    }
}

fn read_insurance(tree: &Tree, canon: &mut Canon, notes: &mut Notes) {
    let Some(in1) = tree.first("IN1") else { return };
    take_set_id(in1, 1);
    read_coded(in1.first(2), "patient.insurance.scheme", canon, notes);
    read_coded(in1.first(15), "patient.insurance.category", canon, notes);
    canon.put_some("patient.insurance.number", in1.text(36, 1));
}

/// Writes PID, and NK1 and IN1 where they hold anything.
///
/// `full` is for messages whose structure has room for NK1 and IN1.
pub(crate) fn write(
    canon: &mut Canon,
    profile: &Profile,
    version: Version,
    full: bool,
) -> Vec<Line> {
    let mut pid = Line::new("PID");
    pid.put(1, 1, "1");
    write_numbers(&mut pid, canon);
    names::write(&mut pid, canon, profile);
    write_day(&mut pid, 7, canon, "patient.birth_date");
    write_sex(&mut pid, canon, profile);
    telecoms::write_addresses(&mut pid, 11, canon, "patient.address", "patient.other_addresses");
    telecoms::write(&mut pid, 13, canon, "patient.phone", "patient.telecoms", version);
    write_coded(&mut pid, 16, 1, canon, "patient.marital_status");
    write_coded(&mut pid, 22, 1, canon, "patient.ethnicity");
    write_coded(&mut pid, 28, 1, canon, "patient.nationality");
    write_day(&mut pid, 29, canon, "patient.deceased_on");
    if canon.take_bool("patient.deceased") == Some(true) {
        pid.put(30, 1, "Y");
    }
    let mut lines = vec![pid];
    if full {
        lines.extend(write_contacts(canon, version));
        let mut in1 = Line::new("IN1");
        write_coded(&mut in1, 2, 1, canon, "patient.insurance.scheme");
        write_coded(&mut in1, 15, 1, canon, "patient.insurance.category");
        in1.put_some(36, 1, canon.take("patient.insurance.number"));
        if !in1.is_empty() {
            in1.put(1, 1, "1");
            lines.push(in1);
        }
    }
    lines
}

fn write_contacts(canon: &mut Canon, version: Version) -> Vec<Line> {
    let further = (0..canon.len("patient.other_contacts"))
        .map(|index| format!("patient.other_contacts.{index}"));
    let mut lines: Vec<Line> = Vec::new();
    for path in std::iter::once("patient.contact".to_owned()).chain(further) {
        let mut nk1 = Line::new("NK1");
        nk1.put_some(2, 1, canon.take(&format!("{path}.name")));
        write_coded(&mut nk1, 3, 1, canon, &format!("{path}.relation"));
        write_address(&mut nk1, 4, 1, canon, &format!("{path}.address"));
        let (phone, more) = (format!("{path}.phone"), format!("{path}.telecoms"));
        telecoms::write(&mut nk1, 5, canon, &phone, &more, version);
        if !nk1.is_empty() {
            nk1.put(1, 1, (lines.len() + 1).to_string());
            lines.push(nk1);
        }
    }
    lines
}

fn write_numbers(pid: &mut Line, canon: &mut Canon) {
    let mut repetition = 1;
    for index in 0..canon.len("patient.identifiers") {
        let path = |part: &str| format!("patient.identifiers.{index}.{part}");
        let kind = canon.take(&path("kind")).unwrap_or_default();
        let label = canon.take(&path("label"));
        let written = IDENTIFIERS.iter().find(|(_, known)| *known == kind).map(|(name, _)| *name);
        let written = written.map(str::to_owned).or(label);
        if let Some(value) = canon.take(&path("value")) {
            pid.put_at(3, repetition, 1, 1, value);
            pid.put_at(3, repetition, 5, 1, written.unwrap_or_else(|| UNSPECIFIED.to_owned()));
            if let Some(assigner) = canon.take(&path("assigner")) {
                pid.put_at(3, repetition, 4, 1, assigner);
            }
            repetition += 1;
        }
    }
    let Some(kind) = canon.text("patient.document.kind").map(str::to_owned) else {
        return;
    };
    let Some((written, _)) = DOCUMENTS.iter().find(|(_, known)| *known == kind) else {
        return;
    };
    let Some(number) = canon.take("patient.document.number") else {
        return;
    };
    canon.take("patient.document.kind");
    let of_mother = canon.take_bool("patient.document.of_mother") == Some(true);
    let (field, repetition) = if of_mother { (21, 1) } else { (3, repetition) };
    if !of_mother && kind == IDENTITY_CARD {
        pid.put(19, 1, number.as_str());
    }
    pid.put_at(field, repetition, 1, 1, number);
    pid.put_at(field, repetition, 5, 1, *written);
}

fn write_sex(pid: &mut Line, canon: &mut Canon, profile: &Profile) {
    let Some(sex) = canon.text("patient.sex") else {
        return;
    };
    // With a map, it is the receiver's own code already.
    let written = if CodeMaps::of(profile).is_given(Table::Sex) {
        Some(sex.to_owned())
    } else {
        SEXES.iter().find(|(_, known)| *known == sex).map(|(code, _)| (*code).to_owned())
    };
    if let Some(written) = written {
        pid.put(8, 1, written);
        canon.take("patient.sex");
    }
}
