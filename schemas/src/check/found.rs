//! What all checks share: error codes, arguments, results, and a way to visit all values.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz;
use serde_json::Value;

use crate::person::Coded;
use crate::problem::{Code, Deviation, Problem};

/// Most problems, and most deviations, that one check reports. A receipt has room for as many.
pub const FOUND_MAX: usize = 100;

/// Offset from UTC in China, in hours, for finding today's date.
const CHINA_OFFSET_HOURS: i8 = 8;

/// A required field is empty.
pub(super) const C001_EMPTY: Code = Code::new("C001");
/// A field is empty that the profile of this organisation requires.
pub(super) const C002_REQUIRED_HERE: Code = Code::new("C002");
/// A field violates the schema: too long, too many entries, wrong form.
pub(super) const C003_DOES_NOT_FIT: Code = Code::new("C003");
/// A text contains the NUL character.
pub(super) const C004_NUL: Code = Code::new("C004");
/// A text contains control characters.
pub(super) const C005_CONTROL: Code = Code::new("C005");
/// The code of a reason is not in its table.
pub(super) const C006_UNKNOWN_REASON: Code = Code::new("C006");
/// The code of a reason requires a text.
pub(super) const C007_REASON_NEEDS_TEXT: Code = Code::new("C007");
/// Origin and target are the same organisation.
pub(super) const C008_SAME_ORGANISATION: Code = Code::new("C008");
/// The message names no case.
pub(super) const C009_NO_CASE: Code = Code::new("C009");
/// An identified patient has neither identifier nor birth date.
pub(super) const C010_WHO_IS_IT: Code = Code::new("C010");
/// An unidentified patient outside an emergency.
pub(super) const C011_UNKNOWN_PATIENT: Code = Code::new("C011");
/// A newborn without the mother's document or a contact, or a mother's document without a newborn.
pub(super) const C012_NEWBORN: Code = Code::new("C012");
/// The identity number is not valid by GB 11643.
pub(super) const C013_IDENTITY_NUMBER: Code = Code::new("C013");
/// The identity number contradicts the birth date or sex.
pub(super) const C014_CONTRADICTS_IDENTITY: Code = Code::new("C014");
/// The kind of identity document is not in CV02.01.101.
pub(super) const C015_DOCUMENT_KIND: Code = Code::new("C015");
/// The number of a document does not have the form for its kind.
pub(super) const C016_DOCUMENT_SHAPE: Code = Code::new("C016");
/// The birth date is impossible.
pub(super) const C017_BIRTH_DATE: Code = Code::new("C017");
/// Two times are in the wrong order, or too far apart.
pub(super) const C018_TIME_ORDER: Code = Code::new("C018");
/// The source's clock is ahead of ours.
pub(super) const C019_CLOCK: Code = Code::new("C019");
/// An attachment has neither content nor reference.
pub(super) const C020_ATTACHMENT_EMPTY: Code = Code::new("C020");
/// An attachment's content is not base64.
pub(super) const C021_ATTACHMENT_BASE64: Code = Code::new("C021");
/// An attachment is too large to be sent inside the message.
pub(super) const C022_ATTACHMENT_TOO_LARGE: Code = Code::new("C022");
/// An attachment's hash or size does not match its content.
pub(super) const C023_ATTACHMENT_DIFFERS: Code = Code::new("C023");
/// A field is empty that paper forms require. The message is accepted.
pub(super) const C024_USUALLY_THERE: Code = Code::new("C024");
/// A telephone number does not have the form of one.
pub(super) const C025_PHONE: Code = Code::new("C025");
/// A code is not in the table that it is said to be from.
pub(super) const C026_UNKNOWN_CODE: Code = Code::new("C026");
/// The form of a consultation and its reading order contradict each other.
pub(super) const C027_READING: Code = Code::new("C027");
/// The same expert, slot or number occurs twice.
pub(super) const C028_NAMED_TWICE: Code = Code::new("C028");
/// The case number does not have our form or a valid check digit.
pub(super) const C029_CASE_NUMBER: Code = Code::new("C029");
/// The schema version cannot be read.
pub(super) const C030_SCHEMA_VERSION: Code = Code::new("C030");
/// The identity number was written in an inexact or old form.
pub(super) const C031_IDENTITY_FORM: Code = Code::new("C031");
/// An appointment is in the past.
pub(super) const C032_APPOINTMENT_PAST: Code = Code::new("C032");
/// A value contradicts its status, its comparator or the reason for its absence.
pub(super) const C033_VALUE_CONTRADICTED: Code = Code::new("C033");

/// Arguments of the check beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The present time, by the broker's clock. The check reads no clock itself.
    pub now: Timestamp,
    /// Further fields that the profile of the sending organisation requires, as paths in the
    /// canonical message. Paths that the kind does not have are ignored.
    pub required: &'a BTreeSet<String>,
}

impl Rules<'_> {
    /// Today's date in China.
    #[must_use]
    pub fn today(&self) -> Date {
        tz::offset(CHINA_OFFSET_HOURS).to_datetime(self.now).date()
    }
}

/// Result of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Why the message is refused. Empty if it is accepted.
    pub problems: Vec<Problem>,
    /// What was wrong but did not stop the message from being accepted.
    pub deviations: Vec<Deviation>,
}

impl Checked {
    pub(super) fn refuse(&mut self, code: Code, field: impl Into<String>, text: impl Into<String>) {
        if self.problems.len() < FOUND_MAX {
            self.problems.push(Problem::new(code, field, text));
        }
    }

    pub(super) fn note(&mut self, code: Code, field: impl Into<String>, text: impl Into<String>) {
        if self.deviations.len() < FOUND_MAX {
            self.deviations.push(Deviation::new(code, field, text));
        }
    }
}

/// Whether a text is missing or blank.
pub(super) fn blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

/// Whether code and text are both missing or blank.
pub(super) fn says_nothing(coded: &Coded) -> bool {
    blank(coded.code.as_deref()) && blank(coded.text.as_deref())
}

/// Calls `look` for every value in `value` with its path, outer values first.
///
/// `look` returns whether to visit the values inside.
pub(super) fn each<'a>(
    value: &'a Value,
    path: &mut String,
    look: &mut impl FnMut(&str, &'a Value) -> bool,
) {
    if !look(path, value) {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                each(inner, path, look);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                path.push('[');
                path.push_str(&at.to_string());
                path.push(']');
                each(inner, path, look);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
