//! What both transports share about sockets, before the first byte of a message.
//!
//! ```text
//!   Listener ── accept ──▶ the transport's gate ── Place ──▶ tune ──▶ TLS ──▶ the transport
//!                               │ no place
//!                               └── closed at once, with a LogThrottle
//! ```
//!
//! Here are the port, the places, the room for what is being received, the names in certificates,
//! and TLS from PEM text. What is sent
//! over a connection is the business of `tierlink-mllp` and `tierlink-http`: this crate reads and
//! writes no message, and declares no error code but those for distrust, which the same people mend on
//! both. Otherwise each transport lends it its own, so that an operator learns from the code which of
//! the two is meant.
//!
//! Where to read next: `listen.rs` (accepting connections), `tls.rs` (trust), `distrust.rs` (why there
//! is none).

pub mod budget;
pub mod certificates;
pub mod counts;
pub mod distrust;
pub mod handshake;
pub mod listen;
pub mod log_throttle;
pub mod places;
mod proxied;
pub mod tls;
pub mod tune;

pub use budget::{ByteBudget, NoRoom, Share};
pub use counts::Count;
pub use distrust::Distrust;
pub use handshake::handshake;
pub use listen::{CannotListen, Listener, Peer};
pub use log_throttle::LogThrottle;
pub use places::{Place, Places};
pub use tune::tune;
