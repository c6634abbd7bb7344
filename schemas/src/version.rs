//! Which version of something that changes decided about a message: today a code map, later a
//! dialect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One version of a configured translation. Two versions with the same hash are the same.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Version {
    /// What people call it, such as `2026-03`; from the profile, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The first 16 hexadecimal digits of the SHA-256 of label and content.
    pub hash: String,
}
