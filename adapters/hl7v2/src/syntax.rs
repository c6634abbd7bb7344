//! Splits the text of a message into lines that are segments.
//!
//! ```text
//!   text ─▶ junk before MSH off ─▶ lines ─▶ broken lines joined ─▶ "MSH|^~\&|…⏎PID|…⏎OBX|…"
//! ```
//!
//! The reader of the structure (`tree.rs`) silently stops at the first line that it does not
//! understand. So every line that leaves this file is a name, a field delimiter and fields, ended
//! by CR; whatever was not like that is mended here and noted.
//!
//! This file does not look inside fields.

use crate::delimiters::Delimiters;
use crate::fault::Fault;
use crate::limits::{MESSAGE_BYTES_MAX, SEGMENTS_MAX};
use crate::notes::{Notes, What};

/// The corrected text of a message.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Segments, separated by CR, without one at the end. MSH-2 has exactly four characters.
    pub(crate) text: String,
    /// What the segments are divided by.
    pub(crate) delimiters: Delimiters,
    /// How many segments there are.
    pub(crate) count: usize,
}

/// Segments that may come without any field. A line such as `ECG` inside a report must not be
/// taken for a segment, so other bare names are text.
const BARE_NAMES: [&str; 22] = [
    "PID", "PD1", "PV1", "PV2", "EVN", "RF1", "PRD", "AUT", "CTD", "NK1", "GT1", "IN1", "IN2",
    "ACC", "DG1", "AL1", "PR1", "OBR", "OBX", "NTE", "RGS", "ORC",
];

/// Segments that begin another message, or a batch of them.
const BEGINNINGS: [&str; 5] = ["MSH", "FHS", "BHS", "BTS", "FTS"];

/// Goes on with the last field of the segment before it (v2.5.1 §2.10.2.1).
const ADDENDUM: &str = "ADD";

/// Says that the message goes on in another one (v2.5.1 §2.10.2.2).
const CONTINUED_ELSEWHERE: &str = "DSC";

/// Mends the lines of `text`.
pub(crate) fn mend(text: &str, notes: &mut Notes) -> Result<Lines, Fault> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(Fault::TooLarge { limit: MESSAGE_BYTES_MAX });
    }
    let body = start_of_message(text, notes)?;
    if body.contains('\0') {
        return Err(Fault::Nul { segment: segment_before(body, '\0') });
    }
    let (delimiters, msh_2_ends) = Delimiters::read(body, notes)?;
    note_line_ends(body, notes);

    let mut mended = String::with_capacity(body.len() + 16);
    mended.push_str("MSH");
    mended.push(delimiters.field);
    mended.extend(delimiters.all_four());
    let mut lines = Joiner { delimiters, mended, begins: 0, count: 1, blank: 0 };
    let mut rest = split_lines(body.get(msh_2_ends..).unwrap_or_default());
    let header = rest.next().unwrap_or_default();
    // The reader of the structure counts a field more or less when this delimiter is missing.
    lines.mended.push(delimiters.field);
    lines.mended.push_str(header.strip_prefix(delimiters.field).unwrap_or(header));
    for line in rest {
        lines.add(line, notes)?;
    }
    Ok(Lines { text: lines.mended, delimiters, count: lines.count })
}

/// Some senders put framing, blank lines or blanks before `MSH`.
fn start_of_message<'t>(text: &'t str, notes: &mut Notes) -> Result<&'t str, Fault> {
    let junk = |c: char| c.is_whitespace() || matches!(c, '\u{b}' | '\u{1c}' | '\u{feff}');
    let body = text.trim_matches(junk);
    if body.is_empty() {
        return Err(Fault::Empty);
    }
    for beginning in ["FHS", "BHS"] {
        if body.starts_with(beginning) {
            return Err(Fault::SeveralMessages { segment: beginning.to_owned() });
        }
    }
    if !body.starts_with("MSH") {
        return Err(Fault::NotHl7);
    }
    if !text.starts_with("MSH") {
        notes.add("MSH", What::JunkBefore);
    }
    Ok(body)
}

/// CR LF, CR and LF all end a line.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let after = &text[end..];
        rest = Some(after.strip_prefix("\r\n").unwrap_or_else(|| &after[1..]));
        Some(&text[..end])
    })
}

