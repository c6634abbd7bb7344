//! Carries a draft to the database: a fixed number of statements, whatever the number of rows.
//!
//! What nearly every message writes goes together, in one round trip. Bookings and slots come
//! after it, because they refer to cases, and are given up before others are taken, so that a room
//! may change hands within one transaction.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_schemas::message::to_vec_of;
use tierlink_schemas::{CaseNumber, OrganisationCode, Version};

use crate::draft::{Draft, Held, NewDelivery, NewMessage, SlotChange};
use crate::fields::json;
use crate::session::{Failed, Given, Part, Session, Type, values};

/// Writes everything that a draft holds, and `more` together with it.
pub(crate) async fn write<S: Session>(
    session: &mut S,
    draft: &Draft,
    more: Vec<Part>,
) -> Result<(), Failed> {
    let changed: Vec<&Held> = draft.changed().collect();
    delete_parties(session, &changed).await?;
    let mut parts = vec![
        insert_cases(&changed),
        update_cases(&changed),
        insert_parties(&changed),
        move_parties(&changed),
        insert_numbers(&changed),
        insert_versions(draft.messages.iter().filter_map(seen_version)),
        insert_messages(&draft.messages),
        insert_events(&draft.events),
        insert_deliveries(&draft.deliveries),
    ];
    parts.extend(more);
    session.run_together(parts).await?;
    write_bookings(session, &changed).await?;
    write_slot_uses(session, &changed).await
}

const CASE: &[(&str, Type)] = &[
    ("id", Type::Id),
    ("number", Type::Text),
    ("family", Type::Text),
    ("state", Type::Text),
    ("open", Type::Flag),
    ("origin", Type::Text),
    ("target", Type::Text),
    ("reviewer", Type::Text),
    ("priority", Type::Text),
    ("urgency", Type::Int),
    ("parent", Type::Text),
    ("opened_at", Type::Int),
    ("changed_at", Type::Int),
    ("due_at", Type::Int),
    ("events", Type::Int),
    ("body", Type::Bytes),
];

fn case_rows<'a>(cases: impl Iterator<Item = &'a &'a Held>) -> Given {
    let mut given = Given::new(CASE);
    for held in cases {
        let case = &held.case;
        let open = !case.state.is_terminal();
        let body = serde_json::to_vec(case)
            .unwrap_or_else(|_| unreachable!("a case has string keys and no failing writers"));
        given.push(values![
            case.id,
            case.number.as_str(),
            case.state.family().as_str(),
            case.state.as_str(),
            open,
            &case.origin,
            &case.target,
            case.reviews.first(),
            case.priority.as_str(),
            urgency(case.priority),
            case.parent.as_ref().map(CaseNumber::as_str),
            case.opened_at,
            case.changed_at,
            case.next_due().filter(|_| open),
            case.events,
            body,
        ]);
    }
    given
}

/// The rank of a priority, most urgent first.
pub(crate) fn urgency(priority: tierlink_schemas::Priority) -> i64 {
    use tierlink_schemas::Priority::{Chronic, Emergency, Routine, Urgent};
    match priority {
        Emergency => 0,
        Urgent => 1,
        Routine => 2,
        Chronic => 3,
    }
}

fn insert_cases(changed: &[&Held]) -> Part {
    let opened = case_rows(changed.iter().filter(|held| held.before.is_none()));
    let sql = "-- insert_cases
        INSERT INTO cases (id, number, family, state, open, origin, target, reviewer, priority,
            urgency, parent, opened_at, changed_at, due_at, events, body)
        SELECT id, number, family, state, open, origin, target, reviewer, priority,
            urgency, parent, opened_at, changed_at, due_at, events, body
        FROM given";
    Part::new(sql, opened)
}

