//! Limits how often a log line is written, so that many connections do not fill the log.
//!
//! Reads no clock: the caller passes the time.

use std::time::Duration;

use tokio::time::Instant;

/// Interval in which one line is written about rejected connections.
pub const LOG_EVERY: Duration = Duration::from_secs(1);

/// Writes one kind of log line at most once in [`LOG_EVERY`], and counts the lines left out.
#[derive(Debug, Default)]
pub struct LogThrottle {
    quiet_until: Option<Instant>,
    unsaid: u64,
}

impl LogThrottle {
    /// Calls `line` with the number of lines left out since the last one. If that was less than
    /// [`LOG_EVERY`] ago, only counts this one.
    pub fn say(&mut self, now: Instant, line: impl FnOnce(u64)) {
        if self.quiet_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return;
        }
        line(std::mem::take(&mut self.unsaid));
        self.quiet_until = Some(now + LOG_EVERY);
    }
}
