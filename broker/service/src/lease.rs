//! Leases: work that one process does at a time, and another takes over when it dies.
//!
//! A lease that has run out is free. But the clocks of two processes may differ: one that was an
//! hour ahead when it died leaves a lease that runs for an hour. So whoever waits also watches:
//! a lease that nobody renews is free after [`LEASE_LASTS`] on the watcher's own stopwatch, which
//! no clock moves.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tierlink_edge::environment::Environment;
use tierlink_store::{Hold, Upkeep};
use tokio::time::Instant;
use tracing::{error, info};
use uuid::Uuid;

use crate::report::{Trouble, chain};

/// After this much silence of its holder, another process may take a lease.
pub const LEASE_LASTS: SignedDuration = SignedDuration::from_secs(5);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often a lease that somebody else holds is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Tells figures when a lease was renewed: nobody does its work if that is long ago everywhere.
fn renewed(name: &'static str, at: f64) {
    metrics::gauge!("tierlink_lease_renewed_timestamp_seconds", "lease" => name).set(at);
}

/// One lease, as one holder sees it.
pub struct Lease {
    store: Arc<dyn Upkeep>,
    environment: Arc<dyn Environment>,
    name: &'static str,
    holder: Uuid,
    held: bool,
    asked_at: Option<Instant>,
    /// The end of somebody else's lease, and since when it was not renewed.
    watched: Option<(Timestamp, Instant)>,
    trouble: Trouble,
}

impl Lease {
    /// A lease that is not held yet.
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

    /// Whether we hold it now, asking the store as often as needed.
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
                // Whoever holds it cannot renew it either.
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

    /// The end of a lease that was watched for long enough, and is still the same.
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

    /// Gives it up, so that another process need not wait.
    pub async fn release(&mut self) {
        if self.held
            && let Err(error) = self.store.release_lease(self.name, self.holder).await
        {
            error!(code = %error.code(), "The lease `{}` runs out by itself.", self.name);
        }
        self.held = false;
    }
}
