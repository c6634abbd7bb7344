//! The bus that carries parcels to the lanes: in-process and RabbitMQ behind one trait.
//!
//! ```text
//!  relay ──publish──▶ tierlink.deliver ──▶ lane of B ──consume──▶ delivery of B
//!  clock ◀──receipts── tierlink.receipts ◀──send_receipts── adapter beside a hospital
//!  broker ──announce──▶ tierlink.events ──▶ any listener
//! ```
//!
//! A parcel is opaque bytes with an id, a lane, a round and a number. The bus never reads the
//! bytes, so it knows no schema (of `schemas` it uses only the type of error codes) and puts no
//! patient data into a log, a header or a routing key.
//!
//! The bus only transports and the store remembers: the bus may lose, repeat or reorder, and the
//! store repairs that. What every implementation guarantees is tested in `tests/buses.rs`: a parcel
//! reported as safe is in its lane, a lane keeps its order as long as nothing fails, and a lane has
//! one active consumer at a time over all processes.
//!
//! Deliberately absent: retries of a delivery, waits and parking. The store does these.
//!
//! Where to read next: `bus.rs` has the traits, `topology.rs` what is declared in RabbitMQ, and
//! `rabbit/publish.rs` how published parcels are confirmed.

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
    Parcel, Published, QueueTrouble, Received, Tag,
};
pub use rabbit::{Identity, LOG_DIRECTIVE, RabbitBus, Settings};
