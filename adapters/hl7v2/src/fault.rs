//! Why a message could not be read or written. Names places, never values: a value may
//! be a patient's.

/// Why a message could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No bytes, or nothing but blanks.
    #[error("the message is empty; send a message that begins with MSH")]
    Empty,
    /// More bytes than we read.
    #[error("the message is larger than {limit} bytes; send its documents by reference (OBX-2 RP)")]
    TooLarge {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// The first line is not an MSH.
    #[error("the message does not begin with MSH; send one HL7 v2 message per frame")]
    NotHl7,
    /// MSH-1 or MSH-2 cannot divide a message.
    #[error("{0} holds no usable delimiters; send MSH|^~\\&|")]
    Delimiters(&'static str),
    /// Bytes that are no text in the character set.
    #[error(
        "{segment} holds bytes at offset {offset} that are not {charset}; state the right \
         character set in MSH-18, or in the profile with the quirk charset_wins"
    )]
    Undecodable {
        /// The segment in which the bytes are.
        segment: String,
        /// Where the bytes are in the message.
        offset: usize,
        /// The character set that was tried.
        charset: &'static str,
    },
    /// More parts than we read.
    #[error("{path} has more than {limit} {parts}; split the message")]
    TooMany {
        /// Where the parts are.
        path: String,
        /// What there is too much of.
        parts: &'static str,
        /// The limit that was exceeded.
        limit: usize,
    },
    /// The reader of the structure lost or invented something.
    #[error(
        "{segment} could not be taken apart without losing text; send it without control characters"
    )]
    Structure {
        /// The first segment concerned.
        segment: String,
    },
    /// A NUL character.
    #[error("{segment} holds a NUL character; remove it")]
    Nul {
        /// The segment that holds it.
        segment: String,
    },
    /// A second MSH, or a batch.
    #[error("{segment} begins a second message or a batch; send one message per frame")]
    SeveralMessages {
        /// The segment that begins it.
        segment: String,
    },
    /// The message goes on in another one: a continuation pointer.
    #[error("{field} says that the message goes on in another one; send it whole")]
    Continued {
        /// The field with the pointer.
        field: String,
    },
    /// Not meant for patients: a test, a drill, or an old message loaded again.
    #[error(
        "{field} says that the message is not of production; send P for real patients, and tests \
         to a system for tests"
    )]
    NotProduction {
        /// The field that says so.
        field: &'static str,
    },
    /// The type is taken, the event is not.
    #[error("MSH-9.2 holds an event that is not taken; send {expected}")]
    Event {
        /// The types and events that are taken.
        expected: &'static str,
    },
    /// A statement that was withdrawn, or that is about something that shall not happen.
    #[error("{field} {why}")]
    Modifier {
        /// The field that changes the meaning.
        field: String,
        /// How, and what to send instead.
        why: &'static str,
    },
    /// A character set that the bytes cannot be in, although they could be read so.
    #[error(
        "the message is stated to be in {charset}, which its bytes contradict; state the right \
         character set in MSH-18 and in the profile"
    )]
    Contradicted {
        /// The character set that was named.
        charset: &'static str,
    },
    /// A field without which the message means nothing.
    #[error("{field} is missing; send it so that {why}")]
    Missing {
        /// Path of the field, such as `PID-7`.
        field: String,
        /// What it is needed for.
        why: &'static str,
    },
    /// A code of a safety field that nobody has told us the meaning of.
    #[error(
        "{field} holds a code that is not known; send {expected}, or add the code to \
         [codes.{map}] in the profile"
    )]
    UnknownCode {
        /// Path of the field, such as `PID-7`.
        field: String,
        /// The codes that are known.
        expected: &'static str,
        /// The code map of the profile that could translate it.
        map: &'static str,
    },
    /// Not a date or time.
    #[error("{field} is not a date or time; send YYYYMMDD[HHMM[SS]][+ZZZZ]")]
    NotATime {
        /// Path of the field, such as `PID-7`.
        field: String,
    },
    /// A message type or event that carries nothing for us.
    #[error("MSH-9 holds a message type that is not taken; send {expected}")]
    MessageType {
        /// The types that are taken.
        expected: &'static str,
    },
    /// A version that we do not speak.
    #[error("MSH-12 holds a version that is not taken; send 2.3.1 to 2.8")]
    Version,
    /// The stated direction is not what the tiers of the two organisations say.
    #[error(
        "{field} states a direction that contradicts the tiers of the two organisations; correct \
         {field} or the organisations' tiers"
    )]
    Direction {
        /// The field that states it.
        field: String,
    },
    /// Two values where only one can be true.
    #[error("{field} holds values that contradict each other; send one")]
    Contradiction {
        /// Path of the field, such as `PID-7`.
        field: String,
    },
    /// A value of a safety field in a form that cannot be right.
    #[error("{field} holds a value that cannot be right: {why}")]
    Invalid {
        /// Path of the field, such as `PID-7`.
        field: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An organisation that nobody has registered.
    #[error(
        "{field} names an organisation that is not known; send its code, or add the name to the organisation's profile"
    )]
    UnknownOrganisation {
        /// Path of the field, such as `PID-7`.
        field: String,
    },
    /// A character that the receiver's character set does not have.
    #[error(
        "{field} holds a character that {charset} does not have; set the profile's charset to GB18030 or UTF-8"
    )]
    Unmappable {
        /// Path of the field, such as `PID-7`.
        field: String,
        /// The receiver's character set.
        charset: &'static str,
    },
    /// A kind of message that HL7 v2 has no form for.
    #[error("a message of this kind has no HL7 v2 form; let the receiver take FHIR or JSON")]
    NoForm,
    /// The character set of the profile is none that we know.
    #[error("the profile's charset is not known; set UTF-8, GB18030, GBK, Big5 or 8859/1")]
    ProfileCharset,
    /// An answer without MSA, or with an unknown code in it.
    #[error("the answer holds no MSA-1 that is known; ask the receiver to answer AA, AE or AR")]
    Answer,
    /// An answer to another message.
    #[error("MSA-2 of the answer is not the MSH-10 that was sent; the answer is not counted")]
    OtherAnswer,
}

