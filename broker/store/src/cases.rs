//! Looking at cases and messages.
//!
//! Lists of open cases walk an index that holds open cases only, in their order; that of an
//! organisation walks its own. Other lists walk ids, which grow with time. So a page costs what it
//! shows, beside a million ended cases and beside thousands of open ones of others.

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::message::from_slice;
use uuid::Uuid;

use crate::CaseKey;
use crate::fields::Reader;
use crate::records::{CaseFile, CaseQuery, CaseRow, MessageRow};
use crate::rows::{self, delivery_columns, event_columns};
use crate::session::{Failed, Session, Value, values};

/// Longest page of a list.
pub const PAGE_MAX: u32 = 500;

/// A page of cases. Open ones: most urgent first, then those that wait longest. Any others: those
/// that were opened last come first.
pub(crate) async fn cases<S: Session>(
    session: &mut S,
    query: CaseQuery,
) -> Result<Vec<CaseRow>, Failed> {
    let mut filter = Filter::default();
    // Who must act on a case has a part in it, so the list of the one is within that of the other.
    let whose = query.seen_by.as_ref().or(query.with.as_ref());
    let (tables, table, id) = match whose {
        None => ("cases", "cases", "cases.id"),
        Some(organisation) => {
            filter.add("parties.organisation = ?", values![organisation]);
            filter.add("cases.id = parties.case_id", vec![]);
            ("case_parties AS parties CROSS JOIN cases", "parties", "parties.case_id")
        }
    };
    // Where `parties` says it, `cases` is not asked: that would offer the planner indexes which it
    // takes for empty after a night without open cases.
    match query.open {
        Some(true) => filter.add(&format!("{table}.open"), vec![]),
        Some(false) => filter.add(&format!("NOT {table}.open"), vec![]),
        None => {}
    }
    if let Some(family) = query.family {
        filter.add("cases.family = ?", values![family.as_str()]);
    }
    if let Some(state) = query.state {
        filter.add("cases.state = ?", values![state.replace('\0', "")]);
    }
    if let Some(who) = &query.with {
        let condition = "(cases.reviewer = ? OR cases.reviewer IS NULL AND cases.target = ?)";
        filter.add(condition, values![who, who]);
    }
    if let Some(at) = query.overdue_at {
        filter.add("cases.due_at < ?", values![at]);
    }
    let order = if query.open == Some(true) {
        let place = format!("{table}.urgency, {table}.changed_at, {id}");
        if let Some(last) = query.after {
            let (urgency, changed_at) = place_of(session, whose, last).await?;
            filter.add(&format!("({place}) > (?, ?, ?)"), values![urgency, changed_at, last.1]);
        }
        place
    } else {
        if let Some((_, last)) = query.after {
            filter.add(&format!("{id} < ?"), values![last]);
        }
        format!("{id} DESC")
    };
    let Filter { conditions, mut values } = filter;
    values.push(query.limit.min(PAGE_MAX).into());
    let sql = format!(
        "-- cases
        SELECT cases.id, cases.number, cases.family, cases.state, cases.origin, cases.target,
            cases.reviewer, cases.priority, cases.opened_at, cases.changed_at, cases.due_at,
            cases.events
        FROM {tables}
        WHERE {}
        ORDER BY {order}
        LIMIT ${}",
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") },
        values.len()
    );
    session.rows(&sql, values).await?.iter().map(rows::case).collect()
}

/// Conditions with their values. The texts are ours; only values come from outside.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) conditions: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Filter {
    /// Adds a condition in which each `?` stands for one of the values.
    pub(crate) fn add(&mut self, condition: &str, values: Vec<Value>) {
        let mut numbered = String::new();
        for (at, part) in condition.split('?').enumerate() {
            if at > 0 {
                numbered.push('$');
                numbered.push_str(&(self.values.len() + at).to_string());
            }
            numbered.push_str(part);
        }
        self.conditions.push(numbered);
        self.values.extend(values);
    }
}

/// Where the last case of the page before stands in a worklist, so that the next page goes on
/// behind it. If it has moved on since, what it moved past must still be shown; a place that a
/// release without worklists wrote is at their very beginning.
async fn place_of<S: Session>(
    session: &mut S,
    whose: Option<&OrganisationCode>,
    (changed_at, id): (Timestamp, Uuid),
) -> Result<(i64, Timestamp), Failed> {
    let found = if let Some(organisation) = whose {
        let sql = "-- place_in_worklist
            SELECT urgency, changed_at FROM case_parties
            WHERE organisation = $1 AND case_id = $2";
        session.rows(sql, values![organisation, id]).await?
    } else {
        let sql = "-- place_of_case\nSELECT urgency, changed_at FROM cases WHERE id = $1";
        session.rows(sql, values![id]).await?
    };
    let Some(row) = found.first() else { return Ok((0, changed_at)) };
    let row = Reader::new(row, "cases");
    Ok((row.int("urgency")?, row.at("changed_at")?.min(changed_at)))
}

