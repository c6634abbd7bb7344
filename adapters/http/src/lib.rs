//! HTTP: the server that hospitals post to and the client that posts to them.
//!
//! ```text
//!   hospital ── request ──▶ Server: places, clocks, whole body ──▶ axum::Router ──▶ the broker
//!            ◀─ response ──                                   ◀── response ──
//!
//!   the broker ── Client::post ── request ──▶ hospital
//!              ◀── Response, or NoAnswer ─────
//! ```
//!
//! This crate moves bytes. It deliberately knows nothing of what is inside a body: no FHIR, no
//! canonical message, no verdict. It knows who is at the other end (address, certificate, token as
//! text) and never whether that one may do anything.
//!
//! Everything has a limit with a name, so that a sender who is slow, large or many holds up nobody
//! else. Nothing here logs, counts or prints a payload, a token or the path of a request.
//!
//! Where to read next: `server.rs` (who comes in), `connection.rs` (one connection's life),
//! `pace.rs` (its clocks), `body.rs` (reading whole bodies), and `client.rs` for the way out.

mod bearer;
mod body;
pub mod client;
mod connection;
pub mod counts;
pub mod doorkeeper;
mod head;
mod limits;
mod pace;
pub mod refusal;
mod response;
mod run;
pub mod server;
pub mod tls;
mod upload;

pub use bearer::bearer;
pub use client::{CannotPost, Client, NoAnswer};
pub use counts::Counts;
pub use doorkeeper::{Doorkeeper, Standing};
pub use refusal::problem;
pub use response::Response;
pub use run::{Crashed, run_to_end};
pub use server::{CannotListen, HttpLimits, Peer, Server};
pub use tls::CannotUseTls;
