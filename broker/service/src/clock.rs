//! The clock: cases whose deadline has passed escalate, as events, until somebody acts.
//!
//! Nothing ends by a clock that is in doubt (`clock_watch.rs`). Once it can be trusted, what was
//! written by one that was ahead is set right, here or in another process, so that no deadline
//! waits for a time that never came.

use std::sync::Arc;
use std::time::Duration;

use tierlink_core::deadline;
use tierlink_edge::environment::Environment;
use tierlink_judge::CoreJudge;
use tierlink_store::{Error, Judge, Upkeep};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::clock_watch::ClockWatch;
use crate::current_config::CurrentConfig;
use crate::lease::Lease;
use crate::report::{Trouble, chain};

/// How often deadlines are checked. The shortest is a few minutes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Cases that escalate, or are set right, in one transaction.
const BATCH_MAX: u32 = 100;

/// The parts that the clock needs.
pub struct Clock {
    /// Deadlines and cases in the store.
    pub store: Arc<dyn Upkeep>,
    /// The configuration in force.
    pub current_config: Arc<CurrentConfig>,
    /// The current time and new ids.
    pub environment: Arc<dyn Environment>,
    /// Notified when an escalation created deliveries.
    pub wake: Arc<Notify>,
    /// Held by the one process that escalates.
    pub lease: Lease,
    /// Compares this clock with others.
    pub watch: ClockWatch,
}

impl Clock {
    /// Checks deadlines until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let trouble = Trouble::new("Deadlines cannot be looked at");
        // Whether open cases hold nothing that a clock wrote that was ahead.
        let mut is_right = false;
        loop {
            match self.look(&mut is_right).await {
                Ok(0) => trouble.is_over(),
                Ok(escalated) => {
                    trouble.is_over();
                    metrics::counter!("tierlink_escalations_total").increment(u64::from(escalated));
                    warn!(escalated, "Deadlines have passed; whoever must act is told again.");
                    self.wake.notify_one();
                }
                Err(error) => {
                    if let Some(line) = trouble.begins_or_goes_on(&chain(&error).to_string()) {
                        error!(code = %error.code(), "{line}");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.lease.release().await;
    }

    /// Looks once at the clocks and at the deadlines. Returns how many cases were escalated.
    async fn look(&mut self, is_right: &mut bool) -> Result<u32, Error> {
        // Whoever has no lease watches its clock all the same: it may have to take over any moment.
        let stored = self.store.time().await?;
        let now = self.environment.now();
        let clock = self.watch.look(now, &stored);
        if !self.lease.hold().await {
            *is_right = false;
            return Ok(0);
        }
        let policy = Arc::clone(&self.current_config.load().policy);
        let judge: Arc<dyn Judge> = Arc::new(CoreJudge::new(policy).by_clock(clock));
        match clock {
            deadline::Clock::InDoubt => *is_right = false,
            deadline::Clock::Certain if *is_right => {}
            deadline::Clock::Certain => {
                self.set_right(&judge).await?;
                *is_right = true;
            }
        }
        let escalation_ids = (0..BATCH_MAX).map(|_| self.environment.id()).collect();
        self.store.escalate(now, BATCH_MAX, escalation_ids, judge).await
    }

    /// Goes through the open cases and sets right what a clock wrote that was ahead.
    async fn set_right(&self, judge: &Arc<dyn Judge>) -> Result<(), Error> {
        let mut after = None;
        let mut corrected = 0;
        loop {
            let now = self.environment.now();
            let page = self.store.set_right(now, after, BATCH_MAX, Arc::clone(judge)).await?;
            corrected += page.corrected;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if corrected > 0 {
            warn!(
                corrected,
                "Open cases held times of a clock that was ahead; they are set right."
            );
        }
        Ok(())
    }
}
