//! The outbox: deliveries on their way to the bus, and what the bus may have lost.
//!
//! Only the first unsettled delivery of each line (case, destination and system) is handed out, so
//! the order of messages does not depend on the bus. Each requeuing starts a new round, and copies
//! of earlier rounds are void.
//!
//! Where a statement finds rows by their key, `state || ''` stops PostgreSQL from using the
//! partial indexes over waiting deliveries. Its statistics are usually taken while those are
//! nearly empty, so it would scan one from end to end for each key, which is slow once thousands
//! of deliveries wait.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tierlink_core::delivery::{Circumstances, Event, RetryPolicy, State, Step, step};
use tierlink_schemas::LaneName;
use uuid::Uuid;

use crate::fields::{Fields, Reader, json};
use crate::records::{
    Attempt, BodyHash, DeliveryId, DueRow, EventRow, Outgoing, RecordedRow, Repair,
};
use crate::rows::{self, delivery_columns, event_columns, state_name};
use crate::session::{Failed, Given, Part, Session, Type, values};

/// The state that the core moves to on an event that depends on `now` only; `None` if it stays.
fn next_state(state: &State, event: &Event, now: Timestamp) -> Option<State> {
    let at = Circumstances { now, attempts: 0, silent_since: None, jitter: 0.0 };
    match step(state, event, &at, &RetryPolicy::default()) {
        Step::Move(next) => Some(next),
        Step::Ignore => None,
    }
}

/// The state names before and after `event`, for a statement that moves every row in the state
/// `from`. `None` if the core moves none: then nothing may be written.
fn move_all(from: State, event: &Event) -> Option<(&'static str, &'static str)> {
    let to = next_state(&from, event, Timestamp::UNIX_EPOCH)?;
    Some((state_name(&from), state_name(&to)))
}

/// Reads deliveries that may go to the bus now, oldest first. Those in the state `waiting` must be
/// queued first: see [`queue_due`].
///
/// SQL only finds candidates; which wait is over is said by the core. `except` is made by
/// [`list_of`].
pub(crate) async fn to_publish<S: Session>(
    session: &mut S,
    now: Timestamp,
    limit: u32,
    except: String,
) -> Result<Vec<Outgoing>, Failed> {
    let sql = "-- to_publish
        SELECT ready.message_id, ready.destination, ready.system, ready.round, ready.number,
            ready.created_at, ready.state, ready.due_at, ready.published_at, ready.parked_why,
            messages.canonical
        FROM (SELECT deliveries.message_id, deliveries.destination, deliveries.system,
                deliveries.round, deliveries.number, deliveries.created_at, deliveries.state,
                deliveries.due_at, deliveries.published_at, deliveries.parked_why
            FROM deliveries
            WHERE deliveries.state IN ('queued', 'waiting')
                AND (deliveries.due_at IS NULL OR deliveries.due_at <= $1
                    OR deliveries.published_at > $1)
                AND NOT EXISTS (SELECT 1 FROM deliveries AS earlier
                    WHERE earlier.case_id = deliveries.case_id
                        AND earlier.destination = deliveries.destination
                        AND earlier.system = deliveries.system
                        AND earlier.number < deliveries.number
                        AND earlier.state NOT IN ('delivered', 'withdrawn'))
                AND NOT EXISTS (SELECT 1 FROM lanes
                    WHERE lanes.organisation = deliveries.destination
                        AND deliveries.system = '' AND lanes.paused)
                AND NOT EXISTS (SELECT 1 FROM system_lanes
                    WHERE system_lanes.organisation = deliveries.destination
                        AND system_lanes.system = deliveries.system AND system_lanes.paused)
                AND replace($3, ',' || deliveries.destination || ':' || deliveries.system || ',',
                    '') = $3
            ORDER BY deliveries.created_at, deliveries.message_id, deliveries.destination
            LIMIT $2) AS ready
        CROSS JOIN messages
        WHERE messages.id = ready.message_id
        ORDER BY ready.created_at, ready.message_id, ready.destination";
    let mut outgoing = Vec::new();
    for row in session.rows(sql, values![now, limit, except]).await? {
        let row = Reader::new(&row, "deliveries");
        let state = rows::state(&row)?;
        if state != State::Queued && queued_when_due(&row, &state, now)?.is_none() {
            continue;
        }
        outgoing.push(Outgoing {
            id: DeliveryId { message: row.id("message_id")?, to: row.organisation("destination")? },
            lane: row.lane("destination", "system")?,
            round: row.u32("round")?,
            number: row.u32("number")?,
            state,
            body: row.bytes("canonical")?,
            created_at: row.at("created_at")?,
        });
    }
    Ok(outgoing)
}

