//! Generates the JSON Schemas of all kinds from the types.
//!
//! ```text
//!   Rust types ──schemars──▶ raw schema ──tidied here──▶ schemas/json/<kind>.schema.json
//!                                              └──compiled once──▶ [`faults`] of a message
//! ```
//!
//! They are committed in `schemas/json/` for authors of clients; a test fails when they are out of
//! date. `TIERLINK_UPDATE=1` writes them again.
//!
//! The schemas are stricter than the reader in one point: they do not allow `null`. A field without
//! a value is left out.
//!
//! [`faults`](crate::schema::faults()) reports how a message violates its schema, and [`knows`]
//! looks fields up by path.

mod faults;
mod places;

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use jsonschema::{PatternOptions, Validator};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::kind::{Kind, UseType};
use crate::message::{Envelope, SCHEMA_VERSION};

pub use faults::{FAULTS_MAX, Fault, Wrong, faults};
pub use places::{knows, nearest, some_kind_knows};

/// Largest whole number that every JSON reader represents exactly: 2^53 - 1.
const EXACT_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Keys to write first; `$defs` comes last, and others by name in between.
const KEYS_FIRST: [&str; 7] =
    ["$schema", "$id", "title", "description", "type", "properties", "required"];

/// Generates the schema of a whole message with a given body.
struct WholeMessage(SchemaGenerator);

impl UseType for WholeMessage {
    type Out = Schema;

    fn call<B: JsonSchema>(self) -> Schema {
        self.0.into_root_schema_for::<Envelope<B>>()
    }
}

/// The JSON Schema (draft 2020-12) of a whole message of this kind.
#[must_use]
pub fn of(kind: Kind) -> Schema {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = kind.with_body(WholeMessage(generator));
    tidy(schema.ensure_object());
    schema.insert("title".to_owned(), json!(kind.as_str()));
    schema.insert("$id".to_owned(), json!(format!("urn:tierlink:schema:{SCHEMA_VERSION}:{kind}")));
    schema.insert("description".to_owned(), json!(meaning(kind)));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let stated = json!({ "const": kind.as_str(), "description": "What the message says." });
        properties.insert("kind".to_owned(), stated);
        // The nil id means "none yet" and is never written by a client.
        if let Some(Value::Object(id)) = properties.get_mut("id") {
            id.remove("default");
        }
    }
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.remove("Kind");
    }
    schema
}

/// The schema as the text of its file, with an order of keys that is the same on every machine.
#[must_use]
pub fn file_of(kind: Kind) -> String {
    let schema = of(kind).to_value();
    let mut text = serde_json::to_string_pretty(&Ordered(&schema))
        .unwrap_or_else(|_| unreachable!("a schema is plain JSON"));
    text.push('\n');
    text
}

/// The description of a kind, from its documentation in `kind.rs`.
fn meaning(kind: Kind) -> String {
    let kinds = schemars::schema_for!(Kind).to_value();
    let said = kinds["oneOf"].as_array().into_iter().flatten();
    let said = said.into_iter().find(|one| one["const"] == kind.as_str());
    let said = said.and_then(|one| one["description"].as_str()).unwrap_or_default();
    let said = said.replace('\n', " ");
    format!("{said} A canonical message of TierLink, version {SCHEMA_VERSION}.")
}

/// Makes the output of schemars readable for people and exact for validators.
fn tidy(object: &mut Map<String, Value>) {
    leave_out_null(object);
    bound_integers(object);
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    for (key, value) in object.iter_mut() {
        match value {
            // `default` and `const` contain values and not schemas.
            _ if key == "default" || key == "const" => {}
            Value::Object(inner) => tidy(inner),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(tidy);
            }
            _ => {}
        }
    }
}

/// Removes `null`: an optional field is absent instead, so that there is only one way
/// to say nothing.
fn leave_out_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(branches)) = object.get_mut("anyOf") else {
        return;
    };
    branches.retain(|it| it["type"] != "null");
    if let [Value::Object(only)] = branches.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// Replaces Rust's names for integer types, which validators do not know, by bounds.
fn bound_integers(object: &mut Map<String, Value>) {
    let largest = match object.get("format").and_then(Value::as_str) {
        Some("uint8") => u64::from(u8::MAX),
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        Some("uint64" | "uint") => EXACT_INTEGER_MAX,
        _ => return,
    };
    object.remove("format");
    object.entry("maximum").or_insert(json!(largest));
    object.entry("minimum").or_insert(json!(0));
}

