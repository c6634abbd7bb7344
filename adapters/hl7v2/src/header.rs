//! MSH by itself, read even when the rest of the message cannot be.
//!
//! Whoever sent bytes that we cannot take must hear so, under its own message id and in its own
//! character set. So this file refuses almost nothing: what MSH does not say is empty.

use std::cmp::Ordering;

use crate::charset::{self, Charset, Wish};
use crate::delimiters::Delimiters;
use crate::notes::Notes;
use crate::read::Seg;
use crate::tree::Tree;

/// A version of HL7 v2, such as 2.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    minor: u8,
    patch: u8,
}

impl Version {
    /// The first version with the long ERR segment and MSH-9.3 in general use.
    pub const V2_5: Self = Self { minor: 5, patch: 0 };
    /// The first version with MSH-10 of 199 characters and the truncation character.
    pub const V2_7: Self = Self { minor: 7, patch: 0 };
    const OLDEST: Self = Self { minor: 3, patch: 1 };
    const NEWEST_MINOR: u8 = 8;

    /// Whether a telephone number stands in XTN.12 as a whole: from version 2.7 on.
    #[must_use]
    pub const fn has_long_numbers(self) -> bool {
        self.minor >= 7
    }

    /// Reads `2.5.1`. Nothing means that it is not a version that we speak.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let major = parts.next()?;
        let minor: u8 = parts.next()?.parse().ok()?;
        let patch: u8 = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        let version = Self { minor, patch };
        let spoken = major == "2"
            && parts.next().is_none()
            && version.cmp(&Self::OLDEST) != Ordering::Less
            && minor <= Self::NEWEST_MINOR;
        spoken.then_some(version)
    }
}

/// What MSH says.
#[derive(Clone, Debug)]
pub struct Header {
    /// What the message is divided by.
    pub delimiters: Delimiters,
    /// The character set that fitted MSH.
    pub charset: Charset,
    /// MSH-18 as it was written.
    pub charset_stated: String,
    /// MSH-3.1 to 3.3.
    pub sending_application: [String; 3],
    /// MSH-4.1 to 4.3.
    pub sending_facility: [String; 3],
    /// MSH-5.1 to 5.3.
    pub receiving_application: [String; 3],
    /// MSH-6.1 to 6.3.
    pub receiving_facility: [String; 3],
    /// Message type, from MSH-9.1.
    pub message_type: String,
    /// Trigger event, from MSH-9.2.
    pub event: String,
    /// Message control id, from MSH-10.
    pub control_id: String,
    /// Processing id, from MSH-11.1.
    pub processing: String,
    /// Version of HL7, from MSH-12.1.
    pub version: String,
    /// Wanted accept acknowledgement, from MSH-15.
    pub accept: String,
    /// Wanted application acknowledgement, from MSH-16.
    pub application: String,
}

impl Header {
    /// Reads MSH from the start of `bytes`. Nothing means that there is none.
    #[must_use]
    pub fn read(bytes: &[u8], wish: Wish) -> Option<Self> {
        if let Some(text) = start_of_utf_16(bytes) {
            return Self::read(text.as_bytes(), Wish::default());
        }
        if let Some(batch) = start_of_batch(bytes) {
            return Self::read(&batch, wish).map(Self::of_batch);
        }
        let start = bytes.windows(3).take(HEADER_SEARCH_BYTES).position(|name| name == b"MSH")?;
        let line = bytes[start..].split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
        let line = line.get(..HEADER_BYTES_MAX.min(line.len()))?;
        let mut notes = Notes::default();
        let decoded = charset::read(line, wish, &mut notes).ok();
        let (text, charset) = match decoded {
            Some(decoded) => (decoded.text, decoded.charset),
            // Bytes survive this in both directions, so ids come back as they were.
            None => (Charset::Latin1.decode(line).ok()?, Charset::Latin1),
        };
        let lines = crate::syntax::mend(&text, &mut notes).ok()?;
        let tree = crate::tree::grow(&lines, charset, &mut notes).ok()?;
        Self::of(&tree)
    }

    /// Whether MSH reads the same in every character set.
    pub(crate) fn is_ascii(&self) -> bool {
        let names = [
            &self.sending_application,
            &self.sending_facility,
            &self.receiving_application,
            &self.receiving_facility,
        ];
        let texts = [
            &self.message_type,
            &self.event,
            &self.control_id,
            &self.processing,
            &self.version,
            &self.accept,
            &self.application,
        ];
        names.into_iter().flatten().chain(texts).all(|text| text.is_ascii())
    }

    /// Reads MSH of a message that was taken apart. Marks nothing as read: what MSH names is kept
    /// unless the envelope says the same.
    #[must_use]
    pub fn of(tree: &Tree) -> Option<Self> {
        let msh = tree.first("MSH")?;
        let text = |field| msh.first(field).peek(1).unwrap_or_default().to_owned();
        Some(Self {
            delimiters: tree.delimiters,
            charset: tree.charset,
            charset_stated: msh
                .repetitions(18)
                .filter_map(|rep| rep.peek(1))
                .collect::<Vec<_>>()
                .join(&tree.delimiters.repetition.to_string()),
            sending_application: name(msh, 3),
            sending_facility: name(msh, 4),
            receiving_application: name(msh, 5),
            receiving_facility: name(msh, 6),
            message_type: text(9),
            event: msh.first(9).peek(2).unwrap_or_default().to_owned(),
            control_id: text(10),
            processing: text(11),
            version: text(12),
            accept: text(15),
            application: text(16),
        })
    }