/// Lanes as one text, in which SQL can look for one of them: `,organisation:system,`. Neither name
/// has a comma or a colon.
pub(crate) fn list_of(lanes: &[LaneName]) -> String {
    let name = |lane: &LaneName| {
        let system = lane.system().map_or("", |system| system.as_str());
        format!(",{}:{system},", lane.organisation())
    };
    lanes.iter().map(name).collect()
}

/// What the core says of the wait of a delivery in `state`.
fn queued_when_due<R: Fields>(
    row: &Reader<'_, R>,
    state: &State,
    now: Timestamp,
) -> Result<Option<State>, Failed> {
    let event = Event::Due { waits_since: row.at_if_any("published_at")? };
    Ok(next_state(state, &event, now))
}

/// Queues those of these deliveries whose wait is over, and returns them.
pub(crate) async fn queue_due<S: Session>(
    session: &mut S,
    mut asked: Vec<(DeliveryId, u32)>,
    now: Timestamp,
) -> Result<Vec<(DeliveryId, u32)>, Failed> {
    // Sorted, so that two transactions lock rows in the same order and cannot deadlock.
    asked.sort();
    asked.dedup();
    let sql = "-- lock_waiting
        SELECT deliveries.message_id, deliveries.destination, deliveries.round, deliveries.state,
            deliveries.due_at, deliveries.published_at, deliveries.parked_why
        FROM given CROSS JOIN deliveries
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND deliveries.round = given.round
        ORDER BY deliveries.message_id, deliveries.destination
        FOR UPDATE OF deliveries";
    let mut given =
        Given::new(&[("message_id", Type::Id), ("destination", Type::Text), ("state", Type::Text)]);
    let mut queued = Vec::new();
    for row in session.rows_for(sql, rounds(asked), vec![]).await? {
        let row = Reader::new(&row, "deliveries");
        let Some(next) = queued_when_due(&row, &rows::state(&row)?, now)? else { continue };
        let (message, to) = (row.id("message_id")?, row.organisation("destination")?);
        given.push(values![message, &to, state_name(&next)]);
        queued.push((DeliveryId { message, to }, row.u32("round")?));
    }
    let sql = "-- queue_due
        UPDATE deliveries SET state = given.state, due_at = NULL, published_at = NULL
        FROM given
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination";
    session.run_for(sql, given, vec![]).await?;
    Ok(queued)
}

/// Deliveries with their rounds, as a list for a statement.
fn rounds(keys: Vec<(DeliveryId, u32)>) -> Given {
    let mut given =
        Given::new(&[("message_id", Type::Id), ("destination", Type::Text), ("round", Type::Int)]);
    for (id, round) in keys {
        given.push(values![id.message, &id.to, round]);
    }
    given
}

/// Marks queued deliveries as published. Those that were settled meanwhile stay as they are.
pub(crate) async fn mark_published<S: Session>(
    session: &mut S,
    mut done: Vec<(DeliveryId, u32)>,
    now: Timestamp,
) -> Result<(), Failed> {
    // Sorted, so that two transactions lock rows in the same order and cannot deadlock.
    done.sort();
    done.dedup();
    let Some((queued, published)) = move_all(State::Queued, &Event::Published) else {
        return Ok(());
    };
    let sql = "-- mark_published
        UPDATE deliveries SET state = $4, published_at = $5
        FROM given
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND deliveries.round = given.round
            AND (deliveries.state || '') = $6";
    session.run_for(sql, rounds(done), values![published, now, queued]).await?;
    Ok(())
}

