//! What all checks share: their codes, what they are told, what they find, and walking through a
//! message.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz;
use serde_json::Value;

use crate::person::Coded;
use crate::problem::{Code, Deviation, Problem};

/// Most problems, and most deviations, that one check reports. Receipts hold no more.
pub const FOUND_MAX: usize = 100;

/// What the time of day is counted from: every hospital in China keeps this offset.
const CHINA_OFFSET_HOURS: i8 = 8;

/// A field that must be filled is empty.
pub(super) const C001_EMPTY: Code = Code::new("C001");
/// A field that this organisation must fill is empty.
pub(super) const C002_REQUIRED_HERE: Code = Code::new("C002");
/// A field does not fit the schema: too long, too many, wrong form.
pub(super) const C003_DOES_NOT_FIT: Code = Code::new("C003");
/// A text holds NUL.
pub(super) const C004_NUL: Code = Code::new("C004");
/// A text holds control characters.
pub(super) const C005_CONTROL: Code = Code::new("C005");
/// A reason's code is not in its table.
pub(super) const C006_UNKNOWN_REASON: Code = Code::new("C006");
/// A reason's code needs words beside it.
pub(super) const C007_REASON_NEEDS_TEXT: Code = Code::new("C007");
/// Origin and target are the same organisation.
pub(super) const C008_SAME_ORGANISATION: Code = Code::new("C008");
/// The case is not named.
pub(super) const C009_NO_CASE: Code = Code::new("C009");
/// A known patient lacks what tells who it is.
pub(super) const C010_WHO_IS_IT: Code = Code::new("C010");
/// An unknown patient outside an emergency.
pub(super) const C011_UNKNOWN_PATIENT: Code = Code::new("C011");
/// A newborn without the mother, or a mother's document without a newborn.
pub(super) const C012_NEWBORN: Code = Code::new("C012");
/// The identity number is not a possible one.
pub(super) const C013_IDENTITY_NUMBER: Code = Code::new("C013");
/// The identity number and another field contradict each other.
pub(super) const C014_CONTRADICTS_IDENTITY: Code = Code::new("C014");
/// The kind of identity document is unknown.
pub(super) const C015_DOCUMENT_KIND: Code = Code::new("C015");
/// A document's number does not look like one of its kind.
pub(super) const C016_DOCUMENT_SHAPE: Code = Code::new("C016");
/// A birth date that cannot be.
pub(super) const C017_BIRTH_DATE: Code = Code::new("C017");
/// Two times stand in the wrong order, or too far apart.
pub(super) const C018_TIME_ORDER: Code = Code::new("C018");
/// A clock is ahead of ours.
pub(super) const C019_CLOCK: Code = Code::new("C019");
/// An attachment holds nothing.
pub(super) const C020_ATTACHMENT_EMPTY: Code = Code::new("C020");
/// An attachment's content is not base64.
pub(super) const C021_ATTACHMENT_BASE64: Code = Code::new("C021");
/// An attachment is too large to travel inside.
pub(super) const C022_ATTACHMENT_TOO_LARGE: Code = Code::new("C022");
/// An attachment's hash or size does not match its content.
pub(super) const C023_ATTACHMENT_DIFFERS: Code = Code::new("C023");
/// A field that forms ask for is empty; the message is taken all the same.
pub(super) const C024_USUALLY_THERE: Code = Code::new("C024");
/// A telephone number does not look like one.
pub(super) const C025_PHONE: Code = Code::new("C025");
/// A code is not in the table that it is said to be from.
pub(super) const C026_UNKNOWN_CODE: Code = Code::new("C026");
/// A reading and its order do not fit together.
pub(super) const C027_READING: Code = Code::new("C027");
/// The same expert, slot or number is named twice.
pub(super) const C028_NAMED_TWICE: Code = Code::new("C028");
/// The case number is not one of ours.
pub(super) const C029_CASE_NUMBER: Code = Code::new("C029");
/// The schema version is not one that we read.
pub(super) const C030_SCHEMA_VERSION: Code = Code::new("C030");
/// The identity number was written in a careless or old form.
pub(super) const C031_IDENTITY_FORM: Code = Code::new("C031");
/// An appointment lies in the past.
pub(super) const C032_APPOINTMENT_PAST: Code = Code::new("C032");
/// A value contradicts its status, its comparator or the reason for its absence.
pub(super) const C033_VALUE_CONTRADICTED: Code = Code::new("C033");

/// What the check is told beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The time now. The check reads no clock.
    pub now: Timestamp,
    /// Further canonical paths that the sending organisation must fill, from its profile. A path
    /// that the kind does not have asks nothing of it.
    pub required: &'a BTreeSet<String>,
}

impl Rules<'_> {
    /// The day in China.
    #[must_use]
    pub fn today(&self) -> Date {
        tz::offset(CHINA_OFFSET_HOURS).to_datetime(self.now).date()
    }
}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Why the message must be refused. Empty if it may be taken.
    pub problems: Vec<Problem>,
    /// What was not as it should be and was taken all the same.
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

/// Whether a text says nothing.
pub(super) fn blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

/// Whether a code with its words says nothing.
pub(super) fn says_nothing(coded: &Coded) -> bool {
    blank(coded.code.as_deref()) && blank(coded.text.as_deref())
}

/// Calls `look` for every value inside `value` with its path, the outermost first.
///
/// `look` says whether to go further down.
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
