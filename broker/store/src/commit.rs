//! Group commit: one transaction for all messages that arrived together.
//!
//! ```text
//!   begin, lock names ▶ find ▶ cases FOR UPDATE ▶ last numbers ▶ needed ▶ judge ▶ write ▶ commit
//! ```
//!
//! A message that opens a case, as most do, takes four round trips: begin, find, write, commit. The
//! steps between them run only when `find` returned something.
//!
//! Two processes may receive the same message, or messages of one case, at the same moment. Cases
//! are locked, so the second one waits; a message that it then refuses is looked up once more,
//! because by now it may be a repeat. Where both still write the same thing, a unique constraint
//! stops the second; its transaction runs again from the start and finds what the first one wrote.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tierlink_core::case::{Booking, Case};
use tierlink_core::find::Key;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::message::from_slice;
use uuid::Uuid;

use crate::Judge;
use crate::batch::{Batch, First, Needed, SlotKnown, SourceId};
use crate::changes::{Changes, SlotName};
use crate::fields::{Fields, Reader, json};
use crate::records::{Judged, Work};
use crate::session::{Failed, Given, Session, Type, values};
use crate::storable;
use crate::tables::{REFUSAL, SLOT, insert, refusal_columns, slot_columns};
use crate::write::{system_text, write};

/// Refusals stored for each organisation; older ones are deleted. Enough to see what goes wrong,
/// without filling the disk when a sender is refused all night.
pub const REFUSALS_KEPT_MAX: u32 = 1_000;
/// So much of each is kept: the header and the first segments or elements, to see what it was.
pub const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of refused messages that are kept for each organisation, newest first.
pub const REFUSED_BYTES_KEPT_MAX: u32 = 16 * 1024 * 1024;

/// Judges and writes a batch. Returns the verdicts in the order of the works.
pub(crate) async fn commit<S: Session>(
    session: &mut S,
    works: Arc<[Work]>,
    judge: &dyn Judge,
) -> Result<Vec<Judged>, Failed> {
    let mut batch = Batch::new(works);
    find(session, &mut batch).await?;
    let (locked, seen) = batch.candidates();
    let cases = lock_cases(session, locked).await?;
    load(session, &mut batch.changes, cases).await?;
    for case in read_cases(session, seen).await? {
        batch.changes.load(case);
    }
    let needed = batch.needed_by_all();
    find_needed(session, &mut batch, needed).await?;
    for at in 0..batch.len() {
        // Cases opened by an earlier work of this batch could not be known when `needed`
        // was first read.
        let needed = batch.needed_by(at);
        find_needed(session, &mut batch, needed).await?;
        batch.judge(at, judge);
    }
    let firsts = find_firsts(session, batch.refused_source_ids()).await?;
    batch.know_firsts_late(&firsts);
    write_slots(session, &batch).await?;
    write_refusals(session, &batch).await?;
    write(session, &batch.changes, Vec::new()).await?;
    Ok(batch.verdicts())
}

/// Finds the messages that another process accepted meanwhile under the ids of refused works.
async fn find_firsts<S: Session>(
    session: &mut S,
    ids: Vec<SourceId>,
) -> Result<HashMap<SourceId, First>, Failed> {
    let mut given = Given::new(&[
        ("organisation", Type::Text),
        ("system", Type::Text),
        ("source_message_id", Type::Text),
    ]);
    for (source, id) in ids {
        given.push(values![source.organisation(), source.system_text(), id]);
    }
    let sql = "-- find_firsts
        SELECT messages.id, messages.organisation, messages.system, messages.source_message_id,
            messages.fingerprint, messages.case_number, messages.case_state
        FROM given CROSS JOIN messages
        WHERE messages.organisation = given.organisation AND messages.system = given.system
            AND messages.source_message_id = given.source_message_id AND messages.inbound";
    let mut firsts = HashMap::new();
    for row in session.rows_for(sql, given, vec![]).await? {
        let row = Reader::new(&row, "messages");
        let id = (row.lane("organisation", "system")?, row.text("source_message_id")?);
        firsts.insert(id, first(&row)?);
    }
    Ok(firsts)
}

