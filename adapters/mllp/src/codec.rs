//! Finds frames in a stream of bytes, and puts messages into frames.
//!
//! ```text
//!            0B                     1C 0D
//!   Outside ─────▶ Reading ─────────────────▶ Outside      Message
//!      │              │ 0B before the end ──▶ Reading      Broken(HalfFrame)
//!      │              │ over frame_bytes_max: skips to the end, then Broken(TooLarge)
//!      └─ over junk_bytes_max ──▶ Lost                     Broken(TooMuchJunk)
//! ```
//!
//! The result depends on the bytes alone, not on how the network split them. Each byte is examined
//! once, because the position where the search stopped is remembered. Memory is bounded by
//! [`FrameLimits`], whatever is sent.
//!
//! `0x1C` is never part of another character in GBK, GB18030 or UTF-8, so searching bytes is safe.
//! UTF-16 is the exception, and no HL7 engine sends it over MLLP.
//!
//! Reads no clock. `wire.rs` has the timeouts.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memchr::{memchr, memchr2};
use tokio_util::codec::{Decoder, Encoder};

use crate::frame::{Broken, END, Frame, RETURN, START, Why};

/// Longest frame, in bytes. A referral with a few inline images fits; more should be
/// sent by reference.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes before a frame's start. A login banner or a stray answer fits; more means that the
/// other side does not use MLLP.
pub const JUNK_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a broken frame to keep: enough for the header and the first segments.
pub const RAW_BYTES_MAX: usize = 64 * 1024;
/// Frame bytes around a message: start, end, return.
const FRAMING_BYTES: usize = 3;
const LINE_FEED: u8 = b'\n';

/// Limits of the codec, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Most bytes between a frame's start and its end.
    pub frame_bytes_max: usize,
    /// Most bytes to search for a frame's start.
    pub junk_bytes_max: usize,
    /// Most bytes of a broken frame to keep.
    pub raw_bytes_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            junk_bytes_max: JUNK_BYTES_MAX,
            raw_bytes_max: RAW_BYTES_MAX,
        }
    }
}

/// Which byte sequences end a frame besides `1C 0D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Also `1C 0B`, `1C 0A`, and `1C` followed by a pause or the end of the connection. Any
    /// other `1C` belongs to the message, because ending the frame there could lose half of
    /// a referral unnoticed.
    #[default]
    Tolerant,
    /// None: a frame that contains any other `1C` is broken.
    Strict,
}

/// Decoder and encoder of one connection.
#[derive(Debug)]
pub struct Codec {
    limits: FrameLimits,
    framing: Framing,
    place: Place,
}

/// Position in the stream.
#[derive(Debug)]
enum Place {
    /// Between frames. The buffer has junk; its first `searched` bytes contain no start.
    Outside { searched: usize },
    /// Inside a frame. The buffer starts with the first byte of the message that is still needed.
    Reading(Reading),
    /// After too much junk. Nothing more is read.
    Lost,
}

#[derive(Debug, Default)]
struct Reading {
    /// Number of bytes at the buffer's beginning that contain neither end nor start.
    searched: usize,
    /// Whether a `1C` without its `0D` was found. Strict framing only.
    spoiled: bool,
    /// Set once the frame is too large to keep.
    skipping: Option<Skipping>,
}

#[derive(Debug)]
struct Skipping {
    why: Why,
    raw: Bytes,
    skipped: usize,
}

/// Result of a search inside a frame.
enum Mark {
    /// The frame ends at `at`, marked by `width` bytes.
    End { at: usize, width: usize },
    /// Another frame starts at `at`.
    Start { at: usize },
    /// Neither. The first `certain` bytes belong to the message.
    Nothing { certain: usize },
}

/// Result of one search through the buffer.
enum Look {
    Found(Frame),
    Again,
    NeedMore,
}

impl Codec {
    /// Makes a codec for one connection, from its first byte.
    #[must_use]
    pub fn new(limits: FrameLimits, framing: Framing) -> Self {
        Self { limits, framing, place: Place::Outside { searched: 0 } }
    }

    /// Whether a frame has begun and not ended, so that a timeout must run.
    pub fn is_mid_frame(&self) -> bool {
        match &self.place {
            Place::Outside { searched } => *searched > 0,
            Place::Reading(_) => true,
            Place::Lost => false,
        }
    }

    /// Whether only the final `0D` seems to be missing. If nothing follows, [`Self::finish`]
    /// accepts the message, because its sender may be waiting for the answer.
    pub fn awaits_final_return(&self, buffer: &[u8]) -> bool {
        match (&self.place, self.framing) {
            (Place::Reading(reading), Framing::Tolerant) => reading.ends_with_end(buffer),
            (Place::Outside { .. } | Place::Reading(_) | Place::Lost, _) => false,
        }
    }

