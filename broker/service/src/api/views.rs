//! What callers of the API see of a case: numbers, states, events and custody.
//!
//! Each answer is a type, and its JSON Schema in `/openapi.json` is made from that type. A field
//! that says nothing is null and never left out.
//!
//! The people and the illness of a case stand in the messages; who has a part in the case gets
//! them through `GET /api/v1/messages/{id}` for each message that it sent or received.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tierlink_core::Case;
use tierlink_core::access::View;
use tierlink_core::delivery::{State, Why};
use tierlink_edge::lane::{parcel_id, read_parcel_id};
use tierlink_schemas::answer::{ExpertRef, Reason, Slot};
use tierlink_schemas::message::BusinessNumber;
use tierlink_schemas::{
    CaseNumber, Deviation, Family, Kind, LaneName, Loss, OrganisationCode, Priority, Problem,
    SystemName, Version,
};
use tierlink_store::{
    ActRow, CaseFile, CaseRow, CustodyRow, DeliveryId, EventRow, LaneRow, ParkedRow, SlotRow,
};
use uuid::Uuid;

/// A page of cases.
#[derive(Serialize, JsonSchema)]
pub struct CasePage<'a> {
    /// The cases, latest change first.
    pub cases: Vec<CaseInList<'a>>,
    /// `after` of the next page; null on the last one.
    pub next: Option<String>,
}

/// A case in a list.
#[derive(Serialize, JsonSchema)]
pub struct CaseInList<'a> {
    id: Uuid,
    /// The number that a person can read out.
    number: &'a CaseNumber,
    family: Family,
    state: &'a str,
    /// Who asked.
    origin: &'a OrganisationCode,
    /// Who has the case now.
    target: &'a OrganisationCode,
    /// Who must let it pass before the target sees it.
    reviewer: Option<&'a OrganisationCode>,
    priority: Priority,
    opened_at: Timestamp,
    changed_at: Timestamp,
    /// Until when somebody must act.
    due_at: Option<Timestamp>,
    /// How many events it has.
    events: u32,
}

/// Shows a case in a list.
#[must_use]
pub fn row(row: &CaseRow) -> CaseInList<'_> {
    CaseInList {
        id: row.id,
        number: &row.number,
        family: row.family,
        state: &row.state,
        origin: &row.origin,
        target: &row.target,
        reviewer: row.reviewer.as_ref(),
        priority: row.priority,
        opened_at: row.opened_at,
        changed_at: row.changed_at,
        due_at: row.due_at,
        events: row.events,
    }
}

/// A case as the caller may see it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum CaseShown<'a> {
    /// The caller has a part in it.
    Whole(Box<WholeCase<'a>>),
    /// The case has left the caller.
    Past(Box<PastCase<'a>>),
}

/// A case with its history.
#[derive(Serialize, JsonSchema)]
pub struct WholeCase<'a> {
    id: Uuid,
    number: &'a CaseNumber,
    family: Family,
    state: &'a str,
    /// Who asked.
    origin: &'a OrganisationCode,
    /// Who has the case now.
    target: &'a OrganisationCode,
    /// Reviewers still to pass, in order.
    reviews: &'a [OrganisationCode],
    /// Who else hears of every event.
    watchers: &'a [OrganisationCode],
    /// Targets before this one.
    past_targets: Vec<PastTarget<'a>>,
    priority: Priority,
    /// What each organisation calls the case.
    numbers: &'a [BusinessNumber],
    /// The case that this one follows from, if the caller has a part in it too.
    parent: Option<&'a CaseNumber>,
    /// The cases that follow from this one and in which the caller has a part too.
    children: &'a [CaseNumber],
    /// Experts who are asked, for a consultation.
    experts: Vec<AskedExpert<'a>>,
    appointment: Option<Appointment<'a>>,
    /// What is waited for, and until when.
    deadlines: Vec<Deadline>,
    opened_at: Timestamp,
    changed_at: Timestamp,
    events: Vec<Event<'a>>,
    custody: Vec<Hop<'a>>,
}

/// A target that the case had before.
#[derive(Serialize, JsonSchema)]
pub struct PastTarget<'a> {
    organisation: &'a OrganisationCode,
    /// When the case left it.
    until: Timestamp,
    /// Why the case moved on.
    reason: Option<&'a Reason>,
}

