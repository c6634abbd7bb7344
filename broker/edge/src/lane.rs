//! A lane: everything that one system of an organisation must receive, sent one after the other.
//!
//! ```text
//!   bus ─▶ which still wait? (Due) ─▶ encode ─▶ send ─▶ read the answer
//!                                                            │
//!   acknowledge to the bus ◀── outcome on disk ◀── Outcomes ─┘
//! ```
//!
//! - **Silence** holds the lane: the same delivery is tried again with growing waits, for as long
//!   as [`Outcomes`](crate::deliveries::Outcomes) says. What waits behind it stays in order.
//! - **A refusal** ends the delivery; the lane goes on with other cases. What follows in the same
//!   case is not on the bus yet, because only the first unsettled one of a case is handed out.
//! - **"Not now"** is tried a few times in place, then put aside so that the lane can go on.
//!
//! In `lane/run.rs` a lane joins the bus and leaves it; in `lane/batch.rs` one batch of parcels is
//! sent; both use `lane/parts.rs`. A parcel is acknowledged only after its outcome is on disk. A parcel that comes twice is
//! recognised by [`Due`](crate::deliveries::Due), which knows what is settled.

mod batch;
mod parts;
mod run;

pub use parts::{LaneRunner, Troubles, UNREADABLE, parcel_id, read_parcel_id};
