//! What this endpoint can do, as a CapabilityStatement.

use serde_json::{Value, json};
use tierlink_schemas::Kind;

use crate::systems;

/// The day on which the statement last changed.
const CHANGED_ON: &str = "2026-11-21";

/// Writes the CapabilityStatement for `GET {base}/metadata`.
#[must_use]
pub fn metadata(base: &str) -> Value {
    let base = base.trim_end_matches('/');
    let definition = |mode: &str, kind: &Kind| {
        let definition = format!("{base}/MessageDefinition/{}", kind.as_str().replace('.', "-"));
        json!({ "mode": mode, "definition": definition })
    };
    let both = |kind| [definition("sender", kind), definition("receiver", kind)];
    let messages: Vec<Value> = Kind::ALL.iter().flat_map(both).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED_ON,
        "kind": "instance",
        "software": { "name": "TierLink", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "TierLink message broker", "url": base },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "documentation": format!(
                "Messages are posted to {base}/$process-message. Events are codes of {}.",
                systems::EVENT
            ),
            "operation": [{
                "name": "process-message",
                "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
            }],
        }],
        "messaging": [{
            "endpoint": [{
                "protocol": {
                    "system": "http://terminology.hl7.org/CodeSystem/message-transport",
                    "code": "http",
                },
                "address": format!("{base}/$process-message"),
            }],
            "reliableCache": 0,
            "supportedMessage": messages,
        }],
    })
}
