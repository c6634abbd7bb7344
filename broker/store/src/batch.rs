//! A batch of arrivals that share a transaction: who is a repeat, what is found for each, what the
//! judge says, what is written.
//!
//! ```text
//!   works ─▶ firsts ─▶ keys ─▶ cases (locked) ─▶ requests, bookings, slots ─▶ judge, in order
//!            └repeat              └──────── seen as earlier works of the batch leave them
//! ```
//!
//! Pure: the database finds and writes (`commit.rs`), the judge decides, and this file brings the
//! two together. Both databases run exactly this.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use tierlink_core::case::{Booking, Case};
use tierlink_core::decide::{needs_request, wanted_bookings};
use tierlink_core::find::{self, Key, Picked};
use tierlink_schemas::answer::Slot;
use tierlink_schemas::{
    Body, CaseNumber, Code, Message, OrganisationCode, Problem, Refusal, Verdict,
};
use uuid::Uuid;

use crate::draft::{Arrival, Draft, NewMessage, SlotName};
use crate::records::{Content, Found, Judged, Judgement, SlotUse, ToJudge, Work};
use crate::{Judge, storable};

/// The same message id came with other content.
pub const CONFLICT: Code = Code::new("S010");

/// Most cases that one key may name. Hospitals that count from 1 each year reuse their numbers;
/// open cases and young ones come first.
pub(crate) const CANDIDATES_MAX: usize = 20;

/// The message that was accepted first under a source's id.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) id: Uuid,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) case_number: Option<CaseNumber>,
    pub(crate) state: Option<String>,
}

/// A source and its id for a message.
pub(crate) type SourceId = (OrganisationCode, String);

/// What is known of a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotKnown {
    /// `None`: it was not published, or was taken back.
    pub(crate) places: Option<u16>,
    /// The cases that use it.
    pub(crate) uses: HashSet<Uuid>,
}

/// What must be looked up beside cases before a work can be judged.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) requests: Vec<Uuid>,
    pub(crate) bookings: Vec<Booking>,
    pub(crate) slots: Vec<SlotName>,
}

impl Wishes {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.bookings.is_empty() && self.slots.is_empty()
    }
}

/// A refusal to be kept.
pub(crate) struct NewRefusal {
    pub(crate) work: usize,
    pub(crate) source_message_id: Option<String>,
    pub(crate) problems: Vec<Problem>,
}

/// A batch on its way.
pub(crate) struct Batch {
    works: Vec<Work>,
    judged: Vec<Option<Judged>>,
    firsts: HashMap<SourceId, First>,
    /// All keys of all works; each work has a range of its own, and one for its parent.
    keys: Vec<Key>,
    ranges: Vec<(Range<usize>, Range<usize>)>,
    /// The cases that each key names in the database.
    resolved: Vec<Vec<Uuid>>,
    /// What cases are called that this batch changed, and what was said about them.
    numbered: HashMap<CaseNumber, Uuid>,
    named: HashMap<String, Vec<(OrganisationCode, Uuid)>>,
    spoken: BTreeMap<Uuid, Uuid>,
    /// Requests that were read; those that this batch wrote are in the draft.
    requests: HashMap<Uuid, Option<Message>>,
    asked_bookings: HashSet<Booking>,
    booked: Vec<(Uuid, Booking)>,
    slots: HashMap<SlotName, SlotKnown>,
    /// What is going to be written.
    pub(crate) draft: Draft,
    pub(crate) new_slots: BTreeMap<SlotName, Option<Slot>>,
    refusals: BTreeMap<usize, NewRefusal>,
}

