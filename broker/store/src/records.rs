//! What goes into and comes out of a store: plain records, no rules.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_core::access::View;
use tierlink_core::case::{Booking, Case};
use tierlink_core::decide::SlotUse;
use tierlink_core::delivery;
use tierlink_core::find::Key;
use tierlink_core::{Change, case};
use tierlink_schemas::answer::{Receipt, Slot};
use tierlink_schemas::{
    CaseNumber, Deviation, Family, Kind, LaneName, Loss, Message, OrganisationCode, Priority,
    Problem, SystemName, Verdict, Version,
};
use uuid::Uuid;

pub use tierlink_schemas::delivery::DeliveryId;

/// One arrival, decoded or refused by its decoder, on its way into the store.
#[derive(Clone, Debug)]
pub struct Work {
    /// Our id for the message, and of the raw bytes if it is refused.
    pub id: Uuid,
    /// The authenticated sender.
    pub organisation: OrganisationCode,
    /// Which system of it said so; `None` is its default system.
    pub system: Option<SystemName>,
    /// The format, such as `hl7v2`.
    pub format: &'static str,
    /// The bytes as they came. Shared with whoever answers, so handing them on copies nothing.
    pub raw: Bytes,
    /// SHA-256 of what makes the message the same message when it is sent again.
    pub fingerprint: [u8; 32],
    /// When it came.
    pub received_at: Timestamp,
    /// What was read, or why it is refused.
    pub content: Content,
    /// What was read tolerantly.
    pub deviations: Vec<Deviation>,
    /// The version of the sender's code map that read it, if its profile has one.
    pub code_map: Option<Version>,
    /// The id of a second message, if the decision writes one: the answer to a query, or the request
    /// restated for somebody new.
    pub second_message_id: Uuid,
    /// A counter for the number of a new case.
    pub counter: u64,
}

/// What an arrival holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message to be judged.
    Message(Box<ToJudge>),
    /// It was refused before anything was looked up. The raw bytes are kept for the operator.
    Refused {
        /// The refusal.
        verdict: Verdict,
        /// The sender's own id, where it could be read.
        source_message_id: Option<String>,
    },
}

/// A message with everything the store must look up for it.
#[derive(Clone, Debug)]
pub struct ToJudge {
    /// The message.
    pub message: Message,
    /// Whether the format said what family of case it speaks of.
    pub family_stated: bool,
    /// How its case may be found, in order of trust.
    pub keys: Vec<Key>,
    /// How its parent case may be found.
    pub parent_keys: Vec<Key>,
}

/// What was found for one arrival. Cases are locked until the transaction ends.
#[derive(Debug, Default)]
pub struct Found<'a> {
    /// For each key in order, the cases that it names.
    pub cases: Vec<Vec<&'a Case>>,
    /// For each parent key in order, the cases that it names.
    pub parents: Vec<Vec<&'a Case>>,
    /// The message that last stated the request of the case that a store-side first guess found
    /// (the single case over all keys), for kinds that need it.
    pub request: Option<&'a Message>,
    /// Every booking of other cases that overlaps in time with an appointment in the message.
    pub booked: Vec<Booking>,
    /// The slot that the message's appointment names at its sender, if it was published.
    pub slot: Option<SlotUse>,
}

/// What the judge says about one arrival.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// The case changes.
    Changed(Box<Change>),
    /// Nothing changes; this answer goes to the sender's lane.
    Answered(Box<Message>),
    /// Slots are remembered or taken back, as the message says. Nobody is told.
    Noted,
    /// It is refused; the raw bytes are kept.
    Refused(Verdict),
}

/// The verdict on one arrival, and who may be woken by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the sender hears.
    pub verdict: Verdict,
    /// How many deliveries it created.
    pub deliveries: u32,
    /// Whether the same id came with other content: raises an alarm.
    pub conflict: bool,
}

/// A delivery as the lane needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Which.
    pub id: DeliveryId,
    /// Which system of the destination receives it; `None` is its default system.
    pub system: Option<SystemName>,
    /// Its case, where it has one.
    pub case: Option<Uuid>,
    /// The number of the case, for people.
    pub case_number: Option<CaseNumber>,
    /// Its number within (case, destination), from 1.
    pub number: u32,
    /// Where it stands.
    pub state: delivery::State,
    /// How often it was queued anew. A copy with an older round is void.
    pub round: u32,
    /// Tries so far, in all rounds.
    pub attempts: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first try without an answer was, in this round.
    pub silent_since: Option<Timestamp>,
    /// What the message says.
    pub kind: Kind,
    /// Who said it.
    pub source: OrganisationCode,
    /// Which system of the source said it; `None` is its default system.
    pub source_system: Option<SystemName>,
    /// The id it has at its source.
    pub source_message_id: String,
}

