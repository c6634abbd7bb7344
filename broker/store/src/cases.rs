//! Queries for cases and messages.
//!
//! Lists of open cases read an index that holds open cases only, in list order; an organisation's
//! worklist has its own index. Other lists go by id, which grows with time. The cost of a page
//! therefore depends on its length only, not on the number of ended cases or of other
//! organisations' open ones.
//!
//! `tierlink_core::access` decides who may see what. SQL selects candidates through `case_parties`,
//! which is written from the same rules; each candidate is then checked.

use jiff::Timestamp;
use tierlink_core::access::{self, Asker, MessageView, View};
use tierlink_core::case::Case;
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{CaseNumber, OrganisationCode};
use uuid::Uuid;

use crate::CaseKey;
use crate::fields::Reader;
use crate::records::{CaseFile, CaseQuery, CaseRow, MessageRow};
use crate::rows::{self, delivery_columns, event_columns};
use crate::session::{Failed, Session, Value, values};

/// Longest page of a list.
pub const PAGE_MAX: u32 = 500;

/// Lists a page of cases, limited to what the asker may see. Open cases: most urgent first, then
/// longest waiting first. Any others: most recently opened first.
pub(crate) async fn cases<S: Session>(
    session: &mut S,
    mut query: CaseQuery,
) -> Result<Vec<CaseRow>, Failed> {
    let limit = usize::try_from(query.limit.min(PAGE_MAX)).unwrap_or(usize::MAX);
    let mut seen = Vec::new();
    // Rows that the asker may not see are left out, so read on until the page is full.
    loop {
        let missing = limit - seen.len();
        query.limit = u32::try_from(missing).unwrap_or(u32::MAX);
        let found = page(session, &query).await?;
        let exhausted = found.len() < missing;
        query.after = found.last().map(|(row, _)| (row.changed_at, row.id));
        for (row, case) in found {
            let row = match case {
                Some(case) => as_seen(session, row, &case, &query).await?,
                None => Some(row),
            };
            seen.extend(row);
        }
        if exhausted || seen.len() >= limit {
            return Ok(seen);
        }
    }
}

/// Returns a row as the asker may see it, or `None` if this list must not show it to the asker.
///
/// A case that has left the asker is shown as it was at that moment. Lists that filter by the
/// current state leave it out, because being found there would reveal the current state.
async fn as_seen<S: Session>(
    session: &mut S,
    row: CaseRow,
    case: &Case,
    query: &CaseQuery,
) -> Result<Option<CaseRow>, Failed> {
    let until = match access::view(case, query.seen_by.as_ref().into()) {
        View::Whole => return Ok(Some(row)),
        View::Nothing => return Ok(None),
        View::Until(until) => until,
    };
    let asks_for_now = query.state.is_some()
        || query.with.is_some()
        || query.overdue_at.is_some()
        || query.open == Some(true);
    if asks_for_now {
        return Ok(None);
    }
    let sql = "-- last_event_until
        SELECT number, to_state FROM events WHERE case_id = $1 AND recorded_at <= $2
        ORDER BY number DESC LIMIT 1";
    let found = session.rows(sql, values![case.id, until]).await?;
    let Some(event) = found.first() else { return Ok(None) };
    let event = Reader::new(event, "events");
    Ok(Some(CaseRow {
        state: event.text("to_state")?,
        target: query.seen_by.clone().unwrap_or(row.target),
        reviewer: None,
        changed_at: until,
        priority: access::priority(case, query.seen_by.as_ref().into()),
        due_at: None,
        events: event.u32("number")?,
        ..row
    }))
}

