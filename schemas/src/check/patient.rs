//! Checks who the patient is. This is about safety: after a mix-up the wrong person is treated.
//!
//! ```text
//!   known    a name, and a document, another number or the birth date
//!   unknown  only in an emergency: nobody could be asked
//!   newborn  the mother's document, or somebody to call
//! ```
//!
//! A contradiction between the identity number and the birth date or sex is refused, although some
//! registers have wrong dates that nobody can correct: the sender can leave out the doubtful field,
//! and then the number alone counts.
//!
//! The patient in `subject`, of a message without a request, may be incomplete, because it is only
//! compared: a wrong identity number there is reported and not refused.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::found::{
    C010_WHO_IS_IT, C011_UNKNOWN_PATIENT, C012_NEWBORN, C013_IDENTITY_NUMBER,
    C014_CONTRADICTS_IDENTITY, C015_DOCUMENT_KIND, C016_DOCUMENT_SHAPE, C017_BIRTH_DATE,
    C024_USUALLY_THERE, C031_IDENTITY_FORM, Checked, Rules, blank,
};
use crate::codes::{self, TableId};
use crate::identity::{IdentityNumber, Mismatch};
use crate::message::Message;
use crate::names::Priority;
use crate::person::{Identity, IdentityDocument, Patient, Sex};

/// Code of the resident identity card in CV02.01.101, the only kind with a check digit.
const RESIDENT_CARD: &str = "01";

/// Earliest birth year of a living person.
const BIRTH_YEAR_MIN: i16 = 1850;

pub(super) fn check(message: &Message, with: &Rules<'_>, found: &mut Checked) {
    if let Some(subject) = &message.subject {
        self::subject(subject, found);
    }
    let Some(patient) = message.body.patient() else {
        return;
    };
    match patient.identity {
        Identity::Known => known(patient, found),
        Identity::Unknown => unknown(message, found),
        Identity::Newborn => newborn(patient, found),
    }
    birth_date(patient, with, found);
    if let Some(document) = &patient.document {
        self::document(patient, document, with, found);
    }
}

/// An invalid number cannot distinguish two people; name and birth date still can.
fn subject(patient: &Patient, found: &mut Checked) {
    const NUMBER: &str = "subject.document.number";
    let card = patient.document.as_ref().filter(|document| document.kind == RESIDENT_CARD);
    match card.map(|document| IdentityNumber::read(&document.number)) {
        Some(Err(fault)) => found.note(C013_IDENTITY_NUMBER, NUMBER, sentence(&fault.to_string())),
        Some(Ok((_, tolerances))) if !tolerances.is_empty() => {
            let fix = "The identity number is not in its form of 18 plain characters; it was read all the same.";
            found.note(C031_IDENTITY_FORM, NUMBER, fix);
        }
        Some(Ok(_)) | None => {}
    }
}

fn known(patient: &Patient, found: &mut Checked) {
    if blank(patient.name.as_deref()) {
        let fix = "A known patient needs a name; if nobody knows it, set identity to unknown.";
        found.refuse(C010_WHO_IS_IT, "body.patient.name", fix);
    }
    let told_apart = patient.document.is_some()
        || patient.birth_date.is_some()
        || patient.identifiers.iter().any(|it| !it.value.trim().is_empty());
    if !told_apart {
        let fix = "A name alone is shared by many; add the identity document, another number or the birth date.";
        found.refuse(C010_WHO_IS_IT, "body.patient.document", fix);
    }
    if patient.sex.is_none() {
        let fix = "The form asks for the sex (GB/T 2261.1); it was left open.";
        found.note(C024_USUALLY_THERE, "body.patient.sex", fix);
    }
    if patient.document.as_ref().is_some_and(|document| document.of_mother) {
        let fix = "Only a newborn carries the mother's document; set identity to newborn or clear of_mother.";
        found.refuse(C012_NEWBORN, "body.patient.document.of_mother", fix);
    }
}

/// A later message inherits the priority of its case, so only a stated priority can contradict.
fn unknown(message: &Message, found: &mut Checked) {
    let urgent_enough = match message.priority {
        Some(priority) => priority == Priority::Emergency,
        None => true,
    };
    if !urgent_enough {
        let fix = "An unknown patient is possible only in an emergency; find out who it is, or set the priority to emergency.";
        found.refuse(C011_UNKNOWN_PATIENT, "body.patient.identity", fix);
    }
}

