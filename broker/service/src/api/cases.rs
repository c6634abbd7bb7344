//! Queries about cases: lists, histories, deliveries, messages, slots.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tierlink_schemas::{CaseNumber, Code, Family, OrganisationCode};
use tierlink_store::{CaseFile, CaseKey, CaseQuery, Queries, SlotQuery};
use tracing::error;
use uuid::Uuid;

use super::auth::Authenticated;
use super::messages::not_found;
use super::shared::Api;
use super::views;
use crate::report::chain;

/// Page size if the request gives none.
pub(super) const PAGE: u32 = 50;
/// Largest page size.
pub(super) const PAGE_MAX: u32 = 200;
/// Error code: a parameter of the request is not valid.
const BAD_PARAMETER: Code = Code::new("A009");
/// Error code: the store does not answer.
const STORE_SILENT: Code = Code::new("A011");

/// Filters of a list. The doc comments of the fields are the descriptions in the OpenAPI document.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// `referral`, `transfer` or `consultation`.
    family: Option<Family>,
    /// Name of a state, such as `accepted`.
    state: Option<String>,
    /// Code of the organisation that must act now.
    with: Option<OrganisationCode>,
    /// `true`: only cases that are open for you; `false`: only those that have ended or left you.
    open: Option<bool>,
    /// `true`: only cases whose deadline has passed.
    overdue: Option<bool>,
    /// The value of `next` from the previous page.
    after: Option<String>,
    /// Page size, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// Lists the cases in which the caller has a part.
pub async fn list(
    caller: Authenticated,
    State(api): State<Api>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(query)) = query else {
        return bad("Known filters are family, state, with, open, overdue, after and limit.");
    };
    let after = match query.after.as_deref().map(read_cursor) {
        Some(None) => return bad("`after` must be the `next` of the page before."),
        Some(cursor) => cursor,
        None => None,
    };
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let cases = api
        .store
        .cases(CaseQuery {
            seen_by: caller.sees(),
            family: query.family,
            state: query.state,
            with: query.with,
            open: query.open,
            overdue_at: query.overdue.unwrap_or(false).then(|| api.environment.now()),
            after,
            limit,
        })
        .await;
    match cases {
        Ok(rows) => {
            let next = views::last_of_full(&rows, limit)
                .map(|row| format!("{}/{}", row.changed_at.as_microsecond(), row.id));
            let cases = rows.iter().map(views::row).collect();
            Json(views::CasePage { cases, next }).into_response()
        }
        Err(error) => silent(&error),
    }
}

fn read_cursor(text: &str) -> Option<(Timestamp, Uuid)> {
    let (at, id) = text.split_once('/')?;
    Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, id.parse().ok()?))
}

/// Shows one case with its history.
pub async fn show(
    caller: Authenticated,
    State(api): State<Api>,
    Path(case): Path<String>,
) -> Response {
    match find(&caller, &*api.store, &case).await {
        Ok(file) => Json(views::shown(&file)).into_response(),
        Err(response) => response,
    }
}

/// Lists the events of one case.
pub async fn events(
    caller: Authenticated,
    State(api): State<Api>,
    Path(case): Path<String>,
) -> Response {
    match find(&caller, &*api.store, &case).await {
        Ok(file) => {
            let events = file.events.iter().map(views::event).collect();
            Json(views::Events { events }).into_response()
        }
        Err(response) => response,
    }
}

/// Lists the deliveries of one case's messages.
pub async fn custody(
    caller: Authenticated,
    State(api): State<Api>,
    Path(case): Path<String>,
) -> Response {
    match find(&caller, &*api.store, &case).await {
        Ok(file) => {
            let custody = file.custody.iter().map(views::custody).collect();
            Json(views::Custody { custody }).into_response()
        }
        Err(response) => response,
    }
}

/// Finds the case. "Not yours" and "does not exist" get the same answer.
async fn find(
    caller: &Authenticated,
    store: &dyn Queries,
    case: &str,
) -> Result<Box<CaseFile>, Response> {
    let key = if let Ok(id) = case.parse::<Uuid>() {
        CaseKey::Id(id)
    } else if let Some(number) = CaseNumber::read(case) {
        CaseKey::Number(number)
    } else {
        return Err(not_found().await);
    };
    match store.case(key, caller.sees()).await {
        Ok(Some(file)) => Ok(Box::new(file)),
        Ok(None) => Err(not_found().await),
        Err(error) => Err(silent(&error)),
    }
}

/// Returns one message that the caller sent or receives.
pub async fn message(
    caller: Authenticated,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Response {
    // Operators look after queues and numbers, not patients.
    let organisation = match caller.organisation() {
        Ok(organisation) => organisation.clone(),
        Err(refusal) => return refusal,
    };
    let Ok(id) = id.parse::<Uuid>() else { return not_found().await };
    match api.store.message(id, Some(organisation)).await {
        Ok(Some(row)) => {
            let mut response = Json(&row.message).into_response();
            let hash = row.code_map.as_ref().map(|version| HeaderValue::from_str(&version.hash));
            if let Some(Ok(hash)) = hash {
                response.headers_mut().insert(CODE_MAP, hash);
            }
            response
        }
        Ok(None) => not_found().await,
        Err(error) => silent(&error),
    }
}

/// The header with the version of the sender's code map that translated a message.
const CODE_MAP: HeaderName = HeaderName::from_static("tierlink-code-map");

/// Filters of the list of slots. The doc comments of the fields are the descriptions in
/// the OpenAPI document.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotsQuery {
    /// Only slots of this organisation.
    organisation: Option<OrganisationCode>,
    /// `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// Lists published slots from now on. Every organisation of the county may see them.
pub async fn slots(
    _caller: Authenticated,
    State(api): State<Api>,
    query: Result<Query<SlotsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(query)) = query else {
        return bad("Known filters are organisation, after and limit.");
    };
    let after = match query.after.as_deref().map(views::read_slot_cursor) {
        Some(None) => return bad("`after` must be the `next` of the page before."),
        Some(cursor) => cursor,
        None => None,
    };
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let from = api.environment.now();
    let query = SlotQuery { organisation: query.organisation, from, after, limit };
    match api.store.slots(query).await {
        Ok(rows) => Json(views::slots_page(&rows, limit)).into_response(),
        Err(error) => silent(&error),
    }
}

pub(super) fn bad(detail: &str) -> Response {
    tierlink_http::problem(StatusCode::BAD_REQUEST, &BAD_PARAMETER, "bad parameter", detail)
}

pub(super) fn silent(error: &tierlink_store::Error) -> Response {
    error!(code = %error.code(), "A question could not be answered: {}.", chain(error));
    tierlink_http::problem(
        StatusCode::SERVICE_UNAVAILABLE,
        &STORE_SILENT,
        "the store does not answer",
        "Ask again in a moment.",
    )
}