/// An expert and the expert's answer.
#[derive(Serialize, JsonSchema)]
pub struct AskedExpert<'a> {
    expert: &'a ExpertRef,
    /// Null while there is no answer.
    accepted: Option<bool>,
    /// The organisation whose review must let the case go to this expert first.
    held_by: Option<&'a OrganisationCode>,
}

/// The appointment that stands, without the link to the session, which only messages carry.
#[derive(Serialize, JsonSchema)]
pub struct Appointment<'a> {
    /// Its number at whoever gave it.
    number: Option<&'a str>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    place: Option<&'a str>,
    room: Option<&'a str>,
}

/// One thing that is waited for.
#[derive(Serialize, JsonSchema)]
pub struct Deadline {
    /// What, such as `accept`.
    name: &'static str,
    /// From when its time counts.
    since: Timestamp,
    /// Until when; after an escalation, when it is reported again.
    due: Timestamp,
    /// How often it was reported.
    escalations: u32,
}

/// Shows a case as far as the asker may see it; `None` if nothing of it.
#[must_use]
pub fn shown(file: &CaseFile) -> Option<CaseShown<'_>> {
    match file.view {
        View::Whole => Some(CaseShown::Whole(Box::new(whole(file)))),
        View::Until(left_at) => Some(CaseShown::Past(Box::new(past(file, left_at)))),
        View::Nothing => None,
    }
}

fn whole(file: &CaseFile) -> WholeCase<'_> {
    let case = &file.case;
    WholeCase {
        id: case.id,
        number: &case.number,
        family: case.state.family(),
        state: case.state.as_str(),
        origin: &case.origin,
        target: &case.target,
        reviews: &case.reviews,
        watchers: &case.watchers,
        past_targets: case
            .past_targets
            .iter()
            .map(|past| PastTarget {
                organisation: &past.organisation,
                until: past.until,
                reason: past.reason.as_ref(),
            })
            .collect(),
        priority: case.priority,
        numbers: &case.numbers,
        parent: file.parent.as_ref(),
        children: &file.children,
        experts: case
            .experts
            .iter()
            .map(|asked| AskedExpert {
                expert: &asked.expert,
                accepted: asked.accepted,
                held_by: asked.held.as_ref().map(|held| &held.by),
            })
            .collect(),
        appointment: appointment(case),
        deadlines: case
            .deadlines
            .iter()
            .map(|deadline| Deadline {
                name: deadline.name.as_str(),
                since: deadline.since,
                due: deadline.due,
                escalations: deadline.escalations,
            })
            .collect(),
        opened_at: case.opened_at,
        changed_at: case.changed_at,
        events: file.events.iter().map(event).collect(),
        custody: file.custody.iter().map(custody).collect(),
    }
}

fn appointment(case: &Case) -> Option<Appointment<'_>> {
    let appointment = case.context.appointment.as_ref()?;
    Some(Appointment {
        number: appointment.number.as_deref(),
        start: appointment.start,
        end: appointment.end,
        place: appointment.place.as_deref(),
        room: appointment.room.as_deref(),
    })
}

/// A case as a past target sees it: as it was when it left.
#[derive(Serialize, JsonSchema)]
pub struct PastCase<'a> {
    id: Uuid,
    number: &'a CaseNumber,
    family: Family,
    /// The state after the last event that the caller may see.
    state: Option<&'a str>,
    origin: &'a OrganisationCode,
    priority: Priority,
    opened_at: Timestamp,
    /// When the case left the caller.
    left_at: Timestamp,
    events: Vec<Event<'a>>,
    custody: Vec<Hop<'a>>,
}

fn past(file: &CaseFile, left_at: Timestamp) -> PastCase<'_> {
    let case = &file.case;
    PastCase {
        id: case.id,
        number: &case.number,
        family: case.state.family(),
        state: file.events.last().map(|event| event.to_state.as_str()),
        origin: &case.origin,
        priority: file.priority,
        opened_at: case.opened_at,
        left_at,
        events: file.events.iter().map(event).collect(),
        custody: file.custody.iter().map(custody).collect(),
    }
}

/// The events of a case.
#[derive(Serialize, JsonSchema)]
pub struct Events<'a> {
    /// Oldest first.
    pub events: Vec<Event<'a>>,
}

