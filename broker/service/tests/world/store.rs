//! The memory of a world: the promises of the traits of `tierlink_store` as plainly as they can be said.
//!
//! Each function is one transaction under one lock. It is written anew from the promises and not
//! from the SQL, so that broker and world do not share their mistakes. The judge is the real one.
//!
//! Beside the memory it keeps a diary that no broker sees: what the judge promised to whom, and
//! how states went. The checks go by the diary. Bookings and slots are not played here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tierlink_core::Change;
use tierlink_core::case::Case;
use tierlink_core::deadline::Overdue;
use tierlink_core::decide::{Event, needs_request};
use tierlink_core::delivery::{self, Act, Outcome, State as Stand, Step};
use tierlink_core::find::{self, Key, Picked};
use tierlink_schemas::message::to_vec;
use tierlink_schemas::{Code, LaneName, Message, OrganisationCode, Problem, Refusal, Verdict};
use tierlink_store::{
    Attempt, BodyHash, Content, DeliveryId, DeliveryRow, DueRow, Found, Hold, Judge, Judged,
    Judgement, LaneCondition, Outgoing, RecordedRow, Repair, SetRight, Settlement, StoredTime,
    ToJudge, Work,
};
use uuid::Uuid;

use crate::dice::Dice;
use crate::sabotage::Sabotage;

/// A source and its id for a message.
pub type SourceId = (OrganisationCode, String);

#[derive(Clone)]
pub struct Kept {
    pub message: Message,
    fingerprint: [u8; 32],
    verdict: Verdict,
}

#[derive(Clone)]
pub struct Delivery {
    pub row: DeliveryRow,
    published_at: Option<Timestamp>,
}

#[derive(Clone, Default)]
struct LaneKept {
    paused: bool,
    unanswered_at: Option<Timestamp>,
    last_settled_at: Option<Timestamp>,
    settled_published_at: Option<Timestamp>,
}

/// What the judge promised: this message to this organisation, in the line of this case.
#[derive(Clone, Debug)]
pub struct Promise {
    pub case: Option<Uuid>,
    pub delivery: DeliveryId,
}

/// What no broker sees.
#[derive(Clone, Default)]
pub struct Diary {
    pub promises: Vec<Promise>,
    pub events: Vec<(Uuid, Event)>,
    pub stands: BTreeMap<DeliveryId, Vec<Stand>>,
}

/// Everything that is remembered.
#[derive(Clone)]
pub struct Memory {
    pub cases: BTreeMap<Uuid, Case>,
    pub messages: BTreeMap<Uuid, Kept>,
    pub deliveries: BTreeMap<DeliveryId, Delivery>,
    pub diary: Diary,
    due: BTreeMap<Uuid, Timestamp>,
    firsts: BTreeMap<SourceId, Uuid>,
    unsettled: BTreeSet<DeliveryId>,
    lanes: BTreeMap<LaneName, LaneKept>,
    leases: BTreeMap<String, (Uuid, Timestamp)>,
    counter: u64,
    vouched: u64,
    sabotage: Option<Sabotage>,
    dice: Dice,
}

impl Memory {
    pub fn new(sabotage: Option<Sabotage>, dice: Dice) -> Self {
        Self {
            cases: BTreeMap::new(),
            messages: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            diary: Diary::default(),
            due: BTreeMap::new(),
            firsts: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            lanes: BTreeMap::new(),
            leases: BTreeMap::new(),
            counter: 1,
            vouched: 0,
            sabotage,
            dice,
        }
    }

    /// Whether the planted bug shows now.
    fn bug(&self, bug: Sabotage, percent: u64) -> bool {
        self.sabotage == Some(bug) && self.dice.percent(percent)
    }

    pub fn commit(&mut self, works: &[Work], judge: &dyn Judge) -> Vec<Judged> {
        works.iter().map(|work| self.commit_one(work, judge)).collect()
    }

