//! HTTP as a plain hospital speaks it: a small server for what comes in, and a client that writes
//! a request by hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Hospital, Verdict, fhir, native};
use crate::demo::cast::Speaks;

/// Longest message that a simulated hospital takes. The story's messages have a few KiB.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest answer that it reads.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Serves until told to stop. Idle connections are closed then, and new ones are refused.
pub(super) async fn serve(hospital: Arc<Hospital>, listener: TcpListener, stop: CancellationToken) {
    let router = Router::new()
        .route("/fhir/$process-message", post(receive))
        .route("/tierlink/messages", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(hospital);
    // It only ends when it is told to; a listener that breaks shows in the story as silence.
    let _ended = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
}

async fn receive(
    State(hospital): State<Arc<Hospital>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let expected = format!("Bearer {}", hospital.secret);
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if shown != Some(expected.as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let is_fhir = hospital.org.speaks() == Speaks::Fhir;
    let heard = if is_fhir { fhir::read(&message) } else { native::read(&message) };
    let Some(heard) = heard else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let id = heard.wire_id.clone();
    let verdict = hospital.take(heard);
    let (answer, media_type) = if is_fhir {
        (fhir::answer(&id, verdict), "application/fhir+json")
    } else {
        (native::answer(&id, verdict), "application/json")
    };
    let status = match verdict {
        Verdict::Taken => StatusCode::OK,
        // The nearest that this server has to breaking off.
        Verdict::TakenInSilence => return StatusCode::BAD_GATEWAY.into_response(),
        Verdict::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, [(header::CONTENT_TYPE, media_type)], answer.to_string()).into_response()
}

/// Posts one body over a connection of its own, and gives status and body of the answer.
pub(super) async fn send(
    to: SocketAddr,
    path: &str,
    media_type: &str,
    token: &str,
    body: &[u8],
) -> io::Result<(u16, Vec<u8>)> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

/// The broker's codes and fields in a refusal, in either format. Never its words.
pub(super) fn codes(body: &[u8]) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let native = body["problems"].as_array().into_iter().flatten();
    let native = native.map(|it| format!("{} {}", text(&it["code"]), text(&it["field"])));
    let issues = body["issue"].as_array().into_iter().flatten();
    let issues = issues.map(|it| {
        format!("{} {}", text(&it["details"]["coding"][0]["code"]), text(&it["expression"][0]))
    });
    native.chain(issues).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_into_status_and_body() {
        let answer = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 2\r\n\r\n{}";

        assert_eq!(parse(answer), Some((422, b"{}".to_vec())));
        assert_eq!(parse(b"HTTP/1.1 200"), None);
    }

    #[test]
    fn codes_are_read_from_either_format_and_words_are_not() {
        let native = br#"{"problems":[{"code":"C001","field":"body.text","text":"empty"}]}"#;
        let fhir = br#"{"issue":[{"details":{"coding":[{"code":"D050"}]},
            "diagnostics":"words","expression":["Patient"]}]}"#;

        assert_eq!(codes(native), ["C001 body.text"]);
        assert_eq!(codes(fhir), ["D050 Patient"]);
    }
}
