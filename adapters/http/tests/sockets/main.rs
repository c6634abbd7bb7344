//! HTTP over real sockets: what `server.rs` and `client.rs` of this crate promise.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod client;
mod net;
mod server;
