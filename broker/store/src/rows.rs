//! Turns rows into records, the same way for both databases.

use tierlink_core::delivery::State;
use tierlink_schemas::{Family, Priority, Version};

use crate::fields::{Fields, Reader, json};
use crate::records::{CaseRow, CustodyRow, DeliveryId, DeliveryRow, EventRow};
use crate::session::Failed;

/// The columns that [`delivery`] reads, from `deliveries` joined with `messages`.
macro_rules! delivery_columns {
    () => {
        "deliveries.message_id, deliveries.destination, deliveries.system, deliveries.case_id,
            deliveries.number,
            deliveries.state, deliveries.due_at, deliveries.parked_why, deliveries.round,
            deliveries.attempts, deliveries.created_at, deliveries.silent_since,
            messages.kind, messages.organisation, messages.system AS source_system,
            messages.source_message_id, messages.case_number"
    };
}
pub(crate) use delivery_columns;

/// Reads a delivery, with what its message says about itself.
pub(crate) fn delivery<R: Fields>(row: &R) -> Result<DeliveryRow, Failed> {
    let row = Reader::new(row, "deliveries");
    Ok(DeliveryRow {
        id: DeliveryId { message: row.id("message_id")?, to: row.organisation("destination")? },
        system: row.system("system")?,
        case: row.id_if_any("case_id")?,
        case_number: row.case_number_if_any("case_number")?,
        number: row.u32("number")?,
        state: state(&row)?,
        round: row.u32("round")?,
        attempts: row.u32("attempts")?,
        created_at: row.at("created_at")?,
        silent_since: row.at_if_any("silent_since")?,
        kind: row.kind("kind")?,
        source: row.organisation("organisation")?,
        source_system: row.system("source_system")?,
        source_message_id: row.text("source_message_id")?,
    })
}

/// Reads the state of a delivery from the columns `state`, `due_at` and `parked_why`.
pub(crate) fn state<R: Fields>(row: &Reader<'_, R>) -> Result<State, Failed> {
    Ok(match row.text("state")?.as_str() {
        "queued" => State::Queued,
        "published" => State::Published,
        "waiting" => State::Waiting { due: row.at_if_any("due_at")?.ok_or_else(|| row.damaged())? },
        "delivered" => State::Delivered,
        "parked" => {
            let why = serde_json::Value::String(row.text("parked_why")?);
            State::Parked { why: serde_json::from_value(why).map_err(|_| row.damaged())? }
        }
        "withdrawn" => State::Withdrawn,
        _ => return Err(row.damaged()),
    })
}

/// The name of a state in the column `state`.
pub(crate) const fn state_name(state: &State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Published => "published",
        State::Waiting { .. } => "waiting",
        State::Delivered => "delivered",
        State::Parked { .. } => "parked",
        State::Withdrawn => "withdrawn",
    }
}

/// The text in the column `parked_why`.
pub(crate) fn parked_why(state: &State) -> Option<String> {
    match state {
        State::Parked { why } => Some(json(why).trim_matches('"').to_owned()),
        State::Queued
        | State::Published
        | State::Waiting { .. }
        | State::Delivered
        | State::Withdrawn => None,
    }
}

/// Reads the version of a code map from `code_map` and `code_map_label`.
pub(crate) fn code_map<R: Fields>(row: &Reader<'_, R>) -> Result<Option<Version>, Failed> {
    let label = row.text_if_any("code_map_label")?;
    Ok(row.text_if_any("code_map")?.map(|hash| Version { label, hash }))
}

/// Reads a delivery with its times, problems and losses.
pub(crate) fn custody<R: Fields>(row: &R) -> Result<CustodyRow, Failed> {
    let delivery = delivery(row)?;
    let row = Reader::new(row, "deliveries");
    let problems: Option<Vec<_>> = row.json_if_any("problems")?;
    let last = row.json_if_any("last_problem")?;
    Ok(CustodyRow {
        delivery,
        published_at: row.at_if_any("published_at")?,
        settled_at: row.at_if_any("settled_at")?,
        destination_number: row.text_if_any("destination_number")?,
        problems: problems.unwrap_or_else(|| last.into_iter().collect()),
        losses: row.json_if_any("losses")?.unwrap_or_default(),
        code_map: code_map(&row)?,
    })
}

/// The columns that [`event`] reads, from `events` joined with `messages`.
macro_rules! event_columns {
    () => {
        "events.case_id, events.case_number, events.number, events.message_id, events.kind,
            events.organisation, events.from_state, events.to_state, events.recorded_at,
            events.reason, events.note, messages.deviations, messages.code_map,
            (SELECT label FROM versions WHERE versions.kind = 'code_map'
                AND versions.organisation = messages.organisation
                AND versions.system = messages.system
                AND versions.hash = messages.code_map) AS code_map_label"
    };
}
pub(crate) use event_columns;

/// Reads an event.
pub(crate) fn event<R: Fields>(row: &R) -> Result<EventRow, Failed> {
    let row = Reader::new(row, "events");
    Ok(EventRow {
        case: row.id("case_id")?,
        case_number: row.case_number("case_number")?,
        number: row.u32("number")?,
        message: row.id("message_id")?,
        kind: row.kind("kind")?,
        by: row.organisation("organisation")?,
        from_state: row.text_if_any("from_state")?,
        to_state: row.text("to_state")?,
        at: row.at("recorded_at")?,
        reason: row.text_if_any("reason")?,
        note: row.text_if_any("note")?,
        deviations: row.json_if_any("deviations")?.unwrap_or_default(),
        code_map: code_map(&row)?,
    })
}

/// Reads a case for a list.
pub(crate) fn case<R: Fields>(row: &R) -> Result<CaseRow, Failed> {
    let row = Reader::new(row, "cases");
    let family = row.text("family")?;
    let priority = row.text("priority")?;
    Ok(CaseRow {
        id: row.id("id")?,
        number: row.case_number("number")?,
        family: Family::WITH_CASES
            .into_iter()
            .find(|its| its.as_str() == family)
            .ok_or_else(|| row.damaged())?,
        state: row.text("state")?,
        origin: row.organisation("origin")?,
        target: row.organisation("target")?,
        reviewer: row.organisation_if_any("reviewer")?,
        priority: Priority::ALL
            .into_iter()
            .find(|its| its.as_str() == priority)
            .ok_or_else(|| row.damaged())?,
        opened_at: row.at("opened_at")?,
        changed_at: row.at("changed_at")?,
        due_at: row.at_if_any("due_at")?,
        events: row.u32("events")?,
    })
}
