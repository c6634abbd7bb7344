//! Converts between bytes and text.
//!
//! ```text
//!   UTF-16 with its mark      ──▶ UTF-16
//!   profile says charset_wins ──▶ profile's charset
//!   MSH-18 names one we know  ──▶ that one, unless the bytes contradict it
//!   profile has a charset     ──▶ that one, unless the bytes contradict it
//!   bytes are UTF-8           ──▶ UTF-8
//!   otherwise                 ──▶ GB18030
//! ```
//!
//! Whatever was chosen must fit every byte. A byte that does not fit refuses the message: a
//! replacement character in a name or a dose would travel on as if it had been sent.
//!
//! Bytes can fit a character set and contradict it all the same: Chinese in UTF-8 is also readable
//! as GB18030, and any bytes as 8859-1, with other characters. Such a label is not believed: the
//! profile's set is taken where it agrees with the bytes, and the message is refused where not.
//!
//! Writing is as strict: a character that the receiver's set lacks is a fault that names its field.
//! The encoder alone would write `&#29579;`.

use std::borrow::Cow;

use encoding_rs::{BIG5, DecoderResult, EncoderResult, Encoding, GB18030, GBK, UTF_8};

use crate::fault::Fault;
use crate::notes::{Notes, What};

/// A character set of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// ASCII, seven bits per character.
    Ascii,
    /// ISO 8859-1 as the standard defines it, not windows-1252 as in browsers.
    Latin1,
    /// Any other set, as `encoding_rs` knows it.
    Other(&'static Encoding),
}

/// Names of character sets in MSH-18. Compared without blanks, hyphens, slashes and case.
const NAMES: [(&str, Charset); 27] = [
    ("unicodeutf8", Charset::Other(UTF_8)),
    ("utf8", Charset::Other(UTF_8)),
    ("unicode", Charset::Other(UTF_8)),
    ("gb180302000", Charset::Other(GB18030)),
    ("gb180302005", Charset::Other(GB18030)),
    ("gb180302022", Charset::Other(GB18030)),
    ("gb18030", Charset::Other(GB18030)),
    ("gbk", Charset::Other(GBK)),
    ("cp936", Charset::Other(GBK)),
    ("ms936", Charset::Other(GBK)),
    ("windows936", Charset::Other(GBK)),
    ("zhs16gbk", Charset::Other(GBK)),
    ("gb2312", Charset::Other(GBK)),
    ("gb23121980", Charset::Other(GBK)),
    ("gb231280", Charset::Other(GBK)),
    ("euccn", Charset::Other(GBK)),
    ("big5", Charset::Other(BIG5)),
    ("cns116431992", Charset::Other(BIG5)),
    ("ascii", Charset::Ascii),
    ("usascii", Charset::Ascii),
    ("isoir6", Charset::Ascii),
    ("88591", Charset::Latin1),
    ("iso88591", Charset::Latin1),
    ("latin1", Charset::Latin1),
    ("885915", Charset::Other(encoding_rs::ISO_8859_15)),
    ("iso885915", Charset::Other(encoding_rs::ISO_8859_15)),
    ("windows1252", Charset::Other(encoding_rs::WINDOWS_1252)),
];

impl Charset {
    /// UTF-8, as `encoding_rs` knows it.
    pub const UTF_8: Self = Self::Other(UTF_8);

