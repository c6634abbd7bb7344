//! Operational records beside cases and deliveries: refusals, slots, leases, counters, tokens.

use jiff::Timestamp;
use tierlink_schemas::OrganisationCode;
use uuid::Uuid;

use crate::acts::{ActName, Acted};
use crate::cases::{Filter, PAGE_MAX};
use crate::fields::Reader;
use crate::records::{
    Hold, RefusalQuery, RefusalRow, Scope, SlotQuery, SlotRow, StoredTime, TokenRow,
};
use crate::rows;
use crate::session::{Failed, Given, Session, Type, values};

/// Counters that one process reserves at a time, so that most case numbers need no round trip.
pub const COUNTERS_TOGETHER: u64 = 100;
/// Most tokens. Each request is compared with all of them, so this bounds its cost.
pub const TOKENS_MAX: u32 = 10_000;

/// What is read of a refusal, but its bytes.
macro_rules! kept_columns {
    () => {
        "id, organisation, system, format, received_at, source_message_id, problems, code_map,
            (SELECT label FROM versions WHERE versions.kind = 'code_map'
                AND versions.organisation = refusals.organisation
                AND versions.system = refusals.system
                AND versions.hash = refusals.code_map) AS code_map_label"
    };
}

/// Refused arrivals, newest first.
pub(crate) async fn refusals<S: Session>(
    session: &mut S,
    query: RefusalQuery,
) -> Result<Vec<RefusalRow>, Failed> {
    let found = match query.id {
        Some(id) => {
            let sql = concat!(
                "-- refusal
                SELECT raw, ",
                kept_columns!(),
                " FROM refusals WHERE id = $1 AND ($2 IS NULL OR organisation = $2)"
            );
            session.rows(sql, values![id, query.organisation.as_ref()]).await?
        }
        None => {
            let sql = concat!(
                "-- refusals
                SELECT ",
                kept_columns!(),
                " FROM refusals WHERE $1 IS NULL OR organisation = $1
                ORDER BY id DESC LIMIT $2"
            );
            let limit = query.limit.min(PAGE_MAX);
            session.rows(sql, values![query.organisation.as_ref(), limit]).await?
        }
    };
    let refusals = found.iter().map(|row| {
        let row = Reader::new(row, "refusals");
        Ok(RefusalRow {
            id: row.id("id")?,
            organisation: row.organisation("organisation")?,
            system: row.system("system")?,
            format: row.text("format")?,
            received_at: row.at("received_at")?,
            source_message_id: row.text_if_any("source_message_id")?,
            problems: row.json("problems")?,
            code_map: rows::code_map(&row)?,
            raw: if query.id.is_some() { row.bytes("raw")? } else { Vec::new() },
        })
    });
    refusals.collect()
}

/// A page of published slots, soonest first.
pub(crate) async fn slots<S: Session>(
    session: &mut S,
    query: SlotQuery,
) -> Result<Vec<SlotRow>, Failed> {
    let mut filter = Filter::default();
    filter.add("slots.start_at >= ?", values![query.from]);
    if let Some(organisation) = &query.organisation {
        filter.add("slots.organisation = ?", values![organisation]);
    }
    if let Some((start, organisation, number)) = &query.after {
        let condition = "(slots.start_at, slots.organisation, slots.number) > (?, ?, ?)";
        filter.add(condition, values![*start, organisation, number.replace('\0', "")]);
    }
    let Filter { conditions, mut values } = filter;
    values.push(query.limit.min(PAGE_MAX).into());
    let sql = format!(
        "-- slots
        SELECT slots.organisation, slots.body,
            (SELECT count(*) FROM slot_uses WHERE slot_uses.organisation = slots.organisation
                AND slot_uses.number = slots.number) AS used
        FROM slots
        WHERE {}
        ORDER BY slots.start_at, slots.organisation, slots.number
        LIMIT ${}",
        conditions.join(" AND "),
        values.len()
    );
    let found = session.rows(&sql, values).await?;
    let slots = found.iter().map(|row| {
        let row = Reader::new(row, "slots");
        Ok(SlotRow {
            organisation: row.organisation("organisation")?,
            slot: row.json("body")?,
            used: row.u16("used")?,
        })
    });
    slots.collect()
}

