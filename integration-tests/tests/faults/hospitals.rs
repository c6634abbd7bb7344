//! Hospitals misbehave: silent, slow, confused, late, repeating themselves, flooding.
//!
//! | Module | Misbehaves |
//! | --- | --- |
//! | [`destinations`] | whoever receives |
//! | [`senders`] | whoever sends: the same message many times at once, two contents under one id |
//! | [`early`] | whoever decides before the request was acknowledged |
//! | [`doors`] | whoever attacks the doors |
//! | [`flood`] | whoever sends without measure |

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod destinations;
mod doors;
mod early;
mod flood;
mod senders;

use tierlink_integration_tests::county::Mode;
use tierlink_simulator::ledger::Said;

/// How the line of a trial names the mode.
pub(super) fn label(mode: Mode) -> &'static str {
    match mode {
        Mode::Embedded => "embedded",
        Mode::Production => "production",
    }
}

/// A message that a test said itself, and that was heard.
pub(super) fn heard(by: &str, kind: &str, (origin, own_number): (&str, &str), tries: u32) -> Said {
    Said {
        by: by.to_owned(),
        own_number: own_number.to_owned(),
        origin: origin.to_owned(),
        kind: kind.to_owned(),
        tries,
        acknowledged: true,
        refused: false,
    }
}