impl Fault {
    /// The stable name of this fault, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "D010",
            Self::TooLarge { .. } => "D011",
            Self::NotHl7 => "D012",
            Self::Delimiters(_) => "D013",
            Self::Undecodable { .. } | Self::Contradicted { .. } => "D014",
            Self::TooMany { .. } => "D015",
            Self::Structure { .. } => "D016",
            Self::Nul { .. } => "D017",
            Self::SeveralMessages { .. } => "D018",
            Self::Missing { .. } => "D019",
            Self::UnknownCode { .. } => "D020",
            Self::NotATime { .. } => "D021",
            Self::MessageType { .. } | Self::Event { .. } => "D022",
            Self::Version => "D023",
            Self::Direction { .. } => "D024",
            Self::Contradiction { .. } => "D025",
            Self::Invalid { .. } => "D026",
            Self::UnknownOrganisation { .. } => "D027",
            Self::Continued { .. } => "D028",
            Self::Modifier { .. } => "D029",
            Self::Unmappable { .. } => "D030",
            Self::NoForm => "D031",
            Self::ProfileCharset => "D032",
            Self::Answer => "D033",
            Self::OtherAnswer => "D034",
            Self::NotProduction { .. } => "D037",
        }
    }

    /// Which place of the message it is about.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Empty | Self::TooLarge { .. } | Self::NotHl7 | Self::NoForm => "MSH",
            Self::Delimiters(field) | Self::NotProduction { field } => field,
            Self::Undecodable { segment, .. }
            | Self::Structure { segment }
            | Self::Nul { segment }
            | Self::SeveralMessages { segment } => segment,
            Self::TooMany { path, .. } => path,
            Self::Missing { field, .. }
            | Self::UnknownCode { field, .. }
            | Self::NotATime { field }
            | Self::Direction { field }
            | Self::Contradiction { field }
            | Self::Invalid { field, .. }
            | Self::UnknownOrganisation { field }
            | Self::Continued { field }
            | Self::Modifier { field, .. }
            | Self::Unmappable { field, .. } => field,
            Self::MessageType { .. } => "MSH-9",
            Self::Event { .. } => "MSH-9.2",
            Self::Contradicted { .. } => "MSH-18",
            Self::Version => "MSH-12",
            Self::ProfileCharset => "charset",
            Self::Answer => "MSA-1",
            Self::OtherAnswer => "MSA-2",
        }
    }
}
