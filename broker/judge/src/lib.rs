//! What a store asks inside its transactions: the core decides, with one policy.
//!
//! ```text
//!   store ──work, what was found──▶ CoreJudge ──▶ tierlink_core::decide, overdue, delivery
//!                                      ▲
//!                                   Policy, as the configuration was when the batch began
//! ```
//!
//! Pure and quick: rows stay locked while it decides. A judge holds one policy for its whole life,
//! so that one batch is judged by one set of rules.
//!
//! Deliberately absent: the configuration's files and everything that runs. Tests of stores, the
//! simulated world and the benchmark judge with the same code as the broker.

mod judge;
mod policy;

pub use judge::CoreJudge;
pub use policy::{DeliveryPolicy, Policy};
