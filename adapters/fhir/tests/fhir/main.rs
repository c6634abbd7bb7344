//! The promises of the FHIR format, in one program so that it links once.
//!
//! `round_trip` (nothing is lost both ways), `reading` (what messages mean), `answers` (verdicts and
//! receipts), `hostile` (whatever arrives).

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod answers;
mod county;
mod hostile;
mod reading;
mod round_trip;
