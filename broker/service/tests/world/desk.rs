//! The store as one process reaches it: over a wire that fails, before or after the commit.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_schemas::OrganisationCode;
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
pub struct Desk {
    pub memory: Arc<Mutex<Memory>>,
    pub power: Power,
    pub dice: Dice,
    pub faults: Faults,
    pub sabotage: Option<Sabotage>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
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
        let desk = self.clone();
        tokio::spawn(async move {
            desk.dice.wait_between(LATE_COMMIT_MS, LATE_COMMIT_MS).await;
            desk.power.on().await;
            desk.lock().commit(&works, &*judge);
        });
        judged
    }
}

/// No lane, relay or clock asks for it.
fn not_played<T>() -> Result<T, Error> {
    Err(Error::Closing { what: "do what this world does not play" })
}

#[async_trait]
impl Store for Desk {
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

    async fn escalate(
        &self,
        now: Timestamp,
        limit: u32,
        spares: Vec<Uuid>,
        judge: Arc<dyn Judge>,
    ) -> Result<u32, Error> {
        let act = |memory: &mut Memory| memory.escalate(now, limit, &spares, &*judge);
        self.transact("escalate deadlines", act).await
    }

    async fn to_publish(&self, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, Error> {
        self.transact("read the outbox", |memory| memory.to_publish(now, limit)).await
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

    async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Result<Vec<DeliveryRow>, Error> {
        self.transact("look at deliveries", |memory| memory.still_due(&asked)).await
    }

    async fn unknown(&self, asked: Vec<DeliveryId>) -> Result<Vec<DeliveryId>, Error> {
        self.transact("look at deliveries", |memory| memory.unknown(&asked)).await
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

    async fn take_counters(&self) -> Result<(u64, u64), Error> {
        self.transact("take case numbers", Memory::take_counters).await
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, Error> {
        self.transact("look at the lanes", |memory| memory.lanes()).await
    }

    async fn to_announce(&self, _: u32) -> Result<Vec<EventRow>, Error> {
        Ok(Vec::new())
    }

    async fn mark_announced(&self, _: Vec<(Uuid, u32)>) -> Result<(), Error> {
        Ok(())
    }

    async fn healthy(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn migrate(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn name(&self) -> &'static str {
        "world"
    }

    async fn close(&self) {}

    async fn cases(&self, _: CaseQuery) -> Result<Vec<CaseRow>, Error> {
        not_played()
    }

    async fn case(
        &self,
        _: CaseKey,
        _: Option<OrganisationCode>,
    ) -> Result<Option<CaseFile>, Error> {
        not_played()
    }

    async fn message(
        &self,
        _: Uuid,
        _: Option<OrganisationCode>,
    ) -> Result<Option<MessageRow>, Error> {
        not_played()
    }

    async fn parked(&self, _: Option<OrganisationCode>, _: u32) -> Result<Vec<ParkedRow>, Error> {
        not_played()
    }

    async fn act(&self, _: NewAct, _: Option<ReceiptOf>) -> Result<Acted, Error> {
        not_played()
    }

    async fn acts(&self, _: ActQuery) -> Result<Vec<ActRow>, Error> {
        not_played()
    }

    async fn refusals(&self, _: RefusalQuery) -> Result<Vec<RefusalRow>, Error> {
        not_played()
    }

    async fn slots(
        &self,
        _: Option<OrganisationCode>,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<SlotRow>, Error> {
        not_played()
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        not_played()
    }

    async fn newer_tables(&self) -> Result<Vec<i64>, Error> {
        not_played()
    }

    async fn figures(&self, _: Timestamp) -> Result<Figures, Error> {
        not_played()
    }
}