fn note_line_ends(text: &str, notes: &mut Notes) {
    let both = text.matches("\r\n").count();
    let returns = text.matches('\r').count() - both;
    let feeds = text.matches('\n').count() - both;
    match (returns > 0, feeds > 0, both > 0) {
        (_, false, false) => {}
        (false, true, false) => notes.add("MSH", What::LineFeeds),
        (false, false, true) => notes.add("MSH", What::CarriageReturnLineFeeds),
        _ => notes.add("MSH", What::MixedLineEnds),
    }
}

/// Puts lines together again, one segment after the other.
struct Joiner {
    delimiters: Delimiters,
    mended: String,
    /// Where the segment begins that is being put together. Looking for it anew at every broken
    /// line would take hours on a hostile message.
    begins: usize,
    count: usize,
    /// Empty lines seen since the last segment. Inside a text they are part of it.
    blank: usize,
}

enum Line<'l> {
    Segment { name: &'l str, fields: &'l str },
    Bare { name: &'l str },
    Text,
}

impl Joiner {
    fn add(&mut self, line: &str, notes: &mut Notes) -> Result<(), Fault> {
        if line.trim().is_empty() {
            self.blank += 1;
            return Ok(());
        }
        let trimmed = line.trim_start();
        match self.kind(trimmed) {
            Line::Segment { name, fields } => {
                if trimmed.len() < line.len() {
                    notes.add(name.to_uppercase(), What::IndentedSegment);
                }
                self.segment(name, fields, notes)
            }
            Line::Bare { name } => {
                notes.add(name, What::EmptySegment);
                self.segment(name, "", notes)
            }
            Line::Text => {
                self.join(line, notes);
                Ok(())
            }
        }
    }

    fn kind<'l>(&self, line: &'l str) -> Line<'l> {
        let named = line.get(..3).filter(|name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let Some(name) = named else { return Line::Text };
        match line[3..].strip_prefix(self.delimiters.field) {
            Some(fields) => Line::Segment { name, fields },
            None if line[3..].trim().is_empty()
                && (name.starts_with('Z') || BARE_NAMES.contains(&name)) =>
            {
                Line::Bare { name }
            }
            None => Line::Text,
        }
    }

    fn segment(&mut self, name: &str, fields: &str, notes: &mut Notes) -> Result<(), Fault> {
        let capitals = name.to_ascii_uppercase();
        if BEGINNINGS.contains(&capitals.as_str()) {
            return Err(Fault::SeveralMessages { segment: capitals });
        }
        if capitals == CONTINUED_ELSEWHERE {
            return self.end_of_part(fields);
        }
        if capitals == ADDENDUM {
            return self.addendum(fields, notes);
        }
        if self.count == SEGMENTS_MAX {
            return Err(Fault::TooMany {
                path: "the message".to_owned(),
                parts: "segments",
                limit: SEGMENTS_MAX,
            });
        }
        if self.blank > 0 {
            notes.add(capitals.as_str(), What::BlankLine);
            self.blank = 0;
        }
        if capitals != name {
            notes.add(capitals.as_str(), What::SmallSegmentName);
        }
        self.count += 1;
        self.mended.push('\r');
        self.begins = self.mended.len();
        self.mended.push_str(&capitals);
        self.mended.push(self.delimiters.field);
        self.mended.push_str(fields);
        Ok(())
    }

    /// The first field of an ADD belongs to the last field before it, the others follow.
    fn addendum(&mut self, fields: &str, notes: &mut Notes) -> Result<(), Fault> {
        let continued = self.mended.get(self.begins..self.begins + 3).unwrap_or("MSH").to_owned();
        if self.begins == 0 {
            return Err(Fault::Structure { segment: ADDENDUM.to_owned() });
        }
        notes.add(continued, What::Continued);
        self.blank = 0;
        self.mended.push_str(fields);
        Ok(())
    }

    /// A DSC that names no continuation only says that there is none.
    fn end_of_part(&mut self, fields: &str) -> Result<(), Fault> {
        let pointer = fields.split(self.delimiters.field).next().unwrap_or_default().trim();
        if pointer.is_empty() {
            return Ok(());
        }
        Err(Fault::Continued { field: "DSC-1".to_owned() })
    }

    /// A line break inside a field, mostly in OBX-5: the text goes on, with an escaped break.
    fn join(&mut self, line: &str, notes: &mut Notes) {
        let name = self.mended.get(self.begins..self.begins + 3);
        let segment = name.unwrap_or("MSH").to_owned();
        notes.add(segment, What::BrokenLine);
        for _ in 0..=std::mem::take(&mut self.blank) {
            self.mended.push(self.delimiters.escape);
            self.mended.push_str(".br");
            self.mended.push(self.delimiters.escape);
        }
        self.mended.push_str(line);
    }
}

