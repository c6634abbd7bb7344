//! Every limit of this crate, each with its reason. A message beyond one is refused, never cut.

/// Largest message, in bytes. Inline attachments have up to 4 MiB each; more than a dozen are
/// sent by reference.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most values, objects and arrays in one message: ten times what 2,000 laboratory results need.
pub const NODES_MAX: usize = 500_000;

/// Deepest nesting. FHIR messages with our deepest extensions need less than half of it.
pub const DEPTH_MAX: usize = 120;

/// Most resources in one message, contained ones included. A canonical request holds at most about
/// 3,000 items that become resources.
pub const RESOURCES_MAX: usize = 5_000;

/// Most texts without a canonical field, as the canonical schema allows.
pub const EXTRAS_MAX: usize = 20_000;

/// Longest text of one extra, in characters, as the canonical schema allows. Longer
/// ones are split.
pub const EXTRA_CHARS_MAX: usize = 65_536;

/// Longest path of an extra, in characters, as the canonical schema allows.
pub const EXTRA_PATH_CHARS_MAX: usize = 200;

/// Most problems, and most deviations, that are reported about one message.
pub const FINDINGS_MAX: usize = 100;

/// Deepest nesting of our own extensions. The canonical types are not half as deep.
pub const EXTENSION_DEPTH_MAX: usize = 24;

/// Largest answer of a destination to read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest `expression` of a partner's OperationOutcome to repeat in a problem, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 120;

/// Most different extensions of ours that one element may carry. No canonical type has half
/// as many fields.
pub const EXTENSIONS_MAX: usize = 64;

/// Most text in the extensions of one element of which the misfit is still looked for. The search
/// copies them once per extension; beyond this the whole message is refused instead.
pub const EXTENSIONS_BYTES_TRIED_MAX: usize = 1024 * 1024;
