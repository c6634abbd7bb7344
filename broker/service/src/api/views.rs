//! What callers of the API see of a case: numbers, states, events and custody.
//!
//! The people and the illness of a case stand in the messages; who has a part in the case gets
//! them through `GET /api/v1/messages/{id}` for each message that it sent or received.

use serde::Serialize;
use serde_json::{Value, json};
use tierlink_core::Case;
use tierlink_schemas::{Loss, OrganisationCode, Problem, Version};
use tierlink_store::{
    ActRow, CaseFile, CaseRow, CustodyRow, DeliveryId, EventRow, LaneRow, ParkedRow, SlotRow,
};

use crate::lane::parcel_id;

/// A case in a list.
#[must_use]
pub fn row(row: &CaseRow) -> Value {
    json!({
        "id": row.id,
        "number": row.number,
        "family": row.family,
        "state": row.state,
        "origin": row.origin,
        "target": row.target,
        "reviewer": row.reviewer,
        "priority": row.priority,
        "opened_at": row.opened_at,
        "changed_at": row.changed_at,
        "due_at": row.due_at,
        "events": row.events,
    })
}

/// A case with its history.
#[must_use]
pub fn file(file: &CaseFile) -> Value {
    let case = &file.case;
    json!({
        "id": case.id,
        "number": case.number,
        "family": case.state.family(),
        "state": case.state.as_str(),
        "origin": case.origin,
        "target": case.target,
        "reviews": case.reviews,
        "watchers": case.watchers,
        "past_targets": case.past_targets,
        "priority": case.priority,
        "numbers": case.numbers,
        "parent": case.parent,
        "children": file.children,
        "experts": case.experts,
        "appointment": appointment(case),
        "deadlines": case.deadlines,
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "events": file.events.iter().map(event).collect::<Vec<_>>(),
        "custody": file.custody.iter().map(custody).collect::<Vec<_>>(),
    })
}

/// A case as a past target sees it: as it was when it left.
#[must_use]
pub fn file_of_past(file: &CaseFile, organisation: &OrganisationCode) -> Value {
    let case = &file.case;
    let last = case.past_targets.iter().rev().find(|past| past.organisation == *organisation);
    json!({
        "id": case.id,
        "number": case.number,
        "family": case.state.family(),
        "state": file.events.last().map(|event| event.to_state.as_str()),
        "origin": case.origin,
        "priority": case.priority,
        "opened_at": case.opened_at,
        "left_at": last.map(|past| past.until),
        "events": file.events.iter().map(event).collect::<Vec<_>>(),
        "custody": file.custody.iter().map(custody).collect::<Vec<_>>(),
    })
}

/// Whether the case has left `organisation`: it was a target and has no other part now.
#[must_use]
pub fn has_left(case: &Case, organisation: &OrganisationCode) -> bool {
    let present = [&case.origin, &case.target]
        .into_iter()
        .chain(&case.reviews)
        .chain(&case.watchers)
        .chain(case.experts.iter().map(|asked| &asked.expert.organisation))
        .any(|party| party == organisation);
    !present
}

/// The appointment without the link to the session, which only messages carry.
fn appointment(case: &Case) -> Option<Value> {
    let appointment = case.context.appointment.as_ref()?;
    Some(json!({
        "number": appointment.number,
        "start": appointment.start,
        "end": appointment.end,
        "place": appointment.place,
        "room": appointment.room,
    }))
}

/// An event.
#[must_use]
pub fn event(event: &EventRow) -> Value {
    json!({
        "number": event.number,
        "message": event.message,
        "kind": event.kind,
        "by": event.by,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "at": event.at,
        "reason": event.reason,
        "note": event.note,
        "deviations": event.deviations,
        "code_map": event.code_map,
    })
}

/// One hop of one message.
#[must_use]
pub fn custody(row: &CustodyRow) -> Value {
    #[derive(Serialize)]
    struct View<'a> {
        delivery: String,
        message: uuid::Uuid,
        to: &'a str,
        kind: &'static str,
        number: u32,
        state: &'a tierlink_core::delivery::State,
        attempts: u32,
        round: u32,
        created_at: jiff::Timestamp,
        published_at: Option<jiff::Timestamp>,
        settled_at: Option<jiff::Timestamp>,
        destination_number: Option<&'a str>,
        problems: &'a [Problem],
        losses: &'a [Loss],
        code_map: Option<&'a Version>,
    }
    let delivery = &row.delivery;
    let view = View {
        delivery: parcel_id(&delivery.id),
        message: delivery.id.message,
        to: delivery.id.to.as_str(),
        kind: delivery.kind.as_str(),
        number: delivery.number,
        state: &delivery.state,
        attempts: delivery.attempts,
        round: delivery.round,
        created_at: delivery.created_at,
        published_at: row.published_at,
        settled_at: row.settled_at,
        destination_number: row.destination_number.as_deref(),
        problems: &row.problems,
        losses: &row.losses,
        code_map: row.code_map.as_ref(),
    };
    serde_json::to_value(view).unwrap_or(Value::Null)
}

/// A lane.
#[must_use]
pub fn lane(row: &LaneRow) -> Value {
    json!({
        "lane": row.lane,
        "waiting": row.waiting,
        "parked": row.parked,
        "oldest_at": row.oldest_at,
        "paused": row.paused,
        "last_settled_at": row.last_settled_at,
        "trouble": row.trouble.as_ref().map(|(at, problem)| json!({ "at": at, "problem": problem })),
    })
}

/// A parked delivery.
#[must_use]
pub fn parked(row: &ParkedRow) -> Value {
    json!({
        "delivery": parcel_id(&row.delivery.id),
        "case_number": row.delivery.case_number,
        "kind": row.delivery.kind,
        "from": row.delivery.source,
        "to": row.delivery.id.to,
        "since": row.since,
        "attempts": row.delivery.attempts,
        "behind": row.behind,
        "problems": row.problems,
    })
}

/// A page of acts of at most `limit`, with the cursor of the next one if there may be one.
#[must_use]
pub fn acts(rows: &[ActRow], limit: u32) -> Value {
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|row| row.id);
    json!({ "acts": rows.iter().map(act).collect::<Vec<_>>(), "next": next })
}

fn act(row: &ActRow) -> Value {
    let delivery = row.message.zip(row.organisation.clone());
    json!({
        "id": row.id,
        "act": row.act,
        "by": row.by,
        "through": row.through,
        "why": row.why,
        "at": row.at,
        "delivery": delivery.map(|(message, to)| parcel_id(&DeliveryId { message, to })),
        "message": row.message,
        "organisation": row.organisation,
        "token": row.token,
        "config_before": row.config_before,
        "config_after": row.config_after,
    })
}

/// A slot.
#[must_use]
pub fn slot(row: &SlotRow) -> Value {
    json!({ "organisation": row.organisation, "slot": row.slot, "used": row.used })
}
