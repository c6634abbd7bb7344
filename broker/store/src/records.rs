//! Arguments and results of the store: plain records without rules.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_core::access::View;
use tierlink_core::case::{Booking, Case};
use tierlink_core::decide::SlotUse;
use tierlink_core::delivery;
use tierlink_core::find::Key;
use tierlink_core::{Change, case};
use tierlink_schemas::answer::Slot;
use tierlink_schemas::{
    CaseNumber, Deviation, Family, Kind, LaneName, Loss, Message, OrganisationCode, Priority,
    Problem, SystemName, Verdict, Version,
};
use uuid::Uuid;

pub use tierlink_schemas::delivery::{BodyHash, DeliveryId};

/// One arrival, decoded or refused by its decoder, for the store to judge and write.
#[derive(Clone, Debug)]
pub struct Work {
    /// Our id for the message, or for the stored refusal. A UUIDv7.
    pub id: Uuid,
    /// The organisation that sent it, as authenticated.
    pub organisation: OrganisationCode,
    /// The system of that organisation that sent it; `None` is its default system.
    pub system: Option<SystemName>,
    /// Name of the format, such as `hl7v2`.
    pub format: &'static str,
    /// The bytes as they arrived. Reference-counted, so passing them on copies nothing.
    pub raw: Bytes,
    /// SHA-256 over what identifies the content of a message. A repeat with a new transmission time
    /// has the same one.
    pub fingerprint: [u8; 32],
    /// When it arrived, by the clock of this process.
    pub received_at: Timestamp,
    /// The decoded message, or why it is refused.
    pub content: Content,
    /// Where the message broke its own standard and was read anyway.
    pub deviations: Vec<Deviation>,
    /// The version of the sender's code map that translated it; `None` if its profile has no map.
    pub code_map: Option<Version>,
    /// The id for a second message, used only if the decision writes one: the answer to a query, or
    /// the request restated for a new target.
    pub second_message_id: Uuid,
    /// The counter for a new case number, used only if the message opens a case.
    pub counter: u64,
}

/// Content of an arrival.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message for the judge.
    Message(Box<ToJudge>),
    /// Refused before anything was looked up. The raw bytes are stored for the operator.
    Refused {
        /// The verdict for the sender.
        verdict: Verdict,
        /// The sender's own id for the message; `None` if it could not be read.
        source_message_id: Option<String>,
    },
}

/// A message, with the keys that the store must look up for it.
#[derive(Clone, Debug)]
pub struct ToJudge {
    /// The message, as its codec read it.
    pub message: Message,
    /// Whether the format says which family (referral, transfer, consultation) the
    /// message is about.
    pub family_stated: bool,
    /// Keys by which its case may be found, the most reliable first.
    pub keys: Vec<Key>,
    /// Keys by which its parent case may be found, the most reliable first.
    pub parent_keys: Vec<Key>,
}

/// What was found for one arrival. The cases stay locked until the transaction ends.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// For each of its keys in order, the cases that the key names.
    pub cases: Vec<Vec<&'a Case>>,
    /// For each of its parent keys in order, the cases that the key names.
    pub parents: Vec<Vec<&'a Case>>,
    /// The message that last stated the case's request, for kinds that need it. The case is a first
    /// guess by the store: the only case that all keys name.
    pub request: Option<&'a Message>,
    /// Bookings of other cases that overlap in time with an appointment in the message.
    pub booked: Vec<Booking>,
    /// The published slot that the message's appointment names at its sender.
    pub slot: Option<SlotUse>,
}

/// Decision of the judge about one arrival.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// The case changes.
    Changed(Box<Change>),
    /// Nothing changes; this message answers the sender's query.
    Answered(Box<Message>),
    /// Published slots are stored or withdrawn, as the message says. Nobody is told.
    Noted,
    /// The message is refused. Its raw bytes are stored.
    Refused(Verdict),
}

/// Result for one arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict for the sender.
    pub verdict: Verdict,
    /// Number of deliveries that were created.
    pub deliveries: u32,
    /// Whether the same source message id came with other content, which raises an alarm.
    pub conflict: bool,
}

