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
//! This crate only transfers bytes. It does not know the content of a body: neither FHIR nor
//! canonical messages nor verdicts. It reports who is at the other end (address, certificate, token
//! text) and does not decide what they may do.
//!
//! Everything has a named limit, so that one slow or large sender, or many senders, cannot hold up
//! others. Nothing here logs, counts or prints contents, tokens or request paths.
//!
//! Where to read next: `server.rs` (accepting), `connection.rs` (one connection), `pace.rs` (its
//! timeouts), `body.rs` (reading bodies), and `client.rs` (sending).

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
