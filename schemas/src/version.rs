//! The version of a configured translation that was used for a message. At present code
//! maps have versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of a code map. Versions with the same hash have the same content.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Version {
    /// Label from the profile, such as `2026-03`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// First 16 hexadecimal digits of the SHA-256 over label and content.
    pub hash: String,
}
