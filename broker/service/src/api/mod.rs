//! The HTTP API: native JSON, FHIR messaging, and queries of operators and monitors.
//!
//! `routes.rs` lists every route; the handlers are in one file per group. Every route except
//! health, metrics, FHIR metadata and the OpenAPI document requires a bearer token, and shows only
//! what its caller has a part in.

mod auth;
mod cases;
mod desk;
mod doorkeeper;
mod health;
mod messages;
mod openapi;
mod routes;
mod schemas;
mod shared;
mod views;

use axum::Router;
use axum::routing::get;

pub use doorkeeper::ApiDoorkeeper;
pub use openapi::document;
pub use shared::Api;
pub use views::{
    acts as acts_view, lane as lane_view, parked as parked_view, row as case_row_view,
    shown as case_file_view,
};

/// The router of all routes.
pub fn router(api: Api) -> Router {
    routes::router()
        .route("/openapi.json", get(openapi::serve))
        .fallback(messages::not_found)
        .with_state(api)
}
