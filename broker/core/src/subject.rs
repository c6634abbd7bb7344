//! Decides whether two statements about a patient can be about the same person.
//!
//! ```text
//!   both state their own identity number ─▶ it alone decides
//!   one does not ─▶ birth date and name both differ              ─▶ somebody else
//!                └▶ a number of one kind and one assigner differs,
//!                   and so does the birth date or the name       ─▶ somebody else
//! ```
//!
//! An opinion in the wrong patient's record does harm, and so does an answer that is refused
//! because of a spelling. So without identity numbers a single difference never decides, and
//! what cannot be compared (a masked name, pinyin against characters, an invalid number) counts
//! as not stated.
//!
//! Not compared: sex, address and telephone, because they are too often wrong in registers.

use jiff::civil::Date;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::identity::IdentityNumber;
use tierlink_schemas::person::{IdentifierKind, Identity, Patient, PatientIdentifier};

/// Code of the resident identity card in CV02.01.101.
const RESIDENT_CARD: &str = "01";

/// The name that emergency rooms give to unidentified patients.
const NOBODY: &str = "无名氏";

/// Characters of a name that was masked, or damaged in a conversion.
const UNREADABLE: [char; 8] = ['*', '＊', '?', '？', '□', '■', '〓', '\u{FFFD}'];

/// A patient, as stated by one organisation.
#[derive(Clone, Copy, Debug)]
pub struct Stated<'a> {
    /// The patient, as stated.
    pub patient: &'a Patient,
    /// The organisation that states it. Identifiers without an assigner are its own.
    pub by: &'a OrganisationCode,
}

/// Whether the two are certainly different people. Symmetric.
#[must_use]
pub fn contradict(one: Stated<'_>, other: Stated<'_>) -> bool {
    if let (Some(one), Some(other)) = (own_number(one.patient), own_number(other.patient)) {
        return one != other;
    }
    let born = births_differ(one.patient, other.patient);
    let named = names_differ(one.patient, other.patient);
    (born && named) || ((born || named) && identifiers_differ(one, other))
}

/// Whether an amended request changes the patient into another person.
///
/// Beside the same identity number, name and birth date may be corrected. Another valid number means
/// another person. Where the number is left out, another name or birth date does as well, because
/// nothing else says that it is still the same patient. Where there was none, the two are compared
/// as in any other message ([`contradict`]). An unidentified patient may become anybody.
#[must_use]
pub fn becomes_another(before: Stated<'_>, after: Stated<'_>) -> bool {
    if before.patient.identity != Identity::Known {
        return false;
    }
    let left_out = own_number(before.patient).is_some() && own_number(after.patient).is_none();
    let differs =
        births_differ(before.patient, after.patient) || names_differ(before.patient, after.patient);
    (left_out && differs) || contradict(before, after)
}

/// The patient's own identity number, converted to 18 characters.
fn own_number(patient: &Patient) -> Option<IdentityNumber> {
    let document = patient.document.as_ref();
    let card = document.filter(|card| card.kind.trim() == RESIDENT_CARD && !card.of_mother)?;
    IdentityNumber::read(&card.number).ok().map(|(number, _)| number)
}

/// Whether birth dates differ. That of an unidentified patient is an estimate and does not count.
fn births_differ(one: &Patient, other: &Patient) -> bool {
    let guessed = [one, other].iter().any(|patient| patient.identity == Identity::Unknown);
    !guessed && born(one).zip(born(other)).is_some_and(|(one, other)| one != other)
}

fn born(patient: &Patient) -> Option<Date> {
    patient.birth_date.or_else(|| own_number(patient).map(|number| number.birth_date()))
}

/// Whether names differ. Unidentified patients have none, and newborns get their mother's at first.
fn names_differ(one: &Patient, other: &Patient) -> bool {
    if [one, other].iter().any(|patient| patient.identity != Identity::Known) {
        return false;
    }
    let (ours, theirs) = (Names::of(one), Names::of(other));
    let pairs = [(ours.written, theirs.written), (ours.latin, theirs.latin)];
    let mut compared = pairs.iter().filter_map(|(one, other)| one.as_ref().zip(other.as_ref()));
    let differs = compared.clone().next().is_some();
    differs && compared.all(|(one, other)| one != other)
}

/// A name in characters and in Latin letters, which cannot be compared with each other.
#[derive(Debug, Default)]
struct Names {
    /// In characters, without spaces and dots.
    written: Option<String>,
    /// Its Latin letters in alphabetical order, because some write the family name first
    /// and some last.
    latin: Option<String>,
}

impl Names {
    fn of(patient: &Patient) -> Self {
        let mut names = Self::default();
        for text in [&patient.name, &patient.name_latin].into_iter().flatten() {
            if text.trim() == NOBODY || text.contains(UNREADABLE) || text.contains(is_private) {
                continue;
            }
            // Several different dots are in use between the parts of a name, and some omit them.
            let letters = text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase);
            let mut letters: Vec<char> = letters.map(narrow).collect();
            if letters.is_empty() {
                continue;
            }
            if letters.iter().all(char::is_ascii) {
                letters.sort_unstable();
                names.latin.get_or_insert(letters.into_iter().collect());
            } else {
                names.written.get_or_insert(letters.into_iter().collect());
            }
        }
        names
    }
}

/// Whether it is a private-use character: rare characters were once typed so, and each system
/// uses its own.
fn is_private(letter: char) -> bool {
    matches!(letter, '\u{E000}'..='\u{F8FF}')
}

/// The ASCII form of a full-width letter, at a fixed distance in Unicode.
fn narrow(letter: char) -> char {
    if !('ａ'..='ｚ').contains(&letter) {
        return letter;
    }
    char::from_u32(u32::from(letter) - 0xFF41 + 0x61).unwrap_or(letter)
}

/// Whether a number of the same kind and assigner differs, and none is equal.
fn identifiers_differ(one: Stated<'_>, other: Stated<'_>) -> bool {
    let mut differs = false;
    for ours in &one.patient.identifiers {
        for theirs in &other.patient.identifiers {
            if !same_series((ours, one.by), (theirs, other.by)) {
                continue;
            }
            if ours.value.trim().eq_ignore_ascii_case(theirs.value.trim()) {
                return false;
            }
            differs = true;
        }
    }
    differs
}

/// Whether two numbers are from one series, in which each patient has one number.
fn same_series(
    (one, by_one): (&PatientIdentifier, &OrganisationCode),
    (other, by_other): (&PatientIdentifier, &OrganisationCode),
) -> bool {
    let label = |identifier: &PatientIdentifier| match identifier.kind {
        IdentifierKind::Other => identifier.label.clone(),
        IdentifierKind::PatientNumber
        | IdentifierKind::OutpatientNumber
        | IdentifierKind::InpatientNumber
        | IdentifierKind::RecordNumber
        | IdentifierKind::HealthCard
        | IdentifierKind::InsuranceNumber
        | IdentifierKind::MasterIndex => None,
    };
    one.kind == other.kind
        && label(one) == label(other)
        && match (stated(one), stated(other)) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (None, None) => by_one == by_other,
            (Some(_), None) | (None, Some(_)) => false,
        }
}

fn stated(identifier: &PatientIdentifier) -> Option<&str> {
    identifier.assigner.as_deref().map(str::trim).filter(|assigner| !assigner.is_empty())
}
