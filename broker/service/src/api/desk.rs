//! What operators see and do: lanes, parked deliveries, acts. All of it requires an operator's
//! token, and acts are recorded under the token's name.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tierlink_edge::lane::parcel_id;
use tierlink_schemas::{LaneName, OrganisationCode};
use tierlink_store::{Act, ActName, ActQuery, DeliveryId};
use uuid::Uuid;

use super::auth::Authenticated;
use super::cases::{PAGE, PAGE_MAX, bad, silent};
use super::messages::not_found;
use super::shared::Api;
use super::views;
use crate::desk::{Performed, Person, REASON_CHARS_MAX, Reason, Refusal};

/// The body of a request for an act.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The reason. It is recorded together with the token's name.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    why: String,
}

/// Lists all lanes.
pub async fn lanes(caller: Authenticated, State(api): State<Api>) -> Response {
    if let Err(refusal) = caller.operator() {
        return refusal;
    }
    match api.store.lanes().await {
        Ok(rows) => {
            let lanes = rows.iter().map(views::lane).collect();
            Json(views::Lanes { lanes }).into_response()
        }
        Err(error) => silent(&error),
    }
}

/// Filters of the list of parked deliveries. The doc comments of the fields are the descriptions in
/// the OpenAPI document.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParkedQuery {
    /// Only deliveries of this lane: an organisation's code, or `CODE:SYSTEM` for a further system.
    lane: Option<LaneName>,
    /// `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 200; 200 if absent.
    limit: Option<u32>,
}

/// Lists parked deliveries, oldest first.
pub async fn parked(
    caller: Authenticated,
    State(api): State<Api>,
    query: Result<Query<ParkedQuery>, QueryRejection>,
) -> Response {
    if let Err(refusal) = caller.operator() {
        return refusal;
    }
    let Ok(Query(query)) = query else { return bad("Known filters are lane, after and limit.") };
    let after = match query.after.as_deref().map(views::read_parked_cursor) {
        Some(None) => return bad("`after` must be the `next` of the page before."),
        Some(cursor) => cursor,
        None => None,
    };
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let query = tierlink_store::ParkedQuery { id: None, lane: query.lane, after, limit };
    match api.store.parked(query).await {
        Ok(rows) => Json(views::parked_page(&rows, limit)).into_response(),
        Err(error) => silent(&error),
    }
}

/// Sends a parked delivery again.
pub async fn replay(
    caller: Authenticated,
    State(api): State<Api>,
    Path((message, organisation)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    on_parked(&caller, &api, (&message, &organisation), &body, Act::Replay).await
}

/// Drops a parked delivery.
pub async fn drop(
    caller: Authenticated,
    State(api): State<Api>,
    Path((message, organisation)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    on_parked(&caller, &api, (&message, &organisation), &body, Act::Drop).await
}

async fn on_parked(
    caller: &Authenticated,
    api: &Api,
    (message, organisation): (&str, &str),
    body: &[u8],
    act: fn(DeliveryId) -> Act,
) -> Response {
    let operator = match caller.operator() {
        Ok(operator) => operator,
        Err(refusal) => return refusal,
    };
    let (Ok(message), Ok(to)) = (message.parse(), OrganisationCode::new(organisation)) else {
        return not_found().await;
    };
    let id = DeliveryId { message, to };
    let delivery = parcel_id(&id);
    match perform(api, &operator, body, act(id)).await {
        Ok(performed) => Json(views::DeliveryAct { act: performed.id(), delivery }).into_response(),
        Err(refusal) => refusal,
    }
}

/// Pauses a lane.
pub async fn pause(
    caller: Authenticated,
    State(api): State<Api>,
    Path(lane): Path<String>,
    body: Bytes,
) -> Response {
    on_lane(&caller, &api, &lane, &body, true).await
}

/// Resumes a lane.
pub async fn resume(
    caller: Authenticated,
    State(api): State<Api>,
    Path(lane): Path<String>,
    body: Bytes,
) -> Response {
    on_lane(&caller, &api, &lane, &body, false).await
}

async fn on_lane(
    caller: &Authenticated,
    api: &Api,
    lane: &str,
    body: &[u8],
    paused: bool,
) -> Response {
    let operator = match caller.operator() {
        Ok(operator) => operator,
        Err(refusal) => return refusal,
    };
    let Ok(name) = lane.parse::<LaneName>() else { return not_found().await };
    let act = if paused { Act::Pause(name) } else { Act::Resume(name) };
    match perform(api, &operator, body, act).await {
        Ok(performed) => Json(views::LaneAct { act: performed.id(), lane, paused }).into_response(),
        Err(refusal) => refusal,
    }
}

async fn perform(
    api: &Api,
    operator: &Person,
    body: &[u8],
    act: Act,
) -> Result<Performed, Response> {
    let Ok(Why { why }) = serde_json::from_slice(body) else {
        return Err(bad("The body says why, and nothing else: {\"why\": \"…\"}."));
    };
    let why = Reason::new(&why).map_err(|unsaid| refused(&unsaid.into()))?;
    api.desk.perform(act, operator, &why).await.map_err(|refusal| refused(&refusal))
}

fn refused(refusal: &Refusal) -> Response {
    let (status, title) = match refusal {
        Refusal::Unsaid(_) => (StatusCode::BAD_REQUEST, "not said"),
        Refusal::NoSuchDelivery | Refusal::NoSuchOrganisation | Refusal::NoSuchToken => {
            (StatusCode::NOT_FOUND, "not found")
        }
        Refusal::NotParked(_) => (StatusCode::CONFLICT, "not parked"),
        Refusal::NameTaken => (StatusCode::CONFLICT, "name taken"),
        Refusal::WouldLeave(_) => (StatusCode::CONFLICT, "would leave"),
        Refusal::Store(error) => return silent(error),
    };
    tierlink_http::problem(status, &refusal.code(), title, &format!("{refusal}."))
}

/// Filters of the list of acts. The doc comments of the fields are the descriptions in
/// the OpenAPI document.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActsQuery {
    /// Only acts of this name, such as `replay`.
    act: Option<String>,
    /// Only acts that concern this organisation.
    organisation: Option<OrganisationCode>,
    /// Only acts by this person or token.
    by: Option<String>,
    /// Only acts at this time or later, such as 2026-11-30T08:00:00Z.
    since: Option<Timestamp>,
    /// The value of `next` from the previous page.
    after: Option<Uuid>,
    /// Page size, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// Lists the recorded acts, newest first.
pub async fn acts(
    caller: Authenticated,
    State(api): State<Api>,
    query: Result<Query<ActsQuery>, QueryRejection>,
) -> Response {
    if let Err(refusal) = caller.operator() {
        return refusal;
    }
    let Ok(Query(query)) = query else {
        return bad("Known filters are act, organisation, by, since, after and limit.");
    };
    let act = match query.act.as_deref().map(ActName::read) {
        Some(None) => {
            let names = ActName::ALL.map(ActName::as_str).join(", ");
            return bad(&format!("`act` is one of {names}."));
        }
        Some(act) => act,
        None => None,
    };
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let query = ActQuery {
        act,
        organisation: query.organisation,
        by: query.by,
        since: query.since,
        after: query.after,
        limit,
    };
    match api.store.acts(query).await {
        Ok(rows) => Json(views::acts(&rows, limit)).into_response(),
        Err(error) => silent(&error),
    }
}
