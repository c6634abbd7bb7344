//! The promises of the FHIR format, in one program so that it links once.
//!
//! `round_trip` (nothing is lost both ways), `reading` (what messages mean), `facts` (what of them is
//! a fact about the patient, and what is not), `people` (names, numbers and addresses in use),
//! `answers` (verdicts and receipts), `hostile` (whatever arrives).

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod answers;
mod county;
mod facts;
mod hostile;
mod mapping;
mod mutation;
mod people;
mod reading;
mod round_trip;
mod samples;
