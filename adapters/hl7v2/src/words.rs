//! Words without a field of their own: they reach the receiver in a remark.
//!
//! ```text
//!   lines of a report, NTE ─▶ the field that the kind has for words
//!   text that nobody read  ─▶ the same field, as 【OBX[2]-4】text
//!   what was withdrawn     ─▶ the same field: that it was left out, and where, never what it was
//! ```
//!
//! Extras are for what means nothing to a clinician: ids, codes beside their words, names of
//! people. A text that is longer than its field is cut there and kept whole among the extras.

use tierlink_schemas::Kind;
use tierlink_schemas::message::Extra;
use tierlink_schemas::remarks::field_of;

use crate::canon::Canon;
use crate::limits::EXTRA_CHARS_MAX;
use crate::lists::words_of;
use crate::notes::{Notes, What};
use crate::time;
use crate::tree::Tree;

/// Longest text of a field that holds a report, in characters, as in the canonical schema.
const REPORT_CHARS_MAX: usize = 20_000;

/// The same of other fields for words.
const REMARK_CHARS_MAX: usize = 4_000;

/// Most remarks of a request, and the longest of them.
const NOTES_MAX: usize = 500;
const NOTE_CHARS_MAX: usize = 60_000;

/// The list of remarks of a request.
const NOTES: &str = "clinical.notes";

/// Fields in which clinicians write. An empty list stands for all fields of the segment.
const WRITTEN: [(&str, &[u16]); 22] = [
    ("OBX", &[3, 4, 5, 6, 7, 8, 14]),
    ("NTE", &[]),
    ("DG1", &[2, 3, 4]),
    ("AL1", &[2, 3, 4, 5, 6]),
    ("IAM", &[]),
    ("PR1", &[2, 3, 4, 5]),
    ("OBR", &[13, 15, 18, 19, 20, 21, 31, 39, 46]),
    ("RF1", &[1, 3, 4, 5, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]),
    ("ORC", &[16]),
    ("SCH", &[6, 7, 8]),
    ("ARQ", &[6, 7, 8]),
    ("AIS", &[3]),
    ("AIG", &[3, 4]),
    ("AIL", &[3, 4]),
    ("PV1", &[44, 45]),
    ("PV2", &[3, 12, 23]),
    ("SPM", &[]),
    ("RXE", &[]),
    ("RXO", &[]),
    ("RXA", &[]),
    ("RXR", &[]),
    ("ACC", &[]),
];

/// Adds words to the field that `kind` has for them. `place` says where they stood.
pub(crate) fn add(
    kind: Kind,
    place: &str,
    text: &str,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Vec<Extra> {
    let free = words_of(kind).filter(|path| canon.text(path).is_none());
    let Some(path) = free.or_else(|| field_of(kind)) else {
        notes.add(place, What::Mapping("holds words, for which this kind of message has no place"));
        return keep(place, text);
    };
    let (path, before, most) = if path == NOTES {
        let nth = canon.len(NOTES);
        if nth >= NOTES_MAX {
            notes.add(place, What::Mapping("one remark too many; it was kept and not sent on"));
            return keep(place, text);
        }
        (format!("{NOTES}.{nth}"), None, NOTE_CHARS_MAX)
    } else {
        let is_report = matches!(path, "summary" | "findings" | "text" | "conclusion");
        let most = if is_report { REPORT_CHARS_MAX } else { REMARK_CHARS_MAX };
        (path.to_owned(), canon.text(path).map(str::to_owned), most)
    };
    let whole = before.map_or_else(|| text.to_owned(), |before| format!("{before}\n{text}"));
    if whole.chars().count() <= most {
        canon.put(&path, whole);
        return Vec::new();
    }
    let cut: String = whole.chars().take(most - 1).chain(std::iter::once('…')).collect();
    canon.put(&path, cut);
    notes.add(place, What::Cut);
    keep(place, text)
}

/// Keeps a text whole among the extras, in pieces where it is very long.
pub(crate) fn keep(path: &str, text: &str) -> Vec<Extra> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= EXTRA_CHARS_MAX {
        return vec![Extra { path: path.to_owned(), text: text.to_owned() }];
    }
    let pieces = chars.chunks(EXTRA_CHARS_MAX).enumerate();
    pieces
        .map(|(nth, piece)| Extra {
            path: format!("{path}#{}", nth + 1),
            text: piece.iter().collect(),
        })
        .collect()
}

/// Adds what clinicians wrote and nobody has read, in the order of the message.
pub(crate) fn add_left_over(
    tree: &Tree,
    kind: Kind,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Vec<Extra> {
    if field_of(kind).is_none() {
        return Vec::new();
    }
    let is_written = |name: &str, field: u16| {
        name.starts_with('Z')
            || WRITTEN.iter().any(|(segment, fields)| {
                *segment == name && (fields.is_empty() || fields.contains(&field))
            })
    };
    let left = tree.take_left_over(&|name, field, text| {
        is_written(name, field) && (is_words(text) || is_date(name, field))
    });
    let mut extras = Vec::new();
    for left in left {
        let day = time::read(&left.text).and_then(|moment| moment.date());
        let text = day.map_or(left.text, |day| day.to_string());
        extras.extend(add(kind, &left.path, &format!("【{}】{text}", left.path), canon, notes));
    }
    extras
}

/// A date that is no instant says something all the same.
fn is_date(name: &str, field: u16) -> bool {
    matches!((name, field), ("OBX", 14) | ("PR1", 5) | ("AL1", 6) | ("PV1", 44 | 45))
}

/// Whether a text is more than a code: in Chinese, or several words.
fn is_words(text: &str) -> bool {
    const WORDS_MIN: usize = 3;
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic);
    text.chars().any(|c| !c.is_ascii() && c.is_alphabetic())
        || text.split_whitespace().filter(is_word).count() >= WORDS_MIN
}

/// Says that something was left out, without a word of what it was.
pub(crate) fn add_left_out(
    kind: Kind,
    left_out: &[String],
    canon: &mut Canon,
    notes: &mut Notes,
) -> Vec<Extra> {
    /// Most places that are named.
    const NAMED_MAX: usize = 20;
    let Some(first) = left_out.first() else { return Vec::new() };
    let named = left_out.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("、");
    let text = format!(
        "[平台提示] 发送方标明为撤回、删除或属于他人的内容未转送，共{}项：{named}",
        left_out.len()
    );
    add(kind, first, &text, canon, notes)
}
