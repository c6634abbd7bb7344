//! Every way of framing that hospitals are known to have, as a table: bytes in, frames out.

use std::fmt::Write;

use bytes::BytesMut;
use tierlink_mllp::{Codec, Frame, Framing, HoldsFrameByte, Why, codec, write_frame};
use tokio_util::codec::{Decoder, Encoder};

/// Small, so that tests can exceed them.
pub const LIMITS: codec::FrameLimits =
    codec::FrameLimits { frame_bytes_max: 24, junk_bytes_max: 12, raw_bytes_max: 8 };

/// What a test can compare: a message, or why it broke with what was kept and how long it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Message(Vec<u8>),
    Broken(Why, Vec<u8>, usize),
}

pub fn seen(frame: Frame) -> Seen {
    match frame {
        Frame::Message(message) => Seen::Message(message.to_vec()),
        Frame::Broken(broken) => Seen::Broken(broken.why, broken.raw.to_vec(), broken.length),
    }
}

/// Feeds the pieces one by one, as a network would, and then ends the stream.
pub fn read(pieces: &[&[u8]], framing: Framing) -> Vec<Seen> {
    let mut codec = Codec::new(LIMITS, framing);
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut buffer).unwrap() {
            found.push(seen(frame));
        }
        let most = LIMITS.frame_bytes_max.max(LIMITS.junk_bytes_max) + 1;
        assert!(buffer.len() <= most, "{} bytes are kept", buffer.len());
    }
    while let Some(frame) = codec.decode_eof(&mut buffer).unwrap() {
        found.push(seen(frame));
    }
    assert!(buffer.is_empty());
    found
}

fn message(text: &str) -> Seen {
    Seen::Message(text.as_bytes().to_vec())
}

fn broken(why: Why, raw: &str, length: usize) -> Seen {
    Seen::Broken(why, raw.as_bytes().to_vec(), length)
}

/// Checks both framings, in one piece and byte by byte.
fn check_each(bytes: &[u8], tolerant: &[Seen], strict: &[Seen]) {
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    for (framing, expected) in [(Framing::Tolerant, tolerant), (Framing::Strict, strict)] {
        assert_eq!(read(&[bytes], framing), expected, "{framing:?}, in one piece");
        assert_eq!(read(&single, framing), expected, "{framing:?}, byte by byte");
    }
}

fn check(bytes: &[u8], expected: &[Seen]) {
    check_each(bytes, expected, expected);
}

#[test]
fn a_plain_frame_is_read() {
    check(b"\x0bMSH|1\r\x1c\r", &[message("MSH|1\r")]);
}

#[test]
fn several_frames_in_one_piece_stay_several() {
    check(b"\x0bone\x1c\r\x0btwo\x1c\r\x0bthree\x1c\r", &["one", "two", "three"].map(message));
}

#[test]
fn a_doubled_start_is_one_start() {
    check(b"\x0b\x0b\x0bone\x1c\r", &[message("one")]);
}

#[test]
fn a_doubled_end_is_one_end() {
    check(b"\x0bone\x1c\r\x1c\r\x0btwo\x1c\r", &["one", "two"].map(message));
    check_each(
        b"\x0bone\x1c\x1c\r\x0btwo\x1c\r",
        &["one", "two"].map(message),
        &[broken(Why::NoFinalReturn, "one\x1c", 4), message("two")],
    );
}

#[test]
fn line_ends_and_nul_between_frames_are_not_worth_a_word() {
    check(b"\r\n\x0bone\x1c\r\n\r\n\0\x0btwo\x1c\r\n", &["one", "two"].map(message));
}

#[test]
fn a_missing_final_return_does_not_swallow_the_next_message() {
    check_each(
        b"\x0bone\x1c\x0btwo\x1c\r",
        &["one", "two"].map(message),
        &[broken(Why::NoFinalReturn, "one\x1c", 4), message("two")],
    );
}

#[test]
fn a_line_feed_may_stand_for_the_final_return() {
    check_each(
        b"\x0bone\x1c\n\x0btwo\x1c\r",
        &["one", "two"].map(message),
        &[broken(Why::NoFinalReturn, "one\x1c\n", 5), message("two")],
    );
}

#[test]
fn a_missing_final_return_at_the_end_of_the_connection_is_forgiven() {
    check_each(b"\x0bone\x1c", &[message("one")], &[broken(Why::NoFinalReturn, "one", 3)]);
}

#[test]
fn a_separator_inside_a_message_neither_cuts_it_nor_swallows_the_next() {
    check_each(
        b"\x0bone\x1cmore\x1c\r\x0btwo\x1c\r",
        &[message("one\x1cmore"), message("two")],
        &[broken(Why::NoFinalReturn, "one\x1cmore", 8), message("two")],
    );
}

#[test]
fn a_lost_end_is_reported_and_the_new_frame_is_read() {
    check(b"\x0bone\x0btwo\x1c\r", &[broken(Why::HalfFrame, "one", 3), message("two")]);
}

#[test]
fn a_lost_end_after_a_separator_is_still_a_half_frame() {
    check_each(
        b"\x0bone\x1c.\x0btwo\x1c\r",
        &[broken(Why::HalfFrame, "one\x1c.", 5), message("two")],
        &[broken(Why::NoFinalReturn, "one\x1c.", 5), message("two")],
    );
}

#[test]
fn nul_and_chinese_bytes_pass_as_they_are() {
    let content = b"a\0b\xd6\xdc\x81\x30\x81\x30\r\n";
    check(&[b"\x0b", &content[..], b"\x1c\r"].concat(), &[Seen::Message(content.to_vec())]);
}

