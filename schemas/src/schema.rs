//! The JSON Schemas of all kinds, generated from the types.
//!
//! They are committed under `schemas/json/`, for whoever writes a client; a test fails when they
//! are stale. Set `TIERLINK_UPDATE=1` to write them anew.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::kind::Kind;

/// The JSON Schema (draft 2020-12) of a whole message of this kind.
#[must_use]
pub fn of(kind: Kind) -> Schema {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = kind.json_schema(generator);
    schema.insert("title".to_owned(), json!(kind.as_str()));
    schema.insert("$id".to_owned(), json!(format!("urn:tierlink:schema:1.0:{kind}")));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("kind".to_owned(), json!({ "const": kind.as_str() }));
    }
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.remove("Kind");
    }
    schema
}

/// The schema as the text of its file.
#[must_use]
pub fn file_of(kind: Kind) -> String {
    let mut text = serde_json::to_string_pretty(&of(kind))
        .unwrap_or_else(|_| unreachable!("a schema is plain JSON"));
    text.push('\n');
    text
}
