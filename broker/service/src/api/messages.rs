//! Messages in: native JSON and FHIR. A 2xx is a promise: the message is on disk.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tierlink_codec::Answer;
use tierlink_codec::profile::{Codes, FormatName, Quirks};
use tierlink_schemas::Code;

use super::auth::Authenticated;
use super::shared::Api;

/// The token's organisation has no profile any more.
const NO_PROFILE: Code = Code::new("A007");
/// There is no such route, or nothing that the caller may see.
pub(super) const NOT_FOUND: Code = Code::new("A008");

/// Takes a canonical message.
pub async fn native(caller: Authenticated, State(api): State<Api>, body: Bytes) -> Response {
    take(&caller, &api, FormatName::Json, body).await
}

/// Takes a FHIR message Bundle.
pub async fn fhir(caller: Authenticated, State(api): State<Api>, body: Bytes) -> Response {
    take(&caller, &api, FormatName::Fhir, body).await
}

async fn take(caller: &Authenticated, api: &Api, format: FormatName, body: Bytes) -> Response {
    let organisation = match caller.organisation() {
        Ok(organisation) => organisation,
        Err(refusal) => return refusal,
    };
    let config = api.intake.config();
    let Some(profile) = config.profiles.get(organisation) else {
        return tierlink_http::problem(
            StatusCode::FORBIDDEN,
            &NO_PROFILE,
            "no profile",
            "Your organisation has no profile here; ask the IT staff of the county to add one.",
        );
    };
    let codec = api.intake.codecs().of(format);
    if profile.format.name == format {
        return respond(api.intake.take_as(profile, codec, body).await);
    }
    // An organisation may speak either format over HTTP, whatever it receives. Its code maps and
    // quirks are those of its own format.
    let mut other = profile.clone();
    other.format.name = format;
    other.codes = Codes::default();
    other.quirks = Quirks::default();
    respond(api.intake.take_as(&other, codec, body).await)
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = answer.frames.into_iter().next().unwrap_or_default();
    let mut response = (status, Body::from(body)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.media_type));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
    }
    response
}

/// What this server can do, as FHIR clients ask it.
pub async fn fhir_metadata(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    Json(tierlink_fhir::metadata(&format!("http://{host}/fhir"))).into_response()
}

/// No such route.
pub async fn not_found() -> Response {
    tierlink_http::problem(
        StatusCode::NOT_FOUND,
        &NOT_FOUND,
        "not found",
        "There is nothing here that you may see; /openapi.json lists the routes.",
    )
}