/// What SQL finds for a list, with the case itself where the row alone does not show how much of
/// it the asker may see: its origin sees all of it, and its target once no reviewer has it.
async fn page<S: Session>(
    session: &mut S,
    query: &CaseQuery,
) -> Result<Vec<(CaseRow, Option<Case>)>, Failed> {
    let mut filter = Filter::default();
    // Whoever must act on a case is a party to it, so a filter by `seen_by` covers one by `with`.
    let whose = query.seen_by.as_ref().or(query.with.as_ref());
    let (tables, table, id) = match whose {
        None => ("cases", "cases", "cases.id"),
        Some(organisation) => {
            filter.add("parties.organisation = ?", values![organisation]);
            filter.add("cases.id = parties.case_id", vec![]);
            ("case_parties AS parties CROSS JOIN cases", "parties", "parties.case_id")
        }
    };
    // Where `case_parties` has the condition, do not repeat it on `cases`: the planner would choose
    // an index on `cases` that its statistics call empty after a night without open cases.
    match query.open {
        Some(true) => filter.add(&format!("{table}.open"), vec![]),
        Some(false) => filter.add(&format!("NOT {table}.open"), vec![]),
        None => {}
    }
    if let Some(family) = query.family {
        filter.add("cases.family = ?", values![family.as_str()]);
    }
    if let Some(state) = &query.state {
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
    let body = if query.seen_by.is_some() {
        "CASE WHEN cases.origin = parties.organisation
                OR cases.target = parties.organisation AND cases.reviewer IS NULL
                THEN NULL ELSE cases.body END"
    } else {
        "NULL"
    };
    let Filter { conditions, mut values } = filter;
    values.push(query.limit.min(PAGE_MAX).into());
    let sql = format!(
        "-- cases
        SELECT cases.id, cases.number, cases.family, cases.state, cases.origin, cases.target,
            cases.reviewer, cases.priority, cases.opened_at, cases.changed_at, cases.due_at,
            cases.events, {body} AS body
        FROM {tables}
        WHERE {}
        ORDER BY {order}
        LIMIT ${}",
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") },
        values.len()
    );
    let found = session.rows(&sql, values).await?;
    let found = found.iter().map(|row| {
        let case = match query.seen_by {
            Some(_) => Reader::new(row, "cases").json_bytes_if_any("body")?,
            None => None,
        };
        Ok((rows::case(row)?, case))
    });
    found.collect()
}

/// SQL conditions with their values. The texts are constants of this program; only values
/// come from outside.
#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) conditions: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Filter {
    /// Adds a condition in which each `?` stands for one of `values`, in order.
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

/// The position of a worklist's last shown case, from which the next page goes on. If the case has
/// moved since, cases between its old and new position must still be shown. A row written by a
/// release without worklists has the very first position.
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

/// Reads one case with its history, as far as the asker may see it.
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
    let asker = Asker::from(seen_by.as_ref());
    let view = access::view(&case, asker);
    if view == View::Nothing {
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
                AND versions.system = deliveries.system
                AND versions.hash = deliveries.code_map)
                AS code_map_label, ",
        delivery_columns!(),
        "
        FROM deliveries JOIN messages ON messages.id = deliveries.message_id
        WHERE deliveries.case_id = $1
        ORDER BY deliveries.created_at, deliveries.message_id, deliveries.destination"
    );
    let custody = session.rows(sql, values![case.id]).await?;
    let mut custody = custody.iter().map(rows::custody).collect::<Result<Vec<_>, _>>()?;
    if let View::Until(until) = view {
        events.retain(|event| event.at <= until);
    }
    custody.retain(|row| {
        access::sees_delivery(&case, asker, &row.delivery.id.to, row.delivery.created_at)
    });
    let sql = "-- case_children
        SELECT body FROM cases WHERE parent = $1 AND parent IS NOT NULL ORDER BY id";
    let children = linked(session, sql, case.number.as_str(), &case, asker).await?;
    let sql = "-- case_parent\nSELECT body FROM cases WHERE number = $1";
    let parent = match &case.parent {
        Some(number) => linked(session, sql, number.as_str(), &case, asker).await?.pop(),
        None => None,
    };
    let priority = access::priority(&case, asker);
    Ok(Some(CaseFile { case, view, priority, events, custody, parent, children }))
}

/// Numbers of the cases that `sql` finds, limited to those whose link with `case` the
/// asker may know.
async fn linked<S: Session>(
    session: &mut S,
    sql: &str,
    number: &str,
    case: &Case,
    asker: Asker<'_>,
) -> Result<Vec<CaseNumber>, Failed> {
    let mut numbers = Vec::new();
    for row in session.rows(sql, values![number]).await? {
        let other: Case = Reader::new(&row, "cases").json_bytes("body")?;
        if access::sees_link(case, &other, asker) {
            numbers.push(other.number);
        }
    }
    Ok(numbers)
}

/// Reads a message by its id. Without `seen_by` the broker itself asks, and gets all of it.
pub(crate) async fn message<S: Session>(
    session: &mut S,
    id: Uuid,
    seen_by: Option<OrganisationCode>,
) -> Result<Option<MessageRow>, Failed> {
    let sql = "-- message
        SELECT canonical, raw, format, deviations, organisation, code_map,
            (SELECT label FROM versions WHERE versions.kind = 'code_map'
                AND versions.organisation = messages.organisation
                AND versions.system = messages.system
                AND versions.hash = messages.code_map) AS code_map_label,
            EXISTS (SELECT 1 FROM deliveries WHERE message_id = $1 AND destination = $2) AS received
        FROM messages WHERE id = $1";
    let found = session.rows(sql, values![id, seen_by.as_ref()]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let row = Reader::new(row, "messages");
    let source = row.organisation("organisation")?;
    let view = match &seen_by {
        Some(organisation) => {
            let asker = Asker::Organisation(organisation);
            access::message_view(asker, &source, row.flag("received")?)
        }
        None => MessageView::WithRaw,
    };
    let raw = match view {
        MessageView::WithRaw => row.bytes("raw")?,
        MessageView::Canonical => Vec::new(),
        MessageView::Nothing => return Ok(None),
    };
    Ok(Some(MessageRow {
        message: from_slice(&row.bytes("canonical")?).map_err(|_| row.damaged())?,
        raw,
        format: row.text("format")?,
        deviations: row.json("deviations")?,
        code_map: rows::code_map(&row)?,
    }))
}