    /// Ends what is open, because nothing will follow. `why` is the reason if that is
    /// a broken frame.
    ///
    /// Call it only after `decode` returned `None`.
    pub fn finish(&mut self, buffer: &mut BytesMut, why: Why) -> Option<Frame> {
        let place = std::mem::replace(&mut self.place, Place::Outside { searched: 0 });
        let rest = buffer.split();
        match place {
            Place::Outside { .. } if rest.is_empty() => None,
            Place::Outside { .. } => Some(self.broken(Why::Junk, rest)),
            Place::Reading(mut reading) => {
                if reading.ends_with_end(&rest) {
                    reading.spoiled |= self.framing == Framing::Strict;
                    let at = rest.len() - 1;
                    return Some(self.ended(&reading, rest, at));
                }
                Some(self.broke(&reading, rest, why))
            }
            Place::Lost => {
                self.place = Place::Lost;
                None
            }
        }
    }

    fn look_for_start(&mut self, buffer: &mut BytesMut, searched: usize) -> Look {
        if searched == 0 {
            let padding = buffer.iter().take_while(|byte| is_padding(**byte)).count();
            buffer.advance(padding);
        }
        let found = buffer.get(searched..).and_then(|rest| memchr(START, rest));
        let junk = found.map_or(buffer.len(), |offset| searched + offset);

        if junk > self.limits.junk_bytes_max {
            self.place = Place::Lost;
            let kept = buffer.split_to(self.limits.junk_bytes_max);
            buffer.clear();
            return Look::Found(self.broken(Why::TooMuchJunk, kept));
        }
        if found.is_none() {
            self.place = Place::Outside { searched: junk };
            return Look::NeedMore;
        }
        self.place = Place::Reading(Reading::default());
        let before = buffer.split_to(junk);
        buffer.advance(1);
        if before.is_empty() { Look::Again } else { Look::Found(self.broken(Why::Junk, before)) }
    }

    fn look_for_end(&mut self, buffer: &mut BytesMut, mut reading: Reading) -> Look {
        match reading.next_mark(buffer, self.framing) {
            Mark::End { at, width } => {
                self.place = Place::Outside { searched: 0 };
                let content = buffer.split_to(at);
                buffer.advance(width);
                Look::Found(self.ended(&reading, content, at))
            }
            Mark::Start { at } => {
                let content = buffer.split_to(at);
                buffer.advance(1);
                let doubled = content.is_empty() && reading.skipping.is_none();
                self.place = Place::Reading(Reading::default());
                if doubled {
                    Look::Again
                } else {
                    Look::Found(self.broke(&reading, content, Why::HalfFrame))
                }
            }
            Mark::Nothing { certain } => {
                self.skip_if_too_large(buffer, &mut reading, certain);
                self.place = Place::Reading(reading);
                Look::NeedMore
            }
        }
    }

    /// Discards the bytes of a frame that is too large, so that memory stays bounded.
    fn skip_if_too_large(&self, buffer: &mut BytesMut, reading: &mut Reading, certain: usize) {
        if reading.skipping.is_some() || certain > self.limits.frame_bytes_max {
            self.skip(buffer, reading, certain, Why::TooLarge);
        }
    }

    /// Skips the rest of the frame that is arriving, for `why` unless it is skipped already. It is
    /// told as broken once its end has come.
    ///
    /// Call it only after `decode` returned `None`, in the middle of a frame.
    pub fn skip_frame(&mut self, buffer: &mut BytesMut, why: Why) {
        let place = std::mem::replace(&mut self.place, Place::Lost);
        self.place = match place {
            Place::Reading(mut reading) => {
                let certain = reading.searched;
                self.skip(buffer, &mut reading, certain, why);
                Place::Reading(reading)
            }
            Place::Outside { .. } | Place::Lost => place,
        };
    }

    fn skip(&self, buffer: &mut BytesMut, reading: &mut Reading, certain: usize, why: Why) {
        let kept = certain.min(self.raw_of_too_large());
        let skipping = reading.skipping.get_or_insert_with(|| Skipping {
            why,
            raw: buffer.get(..kept).map(Bytes::copy_from_slice).unwrap_or_default(),
            skipped: 0,
        });
        skipping.skipped += certain;
        reading.searched -= certain;
        buffer.advance(certain);
    }

    /// Limited by the frame's limit too: a frame is skipped as soon as it exceeds that, and what is
    /// kept must not depend on how many bytes happened to have arrived.
    fn raw_of_too_large(&self) -> usize {
        self.limits.raw_bytes_max.min(self.limits.frame_bytes_max)
    }

