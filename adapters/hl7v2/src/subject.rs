//! PID of a statement about a case: whom the sender believes it is about.
//!
//! The broker knows the patient already and only compares. So nothing here has to be there, and
//! what cannot be read (a number that is none, a sex that no map explains, a text too long for its
//! field) stays among the extras with a note. Two patients in one message are refused all the
//! same: whose finding it is nobody could tell.

use tierlink_codec::profile::Profile;
use tierlink_schemas::identity::IdentityNumber;
use tierlink_schemas::person::Patient;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::notes::{Notes, What};
use crate::patient::{IDENTITY_CARD, document_kind, put_document, read_number, sex_of};
use crate::person_names as names;
use crate::read::{Rep, Seg};
use crate::telecoms;
use crate::time::Zones;
use crate::tree::Tree;
use crate::types::{read_address, read_coded, read_day, take_set_id};

/// Most numbers of one patient that are compared; the canonical patient has room for 50.
const NUMBERS_MAX: usize = 40;

/// Longest number, in characters: what the canonical document has room for.
const NUMBER_CHARS_MAX: usize = 40;

/// Longest assigner, in characters, as in the canonical identifier.
const ASSIGNER_CHARS_MAX: usize = 200;

/// Longest code, type or telephone number, in characters, as in the canonical fields.
const SHORT_CHARS_MAX: usize = 64;

/// Longest name, in characters: the canonical 100 without the blanks that join its parts.
const NAME_CHARS_MAX: usize = 96;

/// Longest address, in characters, as in the canonical field.
const ADDRESS_CHARS_MAX: usize = 400;

/// Reads whom a statement is about, if it says so.
pub(crate) fn read(
    tree: &Tree,
    profile: &Profile,
    zones: &Zones,
    notes: &mut Notes,
) -> Result<Option<Patient>, Fault> {
    let mut all = tree.all("PID");
    let Some(pid) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(Fault::Contradiction { field: "PID".to_owned() });
    }
    let mut canon = Canon::new();
    take_set_id(pid, 1);
    read_numbers(pid, &mut canon, notes)?;
    if pid.repetitions(5).all(|rep| rep.chars() <= NAME_CHARS_MAX) {
        names::read(pid, profile, zones, &mut canon, notes);
    }
    read_day(pid, 7, "patient.birth_date", &mut canon, zones, notes);
    read_sex(pid, profile, &mut canon, notes);
    read_rest(pid, zones, &mut canon, notes);
    let Some(patient) = canon.get("patient") else {
        return Ok(None);
    };
    let patient = serde_json::from_value(patient.clone());
    patient.map(Some).map_err(|_| Fault::Invalid {
        field: "PID".to_owned(),
        why: "it names the patient in a form that cannot be compared with the case",
    })
}

fn read_numbers(pid: Seg<'_>, canon: &mut Canon, notes: &mut Notes) -> Result<(), Fault> {
    for rep in pid.repetitions(3).take(NUMBERS_MAX).filter(|rep| fits(*rep)) {
        if is_possible(rep, notes) {
            read_number(rep, canon, notes, false)?;
        }
    }
    if canon.len("patient.identifiers") == 0
        && fits(pid.first(2))
        && is_possible(pid.first(2), notes)
    {
        read_number(pid.first(2), canon, notes, false)?;
    }
    if let Some(text) = pid.first(19).peek(1).filter(|text| IdentityNumber::read(text).is_ok()) {
        pid.text(19, 1);
        put_document(canon, IDENTITY_CARD, text, "PID-19", notes, false)?;
    }
    let mother = pid.first(21);
    let is_document = mother.peek(5).is_some_and(|kind| document_kind(kind).is_some());
    let has_own = canon.text("patient.document.number").is_some();
    if is_document && !has_own && fits(mother) && is_possible(mother, notes) {
        read_number(mother, canon, notes, true)?;
    }
    Ok(())
}

fn fits(rep: Rep<'_>) -> bool {
    let within =
        |component, most| rep.peek(component).is_none_or(|text| text.chars().count() <= most);
    within(1, NUMBER_CHARS_MAX) && within(4, ASSIGNER_CHARS_MAX) && within(5, SHORT_CHARS_MAX)
}

/// Whether a number that claims to be an identity number can be one.
fn is_possible(rep: Rep<'_>, notes: &mut Notes) -> bool {
    let is_card = rep.peek(5).and_then(document_kind) == Some(IDENTITY_CARD);
    let possible = !is_card || rep.peek(1).is_none_or(|text| IdentityNumber::read(text).is_ok());
    if !possible {
        let what = "is no possible identity number; it was not compared and stays among the extras";
        notes.add(rep.own_path(), What::Mapping(what));
    }
    possible
}

fn read_sex(pid: Seg<'_>, profile: &Profile, canon: &mut Canon, notes: &mut Notes) {
    let Some(written) = pid.first(8).peek(1) else {
        return;
    };
    match sex_of(written, profile) {
        Some(sex) => {
            canon.put("patient.sex", sex);
            pid.text(8, 1);
        }
        None => notes.add("PID-8", What::Mapping("is no known code; it stays among the extras")),
    }
}

fn read_rest(pid: Seg<'_>, zones: &Zones, canon: &mut Canon, notes: &mut Notes) {
    let address = pid.repetitions(11).next();
    if let Some(rep) = address.filter(|rep| rep.chars() <= ADDRESS_CHARS_MAX) {
        read_address(rep, "patient.address", canon);
    }
    let mut phones = pid.repetitions(13).chain(pid.repetitions(14));
    if phones.all(|rep| rep.chars() <= SHORT_CHARS_MAX) {
        telecoms::read(pid, &[13, 14], "patient.phone", "patient.telecoms", zones, canon);
    }
    let nationality = if pid.has(28) { 28 } else { 26 };
    let coded = [
        (16, "patient.marital_status"),
        (22, "patient.ethnicity"),
        (nationality, "patient.nationality"),
    ];
    for (field, path) in coded {
        let rep = pid.first(field);
        if rep.chars() <= SHORT_CHARS_MAX {
            read_coded(rep, path, canon, notes);
        }
    }
}
