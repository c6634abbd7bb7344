//! What can be read from an MLLP stream: whole messages, and what is left of broken ones.
//!
//! A broken frame is not an error of the connection. It is told to the broker, with the first bytes
//! of it, so that the sender hears what went wrong and an operator can look at what came.

use std::fmt;

use bytes::Bytes;
use tierlink_schemas::problem::Code;

/// Starts a frame: vertical tab.
pub const START: u8 = 0x0B;
/// Ends a frame, together with [`RETURN`]: file separator.
pub const END: u8 = 0x1C;
/// Follows [`END`]: carriage return.
pub const RETURN: u8 = 0x0D;

/// One thing found in the stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, without its frame bytes. Never empty.
    Message(Bytes),
    /// Something that is not a whole message.
    Broken(Broken),
}

/// What is left of a frame that broke.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    /// What broke it.
    pub why: Why,
    /// The first bytes of it, for the operator's eyes; see `FrameLimits::raw_bytes_max`.
    pub raw: Bytes,
    /// How many bytes there were. For [`Why::TooMuchJunk`] the limit: nobody counts further.
    pub length: usize,
}

/// What breaks a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// More bytes than a frame may have. They were skipped; the next frame is read.
    #[error("the frame is longer than this connection allows; split it or raise frame_bytes_max")]
    TooLarge,
    /// Bytes before a frame's start. They were skipped; the frame is read.
    #[error("bytes came before the start of a frame; start each message with 0x0B")]
    Junk,
    /// So many bytes without a start that the other side hardly speaks MLLP. The connection ends.
    #[error("too many bytes came without the start of a frame; is the sender speaking MLLP?")]
    TooMuchJunk,
    /// A new frame started before this one ended. The new one is read.
    #[error("a new frame started before this one ended; end each message with 0x1C 0x0D")]
    HalfFrame,
    /// `0x1C` without `0x0D`, where the connection insists on it. The next frame is read.
    #[error("0x1C was not followed by 0x0D; end each message with 0x1C 0x0D")]
    NoFinalReturn,
    /// A frame with nothing in it. Some engines send it to see whether we live.
    #[error("the frame is empty")]
    Empty,
    /// The connection ended in the middle of a frame.
    #[error("the connection ended in the middle of a frame; send the message again")]
    CutOff,
    /// Too much is being received for this frame to have room. It was skipped; the next is read.
    #[error("too much is being received at this moment; send the message again in a moment")]
    NoRoom,
    /// The frame took too long to arrive. The connection ends.
    #[error("the frame took too long to arrive; send the message again, in one piece")]
    TooSlow,
}

impl Why {
    /// Every reason, for tables and documentation.
    pub const ALL: [Self; 9] = [
        Self::TooLarge,
        Self::Junk,
        Self::TooMuchJunk,
        Self::HalfFrame,
        Self::NoFinalReturn,
        Self::Empty,
        Self::CutOff,
        Self::NoRoom,
        Self::TooSlow,
    ];

    /// The stable name of this reason, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::TooLarge => Code::new("E010"),
            Self::Junk => Code::new("E011"),
            Self::TooMuchJunk => Code::new("E012"),
            Self::HalfFrame => Code::new("E013"),
            Self::NoFinalReturn => Code::new("E014"),
            Self::Empty => Code::new("E015"),
            Self::CutOff => Code::new("E016"),
            Self::TooSlow => Code::new("E017"),
            Self::NoRoom => Code::new("E036"),
        }
    }

    /// Whether the connection cannot go on after this: there is no telling where a frame starts, or
    /// no point in waiting for it.
    #[must_use]
    pub const fn ends_the_connection(self) -> bool {
        match self {
            Self::TooMuchJunk | Self::CutOff | Self::TooSlow => true,
            Self::TooLarge
            | Self::Junk
            | Self::HalfFrame
            | Self::NoFinalReturn
            | Self::Empty
            | Self::NoRoom => false,
        }
    }
}

/// Written by hand so that a payload can never reach a log through `{:?}`.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "Message({} bytes)", message.len()),
            Self::Broken(broken) => broken.fmt(f),
        }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broken({:?}, {} bytes)", self.why, self.length)
    }
}
