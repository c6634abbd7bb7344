//! The store as one process reaches it: over a wire that fails, before or after the commit.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::LaneName;
use tierlink_store::*;
use uuid::Uuid;

use crate::dice::Dice;
use crate::faults::Faults;
use crate::power::Power;
use crate::sabotage::Sabotage;
use crate::store::Memory;

/// What the transaction of the settler is called.
pub const RECORD_OUTCOMES: &str = "record outcomes";

/// How long the answer is ahead of the commit under [`Sabotage::AnswerBeforeCommit`].
const LATE_COMMIT_MS: u64 = 300;

#[derive(Clone)]
pub struct Connection {
    pub memory: Arc<Mutex<Memory>>,
    pub power: Power,
    pub dice: Dice,
    pub faults: Faults,
    pub sabotage: Option<Sabotage>,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }

    /// One transaction. Its answer may be lost although it is done.
    async fn transact<T>(
        &self,
        what: &'static str,
        act: impl FnOnce(&mut Memory) -> T + Send,
    ) -> Result<T, Error> {
        self.power.on().await;
        self.slow().await;
        if self.faults.is_next(what) || self.faults.happens(&self.dice, 3) {
            return Err(Error::Closing { what });
        }
        let done = act(&mut self.lock());
        self.slow().await;
        if self.faults.happens(&self.dice, 3) {
            return Err(Error::Closing { what });
        }
        Ok(done)
    }

    async fn slow(&self) {
        if self.faults.happens(&self.dice, 30) {
            self.dice.wait(40).await;
        }
        self.power.on().await;
    }

    /// The verdicts as they would be, and the commit later, if the process lives to see it.
    fn answer_first(&self, works: Arc<[Work]>, judge: Arc<dyn Judge>) -> Vec<Judged> {
        let judged = self.lock().clone().commit(&works, &*judge);
        let connection = self.clone();
        tokio::spawn(async move {
            connection.dice.wait_between(LATE_COMMIT_MS, LATE_COMMIT_MS).await;
            connection.power.on().await;
            connection.lock().commit(&works, &*judge);
        });
        judged
    }
}

#[async_trait]
impl Arrivals for Connection {
    async fn commit(
        &self,
        works: Arc<[Work]>,
        judge: Arc<dyn Judge>,
    ) -> Result<Vec<Judged>, Error> {
        if self.sabotage == Some(Sabotage::AnswerBeforeCommit) {
            self.power.on().await;
            return Ok(self.answer_first(works, judge));
        }
        self.transact("store messages", |memory| memory.commit(&works, &*judge)).await
    }

    async fn take_counters(&self) -> Result<(u64, u64), Error> {
        self.transact("take case numbers", Memory::take_counters).await
    }
}

#[async_trait]
impl Outbox for Connection {
    async fn to_publish(
        &self,
        now: Timestamp,
        limit: u32,
        except: &[LaneName],
    ) -> Result<Vec<Outgoing>, Error> {
        self.transact("read the outbox", |memory| memory.to_publish(now, limit, except)).await
    }

    async fn queue_due(
        &self,
        asked: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<Vec<(DeliveryId, u32)>, Error> {
        self.transact("queue what is due", |memory| memory.queue_due(&asked, now)).await
    }

    async fn mark_published(
        &self,
        done: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.transact("mark as published", |memory| memory.mark_published(&done, now)).await
    }

    async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Result<Vec<DueRow>, Error> {
        self.transact("look at deliveries", |memory| memory.still_due(&asked)).await
    }

    async fn on_record(&self, asked: Vec<DeliveryId>) -> Result<Vec<RecordedRow>, Error> {
        self.transact("look at deliveries", |memory| memory.on_record(&asked)).await
    }

    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        judge: Arc<dyn Judge>,
    ) -> Result<(), Error> {
        self.transact(RECORD_OUTCOMES, |memory| memory.settle(settlements, &*judge)).await
    }

    async fn note_attempts(&self, attempts: Vec<Attempt>) -> Result<(), Error> {
        self.transact("note tries", |memory| memory.note_attempts(attempts)).await
    }

    async fn repair(&self, repair: Repair) -> Result<u64, Error> {
        self.transact("queue again", |memory| memory.repair(&repair)).await
    }

    async fn lane_conditions(&self) -> Result<Vec<LaneCondition>, Error> {
        self.transact("look at the lanes", |memory| memory.lane_conditions()).await
    }

    async fn to_announce(&self, _: u32) -> Result<Vec<EventRow>, Error> {
        Ok(Vec::new())
    }

    async fn mark_announced(&self, _: Vec<(Uuid, u32)>) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Upkeep for Connection {
    async fn escalate(
        &self,
        now: Timestamp,
        limit: u32,
        escalation_ids: Vec<Uuid>,
        judge: Arc<dyn Judge>,
    ) -> Result<u32, Error> {
        let act = |memory: &mut Memory| memory.escalate(now, limit, &escalation_ids, &*judge);
        self.transact("escalate deadlines", act).await
    }

    async fn set_right(
        &self,
        now: Timestamp,
        _: Option<(Timestamp, Uuid)>,
        _: u32,
        judge: Arc<dyn Judge>,
    ) -> Result<SetRight, Error> {
        self.transact("set deadlines right", |memory| memory.set_right(now, &*judge)).await
    }

    async fn time(&self) -> Result<StoredTime, Error> {
        self.transact("ask the time", |memory| memory.time()).await
    }

    async fn hold_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        abandoned: Option<Timestamp>,
    ) -> Result<Hold, Error> {
        let hold = |memory: &mut Memory| memory.hold_lease(name, holder, now, until, abandoned);
        self.transact("hold a lease", hold).await
    }

    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<(), Error> {
        self.transact("release a lease", |memory| memory.release_lease(name, holder)).await
    }

    async fn note_token_uses(&self, _: Vec<(String, Timestamp)>) -> Result<(), Error> {
        // Nobody calls the API here.
        self.transact("note the use of tokens", |_| ()).await
    }

    async fn healthy(&self) -> Result<(), Error> {
        self.transact("check the store", |_| ()).await
    }
}
