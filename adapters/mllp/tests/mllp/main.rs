//! What MLLP promises, through its public face only: bytes in pieces, and real sockets.

#![expect(clippy::unwrap_used, reason = "the steps between a test and its claim")]
#![expect(clippy::panic, reason = "a hospital that reads nonsense, and a door that crashes")]

mod client;
mod codec_quirks;
mod codec_streams;
mod server;
mod stop;
mod support;
mod tls;
