//! Writes changes to the database, in a number of statements that does not depend on the
//! number of rows.
//!
//! The tables that nearly every message writes are written together, in one round trip. Bookings
//! and slots follow, because they refer to cases; released ones are written before new ones, so
//! that a room may change hands within one transaction.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_core::access;
use tierlink_core::case::Case;
use tierlink_schemas::delivery::BodyHash;
use tierlink_schemas::message::to_vec_of;
use tierlink_schemas::{CaseNumber, LaneName, OrganisationCode, SystemName, Version};

use crate::changes::{Changes, LoadedCase, NewDelivery, NewMessage, SlotChange};
use crate::fields::json;
use crate::session::{Failed, Given, Part, Session, Type, Value, values};
use crate::tables::{
    BOOKING, CASE, DELIVERY, EVENT, MESSAGE, NUMBER, PARTY, SLOT_USE, VERSION, booking_columns,
    case_changes, case_columns, insert, message_columns, new_delivery_columns, new_event_columns,
    number_columns, party_changes, party_columns, slot_use_columns, version_columns,
};

/// Writes everything in `changes`, and `more` together with it.
pub(crate) async fn write<S: Session>(
    session: &mut S,
    changes: &Changes,
    more: Vec<Part>,
) -> Result<(), Failed> {
    let changed: Vec<&LoadedCase> = changes.changed_cases().collect();
    delete_parties(session, &changed).await?;
    let mut parts = vec![
        insert_cases(&changed),
        update_cases(&changed),
        insert_parties(&changed),
        move_parties(&changed),
        insert_numbers(&changed),
        insert_versions(changes.messages.iter().filter_map(seen_version).chain(
            changes.refused_with.iter().map(|(system, version, at)| (system.clone(), version, *at)),
        )),
        insert_messages(&changes.messages),
        insert_events(&changes.events),
        insert_deliveries(&changes.deliveries),
    ];
    parts.extend(more);
    session.run_together(parts).await?;
    write_bookings(session, &changed).await?;
    write_slot_uses(session, &changed).await
}

fn case_rows<'a>(cases: impl Iterator<Item = &'a &'a LoadedCase>) -> Given {
    let mut given = Given::new(CASE);
    for loaded in cases {
        let case = &loaded.case;
        let open = !case.state.is_terminal();
        let body = serde_json::to_vec(case)
            .unwrap_or_else(|_| unreachable!("a case has string keys and no failing writers"));
        given.push(values![
            case.id,
            case.number.as_str(),
            case.state.family().as_str(),
            &case.origin,
            case.opened_at,
            case.state.as_str(),
            open,
            &case.target,
            case.reviews.first(),
            case.priority.as_str(),
            urgency(case.priority),
            case.parent.as_ref().map(CaseNumber::as_str),
            case.changed_at,
            case.next_due().filter(|_| open),
            case.events,
            body,
        ]);
    }
    given
}

/// The rank of a priority for sorting, most urgent first.
pub(crate) fn urgency(priority: tierlink_schemas::Priority) -> i64 {
    use tierlink_schemas::Priority::{Chronic, Emergency, Routine, Urgent};
    match priority {
        Emergency => 0,
        Urgent => 1,
        Routine => 2,
        Chronic => 3,
    }
}

fn insert_cases(changed: &[&LoadedCase]) -> Part {
    let opened = case_rows(changed.iter().filter(|loaded| loaded.before.is_none()));
    let sql = insert!("insert_cases", "cases", case_columns);
    Part::new(sql, opened)
}

fn update_cases(changed: &[&LoadedCase]) -> Part {
    let known = case_rows(changed.iter().filter(|loaded| loaded.before.is_some()));
    let sql = concat!(
        "-- update_cases
        UPDATE cases SET ",
        case_changes!(),
        "
        FROM given WHERE cases.id = given.id"
    );
    Part::new(sql, known)
}

/// Deletes the parts of organisations that have none in the case any more. Most
/// messages change none.
async fn delete_parties<S: Session>(
    session: &mut S,
    changed: &[&LoadedCase],
) -> Result<(), Failed> {
    let mut gone = Given::new(&[("organisation", Type::Text), ("case_id", Type::Id)]);
    for loaded in changed {
        let now: BTreeSet<&OrganisationCode> = access::parties(&loaded.case).collect();
        let before = loaded.before.iter().flat_map(|before| &before.parties);
        for party in before.filter(|party| !now.contains(party)) {
            gone.push(values![party, loaded.case.id]);
        }
    }
    let sql = "-- delete_parties
        DELETE FROM case_parties WHERE (organisation, case_id) IN
            (SELECT organisation, case_id FROM given)";
    session.run_for(sql, gone, vec![]).await?;
    Ok(())
}

