//! The version of a configured translation that was used for a message. At present code
//! maps have versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// One version of a configured translation. Two versions with the same hash are the same.
#[skip_serializing_none]
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Version {
    /// What people call it, such as `2026-03`; from the profile, if it says so.
    pub label: Option<String>,
    /// First 16 hexadecimal digits of the SHA-256 over label and content.
    pub hash: String,
}