/// JSON with its keys in the order of [`KEYS_FIRST`].
struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(object) => {
                let ranked: BTreeMap<_, _> =
                    object.iter().map(|(key, value)| ((rank(key), key), value)).collect();
                let mut map = serializer.serialize_map(Some(ranked.len()))?;
                for ((_, key), value) in ranked {
                    map.serialize_entry(key, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Ordered)),
            plain => plain.serialize(serializer),
        }
    }
}

fn rank(key: &str) -> usize {
    let last = KEYS_FIRST.len() + usize::from(key == "$defs");
    KEYS_FIRST.iter().position(|first| *first == key).unwrap_or(last)
}

static SCHEMAS: LazyLock<Vec<OnceLock<Value>>> = LazyLock::new(one_place_per_kind);
static VALIDATORS: LazyLock<Vec<OnceLock<Validator>>> = LazyLock::new(one_place_per_kind);

fn one_place_per_kind<T>() -> Vec<OnceLock<T>> {
    Kind::ALL.iter().map(|_| OnceLock::new()).collect()
}

/// The schema of `kind`, generated once.
fn cached(kind: Kind) -> &'static Value {
    SCHEMAS[kind as usize].get_or_init(|| of(kind).to_value())
}

/// The validator of `kind`, compiled once. The first call for a kind takes a few milliseconds.
fn validator(kind: Kind) -> &'static Validator {
    VALIDATORS[kind as usize].get_or_init(|| {
        jsonschema::options()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            // Accepts exactly what the types can read, so that what passes here can be read later.
            .with_format("date-time", is_instant)
            .with_format("date", |text: &str| text.parse::<jiff::civil::Date>().is_ok())
            .build(cached(kind))
            .unwrap_or_else(|_| unreachable!("the test `every_schema_is_valid` builds them all"))
    })
}

/// RFC 3339: a date, a `T`, a time and an offset, within the years that can be stored.
fn is_instant(text: &str) -> bool {
    let plain = text.is_ascii() && text.as_bytes().get(10).is_some_and(|b| b"Tt".contains(b));
    plain && !text.contains('[') && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `look` for every schema inside `schema`, with its path.
    fn each(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Map<String, Value>)) {
        match schema {
            Value::Object(object) => {
                look(path, object);
                for (key, value) in object {
                    each(value, &format!("{path}/{key}"), look);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| each(item, path, look)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_valid() {
        for kind in Kind::ALL {
            let schema = of(*kind).to_value();

            assert!(jsonschema::meta::is_valid(&schema), "{kind}");
            assert!(!validator(*kind).is_valid(&json!({})), "{kind}");
        }
    }

    #[test]
    fn no_object_takes_a_field_that_it_does_not_know() {
        for kind in Kind::ALL {
            each(&of(*kind).to_value(), "", &mut |path, object| {
                let states_fields = object.get("type") == Some(&json!("object"));
                if states_fields {
                    assert_eq!(object["additionalProperties"], json!(false), "{kind} {path}");
                }
            });
        }
    }

    #[test]
    fn no_schema_mentions_null_or_a_format_that_validators_do_not_know() {
        for kind in Kind::ALL {
            each(&of(*kind).to_value(), "", &mut |path, object| {
                assert_ne!(object.get("type"), Some(&json!("null")), "{kind} {path}");
                assert!(!object.get("type").is_some_and(Value::is_array), "{kind} {path}");
                if let Some(format) = object.get("format").filter(|it| it.is_string()) {
                    let known = [json!("date-time"), json!("date"), json!("uuid")];
                    assert!(known.contains(format), "{kind} {path} {format}");
                }
            });
        }
    }

    #[test]
    fn every_schema_says_what_it_is_about() {
        for kind in Kind::ALL {
            let schema = of(*kind).to_value();
            let text = schema["description"].as_str().unwrap();

            assert!(text.len() > "A canonical message of TierLink".len() + 20, "{kind}: {text}");
            assert_eq!(schema["title"], kind.as_str());
            assert_eq!(schema["properties"]["kind"]["const"], kind.as_str());
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            for (name, field) in schema["properties"].as_object().unwrap() {
                assert!(field["description"].is_string(), "{kind}: {name}");
            }
        }
    }

    #[test]
    fn instants_need_a_day_a_time_and_an_offset() {
        for right in ["2026-03-02T08:00:00+08:00", "2026-03-02T00:00:00Z"] {
            assert!(is_instant(right), "{right}");
        }
        for wrong in [
            "2026-03-02",
            "2026-03-02 08:00:00+08:00",
            "2026-03-02T08:00:00",
            "9999-12-31T23:59:59Z",
            "",
        ] {
            assert!(!is_instant(wrong), "{wrong}");
        }
    }
}
