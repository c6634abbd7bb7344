//! Load with a memory: hospitals that tell whole lives of cases while things break, and a ledger
//! that says afterwards whether anything was lost, doubled or reordered.
//!
//! ```text
//!   teller ──said, acknowledged──▶ ledger ◀──arrived── hospitals
//!     ▲                              │
//!   chaos kills the broker           │  what the broker says of each case, after draining
//!   while tellers tell               ▼
//!                sent, acknowledged, delivered, repeats │ lost, doubled, reordered
//! ```
//!
//! - [`chance`] is the only source of chance; its seed is printed, so that a failure can be repeated.
//! - [`teller`] speaks for hospitals and insists until it is heard.
//! - [`chaos`] kills and restarts.
//! - [`spoil`] makes bad messages of good ones.
//! - [`trial`] puts them together: one fault, one line of counts, one verdict.
//! - [`tierlink_simulator::ledger`] judges what came of it.

pub mod chance;
pub mod chaos;
pub mod spoil;
pub mod teller;
pub mod trial;

/// Whether faults last as long as they may in earnest: `ops/test --faults`.
///
/// Without it every fault is shorter, or comes less often, and is otherwise the same.
#[must_use]
pub fn long() -> bool {
    std::env::var("TIERLINK_FAULTS").is_ok_and(|faults| faults == "long")
}
