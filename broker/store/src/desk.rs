//! Acts of people: replay, drop, pause, resume, tokens, reload, vouching for the clock. Each is done and recorded in one
//! transaction, so that a process that dies in between leaves both or neither.
//!
//! The table `acts` is the only audit record, and [`act`] the only function that writes it. A row
//! is written only if the act changed something: a second replay of a delivery that is already
//! queued again is reported as such and not recorded.
//! Whether a person may ask for an act is checked before (`broker/service/src/desk`); the core
//! decides what a replay or a drop means for a delivery.
//! means for a delivery is decided by the core.

use jiff::Timestamp;
use tierlink_core::delivery;
use tierlink_schemas::{OrganisationCode, SystemName};
use uuid::Uuid;

use crate::ReceiptOf;
use crate::acts::{Act, ActQuery, ActRow, Acted, ConfigFingerprint, NewAct};
use crate::cases::{Filter, PAGE_MAX};
use crate::fields::{Fields, Reader};
use crate::session::{Failed, Session, values};
use crate::{lanes, operations, parked};

/// Does what a person asks for and records it. `receipt` makes the receipt for the origin of
/// a dropped delivery.
pub(crate) async fn act<S: Session>(
    session: &mut S,
    new: NewAct,
    receipt: Option<ReceiptOf>,
) -> Result<Acted, Failed> {
    let acted = match &new.act {
        Act::Replay(id) => parked::act(session, id, delivery::Act::Replay, new.at, receipt).await?,
        Act::Drop(id) => parked::act(session, id, delivery::Act::Drop, new.at, receipt).await?,
        Act::Pause(lane) => lanes::pause(session, lane).await?,
        Act::Resume(lane) => lanes::resume(session, lane).await?,
        Act::CreateToken(token) => operations::create_token(session, token).await?,
        Act::RevokeToken(name) => return revoke_token(session, &new, name).await,
        // A reload changes the configuration in the memory of the process that asks. Every process
        // that doubts its clock, or reads its configuration again, looks for the record of the
        // other two.
        Act::Reload { .. } | Act::VouchForClock | Act::AgreeToRemoval(_) => Acted::Done,
    };
    if acted == Acted::Done {
        record(session, &new, Concerns::of(&new.act)).await?;
    }
    Ok(acted)
}

/// Only the token's row says which organisation it belonged to, which the record must hold.
async fn revoke_token<S: Session>(
    session: &mut S,
    new: &NewAct,
    name: &str,
) -> Result<Acted, Failed> {
    let Some(organisation) = operations::revoke_token(session, name, new.at).await? else {
        return Ok(Acted::Unknown);
    };
    let concerns = Concerns { organisation: organisation.as_ref(), ..Concerns::of(&new.act) };
    record(session, new, concerns).await?;
    Ok(Acted::Done)
}

/// What an act concerns, as columns of `acts`.
#[derive(Default)]
struct Concerns<'a> {
    message: Option<Uuid>,
    organisation: Option<&'a OrganisationCode>,
    system: Option<&'a SystemName>,
    token: Option<&'a str>,
    configs: Option<(ConfigFingerprint, ConfigFingerprint)>,
}

impl<'a> Concerns<'a> {
    fn of(act: &'a Act) -> Self {
        match act {
            Act::Replay(id) | Act::Drop(id) => {
                Self { message: Some(id.message), organisation: Some(&id.to), ..Self::default() }
            }
            Act::Pause(lane) | Act::Resume(lane) | Act::AgreeToRemoval(lane) => Self {
                organisation: Some(lane.organisation()),
                system: lane.system(),
                ..Self::default()
            },
            Act::CreateToken(token) => Self {
                organisation: token.organisation.as_ref(),
                token: Some(&token.name),
                ..Self::default()
            },
            Act::RevokeToken(name) => Self { token: Some(name), ..Self::default() },
            Act::Reload { before, after } => {
                Self { configs: Some((*before, *after)), ..Self::default() }
            }
            Act::VouchForClock => Self::default(),
        }
    }
}

async fn record<S: Session>(
    session: &mut S,
    new: &NewAct,
    concerns: Concerns<'_>,
) -> Result<(), Failed> {
    let sql = "-- record_act
        INSERT INTO acts (id, act, by_whom, through, why, acted_at, message_id, destination, system,
            token, config_before, config_after)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = values![
        new.id,
        new.act.name().as_str(),
        new.by.as_str(),
        new.through.as_str(),
        new.why.as_str(),
        new.at,
        concerns.message,
        concerns.organisation,
        concerns.system.map(SystemName::as_str),
        concerns.token,
        concerns.configs.map(|(before, _)| before.to_string()),
        concerns.configs.map(|(_, after)| after.to_string()),
    ];
    session.run(sql, values).await?;
    Ok(())
}

/// Reads a page of acts, newest first.
pub(crate) async fn acts<S: Session>(
    session: &mut S,
    query: ActQuery,
) -> Result<Vec<ActRow>, Failed> {
    let mut filter = Filter::default();
    if let Some(act) = query.act {
        filter.add("act = ?", values![act.as_str()]);
    }
    if let Some(organisation) = &query.organisation {
        filter.add("destination = ?", values![organisation]);
    }
    if let Some(by) = query.by {
        filter.add("by_whom = ?", values![by.replace('\0', "")]);
    }
    if let Some(since) = query.since {
        filter.add("id >= ?", values![first_id_of(since)]);
    }
    if let Some(last) = query.after {
        filter.add("id < ?", values![last]);
    }
    let Filter { conditions, mut values } = filter;
    values.push(query.limit.min(PAGE_MAX).into());
    let sql = format!(
        "-- acts
        SELECT id, act, by_whom, through, why, acted_at, message_id, destination, system, token,
            config_before, config_after
        FROM acts
        WHERE {}
        ORDER BY id DESC
        LIMIT ${}",
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") },
        values.len()
    );
    session.rows(&sql, values).await?.iter().map(read).collect()
}

fn read<R: Fields>(row: &R) -> Result<ActRow, Failed> {
    let row = Reader::new(row, "acts");
    Ok(ActRow {
        id: row.id("id")?,
        act: row.text("act")?,
        by: row.text("by_whom")?,
        through: row.text("through")?,
        why: row.text("why")?,
        at: row.at("acted_at")?,
        message: row.id_if_any("message_id")?,
        organisation: row.organisation_if_any("destination")?,
        system: row.system_if_any("system")?,
        token: row.text_if_any("token")?,
        config_before: row.text_if_any("config_before")?,
        config_after: row.text_if_any("config_after")?,
    })
}

/// The smallest UUIDv7 of this millisecond.
fn first_id_of(at: Timestamp) -> Uuid {
    let milliseconds = u128::try_from(at.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_time_stands_before_every_act_of_that_time() {
        let at: Timestamp = "2026-03-10T04:00:00.123Z".parse().unwrap();
        let time = uuid::Timestamp::from_unix(uuid::NoContext, 1_773_115_200, 123_000_000);

        let id = Uuid::new_v7(time);

        assert!(first_id_of(at) < id);
        assert!(first_id_of(at + jiff::SignedDuration::from_millis(1)) > id);
    }
}
