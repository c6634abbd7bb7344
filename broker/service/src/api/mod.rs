//! The HTTP side: native JSON, FHIR messaging, and what operators and monitors ask.
//!
//! One file per group of routes, read top to bottom. Every route but health, metrics, metadata and
//! the OpenAPI document needs a bearer token, and answers only for what its caller has a part in.

mod auth;
mod cases;
mod health;
mod messages;
mod openapi;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::health::Health;
use crate::intake::Intake;
use crate::tokens::Tokens;
use tierlink_store::Store;

pub use openapi::document;
pub use views::{
    file as case_file_view, lane as lane_view, parked as parked_view, row as case_row_view,
};

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// Where messages go.
    pub intake: Arc<Intake>,
    /// The memory.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub tokens: Arc<Tokens>,
    /// How we are.
    pub health: Arc<Health>,
}

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
        .route("/api/v1/lanes", get(cases::lanes))
        .route("/api/v1/parked", get(cases::parked))
        .fallback(messages::not_found)
        .with_state(api)
}
