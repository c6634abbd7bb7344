//! Makes the decisions that a store needs inside its transactions, with the rules of the core.
//!
//! ```text
//!   store ──work, what was found──▶ CoreJudge ──▶ tierlink_core::decide, overdue, delivery
//!                                      ▲
//!                                   Policy, as the configuration was when the batch began
//! ```
//!
//! Pure and quick, because rows stay locked while it decides. A judge keeps the policy it was made
//! with, so that one batch is judged by one set of rules.
//!
//! Deliberately absent: configuration files, and anything that runs by itself. Tests of stores, the
//! simulation and the benchmark use the same judge as the broker.

mod judge;
mod policy;

pub use judge::CoreJudge;
pub use policy::{DeliveryPolicy, Policy};
