//! How much of a message is read before it is refused, each limit with its reason.
//!
//! The transports have limits of their own. These protect every other way in, such as
//! `tierlink translate` on a file, and keep the work that one message can cause bounded.

/// Largest message, in bytes. Ten inline scans of 1 MB each fit as base64; larger documents are
/// sent by reference.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most segments. A discharge with every laboratory value of a long stay has about 2,000.
pub const SEGMENTS_MAX: usize = 10_000;

/// Most fields of a segment. The longest standard segment (IN2) has 72; local ones had up to 200.
pub const FIELDS_MAX: usize = 512;

/// Most repetitions of one field. Waveforms (type NA) need a few thousand.
pub const REPETITIONS_MAX: usize = 5_000;

/// Most components of one repetition. Free text with many unescaped `^` has fewer.
pub const COMPONENTS_MAX: usize = 5_000;

/// Most subcomponents of one component, for the same reason.
pub const SUBCOMPONENTS_MAX: usize = 5_000;

/// Most values in a message, counted by delimiters before it is split, because each value needs
/// about 300 bytes then.
pub const VALUES_MAX: usize = 200_000;

/// Longest escape `\X…\`, in characters: a line of hexadecimal text, but not a document.
pub const ESCAPE_CHARS_MAX: usize = 2_000;

/// Most deviations of one message. A file in the wrong format could give one for each field.
pub const DEVIATIONS_MAX: usize = 200;

/// Longest MSH-10, in characters: the limit of versions before 2.7, and what every
/// receiver can store.
pub const CONTROL_ID_CHARS_MAX: usize = 20;

/// Longest text in MSA-3 and ERR-8, in characters: what the most limited receiver shows.
pub const ANSWER_TEXT_CHARS_MAX: usize = 200;

/// Longest canonical path in an OBX of ours, in characters. The longest real one has 60.
pub const PATH_CHARS_MAX: usize = 128;

/// Most steps of a canonical path. The deepest real one has seven.
pub const PATH_DEPTH_MAX: usize = 10;

/// Longest text of one extra, in characters. A longer one is split.
pub const EXTRA_CHARS_MAX: usize = 16_000;

/// Most extras before a deviation suggests to check the profile.
pub const EXTRAS_MAX: usize = 500;
