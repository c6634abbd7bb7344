//! Collects what the judge needs to know for each work, including the changes made by earlier works
//! of the same batch.

use std::collections::HashSet;

use tierlink_core::case::{Booking, Case};
use tierlink_core::decide::{SlotUse, needs_request, wanted_bookings};
use tierlink_core::find::{self, Key, Picked};
use tierlink_schemas::Message;
use uuid::Uuid;

use super::{Batch, Needed, slot_of};
use crate::changes::SlotName;
use crate::records::{Content, Found};

impl Batch {
    /// What must be read before any work is judged, as far as it can be known at that point.
    pub(crate) fn needed_by_all(&self) -> Needed {
        let mut all = Needed::default();
        for at in 0..self.len() {
            let mut needed = self.needed_by(at);
            all.requests.append(&mut needed.requests);
            all.bookings.append(&mut needed.bookings);
            all.slots.append(&mut needed.slots);
        }
        all
    }

    /// What is still missing to judge this work now.
    pub(crate) fn needed_by(&self, at: usize) -> Needed {
        let mut needed = Needed::default();
        let Some(asked) = self.asked(at) else { return needed };
        let case = self.guess(at);
        if let Some(case) = case.filter(|_| needs_request(asked.message.kind()))
            && self.request(case.request).is_none()
            && !self.requests.contains_key(&case.request)
        {
            needed.requests.push(case.request);
        }
        let wanted = wanted_bookings(&asked.message, case);
        needed
            .bookings
            .extend(wanted.into_iter().filter(|want| !self.asked_bookings.contains(want)));
        needed.slots.extend(slot_of(&asked.message).filter(|slot| !self.slots.contains_key(slot)));
        needed
    }

    pub(super) fn found(&self, at: usize) -> Found<'_> {
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

    /// The case that is probably meant. Only for choosing what to read: the judge
    /// decides for itself.
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

    /// The cases that a key names, with the changes of this batch applied and the cases
    /// it opened included.
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
        ids.into_iter().filter_map(|id| self.changes.case(id)).collect()
    }

    fn request(&self, id: Uuid) -> Option<&Message> {
        let written = self.changes.messages.iter().rev().map(|new| &new.message);
        written
            .into_iter()
            .find(|message| message.id == id)
            .or_else(|| self.requests.get(&id)?.as_ref())
    }

    /// Bookings by other cases that overlap with `wanted`, with the changes of this batch applied.
    fn overlapping(&self, wanted: &[Booking], own: Option<Uuid>) -> Vec<Booking> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let stored = self
            .booked
            .iter()
            .filter(|(case, _)| self.changes.loaded.get(case).is_none_or(|loaded| !loaded.changed));
        let stored = stored.map(|(case, booking)| (*case, booking));
        let changed = self.changes.changed_cases().flat_map(|loaded| {
            loaded.case.bookings.iter().map(|booking| (loaded.case.id, booking))
        });
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
}
