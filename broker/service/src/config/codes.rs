//! The error codes of configurations.

use tierlink_schemas::Code;

/// The file or a profile cannot be read, or is not TOML.
pub const UNREADABLE: Code = Code::new("X001");
/// A setting is not valid or contradicts another one.
pub const INVALID: Code = Code::new("X002");
