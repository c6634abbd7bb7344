//! Records final outcomes of deliveries: many in one transaction, with the receipts
//! for their origins.
//!
//! ```text
//!   deliveries FOR UPDATE ▶ judge each ▶ cases of receipts FOR UPDATE ▶ write ▶ lanes
//! ```
//!
//! The outcome of an earlier round is ignored, because a later copy is on its way. The exception is
//! a delivery that the destination has taken: that stays true.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tierlink_core::delivery::{Outcome, State};
use tierlink_schemas::{LaneName, Message, Version};

use crate::Judge;
use crate::changes::Changes;
use crate::commit::{load, lock_cases};
use crate::fields::json;
use crate::records::{DeliveryId, DeliveryRow, Settlement};
use crate::rows::{self, delivery_columns, parked_why, state_name};
use crate::session::{Failed, Given, Part, Session, Type, values};
use crate::tables::{SETTLED, settled_changes};
use crate::write::{insert_versions, write};

/// A delivery whose state an outcome changed.
struct Moved {
    /// The delivery in its new state.
    row: DeliveryRow,
    published_at: Option<Timestamp>,
    /// When the outcome was known.
    at: Timestamp,
    outcome: Outcome,
    /// The losses as JSON.
    losses: String,
    code_map: Option<Version>,
}

/// What the settlements of one batch show about a lane.
#[derive(Default)]
struct LaneActivity {
    /// When its latest outcome was known.
    settled_at: Option<Timestamp>,
    /// When the latest of its settled deliveries was published.
    published_at: Option<Timestamp>,
    /// Whether its destination answered anything.
    answered: bool,
}

/// Records outcomes and writes the receipts that origins want.
pub(crate) async fn settle<S: Session>(
    session: &mut S,
    settlements: Vec<Settlement>,
    judge: &dyn Judge,
) -> Result<(), Failed> {
    let mut known = lock_deliveries(session, &settlements).await?;
    let mut moved: BTreeMap<DeliveryId, Moved> = BTreeMap::new();
    let mut lanes: BTreeMap<LaneName, LaneActivity> = BTreeMap::new();
    let mut receipts: Vec<(Message, LaneName, Timestamp)> = Vec::new();
    for settlement in settlements {
        let Some((row, published_at)) = known.get_mut(&settlement.id) else { continue };
        let taken = matches!(settlement.outcome, Outcome::Taken { .. });
        if settlement.round != row.round && !taken {
            continue;
        }
        note_activity(&mut lanes, row, *published_at, &settlement);
        let settled = judge.settle(row, &settlement);
        let Some(next) = settled.next else { continue };
        row.attempts = row.attempts.max(settlement.attempts);
        row.state = next;
        if matches!(next, State::Queued | State::Waiting { .. }) {
            row.round = row.round.saturating_add(1);
        }
        if let Some(receipt) = settled.receipt {
            let to = row.source_lane();
            receipts.push((*receipt, to, settlement.at));
        }
        moved.insert(
            settlement.id,
            Moved {
                row: row.clone(),
                published_at: *published_at,
                at: settlement.at,
                outcome: settlement.outcome,
                losses: json(&settlement.losses),
                code_map: settlement.code_map,
            },
        );
    }
    let changes = receipts_to_write(session, receipts).await?;
    let seen = moved
        .values()
        .filter_map(|moved| Some((moved.row.lane(), moved.code_map.as_ref()?, moved.at)));
    let mut parts = vec![insert_versions(seen), write_moved(moved)];
    parts.extend(write_lanes(lanes));
    write(session, &changes, parts).await
}

/// Adds one settlement to what the batch shows about its lane.
fn note_activity(
    lanes: &mut BTreeMap<LaneName, LaneActivity>,
    row: &DeliveryRow,
    published_at: Option<Timestamp>,
    settlement: &Settlement,
) {
    let activity = lanes.entry(row.lane()).or_default();
    activity.settled_at = activity.settled_at.max(Some(settlement.at));
    activity.published_at = activity.published_at.max(published_at);
    // A message that could not be encoded was never sent, one that was given up was never answered,
    // and one that was turned away met something else: none shows that the destination answers.
    activity.answered |= match settlement.outcome {
        Outcome::Taken { .. } | Outcome::Refused { .. } | Outcome::NotNow { .. } => true,
        Outcome::Unsendable { .. }
        | Outcome::Unanswered { .. }
        | Outcome::TurnedAway { .. }
        | Outcome::Held { .. }
        | Outcome::GaveUp { .. } => false,
    };
}

/// Reads deliveries and locks them until the transaction ends. Sorted, so that two
/// transactions cannot deadlock.
async fn lock_deliveries<S: Session>(
    session: &mut S,
    settlements: &[Settlement],
) -> Result<HashMap<DeliveryId, (DeliveryRow, Option<Timestamp>)>, Failed> {
    let ids: BTreeSet<&DeliveryId> = settlements.iter().map(|settlement| &settlement.id).collect();
    let mut given = Given::new(&[("message_id", Type::Id), ("destination", Type::Text)]);
    for id in ids {
        given.push(values![id.message, &id.to]);
    }
    let sql = concat!(
        "-- lock_deliveries
        SELECT deliveries.published_at, ",
        delivery_columns!(),
        "
        FROM given CROSS JOIN deliveries CROSS JOIN messages
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination
            AND messages.id = deliveries.message_id
        ORDER BY deliveries.message_id, deliveries.destination
        FOR UPDATE OF deliveries"
    );
    let mut known = HashMap::new();
    for row in session.rows_for(sql, given, vec![]).await? {
        let delivery = rows::delivery(&row)?;
        let published_at = crate::fields::Reader::new(&row, "deliveries");
        known.insert(delivery.id.clone(), (delivery, published_at.at_if_any("published_at")?));
    }
    Ok(known)
}

