//! Escalates cases whose deadline has passed, again and again until somebody acts.

use std::sync::Arc;
use std::time::Duration;

use tierlink_edge::environment::Environment;
use tierlink_judge::CoreJudge;
use tierlink_store::{Judge, Upkeep};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::current_config::CurrentConfig;
use crate::lease::Lease;
use crate::report::{Trouble, chain};

/// How often deadlines are checked. The shortest is a few minutes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Cases to escalate in one transaction.
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
}

impl Clock {
    /// Checks deadlines until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let trouble = Trouble::new("Deadlines cannot be looked at");
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !self.lease.hold().await {
                continue;
            }
            let judge: Arc<dyn Judge> =
                Arc::new(CoreJudge::new(Arc::clone(&self.current_config.load().policy)));
            let escalation_ids = (0..BATCH_MAX).map(|_| self.environment.id()).collect();
            match self
                .store
                .escalate(self.environment.now(), BATCH_MAX, escalation_ids, judge)
                .await
            {
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
        }
        self.lease.release().await;
    }
}
