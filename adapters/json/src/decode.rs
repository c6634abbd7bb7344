//! Reads bytes into a canonical message: the steps in order, and the refusals of this format.

use serde::Deserialize;
use serde_json::{Map, Value};
use tierlink_codec::{Decoded, FamilyKnown, Head, Reading, Sender};
use tierlink_schemas::message::{self, SOURCE_MESSAGE_ID_LENGTH_MAX};
use tierlink_schemas::schema::{self, Wrong};
use tierlink_schemas::{Deviation, Kind, Problem};

use crate::codes::{
    D090_NOT_JSON, D091_TWICE, D092_KIND, D093_UNKNOWN_FIELD, D094_MISSING, D095_FORM,
};
use crate::strict::{self, WHOLE};
use crate::{maps, tidy};

/// Longest name of a sender to look up, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Reads whom the message says it is from, without keeping the rest.
pub(crate) fn sender(bytes: &[u8]) -> Sender {
    #[derive(Default, Deserialize)]
    struct Peek {
        source: Option<Source>,
    }
    #[derive(Deserialize)]
    struct Source {
        organisation: Option<String>,
        system: Option<String>,
    }
    let (bytes, _) = strict::unmarked(bytes);
    let peek: Peek = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(source) = peek.source else { return Sender::default() };
    let short = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len());
    Sender {
        names: source.organisation.filter(short).into_iter().collect(),
        system: source.system.filter(short),
        head: Head::default(),
    }
}

/// Reads a message, or reports everything that is wrong with it.
pub(crate) fn decode(bytes: &[u8], with: &Reading<'_>) -> Decoded {
    let read = match strict::read(bytes) {
        Ok(read) => read,
        Err(problem) => return Decoded::refused(vec![problem], Vec::new(), None),
    };
    let mut notes = Vec::new();
    if read.marked {
        tidy::note(&mut notes, WHOLE, "A byte order mark was ignored; write JSON without it.");
    }
    let source_message_id = source_message_id(&read.value);
    match message_of(read, with, &mut notes) {
        Ok(message) => Decoded::read(message, FamilyKnown::Stated, notes),
        Err(problems) => Decoded::refused(problems, notes, source_message_id),
    }
}

fn message_of(
    read: strict::Read,
    with: &Reading<'_>,
    notes: &mut Vec<Deviation>,
) -> Result<message::Message, Vec<Problem>> {
    let Value::Object(mut fields) = read.value else {
        let text =
            "A message is a JSON object; send one message, not a list and not a plain value.";
        return Err(vec![Problem::new(D090_NOT_JSON, WHOLE, text)]);
    };
    if !read.twice.is_empty() {
        let text = "This field occurs twice, and it is unclear which one is meant; send it once.";
        let problem = |path| Problem::new(D091_TWICE, path, text);
        return Err(read.twice.into_iter().map(problem).collect());
    }
    tidy::leave_out_empty(&mut fields, notes);
    tidy::leave_out_ours(&mut fields, notes);
    let kind = kind_of(&fields).map_err(|problem| vec![problem])?;
    tidy::fill_in(&mut fields, &with.profile.organisation.code);

    let mut problems = maps::apply(&mut fields, with, notes);
    let value = Value::Object(fields);
    problems.extend(faults(kind, &value, &problems));
    if !problems.is_empty() {
        return Err(problems);
    }

    let mut message = message::from_value(value).map_err(|_| vec![unlike_its_schema()])?;
    message.id = with.id;
    message.received_at = Some(with.received_at);
    Ok(message)
}

/// The sender's own id for the message, to be stored with the refusal.
fn source_message_id(value: &Value) -> Option<String> {
    let id = value.get("source")?.get("message_id")?.as_str()?;
    let fits = (1..=SOURCE_MESSAGE_ID_LENGTH_MAX).contains(&id.chars().count());
    fits.then(|| id.to_owned())
}

fn kind_of(fields: &Map<String, Value>) -> Result<Kind, Problem> {
    let refuse = |text: String| Err(Problem::new(D092_KIND, "kind", text));
    let Some(stated) = fields.get("kind") else {
        return refuse(format!("The message does not say its kind; write one of {}.", kinds()));
    };
    let Some(kind) = stated.as_str().and_then(Kind::read) else {
        return refuse(format!("There is no such kind; write one of {}.", kinds()));
    };
    if kind == Kind::Receipt {
        let text = "Receipts are the broker's; a delivery is acknowledged in the answer to it.";
        return refuse(text.to_owned());
    }
    Ok(kind)
}

/// The names of all kinds that an organisation may send, for the error text.
fn kinds() -> String {
    let sent = Kind::ALL.iter().filter(|kind| **kind != Kind::Receipt);
    sent.map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// The violations of the schema, without fields that are refused already.
fn faults(kind: Kind, value: &Value, refused: &[Problem]) -> Vec<Problem> {
    schema::faults(kind, value)
        .into_iter()
        .filter(|fault| !refused.iter().any(|problem| problem.field == fault.path))
        .map(|fault| {
            let code = match fault.wrong {
                Wrong::Missing => D094_MISSING,
                Wrong::Unknown => D093_UNKNOWN_FIELD,
                Wrong::Form => D095_FORM,
            };
            let field = if fault.path.is_empty() { WHOLE.to_owned() } else { fault.path };
            Problem::new(code, field, fault.text)
        })
        .collect()
}

/// The schema allowed something that the types do not. No such case is known; the message is
/// refused, because it could never be read back from the store.
fn unlike_its_schema() -> Problem {
    let text =
        "A value fits the schema and still cannot be read; report this to the broker's operators.";
    Problem::new(D095_FORM, WHOLE, text)
}
