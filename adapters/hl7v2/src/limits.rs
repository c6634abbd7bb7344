//! How much of a message is read before it is refused, each limit with its reason.
//!
//! The transports have limits of their own. These protect every other way in, such as
//! `tierlink translate` on a file, and keep the work that one message can cause bounded.

/// Ten inline scans of 1 MB in base64, with room to second_message_id. Larger documents travel by reference.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A discharge with every laboratory value of a long stay has about 2,000 segments.
pub const SEGMENTS_MAX: usize = 10_000;

/// The longest standard segment (IN2) has 72 fields; local ones have been seen with 200.
pub const FIELDS_MAX: usize = 512;

/// Repetitions of one field. Waveforms come as NA lists, which need a few thousand.
pub const REPETITIONS_MAX: usize = 5_000;

/// Components of one repetition. Free text with many unescaped `^` stays below this.
pub const COMPONENTS_MAX: usize = 5_000;

/// Subcomponents of one component, for the same reason as components.
pub const SUBCOMPONENTS_MAX: usize = 5_000;

/// Everything between two delimiters, over the whole message.
/// Counted before the message is taken apart, because each one costs about 300 bytes there.
pub const VALUES_MAX: usize = 200_000;

/// `\X…\` may carry a whole line in hexadecimal, but not a document.
pub const ESCAPE_CHARS_MAX: usize = 2_000;

/// Deviations kept per message. A file in the wrong format could yield one for each field.
pub const DEVIATIONS_MAX: usize = 200;

/// MSH-10 in versions before 2.7, and what every receiver can store.
pub const CONTROL_ID_CHARS_MAX: usize = 20;

/// Text of MSA-3 and ERR-8: what the shortest receiver shows.
pub const ANSWER_TEXT_CHARS_MAX: usize = 200;

/// The longest canonical path has 60 characters.
pub const PATH_CHARS_MAX: usize = 128;

/// The deepest canonical path has seven steps.
pub const PATH_DEPTH_MAX: usize = 10;

/// What one extra may hold; a longer text is kept in several.
pub const EXTRA_CHARS_MAX: usize = 16_000;

/// From this many extras on, the profile deserves a look.
pub const EXTRAS_MAX: usize = 500;
