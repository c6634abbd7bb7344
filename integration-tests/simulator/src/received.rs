//! One message as it reached a hospital.

use anyhow::{Context, Result};

use crate::case_number::is_case_number;
use crate::ledger::Arrived;
use crate::{Hl7, Turn};

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The bytes, without frame or HTTP head.
    pub raw: Vec<u8>,
    /// The bytes as text, in the charset that they claim.
    pub text: String,
    /// MSH-10, `MessageHeader.id` or the canonical id: the same at every try.
    pub control_id: String,
    /// MSH-9 as `REF^I12`, the FHIR event or the canonical kind.
    pub kind: String,
    /// The canonical kind, such as `referral.accept`; MSH-9 where an HL7 message states none.
    pub says: String,
    /// Every case number of the broker that stands anywhere in it.
    pub case_numbers: Vec<String>,
    /// The numbers of its case in the places that the format has for them: the broker's and
    /// those of hospitals.
    pub numbers: Vec<String>,
    /// The bearer token that came with it.
    pub token: Option<String>,
    /// How the hospital treats it.
    pub turn: Turn,
    /// Whether the answer took it, and was written out.
    pub taken: bool,
}

impl Received {
    /// The message as JSON. Null for HL7 v2.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.raw).unwrap_or_default()
    }

    /// The message as HL7 v2.
    #[must_use]
    pub fn hl7(&self) -> Hl7 {
        Hl7::parse(&self.text)
    }

    /// Whether this number of the broker stands anywhere in it.
    #[must_use]
    pub fn is_about(&self, case_number: &str) -> bool {
        self.case_numbers.iter().any(|number| number == case_number)
    }

    /// Whether its case has this number, the broker's or a hospital's.
    #[must_use]
    pub fn names(&self, number: &str) -> bool {
        self.numbers.iter().any(|known| known == number)
    }

    /// The broker's number of its case.
    #[must_use]
    pub fn ours(&self) -> Option<&str> {
        self.numbers.iter().find(|number| is_case_number(number)).map(String::as_str)
    }

    /// The first case number of the broker in it.
    pub fn case_number(&self) -> Result<String> {
        let first = self.case_numbers.first().cloned();
        first.with_context(|| format!("no case number in a {}", self.kind))
    }

    /// What the ledger needs to know of it.
    #[must_use]
    pub fn arrived(&self, to: &str) -> Arrived {
        Arrived::of(to, &self.control_id, &self.raw, self.taken)
    }
}
