//! Whether two statements of a patient can be about the same person.
//!
//! ```text
//!   both state their own identity number ─▶ it alone decides
//!   one does not ─▶ birth date and name both differ              ─▶ somebody else
//!                └▶ a number of one kind and one assigner differs,
//!                   and so does the birth date or the name       ─▶ somebody else
//! ```
//!
//! An opinion that lands in the wrong record harms somebody, and so does an answer that is refused
//! over a spelling. So one difference beside the identity number never decides alone, and what
//! cannot be compared (a masked name, pinyin against characters, a number that is none) counts as
//! not stated.
//!
//! Deliberately absent: sex, address and telephone. Registers are too often wrong in them.

use jiff::civil::Date;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::identity::IdentityNumber;
use tierlink_schemas::person::{IdentifierKind, Identity, Patient, PatientIdentifier};

/// CV02.01.101: the resident identity card.
const RESIDENT_CARD: &str = "01";

/// The name that emergency rooms give to patients nobody knows.
const NOBODY: &str = "无名氏";

/// Marks of a name that was masked, or that lost a character on its way.
const UNREADABLE: [char; 8] = ['*', '＊', '?', '？', '□', '■', '〓', '\u{FFFD}'];

/// A patient, and which organisation says so.
#[derive(Clone, Copy, Debug)]
pub struct Stated<'a> {
    /// The patient.
    pub patient: &'a Patient,
    /// Who says so. Numbers without an assigner are its own.
    pub by: &'a OrganisationCode,
}

/// Whether the two are certainly different people. The order does not matter.
#[must_use]
pub fn contradict(one: Stated<'_>, other: Stated<'_>) -> bool {
    if let (Some(one), Some(other)) = (own_number(one.patient), own_number(other.patient)) {
        return one != other;
    }
    let born = births_differ(one.patient, other.patient);
    let named = names_differ(one.patient, other.patient);
    (born && named) || ((born || named) && identifiers_differ(one, other))
}

/// Whether a corrected request makes somebody else of the patient.
///
/// Name and birth date may be corrected, and a number may be added or taken away. Another valid
/// number is another person, unless nobody knew before who it was.
#[must_use]
pub fn becomes_another(before: &Patient, after: &Patient) -> bool {
    before.identity == Identity::Known
        && own_number(before).zip(own_number(after)).is_some_and(|(before, after)| before != after)
}

/// The patient's own identity number, in its form of 18 characters.
fn own_number(patient: &Patient) -> Option<IdentityNumber> {
    let document = patient.document.as_ref();
    let card = document.filter(|card| card.kind.trim() == RESIDENT_CARD && !card.of_mother)?;
    IdentityNumber::read(&card.number).ok().map(|(number, _)| number)
}

/// Of an unknown patient the birth date is a guess.
fn births_differ(one: &Patient, other: &Patient) -> bool {
    let guessed = [one, other].iter().any(|patient| patient.identity == Identity::Unknown);
    !guessed && born(one).zip(born(other)).is_some_and(|(one, other)| one != other)
}

fn born(patient: &Patient) -> Option<Date> {
    patient.birth_date.or_else(|| own_number(patient).map(|number| number.birth_date()))
}

/// Only a known patient has a name that lasts: newborns are called after their mothers at first.
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

/// A name in each of the two ways of writing it, which cannot be compared with each other.
#[derive(Debug, Default)]
struct Names {
    /// In characters, without spaces and dots.
    written: Option<String>,
    /// The Latin letters in the order of the alphabet: some write the family name first, some last.
    latin: Option<String>,
}

impl Names {
    fn of(patient: &Patient) -> Self {
        let mut names = Self::default();
        for text in [&patient.name, &patient.name_latin].into_iter().flatten() {
            if text.trim() == NOBODY || text.contains(UNREADABLE) || text.contains(is_private) {
                continue;
            }
            // Half a dozen dots stand between the parts of a name, or none at all.
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

/// A code that means another character in each system: rare characters were typed so once.
fn is_private(letter: char) -> bool {
    matches!(letter, '\u{E000}'..='\u{F8FF}')
}

/// The ASCII letter of a full-width one, which stands at a fixed distance.
fn narrow(letter: char) -> char {
    if !('ａ'..='ｚ').contains(&letter) {
        return letter;
    }
    char::from_u32(u32::from(letter) - 0xFF41 + 0x61).unwrap_or(letter)
}

/// Whether a number of the same kind and from the same assigner differs, and none is the same.
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

/// Whether two numbers are from one series, in which each patient has one.
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
