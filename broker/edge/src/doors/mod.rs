//! The doors of the transports: who is knocking, and in whose name.

pub mod mllp;
