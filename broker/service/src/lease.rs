//! Leases: work that one process does at a time, and that another takes over if it dies.
//!
//! A lease that has run out is free. But the clocks of two processes may differ: a process whose
//! clock was an hour ahead leaves a lease that seems to run for an hour. So a waiting process
//! also watches: a lease that was not renewed for [`LEASE_LASTS`] on the watcher's monotonic
//! clock is free too.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tierlink_edge::environment::Environment;
use tierlink_store::{Hold, Upkeep};
use tokio::time::Instant;
use tracing::{error, info};
use uuid::Uuid;

use crate::report::{Trouble, chain};

/// Time without renewal after which another process may take a lease.
pub const LEASE_LASTS: SignedDuration = SignedDuration::from_secs(5);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often a process asks for a lease that another one holds.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Sets the metric of the last renewal; if it is old everywhere, nobody does the work.
fn renewed(name: &'static str, at: f64) {
    metrics::gauge!("tierlink_lease_renewed_timestamp_seconds", "lease" => name).set(at);
}

/// One lease, as seen by one process.
pub struct Lease {
    store: Arc<dyn Upkeep>,
    environment: Arc<dyn Environment>,
    name: &'static str,
    holder: Uuid,
    held: bool,
    asked_at: Option<Instant>,
    /// The end of another holder's lease, and since when that end has not changed.
    watched: Option<(Timestamp, Instant)>,
    trouble: Trouble,
}

impl Lease {
    /// Makes a lease that is not held yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn Upkeep>,
        environment: Arc<dyn Environment>,
        name: &'static str,
        holder: Uuid,
    ) -> Self {
        renewed(name, 0.0);
        let trouble = Trouble::new(format!("The lease `{name}` cannot be renewed"));
        Self {
            store,
            environment,
            name,
            holder,
            held: false,
            asked_at: None,
            watched: None,
            trouble,
        }
    }

    /// Whether this process holds it now. Asks the store when necessary.
    pub async fn hold(&mut self) -> bool {
        let every = if self.held { RENEW_EVERY } else { ASK_EVERY };
        if self.asked_at.is_some_and(|at| at.elapsed() < every) {
            return self.held;
        }
        self.asked_at = Some(Instant::now());
        let now = self.environment.now();
        let (until, abandoned) = (now + LEASE_LASTS, self.abandoned());
        let asked = self.store.hold_lease(self.name, self.holder, now, until, abandoned).await;
        let held = match asked {
            Ok(hold) => {
                self.trouble.is_over();
                self.watch(hold);
                hold == Hold::Ours
            }
            Err(error) => {
                if let Some(line) = self.trouble.begins_or_goes_on(&chain(&error).to_string()) {
                    error!(code = %error.code(), "{line}");
                }
                // While the store does not answer, the holder cannot renew either, so
                // watching starts again.
                self.watched = None;
                false
            }
        };
        if held {
            renewed(self.name, now.as_duration().as_secs_f64());
        }
        if held && !self.held {
            info!(lease = self.name, "This process has the lease `{}` now.", self.name);
        }
        self.held = held;
        held
    }

    /// The end of a lease that was watched long enough without a change; `None` otherwise.
    fn abandoned(&self) -> Option<Timestamp> {
        let (until, since) = self.watched?;
        (since.elapsed() >= LEASE_LASTS.unsigned_abs()).then_some(until)
    }

    fn watch(&mut self, hold: Hold) {
        match hold {
            Hold::Ours => self.watched = None,
            Hold::Theirs { until } if self.watched.is_some_and(|(seen, _)| seen == until) => {}
            Hold::Theirs { until } => self.watched = Some((until, Instant::now())),
        }
    }

    /// Releases it, so that another process need not wait for its end.
    pub async fn release(&mut self) {
        if self.held
            && let Err(error) = self.store.release_lease(self.name, self.holder).await
        {
            error!(code = %error.code(), "The lease `{}` runs out by itself.", self.name);
        }
        self.held = false;
    }
}
