//! The codec trait: one format, read and written, with the answers to senders
//! and from destinations.

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_schemas::{Deviation, Loss, Message, OrganisationCode, Problem, Verdict, Version};
use uuid::Uuid;

use crate::code_maps::CodeMaps;
use crate::directory::Directory;
use crate::head::Head;
use crate::profile::Profile;

/// What a decoder gets beside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Profile of the system that sent the message.
    pub profile: &'a Profile,
    /// All organisations of the county.
    pub directory: &'a Directory,
    /// Our id for the message.
    pub id: Uuid,
    /// When the bytes arrived, by the broker's clock.
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

/// What an encoder gets beside the message.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// Profile of the system that receives the message.
    pub profile: &'a Profile,
    /// All organisations of the county.
    pub directory: &'a Directory,
}

/// Whether the sender's format says which family (referral, transfer, consultation) the
/// message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKnown {
    /// It does; the kind is exact.
    Stated,
    /// It does not, as for a cancel or an appointment. The kind's family is taken from the case
    /// once it is found.
    ByCase,
}

/// What came of reading.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The message, or every problem found (at least one).
    pub outcome: Result<(Message, FamilyKnown), Vec<Problem>>,
    /// Where the message broke its own standard and was read anyway. Filled on a refusal too.
    pub deviations: Vec<Deviation>,
    /// The sender's own id for the message; may be known although the message is refused.
    pub source_message_id: Option<String>,
    /// The version of the sender's code maps; `None` if its profile has none.
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

    /// The result for a message that was read.
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

    /// The result for a message that is refused.
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
    /// Names of the sending organisation, most specific first (MSH-4.2, MSH-4.1, MSH-3.1).
    pub names: Vec<String>,
    /// The name of the sending system (MSH-3.1, `source.system`, `MessageHeader.source.name`).
    pub system: Option<String>,
    /// What was read to find that out.
    pub head: Head,
}

/// A message in an outgoing format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes to send. The same message and profile give the same bytes at every try.
    /// Reference-counted, so all tries share one copy.
    pub bytes: Bytes,
    /// Media type for HTTP.
    pub media_type: &'static str,
    /// The id under which the destination knows this transmission (MSH-10, `MessageHeader.id`).
    pub control_id: String,
    /// What the format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code maps; `None` if its profile has none.
    pub code_maps: Option<Version>,
}

/// What to tell a sender: a verdict, or that nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The message was judged and the judgement is on disk.
    Verdict(&'a Verdict),
    /// Nothing was stored; the same message may be sent again (AE 207, HTTP 503).
    TryAgain(&'a Problem),
}

/// An answer in the sender's own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Frames or bodies to send back, in order. Empty if the sender wants no answer.
    pub frames: Vec<Vec<u8>>,
    /// HTTP status code. Not used over MLLP.
    pub status: u16,
    /// Media type for HTTP. Not used over MLLP.
    pub media_type: &'static str,
}

/// What a destination's answer means for the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It accepted responsibility for the message.
    Taken {
        /// The destination's own number for the message, if it gave one.
        number: Option<String>,
    },
    /// It refused the message. Sending it again unchanged would not help.
    Refused {
        /// Why, without any value of the message.
        problems: Vec<Problem>,
    },
    /// It cannot take it now (busy, locked, internal error). Try again later.
    NotNow {
        /// Why, without any value of the message.
        problems: Vec<Problem>,
    },
    /// It has the message and will send a further answer on this connection.
    MoreComes,
    /// It answers another message. Ignore it and wait on.
    Stray,
    /// The answer is none that this format knows, so it may come from something that stands before
    /// the destination, whatever the HTTP status says.
    Unreadable {
        /// Why, without any value of the message.
        problem: Problem,
    },
}

/// How messages of a format are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Frames over TCP (MLLP), for HL7 v2.
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
    /// The name of the format in profiles, metrics and the command line.
    fn name(&self) -> &'static str;

    /// The transports on which messages of this format arrive and leave.
    fn transports(&self) -> &'static [Transport];

    /// Whether the format can express a receipt.
    fn has_receipts(&self) -> bool;

    /// Reads whom a message says it is from. Must be quick: apart from the size, nothing
    /// is checked before.
    fn sender(&self, bytes: &[u8]) -> Sender;

    /// Reads a message.
    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded;

    /// Writes a message for a destination, or says why this format cannot express it.
    fn encode(
        &self,
        message: &Message,
        to: &OrganisationCode,
        with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>>;

    /// Writes what the sender of `arrived` hears. `arrived` may be anything at all; what decoding
    /// has read of it is in `with.head`.
    fn answer(&self, arrived: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer;

    /// Reads a destination's answer to the transmission `control_id`. `status` is the HTTP status,
    /// `None` over MLLP. A status alone means nothing: without words of this format, apart from an
    /// empty 2xx where the format allows one, the answer is [`Answered::Unreadable`].
    fn read_answer(
        &self,
        control_id: &str,
        answer: &[u8],
        status: Option<u16>,
        with: &Writing<'_>,
    ) -> Answered;
}
