//! Logs failures so that an operator can follow: one line when a failure begins, one when it ends,
//! and reminders with a count in between.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::info;

/// Interval of reminders while a failure goes on.
const REMIND_AFTER: Duration = Duration::from_mins(5);
/// After this time without a failure, a participant no longer counts as affected: its work may have
/// moved to another process.
const SILENT_AFTER: Duration = Duration::from_mins(1);

/// `error` and all of its causes, on one line. Use it wherever an error is printed.
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

/// One kind of failure, logged without flooding the log.
pub struct Trouble {
    what: String,
    going: Mutex<Option<Going>>,
}

impl Trouble {
    /// `what` describes the failure, as the beginning of a sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), going: Mutex::new(None) }
    }

    /// Counts one failure. Returns the line to log if it is the first or a reminder is due.
    #[must_use]
    pub fn begins_or_goes_on(&self, why: &str) -> Option<String> {
        let mut going = self.going.lock();
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

    /// Logs that the failure is over, once.
    pub fn is_over(&self) {
        let over = self.going.lock().take();
        if let Some(over) = over {
            info!(
                "Over after {} s and {} failure(s): {}.",
                over.since.elapsed().as_secs(),
                over.times,
                self.what
            );
        }
    }

    /// Whether the failure is going on.
    #[must_use]
    pub fn is_going_on(&self) -> bool {
        self.going.lock().is_some()
    }
}

/// One kind of failure that several participants have at once, because they use the same server. It
/// begins with the first and ends with the last, so an outage gives two log lines.
pub struct CommonTrouble {
    trouble: Trouble,
    /// The affected participants, with the time of their last failure.
    affected: Mutex<BTreeMap<String, Instant>>,
}

impl CommonTrouble {
    /// `what` describes the failure, as the beginning of a sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { trouble: Trouble::new(what), affected: Mutex::default() }
    }

    /// Counts one failure of `who`. Returns the line to log if nobody had one before or a
    /// reminder is due.
    #[must_use]
    pub fn begins_or_goes_on(&self, who: &str, why: &str) -> Option<String> {
        let mut affected = self.affected();
        affected.insert(who.to_owned(), Instant::now());
        self.trouble.begins_or_goes_on(why)
    }

    /// Logs that the failure is over, once nobody is affected any more.
    pub fn is_over_for(&self, who: &str) {
        let mut affected = self.affected();
        if affected.is_empty() {
            return;
        }
        affected.remove(who);
        affected.retain(|_, last| last.elapsed() < SILENT_AFTER);
        if affected.is_empty() {
            self.trouble.is_over();
        }
    }

    fn affected(&self) -> parking_lot::MutexGuard<'_, BTreeMap<String, Instant>> {
        self.affected.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_many_begins_with_the_first_and_is_over_with_the_last() {
        let trouble = CommonTrouble::new("The store does not answer lanes");
        let told = ["a", "b", "a", "c"].map(|who| trouble.begins_or_goes_on(who, "refused"));

        assert_eq!(told.iter().flatten().count(), 1, "{told:?}");

        trouble.is_over_for("a");
        trouble.is_over_for("nobody");
        assert!(trouble.trouble.is_going_on(), "b and c still have it");
        trouble.is_over_for("b");
        trouble.is_over_for("c");
        assert!(!trouble.trouble.is_going_on());
    }

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