fn party_row(case: &Case, party: &OrganisationCode) -> Vec<Value> {
    values![
        party,
        case.id,
        access::is_open_for(case, party),
        urgency(case.priority),
        case.changed_at
    ]
}

/// Inserts the organisations that have a part from now on.
fn insert_parties(changed: &[&LoadedCase]) -> Part {
    let mut come = Given::new(PARTY);
    for loaded in changed {
        let case = &loaded.case;
        let now: BTreeSet<&OrganisationCode> = access::parties(case).collect();
        let is_new = |party: &OrganisationCode| {
            loaded.before.as_ref().is_none_or(|before| !before.parties.contains(party))
        };
        for party in now.into_iter().filter(|party| is_new(party)) {
            come.push(party_row(case, party));
        }
    }
    // An earlier release wrote down the target of a case in review, too.
    let sql = insert!(
        "insert_parties",
        "case_parties",
        party_columns,
        "
        WHERE true ON CONFLICT (organisation, case_id) DO UPDATE
        SET open = excluded.open, urgency = excluded.urgency, changed_at = excluded.changed_at"
    );
    Part::new(sql, come)
}

/// Updates the place of cases in the worklists of organisations that had a part before. Ended cases
/// are in no worklist, and neither are cases that have left the organisation.
fn move_parties(changed: &[&LoadedCase]) -> Part {
    let mut moved = Given::new(PARTY);
    for loaded in changed {
        let case = &loaded.case;
        let Some(before) = &loaded.before else { continue };
        if !before.open && case.state.is_terminal() {
            continue;
        }
        let now: BTreeSet<&OrganisationCode> = access::parties(case).collect();
        for party in now.into_iter().filter(|party| before.parties.contains(*party)) {
            moved.push(party_row(case, party));
        }
    }
    let sql = concat!(
        "-- move_parties
        UPDATE case_parties SET ",
        party_changes!(),
        "
        FROM given WHERE case_parties.organisation = given.organisation
            AND case_parties.case_id = given.case_id"
    );
    Part::new(sql, moved)
}

fn insert_numbers(changed: &[&LoadedCase]) -> Part {
    let mut given = Given::new(NUMBER);
    for loaded in changed {
        let before = loaded.before.as_ref().map_or(&[][..], |before| &before.numbers);
        for number in loaded.case.numbers.iter().filter(|number| !before.contains(number)) {
            given.push(values![number.number.as_str(), &number.organisation, loaded.case.id]);
        }
    }
    // A number that a case once had still finds it.
    let sql = insert!(
        "insert_numbers",
        "case_numbers",
        number_columns,
        "
        WHERE true ON CONFLICT (number, organisation, case_id) DO NOTHING"
    );
    Part::new(sql, given)
}

async fn write_bookings<S: Session>(
    session: &mut S,
    changed: &[&LoadedCase],
) -> Result<(), Failed> {
    let mut given_up = Vec::new();
    let mut taken = Given::new(BOOKING);
    for loaded in changed {
        let now = &loaded.case.bookings;
        let before = loaded.before.as_ref().map_or(&[][..], |before| &before.bookings);
        if now == before {
            continue;
        }
        if !before.is_empty() {
            given_up.push(loaded.case.id);
        }
        for booking in now {
            taken.push(values![
                loaded.case.id,
                booking.resource.as_str(),
                booking.start,
                booking.end
            ]);
        }
    }
    let sql = "-- delete_bookings
        DELETE FROM bookings WHERE case_id IN (SELECT id FROM given)";
    session.run_for(sql, Given::ids(given_up), vec![]).await?;
    let sql = insert!(
        "insert_bookings",
        "bookings",
        booking_columns,
        "
        WHERE true ON CONFLICT (case_id, resource, start_at) DO NOTHING"
    );
    session.run_for(sql, taken, vec![]).await?;
    Ok(())
}