impl Batch {
    /// Takes the works. What can be refused without looking anything up is refused here.
    pub(crate) fn new(works: Vec<Work>) -> Self {
        let mut keys = Vec::new();
        let mut ranges = Vec::with_capacity(works.len());
        for work in &works {
            let from = keys.len();
            let Content::Message(asked) = &work.content else {
                ranges.push((from..from, from..from));
                continue;
            };
            keys.extend(asked.keys.iter().cloned());
            let between = keys.len();
            keys.extend(asked.parent_keys.iter().cloned());
            ranges.push((from..between, between..keys.len()));
        }
        let mut batch = Self {
            judged: vec![None; works.len()],
            resolved: vec![Vec::new(); keys.len()],
            works,
            keys,
            ranges,
            firsts: HashMap::new(),
            numbered: HashMap::new(),
            named: HashMap::new(),
            spoken: BTreeMap::new(),
            requests: HashMap::new(),
            asked_bookings: HashSet::new(),
            booked: Vec::new(),
            slots: HashMap::new(),
            draft: Draft::default(),
            new_slots: BTreeMap::new(),
            refusals: BTreeMap::new(),
        };
        for at in 0..batch.works.len() {
            batch.refuse_early(at);
        }
        batch
    }

    /// How many works there are.
    pub(crate) fn len(&self) -> usize {
        self.works.len()
    }

    fn refuse_early(&mut self, at: usize) {
        match &self.works[at].content {
            Content::Refused { verdict, source_message_id } => {
                let (verdict, id) = (verdict.clone(), source_message_id.clone());
                self.refuse(at, verdict, id, false);
            }
            Content::Message(asked) => {
                if let Some(problem) = storable::message(&asked.message) {
                    self.refuse(at, Verdict::refused(Refusal::Invalid, problem), None, false);
                }
            }
        }
    }

    /// The message of a work that is not answered yet.
    fn asked(&self, at: usize) -> Option<&ToJudge> {
        match (&self.judged[at], &self.works[at].content) {
            (None, Content::Message(asked)) => Some(asked),
            (None | Some(_), Content::Message(_) | Content::Refused { .. }) => None,
        }
    }

    /// The source ids to look up.
    pub(crate) fn source_ids(&self) -> Vec<SourceId> {
        (0..self.len())
            .filter_map(|at| self.asked(at))
            .map(|asked| source_id(&asked.message))
            .collect()
    }

    /// The names under which cases may be opened now: nobody else may open one meanwhile.
    pub(crate) fn opening_names(&self) -> Vec<i64> {
        let opening = (0..self.len()).filter_map(|at| self.asked(at));
        opening
            .filter(|asked| asked.message.kind().opens())
            .flat_map(|asked| &asked.keys)
            .filter_map(|key| match key {
                Key::Theirs { organisation: Some(organisation), number } => {
                    Some(name_of(organisation, number))
                }
                Key::Theirs { organisation: None, .. }
                | Key::Id(_)
                | Key::Number(_)
                | Key::Answered { .. }
                | Key::AnsweredId(_) => None,
            })
            .collect()
    }

    /// Takes what was accepted first under these source ids, and answers repeats and conflicts.
    pub(crate) fn know_firsts(&mut self, firsts: HashMap<SourceId, First>) {
        self.firsts.extend(firsts);
        for at in 0..self.len() {
            self.answer_repeat(at);
        }
    }

    /// The same again after judging: a message that was refused may have been accepted in another
    /// process meanwhile, while we waited for its case. Then it is a repeat.
    pub(crate) fn know_firsts_late(&mut self, firsts: HashMap<SourceId, First>) {
        for at in 0..self.len() {
            let Content::Message(asked) = &self.works[at].content else { continue };
            let refused = self.refusals.contains_key(&at);
            let id = source_id(&asked.message);
            if refused && let Some(first) = firsts.get(&id) {
                self.firsts.insert(id, first.clone());
                self.refusals.remove(&at);
                self.judged[at] = None;
                self.answer_repeat(at);
            }
        }
    }

