//! The store in five traits, one for each kind of caller. Each method is one transaction.
//!
//! A caller takes the trait that it needs (two at most), so that its signature says what it can do
//! to the database, and a test can stand in for it with a few methods. [`Store`] is all five, for
//! whoever opens a store and hands its parts out.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_schemas::{LaneName, OrganisationCode};
use uuid::Uuid;

use crate::acts::{ActQuery, ActRow, Acted, NewAct};
use crate::error::Error;
use crate::judge::{Judge, ReceiptOf};
use crate::records::{
    Attempt, CaseFile, CaseKey, CaseQuery, CaseRow, DeliveryId, DeliveryRow, EventRow, Figures,
    Hold, Judged, LaneCondition, LaneRow, LeftBehind, MessageRow, Outgoing, ParkedQuery, ParkedRow,
    RefusalQuery, RefusalRow, Repair, SetRight, Settlement, SlotQuery, SlotRow, StoredTime,
    TokenRow, Work,
};

/// Messages as they arrive, each judged in the transaction that writes it.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// Judges and writes a batch of arrivals together. The verdicts come in the same order.
    ///
    /// Either everything is on disk when it returns, or it returns an error and nothing is.
    async fn commit(&self, works: Arc<[Work]>, judge: Arc<dyn Judge>)
    -> Result<Vec<Judged>, Error>;

    /// A block of counters for case numbers: first and count. Never given twice.
    async fn take_counters(&self) -> Result<(u64, u64), Error>;
}

/// Deliveries and events on their way out: what must be sent, and what came of it.
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

    /// Marks queued deliveries as published. Those that settled meanwhile stay as they are.
    async fn mark_published(
        &self,
        done: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// Of these, which still wait for an answer in this round, with what the lane needs to know.
    async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Result<Vec<DeliveryRow>, Error>;

    /// The lanes that these deliveries belong to, however they stand. What is left out, the store
    /// has never heard of: it came from somebody else's road, or this store is an older copy.
    async fn lanes_of(&self, asked: Vec<DeliveryId>) -> Result<Vec<(DeliveryId, LaneName)>, Error>;

    /// Records outcomes and writes the receipts that origins want, in one transaction.
    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        judge: Arc<dyn Judge>,
    ) -> Result<(), Error>;

    /// Records tries that got no answer, so that people see them. Changes no state.
    async fn note_attempts(&self, attempts: Vec<Attempt>) -> Result<(), Error>;

    /// Queues again what the road lost: see [`Repair`]. Returns how many.
    async fn repair(&self, repair: Repair) -> Result<u64, Error>;

    /// The lanes that somebody paused or that have answered or failed to answer, with how each is.
    /// Counts nothing, so it may be asked often.
    async fn lane_conditions(&self) -> Result<Vec<LaneCondition>, Error>;

    /// Case events that were not announced yet, oldest first.
    async fn to_announce(&self, limit: u32) -> Result<Vec<EventRow>, Error>;

    /// Marks events as announced.
    async fn mark_announced(&self, events: Vec<(Uuid, u32)>) -> Result<(), Error>;
}

/// Reading, for people and metrics. Changes nothing.
#[async_trait]
pub trait Queries: Send + Sync {
    /// A page of cases. Open ones (`open: Some(true)`): most urgent first, then those that wait
    /// longest. Any others: those that were opened last come first.
    async fn cases(&self, query: CaseQuery) -> Result<Vec<CaseRow>, Error>;

    /// One case by its number or id, with its events and the custody of each message.
    /// With `seen_by`, only if that organisation has a part in it.
    async fn case(
        &self,
        key: CaseKey,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<CaseFile>, Error>;

    /// A canonical message by its id. With `seen_by`, only if that organisation sent or receives it.
    async fn message(
        &self,
        id: Uuid,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<MessageRow>, Error>;

    /// The lanes that have anything in them or a setting, for people and metrics.
    async fn lanes(&self) -> Result<Vec<LaneRow>, Error>;

    /// Parked deliveries, oldest first.
    async fn parked(&self, query: ParkedQuery) -> Result<Vec<ParkedRow>, Error>;

    /// A page of the acts that were recorded, newest first.
    async fn acts(&self, query: ActQuery) -> Result<Vec<ActRow>, Error>;

    /// Arrivals that were refused, newest first, with their raw bytes if asked for one.
    async fn refusals(&self, query: RefusalQuery) -> Result<Vec<RefusalRow>, Error>;

    /// A page of published slots, earliest first.
    async fn slots(&self, query: SlotQuery) -> Result<Vec<SlotRow>, Error>;

    /// Every token that is not revoked.
    async fn tokens(&self) -> Result<Vec<TokenRow>, Error>;

    /// Figures for metrics, in one query each.
    async fn figures(&self, now: Timestamp) -> Result<Figures, Error>;
}

/// What people do to lanes, deliveries, tokens and the configuration.
#[async_trait]
pub trait Acts: Send + Sync {
    /// Does what a person asks for and records who, why and when, in one transaction. `receipt`
    /// makes what the origin of a delivery hears of its drop.
    async fn act(&self, act: NewAct, receipt: Option<ReceiptOf>) -> Result<Acted, Error>;

    /// What these systems hold, which are to leave the configuration, and whether somebody has
    /// agreed to it since then. In the order in which they are asked for.
    async fn left_behind(
        &self,
        lanes: Vec<LaneName>,
        agreed_since: Timestamp,
    ) -> Result<Vec<LeftBehind>, Error>;
}

/// What processes do for themselves: deadlines, leases, readiness.
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
    /// `abandoned` is the end of somebody's lease that the asker has watched for long enough to
    /// know that nobody renews it. It is taken although it has not run out: the clock of its
    /// holder may have been wrong.
    async fn hold_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        abandoned: Option<Timestamp>,
    ) -> Result<Hold, Error>;

    /// Gives the lease up, so that another process need not wait for its end.
    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<(), Error>;

    /// Notes when tokens were used last, by their names.
    async fn note_token_uses(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error>;

    /// Whether the store answers and may be written, for readiness.
    async fn healthy(&self) -> Result<(), Error>;
}

/// A whole store: all five parts, and what concerns its tables and connections.
#[async_trait]
pub trait Store: Arrivals + Outbox + Queries + Acts + Upkeep {
    /// Brings the tables up to date. Safe to run while others run, and again.
    async fn migrate(&self) -> Result<Vec<String>, Error>;

    /// The versions of migrations that a newer release has applied and this one does not know. They
    /// are no obstacle.
    async fn newer_tables(&self) -> Result<Vec<i64>, Error>;

    /// Which kind of store it is, for people: `sqlite` or `postgres`.
    fn name(&self) -> &'static str;

    /// Closes connections after what is in hand.
    async fn close(&self);
}
