//! The pure core: what a message means for its case, which organisations are told, and until when
//! somebody must act.
//!
//! ```text
//!   case + message + who says it + now ──decide──▶ next case, event, dispatches, deadlines
//!                                              └─▶ or a refusal with code and rule
//! ```
//!
//! Architecture Invariant: this crate has no tokio, sqlx, lapin, axum or reqwest in its manifest.
//! It reads no clock and draws no random number: the caller passes both in.
//!
//! Read in this order: [`county`] (who there is), [`case`] (what is remembered), [`mod@decide`] (the
//! one entrance), the machines [`referral`], [`transfer`] and [`consultation`], [`routing`] (who
//! hears, by which system), [`deadline`] (until when), [`delivery`] (one message on its way to one
//! organisation), [`lane`] (whether a try met the message or the whole way to a system).
//! Before all of that, [`find`] says which case a message means and [`subject`] whether it is about
//! the same patient; [`rule`] lists why one is refused; [`access`] says who may see what. [`doubt`]
//! says when no case may end because the clock cannot be trusted.

#![expect(
    clippy::unnested_or_patterns,
    reason = "groups of kinds are macros (`bodies.rs`), each an or-pattern of its own"
)]

pub mod access;
mod bodies;
pub mod case;
pub mod certificate;
pub mod consultation;
pub mod county;
pub mod deadline;
pub mod decide;
pub mod delivery;
pub mod doubt;
pub mod find;
pub mod lane;
pub mod referral;
pub mod routing;
pub mod rule;
pub mod subject;
pub mod traffic;
pub mod transfer;

pub use case::Case;
pub use county::County;
pub use decide::{Ask, Change, Decision, decide};
