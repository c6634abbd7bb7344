//! Spoils a good message as programs and lines do: bits flip, pieces go missing, come twice or in
//! another order, other alphabets and control characters slip in.

use super::chance::Chance;

// A handful of wounds: with more, nothing but noise would be left, and noise has its own tests.
const WOUNDS_MAX: usize = 4;
const PIECE_MAX: usize = 40;
const LENGTH_MAX: usize = 256 * 1024;

/// Pieces that have confused readers of HL7 v2, JSON and HTTP before.
const PIECES: [&[u8]; 22] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\\",
    b"\\X0D\\",
    b"\\.br\\",
    b"|",
    b"^^^^",
    b"~~~~",
    b"&",
    b"\"",
    b"\"\"",
    b"{",
    b"]",
    b"\\ud800",
    b"1e400",
    b"-0",
    b"null",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xF0\xA0\xAE",
];

/// `message` with one to four wounds.
pub fn spoil(chance: &mut Chance, message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for _ in 0..chance.between(1, WOUNDS_MAX + 1) {
        wound(chance, &mut bytes);
        bytes.truncate(LENGTH_MAX);
    }
    bytes
}

fn wound(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = chance.between(0, bytes.len());
    let end = (at + chance.between(1, PIECE_MAX)).min(bytes.len());
    match chance.between(0, 9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.between(0, 8);
            }
        }
        1 => drop(bytes.drain(at.min(end)..end)),
        2 => bytes.truncate(at),
        3 => {
            let piece = bytes[at.min(end)..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let piece = *chance.pick(&PIECES);
            bytes.splice(at..at, piece.iter().copied());
        }
        5 => {
            let noise: Vec<u8> = (at..end).map(|_| chance.draw().to_le_bytes()[0]).collect();
            bytes.splice(at..at, noise);
        }
        6 => {
            let piece = *chance.pick(&PIECES);
            let many = chance.between(2, 2_000);
            bytes.splice(at..at, piece.repeat(many));
        }
        7 => swap_lines(chance, bytes),
        _ => {
            for byte in &mut bytes[at.min(end)..end] {
                if byte.is_ascii_digit() {
                    *byte = b'x';
                }
            }
        }
    }
}

/// Two pieces between returns, or between commas where there are none, change places.
fn swap_lines(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let cut = if bytes.contains(&b'\r') { b'\r' } else { b',' };
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == cut).map(<[u8]>::to_vec).collect();
    let (one, other) = (chance.between(0, lines.len()), chance.between(0, lines.len()));
    lines.swap(one, other);
    *bytes = lines.join(&cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_every_spoiled_message_differs_and_none_is_endless() {
        let good = b"MSH|^~\\&|A\rPID|1||990101\rPV1|1|I\r".as_slice();
        let mut chance = Chance::new(3);

        let spoiled: Vec<Vec<u8>> = (0..500).map(|_| spoil(&mut chance, good)).collect();

        assert!(spoiled.iter().filter(|it| it.as_slice() != good).count() > 400);
        assert!(spoiled.iter().all(|it| it.len() <= LENGTH_MAX));
    }

    #[test]
    fn an_empty_message_can_be_spoiled_too() {
        let mut chance = Chance::new(5);

        for _ in 0..200 {
            assert!(spoil(&mut chance, b"").len() <= LENGTH_MAX);
        }
    }
}