    fn commit_one(&mut self, work: &Work, judge: &dyn Judge) -> Judged {
        let judged = |verdict| Judged { verdict, deliveries: 1, conflict: false };
        let asked = match &work.content {
            Content::Message(asked) => asked,
            Content::Refused { verdict, .. } => return judged(verdict.clone()),
        };
        let source_id = source_id(&asked.message);
        if let Some(first) = self.firsts.get(&source_id)
            && !self.bug(Sabotage::IgnoreRepeat, 50)
        {
            let first = &self.messages[first];
            if first.fingerprint != work.fingerprint {
                let problem = Problem::new(Code::new("S010"), "source.message_id", "used before");
                let verdict = Verdict::refused(Refusal::Conflict, problem);
                return Judged { verdict, deliveries: 0, conflict: true };
            }
            return judged(self.repeated(&first.verdict));
        }
        let judgement = {
            let found = self.found(asked);
            judge.judge(work, &found)
        };
        let (number, state) = match judgement {
            Judgement::Refused(verdict) => return judged(verdict),
            Judgement::Changed(change) => {
                let said = (change.case.number.clone(), change.event.to_state.to_owned());
                self.change(*change);
                (Some(said.0), Some(said.1))
            }
            Judgement::Answered(answer) => {
                let said = (answer.case.number.clone(), answer.case.state.clone());
                let case = answer.case.id.filter(|case| self.cases.contains_key(case));
                self.keep(asked.message.clone());
                let to = asked.message.source.organisation.clone();
                let id = answer.id;
                self.keep(*answer);
                self.promise(case, DeliveryId { message: id, to }, work.received_at);
                said
            }
            Judgement::Noted => {
                self.keep(asked.message.clone());
                (None, None)
            }
        };
        let verdict = Verdict::Accepted { message: work.id, case_number: number, state };
        self.firsts.insert(source_id, work.id);
        if let Some(kept) = self.messages.get_mut(&work.id) {
            kept.fingerprint = work.fingerprint;
            kept.verdict = verdict.clone();
        }
        judged(verdict)
    }

    fn repeated(&self, first: &Verdict) -> Verdict {
        let Verdict::Accepted { message, case_number, state } = first.clone() else {
            return first.clone();
        };
        let state = state.filter(|_| !self.bug(Sabotage::MisrememberVerdict, 50));
        Verdict::Repeated { message, case_number, state }
    }

