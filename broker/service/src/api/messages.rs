//! Receives messages: native JSON and FHIR. A 2xx answer means that the message is on disk.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tierlink_codec::profile::{Codes, Quirks};
use tierlink_codec::{Answer, Arrived, Codec, Profile, Unclear};
use tierlink_edge::intake::UNKNOWN_SENDER;
use tierlink_schemas::{Code, Problem};

use super::auth::Authenticated;
use super::shared::Api;

/// Error code: the token's organisation has no profile any more.
const NO_PROFILE: Code = Code::new("A007");
/// The body is compressed, or no JSON as its headers say.
const MEDIA_TYPE: Code = Code::new("A019");
/// There is no such route, or nothing that the caller may see.
pub(super) const NOT_FOUND: Code = Code::new("A008");

/// Takes a canonical message.
pub async fn native(
    caller: Authenticated,
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(why) = unreadable(&headers) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return tierlink_http::problem(status, &MEDIA_TYPE, "unsupported body", why);
    }
    take(&caller, &api, "json", body).await
}

/// Takes a FHIR message Bundle.
pub async fn fhir(
    caller: Authenticated,
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(why) = unreadable(&headers) {
        let answer = tierlink_fhir::unsupported(&Problem::new(MEDIA_TYPE, "HTTP", why));
        return respond(answer);
    }
    take(&caller, &api, "fhir", body).await
}

/// Why the body cannot be read, as far as its headers say. Bodies are neither unpacked, because a
/// small one may become gigabytes, nor read as XML.
fn unreadable(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let packed = text(header::CONTENT_ENCODING).map(str::trim);
    if packed.is_some_and(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity")) {
        return Some("The body is compressed; send it as it is, without Content-Encoding.");
    }
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    media_type.contains("xml").then_some("The body is XML; send JSON.")
}

/// The token says which organisation it is; the route and the stated name say which system.
async fn take(caller: &Authenticated, api: &Api, format: &str, body: Bytes) -> Response {
    let organisation = match caller.organisation() {
        Ok(organisation) => organisation,
        Err(refusal) => return refusal,
    };
    api.rates.charge_bytes(organisation, body.len(), Instant::now());
    let config = api.intake.config();
    let (Some(profile), Some(codec)) =
        (config.profiles.get(organisation), api.intake.codecs().get(format))
    else {
        return tierlink_http::problem(
            StatusCode::FORBIDDEN,
            &NO_PROFILE,
            "no profile",
            "Your organisation has no profile here; ask the IT staff of the county to add one.",
        );
    };
    if let [only] = profile.systems.as_slice() {
        return respond(take_from(api, only, codec, body.into()).await);
    }
    let stated = codec.sender(&body);
    let arrived = Arrived { bytes: body, head: stated.head };
    let speaks = |system: &Profile| system.format.name == format;
    match profile.speaker(stated.system.as_deref(), speaks) {
        Ok(system) => respond(Box::pin(api.intake.take(system, codec, arrived)).await),
        Err(unclear) => {
            let guess = Profile::bare(organisation.clone(), profile.organisation.tier, format);
            respond(api.intake.refuse(&guess, codec, arrived, unclear_system(unclear)).await)
        }
    }
}

/// An organisation with one system may speak either format over HTTP, whatever it receives. Its
/// code maps and quirks are those of its own format.
async fn take_from(api: &Api, only: &Profile, codec: &Arc<dyn Codec>, arrived: Arrived) -> Answer {
    if only.format.name == codec.name() {
        return Box::pin(api.intake.take(only, codec, arrived)).await;
    }
    let mut other = only.clone();
    codec.name().clone_into(&mut other.format.name);
    other.codes = Codes::default();
    other.quirks = Quirks::default();
    Box::pin(api.intake.take(&other, codec, arrived)).await
}

fn unclear_system(unclear: Unclear) -> Problem {
    let text = match unclear {
        Unclear::NotHere => {
            "names a system of your organisation that speaks another format; use its own route"
        }
        Unclear::Nobody => "no system of your organisation speaks this format; see its profile",
        Unclear::Several => {
            "leaves open which system of your organisation speaks; send its name, or its \
             format.application"
        }
    };
    Problem::new(UNKNOWN_SENDER, "source.system", text)
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

/// The CapabilityStatement of this server, as FHIR clients request it.
pub async fn fhir_metadata(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    Json(tierlink_fhir::metadata(&format!("http://{host}/fhir"))).into_response()
}

/// Answers requests for unknown routes.
pub async fn not_found() -> Response {
    tierlink_http::problem(
        StatusCode::NOT_FOUND,
        &NOT_FOUND,
        "not found",
        "There is nothing here that you may see; /openapi.json lists the routes.",
    )
}