/// The columns that [`body_hash`] reads, from `messages`. A message of a release without hashes is
/// read as a whole.
macro_rules! body_hash_columns {
    () => {
        "messages.canonical_hash,
            CASE WHEN messages.canonical_hash IS NULL THEN messages.canonical END AS unhashed"
    };
}

/// The hash of a message as it is stored.
fn body_hash<R: Fields>(row: &Reader<'_, R>) -> Result<BodyHash, Failed> {
    match row.bytes_if_any("canonical_hash")? {
        Some(hash) => BodyHash::stored(&hash).ok_or_else(|| row.damaged()),
        None => Ok(BodyHash::of(&row.bytes("unhashed")?)),
    }
}

/// Reads those that still wait for an answer in this round. A copy may arrive from the bus before
/// its row is marked as published, so queued ones count too.
pub(crate) async fn still_due<S: Session>(
    session: &mut S,
    asked: Vec<(DeliveryId, u32)>,
) -> Result<Vec<DueRow>, Failed> {
    let sql = concat!(
        "-- still_due
        SELECT ",
        delivery_columns!(),
        ", ",
        body_hash_columns!(),
        "
        FROM given CROSS JOIN deliveries CROSS JOIN messages
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND deliveries.round = given.round
            AND deliveries.state IN ('queued', 'waiting', 'published')
            AND messages.id = deliveries.message_id"
    );
    let found = session.rows_for(sql, rounds(asked), vec![]).await?;
    let read = |row| {
        let body_hash = body_hash(&Reader::new(row, "messages"))?;
        Ok(DueRow { row: rows::delivery(row)?, body_hash })
    };
    found.iter().map(read).collect()
}

/// What is on record of these, as far as the store knows them.
pub(crate) async fn on_record<S: Session>(
    session: &mut S,
    asked: Vec<DeliveryId>,
) -> Result<Vec<RecordedRow>, Failed> {
    let mut given = Given::new(&[("message_id", Type::Id), ("destination", Type::Text)]);
    for id in asked {
        given.push(values![id.message, &id.to]);
    }
    let sql = concat!(
        "-- on_record
        SELECT deliveries.message_id, deliveries.destination, deliveries.system,
            deliveries.round, ",
        body_hash_columns!(),
        "
        FROM given CROSS JOIN deliveries CROSS JOIN messages
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND messages.id = deliveries.message_id"
    );
    let known = session.rows_for(sql, given, vec![]).await?;
    let read = |row| {
        let row = Reader::new(row, "deliveries");
        let to = row.organisation("destination")?;
        let lane = LaneName::new(to.clone(), row.system("system")?);
        let id = DeliveryId { message: row.id("message_id")?, to };
        Ok(RecordedRow { id, lane, round: row.u32("round")?, body_hash: body_hash(&row)? })
    };
    known.iter().map(read).collect()
}

