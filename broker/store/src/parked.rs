//! Parked deliveries, and how operators replay or drop them.

use jiff::Timestamp;
use tierlink_core::delivery::{self, Act, State, Step};

use crate::ReceiptOf;
use crate::acts::Acted;
use crate::cases::{Filter, PAGE_MAX};
use crate::fields::Reader;
use crate::records::{DeliveryId, ParkedQuery, ParkedRow};
use crate::rows::{self, delivery_columns, parked_why, state_name};
use crate::session::{Failed, Session, Value, values};
use crate::settle::receipts_to_write;
use crate::write;

/// A page of parked deliveries, oldest first.
pub(crate) async fn parked<S: Session>(
    session: &mut S,
    query: ParkedQuery,
) -> Result<Vec<ParkedRow>, Failed> {
    let mut filter = Filter::default();
    filter.add("deliveries.state = 'parked'", vec![]);
    if let Some(id) = &query.id {
        let condition = "deliveries.message_id = ? AND deliveries.destination = ?";
        filter.add(condition, values![id.message, &id.to]);
    }
    if let Some(lane) = &query.lane {
        let condition = "deliveries.destination = ? AND deliveries.system = ?";
        filter.add(condition, values![lane.organisation(), lane.system_text()]);
    }
    if let Some((since, id)) = &query.after {
        let condition = "(deliveries.parked_at, deliveries.message_id, deliveries.destination)
                > (?, ?, ?)";
        filter.add(condition, values![*since, id.message, &id.to]);
    }
    let Filter { conditions, mut values } = filter;
    values.push(query.limit.min(PAGE_MAX).into());
    let sql = format!(
        "-- parked
        SELECT deliveries.parked_at, deliveries.problems,
            (SELECT count(*) FROM deliveries AS later
                WHERE later.case_id = deliveries.case_id
                    AND later.destination = deliveries.destination
                    AND later.system = deliveries.system
                    AND later.number > deliveries.number
                    AND later.state NOT IN ('delivered', 'withdrawn')) AS behind, {}
        FROM deliveries JOIN messages ON messages.id = deliveries.message_id
        WHERE {}
        ORDER BY deliveries.parked_at, deliveries.message_id, deliveries.destination
        LIMIT ${}",
        delivery_columns!(),
        conditions.join(" AND "),
        values.len()
    );
    let found = session.rows(&sql, values).await?;
    let parked = found.iter().map(|row| {
        let delivery = rows::delivery(row)?;
        let row = Reader::new(row, "deliveries");
        Ok(ParkedRow {
            delivery,
            since: row.at("parked_at")?,
            problems: row.json_if_any("problems")?.unwrap_or_default(),
            behind: row.u64("behind")?,
        })
    });
    parked.collect()
}

/// Replays or drops a parked delivery. `receipt` makes the receipt that tells its origin of a drop.
pub(crate) async fn act<S: Session>(
    session: &mut S,
    id: &DeliveryId,
    act: Act,
    now: Timestamp,
    receipt: Option<ReceiptOf>,
) -> Result<Acted, Failed> {
    let sql = concat!(
        "-- lock_parked
        SELECT ",
        delivery_columns!(),
        "
        FROM deliveries JOIN messages ON messages.id = deliveries.message_id
        WHERE deliveries.message_id = $1 AND deliveries.destination = $2
        FOR UPDATE OF deliveries"
    );
    let found = session.rows(sql, values![id.message, &id.to]).await?;
    let Some(row) = found.first() else { return Ok(Acted::Unknown) };
    let row = rows::delivery(row)?;
    // The core also lets a waiting delivery be replayed, but only parked ones are
    // offered to people.
    let is_parked = matches!(row.state, State::Parked { .. });
    let next = match delivery::act(&row.state, act) {
        Step::Move(next) if is_parked => next,
        Step::Move(_) | Step::Ignore => return Ok(Acted::NotParked(row.state)),
    };
    write(session, id, &next, now).await?;
    let receipt = receipt.filter(|_| next == State::Withdrawn).and_then(|of| of(&row));
    if let Some(receipt) = receipt {
        let to = row.source_lane();
        let changes = receipts_to_write(session, vec![(*receipt, to, now)]).await?;
        write::write(session, &changes, Vec::new()).await?;
    }
    Ok(Acted::Done)
}

/// Writes the new state. A delivery that is queued again starts a new round, so that copies still
/// on the bus are void.
async fn write<S: Session>(
    session: &mut S,
    id: &DeliveryId,
    next: &State,
    now: Timestamp,
) -> Result<(), Failed> {
    let due = match next {
        State::Waiting { due } => Some(*due),
        State::Queued
        | State::Published
        | State::Delivered
        | State::Parked { .. }
        | State::Withdrawn => None,
    };
    let again = matches!(next, State::Queued | State::Waiting { .. });
    let parked = matches!(next, State::Parked { .. });
    let sql = "-- act_on_parked
        UPDATE deliveries
        SET state = $3, parked_why = $4, due_at = $5, settled_at = $6, parked_at = $7,
            round = round + $8, silent_since = NULL, published_at = CASE WHEN $9
                THEN NULL ELSE published_at END
        WHERE message_id = $1 AND destination = $2";
    let values: Vec<Value> = values![
        id.message,
        &id.to,
        state_name(next),
        parked_why(next),
        due,
        Some(now).filter(|_| !again),
        Some(now).filter(|_| parked),
        i64::from(again),
        again,
    ];
    session.run(sql, values).await?;
    Ok(())
}
