//! Keeps a flood of connections from becoming a flood of log lines.
//!
//! It reads no clock: the caller says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// A flood of unwelcome connections gets one log line in this time.
pub const GRUMBLE_EVERY: Duration = Duration::from_secs(1);

/// One thing to complain about, at most once in [`GRUMBLE_EVERY`].
#[derive(Debug, Default)]
pub struct Grumble {
    quiet_until: Option<Instant>,
    unsaid: u64,
}

impl Grumble {
    /// Says it, with how many lines were left out before, unless it was said a moment ago.
    pub fn say(&mut self, now: Instant, line: impl FnOnce(u64)) {
        if self.quiet_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return;
        }
        line(std::mem::take(&mut self.unsaid));
        self.quiet_until = Some(now + GRUMBLE_EVERY);
    }
}
