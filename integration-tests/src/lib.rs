//! Whole-system tests: real servers, simulated hospitals, bytes over sockets.
//!
//! - [`servers`] starts PostgreSQL, RabbitMQ and the `tierlink` program.
//! - [`hospitals`] plays the hospitals around it, with wire formats written by hand.
//! - [`county`] puts both together: a configured county, its broker and its hospitals.

pub mod county;
pub mod eventually;
pub mod hospitals;
pub mod servers;
