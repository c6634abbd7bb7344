//! How what came in our extensions joins what came in elements.
//!
//! An extension that holds something the canonical type does not have is not a reason to refuse:
//! it is kept among the extras and told. Only a field that the type cannot do without refuses the
//! message, and then it is named.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tierlink_schemas::message::Extra;
use tierlink_schemas::outside;

use crate::bundle::At;
use crate::codes;
use crate::limits::EXTENSIONS_BYTES_TRIED_MAX;
use crate::reader::Reader;
use crate::writer::Rest;

/// Why a value cannot be built: the field that is missing, where its name is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing(pub Option<String>);

impl Reader<'_> {
    /// Adds to a value what its extensions say.
    pub fn filled_in<T>(&mut self, at: At, place: &str, value: T, rest: Rest) -> T
    where
        T: Serialize + DeserializeOwned,
    {
        if rest.0.is_empty() {
            return value;
        }
        let base = Rest::of(&value);
        let place =
            self.bundle.field(at, if place == self.bundle.kind(at) { "extension" } else { place });
        self.settle(&place, &base, rest, |value| serde_json::from_value(value)).unwrap_or(value)
    }

    /// Builds a value of elements and extensions. Elements win, because everyone else reads those.
    pub fn settle<T>(
        &mut self,
        place: &str,
        base: &Rest,
        mut rest: Rest,
        read: impl Fn(Value) -> Result<T, serde_json::Error>,
    ) -> Result<T, Missing> {
        // The default of `identity` is always written out; it is no statement of the sender.
        let stated = |name: &String| *name != "identity" && base.0.contains_key(name);
        let clashing: Vec<String> = rest.0.keys().filter(|name| stated(name)).cloned().collect();
        for name in clashing {
            self.set_aside(place, &name, &mut rest.0);
        }
        let joined = |rest: &Map<String, Value>, without: Option<&str>| {
            let mut all = base.0.clone();
            let wanted = rest.iter().filter(|(name, _)| Some(name.as_str()) != without);
            all.extend(wanted.map(|(name, value)| (name.clone(), value.clone())));
            read(Value::Object(all))
        };
        loop {
            let error = match joined(&rest.0, None) {
                Ok(value) => return Ok(value),
                Err(error) => error.to_string(),
            };
            let weight: usize = rest.0.values().chain(base.0.values()).map(weight).sum();
            if weight > EXTENSIONS_BYTES_TRIED_MAX {
                return Err(Missing(missing_field(&error)));
            }
            // Whoever makes the error change by staying away has caused it.
            let culprit = rest
                .0
                .keys()
                .find(|name| {
                    joined(&rest.0, Some(name)).map_or_else(|e| e.to_string() != error, |_| true)
                })
                .cloned();
            match culprit {
                Some(name) => self.set_aside(place, &name, &mut rest.0),
                None => return Err(Missing(missing_field(&error))),
            }
        }
    }

    fn set_aside(&mut self, place: &str, name: &str, rest: &mut Map<String, Value>) {
        let Some(value) = rest.remove(name) else {
            return;
        };
        let text = "this extension does not fit here; it was kept as it is beside the message";
        let place = format!("{place}[{}]", outside::name(name));
        self.deviation(codes::EXTENSION, place.as_str(), text);
        self.keep_whole(&place, &value);
    }

    /// Keeps every text of a value among the extras.
    pub fn keep_whole(&mut self, path: &str, value: &Value) {
        leaves(value, path, &mut self.set_aside);
    }
}

/// How much text a value holds, in bytes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.values().map(weight).sum(),
    }
}

/// The name of the missing field. Those names are ours and never hold a value of the message.
fn missing_field(error: &str) -> Option<String> {
    let name = error.strip_prefix("missing field `")?;
    name.split_once('`').map(|(name, _)| name.to_owned())
}

fn leaves(value: &Value, path: &str, texts: &mut Vec<Extra>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => {
            texts.push(Extra { path: path.to_owned(), text: value.to_string() });
        }
        Value::String(text) => {
            crate::leftovers::keep(texts, path, text);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{index}]"), texts);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{path}.{}", outside::name(name)), texts);
            }
        }
    }
}
