//! The road to the lanes: in-process and RabbitMQ behind one trait.
//!
//! ```text
//!  relay ──publish──▶ tierlink.deliver ──▶ lane of B ──consume──▶ delivery of B
//!  clock ◀──receipts── tierlink.receipts ◀──send_receipts── adapter beside a hospital
//!  broker ──announce──▶ tierlink.events ──▶ whoever listens
//! ```
//!
//! A parcel is opaque bytes with an id, a lane, a round and a number. The bus never looks inside,
//! so it knows no schema (from `schemas` it takes the type of
//! error codes and nothing else) and writes no patient data to a log, a header or a routing key.
//!
//! The bus is the road and not the memory: it may lose, repeat or reorder, and the store repairs
//! that. What it promises, every implementation promises in the same words in `tests/buses.rs`:
//! a parcel that was called safe is in its lane, a lane keeps its order as long as nothing goes
//! wrong, and a lane has one active consumer at a time over all processes.
//!
//! Deliberately absent: retries of a delivery, waiting and parking. They live in the store.
//!
//! Where to read next: `bus.rs` for the trait, `topology.rs` for what is declared in RabbitMQ,
//! `rabbit/publish.rs` for how a window is confirmed.

mod bus;
mod error;
mod in_process;
mod parcel;
mod rabbit;
pub mod topology;

pub use bus::{Bus, LaneConsumer};
pub use error::BusError;
pub use in_process::{IN_PROCESS_DEPTH_MAX, InProcessBus};
pub use parcel::{
    Announcement, BODY_BYTES_MAX, ID_BYTES_MAX, LANE_BYTES_MAX, Lane, LaneDepth, LaneTrouble,
    Parcel, Published, Received, Tag,
};
pub use rabbit::{Identity, LOG_DIRECTIVE, RabbitBus, Settings};