    /// Source ids of messages that were refused after their cases were looked at.
    pub(crate) fn refused_source_ids(&self) -> Vec<SourceId> {
        self.refusals
            .keys()
            .filter_map(|at| match (&self.works[*at].content, &self.judged[*at]) {
                (Content::Message(asked), Some(judged))
                    if !judged.conflict && storable::message(&asked.message).is_none() =>
                {
                    Some(source_id(&asked.message))
                }
                (Content::Message(_) | Content::Refused { .. }, _) => None,
            })
            .collect()
    }

    fn answer_repeat(&mut self, at: usize) {
        let Some(asked) = self.asked(at) else { return };
        let Some(first) = self.firsts.get(&source_id(&asked.message)).cloned() else { return };
        if first.fingerprint == self.works[at].fingerprint {
            let verdict = Verdict::Repeated {
                message: first.id,
                case_number: first.case_number,
                state: first.state,
            };
            self.judged[at] = Some(Judged { verdict, deliveries: 0, conflict: false });
            return;
        }
        let problem = Problem::new(
            CONFLICT,
            "source.message_id",
            "this message id was used before with other content; send the message under a new id",
        );
        let id = asked.message.source.message_id.clone();
        self.refuse(at, Verdict::refused(Refusal::Conflict, problem), Some(id), true);
    }

    /// Keys to look up, with their places: those of works that are still to be judged.
    pub(crate) fn lookups(&self) -> Vec<(usize, &Key)> {
        (0..self.len())
            .filter(|at| self.asked(*at).is_some())
            .flat_map(|at| self.ranges[at].0.start..self.ranges[at].1.end)
            .map(|place| (place, &self.keys[place]))
            .collect()
    }

    /// Takes the cases that the key at `place` names.
    pub(crate) fn know_key(&mut self, place: usize, case: Uuid) {
        let known = &mut self.resolved[place];
        if known.len() < CANDIDATES_MAX && !known.contains(&case) {
            known.push(case);
        }
    }

