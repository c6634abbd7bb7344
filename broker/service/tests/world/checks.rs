//! What must hold at the end of every world.
//!
//! The checks compare three records that know nothing of each other: what senders heard, what the
//! judge promised (the diary), and what hospitals saw.

use std::collections::{BTreeMap, BTreeSet};

use tierlink_core::delivery::{State as Stand, Why};
use tierlink_schemas::{CaseNumber, OrganisationCode, Refusal, Verdict};
use tierlink_store::DeliveryId;
use uuid::Uuid;

use crate::hospitals::{Did, Seen};
use crate::senders::ReceivedVerdict;
use crate::store::{Memory, SourceId, source_id};

/// Every failure, with the name of the promise that is broken.
pub fn all(memory: &Memory, seen: &Seen, heard: &[ReceivedVerdict]) -> Vec<String> {
    let mut failures = Vec::new();
    failures.extend(acknowledged_is_kept(memory, heard));
    failures.extend(repeats_hear_the_same(heard));
    failures.extend(said_once_happens_once(memory));
    failures.extend(cases_go_forward(memory));
    failures.extend(deliveries_go_forward(memory));
    failures.extend(promised_is_delivered(memory, seen));
    failures.extend(nothing_is_invented(memory, seen));
    failures.extend(lines_are_in_order(memory, seen));
    failures.extend(seen.changed.iter().map(|id| format!("changed content: {id:?}")));
    failures
}

fn acknowledged_is_kept(memory: &Memory, heard: &[ReceivedVerdict]) -> Vec<String> {
    let lost = heard.iter().filter(|heard| match &heard.verdict {
        Verdict::Accepted { message, .. } | Verdict::Repeated { message, .. } => {
            memory.messages.get(message).map(|kept| source_id(&kept.message))
                != Some(heard.source.clone())
        }
        Verdict::Refused { .. } => false,
    });
    lost.map(|heard| format!("acknowledged and lost: {:?}", heard.source)).collect()
}

/// The first good verdict on a message stands: a repeat hears the same, other content never.
fn repeats_hear_the_same(heard: &[ReceivedVerdict]) -> Vec<String> {
    let mut firsts: BTreeMap<&SourceId, (usize, &ReceivedVerdict)> = BTreeMap::new();
    let mut failures = Vec::new();
    for (at, now) in heard.iter().enumerate() {
        let source = &now.source;
        let first = match &now.verdict {
            Verdict::Accepted { .. } | Verdict::Repeated { .. } => {
                Some(*firsts.entry(source).or_insert((at, now)))
            }
            Verdict::Refused { .. } => firsts.get(source).copied(),
        };
        let Some((first_at, first)) = first else { continue };
        let same = first.content == now.content;
        match &now.verdict {
            Verdict::Accepted { .. } | Verdict::Repeated { .. } => {
                if said(&first.verdict) != said(&now.verdict) {
                    failures.push(format!("other verdict for a repeat: {source:?}"));
                }
                if !same {
                    failures.push(format!("other content taken for a repeat: {source:?}"));
                }
            }
            // A try that was under way already may have been judged before.
            Verdict::Refused { .. } if now.sent_after <= first_at => {}
            Verdict::Refused { refusal, .. } => {
                if same || *refusal != Refusal::Conflict {
                    failures.push(format!("refused after it was accepted: {source:?}"));
                }
            }
        }
    }
    failures
}

/// What a good verdict says.
fn said(verdict: &Verdict) -> Option<(Uuid, Option<&str>, Option<&str>)> {
    match verdict {
        Verdict::Accepted { message, case_number, state }
        | Verdict::Repeated { message, case_number, state } => {
            Some((*message, case_number.as_ref().map(CaseNumber::as_str), state.as_deref()))
        }
        Verdict::Refused { .. } => None,
    }
}

fn said_once_happens_once(memory: &Memory) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = memory.diary.events.iter().filter(|(_, event)| {
        let message = &memory.messages[&event.message].message;
        !seen.insert(source_id(message))
    });
    twice.map(|(case, event)| format!("doubled event {} of {case}", event.number)).collect()
}

