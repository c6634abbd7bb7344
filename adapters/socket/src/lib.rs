//! What both transports share about sockets, before the first byte of a message.
//!
//! ```text
//!   Listener ── accept ──▶ the transport's gate ── Place ──▶ tune ──▶ TLS ──▶ the transport
//!                               │ no place
//!                               └── closed at once, with a LogThrottle
//! ```
//!
//! This has listening, limits on connections, certificate names, and TLS from PEM text.
//! `tierlink-mllp` and `tierlink-http` transfer messages: this crate reads and writes none,
//! and defines no error code. Each transport passes in its own codes, so that an operator can
//! tell them apart.
//!
//! Where to read next: `listen.rs` (accepting connections), `tls.rs` (trust).

pub mod certificates;
pub mod counts;
pub mod handshake;
pub mod listen;
pub mod log_throttle;
pub mod places;
pub mod tls;
pub mod tune;

pub use counts::Count;
pub use handshake::handshake;
pub use listen::{CannotListen, Listener, Peer};
pub use log_throttle::LogThrottle;
pub use places::{Place, Places};
pub use tune::tune;