    /// Cases to lock, and cases that are only looked at (parents).
    pub(crate) fn candidates(&self) -> (Vec<Uuid>, Vec<Uuid>) {
        let of = |range: &dyn Fn(usize) -> Range<usize>| {
            let mut ids: Vec<Uuid> =
                (0..self.len()).flat_map(range).flat_map(|at| self.resolved[at].clone()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let locked = of(&|at| self.ranges[at].0.clone());
        let mut seen = of(&|at| self.ranges[at].1.clone());
        seen.retain(|id| locked.binary_search(id).is_err());
        (locked, seen)
    }

    /// What must be looked up before any of the works is judged, as far as it can be known now.
    pub(crate) fn wishes(&self) -> Wishes {
        let mut all = Wishes::default();
        for at in 0..self.len() {
            let mut wishes = self.wishes_of(at);
            all.requests.append(&mut wishes.requests);
            all.bookings.append(&mut wishes.bookings);
            all.slots.append(&mut wishes.slots);
        }
        all
    }

    /// What is not known yet and needed to judge this work now.
    pub(crate) fn wishes_of(&self, at: usize) -> Wishes {
        let mut wishes = Wishes::default();
        let Some(asked) = self.asked(at) else { return wishes };
        let case = self.guess(at);
        if let Some(case) = case.filter(|_| needs_request(asked.message.kind()))
            && self.request(case.request).is_none()
            && !self.requests.contains_key(&case.request)
        {
            wishes.requests.push(case.request);
        }
        let wanted = wanted_bookings(&asked.message, case);
        wishes
            .bookings
            .extend(wanted.into_iter().filter(|want| !self.asked_bookings.contains(want)));
        wishes.slots.extend(slot_of(&asked.message).filter(|slot| !self.slots.contains_key(slot)));
        wishes
    }

    /// Takes a request; `None`: it is not there.
    pub(crate) fn know_request(&mut self, id: Uuid, request: Option<Message>) {
        self.requests.insert(id, request);
    }

    /// Takes the bookings that overlap with these wishes.
    pub(crate) fn know_bookings(&mut self, asked: Vec<Booking>, booked: Vec<(Uuid, Booking)>) {
        self.asked_bookings.extend(asked);
        self.booked.extend(booked);
    }

    /// Takes what is known of a slot.
    pub(crate) fn know_slot(&mut self, name: SlotName, known: SlotKnown) {
        self.slots.entry(name).or_insert(known);
    }

    /// Has one work judged and drafts what it means.
    pub(crate) fn judge(&mut self, at: usize, judge: &dyn Judge) {
        // An earlier work of this batch may have been the same message.
        self.answer_repeat(at);
        if self.asked(at).is_none() {
            return;
        }
        let judgement = {
            let found = self.found(at);
            judge.judge(&self.works[at], &found)
        };
        match judgement {
            Judgement::Changed(change) => self.changed(at, *change),
            Judgement::Answered(message) => self.answered(at, *message),
            Judgement::Noted => self.noted(at),
            Judgement::Refused(verdict) => {
                let id = self.asked(at).map(|asked| asked.message.source.message_id.clone());
                self.refuse(at, verdict, id, false);
            }
        }
    }

    fn found(&self, at: usize) -> Found<'_> {
        let (own, parents) = &self.ranges[at];
        let Content::Message(asked) = &self.works[at].content else { return Found::default() };
        let case = self.guess(at);
        let wanted = wanted_bookings(&asked.message, case);
        Found {
            cases: own.clone().map(|place| self.cases_of(place)).collect(),
            parents: parents.clone().map(|place| self.cases_of(place)).collect(),
            request: case
                .filter(|_| needs_request(asked.message.kind()))
                .and_then(|case| self.request(case.request)),
            booked: self.overlapping(&wanted, case.map(|case| case.id)),
            slot: slot_of(&asked.message).and_then(|slot| self.slot(&slot, case)),
        }
    }

    /// The case that is probably meant. Only for looking things up: the judge picks anew.
    fn guess(&self, at: usize) -> Option<&Case> {
        let asked = self.asked(at)?;
        let sender = &asked.message.source.organisation;
        let found: Vec<Vec<&Case>> =
            self.ranges[at].0.clone().map(|place| self.cases_of(place)).collect();
        match find::pick(&found, sender, asked.message.kind().opens()) {
            Picked::One(case) => Some(case),
            Picked::None | Picked::Contradiction | Picked::Ambiguous => None,
        }
    }

    /// The cases that a key names, as they are now, those of this batch included.
    fn cases_of(&self, place: usize) -> Vec<&Case> {
        let mut ids = self.resolved[place].clone();
        match &self.keys[place] {
            Key::Id(id) => ids.push(*id),
            Key::Number(number) => ids.extend(self.numbered.get(number)),
            Key::Theirs { organisation, number } => {
                let named = self.named.get(number).into_iter().flatten();
                let fits = named.filter(|(whose, _)| {
                    organisation.as_ref().is_none_or(|organisation| organisation == whose)
                });
                ids.extend(fits.map(|(_, case)| *case));
            }
            Key::Answered { first, last } => {
                ids.extend(self.spoken.range(*first..=*last).map(|(_, case)| *case));
            }
            Key::AnsweredId(id) => ids.extend(self.spoken.get(id)),
        }
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        ids.into_iter().filter_map(|id| self.draft.case(id)).collect()
    }

    fn request(&self, id: Uuid) -> Option<&Message> {
        let written = self.draft.messages.iter().rev().map(|new| &new.message);
        written
            .into_iter()
            .find(|message| message.id == id)
            .or_else(|| self.requests.get(&id)?.as_ref())
    }

    /// What other cases hold of it, as they are now.
    fn overlapping(&self, wanted: &[Booking], own: Option<Uuid>) -> Vec<Booking> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let stored = self
            .booked
            .iter()
            .filter(|(case, _)| self.draft.held.get(case).is_none_or(|held| !held.changed));
        let stored = stored.map(|(case, booking)| (*case, booking));
        let changed = self
            .draft
            .changed()
            .flat_map(|held| held.case.bookings.iter().map(|booking| (held.case.id, booking)));
        let mut taken: Vec<Booking> = Vec::new();
        for (case, booking) in stored.chain(changed) {
            let clashes = wanted.iter().any(|want| {
                want.resource == booking.resource
                    && want.start < booking.end
                    && booking.start < want.end
            });
            if clashes && Some(case) != own && !taken.contains(booking) {
                taken.push(booking.clone());
            }
        }
        taken
    }