const FIRST: &str = "first";
const LOOKUP: &[(&str, Type)] = &[
    ("what", Type::Text),
    ("place", Type::Int),
    ("organisation", Type::Text),
    ("system", Type::Text),
    ("text", Type::Text),
    ("id", Type::Id),
    ("last_id", Type::Id),
];

/// For each kind of lookup, its name and the SQL that answers it.
const FINDS: [(&str, &str); 5] = [
    (
        FIRST,
        "SELECT given.what, given.place, messages.case_id, true AS open, messages.id,
            messages.fingerprint, messages.case_number, messages.case_state
        FROM given CROSS JOIN messages
        WHERE given.what = 'first' AND messages.organisation = given.organisation
            AND messages.system = given.system AND messages.source_message_id = given.text
            AND messages.inbound",
    ),
    (
        "id",
        "SELECT given.what, given.place, cases.id AS case_id, cases.open, NULL AS id,
            NULL AS fingerprint, NULL AS case_number, NULL AS case_state
        FROM given CROSS JOIN cases
        WHERE given.what = 'id' AND cases.id = given.id",
    ),
    (
        "number",
        "SELECT given.what, given.place, cases.id AS case_id, cases.open, NULL AS id,
            NULL AS fingerprint, NULL AS case_number, NULL AS case_state
        FROM given CROSS JOIN cases
        WHERE given.what = 'number' AND cases.number = given.text",
    ),
    (
        "theirs",
        "SELECT given.what, given.place, cases.id AS case_id, cases.open, NULL AS id,
            NULL AS fingerprint, NULL AS case_number, NULL AS case_state
        FROM given CROSS JOIN case_numbers CROSS JOIN cases
        WHERE given.what = 'theirs' AND case_numbers.number = given.text
            AND cases.id = case_numbers.case_id
            AND (given.organisation IS NULL OR case_numbers.organisation = given.organisation)",
    ),
    (
        "answered",
        "SELECT given.what, given.place, messages.case_id, true AS open, NULL AS id,
            NULL AS fingerprint, NULL AS case_number, NULL AS case_state
        FROM given CROSS JOIN messages
        WHERE given.what = 'answered' AND messages.id >= given.id
            AND messages.id <= given.last_id AND messages.case_id IS NOT NULL",
    ),
];

/// Builds the statement that answers the asked lookups only: most messages need two of the five.
/// Open cases come first, then newer ones, because only the first [`CANDIDATES_MAX`] count.
fn find_for(asked: &HashSet<&str>) -> String {
    let asked = FINDS.iter().filter(|(what, _)| asked.contains(what));
    let parts: Vec<&str> = asked.map(|(_, sql)| *sql).collect();
    let parts = parts.join("\n        UNION ALL\n        ");
    format!(
        "-- find\n        SELECT * FROM ({parts}) AS found
        ORDER BY place, open DESC, case_id DESC"
    )
}

