//! Doors: they identify the senders of incoming messages, one file per transport.

pub mod mllp;