/// A delivery, with what a lane needs to send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The message and the destination that it is delivered to.
    pub id: DeliveryId,
    /// The system of the destination that receives it; `None` is its default system.
    pub system: Option<SystemName>,
    /// Id of its case; `None` for messages about no case, such as slots.
    pub case: Option<Uuid>,
    /// Number of its case, as people read it.
    pub case_number: Option<CaseNumber>,
    /// Its number within (case, destination), from 1. Deliveries are sent in this order.
    pub number: u32,
    /// Its state, as the core left it.
    pub state: delivery::State,
    /// How often it was queued anew. Copies with a lower round are void.
    pub round: u32,
    /// Tries so far, in all rounds.
    pub attempts: u32,
    /// When it was created, by the broker's clock.
    pub created_at: Timestamp,
    /// When the first unanswered try of this round was made; `None` if none was.
    pub silent_since: Option<Timestamp>,
    /// Kind of the message, such as `referral.submit`.
    pub kind: Kind,
    /// The organisation that sent the message.
    pub source: OrganisationCode,
    /// The system of the source that sent it; `None` is its default system.
    pub source_system: Option<SystemName>,
    /// The message's id at its source.
    pub source_message_id: String,
}

impl DeliveryRow {
    /// The lane that it is delivered on.
    #[must_use]
    pub fn lane(&self) -> LaneName {
        LaneName::new(self.id.to.clone(), self.system.clone())
    }

    /// The lane of the system that sent the message. Receipts go there.
    #[must_use]
    pub fn source_lane(&self) -> LaneName {
        LaneName::new(self.source.clone(), self.source_system.clone())
    }
}

/// A delivery that still waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// The delivery.
    pub row: DeliveryRow,
    /// The hash of its message as it is stored. Nothing else may be sent for it.
    pub body_hash: BodyHash,
}

/// What is on record of a delivery, however it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRow {
    /// The message and the destination that it is delivered to.
    pub id: DeliveryId,
    /// The lane that it is delivered on.
    pub lane: LaneName,
    /// How often it was queued anew; see [`DeliveryRow::round`].
    pub round: u32,
    /// The hash of its message as it is stored.
    pub body_hash: BodyHash,
}

/// A delivery that may go to the bus now.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message and the destination that it is delivered to.
    pub id: DeliveryId,
    /// The lane that it is delivered on.
    pub lane: LaneName,
    /// How often it was queued anew; see [`DeliveryRow::round`].
    pub round: u32,
    /// Its number within (case, destination), from 1.
    pub number: u32,
    /// Queued, or waiting although its wait is over.
    pub state: delivery::State,
    /// The canonical message, as JSON.
    pub body: Vec<u8>,
    /// When it was created, by the broker's clock. Metrics measure latency from here.
    pub created_at: Timestamp,
}

/// The final outcome of one round of a delivery, as its lane reports it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The message and the destination that it was delivered to.
    pub id: DeliveryId,
    /// The round that the outcome belongs to.
    pub round: u32,
    /// What the destination answered, or why there is no answer.
    pub outcome: delivery::Outcome,
    /// Tries in this round, the last one included.
    pub attempts: u32,
    /// When the first unanswered try of this round was made, as the lane knows it. The store may
    /// not have recorded that try.
    pub silent_since: Option<Timestamp>,
    /// What the outgoing format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code map that wrote it; `None` if its profile has no map.
    pub code_map: Option<Version>,
    /// When the outcome was known, by the clock of the process that reports it.
    pub at: Timestamp,
    /// The id for the receipt, used only if one is written.
    pub receipt_id: Uuid,
}

impl Settlement {
    /// The first unanswered try of this round: the earlier of what the lane and the row know.
    #[must_use]
    pub fn silent_since_with(&self, row: &DeliveryRow) -> Option<Timestamp> {
        row.silent_since.into_iter().chain(self.silent_since).min()
    }
}

/// Decision of the judge about a settlement.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The next state of the delivery; `None` if the outcome comes too late to change it.
    pub next: Option<delivery::State>,
    /// The receipt for the origin, if it wants one.
    pub receipt: Option<Box<Message>>,
}

