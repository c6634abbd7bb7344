//! How errors and troubles are told: one line when trouble begins, one when it ends, and a count
//! of what came between. An operator at 3 a.m. must be able to read the log.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::info;

/// How often trouble that goes on is mentioned again.
const REMIND_AFTER: Duration = Duration::from_mins(5);

/// `error` and everything that caused it, on one line. Use it wherever an error is printed.
pub fn chain(error: &dyn std::error::Error) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    })
}

struct Going {
    since: Instant,
    told: Instant,
    times: u64,
}

/// One kind of trouble, told without flooding the log.
pub struct Trouble {
    what: String,
    going: Mutex<Option<Going>>,
}

impl Trouble {
    /// Names the trouble as the beginning of a sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), going: Mutex::new(None) }
    }

    /// Counts one failure. Gives the line to log when it is the first, or a reminder is due.
    #[must_use]
    pub fn begins_or_goes_on(&self, why: &str) -> Option<String> {
        let mut going = self.going.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        match going.as_mut() {
            None => {
                *going = Some(Going { since: now, told: now, times: 1 });
                Some(format!("{}: {why}.", self.what))
            }
            Some(known) => {
                known.times += 1;
                if now.duration_since(known.told) < REMIND_AFTER {
                    return None;
                }
                known.told = now;
                let minutes = now.duration_since(known.since).as_secs() / 60;
                Some(format!(
                    "{} for {minutes} minutes now, {} times: {why}.",
                    self.what, known.times
                ))
            }
        }
    }

    /// Says that it is over, once.
    pub fn is_over(&self) {
        let over = self.going.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(over) = over {
            info!(
                "Over after {} s and {} failure(s): {}.",
                over.since.elapsed().as_secs(),
                over.times,
                self.what
            );
        }
    }

    /// Whether it is going on.
    #[must_use]
    pub fn is_going_on(&self) -> bool {
        self.going.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_when_it_begins_and_not_at_every_failure() {
        let trouble = Trouble::new("The store does not answer");

        let first = trouble.begins_or_goes_on("refused");
        let later: Vec<_> =
            (0..1_000).filter_map(|_| trouble.begins_or_goes_on("refused")).collect();

        assert_eq!(first.as_deref(), Some("The store does not answer: refused."));
        assert!(later.is_empty());
        assert!(trouble.is_going_on());
    }

    #[test]
    fn new_trouble_after_the_end_is_told_again() {
        let trouble = Trouble::new("The store does not answer");
        assert!(trouble.begins_or_goes_on("refused").is_some());

        trouble.is_over();

        assert!(!trouble.is_going_on());
        assert!(trouble.begins_or_goes_on("refused").is_some());
    }
}
