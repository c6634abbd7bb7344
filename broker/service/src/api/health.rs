//! Health of the process: alive, ready, and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shared::Api;
use super::views::Readiness;

/// Answers as long as the process runs.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Says whether messages can be accepted and passed on now, and if not, what to check.
pub async fn ready(State(api): State<Api>) -> Response {
    let report = api.health.look().await;
    let status = if report.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Readiness {
        ready: report.ready(),
        store: report.store.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned()),
        bus: report.bus.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned()),
        lanes: report.lanes.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned()),
        queues: report.queues.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned()),
        clock: report.clock.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned()),
        stopping: report.stopping,
    };
    (status, Json(body)).into_response()
}

/// Metrics in Prometheus text format.
pub async fn metrics(State(api): State<Api>) -> Response {
    let text = api.health.figures();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