/// A try that got no answer.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The message and the destination that it was sent to.
    pub id: DeliveryId,
    /// The lane that it was sent on.
    pub lane: LaneName,
    /// Tries in this round so far.
    pub attempts: u32,
    /// Why there was no answer, as code and text without values of the message.
    pub problem: Problem,
    /// Whether the whole lane is held, so that the time does not count against the delivery.
    pub held: bool,
    /// When the try ended, by the clock of the process that made it.
    pub at: Timestamp,
}

/// Which published deliveries to queue again, because the bus may have lost them.
#[derive(Clone, Debug)]
pub enum Repair {
    /// All of them: the in-process bus starts empty.
    BusIsEmpty,
    /// Those published before `before` on lanes that have since settled a later delivery, or have
    /// settled nothing since `before`.
    Stale {
        /// Published before this instant, by the broker's clock.
        before: Timestamp,
        /// Lanes to leave out: they are paused or unanswered, so their deliveries are
        /// expected to wait.
        waiting: Vec<LaneName>,
        /// Most deliveries to queue in one call.
        limit: u32,
    },
    /// All of this lane: its queue was found missing in RabbitMQ.
    Lane(LaneName),
    /// These rounds of these deliveries: what the bus handed out in their place is not what was
    /// published.
    Changed(Vec<(DeliveryId, u32)>),
}

/// An event of a case: what a message changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Id of the case.
    pub case: Uuid,
    /// The case's number, as people read it.
    pub case_number: CaseNumber,
    /// Number of the event within its case, from 1.
    pub number: u32,
    /// Id of the message that caused it.
    pub message: Uuid,
    /// Kind of that message.
    pub kind: Kind,
    /// The organisation that sent the message.
    pub by: OrganisationCode,
    /// Name of the state before; `None` for the event that opened the case.
    pub from_state: Option<String>,
    /// Name of the state after.
    pub to_state: String,
    /// When the broker decided it, by its own clock.
    pub at: Timestamp,
    /// Reason code from the message, if it gives one.
    pub reason: Option<String>,
    /// A remark of the broker, such as that a review was skipped.
    pub note: Option<String>,
    /// Where the message broke its own standard and was read anyway.
    pub deviations: Vec<Deviation>,
    /// The version of the sender's code map that translated the message; `None` if it has no map.
    pub code_map: Option<Version>,
}

/// Filter and page for a list of cases.
#[derive(Clone, Debug, Default)]
pub struct CaseQuery {
    /// Only cases in which this organisation has a part.
    pub seen_by: Option<OrganisationCode>,
    /// Only cases of this family.
    pub family: Option<Family>,
    /// Only cases in the state of this name.
    pub state: Option<String>,
    /// Only cases that this organisation must act on, as target or reviewer.
    pub with: Option<OrganisationCode>,
    /// `true`: only cases that are open for the asker. `false`: only those that have ended or have
    /// left the asker.
    pub open: Option<bool>,
    /// Only cases whose deadline passed before this instant.
    pub overdue_at: Option<Timestamp>,
    /// For paging: `changed_at` and `id` of the last case on the previous page.
    pub after: Option<(Timestamp, Uuid)>,
    /// Number of cases on the page.
    pub limit: u32,
}

/// A case in a list. Holds no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// Id of the case, a UUIDv7.
    pub id: Uuid,
    /// Its number, as people read it.
    pub number: CaseNumber,
    /// Family of the case: referral, transfer or consultation.
    pub family: Family,
    /// Name of its state.
    pub state: String,
    /// The organisation that opened it.
    pub origin: OrganisationCode,
    /// The organisation that it is for now: it accepts, schedules and answers.
    pub target: OrganisationCode,
    /// The organisation that must review it now; `None` while no review is due.
    pub reviewer: Option<OrganisationCode>,
    /// Priority from the request.
    pub priority: Priority,
    /// When it was opened, by the broker's clock.
    pub opened_at: Timestamp,
    /// When its last event was recorded, by the broker's clock.
    pub changed_at: Timestamp,
    /// The earliest deadline by which somebody must act; `None` if none runs.
    pub due_at: Option<Timestamp>,
    /// Number of events so far.
    pub events: u32,
}

