//! The error codes of this format. Each has a page under `ops/errors/`.

use tierlink_schemas::Code;

/// The bytes are not a JSON message.
pub(crate) const D090_NOT_JSON: Code = Code::new("D090");
/// A field occurs twice.
pub(crate) const D091_TWICE: Code = Code::new("D091");
/// The kind is missing, unknown, or one that senders may not use.
pub(crate) const D092_KIND: Code = Code::new("D092");
/// The kind has no such field.
pub(crate) const D093_UNKNOWN_FIELD: Code = Code::new("D093");
/// A required field is missing.
pub(crate) const D094_MISSING: Code = Code::new("D094");
/// A field has the wrong type, length, form or value.
pub(crate) const D095_FORM: Code = Code::new("D095");
/// The message names another organisation as its source than the one that sent it.
pub(crate) const D096_NOT_THE_SENDER: Code = Code::new("D096");
/// The profile's code map does not list the code of a safety field.
pub(crate) const D097_UNMAPPED: Code = Code::new("D097");
/// Deviation: something in the message was read although it breaks the format.
pub(crate) const D098_TOLERATED: Code = Code::new("D098");
/// The destination refused, delayed, or answered in an unknown form.
pub(crate) const D099_ANSWER: Code = Code::new("D099");
