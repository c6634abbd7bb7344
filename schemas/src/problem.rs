//! What can be reported about a message: problems, deviations and losses.
//!
//! All three name a place in the message and never a value, because a value may be a patient's.
//! Place and text are bounded and cleaned whenever one is made (`outside.rs`), because part of them
//! may come from whoever wrote the message.
//! A problem refuses the message, a deviation accepts it with a note, and a loss says what an
//! outgoing format could not carry. The texts are read by people under stress, so each says
//! what to do.
//!
//! Where to read next: `check.rs` finds problems in canonical messages, and `ops/errors/`
//! explains every code.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outside;

/// A stable error code. Each has a page in `ops/errors/`.
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

/// Why a message is refused: code, field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The error code. Each has a page in `ops/errors/`.
    pub code: Code,
    /// The field: a path in the sender's own format (`PID-5`) or in the
    /// canonical message (`body.patient.name`).
    pub field: String,
    /// What is wrong and how to correct it. Never contains a value of the message.
    pub text: String,
}

impl Problem {
    /// Makes a problem.
    #[must_use]
    pub fn new(code: Code, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, field: outside::place(field), text: outside::sentence(text) }
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
    /// The error code of this kind of deviation. Each has a page in `ops/errors/`.
    pub code: Code,
    /// The field, as a path in the sender's own format.
    pub field: String,
    /// What was expected and how it was read. Never contains a value of the message.
    pub text: String,
}

impl Deviation {
    /// Makes a deviation.
    #[must_use]
    pub fn new(code: Code, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, field: outside::place(field), text: outside::sentence(text) }
    }
}

/// Something in the canonical message that an outgoing format could not carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// The field, as a path in the canonical message.
    pub field: String,
    /// What was lost: dropped, shortened or made less exact. Never contains a value of the message.
    pub text: String,
    /// Whether it is a safety field (see [`crate::safety`]). Such a loss parks the delivery instead
    /// of sending it.
    pub safety: bool,
}

impl Loss {
    /// Makes a loss that is recorded and shown, and does not stop the delivery.
    #[must_use]
    pub fn plain(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: outside::place(field), text: outside::sentence(text), safety: false }
    }

    /// Makes a loss of a safety field, which stops the delivery.
    #[must_use]
    pub fn of_safety(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: outside::place(field), text: outside::sentence(text), safety: true }
    }
}