/// Finds out which works are repeats, and which cases the keys of the others name.
///
/// One statement for all, so that everything is seen in one snapshot and one round trip.
async fn find<S: Session>(session: &mut S, batch: &mut Batch) -> Result<(), Failed> {
    let ids = batch.source_ids();
    let mut given = Given::new(LOOKUP);
    for (place, (source, id)) in ids.iter().enumerate() {
        let (whose, system) = (source.organisation(), source.system_text());
        given.push(values![FIRST, row_number(place), whose, system, id.as_str(), NO_ID, NO_ID]);
    }
    for (place, key) in batch.lookups() {
        let place = row_number(place);
        match key {
            Key::Id(id) => given.push(values!["id", place, NO_TEXT, NO_TEXT, NO_TEXT, *id, NO_ID]),
            Key::Number(number) => {
                let number = number.as_str();
                given.push(values!["number", place, NO_TEXT, NO_TEXT, number, NO_ID, NO_ID]);
            }
            Key::Theirs { organisation, number } if storable::text(number) => {
                let (whose, number) = (organisation.as_ref(), number.as_str());
                given.push(values!["theirs", place, whose, NO_TEXT, number, NO_ID, NO_ID]);
            }
            // A key that no column can store cannot be found either.
            Key::Theirs { .. } => {}
            Key::Answered { first, last } => {
                given.push(values!["answered", place, NO_TEXT, NO_TEXT, NO_TEXT, *first, *last]);
            }
            Key::AnsweredId(id) => {
                given.push(values!["answered", place, NO_TEXT, NO_TEXT, NO_TEXT, *id, *id]);
            }
        }
    }
    let asked: HashSet<&str> = given.rows.iter().filter_map(|row| row.first()?.text()).collect();
    let rows = session.rows_for(&find_for(&asked), given, vec![]).await?;
    let mut firsts = HashMap::new();
    let mut named = Vec::new();
    for row in &rows {
        let row = Reader::new(row, "cases");
        let place = usize::try_from(row.u64("place")?).map_err(|_| row.damaged())?;
        if row.text("what")? == FIRST {
            let id = ids.get(place).ok_or_else(|| row.damaged())?;
            firsts.insert(id.clone(), first(&row)?);
        } else {
            named.push((place, row.id("case_id")?));
        }
    }
    batch.know_firsts(firsts);
    // Repeats have their verdict by now and need no case.
    let asked: HashSet<usize> = batch.lookups().into_iter().map(|(place, _)| place).collect();
    for (place, case) in named.into_iter().filter(|(place, _)| asked.contains(place)) {
        batch.know_key(place, case);
    }
    Ok(())
}

const NO_ID: Option<Uuid> = None;
const NO_TEXT: Option<&str> = None;

