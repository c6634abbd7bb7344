//! The error codes of this format. Each has a page under `ops/errors/`.

use tierlink_schemas::Code;

/// The bytes are no JSON message at all.
pub(crate) const D090_NOT_JSON: Code = Code::new("D090");
/// A field is there twice.
pub(crate) const D091_TWICE: Code = Code::new("D091");
/// The kind is missing, unknown, or not for senders.
pub(crate) const D092_KIND: Code = Code::new("D092");
/// A field that the kind does not have.
pub(crate) const D093_UNKNOWN_FIELD: Code = Code::new("D093");
/// A field that must be there is not.
pub(crate) const D094_MISSING: Code = Code::new("D094");
/// A field has the wrong type, length, form or value.
pub(crate) const D095_FORM: Code = Code::new("D095");
/// The source is another organisation than the sender.
pub(crate) const D096_NOT_THE_SENDER: Code = Code::new("D096");
/// A code of a safety field that the profile does not map.
pub(crate) const D097_UNMAPPED: Code = Code::new("D097");
/// Something was read tolerantly.
pub(crate) const D098_TOLERATED: Code = Code::new("D098");
/// The destination's answer is a refusal, a delay, or no answer that we know.
pub(crate) const D099_ANSWER: Code = Code::new("D099");