    /// The character set with this name, as MSH-18 or a profile spells it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        NAMES.iter().find(|(known, _)| *known == plain).map(|(_, charset)| *charset)
    }

    /// The name that we write into MSH-18.
    #[must_use]
    pub fn msh_18(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Latin1 => "8859/1",
            Self::Other(encoding) if encoding == UTF_8 => "UNICODE UTF-8",
            Self::Other(encoding) if encoding == GB18030 => "GB 18030-2000",
            Self::Other(encoding) if encoding == GBK => "GBK",
            Self::Other(encoding) if encoding == BIG5 => "BIG-5",
            Self::Other(encoding) if encoding == encoding_rs::ISO_8859_15 => "8859/15",
            Self::Other(encoding) => encoding.name(),
        }
    }

    /// The text of `bytes`, or the offset of the first byte that does not fit.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
        match self {
            Self::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(offset) => Err(offset),
                None => std::str::from_utf8(bytes)
                    .map(Cow::Borrowed)
                    .map_err(|error| error.valid_up_to()),
            },
            Self::Latin1 => Ok(encoding_rs::mem::decode_latin1(bytes)),
            Self::Other(encoding) if encoding == UTF_8 => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to())
            }
            Self::Other(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| first_bad_byte(encoding, bytes)),
        }
    }

    /// The bytes of `text`, or the offset in `text` of the first character that the set lacks.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, usize> {
        match self {
            Self::Ascii => match text.find(|c: char| !c.is_ascii()) {
                Some(offset) => Err(offset),
                None => Ok(text.as_bytes().to_vec()),
            },
            Self::Latin1 => text
                .char_indices()
                .map(|(offset, c)| u8::try_from(u32::from(c)).map_err(|_| offset))
                .collect(),
            Self::Other(encoding) if encoding == UTF_8 => Ok(text.as_bytes().to_vec()),
            Self::Other(encoding) => encode_strictly(encoding, text),
        }
    }
}

/// Finds the position of the error, after decoding has failed.
fn first_bad_byte(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len().saturating_mul(3));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(bad, after), read) => {
            read.saturating_sub(usize::from(bad) + usize::from(after))
        }
        (DecoderResult::InputEmpty | DecoderResult::OutputFull, read) => read,
    }
}

fn encode_strictly(encoding: &'static Encoding, text: &str) -> Result<Vec<u8>, usize> {
    let mut encoder = encoding.new_encoder();
    let room = encoder
        .max_buffer_length_from_utf8_without_replacement(text.len())
        .unwrap_or(text.len().saturating_mul(4));
    let mut bytes = Vec::with_capacity(room);
    match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true) {
        (EncoderResult::InputEmpty, _) => Ok(bytes),
        (EncoderResult::Unmappable(c), read) => Err(read.saturating_sub(c.len_utf8())),
        (EncoderResult::OutputFull, read) => Err(read),
    }
}

/// What the profile says about character sets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The character set that the organisation uses when it does not say.
    pub charset: Option<Charset>,
    /// Whether `charset` is used even when MSH-18 names another.
    pub wins: bool,
}

/// A message as text, with the character set that it came in.
#[derive(Debug)]
pub struct Decoded<'m> {
    /// The text, without a byte order mark.
    pub text: Cow<'m, str>,
    /// The character set that was used.
    pub charset: Charset,
}

/// Turns the bytes of a message into text.
pub fn read<'m>(bytes: &'m [u8], wish: Wish, notes: &mut Notes) -> Result<Decoded<'m>, Fault> {
    let (body, skipped) = without_mark(bytes, notes);
    let charset = choose(body, wish, notes);
    if contradicts(charset, body) && charset.decode(body).is_ok() {
        return Err(Fault::Contradicted { charset: charset.msh_18() });
    }
    match charset.decode(body) {
        Ok(text) => Ok(Decoded { text, charset }),
        Err(offset) => Err(Fault::Undecodable {
            segment: segment_at(body, offset),
            offset: offset + skipped,
            charset: charset.msh_18(),
        }),
    }
}

/// Byte order marks of UTF-8 and GB18030. What is in UTF-16 has become UTF-8 before.
fn without_mark<'m>(bytes: &'m [u8], notes: &mut Notes) -> (&'m [u8], usize) {
    for mark in [&[0xEF, 0xBB, 0xBF][..], &[0x84, 0x31, 0x95, 0x33][..]] {
        if let Some(body) = bytes.strip_prefix(mark) {
            notes.add("MSH", What::ByteOrderMark);
            return (body, mark.len());
        }
    }
    (bytes, 0)
}

fn choose(bytes: &[u8], wish: Wish, notes: &mut Notes) -> Charset {
    let stated = stated(bytes);
    match (stated, wish.charset) {
        (Some(Stated::Known(stated)), Some(wished)) if wish.wins => {
            if stated != wished {
                notes.add("MSH-18", What::CharsetOverruled);
            }
            wished
        }
        (Some(Stated::Known(stated)), Some(wished)) if contradicts(stated, bytes) => {
            if contradicts(wished, bytes) {
                return stated;
            }
            notes.add("MSH-18", What::CharsetContradicted);
            wished
        }
        (Some(Stated::Known(stated)), _) => stated,
        (stated, wished) => {
            if stated.is_some() {
                notes.add("MSH-18", What::CharsetUnknown);
            }
            wished.unwrap_or_else(|| guess(bytes, notes))
        }
    }
}