    fn slot(&self, name: &SlotName, case: Option<&Case>) -> Option<SlotUse> {
        let known = self.slots.get(name)?;
        let others = known.uses.iter().filter(|id| case.is_none_or(|case| case.id != **id));
        let used = u16::try_from(others.count()).unwrap_or(u16::MAX);
        Some(SlotUse { places: known.places?, used })
    }

    fn changed(&mut self, at: usize, change: tierlink_core::Change) {
        if let Some(problem) = storable::change(&change) {
            let id = self.asked(at).map(|asked| asked.message.source.message_id.clone());
            self.refuse(at, Verdict::refused(Refusal::Invalid, problem), id, false);
            return;
        }
        let Some(arrival) = self.accept(
            at,
            Some(change.case.number.clone()),
            Some(change.event.to_state.to_owned()),
        ) else {
            return;
        };
        let id = change.case.id;
        self.remember_names(&change.case);
        self.spoken.extend(change.messages.iter().map(|message| (message.id, id)));
        let slot = change.messages.first().and_then(slot_of);
        let ended = change.case.state.is_terminal();
        let appointed = change.case.context.appointment.is_some();
        let deliveries = self.draft.change(change, Some(arrival));
        self.use_slot(id, slot, ended, appointed);
        self.count(at, deliveries);
    }

    fn remember_names(&mut self, case: &Case) {
        self.numbered.insert(case.number.clone(), case.id);
        for number in &case.numbers {
            let named = self.named.entry(number.number.clone()).or_default();
            let entry = (number.organisation.clone(), case.id);
            if !named.contains(&entry) {
                named.push(entry);
            }
        }
    }

    /// A case uses the slot of the appointment that it was given last, until the appointment is
    /// taken back or the case ends.
    fn use_slot(&mut self, case: Uuid, slot: Option<SlotName>, ended: bool, appointed: bool) {
        let freed = ended || !appointed;
        if slot.is_none() && !freed {
            return;
        }
        for known in self.slots.values_mut() {
            known.uses.remove(&case);
        }
        let slot = slot.filter(|_| !freed);
        if let Some(name) = &slot {
            self.slots.entry(name.clone()).or_default().uses.insert(case);
        }
        if let Some(held) = self.draft.held.get_mut(&case) {
            held.slot = Some(slot);
        }
    }

    fn answered(&mut self, at: usize, answer: Message) {
        let number = answer.case.number.clone();
        let state = answer.case.state.clone();
        let case = answer.case.id.filter(|id| self.draft.held.contains_key(id));
        let Some(asked) = self.asked(at) else { return };
        let query = asked.message.clone();
        let Some(arrival) = self.accept(at, number.clone(), state.clone()) else { return };
        let to = query.source.organisation.clone();
        let received_at = arrival.received_at;
        self.draft.messages.push(NewMessage {
            message: query,
            arrival: Some(arrival),
            case,
            case_number: number.map(|number| number.as_str().to_owned()),
            case_state: state,
            received_at,
        });
        let deliveries = self.draft.tell(answer, to, received_at);
        self.count(at, deliveries);
    }

