//! A batch of arrivals that share a transaction: finds the repeats, collects what the judge needs
//! to know about each, asks it, and gathers what must be written.
//!
//! ```text
//!   works ─▶ firsts ─▶ keys ─▶ cases (locked) ─▶ requests, bookings, slots ─▶ judge, in order
//!            └repeat              └─── with the changes that earlier works of the batch made
//! ```
//!
//! Pure: the database finds and writes (`commit.rs`), the judge decides, and a batch connects the
//! two. Both databases run exactly this code. This file holds what is known of a batch,
//! `found.rs` collects what the judge is given, `judging.rs` calls the judge, and `judged.rs`
//! applies its judgement.

mod found;
mod judged;
mod judging;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use tierlink_core::case::Booking;
use tierlink_core::find::Key;
use tierlink_schemas::answer::Slot;
use tierlink_schemas::{
    Body, CaseNumber, Code, LaneName, Message, OrganisationCode, Problem, Refusal, Verdict,
};
use uuid::Uuid;

use crate::changes::{Changes, SlotName};
use crate::records::{Content, Judged, ToJudge, Work};
use crate::storable;

/// Error code: the same source message id arrived again with other content.
pub const CONFLICT: Code = Code::new("S010");

/// Most cases that one key may name. Hospitals that restart their numbering each year reuse
/// numbers, so several cases can have the same one; open cases and newer ones come first.
pub(crate) const CANDIDATES_MAX: usize = 20;

/// The message that was first accepted under a source message id. A repeat gets its verdict again.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) id: Uuid,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) case_number: Option<CaseNumber>,
    pub(crate) state: Option<String>,
}

/// Identifies a message at its source: the sending system, and that system's id for the message.
pub(crate) type SourceId = (LaneName, String);

/// A published slot and who uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotKnown {
    /// How many cases may use it; `None` if it was never published or was withdrawn.
    pub(crate) places: Option<u16>,
    /// Ids of the cases that use it.
    pub(crate) uses: HashSet<Uuid>,
}

/// What must be read from the database, beside cases, before a work can be judged.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    pub(crate) requests: Vec<Uuid>,
    pub(crate) bookings: Vec<Booking>,
    pub(crate) slots: Vec<SlotName>,
}

impl Needed {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.bookings.is_empty() && self.slots.is_empty()
    }
}

/// A refusal that will be stored.
pub(crate) struct NewRefusal {
    pub(crate) work: usize,
    pub(crate) source_message_id: Option<String>,
    pub(crate) problems: Vec<Problem>,
}

/// The state of a batch between its arrival and its verdicts.
pub(crate) struct Batch {
    works: Arc<[Work]>,
    judged: Vec<Option<Judged>>,
    firsts: HashMap<SourceId, First>,
    /// All keys of all works. `ranges` says which belong to each work, and which to
    /// its parent case.
    keys: Vec<Key>,
    ranges: Vec<(Range<usize>, Range<usize>)>,
    /// For each key, the ids of the cases that the database found for it.
    resolved: Vec<Vec<Uuid>>,
    /// Numbers of the cases that this batch changed, so that later works of the batch find them.
    numbered: HashMap<CaseNumber, Uuid>,
    named: HashMap<String, Vec<(OrganisationCode, Uuid)>>,
    spoken: BTreeMap<Uuid, Uuid>,
    /// Requests that were read from the database. Those that this batch writes are in `changes`.
    requests: HashMap<Uuid, Option<Message>>,
    asked_bookings: HashSet<Booking>,
    booked: Vec<(Uuid, Booking)>,
    slots: HashMap<SlotName, SlotKnown>,
    /// What the transaction will write.
    pub(crate) changes: Changes,
    pub(crate) new_slots: BTreeMap<SlotName, Option<Slot>>,
    refusals: BTreeMap<usize, NewRefusal>,
}

impl Batch {
    /// Creates a batch. What can be refused without looking anything up is refused here.
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