async fn write_slot_uses<S: Session>(
    session: &mut S,
    changed: &[&LoadedCase],
) -> Result<(), Failed> {
    let mut freed = Vec::new();
    let mut used = Given::new(SLOT_USE);
    for loaded in changed {
        match &loaded.slot {
            SlotChange::Same => continue,
            // A new case had no slot before.
            SlotChange::Freed if loaded.before.is_none() => continue,
            SlotChange::Freed => {}
            SlotChange::Taken((organisation, number)) => {
                used.push(values![loaded.case.id, organisation, number.as_str()]);
            }
        }
        freed.push(loaded.case.id);
    }
    let sql = "-- delete_slot_uses
        DELETE FROM slot_uses WHERE case_id IN (SELECT id FROM given)";
    session.run_for(sql, Given::ids(freed), vec![]).await?;
    let sql = insert!("insert_slot_uses", "slot_uses", slot_use_columns);
    session.run_for(sql, used, vec![]).await?;
    Ok(())
}

/// A version of a code map, with the lane whose profile has it and when it was seen.
pub(crate) type SeenVersion<'a> = (LaneName, &'a Version, Timestamp);

fn seen_version(new: &NewMessage) -> Option<SeenVersion<'_>> {
    let version = new.arrival.as_ref()?.code_map.as_ref()?;
    let system = LaneName::new(new.message.source.organisation.clone(), new.system.clone());
    Some((system, version, new.received_at))
}

/// Records versions that were not seen before. Sorted, so that two processes that first see the
/// same ones cannot deadlock.
pub(crate) fn insert_versions<'a>(seen: impl Iterator<Item = SeenVersion<'a>>) -> Part {
    let mut first = BTreeMap::new();
    for (system, version, at) in seen {
        let since = first.entry((system, version)).or_insert(at);
        *since = at.min(*since);
    }
    let mut given = Given::new(VERSION);
    for ((system, version), at) in first {
        given.push(values![
            system.organisation(),
            system.system_text(),
            version.hash.as_str(),
            version.label.as_deref(),
            at
        ]);
    }
    let sql = concat!(
        "-- insert_versions
        INSERT INTO versions (",
        version_columns!(),
        ", kind)
        SELECT ",
        version_columns!(),
        ", 'code_map' FROM given WHERE true
        ON CONFLICT (kind, organisation, system, hash) DO NOTHING"
    );
    Part::new(sql, given)
}

/// Roughly how many bytes the canonical form is longer than native JSON: the case, the
/// reply, the destinations.
const ADDED_BYTES: usize = 4 * 1024;

/// A system as its column holds it: the default one is empty.
pub(crate) fn system_text(system: Option<&SystemName>) -> &str {
    system.map_or("", SystemName::as_str)
}

fn insert_messages(messages: &[NewMessage]) -> Part {
    let mut given = Given::new(MESSAGE);
    for new in messages {
        let raw_length = new.arrival.as_ref().map_or(0, |arrival| arrival.raw.len());
        let canonical = to_vec_of(&new.message, raw_length + ADDED_BYTES);
        let hash = BodyHash::of(&canonical).as_bytes().to_vec();
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
            system_text(new.system.as_ref()),
            new.message.source.message_id.as_str(),
            inbound,
            new.message.kind().as_str(),
            format,
            fingerprint,
            new.case_number.as_deref(),
            new.case_state.as_deref(),
            raw,
            canonical,
            hash,
            json(deviations),
            new.arrival.as_ref().and_then(|it| it.code_map.as_ref()).map(|it| it.hash.as_str()),
            new.received_at,
        ]);
    }
    let sql = insert!("insert_messages", "messages", message_columns);
    Part::new(sql, given)
}

fn insert_events(events: &[(uuid::Uuid, String, tierlink_core::decide::Event)]) -> Part {
    let mut given = Given::new(EVENT);
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
    let sql = concat!(
        "-- insert_events
        INSERT INTO events (",
        new_event_columns!(),
        ", announced)
        SELECT ",
        new_event_columns!(),
        ", false
        FROM given"
    );
    Part::new(sql, given)
}

fn insert_deliveries(deliveries: &[NewDelivery]) -> Part {
    let mut given = Given::new(DELIVERY);
    for new in deliveries {
        given.push(values![
            new.id.message,
            &new.id.to,
            system_text(new.system.as_ref()),
            new.case,
            new.number,
            new.created_at
        ]);
    }
    let sql = concat!(
        "-- insert_deliveries
        INSERT INTO deliveries (",
        new_delivery_columns!(),
        ", state, round, attempts)
        SELECT ",
        new_delivery_columns!(),
        ", 'queued', 1, 0
        FROM given"
    );
    Part::new(sql, given)
}