    /// FHS and BHS are laid out like MSH up to the seventh field. Their control id is the eleventh,
    /// where MSH has its processing id.
    fn of_batch(self) -> Self {
        Self {
            control_id: self.processing,
            message_type: String::new(),
            event: String::new(),
            processing: String::new(),
            version: String::new(),
            accept: String::new(),
            application: String::new(),
            charset_stated: String::new(),
            ..self
        }
    }

    /// Whether the message is an acknowledgement, which nobody may acknowledge (v2.5.1 §2.9.2).
    #[must_use]
    pub fn is_acknowledgement(&self) -> bool {
        ["ACK", "MCF"].iter().any(|it| self.message_type.eq_ignore_ascii_case(it))
    }

    /// The names that the sender uses for its organisation, most exact first.
    #[must_use]
    pub fn sender_names(&self) -> Vec<String> {
        Self::names(&self.sending_facility, &self.sending_application)
    }

    fn names(facility: &[String; 3], application: &[String; 3]) -> Vec<String> {
        let [name, universal, _] = facility;
        [universal, name, &application[0]]
            .into_iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect()
    }
}

/// Framing and blank lines may stand before MSH, but not a whole file.
const HEADER_SEARCH_BYTES: usize = 64;

/// MSH with every field filled stays below 2,000 bytes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// The first part of a message in UTF-16, in UTF-8.
fn start_of_utf_16(bytes: &[u8]) -> Option<String> {
    let end = bytes.len().min(HEADER_BYTES_MAX);
    // The cut may go through a character of four bytes.
    [end, end.saturating_sub(2)]
        .into_iter()
        .find_map(|end| bytes.get(..end).and_then(charset::from_utf_16))
}

/// The header of a batch or a file, under the name of the segment that it is laid out like.
fn start_of_batch(bytes: &[u8]) -> Option<Vec<u8>> {
    let junk = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0B;
    let start = bytes.iter().take(HEADER_SEARCH_BYTES).position(|byte| !junk(byte))?;
    let rest = bytes[start..].strip_prefix(b"FHS").or_else(|| bytes[start..].strip_prefix(b"BHS"));
    let line = rest?.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    Some([b"MSH", line].concat())
}

fn name(msh: Seg<'_>, field: u16) -> [String; 3] {
    [1, 2, 3].map(|component| msh.first(field).peek(component).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_2_3_1_to_2_8_are_spoken() {
        for version in ["2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2"] {
            assert!(Version::read(version).is_some(), "{version}");
        }
        for version in ["", "2", "2.3", "2.2", "2.9", "3.0", "2.5.1.1", "2.x", "v2.5"] {
            assert!(Version::read(version).is_none(), "{version}");
        }
        assert!(Version::read("2.4") < Some(Version::V2_5));
    }

    #[test]
    fn the_header_is_read_although_the_rest_is_broken() {
        let mut bytes =
            b"\x0bMSH|^~\\&|HIS|A^1.2^ISO|TL|B|||REF^I12|42|P|2.5.1|||AL|NE\rPID|".to_vec();
        bytes.extend([0xFF, 0xFE, 0x00]);

        let header = Header::read(&bytes, Wish::default()).unwrap();

        assert_eq!((header.control_id.as_str(), header.accept.as_str()), ("42", "AL"));
        assert_eq!(header.sender_names(), ["1.2", "A", "HIS"]);
    }

    #[test]
    fn a_header_in_no_character_set_still_yields_its_ids() {
        let header = Header::read(b"MSH|^~\\&|\xFF|A|||||REF|42", Wish::default()).unwrap();

        assert_eq!(header.control_id, "42");
    }

    #[test]
    fn a_batch_says_who_sent_it_and_under_which_id() {
        let bytes =
            b"FHS|^~\\&|HIS|A|TL|B|20260310090000||FILE1||F42\rBHS|^~\\&|X|Y\rMSH|^~\\&|HIS|C";

        let header = Header::read(bytes, Wish::default()).unwrap();

        assert_eq!((header.control_id.as_str(), header.message_type.as_str()), ("F42", ""));
        assert_eq!(header.sender_names(), ["A", "HIS"]);
    }

    #[test]
    fn a_header_in_utf_16_is_read() {
        let text = "MSH|^~\\&|医院|A|||||REF^I12|42";
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();

        let header = Header::read(&bytes, Wish::default()).unwrap();

        assert_eq!((header.control_id.as_str(), header.sender_names()[0].as_str()), ("42", "A"));
        assert_eq!(header.charset, Charset::UTF_8);
    }

    #[test]
    fn bytes_without_a_header_have_none() {
        for bytes in [&b""[..], b"MS", b"hello", b"{}", b"MSH", b"MSHAAA"] {
            assert!(Header::read(bytes, Wish::default()).is_none());
        }
    }
}
