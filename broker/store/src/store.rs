//! The store in five traits, one for each kind of caller. Each method is one transaction.
//!
//! A caller takes the traits that it needs (two at most), so that its signature shows what it can
//! do to the database, and a test can replace it with a few methods. [`Store`] is all five, for the
//! code that opens a store and hands its parts out.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_schemas::{LaneName, OrganisationCode};
use uuid::Uuid;

use crate::acts::{ActQuery, ActRow, Acted, NewAct};
use crate::error::Error;
use crate::judge::{Judge, ReceiptOf};
use crate::records::{
    Attempt, CaseFile, CaseKey, CaseQuery, CaseRow, DeliveryId, DueRow, EventRow, Figures, Hold,
    Judged, LaneCondition, LaneRow, LeftBehind, MessageRow, Outgoing, ParkedQuery, ParkedRow,
    RecordedRow, RefusalQuery, RefusalRow, Repair, SetRight, Settlement, SlotQuery, SlotRow,
    StoredTime, TokenRow, Work,
};

/// Arriving messages, each judged in the transaction that writes it.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// Judges and writes a batch of arrivals together. Returns the verdicts in the same order.
    ///
    /// On success everything is on disk; on an error nothing is.
    async fn commit(&self, works: Arc<[Work]>, judge: Arc<dyn Judge>)
    -> Result<Vec<Judged>, Error>;

    /// Reserves a block of counters for case numbers. Returns the first one and how many there are;
    /// no counter is ever returned twice.
    async fn take_counters(&self) -> Result<(u64, u64), Error>;
}

/// Deliveries and events on their way out, and their outcomes.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Deliveries that may go to the bus now, oldest first: queued or due, and the first unsettled
    /// one of their case for their destination. Those that wait must be queued before. Those of
    /// the lanes in `except` are left out.
    async fn to_publish(
        &self,
        now: Timestamp,
        limit: u32,
        except: &[LaneName],
    ) -> Result<Vec<Outgoing>, Error>;

    /// Queues those of these deliveries and rounds whose wait is over, and returns them.
    async fn queue_due(
        &self,
        asked: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<Vec<(DeliveryId, u32)>, Error>;

    /// Marks queued deliveries as published. Those that were settled meanwhile stay as they are.
    async fn mark_published(
        &self,
        done: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// Returns those that still wait for an answer in this round, with what the lane needs
    /// to send them.
    async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Result<Vec<DueRow>, Error>;

    /// What is on record of these deliveries, however they stand. What is left out, the store has
    /// never heard of: another broker published it, or this store is an older copy.
    async fn on_record(&self, asked: Vec<DeliveryId>) -> Result<Vec<RecordedRow>, Error>;

    /// Records final outcomes and writes the receipts that origins want, in one transaction.
    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        judge: Arc<dyn Judge>,
    ) -> Result<(), Error>;

    /// Records tries that got no answer, so that people see them. Changes no state.
    async fn note_attempts(&self, attempts: Vec<Attempt>) -> Result<(), Error>;

    /// Queues again what the bus lost: see [`Repair`]. Returns how many.
    async fn repair(&self, repair: Repair) -> Result<u64, Error>;

    /// Every lane that was ever paused, answered or unanswered, with its condition. Counts nothing,
    /// so it may be called often.
    async fn lane_conditions(&self) -> Result<Vec<LaneCondition>, Error>;

    /// Case events that were not announced yet, oldest first.
    async fn to_announce(&self, limit: u32) -> Result<Vec<EventRow>, Error>;

    /// Marks events as announced.
    async fn mark_announced(&self, events: Vec<(Uuid, u32)>) -> Result<(), Error>;
}

/// Queries for people and metrics. Change nothing.
#[async_trait]
pub trait Queries: Send + Sync {
    /// A page of cases. Open ones (`open: Some(true)`): most urgent first, then longest waiting
    /// first. Any others: most recently opened first.
    async fn cases(&self, query: CaseQuery) -> Result<Vec<CaseRow>, Error>;

