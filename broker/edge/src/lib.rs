//! The side of the broker that faces hospitals: doors receive their messages, destinations send
//! messages to them, and lanes keep the order.
//!
//! ```text
//!   hospital ─▶ doors ─▶ Intake            Due ─▶ lane ─▶ destination ─▶ hospital
//!                                               Outcomes ◀─┘
//! ```
//!
//! It is connected through three small traits: [`intake::Intake`] accepts what came in,
//! [`deliveries::Due`] says what is still due, and [`deliveries::Outcomes`] records how each try
//! ended and says what follows. So it runs in the broker today and can run beside a hospital later.
//!
//! Architecture Invariant: neither a store nor the core is a dependency, not even through others.
//! What an outcome leads to, and how long to retry, is decided elsewhere.

pub mod address;
pub mod deliveries;
pub mod destination;
pub mod doors;
pub mod environment;
pub mod figures;
pub mod idle;
pub mod intake;
pub mod lane;
pub mod network;
pub mod organisations;
pub mod rates;
pub mod secrets;
pub mod trouble;