    /// The frame whose end was found; `content` is cut to `at` bytes.
    fn ended(&self, reading: &Reading, mut content: BytesMut, at: usize) -> Frame {
        content.truncate(at);
        if reading.skipping.is_some() || reading.spoiled || at > self.limits.frame_bytes_max {
            return self.broke(reading, content, Why::NoFinalReturn);
        }
        // Some senders double the end (`1C 1C 0D`), as others double the start. In strict framing
        // that was refused before.
        let message = content.iter().rposition(|byte| *byte != END).map_or(0, |last| last + 1);
        content.truncate(message);
        if content.is_empty() {
            return self.broken(Why::Empty, content);
        }
        Frame::Message(content.freeze())
    }

    /// The broken frame, with reason `why` unless it was broken before.
    fn broke(&self, reading: &Reading, content: BytesMut, why: Why) -> Frame {
        if let Some(Skipping { why, raw, skipped }) = &reading.skipping {
            let length = skipped + content.len();
            return Frame::Broken(Broken { why: *why, raw: raw.clone(), length });
        }
        if content.len() > self.limits.frame_bytes_max {
            return keep(Why::TooLarge, &content, self.raw_of_too_large());
        }
        self.broken(if reading.spoiled { Why::NoFinalReturn } else { why }, content)
    }

    fn broken(&self, why: Why, content: BytesMut) -> Frame {
        if content.len() > self.limits.raw_bytes_max {
            return keep(why, &content, self.limits.raw_bytes_max);
        }
        let length = content.len();
        Frame::Broken(Broken { why, raw: content.freeze(), length })
    }
}

/// Copies the kept bytes, so that the large buffer they came from can be freed.
fn keep(why: Why, content: &[u8], kept: usize) -> Frame {
    let raw = content.get(..kept).map_or_else(Bytes::new, Bytes::copy_from_slice);
    Frame::Broken(Broken { why, raw, length: content.len() })
}

impl Reading {
    fn next_mark(&mut self, buffer: &[u8], framing: Framing) -> Mark {
        let tolerant = framing == Framing::Tolerant;
        loop {
            let rest = buffer.get(self.searched..).unwrap_or_default();
            let Some(offset) = memchr2(END, START, rest) else {
                self.searched = buffer.len();
                return Mark::Nothing { certain: buffer.len() };
            };
            let at = self.searched + offset;
            if buffer.get(at) == Some(&START) {
                return Mark::Start { at };
            }
            match buffer.get(at + 1) {
                None => {
                    self.searched = at;
                    return Mark::Nothing { certain: at };
                }
                Some(&RETURN) => return Mark::End { at, width: 2 },
                Some(&LINE_FEED) if tolerant => return Mark::End { at, width: 2 },
                // The start stays in the buffer, because it begins the next frame.
                Some(&START) if tolerant => return Mark::End { at, width: 1 },
                Some(_) => {
                    self.spoiled |= !tolerant;
                    self.searched = at + 1;
                }
            }
        }
    }

    /// Whether the search stopped before an end byte that is the last byte of the buffer.
    fn ends_with_end(&self, buffer: &[u8]) -> bool {
        self.searched + 1 == buffer.len() && buffer.last() == Some(&END)
    }
}

/// Bytes between frames that are not reported: doubled ends, and line ends from people who test
/// with a terminal.
fn is_padding(byte: u8) -> bool {
    matches!(byte, RETURN | LINE_FEED | END | 0)
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
        loop {
            let look = match std::mem::replace(&mut self.place, Place::Lost) {
                Place::Outside { searched } => self.look_for_start(buffer, searched),
                Place::Reading(reading) => self.look_for_end(buffer, reading),
                Place::Lost => {
                    buffer.clear();
                    Look::NeedMore
                }
            };
            match look {
                Look::Found(frame) => return Ok(Some(frame)),
                Look::Again => {}
                Look::NeedMore => return Ok(None),
            }
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
        let frame = self.decode(buffer)?;
        Ok(frame.or_else(|| self.finish(buffer, Why::CutOff)))
    }
}

impl Encoder<&[u8]> for Codec {
    type Error = io::Error;

    fn encode(&mut self, message: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
        write_frame(message, buffer).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
    }
}

/// The message contains a frame byte, so the other side would read it as two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "byte {offset} of the message is a frame byte (0x0B or 0x1C), so it cannot be sent over MLLP; \
     escape it or take it out"
)]
pub struct HoldsFrameByte {
    /// Offset of the byte, from 0.
    pub offset: usize,
}

/// Appends `message` in a frame to `buffer`, or leaves the buffer unchanged.
pub fn write_frame(message: &[u8], buffer: &mut BytesMut) -> Result<(), HoldsFrameByte> {
    if let Some(offset) = memchr2(START, END, message) {
        return Err(HoldsFrameByte { offset });
    }
    buffer.reserve(message.len() + FRAMING_BYTES);
    buffer.put_u8(START);
    buffer.put_slice(message);
    buffer.put_slice(&[END, RETURN]);
    Ok(())
}