    /// One case by its number or id, with its events and deliveries. With `seen_by`, `None` unless
    /// that organisation has a part in it.
    async fn case(
        &self,
        key: CaseKey,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<CaseFile>, Error>;

    /// A canonical message by its id. With `seen_by`, `None` unless that organisation sent
    /// or receives it.
    async fn message(
        &self,
        id: Uuid,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<MessageRow>, Error>;

    /// Every lane that holds deliveries or has a setting, with its counts.
    async fn lanes(&self) -> Result<Vec<LaneRow>, Error>;

    /// Parked deliveries, oldest first.
    async fn parked(&self, query: ParkedQuery) -> Result<Vec<ParkedRow>, Error>;

    /// A page of the recorded acts, newest first.
    async fn acts(&self, query: ActQuery) -> Result<Vec<ActRow>, Error>;

    /// Refused arrivals, newest first; with raw bytes if one is asked for by its id.
    async fn refusals(&self, query: RefusalQuery) -> Result<Vec<RefusalRow>, Error>;

    /// A page of published slots, earliest first.
    async fn slots(&self, query: SlotQuery) -> Result<Vec<SlotRow>, Error>;

    /// Every token that is not revoked.
    async fn tokens(&self) -> Result<Vec<TokenRow>, Error>;

    /// Counts for metrics, one query each.
    async fn figures(&self, now: Timestamp) -> Result<Figures, Error>;
}

/// What people do to lanes, deliveries, tokens and the configuration.
#[async_trait]
pub trait Acts: Send + Sync {
    /// Does what a person asks for and records who, why and when, in one transaction. `receipt`
    /// makes the receipt for the origin of a dropped delivery.
    async fn act(&self, act: NewAct, receipt: Option<ReceiptOf>) -> Result<Acted, Error>;

    /// What these systems hold, which are to leave the configuration, and whether somebody has
    /// agreed to it since then. In the order in which they are asked for.
    async fn left_behind(
        &self,
        lanes: Vec<LaneName>,
        agreed_since: Timestamp,
    ) -> Result<Vec<LeftBehind>, Error>;
}

/// What processes need for themselves: deadlines, leases, readiness.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Escalates up to `limit` cases whose deadline is due. Returns how many.
    async fn escalate(
        &self,
        now: Timestamp,
        limit: u32,
        escalation_ids: Vec<Uuid>,
        judge: Arc<dyn Judge>,
    ) -> Result<u32, Error>;

    /// Sets right what a clock wrote that was ahead, in up to `limit` open cases after the place
    /// `after`; from the beginning without one.
    async fn set_right(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: u32,
        judge: Arc<dyn Judge>,
    ) -> Result<SetRight, Error>;

    /// What the store knows of the time, to compare a clock with.
    async fn time(&self) -> Result<StoredTime, Error>;

    /// Takes or renews the lease `name` for `holder`.
    ///
    /// `abandoned` is the end of another holder's lease that the asker has watched long enough to
    /// know that nobody renews it. That lease is taken although it has not run out by this clock,
    /// because its holder's clock may have been wrong.
    async fn hold_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        abandoned: Option<Timestamp>,
    ) -> Result<Hold, Error>;

    /// Releases the lease, so that another process need not wait for its end.
    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<(), Error>;

    /// Notes when tokens were used last, by their names.
    async fn note_token_uses(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error>;

    /// Whether the store answers and may be written, for readiness.
    async fn healthy(&self) -> Result<(), Error>;
}

/// A whole store: all five parts, and the care of its tables and connections.
#[async_trait]
pub trait Store: Arrivals + Outbox + Queries + Acts + Upkeep {
    /// Applies missing migrations and returns their names. Safe to repeat, and to run while
    /// other processes work.
    async fn migrate(&self) -> Result<Vec<String>, Error>;

    /// Versions of migrations that a newer release applied and this one does not know. This release
    /// works on with them.
    async fn newer_tables(&self) -> Result<Vec<i64>, Error>;

    /// The kind of store, as people read it: `sqlite` or `postgres`.
    fn name(&self) -> &'static str;

    /// Waits for connections in use and closes all.
    async fn close(&self);
}