impl DeliveryRow {
    /// The lane that it belongs to.
    #[must_use]
    pub fn lane(&self) -> LaneName {
        LaneName::new(self.id.to.clone(), self.system.clone())
    }

    /// The lane of the system that said it.
    #[must_use]
    pub fn source_lane(&self) -> LaneName {
        LaneName::new(self.source.clone(), self.source_system.clone())
    }
}

/// A delivery on its way to the bus.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Which.
    pub id: DeliveryId,
    /// The lane that it belongs to.
    pub lane: LaneName,
    /// Its round.
    pub round: u32,
    /// Its number within (case, destination).
    pub number: u32,
    /// Queued, or waiting although its wait is over.
    pub state: delivery::State,
    /// The canonical bytes.
    pub body: Vec<u8>,
    /// When it was created, for latency.
    pub created_at: Timestamp,
}

/// How the last try of a lane at a delivery ended.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which delivery.
    pub id: DeliveryId,
    /// In which round.
    pub round: u32,
    /// What came of it.
    pub outcome: delivery::Outcome,
    /// Tries in this round, the last one included.
    pub attempts: u32,
    /// The first try of this round without an answer, as the lane knows it. A note of it may not have
    /// reached the store.
    pub silent_since: Option<Timestamp>,
    /// What the format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code map that wrote it, if its profile has one.
    pub code_map: Option<Version>,
    /// When the outcome was known, by the clock of the process that tells it.
    pub at: Timestamp,
    /// The id of the receipt, if one is written.
    pub receipt_id: Uuid,
}

impl Settlement {
    /// The first try of this round without an answer, of what the lane and the row know.
    #[must_use]
    pub fn silent_since_with(&self, row: &DeliveryRow) -> Option<Timestamp> {
        row.silent_since.into_iter().chain(self.silent_since).min()
    }
}

/// What a settlement means.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The next state of the delivery; `None` when the outcome comes too late to matter.
    pub next: Option<delivery::State>,
    /// The receipt for the origin, ready to be delivered.
    pub receipt: Option<Box<Message>>,
}

/// A try that got no answer.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which delivery.
    pub id: DeliveryId,
    /// The lane that it belongs to.
    pub lane: LaneName,
    /// Tries in this round so far.
    pub attempts: u32,
    /// Why there was no answer, as code and text without values.
    pub problem: Problem,
    /// When.
    pub at: Timestamp,
}

/// What the road may have lost.
#[derive(Clone, Debug)]
pub enum Repair {
    /// The road forgets when the process ends: everything published is queued again.
    RoadIsNew,
    /// Published before this instant on lanes where later ones were answered, or where nothing
    /// moved since and nobody is known to be silent.
    Stale {
        /// Published before.
        before: Timestamp,
        /// Lanes that are known to wait (silent or paused), and so prove nothing.
        waiting: Vec<LaneName>,
        /// At most so many at once.
        limit: u32,
    },
    /// The lane was found missing on the road: everything published to it is queued again.
    Lane(LaneName),
}

/// An event of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The case.
    pub case: Uuid,
    /// Its number.
    pub case_number: CaseNumber,
    /// The number of the event.
    pub number: u32,
    /// The message.
    pub message: Uuid,
    /// What it said.
    pub kind: Kind,
    /// Who said it.
    pub by: OrganisationCode,
    /// The state before.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: String,
    /// When.
    pub at: Timestamp,
    /// Coded reason.
    pub reason: Option<String>,
    /// What happened beside it.
    pub note: Option<String>,
    /// What was read tolerantly in the message.
    pub deviations: Vec<Deviation>,
    /// The version of the code map that read the message.
    pub code_map: Option<Version>,
}

/// Which cases to list.
#[derive(Clone, Debug, Default)]
pub struct CaseQuery {
    /// Only cases in which this organisation has a part.
    pub seen_by: Option<OrganisationCode>,
    /// Only this family.
    pub family: Option<Family>,
    /// Only this state.
    pub state: Option<String>,
    /// Only cases that this organisation must act on as target or reviewer.
    pub with: Option<OrganisationCode>,
    /// Only cases that are open for the asker (`true`), or only those that have ended or have left
    /// it (`false`).
    pub open: Option<bool>,
    /// Only cases whose deadline passed before.
    pub overdue_at: Option<Timestamp>,
    /// After this one, for paging: (changed_at, id) of the last row of the page before.
    pub after: Option<(Timestamp, Uuid)>,
    /// Page size.
    pub limit: u32,
}

