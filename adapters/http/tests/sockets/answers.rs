//! What the client promises about answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{any, post};
use bytes::Bytes;
use tierlink_http::client::Settings;
use tierlink_http::{Client, bearer};
use tokio::io::AsyncWriteExt;

use crate::net::{Running, SHORT, limits, until};
use crate::servers::{client, hear_hello, post_hello, server};

#[tokio::test]
async fn a_post_carries_body_type_token_and_headers() {
    let echo = async |headers: HeaderMap, body: Bytes| {
        let header = |name| headers.get(name).map_or("none", |value| value.to_str().unwrap());
        format!(
            "{} {} {} {} {} {}",
            header("content-type"),
            header("content-length"),
            header("x-request-id"),
            header("x-correlation-id"),
            bearer(&headers).unwrap_or("none"),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    };
    let running = Running::start(Router::new().route("/in", post(echo)), limits()).await;
    let settings =
        Settings { token: Some("t0ken".to_owned()), ..Settings::new(running.url("/in")) };
    let headers =
        [("X-Request-Id", "request-1".to_owned()), ("X-Correlation-Id", "case-1".to_owned())];

    let client = Client::new(settings).unwrap();
    let answer = client.post(b"hello".to_vec(), "application/fhir+json", &headers).await.unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "application/fhir+json 5 request-1 case-1 t0ken hello");
    assert_eq!(answer.media_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert!(!answer.cut);
    assert_eq!(client.address(), running.address.to_string());
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(1_000_003).collect();
    let router = Router::new().route("/in", post(async |body: Bytes| body));
    let running = Running::start(router, limits()).await;

    let answer = client(running.url("/in")).post(body.clone(), "text/plain", &[]).await.unwrap();

    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_says_when_to_come_back() {
    let busy = async || (StatusCode::SERVICE_UNAVAILABLE, [("Retry-After", "7")], "later");
    let running = Running::start(Router::new().route("/in", post(busy)), limits()).await;

    let answer = post_hello(&client(running.url("/in"))).await.unwrap();

    assert_eq!(answer.status, 503);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(answer.body, "later");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let router = Router::new()
        .route("/temporary", post(async || Redirect::temporary("/elsewhere")))
        .route("/other", post(async || Redirect::to("/elsewhere")))
        .route("/elsewhere", any(async || "followed"));
    let running = Running::start(router, limits()).await;

    for (path, status) in [("/temporary", 307), ("/other", 303)] {
        let answer = post_hello(&client(running.url(path))).await.unwrap();

        assert_eq!(answer.status, status);
    }
    assert_eq!(running.counts.requests.get(), 2);
}

#[tokio::test]
async fn a_big_answer_is_cut_and_still_counts() {
    let big = async || vec![b'a'; 10_000];
    let running = Running::start(Router::new().route("/in", post(big)), limits()).await;
    let check = async |answer_bytes_max, length, cut| {
        let settings = Settings { answer_bytes_max, ..Settings::new(running.url("/in")) };
        let answer = post_hello(&Client::new(settings).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.body.len(), answer.cut), (200, length, cut));
    };

    check(9_999, 9_999, true).await;
    check(10_000, 10_000, false).await;
    check(0, 0, true).await;
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_too() {
    let endless = async || {
        let piece = Ok::<_, std::io::Error>(Bytes::from_static(&[b'a'; 1000]));
        Body::from_stream(futures::stream::repeat_with(move || {
            piece.as_ref().map(Bytes::clone).map_err(|_| std::io::Error::other("never"))
        }))
    };
    let running = Running::start(Router::new().route("/in", post(endless)), limits()).await;

    let answer = post_hello(&client(running.url("/in"))).await.unwrap();

    assert!(answer.cut);
    assert_eq!(answer.body.len(), 1024 * 1024);
    // Nobody goes on reading it.
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn connections_are_used_again() {
    let running = Running::start(Router::new().route("/in", post(async || "fine")), limits()).await;
    let client = client(running.url("/in"));

    for _ in 0..5 {
        assert_eq!(post_hello(&client).await.unwrap().status, 200);
    }

    assert_eq!(running.counts.accepted.get(), 1);
    assert_eq!(running.counts.requests.get(), 5);
}

#[tokio::test]
async fn a_connection_that_was_not_used_for_long_is_not_used_again() {
    let running = Running::start(Router::new().route("/in", post(async || "fine")), limits()).await;
    let settings = Settings { idle_lasts: SHORT, ..Settings::new(running.url("/in")) };
    let client = Client::new(settings).unwrap();

    post_hello(&client).await.unwrap();
    tokio::time::sleep(2 * SHORT).await;
    post_hello(&client).await.unwrap();

    assert_eq!(running.counts.accepted.get(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let (url, met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let client = client(url);

    post_hello(&client).await.unwrap();
    // The end of the old connection needs a moment to arrive.
    tokio::time::sleep(SHORT).await;
    post_hello(&client).await.unwrap();

    assert_eq!(met.load(Ordering::SeqCst), 2);
}
