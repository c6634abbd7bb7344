//! Where the truth lives: SQLite (embedded) and PostgreSQL (production) behind one small trait.
//!
//! SQL finds, the core decides: each method is exactly one transaction, and what to write is said
//! by a judge that the caller passes in. Messages that arrive together share a transaction
//! (group commit), and each gets its own verdict.
//!
//! Architecture Invariant: no state is decided in SQL. Every transaction runs in a task of its own
//! that nobody drops: a cancelled `begin` would leave a pooled connection inside a transaction.
//!
//! Read in this order: [`records`] (what goes in and comes out), `transactions.rs` (a method is a
//! transaction), `session.rs` (where the two databases differ, and nowhere else), `commit.rs` and
//! `batch.rs` (group commit), `outbox.rs` and `settle.rs` (deliveries), `desk.rs` (what people do).
//!
//! `tests/stores/` is the conformance suite: every promise, on both databases.

mod acts;
mod batch;
mod cases;
mod commit;
mod connections;
mod desk;
mod draft;
mod error;
mod escalate;
mod fields;
mod lanes;
mod migrations;
mod open;
mod operations;
mod outbox;
mod parked;
mod postgres;
pub mod records;
mod rows;
mod session;
mod settle;
mod sqlite;
mod storable;
mod transactions;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_schemas::{CaseNumber, OrganisationCode};
use uuid::Uuid;

pub use acts::{Act, ActName, ActQuery, ActRow, Acted, ConfigFingerprint, NewAct, Through};
pub use batch::CONFLICT;
pub use cases::PAGE_MAX;
pub use commit::REFUSALS_KEPT_MAX;
pub use error::Error;
pub use open::{Postgres, Sqlite, open, open_to_migrate};
pub use operations::{COUNTERS_TOGETHER, TOKENS_MAX};
pub use records::*;
pub use storable::NOT_STORABLE;

/// Decides inside a transaction. Pure and quick: rows stay locked meanwhile.
pub trait Judge: Send + Sync {
    /// What `work` means, given what was found for it.
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement;

    /// What a deadline that is due means for `case`.
    fn overdue(
        &self,
        case: &Case,
        now: Timestamp,
        spare: Uuid,
    ) -> Option<Box<tierlink_core::Change>>;

    /// What an outcome means for a delivery, and the receipt that its origin wants to hear.
    fn settle(&self, delivery: &DeliveryRow, settlement: &Settlement) -> Settled;
}

/// The receipt that the origin of a delivery wants to hear. Pure, as the judge is.
pub type ReceiptOf =
    Arc<dyn Fn(&DeliveryRow) -> Option<Box<tierlink_schemas::Message>> + Send + Sync>;

/// The memory of the broker. Each method is one transaction.
#[async_trait]
pub trait Store: Send + Sync {
    /// Judges and writes a batch of arrivals together. The verdicts come in the same order.
    ///
    /// Either everything is on disk when it returns, or it returns an error and nothing is.
    async fn commit(&self, works: Arc<[Work]>, judge: Arc<dyn Judge>)
    -> Result<Vec<Judged>, Error>;

    /// Escalates up to `limit` cases whose deadline is due. Returns how many.
    async fn escalate(
        &self,
        now: Timestamp,
        limit: u32,
        spares: Vec<Uuid>,
        judge: Arc<dyn Judge>,
    ) -> Result<u32, Error>;

    /// Deliveries that may go to the bus now, oldest first: queued or due, and the first unsettled
    /// one of their case for their destination. Those that wait must be queued before.
    async fn to_publish(&self, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, Error>;

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

    /// Which of these the store has never heard of: they came from somebody else's road, or this
    /// store is an older copy.
    async fn unknown(&self, asked: Vec<DeliveryId>) -> Result<Vec<DeliveryId>, Error>;

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

    /// Case events that were not announced yet, oldest first.
    async fn to_announce(&self, limit: u32) -> Result<Vec<EventRow>, Error>;

    /// Marks events as announced.
    async fn mark_announced(&self, events: Vec<(Uuid, u32)>) -> Result<(), Error>;

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

    /// A block of counters for case numbers: first and count. Never given twice.
    async fn take_counters(&self) -> Result<(u64, u64), Error>;

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
    async fn parked(
        &self,
        lane: Option<OrganisationCode>,
        limit: u32,
    ) -> Result<Vec<ParkedRow>, Error>;

    /// Does what a person asks for and records who, why and when, in one transaction. `receipt`
    /// makes what the origin of a delivery hears of its drop.
    async fn act(&self, act: NewAct, receipt: Option<ReceiptOf>) -> Result<Acted, Error>;

    /// A page of the acts that were recorded, newest first.
    async fn acts(&self, query: ActQuery) -> Result<Vec<ActRow>, Error>;

    /// Arrivals that were refused, newest first, with their raw bytes if asked for one.
    async fn refusals(&self, query: RefusalQuery) -> Result<Vec<RefusalRow>, Error>;

    /// Published slots, for the API.
    async fn slots(
        &self,
        organisation: Option<OrganisationCode>,
        from: Timestamp,
        limit: u32,
    ) -> Result<Vec<SlotRow>, Error>;

    /// Every token that is not revoked.
    async fn tokens(&self) -> Result<Vec<TokenRow>, Error>;

    /// Whether the store answers and may be written, for readiness.
    async fn healthy(&self) -> Result<(), Error>;

    /// Figures for metrics, in one query each.
    async fn figures(&self, now: Timestamp) -> Result<Figures, Error>;

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

/// Which case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseKey {
    /// By our id.
    Id(Uuid),
    /// By our number.
    Number(CaseNumber),
}