#[test]
fn an_empty_frame_is_no_message() {
    check(b"\x0b\x1c\r\x0bone\x1c\r", &[broken(Why::Empty, "", 0), message("one")]);
}

#[test]
fn junk_before_a_frame_is_reported_and_the_frame_is_read() {
    check(b"\r\nhello\n\x0bone\x1c\r", &[broken(Why::Junk, "hello\n", 6), message("one")]);
}

#[test]
fn junk_alone_is_reported_when_the_connection_ends() {
    check(b"GET /", &[broken(Why::Junk, "GET /", 5)]);
}

#[test]
fn junk_up_to_the_limit_is_survived_and_one_byte_more_is_not() {
    let survived = [broken(Why::Junk, "012345678901".split_at(8).0, 12), message("one")];
    check(b"012345678901\x0bone\x1c\r", &survived);
    check(b"0123456789012\x0bone\x1c\r", &[broken(Why::TooMuchJunk, "01234567", 12)]);
    check(&[b'x'; 4096], &[broken(Why::TooMuchJunk, "xxxxxxxx", 12)]);
}

#[test]
fn a_frame_at_the_limit_is_read_and_one_byte_more_is_skipped() {
    let fits = "f".repeat(LIMITS.frame_bytes_max);
    check(format!("\x0b{fits}\x1c\r").as_bytes(), &[message(&fits)]);
    check(
        format!("\x0b{fits}f\x1c\r\x0btwo\x1c\r").as_bytes(),
        &[broken(Why::TooLarge, "ffffffff", 25), message("two")],
    );
}

#[test]
fn a_frame_far_over_the_limit_is_skipped_to_its_own_end() {
    let large = "l".repeat(100_000);
    check(
        format!("\x0b{large}\x1c\r\x0btwo\x1c\r").as_bytes(),
        &[broken(Why::TooLarge, "llllllll", 100_000), message("two")],
    );
}

#[test]
fn a_frame_too_large_without_an_end_does_not_swallow_the_next() {
    let large = "l".repeat(100);
    check(
        format!("\x0b{large}\x0btwo\x1c\r").as_bytes(),
        &[broken(Why::TooLarge, "llllllll", 100), message("two")],
    );
}

#[test]
fn a_connection_that_ends_in_a_frame_is_reported() {
    check(b"\x0bone\x1c\r\x0bha", &[message("one"), broken(Why::CutOff, "ha", 2)]);
    check(b"\x0b", &[broken(Why::CutOff, "", 0)]);
    let large = "l".repeat(100);
    check(format!("\x0b{large}").as_bytes(), &[broken(Why::TooLarge, "llllllll", 100)]);
}

#[test]
fn an_end_without_a_start_is_nothing() {
    check(b"\x1c\r\x0bone\x1c\r", &[message("one")]);
}

#[test]
fn what_is_kept_of_a_broken_frame_is_limited() {
    check(
        b"\x0b0123456789\x0btwo\x1c\r",
        &[broken(Why::HalfFrame, "01234567", 10), message("two")],
    );
}

#[test]
fn only_the_missing_return_of_a_frame_may_be_waited_for() {
    let mut codec = Codec::new(LIMITS, Framing::Tolerant);
    let mut buffer = BytesMut::from(&b"\x0bone"[..]);
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    assert!(codec.is_mid_frame());
    assert!(!codec.awaits_final_return(&buffer));

    buffer.extend_from_slice(b"\x1c");
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    assert!(codec.awaits_final_return(&buffer));
    let taken = codec.finish(&mut buffer, Why::TooSlow).map(seen);
    assert_eq!(taken, Some(message("one")));

    buffer.extend_from_slice(b"\r\x0btwo\x1c\r");
    let next = codec.decode(&mut buffer).unwrap().map(seen);
    assert_eq!(next, Some(message("two")));
    assert!(!codec.is_mid_frame());
}

#[test]
fn a_message_that_holds_frame_bytes_is_never_sent() {
    for (bad, offset) in [(&b"a\x0bb"[..], 1), (b"\x1c\r", 0), (b"ab\x1c", 2)] {
        let mut buffer = BytesMut::from(&b"before"[..]);
        assert_eq!(write_frame(bad, &mut buffer), Err(HoldsFrameByte { offset }));
        assert_eq!(&buffer[..], b"before");
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut codec = Codec::new(LIMITS, Framing::Strict);
    let mut buffer = BytesMut::new();
    codec.encode(b"one", &mut buffer).unwrap();
    codec.encode(b"two\r", &mut buffer).unwrap();
    assert_eq!(&buffer[..], b"\x0bone\x1c\r\x0btwo\r\x1c\r");
    assert_eq!(read(&[&buffer], Framing::Strict), ["one", "two\r"].map(message));
}

#[test]
fn nothing_printed_holds_a_payload() {
    let frames = [&b"\x0bZhang\x1c\r\x0bZhang\x0bZhang"[..]];
    let mut codec = Codec::new(LIMITS, Framing::Strict);
    let mut buffer = BytesMut::from(frames[0]);
    let mut printed = String::new();
    while let Some(frame) = codec.decode_eof(&mut buffer).unwrap() {
        write!(printed, "{frame:?} ").unwrap();
    }
    assert_eq!(printed, "Message(5 bytes) Broken(HalfFrame, 5 bytes) Broken(CutOff, 5 bytes) ");
}
