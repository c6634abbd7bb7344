//! Connects lanes with store and core: what is due, and what follows after a try.

use std::sync::Arc;

use async_trait::async_trait;
use tierlink_core::delivery::{self, Circumstances};
use tierlink_edge::deliveries::{AfterTry, Due, DueDelivery, Outcomes, Recorded, Try};
use tierlink_edge::environment::Environment;
use tierlink_schemas::delivery::DeliveryId;
use tierlink_schemas::{LaneName, Problem};
use tierlink_store::{Attempt, Outbox, Repair, Settlement};
use tokio::sync::Notify;
use tracing::warn;

use crate::config::retry_policy;
use crate::current_config::CurrentConfig;
use crate::due::{DueRows, failed};
use crate::report::CommonTrouble;
use crate::settler::Settler;

/// The deliveries of this broker.
pub struct Deliveries {
    store: Arc<dyn Outbox>,
    due: DueRows,
    settler: Settler,
    current_config: Arc<CurrentConfig>,
    environment: Arc<dyn Environment>,
    /// Notified when something is in the outbox.
    wake: Arc<Notify>,
    /// The store does not answer lanes; logged once for all of them.
    trouble: CommonTrouble,
}

impl Deliveries {
    /// Uses this store, and this settler for outcomes.
    #[must_use]
    pub fn new(
        store: Arc<dyn Outbox>,
        settler: Settler,
        current_config: Arc<CurrentConfig>,
        environment: Arc<dyn Environment>,
        wake: Arc<Notify>,
    ) -> Self {
        let trouble = CommonTrouble::new("The store does not answer lanes, which wait for it");
        let due = DueRows::new(Arc::clone(&store));
        Self { store, due, settler, current_config, environment, wake, trouble }
    }

    /// Tells when trouble with the store begins for this lane, and when it is over.
    fn heard<T>(&self, lane: &LaneName, answer: Result<T, Problem>) -> Result<T, Problem> {
        match &answer {
            Ok(_) => self.trouble.is_over_for(&lane.to_string()),
            Err(problem) => {
                let why = &problem.text;
                if let Some(line) = self.trouble.begins_or_goes_on(&lane.to_string(), why) {
                    warn!(%lane, code = %problem.code, "{line}");
                }
            }
        }
        answer
    }
}

#[async_trait]
impl Due for Deliveries {
    async fn still_due(
        &self,
        lane: &LaneName,
        asked: Vec<(DeliveryId, u32)>,
    ) -> Result<Vec<DueDelivery>, Problem> {
        let rows = self.heard(lane, self.due.still_due(asked).await)?;
        let due = rows.into_iter().map(|due| DueDelivery {
            lane: due.row.lane(),
            id: due.row.id,
            case: due.row.case,
            round: due.row.round,
            attempts: due.row.attempts,
            created_at: due.row.created_at,
            silent_since: due.row.silent_since,
            body_hash: due.body_hash,
        });
        Ok(due.collect())
    }

    async fn on_record(
        &self,
        lane: &LaneName,
        asked: Vec<DeliveryId>,
    ) -> Result<Vec<Recorded>, Problem> {
        let known = self.store.on_record(asked).await.map_err(|error| failed(&error));
        let known = self.heard(lane, known)?.into_iter().map(|row| Recorded {
            id: row.id,
            lane: row.lane,
            round: row.round,
            body_hash: row.body_hash,
        });
        Ok(known.collect())
    }

    async fn publish_again(
        &self,
        lane: &LaneName,
        changed: Vec<(DeliveryId, u32)>,
    ) -> Result<(), Problem> {
        let queued = self.store.repair(Repair::Changed(changed)).await;
        let queued = self.heard(lane, queued.map_err(|error| failed(&error)))?;
        if queued > 0 {
            warn!(%lane, queued, "What was changed on the bus is sent again as it is stored.");
            self.wake.notify_one();
        }
        Ok(())
    }
}

#[async_trait]
impl Outcomes for Deliveries {
    async fn report(&self, tried: &Try) -> AfterTry {
        let config = self.current_config.load();
        let Some(profile) = config.system(&tried.lane) else { return AfterTry::GiveBack };
        let at = Circumstances {
            now: tried.at,
            attempts: tried.attempts,
            silent_since: tried.silent_since,
            jitter: self.environment.random(),
        };
        let policy = retry_policy(profile);
        match delivery::after_try(&tried.outcome, tried.in_place, &at, &policy) {
            delivery::AfterTry::Settle => {
                let settlement = Settlement {
                    id: tried.id.clone(),
                    round: tried.round,
                    outcome: tried.outcome.clone(),
                    attempts: tried.attempts,
                    silent_since: tried.silent_since,
                    losses: tried.losses.clone(),
                    code_map: tried.code_map.clone(),
                    at: tried.at,
                    receipt_id: self.environment.id(),
                };
                AfterTry::Settled(self.settler.settle(settlement).await)
            }
            delivery::AfterTry::TryAgain { after } => {
                let (id, attempts, at) = (tried.id.clone(), tried.attempts, tried.at);
                let lane = tried.lane.clone();
                let attempt = Attempt { id, lane, attempts, problem: tried.problem(), at };
                // A lane goes on trying although the store could not record the try.
                let noted = self.store.note_attempts(vec![attempt]).await;
                let _told = self.heard(&tried.lane, noted.map_err(|error| failed(&error)));
                AfterTry::TryAgain { after }
            }
        }
    }
}
