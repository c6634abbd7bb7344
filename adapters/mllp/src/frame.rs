//! What an MLLP stream contains: whole messages, and broken frames.
//!
//! A broken frame does not end the connection. The broker gets it with its first bytes, so that the
//! sender is told what went wrong and an operator can look at it.

use std::fmt;

use bytes::Bytes;
use tierlink_schemas::problem::Code;

/// Starts a frame: vertical tab, 0x0B.
pub const START: u8 = 0x0B;
/// Ends a frame, together with [`RETURN`]: file separator, 0x1C.
pub const END: u8 = 0x1C;
/// Follows [`END`]: carriage return, 0x0D.
pub const RETURN: u8 = 0x0D;

/// A message or a broken frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, without its frame bytes. Never empty.
    Message(Bytes),
    /// A frame that is not a whole message.
    Broken(Broken),
}

/// What is known of a broken frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    /// Why it is broken.
    pub why: Why,
    /// Its first bytes, for the operator; see `FrameLimits::raw_bytes_max`. May
    /// contain patient data.
    pub raw: Bytes,
    /// Its length in bytes. For [`Why::TooMuchJunk`] the limit, because counting stops there.
    pub length: usize,
}

/// Why a frame is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// It has too many bytes. They were skipped; the next frame is read.
    #[error("the frame is longer than this connection allows; split it or raise frame_bytes_max")]
    TooLarge,
    /// There were bytes before its start. They were skipped; the frame is read.
    #[error("bytes came before the start of a frame; start each message with 0x0B")]
    Junk,
    /// There were so many bytes without a start that the other side does not use MLLP. The
    /// connection is closed.
    #[error("too many bytes came without the start of a frame; is the sender speaking MLLP?")]
    TooMuchJunk,
    /// A new frame started before its end. The new one is read.
    #[error("a new frame started before this one ended; end each message with 0x1C 0x0D")]
    HalfFrame,
    /// It has `0x1C` without `0x0D`, and framing is strict. The next frame is read.
    #[error("0x1C was not followed by 0x0D; end each message with 0x1C 0x0D")]
    NoFinalReturn,
    /// It is empty. Some engines send this to check the connection.
    #[error("the frame is empty")]
    Empty,
    /// The connection ended in the middle of it.
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

    /// The stable error code. Each has a page in `ops/errors/`.
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

    /// Whether the connection cannot be used after this, because the next frame's start is unknown
    /// or waiting is useless.
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

/// Written by hand, so that `{:?}` never writes contents to a log.
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
