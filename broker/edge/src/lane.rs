//! A lane: sends the messages that one system of an organisation must receive, one after the other.
//!
//! ```text
//!   bus ─▶ which are still due? (Due) ─▶ encode ─▶ send ─▶ read the answer
//!                                                            │
//!   acknowledge to the bus ◀── outcome on disk ◀── Outcomes ─┘
//! ```
//!
//! - **No answer** stops the lane: the same delivery is tried again with growing waits, for as long
//!   as [`Outcomes`](crate::deliveries::Outcomes) decides. Deliveries behind it stay in order.
//! - **A refusal** ends the delivery, and the lane goes on with other cases. Later messages of the
//!   same case are not on the bus yet, because only the first unsettled one of a case is handed
//!   out.
//! - **Something else's answer**, of a gateway or a login page, may be about one message or all:
//!   [`Outcomes`](crate::deliveries::Outcomes) decides, and says how long the lane sends nothing.
//! - **"Not now"** is retried a few times in place, then put off so that the lane can go on.
//!
//! `lane/run.rs` joins and leaves the bus; `lane/batch.rs` sends one batch of parcels; both use
//! `lane/parts.rs`. A parcel is acknowledged only after its outcome is on disk. A parcel that comes
//! twice is recognised by [`Due`](crate::deliveries::Due), which knows what is settled. What the
//! broker did not put into the lane, or not like this, is recognised in `lane/genuine.rs` and never
//! sent.

mod batch;
mod genuine;
mod parts;
mod poison;
mod run;

pub use genuine::CHANGED;

pub use parts::{JOINING_MAX, LaneRunner, Troubles, UNREADABLE, parcel_id, read_parcel_id};
