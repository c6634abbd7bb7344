//! The error codes of this crate. Each has a page in `ops/errors/`.

use tierlink_schemas::Code;

/// The bytes are not JSON in UTF-8.
pub const UNREADABLE: Code = Code::new("D060");
/// A limit of this crate is exceeded.
pub const TOO_MUCH: Code = Code::new("D061");
/// It is no message Bundle with a MessageHeader.
pub const NO_MESSAGE: Code = Code::new("D062");
/// The event is unknown.
pub const EVENT_UNKNOWN: Code = Code::new("D063");
/// The statuses in the message contradict each other.
pub const CONTRADICTION: Code = Code::new("D064");
/// The message names another sender than the one that sent it.
pub const SENDER_DIFFERS: Code = Code::new("D065");
/// An organisation on which the route depends is unknown.
pub const ORGANISATION_UNKNOWN: Code = Code::new("D066");
/// The priority is unknown.
pub const PRIORITY_UNKNOWN: Code = Code::new("D067");
/// The direction contradicts the tiers.
pub const DIRECTION_CONTRADICTS: Code = Code::new("D068");
/// It is not certain who the patient is.
pub const PATIENT_UNCERTAIN: Code = Code::new("D069");
/// The identity number is wrong.
pub const IDENTITY_NUMBER: Code = Code::new("D070");
/// Something that the kind of message needs is missing.
pub const MISSING: Code = Code::new("D071");
/// It does not say which case it is about.
pub const CASE_UNNAMED: Code = Code::new("D072");
/// The message cannot be written in FHIR.
pub const UNWRITABLE: Code = Code::new("D073");
/// An element that changes the meaning of another is not understood.
pub const MODIFIER: Code = Code::new("D074");

/// An element has another shape than FHIR gives it.
pub const SHAPE: Code = Code::new("D075");
/// A time has no zone, or is no time.
pub const TIME: Code = Code::new("D076");
/// A code is not known.
pub const CODE_UNKNOWN: Code = Code::new("D077");
/// No configuration says who an organisation is.
pub const NO_DIRECTORY: Code = Code::new("D078");
/// An extension of ours holds something that the kind does not have.
pub const EXTENSION: Code = Code::new("D079");
/// The event was inferred, or stands in an unusual place.
pub const EVENT_INFERRED: Code = Code::new("D080");
/// A BaRS message follows the shipped examples and not the decision table.
pub const BARS_TOLERATED: Code = Code::new("D081");
/// An identity number or name was written in an unusual form.
pub const IDENTITY_FORM: Code = Code::new("D082");
/// Something that is no fact about the patient was left out.
pub const LEFT_OUT: Code = Code::new("D083");
/// Something that most senders state is not stated.
pub const NOT_STATED: Code = Code::new("D088");
/// A text has no room in the message.
pub const TOO_LONG: Code = Code::new("D084");

/// The destination refused the message.
pub const PARTNER_REFUSED: Code = Code::new("D085");
/// The destination cannot accept it now.
pub const PARTNER_BUSY: Code = Code::new("D086");
/// The destination's answer cannot be read.
pub const PARTNER_UNREADABLE: Code = Code::new("D087");
