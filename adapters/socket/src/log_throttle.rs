//! Keeps a flood of connections from becoming a flood of log lines.
//!
//! It reads no clock: the caller says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// A flood of unwelcome connections gets one log line in this time.
pub const LOG_EVERY: Duration = Duration::from_secs(1);

/// Writes one kind of log line at most once in [`LOG_EVERY`], and counts what it leaves out.
#[derive(Debug, Default)]
pub struct LogThrottle {
    quiet_until: Option<Instant>,
    unsaid: u64,
}

impl LogThrottle {
    /// Calls `line` with the number of lines left out since the last one, or counts this one as left
    /// out if the last was less than [`LOG_EVERY`] ago.
    pub fn say(&mut self, now: Instant, line: impl FnOnce(u64)) {
        if self.quiet_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return;
        }
        line(std::mem::take(&mut self.unsaid));
        self.quiet_until = Some(now + LOG_EVERY);
    }
}
