//! Messages to try things on: every example as it is written in FHIR, and every fixture.

use crate::county::{self, County, writing};
use serde_json::Value;
use tierlink_codec::Codec;
use tierlink_fhir::Fhir;
use tierlink_schemas::{Kind, OrganisationCode, message};

/// A message of an example or a fixture, with who sends it.
pub struct Sample {
    /// What it is called in a failure.
    pub name: String,
    /// The code of its sender.
    pub sender: String,
    /// The message.
    pub bundle: Value,
}

/// Every example as we write it, and every fixture.
pub fn all(county: &County) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, sender) in [
        ("natural", county::TOWNSHIP),
        ("referral", county::TOWNSHIP),
        ("task_rejected", county::HOSPITAL),
        ("bars_rejection", county::HOSPITAL),
    ] {
        let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let bundle = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        samples.push(Sample { name: name.to_owned(), sender: sender.to_owned(), bundle });
    }
    for kind in Kind::ALL {
        let path = format!("{}/../../schemas/examples/{kind}.json", env!("CARGO_MANIFEST_DIR"));
        let message = message::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let to = OrganisationCode::new(county::other(&message)).unwrap();
        let encoded = Fhir.encode(&message, &to, &writing(county, to.as_str())).unwrap();
        samples.push(Sample {
            name: kind.to_string(),
            sender: message.source.organisation.to_string(),
            bundle: serde_json::from_slice(&encoded.bytes).unwrap(),
        });
    }
    samples
}
