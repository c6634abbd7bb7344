//! A batch of arrivals that share a transaction: who is a repeat, what is found for each, what the
//! judge says, what is written.
//!
//! ```text
//!   works ─▶ firsts ─▶ keys ─▶ cases (locked) ─▶ requests, bookings, slots ─▶ judge, in order
//!            └repeat              └──────── seen as earlier works of the batch leave them
//! ```
//!
//! Pure: the database finds and writes (`commit.rs`), the judge decides, and a batch brings the two
//! together. Both databases run exactly this. This file holds what is known of a batch, `found.rs`
//! what the judge is shown, `meant.rs` what its judgement means, `judging.rs` calls it.

mod found;
mod judging;
mod meant;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use tierlink_core::case::Booking;
use tierlink_core::find::Key;
use tierlink_schemas::answer::Slot;
use tierlink_schemas::{
    CaseNumber, Code, LaneName, Message, OrganisationCode, Problem, Refusal, Verdict,
};
use uuid::Uuid;

use crate::changes::{Changes, SlotName};
use crate::records::{Content, Judged, ToJudge, Work};
use crate::storable;

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

/// A source (organisation and system) and its id for a message.
pub(crate) type SourceId = (LaneName, String);

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
    works: Arc<[Work]>,
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
    /// Requests that were read; those that this batch wrote are in `changes`.
    requests: HashMap<Uuid, Option<Message>>,
    asked_bookings: HashSet<Booking>,
    booked: Vec<(Uuid, Booking)>,
    slots: HashMap<SlotName, SlotKnown>,
    /// What is going to be written.
    pub(crate) changes: Changes,
    pub(crate) new_slots: BTreeMap<SlotName, Option<Slot>>,
    refusals: BTreeMap<usize, NewRefusal>,
}

impl Batch {
    /// Takes the works. What can be refused without looking anything up is refused here.
    pub(crate) fn new(works: impl Into<Arc<[Work]>>) -> Self {
        let works = works.into();
        let mut keys = Vec::new();
        let mut ranges = Vec::with_capacity(works.len());
        for work in &*works {
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
            changes: Changes::default(),
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
            .filter_map(|at| self.asked(at).map(|asked| source_id(&self.works[at], &asked.message)))
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
    pub(crate) fn know_firsts_late(&mut self, firsts: &HashMap<SourceId, First>) {
        for at in 0..self.len() {
            let Content::Message(asked) = &self.works[at].content else { continue };
            let refused = self.refusals.contains_key(&at);
            let id = source_id(&self.works[at], &asked.message);
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
                    Some(source_id(&self.works[*at], &asked.message))
                }
                (Content::Message(_) | Content::Refused { .. }, _) => None,
            })
            .collect()
    }

    /// Answers a work with a refusal, which is kept with `id`, the id under which its sender knows it.
    pub(super) fn refuse(
        &mut self,
        at: usize,
        verdict: Verdict,
        id: Option<String>,
        conflict: bool,
    ) {
        let problems = match &verdict {
            Verdict::Refused { problems, .. } => problems.clone(),
            Verdict::Accepted { .. } | Verdict::Repeated { .. } => Vec::new(),
        };
        let source_message_id = id.filter(|id| storable::text(id));
        let work = &self.works[at];
        if let Some(version) = &work.code_map {
            let system = LaneName::new(work.organisation.clone(), work.system.clone());
            self.changes.refused_with.push((system, version.clone(), work.received_at));
        }
        self.refusals.insert(at, NewRefusal { work: at, source_message_id, problems });
        self.judged[at] = Some(Judged { verdict, deliveries: 0, conflict });
    }

    fn answer_repeat(&mut self, at: usize) {
        let Some(asked) = self.asked(at) else { return };
        let Some(first) = self.firsts.get(&source_id(&self.works[at], &asked.message)).cloned()
        else {
            return;
        };
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

    /// The refusals to be kept, with their works.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&Work, &NewRefusal)> {
        self.refusals.values().map(|refusal| (&self.works[refusal.work], refusal))
    }

    /// What each sender hears, in the order of the works.
    pub(crate) fn verdicts(self) -> Vec<Judged> {
        let answered = self.judged.into_iter().flatten().collect::<Vec<_>>();
        assert!(answered.len() == self.works.len(), "every work is answered");
        answered
    }
}

/// The names under which these works may open cases: nobody else may open one meanwhile.
pub(crate) fn opening_names(works: &[Work]) -> Vec<i64> {
    let asked = works.iter().filter_map(|work| match &work.content {
        Content::Message(asked) => Some(asked),
        Content::Refused { .. } => None,
    });
    asked
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

fn source_id(work: &Work, message: &Message) -> SourceId {
    let source = LaneName::new(message.source.organisation.clone(), work.system.clone());
    (source, message.source.message_id.clone())
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

#[cfg(test)]
mod tests;