fn update_cases(changed: &[&Held]) -> Part {
    let known = case_rows(changed.iter().filter(|held| held.before.is_some()));
    let sql = "-- update_cases
        UPDATE cases
        SET state = given.state, open = given.open, target = given.target,
            reviewer = given.reviewer, priority = given.priority, urgency = given.urgency,
            parent = given.parent, changed_at = given.changed_at, due_at = given.due_at,
            events = given.events, body = given.body
        FROM given WHERE cases.id = given.id";
    Part::new(sql, known)
}

/// Who has a part no more. Most messages change nothing here.
async fn delete_parties<S: Session>(session: &mut S, changed: &[&Held]) -> Result<(), Failed> {
    let mut gone = Given::new(&[("organisation", Type::Text), ("case_id", Type::Id)]);
    for held in changed {
        let now: BTreeSet<&OrganisationCode> = held.case.parties().collect();
        let before = held.before.iter().flat_map(|before| &before.parties);
        for party in before.filter(|party| !now.contains(party)) {
            gone.push(values![party, held.case.id]);
        }
    }
    let sql = "-- delete_parties
        DELETE FROM case_parties WHERE (organisation, case_id) IN
            (SELECT organisation, case_id FROM given)";
    session.run_for(sql, gone, vec![]).await?;
    Ok(())
}

/// Who has a part from now on.
fn insert_parties(changed: &[&Held]) -> Part {
    let mut come = Given::new(&[
        ("organisation", Type::Text),
        ("case_id", Type::Id),
        ("open", Type::Flag),
        ("urgency", Type::Int),
        ("changed_at", Type::Int),
    ]);
    for held in changed {
        let case = &held.case;
        let now: BTreeSet<&OrganisationCode> = case.parties().collect();
        let is_new = |party: &OrganisationCode| {
            held.before.as_ref().is_none_or(|before| !before.parties.contains(party))
        };
        for party in now.into_iter().filter(|party| is_new(party)) {
            come.push(values![
                party,
                case.id,
                !case.state.is_terminal(),
                urgency(case.priority),
                case.changed_at
            ]);
        }
    }
    let sql = "-- insert_parties
        INSERT INTO case_parties (organisation, case_id, open, urgency, changed_at)
        SELECT organisation, case_id, open, urgency, changed_at FROM given WHERE true
        ON CONFLICT (organisation, case_id) DO NOTHING";
    Part::new(sql, come)
}

/// Where cases stand now in the worklists of those who had a part before. Ended ones are in none.
fn move_parties(changed: &[&Held]) -> Part {
    let mut moved = Given::new(&[
        ("case_id", Type::Id),
        ("open", Type::Flag),
        ("urgency", Type::Int),
        ("changed_at", Type::Int),
    ]);
    for held in changed {
        let case = &held.case;
        let open = !case.state.is_terminal();
        if held.before.as_ref().is_some_and(|before| before.open || open) {
            moved.push(values![case.id, open, urgency(case.priority), case.changed_at]);
        }
    }
    let sql = "-- move_parties
        UPDATE case_parties
        SET open = given.open, urgency = given.urgency, changed_at = given.changed_at
        FROM given WHERE case_parties.case_id = given.case_id";
    Part::new(sql, moved)
}

fn insert_numbers(changed: &[&Held]) -> Part {
    let mut given =
        Given::new(&[("number", Type::Text), ("organisation", Type::Text), ("case_id", Type::Id)]);
    for held in changed {
        let before = held.before.as_ref().map_or(&[][..], |before| &before.numbers);
        for number in held.case.numbers.iter().filter(|number| !before.contains(number)) {
            given.push(values![number.number.as_str(), &number.organisation, held.case.id]);
        }
    }
    // What a case was called once still leads to it.
    let sql = "-- insert_numbers
        INSERT INTO case_numbers (number, organisation, case_id)
        SELECT number, organisation, case_id FROM given WHERE true
        ON CONFLICT (number, organisation, case_id) DO NOTHING";
    Part::new(sql, given)
}

