//! The canonical messages of TierLink, their JSON Schemas, code tables and checks.
//!
//! Every adapter translates its format into these types, and the broker works with nothing else.
//! The Rust types are the source; the JSON Schemas in `schemas/json/` are generated from them, and
//! a test fails when those are out of date.
//!
//! Read in this order: [`kind`] (the kinds of message), [`message`] (the envelope), [`request`] and
//! [`answer`] (the bodies), [`person`] and [`clinical`] (their parts), [`check`] (what must hold),
//! [`verdict`] (the answer to the sender).
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
pub mod outside;
pub mod person;
pub mod problem;
pub mod reasons;
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