/// What came of setting right a page of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetRight {
    /// How many cases were corrected.
    pub corrected: u32,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<(Timestamp, Uuid)>,
}

/// What a system holds that is to leave the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// Its lane; that of the default system stands for the whole organisation.
    pub lane: LaneName,
    /// Open cases in which the organisation has a part. None for a further system.
    pub open_cases: u64,
    /// Messages that it has not received yet, parked ones included.
    pub deliveries: u64,
    /// Whether somebody has agreed to its removal.
    pub agreed: bool,
}

/// What the store knows of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredTime {
    /// The time of the database server, if it has a clock of its own.
    pub server: Option<Timestamp>,
    /// When the newest message came in or was written, by the broker's clock of then.
    pub newest: Option<Timestamp>,
    /// How often a person has vouched for the clock.
    pub vouched: u64,
}

/// A case with its history, as far as the asker may see it.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The case. All of it may be shown only with [`View::Whole`].
    pub case: case::Case,
    /// How much of it the asker may see. `events` and `custody` are limited to that already.
    pub view: View,
    /// How urgent it is for the asker.
    pub priority: Priority,
    /// Its events, oldest first.
    pub events: Vec<EventRow>,
    /// The deliveries of its messages, oldest first: where each message is on its way.
    pub custody: Vec<CustodyRow>,
    /// Number of the case that this one follows from, if the asker has a part in that case.
    pub parent: Option<CaseNumber>,
    /// Numbers of the cases that follow from this one and in which the asker has a part.
    pub children: Vec<CaseNumber>,
}

/// Where one message is on its way to one organisation, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyRow {
    /// The delivery and its state.
    pub delivery: DeliveryRow,
    /// When it was handed to the bus; `None` before.
    pub published_at: Option<Timestamp>,
    /// When its final outcome was recorded; `None` before.
    pub settled_at: Option<Timestamp>,
    /// The destination's own number for it, from its answer.
    pub destination_number: Option<String>,
    /// Why it is parked, or what the last try reported.
    pub problems: Vec<Problem>,
    /// What the outgoing format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code map that wrote it; `None` if its profile has no map.
    pub code_map: Option<Version>,
}

/// A message with its original bytes.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// The canonical message.
    pub message: Message,
    /// The bytes as they arrived; empty for messages that the broker wrote.
    pub raw: Vec<u8>,
    /// Name of the format of `raw`, such as `hl7v2`.
    pub format: String,
    /// Where the message broke its own standard and was read anyway.
    pub deviations: Vec<Deviation>,
    /// The version of the sender's code map that translated it; `None` if it has no map.
    pub code_map: Option<Version>,
}

/// Whether a lane is paused or unanswered. What the delivering side asks for often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCondition {
    /// The lane that the row is about.
    pub lane: LaneName,
    /// Whether a person paused it.
    pub paused: bool,
    /// When the last try got no answer; `None` if the last try was answered.
    pub unanswered_at: Option<Timestamp>,
}

/// A lane with its counts, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRow {
    /// The lane that the row is about.
    pub lane: LaneName,
    /// Number of unsettled deliveries, without parked ones.
    pub waiting: u64,
    /// Number of parked deliveries.
    pub parked: u64,
    /// When the oldest unsettled delivery was created; `None` if there is none.
    pub oldest_at: Option<Timestamp>,
    /// Whether a person paused it.
    pub paused: bool,
    /// When the last final outcome was recorded; `None` if there never was one.
    pub last_settled_at: Option<Timestamp>,
    /// When the last try got no answer, and why; `None` if the destination has answered since.
    pub trouble: Option<(Timestamp, Problem)>,
}

impl LaneRow {
    /// A lane without deliveries.
    #[must_use]
    pub fn empty(lane: LaneName) -> Self {
        Self {
            lane,
            waiting: 0,
            parked: 0,
            oldest_at: None,
            paused: false,
            last_settled_at: None,
            trouble: None,
        }
    }
}