/// A case in a list: no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// Its id.
    pub id: Uuid,
    /// Its number.
    pub number: CaseNumber,
    /// What sort of case.
    pub family: Family,
    /// Where it stands.
    pub state: String,
    /// Who asked.
    pub origin: OrganisationCode,
    /// Who has it.
    pub target: OrganisationCode,
    /// Who reviews it now.
    pub reviewer: Option<OrganisationCode>,
    /// How urgent.
    pub priority: Priority,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Until when somebody must act.
    pub due_at: Option<Timestamp>,
    /// How many events it has.
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
    /// The case. Only with [`View::Whole`] may all of it be shown.
    pub case: case::Case,
    /// How much of it the asker may see. Events and deliveries are cut already.
    pub view: View,
    /// How urgent it is for the asker.
    pub priority: Priority,
    /// Its events, oldest first.
    pub events: Vec<EventRow>,
    /// Every delivery of its messages, oldest first: the custody of each hop.
    pub custody: Vec<CustodyRow>,
    /// The number of the case that this one follows from, if the asker has a part in it.
    pub parent: Option<CaseNumber>,
    /// Numbers of the cases that follow from this one and in which the asker has a part.
    pub children: Vec<CaseNumber>,
}

/// How one message fared on its way to one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyRow {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// When it was handed to the bus.
    pub published_at: Option<Timestamp>,
    /// When it was answered for good.
    pub settled_at: Option<Timestamp>,
    /// The destination's own number for it.
    pub destination_number: Option<String>,
    /// Why it is parked or what the last try said.
    pub problems: Vec<Problem>,
    /// What the format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the code map that wrote the message for its destination.
    pub code_map: Option<Version>,
}

/// A message as it is remembered.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// The message as it goes out.
    pub message: Message,
    /// The bytes as they came; empty for messages that the broker wrote.
    pub raw: Vec<u8>,
    /// The format of the raw bytes.
    pub format: String,
    /// What was read tolerantly.
    pub deviations: Vec<Deviation>,
    /// The version of the code map that read it.
    pub code_map: Option<Version>,
}

/// How a lane is, for those who deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCondition {
    /// Which lane.
    pub lane: LaneName,
    /// Whether a person paused it.
    pub paused: bool,
    /// When the last try got no answer; `None` if the last try was answered.
    pub unanswered_at: Option<Timestamp>,
}

/// A lane, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRow {
    /// Which lane.
    pub lane: LaneName,
    /// Deliveries not yet answered for good, parked ones not counted.
    pub waiting: u64,
    /// Parked deliveries.
    pub parked: u64,
    /// When the oldest unanswered one was created.
    pub oldest_at: Option<Timestamp>,
    /// Whether a person paused it.
    pub paused: bool,
    /// The last answer for good.
    pub last_settled_at: Option<Timestamp>,
    /// The last try without an answer, and what it said, if it came after the last answer.
    pub trouble: Option<(Timestamp, Problem)>,
}

impl LaneRow {
    /// A lane with nothing in it.
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
    /// The delivery.
    pub delivery: DeliveryRow,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub problems: Vec<Problem>,
    /// How many deliveries of the same case wait behind it.
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
    /// Only this sender's.
    pub organisation: Option<OrganisationCode>,
    /// At most so many.
    pub limit: u32,
}

/// An arrival that was refused.
#[derive(Clone, Debug)]
pub struct RefusalRow {
    /// Its id.
    pub id: Uuid,
    /// Who sent it.
    pub organisation: OrganisationCode,
    /// Which system of it; `None` is its default system, or nobody could tell.
    pub system: Option<SystemName>,
    /// In which format.
    pub format: String,
    /// When.
    pub received_at: Timestamp,
    /// The sender's own id, where it could be read.
    pub source_message_id: Option<String>,
    /// Why.
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
    /// Who offers it.
    pub organisation: OrganisationCode,
    /// The offer.
    pub slot: Slot,
    /// How many cases use it.
    pub used: u16,
}

/// An API token: only its hash is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// A name that people use for it.
    pub name: String,
    /// Whose it is; `None` for an operator.
    pub organisation: Option<OrganisationCode>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
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

/// Figures for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Open cases whose deadline has passed.
    pub overdue: u64,
    /// Open cases.
    pub open: u64,
    /// Deliveries that no bus has yet.
    pub unpublished: u64,
}

/// The receipt body that a settled delivery gives, kept here for adapters beside a hospital.
pub type RemoteReceipt = Receipt;

/// What came of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The asker has it now.
    Ours,
    /// Somebody else has it.
    Theirs {
        /// When it ends, by the clock of whoever has it.
        until: Timestamp,
    },
}

/// Which case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseKey {
    /// By our id.
    Id(Uuid),
    /// By our number.
    Number(CaseNumber),
}
