//! The formats, by name.

use std::sync::Arc;

use tierlink_codec::Codec;
use tierlink_codec::profile::FormatName;

/// Every format that this program speaks.
#[derive(Clone)]
pub struct Codecs {
    /// HL7 v2.
    pub hl7v2: Arc<dyn Codec>,
    /// FHIR R4 messaging.
    pub fhir: Arc<dyn Codec>,
    /// Native JSON.
    pub json: Arc<dyn Codec>,
}

impl Codecs {
    /// The codec of a format.
    #[must_use]
    pub fn of(&self, format: FormatName) -> Arc<dyn Codec> {
        Arc::clone(match format {
            FormatName::Hl7v2 => &self.hl7v2,
            FormatName::Fhir => &self.fhir,
            FormatName::Json => &self.json,
        })
    }
}
