//! Hospitals that are played: they receive, answer and send over real sockets, in every format.
//!
//! ```text
//!   broker ──frames, requests──▶ Hospital ──▶ what it received, in order
//!                                   └── answers well, or misbehaves as it was told (Manners)
//!   Statement ─▶ Letter ─▶ Line ──MLLP or HTTP──▶ broker
//! ```
//!
//! - [`Hospital`] receives; [`Manners`] say how it treats what it gets.
//! - [`Statement`] is what a hospital says; its [`System`] says in which format and codes.
//! - [`Line`] sends a [`Letter`] and reads the broker's answer.
//! - [`hl7_referral`], [`fhir_referral`] and their like are letters for tests that hold ids and
//!   numbers in their own hands.
//! - [`hl7`], [`fhir`] and [`json`] read, answer and write one format each.
//! - [`play`] plays one hospital by its [`script`].
//! - [`ledger`] counts what was lost, doubled or reordered.
//! - [`county`] writes the folder with a county's configuration.
//!
//! Nothing here uses the broker's own formats and transports: frames, charsets, acknowledgements
//! and Bundles are written and read by hand, so that a mistake of the broker cannot hide in the
//! same mistake here. The HTTP client that senders use is the one exception.
//!
//! The demo, `tierlink simulate`, the whole-system tests and the bench all play these hospitals.

mod act;
mod case_number;
pub mod county;
pub mod desk;
pub mod door;
pub mod fhir;
pub mod hl7;
mod hospital;
mod http;
mod ids;
pub mod json;
pub mod ledger;
mod letter;
mod letters;
mod line;
mod manners;
mod mllp;
mod party;
mod person;
pub mod play;
mod received;
pub mod script;
mod statement;
pub mod system;
mod turn;

pub use act::{Act, Sort};
pub(crate) use case_number::case_numbers;
pub use hl7::{Charset, Hl7};
pub use hospital::{Hospital, WAIT_MAX};
pub use http::{Answer, HttpSender};
pub use ids::{moment, new_control_id, new_number, now};
pub use json::{canonical, said};
pub use letter::Letter;
pub use letters::{
    bundle, fhir_answer, fhir_referral, fhir_transfer, hl7_answer, hl7_referral, hl7_visit,
};
pub use line::{Broker, Line, Refusal, Told};
pub use manners::{Gateway, Manners, Which};
pub use mllp::{FRAME_BEGINS, FRAME_ENDS, MllpSender};
pub use party::{AUDITOR, Doctor, Party, READER};
pub use person::Person;
pub use received::Received;
pub use script::Script;
pub use statement::{Case, Statement};
pub use system::System;
pub use turn::Turn;

use serde::Deserialize;

/// The formats that a hospital may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaks {
    /// HL7 v2 over MLLP.
    Hl7v2,
    /// FHIR messages over HTTP.
    Fhir,
    /// Canonical JSON over HTTP.
    Json,
}

impl Speaks {
    /// The format as profiles write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Fhir => "fhir",
            Self::Json => "json",
        }
    }
}