fn row_number(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn first<R: Fields>(row: &Reader<'_, R>) -> Result<First, Failed> {
    Ok(First {
        id: row.id("id")?,
        fingerprint: row.bytes("fingerprint")?,
        case_number: row.case_number_if_any("case_number")?,
        state: row.text_if_any("case_state")?,
    })
}

/// Reads cases and locks them until the transaction ends. In the order of their ids, so that two
/// transactions cannot wait for each other.
pub(crate) async fn lock_cases<S: Session>(
    session: &mut S,
    ids: Vec<Uuid>,
) -> Result<Vec<Case>, Failed> {
    let sql = "-- lock_cases
        SELECT cases.body FROM cases WHERE cases.id IN (SELECT id FROM given)
        ORDER BY cases.id
        FOR UPDATE OF cases";
    let rows = session.rows_for(sql, Given::ids(ids), vec![]).await?;
    rows.iter().map(|row| Reader::new(row, "cases").json_bytes("body")).collect()
}

async fn read_cases<S: Session>(session: &mut S, ids: Vec<Uuid>) -> Result<Vec<Case>, Failed> {
    let sql = "-- read_cases
        SELECT cases.body FROM cases WHERE cases.id IN (SELECT id FROM given)";
    let rows = session.rows_for(sql, Given::ids(ids), vec![]).await?;
    rows.iter().map(|row| Reader::new(row, "cases").json_bytes("body")).collect()
}

/// Loads locked cases into `changes`, with the last delivery number for each destination.
pub(crate) async fn load<S: Session>(
    session: &mut S,
    changes: &mut Changes,
    cases: Vec<Case>,
) -> Result<(), Failed> {
    let ids = Given::ids(cases.iter().map(|case| case.id));
    for case in cases {
        changes.load(case);
    }
    let sql = "-- last_numbers
        SELECT deliveries.case_id, deliveries.destination, max(deliveries.number) AS last
        FROM given CROSS JOIN deliveries
        WHERE deliveries.case_id = given.id
        GROUP BY deliveries.case_id, deliveries.destination";
    for row in session.rows_for(sql, ids, vec![]).await? {
        let row = Reader::new(&row, "deliveries");
        changes.set_last_number(
            row.id("case_id")?,
            row.organisation("destination")?,
            row.u32("last")?,
        );
    }
    Ok(())
}

/// Reads what the works need beside cases.
async fn find_needed<S: Session>(
    session: &mut S,
    batch: &mut Batch,
    needed: Needed,
) -> Result<(), Failed> {
    if needed.is_empty() {
        return Ok(());
    }
    let Needed { requests, bookings, slots } = needed;
    if !requests.is_empty() {
        find_requests(session, batch, requests).await?;
    }
    if !slots.is_empty() {
        find_slots(session, batch, slots).await?;
    }
    if !bookings.is_empty() {
        find_bookings(session, batch, bookings).await?;
    }
    Ok(())
}

async fn find_requests<S: Session>(
    session: &mut S,
    batch: &mut Batch,
    ids: Vec<Uuid>,
) -> Result<(), Failed> {
    let sql = "-- find_requests
        SELECT messages.id, messages.canonical
        FROM messages WHERE messages.id IN (SELECT id FROM given)";
    let rows = session.rows_for(sql, Given::ids(ids.iter().copied()), vec![]).await?;
    for row in rows {
        let row = Reader::new(&row, "messages");
        let message = from_slice(&row.bytes("canonical")?).map_err(|_| row.damaged())?;
        batch.know_request(row.id("id")?, Some(message));
    }
    Ok(())
}

/// Slots are locked, so that two cases that want the last place are decided one after the other.
async fn find_slots<S: Session>(
    session: &mut S,
    batch: &mut Batch,
    names: Vec<SlotName>,
) -> Result<(), Failed> {
    const SLOT_NAME: &[(&str, Type)] = &[("organisation", Type::Text), ("number", Type::Text)];
    let mut known: HashMap<SlotName, SlotKnown> = HashMap::new();
    let mut published = Given::new(SLOT_NAME);
    let mut used = Given::new(SLOT_NAME);
    for (organisation, number) in names {
        published.push(values![&organisation, number.as_str()]);
        used.push(values![&organisation, number.as_str()]);
        known.insert((organisation, number), SlotKnown::default());
    }
    let sql = "-- find_slots
        SELECT slots.organisation, slots.number, slots.places
        FROM slots WHERE (slots.organisation, slots.number) IN
            (SELECT organisation, number FROM given)
        ORDER BY slots.organisation, slots.number
        FOR UPDATE OF slots";
    for row in session.rows_for(sql, published, vec![]).await? {
        let row = Reader::new(&row, "slots");
        let name = (row.organisation("organisation")?, row.text("number")?);
        known.entry(name).or_default().places = Some(row.u16("places")?);
    }
    let sql = "-- find_slot_uses
        SELECT slot_uses.organisation, slot_uses.number, slot_uses.case_id
        FROM given CROSS JOIN slot_uses
        WHERE slot_uses.organisation = given.organisation AND slot_uses.number = given.number";
    for row in session.rows_for(sql, used, vec![]).await? {
        let row = Reader::new(&row, "slot_uses");
        let name = (row.organisation("organisation")?, row.text("number")?);
        known.entry(name).or_default().uses.insert(row.id("case_id")?);
    }
    for (name, slot) in known {
        batch.know_slot(name, slot);
    }
    Ok(())
}

/// All bookings stay locked until the commit: nobody can book the room between this query
/// and the write.
async fn find_bookings<S: Session>(
    session: &mut S,
    batch: &mut Batch,
    wanted: Vec<Booking>,
) -> Result<(), Failed> {
    session.lock_bookings().await?;
    let mut given =
        Given::new(&[("resource", Type::Text), ("start_at", Type::Int), ("end_at", Type::Int)]);
    for booking in wanted.iter().filter(|booking| storable::text(&booking.resource)) {
        given.push(values![booking.resource.as_str(), booking.start, booking.end]);
    }
    let sql = "-- find_bookings
        SELECT bookings.case_id, bookings.resource, bookings.start_at, bookings.end_at
        FROM given CROSS JOIN bookings
        WHERE bookings.resource = given.resource AND bookings.end_at > given.start_at
            AND bookings.start_at < given.end_at";
    let mut booked = Vec::new();
    for row in session.rows_for(sql, given, vec![]).await? {
        let row = Reader::new(&row, "bookings");
        let booking = Booking {
            resource: row.text("resource")?,
            start: row.at("start_at")?,
            end: row.at("end_at")?,
        };
        booked.push((row.id("case_id")?, booking));
    }
    batch.know_bookings(wanted, booked);
    Ok(())
}

async fn write_slots<S: Session>(session: &mut S, batch: &Batch) -> Result<(), Failed> {
    let mut withdrawn = Given::new(&[("organisation", Type::Text), ("number", Type::Text)]);
    let mut published = Given::new(SLOT);
    for ((organisation, number), slot) in &batch.new_slots {
        match slot {
            Some(slot) => published.push(values![
                organisation,
                number.as_str(),
                slot.start,
                slot.places,
                json(slot)
            ]),
            None => withdrawn.push(values![organisation, number.as_str()]),
        }
    }
    let sql = "-- delete_slots
        DELETE FROM slots WHERE (organisation, number) IN
            (SELECT organisation, number FROM given)";
    session.run_for(sql, withdrawn, vec![]).await?;
    let sql = insert!(
        "upsert_slots",
        "slots",
        slot_columns,
        "
        WHERE true ON CONFLICT (organisation, number) DO UPDATE
        SET start_at = excluded.start_at, places = excluded.places, body = excluded.body"
    );
    session.run_for(sql, published, vec![]).await?;
    Ok(())
}

/// Stores refusals, and deletes the organisation's oldest beyond [`REFUSALS_KEPT_MAX`].
async fn write_refusals<S: Session>(session: &mut S, batch: &Batch) -> Result<(), Failed> {
    let mut given = Given::new(REFUSAL);
    let mut organisations: HashSet<OrganisationCode> = HashSet::new();
    for (work, refusal) in batch.refusals() {
        organisations.insert(work.organisation.clone());
        given.push(values![
            work.id,
            &work.organisation,
            system_text(work.system.as_ref()),
            work.format,
            work.received_at,
            refusal.source_message_id.as_deref(),
            json(&refusal.problems),
            work.code_map.as_ref().map(|version| version.hash.as_str()),
            work.raw.slice(..work.raw.len().min(REFUSAL_BYTES_MAX)),
        ]);
    }
    let sql = insert!("insert_refusals", "refusals", refusal_columns);
    session.run_for(sql, given, vec![]).await?;
    // Ids grow with time, so the newest refusals have the greatest ids.
    let sql = "-- prune_refusals
        DELETE FROM refusals WHERE organisation = $1 AND id <=
            (SELECT id FROM refusals WHERE organisation = $1
            ORDER BY id DESC LIMIT 1 OFFSET $2)";
    let by_size = "-- prune_refusals_by_size
        DELETE FROM refusals WHERE organisation = $1 AND id <=
            (SELECT id FROM
                (SELECT id, sum(length(raw)) OVER (ORDER BY id DESC) AS bytes
                FROM refusals WHERE organisation = $1) AS newest
            WHERE bytes > $2
            ORDER BY id DESC LIMIT 1)";
    for organisation in organisations {
        session.run(sql, values![&organisation, REFUSALS_KEPT_MAX]).await?;
        session.run(by_size, values![&organisation, REFUSED_BYTES_KEPT_MAX]).await?;
    }
    Ok(())
}