/// A delivery that needs a person.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// The delivery and its state.
    pub delivery: DeliveryRow,
    /// When it was parked, by the broker's clock.
    pub since: Timestamp,
    /// Why it was parked.
    pub problems: Vec<Problem>,
    /// Number of deliveries of the same case that wait behind it.
    pub behind: u64,
}

/// Which parked deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct ParkedQuery {
    /// Only this one.
    pub id: Option<DeliveryId>,
    /// Only those of this lane.
    pub lane: Option<LaneName>,
    /// Only those that come behind this one in the list: since when it is parked, and which it is.
    pub after: Option<(Timestamp, DeliveryId)>,
    /// At most so many.
    pub limit: u32,
}

/// Which refusals to list.
#[derive(Clone, Debug, Default)]
pub struct RefusalQuery {
    /// Only this one, with its raw bytes.
    pub id: Option<Uuid>,
    /// Only arrivals from this organisation.
    pub organisation: Option<OrganisationCode>,
    /// Most rows to return.
    pub limit: u32,
}

/// An arrival that was refused.
#[derive(Clone, Debug)]
pub struct RefusalRow {
    /// Our id for the refusal, which the sender was told.
    pub id: Uuid,
    /// The organisation that sent it.
    pub organisation: OrganisationCode,
    /// Which system of it; `None` is its default system, or nobody could tell.
    pub system: Option<SystemName>,
    /// In which format.
    pub format: String,
    /// When it arrived, by the broker's clock.
    pub received_at: Timestamp,
    /// The sender's own id for it; `None` if it could not be read.
    pub source_message_id: Option<String>,
    /// Why it was refused, as the sender was told.
    pub problems: Vec<Problem>,
    /// The version of the sender's code map that read it, if it came so far.
    pub code_map: Option<Version>,
    /// The bytes as they came; empty unless one was asked for by id.
    pub raw: Vec<u8>,
}

/// Which published slots to list.
#[derive(Clone, Debug)]
pub struct SlotQuery {
    /// Only this organisation's.
    pub organisation: Option<OrganisationCode>,
    /// Only those that begin then or later.
    pub from: Timestamp,
    /// Only those that come behind this one in the list: its beginning, who offers it, its number.
    pub after: Option<(Timestamp, OrganisationCode, String)>,
    /// At most so many.
    pub limit: u32,
}

/// A published slot.
#[derive(Clone, Debug)]
pub struct SlotRow {
    /// The organisation that published it.
    pub organisation: OrganisationCode,
    /// The slot, as it was last published.
    pub slot: Slot,
    /// Number of cases that use it.
    pub used: u16,
}

/// An API token. The token itself is not stored, only its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The name that operators use for it.
    pub name: String,
    /// The organisation that may use it; `None` for an operator's token.
    pub organisation: Option<OrganisationCode>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it was created, by the broker's clock.
    pub created_at: Timestamp,
    /// When it stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Send messages. For organisations.
    Messages,
    /// Read cases, their messages and slots.
    CasesRead,
    /// Look at lanes and parked deliveries, and act on them. For operators.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Messages, Self::CasesRead, Self::Operate];

    /// What people and the database call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CasesRead => "cases:read",
            Self::Operate => "operate",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Everything that an organisation's token can be used for, or an operator's.
    #[must_use]
    pub fn all_of(organisation: Option<&OrganisationCode>) -> BTreeSet<Self> {
        match organisation {
            Some(_) => BTreeSet::from([Self::Messages, Self::CasesRead]),
            None => BTreeSet::from([Self::CasesRead, Self::Operate]),
        }
    }
}

/// Counts for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Open cases whose deadline has passed.
    pub overdue: u64,
    /// Cases that are open now.
    pub open: u64,
    /// Queued deliveries that are not on the bus yet.
    pub unpublished: u64,
}

/// Result of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The asker holds it now.
    Ours,
    /// Another process holds it.
    Theirs {
        /// When it ends, by the clock of its holder.
        until: Timestamp,
    },
}

/// Names one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseKey {
    /// By its id, a UUIDv7.
    Id(Uuid),
    /// By its number, as people read it.
    Number(CaseNumber),
}
