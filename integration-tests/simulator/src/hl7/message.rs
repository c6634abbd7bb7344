//! Just enough HL7 v2 to look into a message: segments, fields, components, charset.

use anyhow::{Context, Result, bail};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8};

use crate::case_numbers;

/// The charsets of the simulated hospitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, named `UNICODE UTF-8` in MSH-18.
    Utf8,
    /// GB 18030, named `GB 18030-2000` in MSH-18.
    Gb18030,
    /// GBK, which MSH-18 calls GB 18030.
    Gbk,
}

impl Charset {
    /// What MSH-18 calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "UNICODE UTF-8",
            // HL7 has no name for GBK, which GB 18030 contains.
            Self::Gb18030 | Self::Gbk => "GB 18030-2000",
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Gb18030 => GB18030,
            Self::Gbk => GBK,
        }
    }

    /// `text` in this charset. Fails if a character has no place in it.
    pub fn encode(self, text: &str) -> Result<Vec<u8>> {
        let (bytes, _, replaced) = self.encoding().encode(text);
        if replaced {
            bail!("the text does not fit the charset");
        }
        Ok(bytes.into_owned())
    }

    /// The charset that MSH-18 of a message claims; UTF-8 if it claims none.
    #[must_use]
    pub fn claimed(bytes: &[u8]) -> Self {
        let head = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        // Only ASCII matters here: a byte below 0x80 that follows a lead byte is never `|`.
        let head = String::from_utf8_lossy(head).into_owned();
        let claimed = head.split('|').nth(17).unwrap_or_default();
        if claimed.contains("GB") { Self::Gb18030 } else { Self::Utf8 }
    }

    /// Reads bytes in the charset that their MSH-18 claims.
    #[must_use]
    pub fn read(bytes: &[u8]) -> String {
        let charset = Self::claimed(bytes);
        charset.encoding().decode_without_bom_handling(bytes).0.into_owned()
    }
}

/// A message, split at its delimiters.
#[derive(Clone, Debug)]
pub struct Hl7 {
    pub(super) segments: Vec<Vec<String>>,
}

impl Hl7 {
    /// Splits a message with the usual delimiters.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let segments = text
            .split(['\r', '\n'])
            .filter(|line| !line.is_empty())
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect();
        Self { segments }
    }

    /// A field as it stands; empty if it is not there. MSH-1 counts as HL7 counts.
    #[must_use]
    pub fn field(&self, segment: &str, number: usize) -> &str {
        let index = if segment == "MSH" { number - 1 } else { number };
        self.segments
            .iter()
            .find(|fields| fields[0] == segment)
            .and_then(|fields| fields.get(index))
            .map_or("", String::as_str)
    }

    /// One component of the first repetition of a field.
    #[must_use]
    pub fn component(&self, segment: &str, number: usize, component: usize) -> &str {
        let field = self.field(segment, number);
        let first = field.split('~').next().unwrap_or_default();
        first.split('^').nth(component - 1).unwrap_or_default()
    }

    /// All segments of this name, each as its fields joined again.
    #[must_use]
    pub fn all(&self, segment: &str) -> Vec<String> {
        self.segments.iter().filter(|f| f[0] == segment).map(|f| f.join("|")).collect()
    }

    /// MSA-1 and the case number that MSA-3 tells.
    pub fn verdict(&self) -> Result<(String, Option<String>)> {
        let code = self.field("MSA", 1);
        if code.is_empty() {
            bail!("no MSA in the answer");
        }
        Ok((code.to_owned(), case_numbers(self.field("MSA", 3)).into_iter().next()))
    }

    /// The case number in MSA-3 of a positive answer.
    pub fn accepted(&self) -> Result<String> {
        let (code, number) = self.verdict()?;
        if code != "AA" {
            bail!("the answer is {code}, not AA: {:?}", self.segments);
        }
        number.context("the answer names no case")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_in_the_charset_that_it_claims() {
        let text = format!("MSH|^~\\&|A|B|C|D|1||REF^I12|7|P|2.4||||||{}\rPID|1||2||汪", "GB18030");

        let read = Charset::read(&Charset::Gb18030.encode(&text).unwrap());

        assert_eq!(read, text);
        assert_eq!(Hl7::parse(&read).field("MSH", 10), "7");
        assert_eq!(Hl7::parse(&read).component("MSH", 9, 2), "I12");
        assert_eq!(Hl7::parse(&read).field("PID", 5), "汪");
    }
}
