//! Checks all texts and lists: lengths, forms, and characters that other systems cannot handle.
//!
//! The limits are those of the JSON Schema, so that messages from HL7 v2 and FHIR have the same
//! ones as native JSON.

use serde_json::Value;

use super::found::{C001_EMPTY, C003_DOES_NOT_FIT, C004_NUL, C005_CONTROL, Checked, each};
use crate::kind::Kind;
use crate::schema::{self, Wrong};

/// Longest text without a limit of its own, in characters. Attachment content has another limit.
const TEXT_CHARS_MAX: usize = 65_536;

pub(super) fn check(kind: Kind, message: &Value, found: &mut Checked) {
    for fault in schema::faults(kind, message) {
        let code = match fault.wrong {
            Wrong::Missing => C001_EMPTY,
            Wrong::Unknown | Wrong::Form => C003_DOES_NOT_FIT,
        };
        found.refuse(code, fault.path, fault.text);
    }
    each(message, &mut String::new(), &mut |path, value| {
        // Base64 has its own check, and may be megabytes long.
        let content = path.ends_with("].content");
        if let Some(text) = value.as_str().filter(|_| !content) {
            characters(path, text, found);
        }
        true
    });
}

fn characters(path: &str, text: &str, found: &mut Checked) {
    if text.contains('\0') {
        let fix = "The text holds NUL, which most systems cannot store; take it out.";
        found.refuse(C004_NUL, path, fix);
    }
    if text.chars().any(|c| c != '\0' && is_stray_control(c)) {
        let fix = "The text holds control characters; they were kept. Send plain text.";
        found.note(C005_CONTROL, path, fix);
    }
    if text.len() > TEXT_CHARS_MAX && text.chars().nth(TEXT_CHARS_MAX).is_some() {
        let fix = format!("The text is too long; at most {TEXT_CHARS_MAX} characters fit.");
        found.refuse(C003_DOES_NOT_FIT, path, fix);
    }
}

/// Whether it is a control character other than tab and line ends.
fn is_stray_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}