/// One case with its whole history.
pub(crate) async fn case<S: Session>(
    session: &mut S,
    key: CaseKey,
    seen_by: Option<OrganisationCode>,
) -> Result<Option<CaseFile>, Failed> {
    let found = match key {
        CaseKey::Id(id) => {
            let sql = "-- case_by_id\nSELECT body FROM cases WHERE id = $1";
            session.rows(sql, values![id]).await?
        }
        CaseKey::Number(number) => {
            let sql = "-- case_by_number\nSELECT body FROM cases WHERE number = $1";
            session.rows(sql, values![number.as_str()]).await?
        }
    };
    let Some(row) = found.first() else { return Ok(None) };
    let case: Case = Reader::new(row, "cases").json_bytes("body")?;
    if seen_by.as_ref().is_some_and(|organisation| !case.has_part(organisation)) {
        return Ok(None);
    }
    let sql = concat!(
        "-- case_events
        SELECT ",
        event_columns!(),
        "
        FROM events LEFT JOIN messages ON messages.id = events.message_id
        WHERE events.case_id = $1
        ORDER BY events.number"
    );
    let events = session.rows(sql, values![case.id]).await?;
    let mut events = events.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
    let sql = concat!(
        "-- case_custody
        SELECT deliveries.published_at, deliveries.settled_at, deliveries.destination_number,
            deliveries.problems, deliveries.losses, deliveries.last_problem, deliveries.code_map,
            (SELECT label FROM versions WHERE versions.kind = 'code_map'
                AND versions.organisation = deliveries.destination
                AND versions.system = '' AND versions.hash = deliveries.code_map)
                AS code_map_label, ",
        delivery_columns!(),
        "
        FROM deliveries JOIN messages ON messages.id = deliveries.message_id
        WHERE deliveries.case_id = $1
        ORDER BY deliveries.created_at, deliveries.message_id, deliveries.destination"
    );
    let custody = session.rows(sql, values![case.id]).await?;
    let mut custody = custody.iter().map(rows::custody).collect::<Result<Vec<_>, _>>()?;
    if let Some(until) = seen_by.and_then(|organisation| sees_until(&case, &organisation)) {
        events.retain(|event| event.at <= until);
        custody.retain(|row| row.delivery.created_at <= until);
    }
    let sql = "-- case_children
        SELECT number FROM cases WHERE parent = $1 AND parent IS NOT NULL ORDER BY id";
    let children = session.rows(sql, values![case.number.as_str()]).await?;
    let children = children
        .iter()
        .map(|row| Reader::new(row, "cases").case_number("number"))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(CaseFile { case, events, custody, children }))
}

/// Until when an organisation sees a case that has left it; `None` while it has a part in it.
fn sees_until(case: &Case, organisation: &OrganisationCode) -> Option<Timestamp> {
    let now = [&case.origin, &case.target]
        .into_iter()
        .chain(&case.reviews)
        .chain(&case.watchers)
        .chain(case.experts.iter().map(|asked| &asked.expert.organisation));
    if now.into_iter().any(|party| party == organisation) {
        return None;
    }
    let past = case.past_targets.iter().filter(|past| past.organisation == *organisation);
    past.map(|past| past.until).max()
}

/// A message by its id.
pub(crate) async fn message<S: Session>(
    session: &mut S,
    id: Uuid,
    seen_by: Option<OrganisationCode>,
) -> Result<Option<MessageRow>, Failed> {
    let sql = "-- message
        SELECT canonical, raw, format, deviations, organisation, code_map,
            (SELECT label FROM versions WHERE versions.kind = 'code_map'
                AND versions.organisation = messages.organisation
                AND versions.system = '' AND versions.hash = messages.code_map) AS code_map_label
        FROM messages
        WHERE id = $1 AND ($2 IS NULL OR organisation = $2 OR EXISTS
            (SELECT 1 FROM deliveries WHERE message_id = $1 AND destination = $2))";
    let found = session.rows(sql, values![id, seen_by.as_ref()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let row = Reader::new(row, "messages");
    // What its source wrote beyond the canonical message is not for others.
    let source = row.organisation("organisation")?;
    let whole = seen_by.is_none_or(|organisation| organisation == source);
    Ok(Some(MessageRow {
        message: from_slice(&row.bytes("canonical")?).map_err(|_| row.damaged())?,
        raw: if whole { row.bytes("raw")? } else { Vec::new() },
        format: row.text("format")?,
        deviations: row.json("deviations")?,
        code_map: rows::code_map(&row)?,
    }))
}