/// What was recorded when a message changed a case.
#[derive(Serialize, JsonSchema)]
pub struct Event<'a> {
    /// Its number within the case, from 1.
    number: u32,
    /// The message that made it.
    message: Uuid,
    /// What the message said.
    kind: Kind,
    /// Who said it.
    by: &'a OrganisationCode,
    /// Null for the event that opened the case.
    from_state: Option<&'a str>,
    to_state: &'a str,
    /// When, by the broker's clock.
    at: Timestamp,
    /// The coded reason, if the message gave one.
    reason: Option<&'a str>,
    /// What happened beside it, such as `reviews_skipped`.
    note: Option<&'a str>,
    /// What was read tolerantly in the message.
    deviations: &'a [Deviation],
    /// The version of its sender's code map that read the message.
    code_map: Option<&'a Version>,
}

/// Shows an event.
#[must_use]
pub fn event(event: &EventRow) -> Event<'_> {
    Event {
        number: event.number,
        message: event.message,
        kind: event.kind,
        by: &event.by,
        from_state: event.from_state.as_deref(),
        to_state: &event.to_state,
        at: event.at,
        reason: event.reason.as_deref(),
        note: event.note.as_deref(),
        deviations: &event.deviations,
        code_map: event.code_map.as_ref(),
    }
}

/// How the messages of a case fared.
#[derive(Serialize, JsonSchema)]
pub struct Custody<'a> {
    /// One for each delivery, oldest first.
    pub custody: Vec<Hop<'a>>,
}

/// One message on its way to one organisation.
#[derive(Serialize, JsonSchema)]
pub struct Hop<'a> {
    /// The delivery's name, `<message>@<organisation>`.
    delivery: String,
    message: Uuid,
    to: &'a OrganisationCode,
    /// The lane that it goes through: `to`, or `CODE:SYSTEM` for a further system of it.
    lane: LaneName,
    kind: Kind,
    /// Its number in the line of this case to this organisation, from 1.
    number: u32,
    state: DeliveryState,
    /// Tries so far, in all rounds.
    attempts: u32,
    /// How often it was queued anew.
    round: u32,
    created_at: Timestamp,
    /// When the bus took it.
    published_at: Option<Timestamp>,
    /// When it was answered for good.
    settled_at: Option<Timestamp>,
    /// The destination's own number for it.
    destination_number: Option<&'a str>,
    /// Why it is parked, or what the last try said.
    problems: &'a [Problem],
    /// What the destination's format could not carry.
    losses: &'a [Loss],
    /// The version of the destination's code map that wrote it.
    code_map: Option<&'a Version>,
}

/// Where a delivery stands.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// It may go to the bus.
    Queued,
    /// The bus has it, or it is being sent.
    Published,
    /// The destination said "not now".
    Waiting {
        /// When it is queued again.
        due: Timestamp,
    },
    /// The destination took responsibility.
    Delivered,
    /// A person must act.
    Parked {
        /// Why.
        why: ParkedWhy,
    },
    /// A person dropped it.
    Withdrawn,
}

/// Why a delivery is parked.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParkedWhy {
    /// The destination read it and said no.
    Refused,
    /// It could not be written in the destination's format.
    Unsendable,
    /// The destination stayed silent, or said "not now", for too long.
    Silent,
}

impl From<&State> for DeliveryState {
    fn from(state: &State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Published => Self::Published,
            State::Waiting { due } => Self::Waiting { due: *due },
            State::Delivered => Self::Delivered,
            State::Parked { why } => Self::Parked {
                why: match why {
                    Why::Refused => ParkedWhy::Refused,
                    Why::Unsendable => ParkedWhy::Unsendable,
                    Why::Silent => ParkedWhy::Silent,
                },
            },
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

/// Shows one hop of one message.
#[must_use]
pub fn custody(row: &CustodyRow) -> Hop<'_> {
    let delivery = &row.delivery;
    Hop {
        delivery: parcel_id(&delivery.id),
        message: delivery.id.message,
        to: &delivery.id.to,
        lane: delivery.lane(),
        kind: delivery.kind,
        number: delivery.number,
        state: (&delivery.state).into(),
        attempts: delivery.attempts,
        round: delivery.round,
        created_at: delivery.created_at,
        published_at: row.published_at,
        settled_at: row.settled_at,
        destination_number: row.destination_number.as_deref(),
        problems: &row.problems,
        losses: &row.losses,
        code_map: row.code_map.as_ref(),
    }
}

/// All lanes.
#[derive(Serialize, JsonSchema)]
pub struct Lanes<'a> {
    /// One for each lane.
    pub lanes: Vec<LaneInList<'a>>,
}