async fn write_bookings<S: Session>(session: &mut S, changed: &[&Held]) -> Result<(), Failed> {
    let mut given_up = Vec::new();
    let mut taken = Given::new(&[
        ("case_id", Type::Id),
        ("resource", Type::Text),
        ("start_at", Type::Int),
        ("end_at", Type::Int),
    ]);
    for held in changed {
        let now = &held.case.bookings;
        let before = held.before.as_ref().map_or(&[][..], |before| &before.bookings);
        if now == before {
            continue;
        }
        if !before.is_empty() {
            given_up.push(held.case.id);
        }
        for booking in now {
            taken.push(values![
                held.case.id,
                booking.resource.as_str(),
                booking.start,
                booking.end
            ]);
        }
    }
    let sql = "-- delete_bookings
        DELETE FROM bookings WHERE case_id IN (SELECT id FROM given)";
    session.run_for(sql, Given::ids(given_up), vec![]).await?;
    let sql = "-- insert_bookings
        INSERT INTO bookings (case_id, resource, start_at, end_at)
        SELECT case_id, resource, start_at, end_at FROM given WHERE true
        ON CONFLICT (case_id, resource, start_at) DO NOTHING";
    session.run_for(sql, taken, vec![]).await?;
    Ok(())
}

async fn write_slot_uses<S: Session>(session: &mut S, changed: &[&Held]) -> Result<(), Failed> {
    let mut freed = Vec::new();
    let mut used =
        Given::new(&[("case_id", Type::Id), ("organisation", Type::Text), ("number", Type::Text)]);
    for held in changed {
        match &held.slot {
            SlotChange::Same => continue,
            // A case that is new had no slot.
            SlotChange::Freed if held.before.is_none() => continue,
            SlotChange::Freed => {}
            SlotChange::Taken((organisation, number)) => {
                used.push(values![held.case.id, organisation, number.as_str()]);
            }
        }
        freed.push(held.case.id);
    }
    let sql = "-- delete_slot_uses
        DELETE FROM slot_uses WHERE case_id IN (SELECT id FROM given)";
    session.run_for(sql, Given::ids(freed), vec![]).await?;
    let sql = "-- insert_slot_uses
        INSERT INTO slot_uses (case_id, organisation, number)
        SELECT case_id, organisation, number FROM given";
    session.run_for(sql, used, vec![]).await?;
    Ok(())
}

/// A version of a code map, as it was seen.
pub(crate) type SeenVersion<'a> = (&'a OrganisationCode, &'a Version, Timestamp);

fn seen_version(new: &NewMessage) -> Option<SeenVersion<'_>> {
    let version = new.arrival.as_ref()?.code_map.as_ref()?;
    Some((&new.message.source.organisation, version, new.received_at))
}

/// Remembers versions that were not seen before, in one order, so that two processes which see the
/// same ones first never wait for each other.
pub(crate) fn insert_versions<'a>(seen: impl Iterator<Item = SeenVersion<'a>>) -> Part {
    let mut first = BTreeMap::new();
    for (organisation, version, at) in seen {
        let since = first.entry((organisation, version)).or_insert(at);
        *since = at.min(*since);
    }
    let mut given = Given::new(&[
        ("organisation", Type::Text),
        ("hash", Type::Text),
        ("label", Type::Text),
        ("first_seen_at", Type::Int),
    ]);
    for ((organisation, version), at) in first {
        given.push(values![organisation, version.hash.as_str(), version.label.as_deref(), at]);
    }
    let sql = "-- insert_versions
        INSERT INTO versions (kind, organisation, system, hash, label, first_seen_at)
        SELECT 'code_map', organisation, '', hash, label, first_seen_at FROM given WHERE true
        ON CONFLICT (kind, organisation, system, hash) DO NOTHING";
    Part::new(sql, given)
}

/// About what canonical bytes are longer than native JSON: the case, the reply, the destinations.
const ADDED_BYTES: usize = 4 * 1024;

