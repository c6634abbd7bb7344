//! The codes of what can be wrong with a configuration.

use tierlink_schemas::Code;

/// The file or a profile cannot be read, or is no TOML.
pub const UNREADABLE: Code = Code::new("X001");
/// A setting contradicts another one or makes no sense.
pub const INVALID: Code = Code::new("X002");
