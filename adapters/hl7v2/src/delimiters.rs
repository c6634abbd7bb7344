//! The characters that a message says it is divided by: MSH-1 and MSH-2.
//!
//! Senders shorten MSH-2 (`^~`), lengthen it with the truncation character of version 2.7 (`^~\&#`)
//! or choose other characters (`^_\&`). A character that MSH-2 leaves out is replaced by a control
//! character that does not occur in the message, so that nothing is ever divided by it.

use crate::fault::Fault;
use crate::notes::{Notes, What};

/// What a message is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Field separator, from MSH-1.
    pub field: char,
    /// The first character of MSH-2.
    pub component: char,
    /// The second character of MSH-2.
    pub repetition: char,
    /// The third character of MSH-2.
    pub escape: char,
    /// The fourth character of MSH-2.
    pub subcomponent: char,
    /// The fifth character of MSH-2, from version 2.7 on.
    pub truncation: Option<char>,
    /// How many of the encoding characters the message stated; the rest cannot be used in answers.
    stated: usize,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
            truncation: None,
            stated: STATED_NORMALLY,
        }
    }
}

const STATED_NORMALLY: usize = 4;

/// MSH-2 with the truncation character has five characters; a doubled backslash makes it six.
const STATED_MAX: usize = 5;

impl Delimiters {
    /// Reads MSH-1 and MSH-2 from the start of `text`, and says where MSH-2 ends.
    ///
    /// `text` begins with `MSH`; the caller has seen to that.
    pub(crate) fn read(text: &str, notes: &mut Notes) -> Result<(Self, usize), Fault> {
        let mut chars = text.chars().skip(3);
        let field = chars.next().filter(|c| is_usable(*c)).ok_or(Fault::Delimiters("MSH-1"))?;
        let stated: String =
            chars.take_while(|c| *c != field && !matches!(c, '\r' | '\n')).collect();
        let end = 3 + field.len_utf8() + stated.len();
        let delimiters = Self::from_parts(field, &stated, text, notes)?;
        Ok((delimiters, end))
    }

    fn from_parts(field: char, stated: &str, text: &str, notes: &mut Notes) -> Result<Self, Fault> {
        let mut encoding: Vec<char> = stated.chars().collect();
        if encoding.is_empty() {
            notes.add("MSH-2", What::DelimitersMissing);
            return Ok(Self { field, ..Self::default() });
        }
        if encoding.len() == STATED_MAX && encoding[2] == encoding[3] {
            notes.add("MSH-2", What::EscapeDoubled);
            encoding.remove(3);
        }
        let distinct = encoding
            .iter()
            .enumerate()
            .all(|(at, c)| is_usable(*c) && *c != field && !encoding[..at].contains(c));
        if !distinct || encoding.len() > STATED_MAX {
            return Err(Fault::Delimiters("MSH-2"));
        }
        if encoding.len() < STATED_NORMALLY {
            notes.add("MSH-2", What::DelimitersShort);
        } else if encoding[..STATED_NORMALLY] != ['^', '~', '\\', '&'] || field != '|' {
            notes.add("MSH-2", What::DelimitersUnusual);
        }

        let mut unused =
            ('\u{1}'..='\u{1f}').filter(|c| !matches!(c, '\t' | '\r' | '\n') && !text.contains(*c));
        let mut nth = |at: usize| {
            encoding.get(at).copied().or_else(|| unused.next()).ok_or(Fault::Delimiters("MSH-2"))
        };
        Ok(Self {
            field,
            component: nth(0)?,
            repetition: nth(1)?,
            escape: nth(2)?,
            subcomponent: nth(3)?,
            truncation: encoding.get(4).copied(),
            stated: encoding.len(),
        })
    }

    /// The same encoding characters behind another field delimiter.
    #[must_use]
    pub fn with_field(self, field: char) -> Self {
        Self { field, ..self }
    }

    /// MSH-2 as the message stated it.
    #[must_use]
    pub fn encoding_characters(&self) -> String {
        [self.component, self.repetition, self.escape, self.subcomponent]
            .into_iter()
            .chain(self.truncation)
            .take(self.stated)
            .collect()
    }

    /// The four encoding characters that the reader of the structure insists on.
    pub(crate) fn all_four(&self) -> [char; 4] {
        [self.component, self.repetition, self.escape, self.subcomponent]
    }

    /// Whether text can be escaped for a receiver that stated these delimiters.
    #[must_use]
    pub fn has_escape(&self) -> bool {
        self.stated > 2
    }
}

/// Letters, digits, blanks and quotation marks occur in every message, so they divide nothing.
/// What is left is what the standard itself suggests: printable punctuation.
fn is_usable(c: char) -> bool {
    c.is_ascii_punctuation() && c != '"'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<(&str, bool), Fault>) {
        let mut notes = Notes::default();

        let got = Delimiters::read(text, &mut notes);

        let got =
            got.map(|(delimiters, _)| (delimiters.encoding_characters(), notes.list().is_empty()));
        assert_eq!(got, want.map(|(stated, clean)| (stated.to_owned(), clean)));
    }

    #[test]
    fn the_usual_delimiters_are_no_deviation() {
        check(r"MSH|^~\&|HIS", Ok((r"^~\&", true)));
    }

    #[test]
    fn the_truncation_character_of_version_2_7_is_no_deviation() {
        check(r"MSH|^~\&#|HIS", Ok((r"^~\&#", true)));
    }

    #[test]
    fn short_and_unusual_delimiters_are_read_and_noted() {
        check(r"MSH|^~|HIS", Ok((r"^~", false)));
        check(r"MSH|^|HIS", Ok((r"^", false)));
        check(r"MSH|^_\&|HIS", Ok((r"^_\&", false)));
        check(r"MSH$%~\&$HIS", Ok((r"%~\&", false)));
        check("MSH", Err(Fault::Delimiters("MSH-1")));
    }

    #[test]
    fn a_doubled_backslash_is_read_as_one() {
        check(r"MSH|^~\\&|HIS", Ok((r"^~\&", false)));
    }

    #[test]
    fn delimiters_that_could_divide_text_anywhere_are_refused() {
        check("MSHA^~\\&AHIS", Err(Fault::Delimiters("MSH-1")));
        check("MSH|^^\\&|HIS", Err(Fault::Delimiters("MSH-2")));
        check("MSH|^~a&|HIS", Err(Fault::Delimiters("MSH-2")));
        check("MSH|^~\\&#!|HIS", Err(Fault::Delimiters("MSH-2")));
        check("MSH|、~\\&|HIS", Err(Fault::Delimiters("MSH-2")));
    }

    #[test]
    fn what_msh_2_leaves_out_divides_nothing() {
        let text = "MSH|^~|HIS\rPID|1|a\\b&c\u{1}";

        let (delimiters, _) = Delimiters::read(text, &mut Notes::default()).unwrap();

        assert!(!text.contains(delimiters.escape));
        assert!(!text.contains(delimiters.subcomponent));
        assert!(!delimiters.has_escape());
    }
}