fn guess(bytes: &[u8], notes: &mut Notes) -> Charset {
    if std::str::from_utf8(bytes).is_ok() {
        return Charset::UTF_8;
    }
    notes.add("MSH-18", What::CharsetGuessed);
    Charset::Other(GB18030)
}

/// Whether the bytes cannot be meant in this character set, decodable or not.
fn contradicts(charset: Charset, bytes: &[u8]) -> bool {
    match charset {
        Charset::Ascii => !bytes.is_ascii(),
        Charset::Other(encoding) if encoding == UTF_8 => std::str::from_utf8(bytes).is_err(),
        Charset::Other(encoding) if [GB18030, GBK, BIG5].contains(&encoding) => {
            is_chinese_utf_8(bytes) || charset.decode(bytes).is_err()
        }
        Charset::Latin1 | Charset::Other(_) => has_high_pair(bytes),
    }
}

/// Western text has single letters with an accent; Chinese comes in pairs of high bytes.
fn has_high_pair(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair.iter().all(|byte| *byte >= 0x80))
}

/// Whether all of it is UTF-8 and some of it Chinese. Text in GB18030 or Big5 passes for that only
/// if every character, from the first to the last, is one that nobody writes.
fn is_chinese_utf_8(bytes: &[u8]) -> bool {
    let is_chinese = |c: char| matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().any(is_chinese))
}

/// The message in UTF-8, if it is in UTF-16: by its mark, or because MSH is written so.
#[must_use]
pub fn from_utf_16(bytes: &[u8]) -> Option<String> {
    let encoding = match bytes {
        [0xFF, 0xFE, ..] | [b'M', 0, b'S', 0, b'H', 0, ..] => encoding_rs::UTF_16LE,
        [0xFE, 0xFF, ..] | [0, b'M', 0, b'S', 0, b'H', ..] => encoding_rs::UTF_16BE,
        _ => return None,
    };
    let (text, has_errors) = encoding.decode_with_bom_removal(bytes);
    (!has_errors).then(|| text.into_owned())
}

enum Stated {
    Known(Charset),
    Unknown,
}

/// What MSH-18 says, read before the bytes can be text.
///
/// The second byte of a Chinese character can be `|` in GBK and Big5, so a plain count of fields
/// can be off. If it finds nothing, fields are counted again with such pairs skipped.
fn stated(bytes: &[u8]) -> Option<Stated> {
    let start = bytes.windows(3).take(64).position(|name| name == b"MSH")?;
    let line = bytes[start..].split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let field = *line.get(3)?;
    let repetition = line.get(5).copied().filter(|byte| *byte != field);

    let mut unknown = None;
    for skip_pairs in [false, true] {
        let Some(value) = nth_field(line, field, 17, skip_pairs) else {
            continue;
        };
        match best_of(value, repetition) {
            Some(Stated::Known(charset)) => return Some(Stated::Known(charset)),
            Some(Stated::Unknown) => unknown = Some(Stated::Unknown),
            None => {}
        }
    }
    unknown
}

/// Several repetitions mean "mostly the first, escapes for the others". Real senders then use the
/// widest one throughout, so ASCII counts only when it stands alone.
fn best_of(value: &[u8], repetition: Option<u8>) -> Option<Stated> {
    let mut best = None;
    for part in value.split(|byte| Some(*byte) == repetition) {
        let name = std::str::from_utf8(part).unwrap_or("?").trim();
        if name.is_empty() || name == "\"\"" {
            continue;
        }
        match (Charset::named(name), &best) {
            (Some(Charset::Ascii), None | Some(Stated::Unknown)) => {
                best = Some(Stated::Known(Charset::Ascii));
            }
            (Some(Charset::Ascii), Some(Stated::Known(_))) | (None, Some(_)) => {}
            (Some(charset), _) => return Some(Stated::Known(charset)),
            (None, None) => best = Some(Stated::Unknown),
        }
    }
    best
}

