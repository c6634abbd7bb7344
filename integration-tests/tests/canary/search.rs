//! Looks for values in bytes, in every encoding in which they could leak.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use encoding_rs::GB18030;

/// Three bytes become four letters, so a value may begin at any of three places.
const BASE64_PLACES: usize = 3;

/// Shorter pieces of base64 stand in any text by chance.
const BASE64_LETTERS_MIN: usize = 5;

/// Values to look for, each in many encodings.
#[derive(Debug, Default)]
pub struct Search {
    needles: Vec<(String, &'static str, Vec<u8>)>,
}

impl Search {
    /// Looks for this value too.
    pub fn add(&mut self, value: &str) {
        let utf8 = value.as_bytes().to_vec();
        let gb18030 = GB18030.encode(value).0.into_owned();
        let utf16: Vec<u16> = value.encode_utf16().collect();
        let (big, little): (Vec<u8>, Vec<u8>) = (
            utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        );
        for (name, bytes) in [
            ("UTF-8", &utf8),
            ("GB 18030", &gb18030),
            ("UTF-16 big endian", &big),
            ("UTF-16 little endian", &little),
        ] {
            self.needle(value, name, bytes.clone());
            self.needle(value, "hexadecimal", hex(bytes, "").into_bytes());
            self.needle(value, "percent", hex(bytes, "%").into_bytes());
            self.needle(value, "\\x", hex(bytes, "\\x").into_bytes());
            let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
            let escaped = bytes.iter().flat_map(|b| std::ascii::escape_default(*b)).collect();
            self.needle(value, "escaped", escaped);
            self.needle(value, "decimal", decimal.join(", ").into_bytes());
            for place in 0..BASE64_PLACES {
                for (engine, word) in [(&STANDARD, "base64"), (&URL_SAFE, "base64 for URLs")] {
                    let letters = inner_base64(engine, bytes, place);
                    if letters.len() >= BASE64_LETTERS_MIN {
                        self.needle(value, word, letters);
                    }
                }
            }
        }
        self.needle(value, "\\u", each(&utf16, |unit| format!("\\u{unit:04x}")));
        let letters: Vec<u32> = value.chars().map(u32::from).collect();
        self.needle(value, "\\u{}", each(&letters, |c| format!("\\u{{{c:x}}}")));
        self.needle(value, "&#;", each(&letters, |c| format!("&#{c};")));
        self.needle(value, "&#x;", each(&letters, |c| format!("&#x{c:x};")));
        // What a reader of the wrong charset would print.
        let misread = String::from_utf8_lossy(&gb18030).into_owned();
        if misread.chars().filter(|c| *c != char::REPLACEMENT_CHARACTER).count() > 3 {
            self.needle(value, "GB 18030 read as UTF-8", misread.into_bytes());
        }
        let misread: String = utf8.iter().map(|b| char::from(*b)).collect();
        self.needle(value, "UTF-8 read as Latin 1", misread.into_bytes());
    }

    fn needle(&mut self, value: &str, encoding: &'static str, mut bytes: Vec<u8>) {
        bytes.make_ascii_lowercase();
        self.needles.push((value.to_owned(), encoding, bytes));
    }

    /// The first value that is there, and how it is encoded. Letters count in either case.
    pub fn find(&self, bytes: &[u8]) -> Option<(&str, &'static str)> {
        let mut bytes = bytes.to_vec();
        bytes.make_ascii_lowercase();
        let found = self.needles.iter().find(|(_, _, needle)| contains(&bytes, needle));
        found.map(|(value, encoding, _)| (value.as_str(), *encoding))
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| b == first) {
        if bytes[from + at..].starts_with(needle) {
            return true;
        }
        from += at + 1;
    }
    false
}

fn each<T>(all: &[T], write: impl Fn(&T) -> String) -> Vec<u8> {
    all.iter().map(write).collect::<Vec<_>>().concat().into_bytes()
}

fn hex(bytes: &[u8], before: &str) -> String {
    String::from_utf8_lossy(&each(bytes, |b| format!("{before}{b:02x}"))).into_owned()
}

/// The letters that stand for these bytes alone, when they begin at `place` of a group.
fn inner_base64(engine: &impl Engine, bytes: &[u8], place: usize) -> Vec<u8> {
    let before = vec![0; place];
    let text = engine.encode([before.as_slice(), bytes].concat());
    // The first and the last group hold bits of the neighbours.
    let begin = if place == 0 { 0 } else { place + 1 };
    let whole = (place + bytes.len()) / BASE64_PLACES * 4;
    text.as_bytes()[begin..whole.max(begin)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search() -> Search {
        let mut search = Search::default();
        search.add("龘𠮷");
        search.add("990101196103077074");
        search
    }

    #[test]
    fn a_value_is_found_in_every_encoding() {
        let text = "病人 龘𠮷 在此";
        let gbk = GB18030.encode(text).0.into_owned();
        let units: Vec<u16> = text.encode_utf16().collect();
        let escaped = each(&units, |unit| format!("\\u{unit:04X}"));
        let percent = each(text.as_bytes(), |b| format!("%{b:02X}"));
        let shown: Vec<Vec<u8>> = vec![
            text.as_bytes().to_vec(),
            gbk.clone(),
            escaped,
            percent,
            format!("{:?}", text.as_bytes()).into_bytes(),
            text.escape_unicode().to_string().into_bytes(),
            gbk.iter().flat_map(|b| std::ascii::escape_default(*b)).collect(),
            hex(&gbk, "").to_uppercase().into_bytes(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ];
        for bytes in shown {
            let found = search().find(&bytes).map(|(value, _)| value.to_owned());
            assert_eq!(found.as_deref(), Some("龘𠮷"), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_value_is_found_in_base64_wherever_it_begins() {
        for before in ["", "a", "ab", "abc", "abcd", "汪"] {
            for after in ["", "z", "zz", "zzz"] {
                for value in ["龘𠮷", "990101196103077074"] {
                    let text = format!("{before}{value}{after}");
                    let gbk = GB18030.encode(&text).0.into_owned();
                    for bytes in [text.clone().into_bytes(), gbk] {
                        let shown = format!("x={} ", STANDARD.encode(bytes));
                        let found =
                            search().find(shown.as_bytes()).map(|(value, _)| value.to_owned());
                        assert_eq!(found.as_deref(), Some(value), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let clean = "R2600000011 referral.submit 330199101 990101195001010010 汪德福 01a2007c";

        assert_eq!(search().find(clean.as_bytes()), None);
    }
}
