//! The HTTP side: native JSON, FHIR messaging, and what operators and monitors ask.
//!
//! `routes.rs` lists every route; the handlers stand in one file per group, read top to bottom.
//! Every route but health, metrics, metadata and the OpenAPI document needs a bearer token, and
//! answers only for what its caller has a part in.

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

/// All routes.
pub fn router(api: Api) -> Router {
    routes::router()
        .route("/openapi.json", get(openapi::serve))
        .fallback(messages::not_found)
        .with_state(api)
}
