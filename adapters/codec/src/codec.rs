//! The codec trait: one format, both directions, and the answers on both sides.

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_schemas::{Deviation, Loss, Message, OrganisationCode, Problem, Verdict, Version};
use uuid::Uuid;

use crate::code_maps::CodeMaps;
use crate::directory::Directory;
use crate::head::Head;
use crate::profile::Profile;

/// What a decoder is given beside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// How the sending organisation speaks.
    pub profile: &'a Profile,
    /// Who else there is.
    pub directory: &'a Directory,
    /// The id that the message will have with us.
    pub id: Uuid,
    /// When the bytes arrived.
    pub received_at: Timestamp,
    /// What was read of them already: by [`Codec::sender`], or by [`Codec::decode`] for the answer.
    pub head: Option<&'a Head>,
}

impl<'a> Reading<'a> {
    /// What was read already, if it is a `T`.
    #[must_use]
    pub fn known<T: 'static>(&self) -> Option<&'a T> {
        self.head.and_then(Head::get)
    }
}

/// What an encoder is given beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// How the receiving organisation speaks.
    pub profile: &'a Profile,
    /// Who else there is.
    pub directory: &'a Directory,
}

/// Whether the sender's format said what family of case it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKnown {
    /// It did; the kind is exact.
    Stated,
    /// It did not (a cancel, an appointment): the family is that of the case, once found.
    ByCase,
}

/// What came of reading.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The message and how certain its family is, or every problem found (at least one).
    pub outcome: Result<(Message, FamilyKnown), Vec<Problem>>,
    /// What was read tolerantly. Kept on refusal too.
    pub deviations: Vec<Deviation>,
    /// The sender's own id for the message, where it could be read even though the rest could not.
    pub source_message_id: Option<String>,
    /// The version of the sender's code maps, if its profile gives any.
    pub code_maps: Option<Version>,
    /// What the answer needs of the message, whether it was taken or not.
    pub head: Head,
}

impl Decoded {
    /// Keeps what the answer needs.
    #[must_use]
    pub fn with_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// Notes which code maps were in force.
    #[must_use]
    pub fn read_with(mut self, maps: &CodeMaps<'_>) -> Self {
        self.code_maps = maps.version();
        self
    }

    /// A message that was read.
    #[must_use]
    pub fn read(message: Message, family: FamilyKnown, deviations: Vec<Deviation>) -> Self {
        let source_message_id = Some(message.source.message_id.clone());
        Self {
            outcome: Ok((message, family)),
            deviations,
            source_message_id,
            code_maps: None,
            head: Head::default(),
        }
    }

    /// A message that is refused.
    #[must_use]
    pub fn refused(
        problems: Vec<Problem>,
        deviations: Vec<Deviation>,
        source_message_id: Option<String>,
    ) -> Self {
        Self {
            outcome: Err(problems),
            deviations,
            source_message_id,
            code_maps: None,
            head: Head::default(),
        }
    }
}

/// Who a message says it is from, before it is read in full: enough to find the profile.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// Names the sender uses for its organisation, most exact first (MSH-4.2, MSH-4.1, MSH-3.1).
    pub names: Vec<String>,
    /// The system that it says it is (MSH-3.1, `source.system`, `MessageHeader.source.name`).
    pub system: Option<String>,
    /// What was read to find that out.
    pub head: Head,
}

/// A message in an outgoing format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes to send. The same message and profile give the same bytes at every try. All tries
    /// share one copy.
    pub bytes: Bytes,
    /// Media type for HTTP.
    pub media_type: &'static str,
    /// The id under which the destination knows this transmission (MSH-10, `MessageHeader.id`).
    pub control_id: String,
    /// What the format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code maps, if its profile gives any.
    pub code_maps: Option<Version>,
}

/// What to answer: a verdict, or that nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The message was judged, and the judgement is on disk.
    Verdict(&'a Verdict),
    /// Nothing was stored; the same message may be sent again (AE 207, HTTP 503).
    TryAgain(&'a Problem),
}

/// An answer in the sender's own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The frames or bodies to send back, in order. None where the sender wants no answer.
    pub frames: Vec<Vec<u8>>,
    /// HTTP status.
    pub status: u16,
    /// Media type for HTTP.
    pub media_type: &'static str,
}

/// What a destination's answer means for the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It took responsibility. `number` is its own number for the message, where it gave one.
    Taken {
        /// The destination's own number.
        number: Option<String>,
    },
    /// It read the message and said no. Sending it again blindly will not help.
    Refused {
        /// Why, without values.
        problems: Vec<Problem>,
    },
    /// It could not take it now (busy, locked, internal error): try again later.
    NotNow {
        /// Why, without values.
        problems: Vec<Problem>,
    },
    /// It has the message and a further answer will follow on this connection.
    MoreComes,
    /// It answers another message: ignore it and go on waiting.
    Stray,
    /// It is no answer that this format knows.
    Unreadable {
        /// Why, without values.
        problem: Problem,
    },
}

/// How bytes of a format travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Frames over TCP, as HL7 v2 uses them.
    Mllp,
    /// Bodies of HTTP requests.
    Http,
}

impl Transport {
    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mllp => "MLLP",
            Self::Http => "HTTP",
        }
    }

    /// How addresses that it reaches begin.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Mllp => "mllp://",
            Self::Http => "http://",
        }
    }
}

/// One format, both directions. Implementations are pure and never panic on any bytes.
pub trait Codec: Send + Sync {
    /// What profiles, figures and the command line call the format.
    fn name(&self) -> &'static str;

    /// The transports over which messages of this format arrive and leave.
    fn transports(&self) -> &'static [Transport];

    /// Whether the format has a message for receipts.
    fn has_receipts(&self) -> bool;

    /// Who a message says it is from. Must be quick: it runs before any limit but the size.
    fn sender(&self, bytes: &[u8]) -> Sender;

    /// Reads a message.
    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded;

    /// Writes a message for a destination, or says why this format cannot.
    fn encode(
        &self,
        message: &Message,
        to: &OrganisationCode,
        with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>>;

    /// Writes what the sender of `arrived` hears. `arrived` may be anything at all; what decoding
    /// has read of it is in `with.head`.
    fn answer(&self, arrived: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer;

    /// Reads one answer of a destination to the transmission `control_id`. `status` is HTTP's.
    fn read_answer(
        &self,
        control_id: &str,
        answer: &[u8],
        status: Option<u16>,
        with: &Writing<'_>,
    ) -> Answered;
}
