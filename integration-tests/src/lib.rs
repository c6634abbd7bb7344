//! Whole-system tests: real servers, simulated hospitals, bytes over sockets.
//!
//! - [`servers`] starts PostgreSQL, RabbitMQ and the `tierlink` program.
//! - [`hospitals`] are those of `tierlink-simulator`.
//! - [`proxy`] stands between any two of them, and misbehaves as told.
//! - [`county`] puts them together: a configured county, its broker and its hospitals.
//! - [`intruder`] may write to RabbitMQ, and does.
//! - [`load`] tells whole lives of cases while things break, and counts what came of them.

pub mod county;
pub mod eventually;
pub mod intruder;
pub mod load;
pub mod proxy;
pub mod servers;

pub use tierlink_simulator as hospitals;
