//! The formats that this program speaks.

use std::sync::Arc;

use tierlink_codec::CodecRegistry;

/// The registry of all formats. A further format is one more line here.
#[must_use]
pub fn codecs() -> CodecRegistry {
    CodecRegistry::new(vec![
        Arc::new(tierlink_hl7v2::Hl7v2),
        Arc::new(tierlink_fhir::Fhir),
        Arc::new(tierlink_json::Json),
    ])
}
