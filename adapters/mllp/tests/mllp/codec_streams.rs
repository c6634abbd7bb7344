//! Throws random streams at the codec, cut in random places.
//!
//! When this fails, proptest prints the shortest stream that breaks the rule. Add it to
//! `codec_quirks.rs` as a test with a name, then fix the code.

use proptest::collection::vec;
use proptest::prelude::*;
use tierlink_mllp::{Framing, Why};

use crate::codec_quirks::{LIMITS, Seen, read};

/// Mostly the bytes that matter, so that every transition is met often.
fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => Just(0x0b),
        3 => Just(0x1c),
        3 => Just(b'\r'),
        1 => Just(b'\n'),
        1 => Just(0),
        6 => prop_oneof![Just(b'a'), Just(0xd6)],
        1 => any::<u8>(),
    ]
}

/// Short bursts, and now and then a run that exceeds a limit.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let run = (any_byte(), 20..40_usize).prop_map(|(byte, times)| vec![byte; times]);
    let piece = prop_oneof![8 => vec(any_byte(), 1..6), 1 => run];
    vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

fn any_framing() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::Tolerant), Just(Framing::Strict)]
}

/// Cuts `stream` into pieces of the given lengths, over and over.
fn cut<'a>(mut stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((*length).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// A message as hospitals write it: no frame bytes, at least one byte, and within the limit even
/// with a doubled end, which counts.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no frame bytes", |byte| ![0x0b, 0x1c].contains(byte));
    vec(byte, 1..LIMITS.frame_bytes_max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn frames_do_not_depend_on_how_the_network_cuts_the_stream(
        stream in any_stream(),
        lengths in vec(1..20_usize, 1..8),
        framing in any_framing(),
    ) {
        let whole = read(&[&stream], framing);
        let in_pieces = read(&cut(&stream, &lengths), framing);
        prop_assert_eq!(whole, in_pieces);
    }

    #[test]
    fn no_byte_is_made_up_and_no_limit_is_passed(
        stream in any_stream(),
        framing in any_framing(),
    ) {
        let mut bytes = 0;
        for frame in read(&[&stream], framing) {
            bytes += match frame {
                Seen::Message(message) => {
                    prop_assert!((1..=LIMITS.frame_bytes_max).contains(&message.len()));
                    prop_assert!(!message.contains(&0x0b));
                    message.len()
                }
                Seen::Broken(why, raw, length) => {
                    prop_assert!(raw.len() <= LIMITS.raw_bytes_max.min(length));
                    let too_large = length > LIMITS.frame_bytes_max;
                    prop_assert_eq!(why == Why::TooLarge, too_large);
                    length
                }
            };
        }
        prop_assert!(bytes <= stream.len());
    }

    #[test]
    fn every_message_arrives_whole_and_in_order_whatever_stands_between(
        messages in vec((any_message(), 0..6_usize), 0..12),
        lengths in vec(1..20_usize, 1..8),
    ) {
        let mut stream = Vec::new();
        for (message, quirk) in &messages {
            let (before, after): (&[u8], &[u8]) = [
                (&b"\x0b"[..], &b"\x1c\r"[..]),
                (b"\x0b\x0b", b"\x1c\r"),
                (b"\x0b", b"\x1c\r\n"),
                (b"\x0b", b"\x1c\x1c\r"),
                (b"\r\n\x0b", b"\x1c\n"),
                (b"\x0b", b"\x1c"),
            ][*quirk];
            stream.extend([before, message, after].concat());
        }

        let found = read(&cut(&stream, &lengths), Framing::Tolerant);

        // A missing return can be told from a message's own byte only by what follows: a start, a
        // line end or the end. Here a start or a line end always follows.
        let sent: Vec<_> = messages.into_iter().map(|(message, _)| Seen::Message(message)).collect();
        prop_assert_eq!(found, sent);
    }
}