/// Records tries that got no answer.
pub(crate) async fn note_attempts<S: Session>(
    session: &mut S,
    attempts: Vec<Attempt>,
) -> Result<(), Failed> {
    let mut tries: Vec<Attempt> = Vec::with_capacity(attempts.len());
    let mut given = Given::new(&[
        ("message_id", Type::Id),
        ("destination", Type::Text),
        ("attempts", Type::Int),
        ("silent_at", Type::Int),
        ("problem", Type::Text),
    ]);
    for attempt in attempts {
        // Of several tries of one delivery, the last one is written.
        tries.retain(|earlier| earlier.id != attempt.id);
        tries.push(attempt);
    }
    tries.sort_by(|a, b| a.id.cmp(&b.id));
    let mut last: BTreeMap<LaneName, &Attempt> = BTreeMap::new();
    for attempt in &tries {
        given.push(values![
            attempt.id.message,
            &attempt.id.to,
            attempt.attempts,
            Some(attempt.at).filter(|_| !attempt.held),
            json(&attempt.problem)
        ]);
        let known = last.entry(attempt.lane.clone()).or_insert(attempt);
        if known.at <= attempt.at {
            *known = attempt;
        }
    }
    let sql = "-- note_attempts
        UPDATE deliveries
        SET attempts = CASE WHEN given.attempts > deliveries.attempts
                THEN given.attempts ELSE deliveries.attempts END,
            silent_since = coalesce(deliveries.silent_since, given.silent_at),
            last_problem = given.problem
        FROM given
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND deliveries.state IN ('queued', 'waiting', 'published')";
    let noted = Part::new(sql, given);
    let [defaults, systems] = note_trouble(last);
    session.run_together(vec![noted, defaults, systems]).await
}

/// The last try on each lane, for the tables `lanes` (default systems) and `system_lanes`.
fn note_trouble(last: BTreeMap<LaneName, &Attempt>) -> [Part; 2] {
    let mut defaults =
        Given::new(&[("organisation", Type::Text), ("at", Type::Int), ("problem", Type::Text)]);
    let mut systems = Given::new(&[
        ("organisation", Type::Text),
        ("system", Type::Text),
        ("at", Type::Int),
        ("problem", Type::Text),
    ]);
    for (lane, attempt) in last {
        let (whose, at, problem) = (lane.organisation(), attempt.at, json(&attempt.problem));
        match lane.system() {
            None => defaults.push(values![whose, at, problem]),
            Some(system) => systems.push(values![whose, system.as_str(), at, problem]),
        }
    }
    let defaults_sql = "-- note_trouble
        INSERT INTO lanes (organisation, paused, trouble_at, trouble)
        SELECT organisation, false, at, problem FROM given WHERE true
        ON CONFLICT (organisation) DO UPDATE
        SET trouble_at = excluded.trouble_at, trouble = excluded.trouble";
    let systems_sql = "-- note_trouble_of_systems
        INSERT INTO system_lanes (organisation, system, paused, trouble_at, trouble)
        SELECT organisation, system, false, at, problem FROM given WHERE true
        ON CONFLICT (organisation, system) DO UPDATE
        SET trouble_at = excluded.trouble_at, trouble = excluded.trouble";
    [Part::new(defaults_sql, defaults), Part::new(systems_sql, systems)]
}

/// Queues again what the bus lost.
///
/// The old state is a literal in these statements and not a parameter, so that PostgreSQL can use
/// the index that holds published rows only.
pub(crate) async fn repair<S: Session>(session: &mut S, repair: Repair) -> Result<u64, Failed> {
    let Some((_published, queued)) = move_all(State::Published, &Event::Repaired) else {
        return Ok(0);
    };
    match repair {
        Repair::BusIsEmpty => {
            let sql = "-- repair_empty_bus
                UPDATE deliveries SET state = $1, round = round + 1, published_at = NULL
                WHERE state = 'published'";
            session.run(sql, values![queued]).await
        }
        Repair::Lane(lane) => {
            let sql = "-- repair_lane
                UPDATE deliveries SET state = $1, round = round + 1, published_at = NULL
                WHERE state = 'published' AND destination = $2 AND system = $3";
            session.run(sql, values![queued, lane.organisation(), lane.system_text()]).await
        }
        Repair::Stale { before, waiting, limit } => {
            let lost = lost(session, before, &waiting, limit).await?;
            let sql = "-- repair_stale
                UPDATE deliveries SET state = $4, round = deliveries.round + 1,
                    published_at = NULL
                FROM given
                WHERE deliveries.message_id = given.message_id
                    AND deliveries.destination = given.destination
                    AND deliveries.round = given.round
                    AND (deliveries.state || '') = 'published'";
            session.run_for(sql, rounds(lost), values![queued]).await
        }
        Repair::Changed(mut changed) => {
            // Sorted, so that two transactions lock rows in the same order and cannot deadlock.
            changed.sort();
            changed.dedup();
            // It may have come before its row was marked as published. Then it is queued still, and
            // only the round tells the next copy from this one.
            let sql = "-- repair_changed
                UPDATE deliveries SET state = $4, round = deliveries.round + 1,
                    published_at = NULL
                FROM given
                WHERE deliveries.message_id = given.message_id
                    AND deliveries.destination = given.destination
                    AND deliveries.round = given.round
                    AND (deliveries.state || '') IN ('published', 'queued')";
            session.run_for(sql, rounds(changed), values![queued]).await
        }
    }
}