/// Receipts are numbered among the deliveries of their cases, so these cases are locked.
pub(crate) async fn receipts_to_write<S: Session>(
    session: &mut S,
    receipts: Vec<(Message, LaneName, Timestamp)>,
) -> Result<Changes, Failed> {
    let mut changes = Changes::default();
    if receipts.is_empty() {
        return Ok(changes);
    }
    let cases: BTreeSet<_> = receipts.iter().filter_map(|(receipt, ..)| receipt.case.id).collect();
    let cases = lock_cases(session, cases.into_iter().collect()).await?;
    load(session, &mut changes, cases).await?;
    for (receipt, to, at) in receipts {
        changes.add_message(receipt, &to, at);
    }
    Ok(changes)
}

fn write_moved(moved: BTreeMap<DeliveryId, Moved>) -> Part {
    let mut given = Given::new(SETTLED);
    for (id, Moved { row, published_at, at, outcome, losses, code_map }) in moved {
        let due = match row.state {
            State::Waiting { due } => Some(due),
            State::Queued
            | State::Published
            | State::Delivered
            | State::Parked { .. }
            | State::Withdrawn => None,
        };
        let parked = matches!(row.state, State::Parked { .. });
        // A wait asked for by the destination ("not now") counts from the first try that
        // got that answer. The time of a lane that is held is not the message's.
        let held = matches!(outcome, Outcome::Held { .. });
        let silent_since = row.silent_since.or(due.filter(|_| !held).map(|_| at));
        let number = match &outcome {
            Outcome::Taken { number } => number.as_deref().map(|number| number.replace('\0', "")),
            Outcome::Refused { .. }
            | Outcome::Unsendable { .. }
            | Outcome::NotNow { .. }
            | Outcome::Unanswered { .. }
            | Outcome::TurnedAway { .. }
            | Outcome::Held { .. }
            | Outcome::GaveUp { .. } => None,
        };
        let problems = Some(outcome.problems()).filter(|problems| !problems.is_empty());
        given.push(values![
            id.message,
            &id.to,
            state_name(&row.state),
            parked_why(&row.state),
            due,
            row.round,
            row.attempts,
            published_at,
            Some(at).filter(|_| due.is_none()),
            Some(at).filter(|_| parked),
            silent_since,
            number,
            problems.map(json),
            losses,
            code_map.map(|version| version.hash),
        ]);
    }
    let sql = concat!(
        "-- settle
        UPDATE deliveries SET ",
        settled_changes!(),
        "
        FROM given
        WHERE deliveries.message_id = given.message_id
            AND deliveries.destination = given.destination"
    );
    Part::new(sql, given)
}

macro_rules! upsert_lanes {
    ($name:literal, $table:literal, $key:literal) => {
        concat!(
            "-- ",
            $name,
            "
        INSERT INTO ",
            $table,
            " (",
            $key,
            ", paused, last_settled_at, settled_published_at)
        SELECT ",
            $key,
            ", false, settled_at, published_at FROM given WHERE true
        ON CONFLICT (",
            $key,
            ") DO UPDATE
        SET last_settled_at = CASE
                WHEN ",
            $table,
            ".last_settled_at > excluded.last_settled_at
                THEN ",
            $table,
            ".last_settled_at ELSE excluded.last_settled_at END,
            settled_published_at = CASE
                WHEN excluded.settled_published_at IS NULL
                    OR ",
            $table,
            ".settled_published_at > excluded.settled_published_at
                THEN ",
            $table,
            ".settled_published_at ELSE excluded.settled_published_at END"
        )
    };
}

const ANSWERED: &str = concat!(
    upsert_lanes!("settle_lanes", "lanes", "organisation"),
    ", trouble_at = NULL, trouble = NULL"
);
const SILENT: &str = upsert_lanes!("settle_silent_lanes", "lanes", "organisation");
const SYSTEMS_ANSWERED: &str = concat!(
    upsert_lanes!("settle_system_lanes", "system_lanes", "organisation, system"),
    ", trouble_at = NULL, trouble = NULL"
);
const SYSTEMS_SILENT: &str =
    upsert_lanes!("settle_silent_system_lanes", "system_lanes", "organisation, system");

/// Writes what was learned about lanes. A lane that answered is no longer marked as unanswered.
fn write_lanes(lanes: BTreeMap<LaneName, LaneActivity>) -> [Part; 4] {
    const LANE: &[(&str, Type)] =
        &[("organisation", Type::Text), ("settled_at", Type::Int), ("published_at", Type::Int)];
    const SYSTEM: &[(&str, Type)] = &[
        ("organisation", Type::Text),
        ("system", Type::Text),
        ("settled_at", Type::Int),
        ("published_at", Type::Int),
    ];
    let (mut answered, mut silent) = (Given::new(LANE), Given::new(LANE));
    let (mut systems_answered, mut systems_silent) = (Given::new(SYSTEM), Given::new(SYSTEM));
    for (lane, activity) in lanes {
        let whose = lane.organisation();
        if let Some(system) = lane.system() {
            let list = if activity.answered { &mut systems_answered } else { &mut systems_silent };
            list.push(values![whose, system.as_str(), activity.settled_at, activity.published_at]);
        } else {
            let list = if activity.answered { &mut answered } else { &mut silent };
            list.push(values![whose, activity.settled_at, activity.published_at]);
        }
    }
    [
        Part::new(ANSWERED, answered),
        Part::new(SILENT, silent),
        Part::new(SYSTEMS_ANSWERED, systems_answered),
        Part::new(SYSTEMS_SILENT, systems_silent),
    ]
}
