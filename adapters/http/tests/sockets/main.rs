//! HTTP over real sockets: what the server and the client of this crate promise.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

// The server.
mod bodies;
mod clocks;
mod crowds;
mod doors;
mod endings;

// The client.
mod answers;
mod secrets;
mod silences;

// Both.
mod certificates;

// What they need.
mod handlers;
mod net;
mod servers;