    fn found(&self, asked: &ToJudge) -> Found<'_> {
        let cases: Vec<Vec<&Case>> = asked.keys.iter().map(|key| self.cases_of(key)).collect();
        let sender = &asked.message.source.organisation;
        let request = match find::pick(&cases, sender, asked.message.kind().opens()) {
            Picked::One(case) if needs_request(asked.message.kind()) => {
                self.messages.get(&case.request).map(|kept| &kept.message)
            }
            Picked::One(_) | Picked::None | Picked::Contradiction | Picked::Ambiguous => None,
        };
        let parents = asked.parent_keys.iter().map(|key| self.cases_of(key)).collect();
        Found { cases, parents, request, booked: Vec::new(), slot: None }
    }

    fn cases_of(&self, key: &Key) -> Vec<&Case> {
        let names = |case: &&Case| match key {
            Key::Id(id) => case.id == *id,
            Key::Number(number) => case.number == *number,
            Key::Theirs { organisation, number } => case.numbers.iter().any(|known| {
                known.number == *number
                    && organisation.as_ref().is_none_or(|whose| *whose == known.organisation)
            }),
            Key::Answered { first, last } => (first..=last).contains(&&case.request),
            Key::AnsweredId(id) => case.request == *id,
        };
        self.cases.values().filter(names).collect()
    }

    fn change(&mut self, change: Change) {
        let Change { case, event, messages, dispatches } = change;
        let (id, at) = (case.id, event.at);
        for message in messages {
            self.keep(message);
        }
        let open = !case.state.is_terminal();
        match case.next_due().filter(|_| open) {
            Some(due) => self.due.insert(id, due),
            None => self.due.remove(&id),
        };
        self.diary.events.push((id, event));
        if open || self.sabotage != Some(Sabotage::ReviveEnded) {
            self.cases.insert(id, case);
        }
        for dispatch in dispatches {
            let delivery = DeliveryId { message: dispatch.message, to: dispatch.to };
            self.promise(Some(id), delivery, at);
        }
    }

    fn keep(&mut self, message: Message) {
        let verdict = Verdict::Accepted { message: message.id, case_number: None, state: None };
        self.messages.insert(message.id, Kept { message, fingerprint: [0; 32], verdict });
    }

    /// Writes the delivery, and into the diary that it must come.
    fn promise(&mut self, case: Option<Uuid>, id: DeliveryId, at: Timestamp) {
        if self.deliveries.contains_key(&id) {
            return;
        }
        self.diary.promises.push(Promise { case, delivery: id.clone() });
        if self.bug(Sabotage::DropOutboxRow, 10) {
            return;
        }
        let message = &self.messages[&id.message].message;
        let line = self
            .deliveries
            .values()
            .filter(|other| case.is_some() && other.row.case == case && other.row.id.to == id.to);
        let last = line.map(|other| other.row.number).max().unwrap_or(0);
        let row = DeliveryRow {
            system: None,
            source_system: None,
            case,
            case_number: message.case.number.clone(),
            number: last + 1,
            state: Stand::Queued,
            round: 1,
            attempts: 0,
            created_at: at,
            silent_since: None,
            kind: message.kind(),
            source: message.source.organisation.clone(),
            source_message_id: message.source.message_id.clone(),
            id: id.clone(),
        };
        self.diary.stands.insert(id.clone(), vec![Stand::Queued]);
        self.unsettled.insert(id.clone());
        self.deliveries.insert(id, Delivery { row, published_at: None });
    }

    fn stand(&mut self, id: &DeliveryId, next: Stand) {
        self.diary.stands.entry(id.clone()).or_default().push(next);
        if matches!(next, Stand::Delivered | Stand::Withdrawn) {
            self.unsettled.remove(id);
        }
        if let Some(delivery) = self.deliveries.get_mut(id) {
            delivery.row.state = next;
        }
    }

    pub fn escalate(
        &mut self,
        now: Timestamp,
        limit: u32,
        escalation_ids: &[Uuid],
        judge: &dyn Judge,
    ) -> u32 {
        let due = self.due.iter().filter(|(_, due)| **due <= now).map(|(case, _)| *case);
        let due: Vec<Uuid> = due.take(usize::try_from(limit).unwrap()).collect();
        let mut escalated = 0;
        for (case, escalation_id) in due.into_iter().zip(escalation_ids) {
            match judge.overdue(&self.cases[&case], now, *escalation_id) {
                Overdue::Changed(change) => {
                    self.change(*change);
                    escalated += 1;
                }
                Overdue::Waits | Overdue::Nothing => {
                    self.due.insert(case, now + jiff::SignedDuration::from_mins(10));
                }
            }
        }
        escalated
    }

    /// Every open case at once: a world is small.
    pub fn set_right(&mut self, now: Timestamp, judge: &dyn Judge) -> SetRight {
        let mut corrected = 0;
        for case in self.cases.values_mut().filter(|case| !case.state.is_terminal()) {
            if let Some(right) = judge.set_right(case, now) {
                *case = right;
                corrected += 1;
            }
            if let Some(due) = case.next_due() {
                self.due.insert(case.id, due);
            }
        }
        SetRight { corrected, next: None }
    }

    /// The newest time that is stored. A world's store has no clock of its own.
    pub fn time(&self) -> StoredTime {
        let newest = self.messages.values().filter_map(|kept| kept.message.received_at).max();
        StoredTime { server: None, newest, vouched: self.vouched }
    }

    /// A person vouches for the clock.
    pub fn vouch(&mut self) {
        self.vouched += 1;
    }

    pub fn to_publish(&self, now: Timestamp, limit: u32, except: &[LaneName]) -> Vec<Outgoing> {
        let mut ready: Vec<&DeliveryRow> = Vec::new();
        for id in &self.unsettled {
            let Delivery { row, published_at } = &self.deliveries[id];
            let due = match row.state {
                Stand::Queued => true,
                Stand::Waiting { due } => due <= now || *published_at > Some(now),
                Stand::Published | Stand::Delivered | Stand::Parked { .. } | Stand::Withdrawn => {
                    false
                }
            };
            let paused = self.lanes.get(&row.lane()).is_some_and(|lane| lane.paused);
            let left_out = paused || except.contains(&row.lane());
            if due
                && !left_out
                && (self.is_first(row) || self.sabotage == Some(Sabotage::HandOutAll))
            {
                ready.push(row);
            }
        }
        ready.sort_by_key(|row| (row.created_at, row.id.clone()));
        ready.truncate(usize::try_from(limit).unwrap());
        ready.into_iter().map(|row| self.outgoing(row)).collect()
    }

    /// Whether everything before it in its line is settled.
    pub fn is_first(&self, row: &DeliveryRow) -> bool {
        row.case.is_none()
            || !self.unsettled.iter().any(|other| {
                let other = &self.deliveries[other].row;
                other.case == row.case && other.id.to == row.id.to && other.number < row.number
            })
    }

    fn outgoing(&self, row: &DeliveryRow) -> Outgoing {
        let mut message = self.messages[&row.id.message].message.clone();
        if row.round > 1 && self.sabotage == Some(Sabotage::ChangeContent) {
            message.occurred_at = Timestamp::UNIX_EPOCH;
        }
        Outgoing {
            id: row.id.clone(),
            lane: row.lane(),
            round: row.round,
            number: row.number,
            state: row.state,
            body: to_vec(&message),
            created_at: row.created_at,
        }
    }

    pub fn queue_due(
        &mut self,
        asked: &[(DeliveryId, u32)],
        now: Timestamp,
    ) -> Vec<(DeliveryId, u32)> {
        let is_due = |(id, round): &&(DeliveryId, u32)| {
            self.deliveries.get(id).is_some_and(|Delivery { row, published_at }| {
                let over = match row.state {
                    Stand::Waiting { due } => due <= now || *published_at > Some(now),
                    Stand::Queued
                    | Stand::Published
                    | Stand::Delivered
                    | Stand::Parked { .. }
                    | Stand::Withdrawn => false,
                };
                over && row.round == *round
            })
        };
        let queued: Vec<(DeliveryId, u32)> = asked.iter().filter(is_due).cloned().collect();
        for (id, _) in &queued {
            if let Some(delivery) = self.deliveries.get_mut(id) {
                delivery.published_at = None;
            }
            self.stand(id, Stand::Queued);
        }
        queued
    }

    pub fn mark_published(&mut self, done: &[(DeliveryId, u32)], now: Timestamp) {
        for (id, round) in done {
            let Some(delivery) = self.deliveries.get_mut(id) else { continue };
            if delivery.row.state == Stand::Queued && delivery.row.round == *round {
                delivery.published_at = Some(now);
                self.stand(id, Stand::Published);
            }
        }
    }

    pub fn still_due(&self, asked: &[(DeliveryId, u32)]) -> Vec<DueRow> {
        let rows = asked.iter().filter_map(|(id, round)| {
            let row = &self.deliveries.get(id)?.row;
            let due = row.round == *round && waits_for_an_answer(&row.state);
            due.then(|| DueRow { row: row.clone(), body_hash: self.body_hash(row) })
        });
        rows.collect()
    }

    pub fn on_record(&self, asked: &[DeliveryId]) -> Vec<RecordedRow> {
        let known = asked.iter().filter_map(|id| self.deliveries.get(id)).map(|delivery| {
            let row = &delivery.row;
            let (lane, body_hash) = (row.lane(), self.body_hash(row));
            RecordedRow { id: row.id.clone(), lane, round: row.round, body_hash }
        });
        known.collect()
    }

    /// A store that changes what it stores believes itself.
    fn body_hash(&self, row: &DeliveryRow) -> BodyHash {
        BodyHash::of(&self.outgoing(row).body)
    }

    pub fn settle(&mut self, settlements: Vec<Settlement>, judge: &dyn Judge) {
        for settlement in settlements {
            self.settle_one(settlement, judge);
        }
    }

    fn settle_one(&mut self, mut settlement: Settlement, judge: &dyn Judge) {
        let Some(delivery) = self.deliveries.get(&settlement.id) else { return };
        let taken = matches!(settlement.outcome, Outcome::Taken { .. });
        if settlement.round != delivery.row.round && !taken {
            return;
        }
        if taken && self.bug(Sabotage::ParkWhatWasTaken, 5) {
            settlement.outcome = Outcome::Refused { problems: Vec::new() };
        }
        let published_at = delivery.published_at;
        let before = delivery.row.clone();
        let lane = self.lanes.entry(before.lane()).or_default();
        lane.last_settled_at = lane.last_settled_at.max(Some(settlement.at));
        lane.settled_published_at = lane.settled_published_at.max(published_at);
        match settlement.outcome {
            Outcome::Taken { .. } | Outcome::Refused { .. } | Outcome::NotNow { .. } => {
                lane.unanswered_at = None;
            }
            Outcome::Unsendable { .. }
            | Outcome::Unanswered { .. }
            | Outcome::TurnedAway { .. }
            | Outcome::Held { .. }
            | Outcome::GaveUp { .. } => {}
        }
        let held = matches!(settlement.outcome, Outcome::Held { .. });
        let settled = judge.settle(&before, &settlement);
        let Some(next) = settled.next else { return };
        if let Some(delivery) = self.deliveries.get_mut(&settlement.id) {
            delivery.row.attempts = delivery.row.attempts.max(settlement.attempts);
            if let Stand::Waiting { .. } = next
                && !held
            {
                delivery.row.silent_since.get_or_insert(settlement.at);
            }
            if matches!(next, Stand::Queued | Stand::Waiting { .. }) {
                delivery.row.round += 1;
            }
        }
        self.stand(&settlement.id, next);
        if let Some(receipt) = settled.receipt {
            let case = receipt.case.id.filter(|case| self.cases.contains_key(case));
            let id = DeliveryId { message: receipt.id, to: before.source };
            self.keep(*receipt);
            self.promise(case, id, settlement.at);
        }
    }

    pub fn note_attempts(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            let lane = self.lanes.entry(attempt.lane).or_default();
            lane.unanswered_at = Some(attempt.at);
            if let Some(delivery) = self.deliveries.get_mut(&attempt.id)
                && waits_for_an_answer(&delivery.row.state)
            {
                delivery.row.attempts = delivery.row.attempts.max(attempt.attempts);
                if !attempt.held {
                    delivery.row.silent_since.get_or_insert(attempt.at);
                }
            }
        }
    }

    pub fn repair(&mut self, repair: &Repair) -> u64 {
        if self.sabotage == Some(Sabotage::ForgetRepair) {
            return 0;
        }
        let lost: Vec<DeliveryId> = self
            .unsettled
            .iter()
            .filter(|id| match self.deliveries[*id].row.state {
                Stand::Published => true,
                Stand::Queued => matches!(repair, Repair::Changed(_)),
                Stand::Waiting { .. }
                | Stand::Delivered
                | Stand::Parked { .. }
                | Stand::Withdrawn => false,
            })
            .filter(|id| match repair {
                Repair::BusIsEmpty => true,
                Repair::Lane(lane) => self.deliveries[*id].row.lane() == *lane,
                Repair::Changed(changed) => {
                    changed.contains(&((*id).clone(), self.deliveries[*id].row.round))
                }
                Repair::Stale { before, waiting, .. } => {
                    !waiting.contains(&self.deliveries[*id].row.lane())
                        && self.is_stale(id, *before)
                }
            })
            .cloned()
            .collect();
        for id in &lost {
            if let Some(delivery) = self.deliveries.get_mut(id) {
                delivery.row.round += 1;
                delivery.published_at = None;
            }
            self.stand(id, Stand::Queued);
        }
        lost.len() as u64
    }

    fn is_stale(&self, id: &DeliveryId, before: Timestamp) -> bool {
        let Some(published_at) = self.deliveries[id].published_at else { return false };
        let lane = self.lanes.get(&self.deliveries[id].row.lane()).cloned().unwrap_or_default();
        published_at < before
            && (lane.last_settled_at.is_none_or(|at| at < before)
                || lane.settled_published_at.is_some_and(|at| at > published_at))
    }

    pub fn hold_lease(
        &mut self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        abandoned: Option<Timestamp>,
    ) -> Hold {
        match self.leases.get(name) {
            Some((other, ends)) if *other != holder && *ends > now && Some(*ends) != abandoned => {
                Hold::Theirs { until: *ends }
            }
            _ => {
                self.leases.insert(name.to_owned(), (holder, until));
                Hold::Ours
            }
        }
    }

    pub fn release_lease(&mut self, name: &str, holder: Uuid) {
        if self.leases.get(name).is_some_and(|held| held.0 == holder) {
            self.leases.remove(name);
        }
    }

    pub fn take_counters(&mut self) -> (u64, u64) {
        self.counter += 100;
        (self.counter - 100, 100)
    }

    pub fn lane_conditions(&self) -> Vec<LaneCondition> {
        let condition = |(lane, kept): (&LaneName, &LaneKept)| LaneCondition {
            lane: lane.clone(),
            paused: kept.paused,
            unanswered_at: kept.unanswered_at,
        };
        self.lanes.iter().map(condition).collect()
    }

    pub fn pause_lane(&mut self, lane: &LaneName, paused: bool) {
        self.lanes.entry(lane.clone()).or_default().paused = paused;
    }

    /// Deliveries that wait for a person.
    pub fn parked(&self) -> Vec<DeliveryId> {
        let parked =
            |id: &&DeliveryId| matches!(self.deliveries[*id].row.state, Stand::Parked { .. });
        self.unsettled.iter().filter(parked).cloned().collect()
    }

    pub fn replay(&mut self, id: &DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        match delivery::act(&delivery.row.state, Act::Replay) {
            Step::Move(next) => {
                delivery.row.round += 1;
                delivery.row.silent_since = None;
                delivery.published_at = None;
                self.stand(id, next);
            }
            Step::Ignore => {}
        }
    }

    /// Deliveries on which somebody still works: neither settled, nor parked, nor behind a parked
    /// one.
    pub fn in_hand(&self) -> Vec<&DeliveryRow> {
        let rows = self.unsettled.iter().map(|id| &self.deliveries[id].row);
        rows.filter(|row| !matches!(row.state, Stand::Parked { .. }) && self.is_first(row))
            .collect()
    }
}

fn waits_for_an_answer(state: &Stand) -> bool {
    match state {
        Stand::Queued | Stand::Waiting { .. } | Stand::Published => true,
        Stand::Delivered | Stand::Parked { .. } | Stand::Withdrawn => false,
    }
}

pub fn source_id(message: &Message) -> SourceId {
    (message.source.organisation.clone(), message.source.message_id.clone())
}
