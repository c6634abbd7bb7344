//! Removes empty fields and fields that only the broker fills, and records a deviation for each.
//!
//! Many systems write every field they know, empty ones as `null` or `""`. These are read as
//! absent. If the field is required, the schema then reports it as missing.

use serde_json::{Map, Value, json};
use tierlink_schemas::message::SCHEMA_VERSION;
use tierlink_schemas::{Deviation, Kind, OrganisationCode};

use crate::codes::D098_TOLERATED;

/// Fields that only the broker fills.
const OURS: [&str; 4] = ["id", "received_at", "caused_by", "context"];

/// Fields within `case` that only the broker fills, except that whoever opens a case may
/// name its parent.
const OURS_IN_CASE: [&str; 2] = ["state", "parent"];

/// The field of the envelope in which an empty text is kept.
const KEPT_AS_IT_IS: &str = "extras";

/// Records that something was read although it breaks the format.
pub(crate) fn note(notes: &mut Vec<Deviation>, field: impl Into<String>, text: impl Into<String>) {
    notes.push(Deviation::new(D098_TOLERATED, field, text));
}

/// Removes every empty field.
pub(crate) fn leave_out_empty(message: &mut Map<String, Value>, notes: &mut Vec<Deviation>) {
    let mut removed = Removed::default();
    message.retain(|name, value| {
        if name == KEPT_AS_IT_IS {
            return true;
        }
        if says_nothing(value) {
            removed.count(name);
            return false;
        }
        // A `body` stays even if it is empty now: some kinds need nothing in it.
        empty(value, name, &mut removed);
        true
    });
    if let Some(first) = removed.first {
        let count = removed.count;
        let text = format!(
            "Empty fields were left out ({count} in all, this the first); do not send them."
        );
        note(notes, first, text);
    }
}

/// What was removed so far.
#[derive(Default)]
struct Removed {
    /// Path of the first removed field.
    first: Option<String>,
    count: usize,
}

impl Removed {
    fn count(&mut self, path: &str) {
        self.first.get_or_insert_with(|| path.to_owned());
        self.count += 1;
    }
}

/// Whether it is null or a blank text.
fn says_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Removes empty fields within `value`. Returns whether `value` itself is empty then.
fn empty(value: &mut Value, path: &str, removed: &mut Removed) -> bool {
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|name, inner| {
                let path = format!("{path}.{}", tierlink_schemas::outside::name(name));
                if says_nothing(inner) {
                    removed.count(&path);
                    return false;
                }
                !empty(inner, &path, removed)
            });
            before > 0 && fields.is_empty()
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                // An empty entry of a list stays and is refused by the schema, because nobody knows
                // what was meant by it.
                empty(item, &format!("{path}[{at}]"), removed);
            }
            false
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Removes the fields that only the broker fills.
pub(crate) fn leave_out_ours(message: &mut Map<String, Value>, notes: &mut Vec<Deviation>) {
    let text = "The broker fills this in; what came was ignored. Do not send it.";
    for name in OURS {
        if message.remove(name).is_some() {
            note(notes, name, text);
        }
    }
    let opens =
        message.get("kind").and_then(Value::as_str).and_then(Kind::read).is_some_and(Kind::opens);
    if let Some(Value::Object(case)) = message.get_mut("case") {
        for name in OURS_IN_CASE {
            if opens && name == "parent" {
                continue;
            }
            if case.remove(name).is_some() {
                note(notes, format!("case.{name}"), text);
            }
        }
    }
    // The trace is copied into queue headers, so nothing but a W3C traceparent may be in it.
    let stray = message.get("trace").is_some_and(|it| !it.as_str().is_some_and(is_traceparent));
    if stray {
        message.remove("trace");
        note(notes, "trace", "This is no W3C traceparent; it was ignored.");
    }
}

/// Whether it has the form of a W3C traceparent: `00-<32 hex>-<16 hex>-<2 hex>`.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hexadecimal = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    lengths == [2, 32, 16, 2] && parts.iter().all(hexadecimal)
}

/// Fills in the schema version, and the sender as the source.
pub(crate) fn fill_in(message: &mut Map<String, Value>, sender: &OrganisationCode) {
    message.entry("schema").or_insert_with(|| json!(SCHEMA_VERSION));
    let source = message.entry("source").or_insert_with(|| json!({}));
    if let Value::Object(source) = source {
        source.entry("organisation").or_insert_with(|| json!(sender.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(message: Value) -> (Value, Vec<String>) {
        let Value::Object(mut message) = message else { unreachable!("tests give objects") };
        let mut notes = Vec::new();
        leave_out_empty(&mut message, &mut notes);
        leave_out_ours(&mut message, &mut notes);
        (Value::Object(message), notes.into_iter().map(|note| note.field).collect())
    }

    #[test]
    fn empty_fields_are_left_out_with_one_note() {
        let (message, notes) = tidied(json!({
            "priority": null, "body": { "a": "", "b": { "c": null }, "d": [{ "e": " " }], "f": 0 },
        }));

        assert_eq!(message, json!({ "body": { "d": [{}], "f": 0 } }));
        assert_eq!(notes, ["body.a"]);
    }

    #[test]
    fn an_emptied_body_stays() {
        let (message, _) = tidied(json!({ "body": { "opinion": "" } }));

        assert_eq!(message, json!({ "body": {} }));
    }

    #[test]
    fn an_empty_extra_keeps_its_text() {
        let given = json!({ "extras": [{ "path": "ZPI-3", "text": "" }] });

        assert_eq!(tidied(given.clone()), (given, vec![]));
    }

    #[test]
    fn what_the_broker_fills_in_is_ignored_with_a_note_each() {
        let (message, notes) = tidied(json!({
            "id": "x", "received_at": 1, "caused_by": 2, "context": {}, "trace": "secret",
            "case": { "number": "R1", "state": "accepted", "parent": "R2" },
        }));

        assert_eq!(message, json!({ "case": { "number": "R1" } }));
        assert_eq!(
            notes,
            ["id", "received_at", "caused_by", "context", "case.state", "case.parent", "trace"]
        );
    }

    #[test]
    fn whoever_opens_a_case_may_name_its_parent() {
        let given = json!({ "kind": "referral.submit", "case": { "parent": "C2" } });

        assert_eq!(tidied(given.clone()), (given, vec![]));
    }

    #[test]
    fn a_real_trace_stays() {
        let given = json!({ "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" });

        assert_eq!(tidied(given.clone()), (given, vec![]));
    }
}
