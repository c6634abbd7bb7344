//! What senders leave empty or fill in for us: taken out, with a note.
//!
//! Many systems write every field they know, empty ones as `null` or `""`. That says nothing, so it
//! is read as absent; where the field is needed, it is then missing and refused as such.

use serde_json::{Map, Value, json};
use tierlink_schemas::message::SCHEMA_VERSION;
use tierlink_schemas::{Deviation, Kind, OrganisationCode};

use crate::codes::D098_TOLERATED;

/// What the broker fills in; nobody sends it.
const OURS: [&str; 4] = ["id", "received_at", "caused_by", "context"];

/// The same within `case`. Whoever opens a case may say which one it follows from.
const OURS_IN_CASE: [&str; 2] = ["state", "parent"];

/// Fields of the envelope in which an empty text is a text.
const KEPT_AS_IT_IS: &str = "extras";

/// Notes that something was tolerated.
pub(crate) fn note(notes: &mut Vec<Deviation>, field: impl Into<String>, text: impl Into<String>) {
    notes.push(Deviation::new(D098_TOLERATED, field, text));
}

/// Takes out every field that says nothing.
pub(crate) fn leave_out_empty(message: &mut Map<String, Value>, notes: &mut Vec<Deviation>) {
    let mut gone = Gone::default();
    message.retain(|name, value| {
        if name == KEPT_AS_IT_IS {
            return true;
        }
        if says_nothing(value) {
            gone.count(name);
            return false;
        }
        // An emptied `body` stays: some kinds need no more.
        empty(value, name, &mut gone);
        true
    });
    if let Some(first) = gone.first {
        let count = gone.count;
        let text = format!(
            "Empty fields were left out ({count} in all, this the first); do not send them."
        );
        note(notes, first, text);
    }
}

#[derive(Default)]
struct Gone {
    first: Option<String>,
    count: usize,
}

impl Gone {
    fn count(&mut self, path: &str) {
        self.first.get_or_insert_with(|| path.to_owned());
        self.count += 1;
    }
}

fn says_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Takes out what says nothing within `value`. Says whether nothing was left of it.
fn empty(value: &mut Value, path: &str, gone: &mut Gone) -> bool {
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|name, inner| {
                let path = format!("{path}.{}", tierlink_schemas::schema::shown(name));
                if says_nothing(inner) {
                    gone.count(&path);
                    return false;
                }
                !empty(inner, &path, gone)
            });
            before > 0 && fields.is_empty()
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                // An entry that says nothing stays, and is refused by the schema: what was meant
                // by it nobody knows.
                empty(item, &format!("{path}[{at}]"), gone);
            }
            false
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Takes out what only the broker says.
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
    // It travels in queue headers, so nothing else than a trace may hide in it.
    let stray = message.get("trace").is_some_and(|it| !it.as_str().is_some_and(is_traceparent));
    if stray {
        message.remove("trace");
        note(notes, "trace", "This is no W3C traceparent; it was ignored.");
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hexadecimal = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    lengths == [2, 32, 16, 2] && parts.iter().all(hexadecimal)
}

/// Fills in what goes without saying: our version, and the sender as the source.
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
