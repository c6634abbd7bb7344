//! Words for the receiver that the canonical schema has no field of their own for.
//!
//! What a sender's format says and the canonical schema does not know would lie among the extras,
//! which no receiver reads. It goes into the field that the kind has for further words instead.

use serde_json::Value;
use tierlink_schemas::Kind;
use tierlink_schemas::remarks::field_of;

use crate::codes;
use crate::reader::Reader;
use crate::writer::Rest;

/// Most places that one remark names; the sender hears of all of them.
const PLACES_TOLD_MAX: usize = 20;
/// Longest text of a field for remarks, in characters: a page, or a whole report.
const REMARK_CHARS_MAX: usize = 4_000;
/// The same of the fields that hold reports.
const REPORT_CHARS_MAX: usize = 20_000;
/// Longest text of one note; a longer remark goes on in the next.
const NOTE_CHARS_MAX: usize = 60_000;
/// Most remarks of a request, as the canonical schema allows.
const REMARKS_MAX: usize = 500;

impl Reader<'_> {
    /// Adds a remark to the message. One that has no room is told to the sender.
    pub fn remark(&mut self, kind: Kind, place: &str, text: String, body: &mut Rest) {
        let path = field_of(kind).map(|path| path.replace('.', "/"));
        let fits = path.is_some_and(|path| add(body, &path, &text));
        if !fits {
            let advice = "there is no room for these words in this message; send them in another \
                          way";
            self.deviation(codes::TOO_LONG, place, advice);
            self.keep_whole(place, &Value::from(text));
        }
    }

    /// Says to the receiver that something was left out, without a word of what it was.
    pub fn tell_what_was_left_out(&mut self, kind: Kind, body: &mut Rest) {
        if self.left_out.is_empty() {
            return;
        }
        let mut places: Vec<String> = self.left_out.drain(..).collect();
        places.dedup();
        let named = places.iter().take(PLACES_TOLD_MAX).cloned().collect::<Vec<_>>().join("、");
        let text = format!(
            "[平台提示] 发送方标明为撤回、否定、未执行、已替换或属于他人的内容未转送，共{}项：{named}",
            places.len()
        );
        self.remark(kind, "Bundle.entry", text, body);
    }
}

/// Adds a text at a path, and says whether there was room.
fn add(body: &mut Rest, path: &str, text: &str) -> bool {
    let there = body.take_at(path);
    let (value, fits) = match there {
        Some(Value::Array(items)) => into_list(items, text),
        None if path.ends_with("notes") => into_list(Vec::new(), text),
        Some(Value::String(before)) => {
            let both = format!("{before}\n{text}");
            let fits = both.chars().count() <= room(path);
            (Value::from(if fits { both } else { before }), fits)
        }
        None if text.chars().count() > room(path) => return false,
        None => (Value::from(text), true),
        Some(other) => (other, false),
    };
    body.put_at(path, value);
    fits
}

/// How many characters the field at a path takes.
fn room(path: &str) -> usize {
    let report = matches!(path, "summary" | "findings" | "text");
    if report { REPORT_CHARS_MAX } else { REMARK_CHARS_MAX }
}

/// Adds a text to a list of notes, in parts where it is longer than one may be.
fn into_list(mut items: Vec<Value>, text: &str) -> (Value, bool) {
    let letters: Vec<char> = text.chars().collect();
    let parts = letters.chunks(NOTE_CHARS_MAX);
    let fits = items.len() + parts.len() <= REMARKS_MAX;
    if fits {
        items.extend(parts.map(|part| Value::from(String::from_iter(part))));
    }
    (Value::Array(items), fits)
}
