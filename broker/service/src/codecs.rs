//! The formats of this program.

use std::sync::Arc;

use tierlink_codec::CodecRegistry;

/// The registry of all formats. A new format is added here.
#[must_use]
pub fn codecs() -> CodecRegistry {
    CodecRegistry::new(vec![
        Arc::new(tierlink_hl7v2::Hl7v2),
        Arc::new(tierlink_fhir::Fhir),
        Arc::new(tierlink_json::Json),
    ])
}