fn nth_field(line: &[u8], field: u8, nth: usize, skip_pairs: bool) -> Option<&[u8]> {
    let (mut count, mut start, mut at) = (0, 0, 0);
    while at < line.len() {
        let byte = line[at];
        if skip_pairs && byte > 0x80 {
            at += 2;
            continue;
        }
        if byte == field {
            if count == nth {
                return line.get(start..at);
            }
            count += 1;
            start = at + 1;
        }
        at += 1;
    }
    (count == nth).then(|| line.get(start..)).flatten()
}

/// The name of the segment in which a byte lies.
fn segment_at(bytes: &[u8], offset: usize) -> String {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let start = before.iter().rposition(|b| matches!(b, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let name: String = bytes
        .iter()
        .skip(start)
        .take(3)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(*byte))
        .collect();
    if name.len() == 3 { name } else { "the message".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(msh_18: &str, name: &str, charset: Charset) -> Vec<u8> {
        let text = format!("MSH|^~\\&|HIS|||||||||||||||{msh_18}\rPID|||||{name}\r");
        charset.encode(&text).unwrap()
    }

    #[track_caller]
    fn check(bytes: &[u8], wish: Wish, want: Result<&str, &str>) -> Notes {
        let mut notes = Notes::default();
        let got = read(bytes, wish, &mut notes);
        match want {
            Ok(text) => assert!(got.unwrap().text.contains(text)),
            Err(code) => assert_eq!(got.unwrap_err().code(), code),
        }
        notes
    }

    #[test]
    fn msh_18_decides_under_all_its_names() {
        for name in ["GB 18030-2000", "gb18030", "~GB18030", "ASCII~GB 18030-2000"] {
            let bytes = message(name, "阿依古丽·𠮷", Charset::Other(GB18030));
            check(&bytes, Wish::default(), Ok("阿依古丽·𠮷"));
        }
        for name in ["UNICODE UTF-8", "UTF-8", "utf8"] {
            check(&message(name, "王𠮷", Charset::UTF_8), Wish::default(), Ok("王𠮷"));
        }
        for name in ["GBK", "GB2312", "CP936"] {
            check(&message(name, "王五", Charset::Other(GBK)), Wish::default(), Ok("王五"));
        }
        check(&message("BIG-5", "王五", Charset::Other(BIG5)), Wish::default(), Ok("王五"));
        check(&message("8859/1", "Müller", Charset::Latin1), Wish::default(), Ok("Müller"));
    }

    #[test]
    fn msh_18_is_found_behind_a_character_that_ends_like_a_delimiter() {
        // In GBK, the second byte of this character is 0x7C, the field delimiter.
        let text = "MSH|^~\\&|髚|||||||||||||||GBK\rPID|||||王五\r";
        let bytes = Charset::Other(GBK).encode(text).unwrap();
        assert!(bytes.windows(2).any(|pair| pair[0] > 0x80 && pair[1] == b'|'));

        check(&bytes, Wish::default(), Ok("王五"));
    }

    #[test]
    fn without_msh_18_the_profile_decides() {
        let wish = Wish { charset: Some(Charset::Other(BIG5)), wins: false };

        check(&message("", "王五", Charset::Other(BIG5)), wish, Ok("王五"));
    }

    #[test]
    fn without_any_statement_utf_8_comes_first_and_gb18030_second() {
        let utf_8 = check(&message("", "王五", Charset::UTF_8), Wish::default(), Ok("王五"));
        let gb = message("", "王五", Charset::Other(GB18030));
        let guessed = check(&gb, Wish::default(), Ok("王五"));

        assert!(utf_8.list().is_empty());
        assert_eq!(guessed.list()[0].what, What::CharsetGuessed);
    }

    #[test]
    fn an_unknown_name_in_msh_18_is_noted() {
        let notes = check(&message("EBCDIC", "王五", Charset::UTF_8), Wish::default(), Ok("王五"));

        assert_eq!(notes.list()[0].what, What::CharsetUnknown);
    }

    #[test]
    fn a_lying_msh_18_is_refused_unless_the_profile_wins() {
        let bytes = message("UNICODE UTF-8", "王五", Charset::Other(GBK));
        let wins = Wish { charset: Some(Charset::Other(GBK)), wins: true };

        check(&bytes, Wish::default(), Err("D014"));
        let notes = check(&bytes, wins, Ok("王五"));

        assert_eq!(notes.list()[0].what, What::CharsetOverruled);
    }

    #[test]
    fn a_label_that_the_bytes_contradict_is_read_by_the_profile_or_refused() {
        let utf_8 = Charset::UTF_8;
        let gbk = Charset::Other(GBK);
        let of = |charset| Wish { charset: Some(charset), wins: false };
        for (label, really, other) in [
            ("GB 18030-2000", utf_8, gbk),
            ("GBK", utf_8, Charset::Other(GB18030)),
            ("BIG-5", utf_8, Charset::Other(BIG5)),
            ("8859/1", gbk, Charset::Latin1),
            ("8859/1", utf_8, Charset::Latin1),
            ("8859/15", utf_8, gbk),
            ("ASCII", gbk, utf_8),
            ("UNICODE UTF-8", gbk, utf_8),
        ] {
            let bytes = message(label, "王五", really);

            check(&bytes, Wish::default(), Err("D014"));
            check(&bytes, of(other), Err("D014"));
            let notes = check(&bytes, of(really), Ok("王五"));

            assert_eq!(notes.list()[0].what, What::CharsetContradicted, "{label}");
        }
    }

    #[test]
    fn a_profile_that_the_bytes_contradict_is_not_believed_either() {
        let of = |charset| Wish { charset: Some(charset), wins: true };

        check(&message("", "王五", Charset::UTF_8), of(Charset::Other(GB18030)), Err("D014"));
        check(&message("", "王五", Charset::Other(GBK)), of(Charset::Latin1), Err("D014"));
        check(&message("GBK", "王五", Charset::UTF_8), of(Charset::Other(GBK)), Err("D014"));
    }

    #[test]
    fn utf_16_is_read_with_and_without_its_mark() {
        let text = "MSH|^~\\&|HIS\rPID|||||王𠮷\r";
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let (little, big) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
        let marked = |mark: [u8; 2], rest: &[u8]| [&mark, rest].concat();

        for bytes in
            [marked([0xFF, 0xFE], &little), marked([0xFE, 0xFF], &big), little.clone(), big.clone()]
        {
            assert_eq!(from_utf_16(&bytes).as_deref(), Some(text));
        }
        assert_eq!(from_utf_16(text.as_bytes()), None);
        assert_eq!(from_utf_16(&little[..little.len() - 1]), None);
    }

    #[test]
    fn a_bad_byte_is_named_by_offset_and_segment() {
        let mut bytes = message("UNICODE UTF-8", "", Charset::UTF_8);
        let at = bytes.len() - 1;
        bytes.insert(at, 0xFF);

        let fault = read(&bytes, Wish::default(), &mut Notes::default()).unwrap_err();

        let Fault::Undecodable { segment, offset, .. } = fault else { panic!("{fault}") };
        assert_eq!((segment.as_str(), offset), ("PID", at));
    }

    #[test]
    fn a_bad_byte_in_gb18030_is_found_too() {
        let mut bytes = message("GB18030", "王五", Charset::Other(GB18030));
        let at = bytes.len() - 1;
        bytes.insert(at, 0xFF);

        let fault = read(&bytes, Wish::default(), &mut Notes::default()).unwrap_err();

        let Fault::Undecodable { segment, offset, .. } = fault else { panic!("{fault}") };
        assert_eq!((segment.as_str(), offset), ("PID", at));
    }

    #[test]
    fn a_byte_order_mark_is_removed_and_noted() {
        let mut bytes = vec![0xEF, 0xBB, 0xBF];
        bytes.extend(message("UNICODE UTF-8", "王五", Charset::UTF_8));

        let notes = check(&bytes, Wish::default(), Ok("王五"));

        assert_eq!(notes.list()[0].what, What::ByteOrderMark);
    }

    #[test]
    fn a_character_that_the_receiver_lacks_is_an_error_and_never_an_entity() {
        assert_eq!(Charset::Other(GBK).encode("王𠮷"), Err(3));
        assert_eq!(Charset::Latin1.encode("ü王"), Err(2));
        assert_eq!(Charset::Ascii.encode("aü"), Err(1));
        assert!(Charset::Other(GB18030).encode("王𠮷·").is_ok());
    }
}