    fn noted(&mut self, at: usize) {
        let Some(asked) = self.asked(at) else { return };
        let message = asked.message.clone();
        if let Some(problem) = storable::slots(&message) {
            let id = Some(message.source.message_id);
            self.refuse(at, Verdict::refused(Refusal::Invalid, problem), id, false);
            return;
        }
        let whose = &message.source.organisation;
        let published = match &message.body {
            Body::SlotPublish(publish) => publish.slots.as_slice(),
            _ => &[],
        };
        for slot in published {
            let name = (whose.clone(), slot.number.clone());
            if let Some(known) = self.slots.get_mut(&name) {
                known.places = Some(slot.places);
            }
            self.new_slots.insert(name, Some(slot.clone()));
        }
        let withdrawn = match &message.body {
            Body::SlotWithdraw(withdraw) => withdraw.numbers.as_slice(),
            _ => &[],
        };
        for number in withdrawn {
            let name = (whose.clone(), number.clone());
            if let Some(known) = self.slots.get_mut(&name) {
                known.places = None;
            }
            self.new_slots.insert(name, None);
        }
        let Some(arrival) = self.accept(at, None, None) else { return };
        let received_at = arrival.received_at;
        self.draft.messages.push(NewMessage {
            message,
            arrival: Some(arrival),
            case: None,
            case_number: None,
            case_state: None,
            received_at,
        });
    }

    /// Answers a work well, and remembers it as the first of its id.
    fn accept(
        &mut self,
        at: usize,
        case_number: Option<CaseNumber>,
        state: Option<String>,
    ) -> Option<Arrival> {
        let id = source_id(&self.asked(at)?.message);
        let work = &mut self.works[at];
        let first = First {
            id: work.id,
            fingerprint: work.fingerprint.to_vec(),
            case_number: case_number.clone(),
            state: state.clone(),
        };
        self.firsts.insert(id, first);
        let verdict = Verdict::Accepted { message: work.id, case_number, state };
        self.judged[at] = Some(Judged { verdict, deliveries: 0, conflict: false });
        Some(Arrival {
            format: work.format,
            raw: std::mem::take(&mut work.raw),
            fingerprint: work.fingerprint,
            deviations: std::mem::take(&mut work.deviations),
            received_at: work.received_at,
        })
    }

    fn count(&mut self, at: usize, deliveries: u32) {
        if let Some(judged) = &mut self.judged[at] {
            judged.deliveries = deliveries;
        }
    }

    fn refuse(&mut self, at: usize, verdict: Verdict, id: Option<String>, conflict: bool) {
        let problems = match &verdict {
            Verdict::Refused { problems, .. } => problems.clone(),
            Verdict::Accepted { .. } | Verdict::Repeated { .. } => Vec::new(),
        };
        let source_message_id = id.filter(|id| storable::text(id));
        self.refusals.insert(at, NewRefusal { work: at, source_message_id, problems });
        self.judged[at] = Some(Judged { verdict, deliveries: 0, conflict });
    }

    /// The refusals to be kept, with their works.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&Work, &NewRefusal)> {
        self.refusals.values().map(|refusal| (&self.works[refusal.work], refusal))
    }

    /// Ids of slots that changed hands must be looked at under a lock; these are they.
    pub(crate) fn verdicts(self) -> Vec<Judged> {
        let answered = self.judged.into_iter().flatten().collect::<Vec<_>>();
        assert!(answered.len() == self.works.len(), "every work is answered");
        answered
    }
}

fn source_id(message: &Message) -> SourceId {
    (message.source.organisation.clone(), message.source.message_id.clone())
}

/// The slot that an appointment in the message names at its sender.
fn slot_of(message: &Message) -> Option<SlotName> {
    let number = message.body.appointment()?.slot.clone()?;
    storable::text(&number).then(|| (message.source.organisation.clone(), number))
}

/// A number for a name: FNV-1a, because it must be the same in every process and version.
fn name_of(organisation: &OrganisationCode, number: &str) -> i64 {
    let bytes = organisation.as_str().bytes().chain([0]).chain(number.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}
