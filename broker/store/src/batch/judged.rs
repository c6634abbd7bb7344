//! Applies a judgement to the batch: what will be written, what the sender is told, and what later
//! works of the batch see.

use tierlink_core::case::Case;
use tierlink_schemas::{Body, CaseNumber, LaneName, Message, Refusal, Verdict};
use uuid::Uuid;

use super::{Batch, First, slot_of, source_id};
use crate::changes::{Arrival, NewMessage, SlotChange, SlotName};
use crate::records::Judged;
use crate::storable;

impl Batch {
    pub(super) fn changed(&mut self, at: usize, change: tierlink_core::Change) {
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
        let deliveries = self.changes.add(change, Some(arrival));
        self.use_slot(id, slot, ended, appointed);
        self.count_deliveries(at, deliveries);
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

    /// Records which slot a case uses: the one of its latest appointment, until that appointment is
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
        if let Some(loaded) = self.changes.loaded.get_mut(&case) {
            loaded.slot = slot.map_or(SlotChange::Freed, SlotChange::Taken);
        }
    }

    pub(super) fn answered(&mut self, at: usize, answer: Message) {
        let number = answer.case.number.clone();
        let state = answer.case.state.clone();
        let case = answer.case.id.filter(|id| self.changes.loaded.contains_key(id));
        let Some(asked) = self.asked(at) else { return };
        let query = asked.message.clone();
        let Some(arrival) = self.accept(at, number.clone(), state.clone()) else { return };
        let system = arrival.system.clone();
        let to = LaneName::new(query.source.organisation.clone(), system.clone());
        let received_at = arrival.received_at;
        self.changes.messages.push(NewMessage {
            message: query,
            system,
            arrival: Some(arrival),
            case,
            case_number: number.map(|number| number.as_str().to_owned()),
            case_state: state,
            received_at,
        });
        let deliveries = self.changes.add_message(answer, &to, received_at);
        self.count_deliveries(at, deliveries);
    }

    pub(super) fn noted(&mut self, at: usize) {
        let Some(asked) = self.asked(at) else { return };
        let message = asked.message.clone();
        if let Some(problem) = storable::slots(&message) {
            let id = Some(message.source.message_id);
            self.refuse(at, Verdict::refused(Refusal::Invalid, problem), id, false);
            return;
        }
        let whose = &message.source.organisation;
        let published =
            if let Body::SlotPublish(publish) = &message.body { &*publish.slots } else { &[] };
        for slot in published {
            let name = (whose.clone(), slot.number.clone());
            if let Some(known) = self.slots.get_mut(&name) {
                known.places = Some(slot.places);
            }
            self.new_slots.insert(name, Some(slot.clone()));
        }
        let withdrawn =
            if let Body::SlotWithdraw(withdraw) = &message.body { &*withdraw.numbers } else { &[] };
        for number in withdrawn {
            let name = (whose.clone(), number.clone());
            if let Some(known) = self.slots.get_mut(&name) {
                known.places = None;
            }
            self.new_slots.insert(name, None);
        }
        let Some(arrival) = self.accept(at, None, None) else { return };
        let received_at = arrival.received_at;
        self.changes.messages.push(NewMessage {
            message,
            system: arrival.system.clone(),
            arrival: Some(arrival),
            case: None,
            case_number: None,
            case_state: None,
            received_at,
        });
    }

    /// Accepts a work, and remembers it so that a later work with the same source id is its repeat.
    fn accept(
        &mut self,
        at: usize,
        case_number: Option<CaseNumber>,
        state: Option<String>,
    ) -> Option<Arrival> {
        let id = source_id(&self.works[at], &self.asked(at)?.message);
        let work = &self.works[at];
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
            system: work.system.clone(),
            format: work.format,
            raw: work.raw.clone(),
            fingerprint: work.fingerprint,
            deviations: work.deviations.clone(),
            code_map: work.code_map.clone(),
            received_at: work.received_at,
        })
    }

    fn count_deliveries(&mut self, at: usize, deliveries: u32) {
        if let Some(judged) = &mut self.judged[at] {
            judged.deliveries = deliveries;
        }
    }
}
