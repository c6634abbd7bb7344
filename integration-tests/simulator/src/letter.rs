//! A message in its format, ready to be sent. The format is picked here.

use anyhow::Result;

use crate::{Speaks, Statement, fhir, hl7, json};

/// A message, ready to be sent as often as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Format of the message.
    pub speaks: Speaks,
    /// Its bytes, without frame or HTTP head.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// An HL7 v2 message.
    #[must_use]
    pub fn hl7(bytes: Vec<u8>) -> Self {
        Self { speaks: Speaks::Hl7v2, bytes }
    }

    /// A FHIR Bundle.
    #[must_use]
    pub fn fhir(bundle: &serde_json::Value) -> Self {
        Self { speaks: Speaks::Fhir, bytes: bundle.to_string().into_bytes() }
    }

    /// A message in canonical JSON.
    #[must_use]
    pub fn json(message: &serde_json::Value) -> Self {
        Self { speaks: Speaks::Json, bytes: message.to_string().into_bytes() }
    }
}

impl Statement<'_> {
    /// Writes it in the format of whoever says it.
    ///
    /// # Errors
    ///
    /// If the format has no word for it, or the charset no place for a character.
    pub fn letter(&self) -> Result<Letter> {
        let bytes = match self.by.speaks {
            Speaks::Hl7v2 => hl7::write(self)?,
            Speaks::Fhir => fhir::write(self)?,
            Speaks::Json => json::write(self)?,
        };
        Ok(Letter { speaks: self.by.speaks, bytes })
    }
}
