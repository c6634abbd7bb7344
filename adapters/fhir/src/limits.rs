//! Every limit of this crate, each with its reason. A message beyond one is refused, never cut.

/// Largest message. Attachments travel inline up to 4 MiB each; more than a dozen go by reference.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most values, objects and arrays in one message: what 2,000 laboratory results need, ten times.
pub const NODES_MAX: usize = 500_000;

/// Deepest nesting. FHIR messages with our deepest extensions need less than half of it.
pub const DEPTH_MAX: usize = 120;

/// Most resources in one message, contained ones included. A canonical request holds at most about
/// 3,000 items that become resources.
pub const RESOURCES_MAX: usize = 5_000;

/// Most texts without a canonical field, as the canonical schema allows.
pub const EXTRAS_MAX: usize = 20_000;

/// Longest text of one extra, in characters, as the canonical schema allows. Longer ones are
/// split.
pub const EXTRA_CHARS_MAX: usize = 65_536;

/// Longest path of an extra, as the canonical schema allows.
pub const EXTRA_PATH_CHARS_MAX: usize = 200;

/// Most problems and most deviations that are told about one message. More help nobody.
pub const FINDINGS_MAX: usize = 100;

/// Deepest nesting of our own extensions. The canonical types are not half as deep.
pub const EXTENSION_DEPTH_MAX: usize = 24;

/// Longest destination answer that is read.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest `expression` of a partner's OperationOutcome that is repeated in a problem.
pub const EXPRESSION_CHARS_MAX: usize = 120;

/// Most different extensions of ours that one element may carry. No canonical type has half as
/// many fields.
pub const EXTENSIONS_MAX: usize = 64;

/// Most text in the extensions of one element of which the misfit is still looked for. The search
/// copies them once per extension; beyond this the whole message is refused instead.
pub const EXTENSIONS_BYTES_TRIED_MAX: usize = 1024 * 1024;
