//! What the readers and writers of one item share: its remark, its modifiers, its extensions.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::bundle::At;
use crate::modifiers::Modifier;
use crate::reader::Reader;
use crate::writer::{Rest, put};

/// Longest remark beside an item that the canonical schema takes.
pub const NOTE_CHARS_MAX: usize = 4_000;

impl Reader<'_> {
    /// The remarks on an item, and what of it has no field of its own, each under its label.
    /// `words` are further lines that were found elsewhere.
    pub fn notes(&mut self, at: At, parts: &[(&str, &str)], words: Vec<String>) -> Option<String> {
        let mut lines = Vec::new();
        for index in 0..self.bundle.count(at, "note").min(50) {
            lines.extend(self.bundle.take(at, &format!("note/{index}/text")));
        }
        for (element, label) in parts {
            let text = self.phrase(at, element).or_else(|| self.short(at, element, 1_000));
            lines.extend(text.map(|text| format!("{label}：{}", text.trim())));
        }
        lines.extend(words);
        let mut note = lines.first().cloned().filter(|_| lines.len() == 1);
        if lines.len() > 1 {
            note = Some(lines.join("\n"));
        }
        let note = note?;
        if note.chars().count() > NOTE_CHARS_MAX {
            self.said.push((self.bundle.field(at, "note"), note));
            return None;
        }
        Some(note)
    }

    /// What a concept says in words, or else its code.
    pub fn phrase(&mut self, at: At, path: &str) -> Option<String> {
        let most = 20_000;
        let text = self.short(at, &format!("{path}/text"), most);
        let display = format!("{path}/coding/0/display");
        match text {
            Some(text) => {
                self.bundle.take_if(at, &display, &text);
                Some(text)
            }
            None => self
                .short(at, &display, most)
                .or_else(|| self.short(at, &format!("{path}/coding/0/code"), most)),
        }
    }

    /// Adds to an item what its extensions say.
    pub fn with_rest<T: Serialize + serde::de::DeserializeOwned>(&mut self, at: At, item: T) -> T {
        let rest = Rest(self.extensions(at, ""));
        self.filled_in(at, "extension", item, rest)
    }
}

/// Writes a field as the modifier that it is.
pub fn modifier(rest: &mut Rest, out: &mut Map<String, Value>, field: &str, which: &Modifier) {
    let value = rest.text(field);
    put(out, which.element, value.and_then(|value| which.write(&value)));
}

/// The remark on an item.
pub fn annotation(rest: &mut Rest) -> Option<Value> {
    rest.text("note").map(|note| json!([{ "text": note }]))
}

/// The canonical value that goes by this name.
pub fn value_of<T: serde::de::DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}
