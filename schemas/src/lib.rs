//! The canonical messages of TierLink, their JSON Schemas, code tables and checks.
//!
//! This is the language that every adapter translates into and that the broker thinks in. Rust
//! types are the source; the JSON Schemas under `schemas/json/` are generated from them, and a
//! test fails when they are stale.
//!
//! Read in this order: [`kind`] (what can be said), [`message`] (the envelope), [`request`] and
//! [`answer`] (the bodies), [`person`] and [`clinical`] (what they are made of), [`check`] (what
//! must hold), [`verdict`] (what the sender hears).
//!
//! Deliberately absent: anything about HL7, FHIR, databases or queues.

pub mod answer;
pub mod calendar;
pub mod check;
pub mod clinical;
pub mod codes;
pub mod delivery;
#[cfg(any(test, feature = "examples"))]
pub mod examples;
pub mod identity;
pub mod kind;
pub mod message;
pub mod names;
pub mod person;
pub mod problem;
pub mod remarks;
pub mod request;
pub mod safety;
pub mod schema;
pub mod verdict;
pub mod version;

pub use kind::{Body, Family, Kind};
pub use message::Message;
pub use names::{CaseNumber, LaneName, OrganisationCode, Priority, SystemName, Tier};
pub use problem::{Code, Deviation, Loss, Problem};
pub use verdict::{Refusal, Verdict};
pub use version::Version;