fn segment_before(text: &str, bad: char) -> String {
    let before = text.split(bad).next().unwrap_or_default();
    let line = before.rsplit(['\r', '\n']).next().unwrap_or_default();
    line.get(..3).unwrap_or("MSH").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str, noted: &[What]) {
        let mut notes = Notes::default();

        let lines = mend(text, &mut notes).unwrap();

        let found: Vec<What> = notes.list().iter().map(|note| note.what).collect();
        assert_eq!((lines.text.as_str(), found.as_slice()), (want, noted));
        assert_eq!(lines.count, lines.text.matches('\r').count() + 1);
    }

    #[test]
    fn every_line_end_is_read_and_the_wrong_ones_are_noted() {
        let want = "MSH|^~\\&|A\rPID|1\rPV1|1";
        check("MSH|^~\\&|A\rPID|1\rPV1|1\r", want, &[]);
        check("MSH|^~\\&|A\nPID|1\nPV1|1\n", want, &[What::LineFeeds]);
        check("MSH|^~\\&|A\r\nPID|1\r\nPV1|1\r\n", want, &[What::CarriageReturnLineFeeds]);
        check("MSH|^~\\&|A\nPID|1\rPV1|1\r", want, &[What::MixedLineEnds]);
    }

    #[test]
    fn framing_and_blank_lines_before_the_message_are_removed() {
        check("\u{b}\r\nMSH|^~\\&|A\rPID|1\r\u{1c}\r", "MSH|^~\\&|A\rPID|1", &[What::JunkBefore]);
    }

    #[test]
    fn a_broken_line_is_joined_to_its_field() {
        check(
            "MSH|^~\\&|A\rOBX|1|FT|||主诉：胸痛\nECG\n\n血压 140/90\rNTE|1\r",
            "MSH|^~\\&|A\rOBX|1|FT|||主诉：胸痛\\.br\\ECG\\.br\\\\.br\\血压 140/90\rNTE|1",
            &[What::MixedLineEnds, What::BrokenLine],
        );
    }

    #[test]
    fn odd_lines_between_segments_are_mended() {
        check(
            "MSH|^~\\&|A\r\rpid|1\r  PV1|1\rZZZ\rOBX\r",
            "MSH|^~\\&|A\rPID|1\rPV1|1\rZZZ|\rOBX|",
            &[
                What::BlankLine,
                What::SmallSegmentName,
                What::IndentedSegment,
                What::EmptySegment,
                What::EmptySegment,
            ],
        );
    }

    #[test]
    fn the_truncation_character_and_short_delimiters_become_exactly_four() {
        check("MSH|^~\\&#|A\rPID|1", "MSH|^~\\&|A\rPID|1", &[]);
        check("MSH|^~|A\rPID|1", "MSH|^~\u{1}\u{2}|A\rPID|1", &[What::DelimitersShort]);
    }

    #[test]
    fn an_addendum_goes_on_with_the_last_field_before_it() {
        check(
            "MSH|^~\\&|A\rOBX|2|ED|||^a^b^Base64^QUJD\rADD|REVG||||||F\rNTE|1\r",
            "MSH|^~\\&|A\rOBX|2|ED|||^a^b^Base64^QUJDREVG||||||F\rNTE|1",
            &[What::Continued],
        );
        check(
            "MSH|^~\\&|A\rNTE|1||甲\rADD|乙\rADD|丙\rDSC|",
            "MSH|^~\\&|A\rNTE|1||甲乙丙",
            &[What::Continued],
        );
    }

    #[test]
    fn a_message_that_goes_on_elsewhere_is_refused() {
        refuses("MSH|^~\\&|A\rPID|1\rDSC|42|F", "D028");
        refuses("MSH|^~\\&|A\rADD|x\rPID|1", "D016");
    }

    #[track_caller]
    fn refuses(text: &str, code: &str) {
        assert_eq!(mend(text, &mut Notes::default()).unwrap_err().code(), code);
    }

    #[test]
    fn what_is_no_single_message_is_refused() {
        refuses("", "D010");
        refuses(" \r\n", "D010");
        refuses("hello", "D012");
        refuses("FHS|^~\\&|A\rMSH|^~\\&|A", "D018");
        refuses("MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B", "D018");
        refuses("MSH|^~\\&|A\rPID|\0", "D017");
        refuses(&format!("MSH|^~\\&|A{}", "\rNTE|1".repeat(SEGMENTS_MAX)), "D015");
    }
}
