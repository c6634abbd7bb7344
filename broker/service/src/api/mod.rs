//! The HTTP side: native JSON, FHIR messaging, and what operators and monitors ask.
//!
//! One file per group of routes, read top to bottom. Every route but health, metrics, metadata and
//! the OpenAPI document needs a bearer token, and answers only for what its caller has a part in.

mod auth;
mod cases;
mod desk;
mod health;
mod messages;
mod openapi;
mod shared;
mod views;

use axum::Router;
use axum::routing::{get, post};

pub use openapi::document;
pub use shared::Api;
pub use views::{
    acts as acts_view, file as case_file_view, lane as lane_view, parked as parked_view,
    row as case_row_view,
};

/// All routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .route("/fhir/metadata", get(messages::fhir_metadata))
        .route("/fhir/$process-message", post(messages::fhir))
        .route("/api/v1/messages", post(messages::native))
        .route("/api/v1/messages/{id}", get(cases::message))
        .route("/api/v1/cases", get(cases::list))
        .route("/api/v1/cases/{case}", get(cases::show))
        .route("/api/v1/cases/{case}/events", get(cases::events))
        .route("/api/v1/cases/{case}/custody", get(cases::custody))
        .route("/api/v1/slots", get(cases::slots))
        .route("/api/v1/lanes", get(desk::lanes))
        .route("/api/v1/lanes/{lane}/pause", post(desk::pause))
        .route("/api/v1/lanes/{lane}/resume", post(desk::resume))
        .route("/api/v1/parked", get(desk::parked))
        .route("/api/v1/parked/{message}/{organisation}/replay", post(desk::replay))
        .route("/api/v1/parked/{message}/{organisation}/drop", post(desk::drop))
        .route("/api/v1/acts", get(desk::acts))
        .fallback(messages::not_found)
        .with_state(api)
}