/// Takes or renews a lease. One statement, so two askers cannot both get it.
pub(crate) async fn hold_lease<S: Session>(
    session: &mut S,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
    abandoned: Option<Timestamp>,
) -> Result<Hold, Failed> {
    let sql = "-- hold_lease
        INSERT INTO leases (name, holder, until_at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at
        WHERE leases.holder = excluded.holder OR leases.until_at <= $4 OR leases.until_at = $5";
    if session.run(sql, values![name, holder, until, now, abandoned]).await? == 1 {
        return Ok(Hold::Ours);
    }
    let sql = "-- whose_lease
        SELECT until_at FROM leases WHERE name = $1";
    let found = session.rows(sql, values![name]).await?;
    // No row: the holder released it in between. Report it as ended now, so that the next
    // try gets it.
    let ends = found.first().map(|row| Reader::new(row, "leases").at("until_at")).transpose()?;
    Ok(Hold::Theirs { until: ends.unwrap_or(now) })
}

/// Releases a lease.
pub(crate) async fn release_lease<S: Session>(
    session: &mut S,
    name: &str,
    holder: Uuid,
) -> Result<(), Failed> {
    let sql = "-- release_lease
        DELETE FROM leases WHERE name = $1 AND holder = $2";
    session.run(sql, values![name, holder]).await?;
    Ok(())
}

/// Reserves a block of counters. Returns the first one and how many there are.
pub(crate) async fn take_counters<S: Session>(session: &mut S) -> Result<(u64, u64), Failed> {
    let sql = "-- take_counters
        UPDATE counters SET next = next + $1 WHERE name = 'cases' RETURNING next";
    let together = i64::try_from(COUNTERS_TOGETHER).unwrap_or(i64::MAX);
    let found = session.rows(sql, values![together]).await?;
    let row = found.first().ok_or(Failed::Unreadable("counters"))?;
    let next = Reader::new(row, "counters").u64("next")?;
    let first = next.checked_sub(COUNTERS_TOGETHER).ok_or(Failed::Unreadable("counters"))?;
    Ok((first, COUNTERS_TOGETHER))
}

/// Stores a token. The name of a revoked token may be used again.
pub(crate) async fn create_token<S: Session>(
    session: &mut S,
    token: &TokenRow,
) -> Result<Acted, Failed> {
    let sql = "-- forget_revoked_token
        DELETE FROM tokens WHERE name = $1 AND revoked_at IS NOT NULL";
    session.run(sql, values![token.name.as_str()]).await?;
    let sql = "-- create_token
        INSERT INTO tokens (name, organisation, hash, created_at, expires_at, scopes)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING";
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    let values = values![
        token.name.as_str(),
        token.organisation.as_ref(),
        token.hash.to_vec(),
        token.created_at,
        token.expires_at,
        scopes.join(" ").as_str()
    ];
    let added = session.run(sql, values).await?;
    Ok(if added == 0 { Acted::NameTaken } else { Acted::Done })
}

/// Every token that is not revoked.
pub(crate) async fn tokens<S: Session>(session: &mut S) -> Result<Vec<TokenRow>, Failed> {
    let sql = "-- tokens
        SELECT name, organisation, hash, created_at, expires_at, scopes, last_used_at FROM tokens
        WHERE revoked_at IS NULL ORDER BY name LIMIT $1";
    let found = session.rows(sql, values![TOKENS_MAX]).await?;
    let tokens = found.iter().map(|row| {
        let row = Reader::new(row, "tokens");
        let organisation = row.organisation_if_any("organisation")?;
        // A word that we do not know is a later release's, and opens nothing here.
        let scopes = match row.text_if_any("scopes")? {
            Some(words) => words.split(' ').filter_map(Scope::read).collect(),
            None => Scope::all_of(organisation.as_ref()),
        };
        Ok(TokenRow {
            name: row.text("name")?,
            organisation,
            scopes,
            last_used_at: row.at_if_any("last_used_at")?,
            hash: row.bytes("hash")?.try_into().map_err(|_| row.damaged())?,
            created_at: row.at("created_at")?,
            expires_at: row.at_if_any("expires_at")?,
        })
    });
    tokens.collect()
}

/// Notes when tokens were used last.
pub(crate) async fn note_token_uses<S: Session>(
    session: &mut S,
    uses: Vec<(String, Timestamp)>,
) -> Result<(), Failed> {
    let mut given = Given::new(&[("name", Type::Text), ("at", Type::Int)]);
    for (name, at) in uses {
        given.push(values![name.as_str(), at]);
    }
    let sql = "-- note_token_uses
        UPDATE tokens SET last_used_at = given.at FROM given
        WHERE tokens.name = given.name
            AND (tokens.last_used_at IS NULL OR tokens.last_used_at < given.at)";
    session.run_for(sql, given, vec![]).await?;
    Ok(())
}

/// Revokes a token. Gives whose it was, with `Some(None)` for an operator's; `None` if no token of
/// this name works.
pub(crate) async fn revoke_token<S: Session>(
    session: &mut S,
    name: &str,
    now: Timestamp,
) -> Result<Option<Option<OrganisationCode>>, Failed> {
    let sql = "-- revoke_token
        UPDATE tokens SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL
        RETURNING organisation";
    let found = session.rows(sql, values![name, now]).await?;
    let whose = found.first().map(|row| Reader::new(row, "tokens"));
    whose.map(|row| row.organisation_if_any("organisation")).transpose()
}

/// What the store knows of the time.
pub(crate) async fn time<S: Session>(
    session: &mut S,
    has_clock: bool,
) -> Result<StoredTime, Failed> {
    let server = if has_clock {
        let sql = "-- server_time
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at";
        let found = session.rows(sql, vec![]).await?;
        found.first().map(|row| Reader::new(row, "clock").at("at")).transpose()?
    } else {
        None
    };
    // Ids grow with time, so the greatest one is the newest.
    let sql = "-- newest_message
        SELECT received_at FROM messages ORDER BY id DESC LIMIT 1";
    let found = session.rows(sql, vec![]).await?;
    let newest =
        found.first().map(|row| Reader::new(row, "messages").at("received_at")).transpose()?;
    // Counted: an act that was recorded by a wrong clock may stand anywhere in their order.
    let sql = "-- times_vouched
        SELECT count(*) AS vouched FROM acts WHERE act = $1";
    let found = session.rows(sql, values![ActName::VouchForClock.as_str()]).await?;
    let vouched = found.first().map(|row| Reader::new(row, "acts").u64("vouched")).transpose()?;
    Ok(StoredTime { server, newest, vouched: vouched.unwrap_or(0) })
}

/// Whether the store may be written. Touches no row: a database that only reads says no to the
/// statement itself.
pub(crate) async fn healthy<S: Session>(session: &mut S) -> Result<(), Failed> {
    let sql = "-- healthy
        UPDATE counters SET next = next WHERE name = ''";
    session.run(sql, vec![]).await?;
    session.expect_rights().await
}
