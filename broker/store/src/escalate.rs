//! Cases whose deadline has passed: the judge decides what follows, which is written like
//! any other change.

use jiff::{SignedDuration, Timestamp};
use tierlink_core::case::Case;
use tierlink_core::deadline::Overdue;
use tracing::warn;
use uuid::Uuid;

use crate::Judge;
use crate::changes::Changes;
use crate::commit::load;
use crate::fields::Reader;
use crate::records::SetRight;
use crate::session::{Failed, Given, Session, Type, values};
use crate::storable;
use crate::write::write;

/// When the query finds a case and the judge does nothing with it, the clock is in doubt or the two
/// disagree. It is looked at again after this, so that it cannot stand in front of others for ever.
const LOOK_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Escalates up to `limit` cases. Returns how many.
pub(crate) async fn escalate<S: Session>(
    session: &mut S,
    now: Timestamp,
    limit: u32,
    escalation_ids: Vec<Uuid>,
    judge: &dyn Judge,
) -> Result<u32, Failed> {
    let limit = limit.min(u32::try_from(escalation_ids.len()).unwrap_or(u32::MAX));
    let mut changes = Changes::default();
    let cases = find_overdue(session, now, limit).await?;
    load(session, &mut changes, cases.clone()).await?;
    let mut escalated = 0;
    let mut idle = Vec::new();
    for (case, escalation_id) in cases.iter().zip(escalation_ids) {
        match judge.overdue(case, now, escalation_id) {
            Overdue::Changed(change) if storable::change(&change).is_none() => {
                changes.add(*change, None);
                escalated += 1;
            }
            Overdue::Waits => idle.push(case),
            Overdue::Changed(_) | Overdue::Nothing => {
                warn!(
                    case.number = %case.number,
                    "The deadline of case {} has passed and means nothing to the core.", case.number
                );
                idle.push(case);
            }
        }
    }
    put_off(session, &idle, now).await?;
    write(session, &changes, Vec::new()).await?;
    Ok(escalated)
}

/// Sets right what a clock wrote that was ahead: a page of the open cases, in the order in which
/// they are due, after the place `after`. Gives the next place; `None` once there are no more.
pub(crate) async fn set_right<S: Session>(
    session: &mut S,
    now: Timestamp,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
    judge: &dyn Judge,
) -> Result<SetRight, Failed> {
    let (due, id) = after.unwrap_or((now, Uuid::nil()));
    let sql = "-- open_cases_due_later
        SELECT cases.body, cases.due_at, cases.id FROM cases
        WHERE cases.open AND cases.due_at IS NOT NULL AND (cases.due_at, cases.id) > ($1, $2)
        ORDER BY cases.due_at, cases.id
        LIMIT $3
        FOR UPDATE OF cases";
    let found = session.rows(sql, values![due, id, limit]).await?;
    let mut changes = Changes::default();
    let mut next = None;
    let mut cases = Vec::new();
    for row in &found {
        let row = Reader::new(row, "cases");
        let (case, due): (Case, Timestamp) = (row.json_bytes("body")?, row.at("due_at")?);
        next = Some((due, row.id("id")?));
        let right = judge.set_right(&case, now);
        // The column may stand alone: a case whose end waited was put off by the same clock. It holds
        // microseconds, and the case itself may know its deadline more finely.
        let column = case.next_due().map(Timestamp::as_microsecond);
        if right.is_some() || column != Some(due.as_microsecond()) {
            cases.push((case.clone(), right.unwrap_or(case)));
        }
    }
    load(session, &mut changes, cases.iter().map(|(case, _)| case.clone()).collect()).await?;
    for (_, right) in &cases {
        changes.correct(right.clone());
    }
    write(session, &changes, Vec::new()).await?;
    let corrected = u32::try_from(cases.len()).unwrap_or(u32::MAX);
    let full = u32::try_from(found.len()).is_ok_and(|found| found >= limit);
    Ok(SetRight { corrected, next: next.filter(|_| full) })
}

/// The most overdue cases that nobody else has in hand.
async fn find_overdue<S: Session>(
    session: &mut S,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Case>, Failed> {
    let sql = "-- find_overdue
        SELECT cases.body FROM cases
        WHERE cases.open AND cases.due_at IS NOT NULL AND cases.due_at <= $1
        ORDER BY cases.due_at
        LIMIT $2
        FOR UPDATE OF cases SKIP LOCKED";
    let found = session.rows(sql, values![now, limit]).await?;
    found.iter().map(|row| Reader::new(row, "cases").json_bytes("body")).collect()
}

async fn put_off<S: Session>(
    session: &mut S,
    idle: &[&Case],
    now: Timestamp,
) -> Result<(), Failed> {
    let mut given = Given::new(&[("id", Type::Id)]);
    for case in idle {
        given.push(values![case.id]);
    }
    let again = now.checked_add(LOOK_AGAIN_AFTER).unwrap_or(Timestamp::MAX);
    let sql = "-- put_off
        UPDATE cases SET due_at = $2 FROM given WHERE cases.id = given.id";
    session.run_for(sql, given, values![again]).await?;
    Ok(())
}
