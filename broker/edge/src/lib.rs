//! What stands towards the hospitals: the doors through which their messages come in, the
//! destinations to which messages go out, and the lanes that carry them there.
//!
//! ```text
//!   hospital ─▶ doors ─▶ Intake            Due ─▶ lane ─▶ destination ─▶ hospital
//!                                               Outcomes ◀─┘
//! ```
//!
//! Whoever runs this gives it three small traits: [`intake::Intake`] takes what came in,
//! [`deliveries::Due`] says what is still due, and [`deliveries::Outcomes`] hears how each try ended
//! and says what comes next. So it runs in the broker today and can run beside a hospital.
//!
//! Architecture Invariant: neither a store nor the core is a dependency, not even through others.
//! What an outcome means for a delivery, and how long silence may last, is decided elsewhere.

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
