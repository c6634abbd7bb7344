//! Cases from outside: one file for each part of what is promised, and random lives.
//!
//! `world` is a county in memory; the deciding code is the real one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own mistakes may panic")]

mod access;
mod consultations;
mod deadlines;
mod find;
mod lives;
mod messages;
mod places;
mod readings;
mod referrals;
mod release;
mod subjects;
mod systems;
mod transfers;
mod world;
