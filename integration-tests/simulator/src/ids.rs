//! Times and numbers that nobody used before.

use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

/// The present time, as JSON writes it.
#[must_use]
pub fn now() -> String {
    moment(0)
}

/// The time in so many minutes, without fractions of a second.
#[must_use]
pub fn moment(in_minutes: i64) -> String {
    let at = jiff::Timestamp::now().as_second() + in_minutes * 60;
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}

/// A number that nobody used before.
#[must_use]
pub fn new_number(prefix: &str) -> String {
    // The last digits of the id are chance; a counter beside them keeps one process's apart.
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let chance = Uuid::now_v7().as_u128() % 10_000_000;
    let given = GIVEN.fetch_add(1, Ordering::Relaxed) % 100_000;
    format!("{prefix}-{chance:07}{given:05}")
}

/// A control id for MSH-10, of at most 20 characters.
#[must_use]
pub fn new_control_id() -> String {
    new_number("M")
}