fn newborn(patient: &Patient, found: &mut Checked) {
    let mothers = patient.document.as_ref().is_some_and(|document| document.of_mother);
    let contact = patient
        .contact
        .as_ref()
        .is_some_and(|it| !blank(it.name.as_deref()) || !blank(it.phone.as_deref()));
    if patient.document.is_none() && !contact {
        let fix = "A newborn needs the mother's document (of_mother: true) or a contact.";
        found.refuse(C012_NEWBORN, "body.patient.document", fix);
    }
    // Some newborns have a number of their own; then nothing identifies the mother.
    if patient.document.is_some() && !mothers && !contact {
        let fix = "A newborn is found through the mother; her document or a contact is usual.";
        found.note(C024_USUALLY_THERE, "body.patient.contact", fix);
    }
}

fn birth_date(patient: &Patient, with: &Rules<'_>, found: &mut Checked) {
    let Some(born) = patient.birth_date else {
        return;
    };
    if born > with.today() {
        let fix = "The birth date is in the future; compare it with the document.";
        found.refuse(C017_BIRTH_DATE, "body.patient.birth_date", fix);
    }
    if born.year() < BIRTH_YEAR_MIN {
        let fix = "Nobody alive was born so early; compare the birth date with the document.";
        found.refuse(C017_BIRTH_DATE, "body.patient.birth_date", fix);
    }
}

fn document(patient: &Patient, document: &IdentityDocument, with: &Rules<'_>, found: &mut Checked) {
    if document.kind == RESIDENT_CARD {
        return resident_card(patient, document, with, found);
    }
    if codes::lookup(TableId::IdentityDocument, &document.kind).is_none() {
        let fix = "The kind of document is not in CV02.01.101 (codes/identity_document.csv); map it in the profile or write 99.";
        found.refuse(C015_DOCUMENT_KIND, "body.patient.document.kind", fix);
    } else if !fits_its_kind(document) {
        let fix = "The number does not look like one of this kind of document; it was kept. Compare it with the document.";
        found.note(C016_DOCUMENT_SHAPE, "body.patient.document.number", fix);
    }
}

fn resident_card(
    patient: &Patient,
    document: &IdentityDocument,
    with: &Rules<'_>,
    found: &mut Checked,
) {
    const NUMBER: &str = "body.patient.document.number";
    let (number, tolerances) = match IdentityNumber::read(&document.number) {
        Ok(read) => read,
        Err(fault) => {
            return found.refuse(C013_IDENTITY_NUMBER, NUMBER, sentence(&fault.to_string()));
        }
    };
    if !tolerances.is_empty() {
        let fix = "The identity number is not in its form of 18 plain characters; it was read all the same.";
        found.note(C031_IDENTITY_FORM, NUMBER, fix);
    }
    if !number.is_born_by(with.today()) {
        let fix =
            "The birth date in the identity number is in the future; compare it with the card.";
        found.refuse(C013_IDENTITY_NUMBER, NUMBER, fix);
    }
    if document.of_mother {
        return;
    }
    let sex = patient.sex.map(sex_code);
    for mismatch in number.mismatches(patient.birth_date, sex) {
        let (field, name) = match mismatch {
            Mismatch::BirthDate => ("body.patient.birth_date", "birth date"),
            Mismatch::Sex => ("body.patient.sex", "sex"),
        };
        let fix = format!(
            "The {name} differs from that in {NUMBER}; correct the one that is wrong, or leave the {name} out if only the register cannot be corrected."
        );
        found.refuse(C014_CONTRADICTS_IDENTITY, field, fix);
    }
}

/// The code of GB/T 2261.1.
fn sex_code(sex: Sex) -> &'static str {
    match sex {
        Sex::Unknown => "0",
        Sex::Male => "1",
        Sex::Female => "2",
        Sex::Unspecified => "9",
    }
}

/// The text of an error as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The forms of numbers, by kind of document, as JSON Schemas: the schema validator is the only
/// pattern engine that this program contains.
static SHAPES: LazyLock<HashMap<&'static str, Validator>> = LazyLock::new(|| {
    let rows = codes::table(TableId::IdentityDocument).rows().iter();
    rows.filter_map(|row| {
        let pattern = format!("^(?:{})$", row.column("shape")?);
        let validator = jsonschema::validator_for(&json!({ "pattern": pattern })).ok()?;
        Some((row.code.as_str(), validator))
    })
    .collect()
});

fn fits_its_kind(document: &IdentityDocument) -> bool {
    let number = Value::String(document.number.trim().to_ascii_uppercase());
    SHAPES.get(document.kind.as_str()).is_none_or(|shape| shape.is_valid(&number))
}
