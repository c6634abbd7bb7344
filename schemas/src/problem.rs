//! What a message can be told about itself: problems, deviations and losses.
//!
//! All three name a *place* and never a value: a value may be a patient's. A problem refuses the
//! message, a deviation lets it through with a note, a loss says what an outgoing format could not
//! carry. The texts are read by people at 3 a.m., so each says what to do.
//!
//! Where to read next: `check.rs` finds problems in canonical messages; `ops/errors/` explains
//! every code.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The stable name of an error, and of its page in `ops/errors/`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// Declares a code: the letter of the layer and three digits, such as `D012`.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message is refused: which code, which field, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The stable code, with a page under `ops/errors/`.
    pub code: Code,
    /// Where: a path in the sender's own format (`PID-5`) or in the canonical message
    /// (`body.patient.name`).
    pub field: String,
    /// What is wrong and how to mend it. Never holds a value of the message.
    pub text: String,
}

impl Problem {
    /// Names a problem.
    #[must_use]
    pub fn new(code: Code, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, field: field.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.field, self.text)
    }
}

/// A place where a message broke its own standard and was read anyway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// The stable code of this kind of tolerance.
    pub code: Code,
    /// Where, in the sender's own format.
    pub field: String,
    /// What was expected and how it was read. Never holds a value of the message.
    pub text: String,
}

impl Deviation {
    /// Names a deviation.
    #[must_use]
    pub fn new(code: Code, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, field: field.into(), text: text.into() }
    }
}

/// Something canonical that an outgoing format could not carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Where, as a path in the canonical message.
    pub field: String,
    /// What was lost: dropped, shortened or made coarser. Never holds a value of the message.
    pub text: String,
    /// Whether it is a safety field (see [`crate::safety`]). Such a loss parks the delivery instead of
    /// sending it.
    pub safety: bool,
}

impl Loss {
    /// A loss that is recorded and shown, and does not stop the delivery.
    #[must_use]
    pub fn plain(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), text: text.into(), safety: false }
    }

    /// The loss of a safety field: the delivery must not go out.
    #[must_use]
    pub fn of_safety(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), text: text.into(), safety: true }
    }
}