    /// The message of a work that has no verdict yet.
    fn asked(&self, at: usize) -> Option<&ToJudge> {
        match (&self.judged[at], &self.works[at].content) {
            (None, Content::Message(asked)) => Some(asked),
            (None | Some(_), Content::Message(_) | Content::Refused { .. }) => None,
        }
    }

    /// The source ids to look for among the messages accepted before.
    pub(crate) fn source_ids(&self) -> Vec<SourceId> {
        (0..self.len())
            .filter_map(|at| self.asked(at).map(|asked| source_id(&self.works[at], &asked.message)))
            .collect()
    }

    /// Records which messages were first accepted under these source ids, and answers the works
    /// that repeat or contradict them.
    pub(crate) fn know_firsts(&mut self, firsts: HashMap<SourceId, First>) {
        self.firsts.extend(firsts);
        for at in 0..self.len() {
            self.answer_repeat(at);
        }
    }

    /// Checks refused works once more after judging: while this transaction waited for a
    /// case, another process may have accepted the same message. Then the work is a repeat
    /// and not a refusal.
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

    /// Source ids of the works that were refused after their cases were read.
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

    /// Answers a work with a refusal. It is stored under `id`, which its sender was told.
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

    /// Keys to look up, each with its index in `keys`: only those of works that have
    /// no verdict yet.
    pub(crate) fn lookups(&self) -> Vec<(usize, &Key)> {
        (0..self.len())
            .filter(|at| self.asked(*at).is_some())
            .flat_map(|at| self.ranges[at].0.start..self.ranges[at].1.end)
            .map(|place| (place, &self.keys[place]))
            .collect()
    }

    /// Records a case that the key at index `place` names.
    pub(crate) fn know_key(&mut self, place: usize, case: Uuid) {
        let known = &mut self.resolved[place];
        if known.len() < CANDIDATES_MAX && !known.contains(&case) {
            known.push(case);
        }
    }

    /// Ids of the cases to lock, and of those that are only read (parents).
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

    /// Records a request that was read; `None` if there is none with this id.
    pub(crate) fn know_request(&mut self, id: Uuid, request: Option<Message>) {
        self.requests.insert(id, request);
    }

    /// Records the existing bookings that overlap with those that a work asks for.
    pub(crate) fn know_bookings(&mut self, asked: Vec<Booking>, booked: Vec<(Uuid, Booking)>) {
        self.asked_bookings.extend(asked);
        self.booked.extend(booked);
    }

    /// Records what the database holds about a slot.
    pub(crate) fn know_slot(&mut self, name: SlotName, known: SlotKnown) {
        self.slots.entry(name).or_insert(known);
    }

    /// The refusals to be stored, each with its work.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&Work, &NewRefusal)> {
        self.refusals.values().map(|refusal| (&self.works[refusal.work], refusal))
    }

    /// The verdicts, in the order of the works.
    pub(crate) fn verdicts(self) -> Vec<Judged> {
        let answered = self.judged.into_iter().flatten().collect::<Vec<_>>();
        assert!(answered.len() == self.works.len(), "every work is answered");
        answered
    }
}

/// Lock names for the case numbers under which these works may open cases. While they are locked,
/// no other transaction opens a case under the same number.
pub(crate) fn lock_names(works: &[Work]) -> Vec<i64> {
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

/// The slot that an appointment in the message names at its sender. One that is only asked for, or
/// that is cancelled, takes no place.
fn slot_of(message: &Message) -> Option<SlotName> {
    let (Body::ReferralSchedule(given) | Body::ConsultationSchedule(given)) = &message.body else {
        return None;
    };
    let number = given.appointment.slot.clone()?;
    storable::text(&number).then(|| (message.source.organisation.clone(), number))
}

/// Hashes a name to a lock number with FNV-1a, which gives the same result in every
/// process and release.
fn name_of(organisation: &OrganisationCode, number: &str) -> i64 {
    let bytes = organisation.as_str().bytes().chain([0]).chain(number.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests;