/// Published deliveries that the bus seems to have lost: a later one of the lane was answered, or
/// the lane answered nothing since `before` although it is not known to be paused or unanswered.
async fn lost<S: Session>(
    session: &mut S,
    before: Timestamp,
    waiting: &[LaneName],
    limit: u32,
) -> Result<Vec<(DeliveryId, u32)>, Failed> {
    let sql = "-- find_lost
        SELECT deliveries.message_id, deliveries.destination, deliveries.round
        FROM deliveries
            LEFT JOIN (SELECT organisation, '' AS system, last_settled_at, settled_published_at
                    FROM lanes
                UNION ALL
                SELECT organisation, system, last_settled_at, settled_published_at
                    FROM system_lanes) AS lane
            ON lane.organisation = deliveries.destination AND lane.system = deliveries.system
        WHERE deliveries.state = 'published' AND deliveries.published_at < $1
            AND (lane.last_settled_at IS NULL
                OR lane.settled_published_at > deliveries.published_at
                OR lane.last_settled_at < $1)
            AND replace($3, ',' || deliveries.destination || ':' || deliveries.system || ',', '')
                = $3
        ORDER BY deliveries.message_id, deliveries.destination
        LIMIT $2";
    // Codes of organisations and names of systems contain neither comma nor colon, so one text can
    // carry the list.
    let lanes =
        waiting.iter().map(|lane| format!("{}:{}", lane.organisation(), lane.system_text()));
    let list = format!(",{},", lanes.collect::<Vec<_>>().join(","));
    let mut lost = Vec::new();
    for row in session.rows(sql, values![before, limit, list]).await? {
        let row = Reader::new(&row, "deliveries");
        let to = row.organisation("destination")?;
        lost.push((DeliveryId { message: row.id("message_id")?, to }, row.u32("round")?));
    }
    Ok(lost)
}

/// Reads case events that were not announced yet, oldest first.
pub(crate) async fn to_announce<S: Session>(
    session: &mut S,
    limit: u32,
) -> Result<Vec<EventRow>, Failed> {
    let sql = concat!(
        "-- to_announce
        SELECT ",
        event_columns!(),
        "
        FROM events LEFT JOIN messages ON messages.id = events.message_id
        WHERE NOT events.announced
        ORDER BY events.recorded_at, events.case_id, events.number
        LIMIT $1"
    );
    session.rows(sql, values![limit]).await?.iter().map(rows::event).collect()
}

/// Marks events as announced.
pub(crate) async fn mark_announced<S: Session>(
    session: &mut S,
    mut events: Vec<(Uuid, u32)>,
) -> Result<(), Failed> {
    events.sort_unstable();
    events.dedup();
    let mut given = Given::new(&[("case_id", Type::Id), ("number", Type::Int)]);
    for (case, number) in events {
        given.push(values![case, number]);
    }
    let sql = "-- mark_announced
        UPDATE events SET announced = true
        FROM given WHERE events.case_id = given.case_id AND events.number = given.number";
    session.run_for(sql, given, vec![]).await?;
    Ok(())
}