const ENDED: [&str; 4] = ["completed", "declined", "cancelled", "expired"];

fn cases_go_forward(memory: &Memory) -> Vec<String> {
    let mut states: BTreeMap<Uuid, (&str, u32)> = BTreeMap::new();
    let mut failures = Vec::new();
    for (case, event) in &memory.diary.events {
        let (before, number) = states.get(case).copied().unwrap_or(("", 0));
        if ENDED.contains(&before) && event.to_state != before {
            failures.push(format!("ended case {case} went on to {}", event.to_state));
        }
        if event.number != number + 1 || event.from_state.unwrap_or("") != before {
            failures.push(format!("event {} of {case} does not follow {number}", event.number));
        }
        states.insert(*case, (event.to_state, event.number));
    }
    for (case, (state, _)) in states {
        if memory.cases.get(&case).is_none_or(|kept| kept.state.as_str() != state) {
            failures.push(format!("case {case} is not in its last state {state}"));
        }
    }
    failures
}

fn deliveries_go_forward(memory: &Memory) -> Vec<String> {
    let ended = |stand: &Stand| matches!(stand, Stand::Delivered | Stand::Withdrawn);
    let revived =
        memory.diary.stands.iter().filter(|(_, stands)| stands.iter().rev().skip(1).any(ended));
    revived.map(|(id, stands)| format!("settled and moved again: {id:?} {stands:?}")).collect()
}

fn promised_is_delivered(memory: &Memory, seen: &Seen) -> Vec<String> {
    let mut failures = Vec::new();
    for promise in &memory.diary.promises {
        let id = &promise.delivery;
        let Some(delivery) = memory.deliveries.get(id) else {
            failures.push(format!("lost from the outbox: {id:?}"));
            continue;
        };
        let (taken, refused) = (seen.taken.contains(id), seen.refused.contains(id));
        let fault = match delivery.row.state {
            Stand::Delivered if !taken => "delivered, and the hospital does not have it",
            Stand::Delivered => continue,
            Stand::Parked { why: Why::Refused } if refused && !taken => continue,
            Stand::Parked { .. } => "parked, and the hospital did not refuse it",
            Stand::Queued if !memory.is_first(&delivery.row) => continue,
            Stand::Queued | Stand::Published | Stand::Waiting { .. } => "left behind",
            Stand::Withdrawn => "withdrawn, and nobody did that",
        };
        failures.push(format!("{fault}: {:?}", delivery.row));
    }
    failures
}

fn nothing_is_invented(memory: &Memory, seen: &Seen) -> Vec<String> {
    let promised: BTreeSet<&DeliveryId> =
        memory.diary.promises.iter().map(|promise| &promise.delivery).collect();
    let invented = seen.taken.iter().filter(|id| !promised.contains(id));
    invented.map(|id| format!("invented: {id:?}")).collect()
}

/// Nobody reads a message of a case before taking everything that was promised before it.
fn lines_are_in_order(memory: &Memory, seen: &Seen) -> Vec<String> {
    let mut lines: BTreeMap<(Uuid, &OrganisationCode), Vec<&DeliveryId>> = BTreeMap::new();
    for promise in &memory.diary.promises {
        if let Some(case) = promise.case {
            lines.entry((case, &promise.delivery.to)).or_default().push(&promise.delivery);
        }
    }
    let place = |id: &DeliveryId, did: Did| {
        seen.log.iter().position(|entry| entry.1 == did && entry.0 == *id)
    };
    let mut failures = Vec::new();
    for line in lines.values() {
        for pair in line.windows(2) {
            let Some(read) = place(pair[1], Did::Read) else { continue };
            if place(pair[0], Did::Took).is_none_or(|took| took > read) {
                failures.push(format!("out of order: {:?} before {:?}", pair[1], pair[0]));
            }
        }
    }
    failures
}
