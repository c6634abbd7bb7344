//! The deviations found while one message is read: where it broke its own standard and
//! was read anyway.
//!
//! A note names the place and what was wrong there, never the value.

use std::fmt;

use crate::limits::DEVIATIONS_MAX;

/// One place where the message broke the standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Path of the place, such as `PID-7` or `OBX[2]-5`.
    pub path: String,
    /// What was wrong, and how it was read.
    pub what: What,
}

/// What was wrong, and how it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A byte order mark stands before `MSH`.
    ByteOrderMark,
    /// Framing characters or blank lines before `MSH`.
    JunkBefore,
    /// MSH-18 names a character set that we do not know.
    CharsetUnknown,
    /// The profile's character set was used although MSH-18 names another.
    CharsetOverruled,
    /// No character set is stated and the text is not UTF-8.
    CharsetGuessed,
    /// Segments end with LF instead of CR.
    LineFeeds,
    /// Segments end with CR and LF.
    CarriageReturnLineFeeds,
    /// Segments end sometimes with CR, sometimes with LF or both.
    MixedLineEnds,
    /// An empty line between two segments.
    BlankLine,
    /// A line that begins no segment belongs to the field before it.
    BrokenLine,
    /// Blanks before the name of a segment.
    IndentedSegment,
    /// The name of a segment in small letters.
    SmallSegmentName,
    /// A segment that has a name and nothing else.
    EmptySegment,
    /// MSH-2 is empty.
    DelimitersMissing,
    /// MSH-2 has fewer than four characters.
    DelimitersShort,
    /// MSH-1 and MSH-2 are not the usual ones.
    DelimitersUnusual,
    /// MSH-2 has its escape character twice.
    EscapeDoubled,
    /// An escape that no standard knows.
    EscapeUnknown,
    /// `\X…\` that is no text in the character set of the message.
    EscapeHexadecimal,
    /// `\C…\`, `\M…\` or `\Z…\`, whose meaning is local.
    EscapeLocal,
    /// A date or time in a form other than HL7's.
    DateForm,
    /// A date or time that is none, in a field that nothing depends on.
    DateUnreadable,
    /// MSH-18 names a character set that the bytes contradict; the profile's was used.
    CharsetContradicted,
    /// UTF-16, which HL7 v2 over bytes does not know.
    Utf16,
    /// An ADD segment goes on with the one before it.
    Continued,
    /// A raw subcomponent delimiter in a component whose type has no subcomponents.
    RawSubcomponent,
    /// A date where a time of day belongs.
    DayOnly,
    /// A day that was written as a time in another zone.
    DayMoved,
    /// Words that are longer than their field.
    Cut,
    /// Anything the mapping found; the text says what and how it was read.
    Mapping(&'static str),
}

impl What {
    /// The stable name of this kind of tolerance, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ByteOrderMark
            | Self::CharsetUnknown
            | Self::CharsetOverruled
            | Self::CharsetGuessed
            | Self::CharsetContradicted
            | Self::Utf16 => "D040",
            Self::JunkBefore
            | Self::LineFeeds
            | Self::CarriageReturnLineFeeds
            | Self::MixedLineEnds
            | Self::BlankLine
            | Self::BrokenLine
            | Self::IndentedSegment
            | Self::SmallSegmentName
            | Self::EmptySegment
            | Self::Continued => "D041",
            Self::DelimitersMissing
            | Self::DelimitersShort
            | Self::DelimitersUnusual
            | Self::EscapeDoubled => "D042",
            Self::EscapeUnknown
            | Self::EscapeHexadecimal
            | Self::EscapeLocal
            | Self::RawSubcomponent => "D043",
            Self::DateForm | Self::DateUnreadable | Self::DayOnly | Self::DayMoved => "D044",
            Self::Cut => "D046",
            Self::Mapping(_) => "D045",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "a byte order mark stood before MSH; removed",
            Self::JunkBefore => "blank lines or framing characters stood before MSH; removed",
            Self::CharsetUnknown => {
                "names a character set that is not known; the profile's was used"
            }
            Self::CharsetOverruled => "names a character set that the profile overrules",
            Self::CharsetGuessed => "states no character set and is not UTF-8; read as GB18030",
            Self::CharsetContradicted => {
                "names a character set that the bytes contradict; the profile's was used"
            }
            Self::Utf16 => "the message is in UTF-16; read all the same, answered in UTF-8",
            Self::Continued => "goes on in an ADD segment; the parts were joined",
            Self::RawSubcomponent => {
                "a subcomponent delimiter where the type has no subcomponents; read as text"
            }
            Self::LineFeeds => "segments end with LF instead of CR",
            Self::CarriageReturnLineFeeds => "segments end with CR LF instead of CR",
            Self::MixedLineEnds => "segments end in several ways instead of CR",
            Self::BlankLine => "an empty line between segments; skipped",
            Self::BrokenLine => "a line that begins no segment; joined to the one before it",
            Self::IndentedSegment => "blanks before the segment's name; removed",
            Self::SmallSegmentName => "the segment's name is in small letters; read in capitals",
            Self::EmptySegment => "a segment without any field; read as empty",
            Self::DelimitersMissing => "is empty; the usual delimiters were assumed",
            Self::DelimitersShort => "has fewer than four characters; the rest divides nothing",
            Self::DelimitersUnusual => "the delimiters are not the usual ones",
            Self::EscapeDoubled => "has its escape character twice; read as one",
            Self::EscapeUnknown => "an escape that is not in the standard; kept as text",
            Self::EscapeHexadecimal => {
                "hexadecimal that is no text in the message's character set; kept as it is"
            }
            Self::EscapeLocal => "an escape with a local meaning; kept as text",
            Self::DateForm => "a date in another form than HL7's; read all the same",
            Self::DayOnly => "a date without a time of day, which is no midnight; kept as a date",
            Self::DayMoved => {
                "a day written as a time in another zone; read as the day at the sender's place"
            }
            Self::Cut => {
                "is longer than the field for words; it was cut there and kept whole among the extras"
            }
            Self::DateUnreadable => "not a date; kept as text among the extras",
            Self::Mapping(text) => text,
        })
    }
}

/// The notes on one message, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    list: Vec<Note>,
}

impl Notes {
    /// Adds a note, unless the same one is there already or the list is full.
    pub fn add(&mut self, path: impl Into<String>, what: What) {
        let path = path.into();
        let known = self.list.iter().any(|note| note.what == what && note.path == path);
        if !known && self.list.len() < DEVIATIONS_MAX {
            self.list.push(Note { path, what });
        }
    }

    /// What was noted so far.
    #[must_use]
    pub fn list(&self) -> &[Note] {
        &self.list
    }
}