fn insert_messages(messages: &[NewMessage]) -> Part {
    let mut given = Given::new(&[
        ("id", Type::Id),
        ("case_id", Type::Id),
        ("organisation", Type::Text),
        ("source_message_id", Type::Text),
        ("inbound", Type::Flag),
        ("kind", Type::Text),
        ("format", Type::Text),
        ("fingerprint", Type::Bytes),
        ("case_number", Type::Text),
        ("case_state", Type::Text),
        ("raw", Type::Bytes),
        ("canonical", Type::Bytes),
        ("deviations", Type::Text),
        ("code_map", Type::Text),
        ("received_at", Type::Int),
    ]);
    for new in messages {
        let raw_length = new.arrival.as_ref().map_or(0, |arrival| arrival.raw.len());
        let canonical = to_vec_of(&new.message, raw_length + ADDED_BYTES);
        let inbound = new.arrival.is_some();
        let (format, fingerprint, raw, deviations) = match &new.arrival {
            Some(arrival) => (
                arrival.format,
                arrival.fingerprint.to_vec(),
                arrival.raw.clone(),
                arrival.deviations.as_slice(),
            ),
            None => ("", Vec::new(), Bytes::new(), &[][..]),
        };
        given.push(values![
            new.message.id,
            new.case,
            &new.message.source.organisation,
            new.message.source.message_id.as_str(),
            inbound,
            new.message.kind().as_str(),
            format,
            fingerprint,
            new.case_number.as_deref(),
            new.case_state.as_deref(),
            raw,
            canonical,
            json(deviations),
            new.arrival.as_ref().and_then(|it| it.code_map.as_ref()).map(|it| it.hash.as_str()),
            new.received_at,
        ]);
    }
    let sql = "-- insert_messages
        INSERT INTO messages (id, case_id, organisation, source_message_id, inbound, kind, format,
            fingerprint, case_number, case_state, raw, canonical, deviations, code_map,
            received_at)
        SELECT id, case_id, organisation, source_message_id, inbound, kind, format,
            fingerprint, case_number, case_state, raw, canonical, deviations, code_map,
            received_at
        FROM given";
    Part::new(sql, given)
}

fn insert_events(events: &[(uuid::Uuid, String, tierlink_core::decide::Event)]) -> Part {
    let mut given = Given::new(&[
        ("case_id", Type::Id),
        ("number", Type::Int),
        ("case_number", Type::Text),
        ("message_id", Type::Id),
        ("kind", Type::Text),
        ("organisation", Type::Text),
        ("from_state", Type::Text),
        ("to_state", Type::Text),
        ("recorded_at", Type::Int),
        ("reason", Type::Text),
        ("note", Type::Text),
    ]);
    for (case, number, event) in events {
        given.push(values![
            *case,
            event.number,
            number.as_str(),
            event.message,
            event.kind.as_str(),
            &event.by,
            event.from_state,
            event.to_state,
            event.at,
            event.reason.as_deref(),
            event.note.as_deref(),
        ]);
    }
    let sql = "-- insert_events
        INSERT INTO events (case_id, number, case_number, message_id, kind, organisation,
            from_state, to_state, recorded_at, reason, note, announced)
        SELECT case_id, number, case_number, message_id, kind, organisation,
            from_state, to_state, recorded_at, reason, note, false
        FROM given";
    Part::new(sql, given)
}

fn insert_deliveries(deliveries: &[NewDelivery]) -> Part {
    let mut given = Given::new(&[
        ("message_id", Type::Id),
        ("destination", Type::Text),
        ("case_id", Type::Id),
        ("number", Type::Int),
        ("created_at", Type::Int),
    ]);
    for new in deliveries {
        given.push(values![new.id.message, &new.id.to, new.case, new.number, new.created_at]);
    }
    let sql = "-- insert_deliveries
        INSERT INTO deliveries (message_id, destination, case_id, number, created_at, state, round,
            attempts)
        SELECT message_id, destination, case_id, number, created_at, 'queued', 1, 0
        FROM given";
    Part::new(sql, given)
}
