//! Whole-system tests: real servers, simulated hospitals, bytes over sockets.

pub mod servers;
