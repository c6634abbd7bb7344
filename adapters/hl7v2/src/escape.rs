//! Text between delimiters: `\F\` and its relatives, in both directions.
//!
//! hl7-parser has an unescape of its own. It counts characters where it needs bytes and panics on
//! Chinese text, so it is never called; this is the whole of ours.
//!
//! What cannot be read stays as it is and is noted: a path such as `C:\temp` is text, not an error.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::limits::ESCAPE_CHARS_MAX;
use crate::notes::What;

/// What a sender writes to delete a value.
pub const NULL: &str = "\"\"";

/// Replaces the escapes of `raw` by what they stand for.
///
/// Calls `note` for each escape that is kept as text.
pub fn unescape<'t>(
    raw: &'t str,
    delimiters: &Delimiters,
    charset: Charset,
    note: &mut dyn FnMut(What),
) -> Cow<'t, str> {
    let escape = delimiters.escape;
    let Some(first) = raw.find(escape) else {
        return Cow::Borrowed(raw);
    };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = rest.find(escape) {
        text.push_str(&rest[..at]);
        let after = &rest[at + escape.len_utf8()..];
        let known = body(after, escape).and_then(|body| {
            let meaning = meaning(body, delimiters, charset)?;
            Some((body, meaning))
        });
        match known {
            Some((body, Meaning::Text(meant))) => {
                text.push_str(&meant);
                rest = &after[body.len() + escape.len_utf8()..];
            }
            Some((body, Meaning::Kept(why))) => {
                note(why);
                text.push(escape);
                text.push_str(body);
                text.push(escape);
                rest = &after[body.len() + escape.len_utf8()..];
            }
            None => {
                note(What::EscapeUnknown);
                text.push(escape);
                rest = after;
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

enum Meaning {
    Text(String),
    Kept(What),
}

/// What stands between an escape character and the next, if that is near enough to be one escape.
fn body(after: &str, escape: char) -> Option<&str> {
    let end = after.find(escape)?;
    (end <= ESCAPE_CHARS_MAX).then(|| &after[..end])
}

fn meaning(body: &str, delimiters: &Delimiters, charset: Charset) -> Option<Meaning> {
    let one = |c: char| Some(Meaning::Text(c.to_string()));
    match body {
        "F" => return one(delimiters.field),
        "S" => return one(delimiters.component),
        "T" => return one(delimiters.subcomponent),
        "R" => return one(delimiters.repetition),
        "E" => return one(delimiters.escape),
        "P" => return one(delimiters.truncation.unwrap_or('#')),
        // Highlighting carries no meaning of its own.
        "H" | "N" => return Some(Meaning::Text(String::new())),
        _ => {}
    }
    let mut chars = body.chars();
    let (kind, argument) = (chars.next()?, chars.as_str());
    match kind {
        'X' if !argument.is_empty() => Some(hexadecimal(argument, charset)),
        'C' | 'M' if matches!(argument.len(), 4 | 6) && is_hexadecimal(argument) => {
            Some(Meaning::Kept(What::EscapeLocal))
        }
        'Z' if argument.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Some(Meaning::Kept(What::EscapeLocal))
        }
        '.' => formatting(argument).map(Meaning::Text),
        _ => None,
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

/// NUL stays escaped: it would end the text in half of the systems behind us.
fn hexadecimal(digits: &str, charset: Charset) -> Meaning {
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
            is_hexadecimal(pair).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect();
    bytes
        .filter(|bytes| !bytes.contains(&0))
        .and_then(|bytes| charset.decode(&bytes).ok().map(Cow::into_owned))
        .map_or(Meaning::Kept(What::EscapeHexadecimal), Meaning::Text)
}

/// Formatting commands of FT fields. Only the line breaks among them change the text.
fn formatting(command: &str) -> Option<String> {
    let (name, count) = command.split_at_checked(2)?;
    let count = count.trim_start_matches('+').trim();
    let plain_count = count.strip_prefix('-').unwrap_or(count);
    if !plain_count.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match name {
        "br" if count.is_empty() => Some("\n".to_owned()),
        // More empty lines than a page has are a mistake, and a way to make us write gigabytes.
        "sp" => Some("\n".repeat(count.parse().unwrap_or(1).clamp(1, 60))),
        "ce" => Some("\n".to_owned()),
        "in" | "ti" | "fi" | "nf" | "sk" => Some(String::new()),
        _ => None,
    }
}

/// Writes `text` so that [`unescape`] reads it back, whatever it holds.
///
/// Readers take blanks round a value for padding, and `""` for null. Where they are meant, they go
/// out in hexadecimal.
pub fn escape_into(out: &mut String, text: &str, delimiters: &Delimiters) {
    let escape = delimiters.escape;
    if text == NULL {
        let _ = write!(out, "{escape}X2222{escape}");
        return;
    }
    let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
    for (at, c) in text.char_indices() {
        if (at == 0 || at == last) && matches!(c, ' ' | '\t') {
            let _ = write!(out, "{escape}X{:02X}{escape}", u32::from(c));
            continue;
        }
        let name = if c == delimiters.field {
            'F'
        } else if c == delimiters.component {
            'S'
        } else if c == delimiters.subcomponent {
            'T'
        } else if c == delimiters.repetition {
            'R'
        } else if c == delimiters.escape {
            'E'
        } else if Some(c) == delimiters.truncation {
            'P'
        } else if c == '\n' {
            let _ = write!(out, "{escape}.br{escape}");
            continue;
        } else if c.is_ascii_control() && c != '\t' {
            let _ = write!(out, "{escape}X{:02X}{escape}", u32::from(c));
            continue;
        } else {
            out.push(c);
            continue;
        };
        out.extend([delimiters.escape, name, delimiters.escape]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GB18030: Charset = Charset::Other(encoding_rs::GB18030);

    #[track_caller]
    fn check(raw: &str, want: &str, noted: &[What]) {
        let mut notes = Vec::new();
        let text = unescape(raw, &Delimiters::default(), GB18030, &mut |what| {
            notes.push(what);
        });

        assert_eq!((text.as_ref(), notes.as_slice()), (want, noted));
    }

    #[test]
    fn every_delimiter_has_its_escape() {
        check(r"a\F\b\S\c\T\d\R\e\E\f\P\g", r"a|b^c&d~e\f#g", &[]);
    }

    #[test]
    fn escapes_after_chinese_text_are_read() {
        check(r"朝阳区 \T\ 二单元", "朝阳区 & 二单元", &[]);
        check(r"é\T\x", "é&x", &[]);
    }

    #[test]
    fn formatting_leaves_line_breaks_and_nothing_else() {
        check(r"一\.br\二\.sp2\三\.in+4\四\H\五\N\六", "一\n二\n\n三四五六", &[]);
    }

    #[test]
    fn hexadecimal_is_text_in_the_character_set_of_the_message() {
        check(r"\X41\\X0D0A\\XCDF5\", "A\r\n王", &[]);
        check(r"\XFF\", r"\XFF\", &[What::EscapeHexadecimal]);
        check(r"\X4\", r"\X4\", &[What::EscapeHexadecimal]);
        check(r"\X00\", r"\X00\", &[What::EscapeHexadecimal]);
    }

    #[test]
    fn local_escapes_are_kept_and_noted() {
        check(r"\C2842\\M244A\\ZAB1\", r"\C2842\\M244A\\ZAB1\", &[What::EscapeLocal; 3]);
    }

    #[test]
    fn an_escape_that_is_none_stays_text_and_hides_nothing_behind_it() {
        check(r"C:\temp", r"C:\temp", &[What::EscapeUnknown]);
        check(r"C:\temp\T\x", r"C:\temp&x", &[What::EscapeUnknown]);
        check("\\", "\\", &[What::EscapeUnknown]);
        check(r"\\", r"\\", &[What::EscapeUnknown; 2]);
        check(r"\Qx\y", r"\Qx\y", &[What::EscapeUnknown; 2]);
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_reads_back_the_same(text in "[^\\x00]{0,60}", unusual in any::<bool>()) {
            let shape = if unusual { "MSH$%_!*#$" } else { r"MSH|^~\&|" };
            let (delimiters, _) = Delimiters::read(shape, &mut crate::notes::Notes::default()).unwrap();
            let mut raw = String::new();

            escape_into(&mut raw, &text, &delimiters);

            prop_assert!(!raw.contains(['\r', '\n', delimiters.field, delimiters.component]));
            let mut noted = 0;
            let back = unescape(&raw, &delimiters, Charset::UTF_8, &mut |_| noted += 1);
            prop_assert_eq!((back.as_ref(), noted), (text.as_str(), 0));
        }

        #[test]
        fn no_raw_text_makes_it_panic(raw in r"[\\FSTREXCMZ.br0-9A-F王é|^~&]{0,40}") {
            let _ = unescape(&raw, &Delimiters::default(), GB18030, &mut |_| {});
        }
    }
}