/// A lane: everything that one system of an organisation must receive, in order.
#[derive(Serialize, JsonSchema)]
pub struct LaneInList<'a> {
    /// An organisation's code, or `CODE:SYSTEM` for a further system.
    lane: &'a LaneName,
    /// Deliveries not yet answered for good, parked ones not counted.
    waiting: u64,
    /// Parked deliveries.
    parked: u64,
    /// When the oldest unanswered one was created.
    oldest_at: Option<Timestamp>,
    /// Whether a person paused it.
    paused: bool,
    /// The last answer for good.
    last_settled_at: Option<Timestamp>,
    /// The last try without an answer, if it came after the last answer.
    trouble: Option<LaneTrouble<'a>>,
}

/// A try without an answer.
#[derive(Serialize, JsonSchema)]
pub struct LaneTrouble<'a> {
    at: Timestamp,
    problem: &'a Problem,
}

/// Shows a lane.
#[must_use]
pub fn lane(row: &LaneRow) -> LaneInList<'_> {
    LaneInList {
        lane: &row.lane,
        waiting: row.waiting,
        parked: row.parked,
        oldest_at: row.oldest_at,
        paused: row.paused,
        last_settled_at: row.last_settled_at,
        trouble: row.trouble.as_ref().map(|(at, problem)| LaneTrouble { at: *at, problem }),
    }
}

/// A page of deliveries that need a person.
#[derive(Serialize, JsonSchema)]
pub struct Parked<'a> {
    /// Longest parked first.
    parked: Vec<ParkedDelivery<'a>>,
    /// `after` of the next page; null on the last one.
    next: Option<String>,
}

/// Shows a page of parked deliveries of at most `limit`.
#[must_use]
pub fn parked_page(rows: &[ParkedRow], limit: u32) -> Parked<'_> {
    let next = last_of_full(rows, limit)
        .map(|row| format!("{}/{}", row.since.as_microsecond(), parcel_id(&row.delivery.id)));
    Parked { parked: rows.iter().map(parked).collect(), next }
}

/// Reads `after` of a page of parked deliveries.
#[must_use]
pub fn read_parked_cursor(text: &str) -> Option<(Timestamp, DeliveryId)> {
    let (since, id) = text.split_once('/')?;
    Some((Timestamp::from_microsecond(since.parse().ok()?).ok()?, read_parcel_id(id)?))
}

/// The last of a page, if it is full, so that a next page may follow.
#[must_use]
pub fn last_of_full<T>(rows: &[T], limit: u32) -> Option<&T> {
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    rows.last().filter(|_| full)
}

/// A delivery that needs a person.
#[derive(Serialize, JsonSchema)]
pub struct ParkedDelivery<'a> {
    /// The delivery's name, `<message>@<organisation>`.
    delivery: String,
    /// The lane that it stands in.
    lane: LaneName,
    case_number: Option<&'a CaseNumber>,
    kind: Kind,
    from: &'a OrganisationCode,
    to: &'a OrganisationCode,
    /// Since when it is parked.
    since: Timestamp,
    /// Tries so far, in all rounds.
    attempts: u32,
    /// Deliveries of the same case that wait behind it.
    behind: u64,
    /// Why it is parked.
    problems: &'a [Problem],
}

/// Shows a parked delivery.
#[must_use]
pub fn parked(row: &ParkedRow) -> ParkedDelivery<'_> {
    ParkedDelivery {
        delivery: parcel_id(&row.delivery.id),
        lane: row.delivery.lane(),
        case_number: row.delivery.case_number.as_ref(),
        kind: row.delivery.kind,
        from: &row.delivery.source,
        to: &row.delivery.id.to,
        since: row.since,
        attempts: row.delivery.attempts,
        behind: row.behind,
        problems: &row.problems,
    }
}

/// An act on a delivery, as its caller hears of it.
#[derive(Serialize, JsonSchema)]
pub struct DeliveryAct {
    /// The id of its record; null if there was nothing to do.
    pub act: Option<Uuid>,
    /// The delivery's name, `<message>@<organisation>`.
    pub delivery: String,
}

/// An act on a lane, as its caller hears of it.
#[derive(Serialize, JsonSchema)]
pub struct LaneAct<'a> {
    /// The id of its record; null if there was nothing to do.
    pub act: Option<Uuid>,
    /// An organisation's code, or `CODE:SYSTEM` for a further system.
    pub lane: &'a str,
    /// Whether the lane is paused now.
    pub paused: bool,
}

