//! Translates the organisation's own codes in both directions, by the rules of
//! `tierlink_codec::code_maps`.
//!
//! If a map does not list the code of a safety field (sex, priority, recipient), the message is
//! refused, because `1` may mean either sex. Any other unknown code is kept and noted.

use serde_json::{Map, Value, json};
use tierlink_codec::code_maps::Table;
use tierlink_codec::{CodeMaps, Reading};
use tierlink_schemas::{Deviation, Loss, Message, Problem, safety};

use crate::codes::{D090_NOT_JSON, D096_NOT_THE_SENDER, D097_UNMAPPED};
use crate::strict::WHOLE;
use crate::tidy::note;

/// Translates every mapped code of `message` to ours, and checks that the sender is its source.
pub(crate) fn apply(
    message: &mut Map<String, Value>,
    with: &Reading<'_>,
    notes: &mut Vec<Deviation>,
) -> Vec<Problem> {
    let maps = CodeMaps::of(with.profile);
    let mut problems = Vec::new();
    let source = message.remove("source");
    let mut rest = Value::Object(std::mem::take(message));
    for (table, path) in maps.read_into(&mut rest, "", with.directory) {
        if safety::is_safety(&path) {
            let text = "The code is not in the map of this organisation's profile, and a guess could harm the patient; \
                        add it to the profile or correct it.";
            problems.push(Problem::new(D097_UNMAPPED, path, text));
        } else {
            let text = format!(
                "The code is not in the profile's map ([codes.{}]); it was kept as it is.",
                table.as_str()
            );
            note(notes, path, text);
        }
    }
    if let Value::Object(fields) = rest {
        *message = fields;
    }
    if let Some(mut source) = source {
        if let Value::Object(source) = &mut source {
            problems.extend(check_source(source, &maps, with, notes));
        }
        message.insert("source".to_owned(), source);
    }
    problems
}

/// Refuses a message whose source is another organisation than its sender.
fn check_source(
    source: &mut Map<String, Value>,
    maps: &CodeMaps<'_>,
    with: &Reading<'_>,
    notes: &mut Vec<Deviation>,
) -> Option<Problem> {
    const PATH: &str = "source.organisation";
    let sender = &with.profile.organisation.code;
    let stated = match source.get("organisation")? {
        Value::String(text) if text == sender.as_str() => return None,
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    if maps.mentioned(&stated, with.directory).as_ref() == Some(sender) {
        let text = "Another name of the sender was read as its code; send the code.";
        note(notes, PATH, text);
        source.insert("organisation".to_owned(), json!(sender.as_str()));
        return None;
    }
    let text = "The source is not the organisation that sends; write the sender's own code, or leave it out.";
    Some(Problem::new(D096_NOT_THE_SENDER, PATH, text))
}

/// Translates a message to the receiver's codes.
pub(crate) fn write(
    message: &Message,
    maps: &CodeMaps<'_>,
) -> Result<(Vec<u8>, Vec<Loss>), Vec<Problem>> {
    let unwritable = |_| {
        let text = "The message cannot be written as JSON; report this to the broker's operators.";
        vec![Problem::new(D090_NOT_JSON, WHOLE, text)]
    };
    let mut value = serde_json::to_value(message).map_err(unwritable)?;
    let mut losses = Vec::new();
    maps.write_into(&mut value, "", &Table::ALL, &mut losses);
    let bytes = serde_json::to_vec(&value).map_err(unwritable)?;
    Ok((bytes, losses))
}
