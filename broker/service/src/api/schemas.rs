//! Generates the JSON Schemas of what routes read and write.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use tierlink_schemas::Kind;

/// The schema of any canonical message.
pub(super) fn any_message(_: &mut SchemaGenerator) -> Schema {
    let kinds: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| json_schema!({ "$ref": format!("#/components/schemas/{kind}") }).into())
        .collect();
    json_schema!({ "oneOf": kinds })
}

/// The schema of a FHIR resource, which the FHIR specification describes in detail.
pub(super) fn fhir_resource(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "description": "A FHIR R4 resource." })
}

/// The schema of a type, referenced by name.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a type, written in place.
pub(super) fn inline_schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}
