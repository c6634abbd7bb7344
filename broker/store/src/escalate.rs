//! Cases whose deadline has passed: the judge decides what follows, which is written like
//! any other change.

use jiff::{SignedDuration, Timestamp};
use tierlink_core::case::Case;
use tracing::warn;
use uuid::Uuid;

use crate::Judge;
use crate::changes::Changes;
use crate::commit::load;
use crate::fields::Reader;
use crate::session::{Failed, Given, Session, Type, values};
use crate::storable;
use crate::write::write;

/// When the query finds a case and the judge does nothing with it, the two disagree about it. It is
/// tried again only after this time, so that it does not block the cases behind it for ever.
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
        let change = judge.overdue(case, now, escalation_id);
        match change.filter(|change| storable::change(change).is_none()) {
            Some(change) => {
                changes.add(*change, None);
                escalated += 1;
            }
            None => idle.push(case),
        }
    }
    put_off(session, &idle, now).await?;
    write(session, &changes, Vec::new()).await?;
    Ok(escalated)
}

/// Finds and locks the most overdue cases. Skips those that another transaction has locked.
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
        warn!(
            case.number = %case.number,
            "The deadline of case {} has passed and means nothing to the core.", case.number
        );
        given.push(values![case.id]);
    }
    let again = now.checked_add(LOOK_AGAIN_AFTER).unwrap_or(Timestamp::MAX);
    let sql = "-- put_off
        UPDATE cases SET due_at = $2 FROM given WHERE cases.id = given.id";
    session.run_for(sql, given, values![again]).await?;
    Ok(())
}