/// A page of acts.
#[derive(Serialize, JsonSchema)]
pub struct Acts<'a> {
    /// Newest first.
    acts: Vec<RecordedAct<'a>>,
    /// `after` of the next page; null on the last one.
    next: Option<Uuid>,
}

/// What a person did.
#[derive(Serialize, JsonSchema)]
pub struct RecordedAct<'a> {
    id: Uuid,
    /// What was done, such as `replay`.
    act: &'a str,
    /// Who did it: a person, or the name of a token.
    by: &'a str,
    /// The way in.
    through: &'a str,
    /// The reason that the person gave.
    why: &'a str,
    at: Timestamp,
    /// The delivery that it concerns.
    delivery: Option<String>,
    /// The message of that delivery.
    message: Option<Uuid>,
    /// The organisation that it concerns.
    organisation: Option<&'a OrganisationCode>,
    /// The further system of that organisation, where it concerns the lane of one.
    system: Option<&'a SystemName>,
    /// The name of the token that it concerns.
    token: Option<&'a str>,
    /// Fingerprint of the configuration that was in force before a reload.
    config_before: Option<&'a str>,
    /// Fingerprint of the configuration that is in force since a reload.
    config_after: Option<&'a str>,
}

/// Shows a page of acts of at most `limit`, with the cursor of the next one if there may be one.
#[must_use]
pub fn acts(rows: &[ActRow], limit: u32) -> Acts<'_> {
    let next = last_of_full(rows, limit).map(|row| row.id);
    Acts { acts: rows.iter().map(act).collect(), next }
}

fn act(row: &ActRow) -> RecordedAct<'_> {
    let delivery = row.message.zip(row.organisation.clone());
    RecordedAct {
        id: row.id,
        act: &row.act,
        by: &row.by,
        through: &row.through,
        why: &row.why,
        at: row.at,
        delivery: delivery.map(|(message, to)| parcel_id(&DeliveryId { message, to })),
        message: row.message,
        organisation: row.organisation.as_ref(),
        system: row.system.as_ref(),
        token: row.token.as_deref(),
        config_before: row.config_before.as_deref(),
        config_after: row.config_after.as_deref(),
    }
}

/// A page of slots, beds and expert times.
#[derive(Serialize, JsonSchema)]
pub struct Slots<'a> {
    /// From now on, earliest first.
    slots: Vec<OfferedSlot<'a>>,
    /// `after` of the next page; null on the last one.
    next: Option<String>,
}

/// Shows a page of slots of at most `limit`.
#[must_use]
pub fn slots_page(rows: &[SlotRow], limit: u32) -> Slots<'_> {
    let next = last_of_full(rows, limit).map(|row| {
        format!("{}/{}/{}", row.slot.start.as_microsecond(), row.organisation, row.slot.number)
    });
    Slots { slots: rows.iter().map(slot).collect(), next }
}

/// Reads `after` of a page of slots: when it begins, who offers it, its number there.
#[must_use]
pub fn read_slot_cursor(text: &str) -> Option<(Timestamp, OrganisationCode, String)> {
    let mut parts = text.splitn(3, '/');
    let start = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
    Some((start, OrganisationCode::new(parts.next()?).ok()?, parts.next()?.to_owned()))
}

/// A slot that an organisation offers.
#[derive(Serialize, JsonSchema)]
pub struct OfferedSlot<'a> {
    organisation: &'a OrganisationCode,
    slot: &'a Slot,
    /// How many cases use it.
    used: u16,
}

/// Shows a slot.
#[must_use]
pub fn slot(row: &SlotRow) -> OfferedSlot<'_> {
    OfferedSlot { organisation: &row.organisation, slot: &row.slot, used: row.used }
}

/// Whether messages can be taken and passed on now.
#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    /// Whether messages can be taken. A bus that is away or a lane that is not open only delays
    /// what they lead to.
    pub ready: bool,
    /// `ok`, or what is wrong with the store.
    pub store: String,
    /// `ok`, or what is wrong with the bus.
    pub bus: String,
    /// `ok`, or which lanes cannot be opened and why; the first ten by name.
    pub lanes: String,
    /// `ok`, or why no case may end by our clock. Messages are taken all the same.
    pub clock: String,
    /// Whether the process is about to end.
    pub stopping: bool,
}
