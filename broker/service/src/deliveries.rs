//! Connects lanes with store and core: what is due, and what follows after a try.
//!
//! What the core remembers of each lane that is in trouble is kept here, for as long as it is: whether
//! it is held, and which deliveries were turned away. A lane that is well costs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tierlink_core::delivery::{Circumstances, RetryPolicy};
use tierlink_core::lane::{Heard, Lane, Next};
use tierlink_edge::deliveries::{AfterTry, Due, DueDelivery, Outcomes, Recorded, Try};
use tierlink_edge::environment::Environment;
use tierlink_edge::figures::LaneFigures;
use tierlink_schemas::delivery::{DeliveryId, Outcome};
use tierlink_schemas::{LaneName, Problem};
use tierlink_store::{Attempt, Outbox, Repair, Settlement};
use tokio::sync::Notify;
use tracing::{error, warn};

use crate::config::retry_policy;
use crate::current_config::CurrentConfig;
use crate::due::{DueRows, failed};
use crate::report::{CommonTrouble, Trouble};
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
    /// The lanes that are not well.
    ways: Mutex<HashMap<LaneName, Way>>,
    figures: Arc<LaneFigures>,
}

/// The way to one system, while it is not well.
struct Way {
    lane: Lane<DeliveryId>,
    /// Nothing gets through.
    held: Trouble,
}

impl Way {
    fn of(lane: &LaneName, known: Lane<DeliveryId>) -> Self {
        let what = format!(
            "The lane of {lane} is held, nothing gets through and nothing is parked for it"
        );
        Self { lane: known, held: Trouble::new(what) }
    }
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
        figures: Arc<LaneFigures>,
    ) -> Self {
        let trouble = CommonTrouble::new("The store does not answer lanes, which wait for it");
        let due = DueRows::new(Arc::clone(&store));
        let ways = Mutex::default();
        Self { store, due, settler, current_config, environment, wake, trouble, ways, figures }
    }

    /// Asks the core what follows after a try, and tells when a lane begins or ceases to be held.
    /// Returns also whether it is held now.
    fn decide(&self, tried: &Try, at: &Circumstances, policy: &RetryPolicy) -> (Next, bool) {
        let Try { lane, in_place, retry_after, .. } = tried;
        let (in_place, retry_after) = (*in_place, *retry_after);
        let heard = Heard { id: &tried.id, outcome: &tried.outcome, in_place, retry_after };
        let mut ways = self.ways.lock();
        let Some(way) = ways.get_mut(lane) else {
            let mut fresh = Lane::default();
            let next = fresh.hears(&heard, at, policy);
            if !fresh.is_well() {
                let way = ways.entry(lane.clone()).or_insert(Way::of(lane, fresh));
                self.tell(way, false, tried);
            }
            return (next, ways.get(lane).is_some_and(|way| way.lane.is_held()));
        };
        let was_held = way.lane.is_held();
        let next = way.lane.hears(&heard, at, policy);
        let is_held = way.lane.is_held();
        self.tell(way, was_held, tried);
        if way.lane.is_well() {
            ways.remove(lane);
        }
        (next, is_held)
    }

    /// Tells that a lane is held, and when that is over.
    fn tell(&self, way: &Way, was_held: bool, tried: &Try) {
        let Try { id, lane, .. } = tried;
        let is_held = way.lane.is_held();
        if is_held {
            let problem = tried.problem();
            if let Some(line) = way.held.begins_or_goes_on(&problem.text) {
                error!(%lane, message.id = %id.message, code = %problem.code, "{line}");
            }
        } else {
            way.held.is_over();
        }
        // Told again at each probe: whoever measures forgets it while the store knows of no trouble.
        if was_held || is_held {
            self.figures.tell_held(lane, is_held);
        }
    }

    /// Notes a try after which the delivery has not arrived, so that people see why.
    async fn note(&self, tried: &Try, held: bool) {
        let (id, attempts, at) = (tried.id.clone(), tried.attempts, tried.at);
        let lane = tried.lane.clone();
        let attempt = Attempt { id, lane, attempts, problem: tried.problem(), held, at };
        // A lane goes on trying although the store could not record the try.
        let noted = self.store.note_attempts(vec![attempt]).await;
        let _told = self.heard(&tried.lane, noted.map_err(|error| failed(&error)));
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
        match self.decide(tried, &at, &policy) {
            (Next::Settle { outcome, quiet_for }, held) => {
                if matches!(outcome, Outcome::TurnedAway { .. } | Outcome::Held { .. }) {
                    self.note(tried, held).await;
                }
                let settlement = Settlement {
                    id: tried.id.clone(),
                    round: tried.round,
                    outcome: outcome.clone(),
                    attempts: tried.attempts,
                    silent_since: tried.silent_since,
                    losses: tried.losses.clone(),
                    code_map: tried.code_map.clone(),
                    at: tried.at,
                    receipt_id: self.environment.id(),
                };
                let on_disk = self.settler.settle(settlement).await;
                AfterTry::Settled { outcome, quiet_for, on_disk }
            }
            (Next::TryAgain { after }, held) => {
                self.note(tried, held).await;
                AfterTry::TryAgain { after }
            }
        }
    }
}
