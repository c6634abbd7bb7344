//! MLLP: HL7 v2 frames over TCP or TLS, as server and client.
//!
//! ```text
//!   hospital ── 0B message 1C 0D ──▶ Server ── Door::receive ──▶ the broker
//!            ◀── 0B answer 1C 0D ───        ◀── Answer::Reply ──
//!
//!   the broker ── Client::exchange ── 0B message 1C 0D ──▶ hospital
//!              ◀── answers ──────── 0B answer 1C 0D ─────
//! ```
//!
//! This crate only transfers bytes. It does not know the content of a frame: character sets,
//! segments, acknowledgement codes. Its caller decides what an answer is.
//!
//! Nothing here logs, counts or prints contents; `Debug` shows lengths only.
//!
//! Where to read next: `frame.rs` (what a stream contains), `codec.rs` (how it is found),
//! `server.rs` and `client.rs`.

pub mod client;
pub mod codec;
mod connection;
pub mod counts;
mod door;
pub mod frame;
mod room;
pub mod server;
pub mod tls;
mod wire;

pub use client::{Client, Match, NoAnswer, ReceivedAnswers};
pub use codec::{Codec, Framing, HoldsFrameByte, write_frame};
pub use counts::Counts;
pub use frame::{Broken, Frame, Why};
pub use server::{Answer, CannotListen, Door, MllpLimits, Peer, Server};
pub use tls::CannotUseTls;
