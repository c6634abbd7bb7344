//! What the server promises about the bodies of requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tierlink_http::client::Settings;
use tierlink_http::{Client, HttpLimits};
use tierlink_socket::ByteBudget;
use tokio::io::AsyncWriteExt;

use crate::handlers::{check_problem, measure, say};
use crate::net::{Running, limits, read_to_end, read_until, soon, until};

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let called = Arc::default();
    let running = Running::start(measure(&called), limits()).await;
    let mut stream = running.connect().await;

    for _ in 0..3 {
        stream
            .write_all(b"POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            .await
            .unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(read_until(&mut stream, "5").await, "5");
    }

    assert_eq!(running.counts.accepted.get(), 1);
    assert_eq!(running.counts.requests.get(), 3);
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_is_taken() {
    let called = Arc::default();
    // Beyond what axum takes when nobody tells it otherwise.
    let body_bytes_max = 3 * 1024 * 1024;
    let running = Running::start(measure(&called), HttpLimits { body_bytes_max, ..limits() }).await;
    let client = Client::new(Settings::new(running.url("/measure"))).unwrap();

    let answer = client.post(vec![b'a'; body_bytes_max], "text/plain", &[]).await.unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, body_bytes_max.to_string());
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let called = Arc::default();
    let running =
        Running::start(measure(&called), HttpLimits { body_bytes_max: 10, ..limits() }).await;

    let response =
        say(&running, "POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").await;

    check_problem(&response, 413, "E022");
    assert_eq!(running.counts.too_large.get(), 1);
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_although_it_announced_nothing() {
    let called = Arc::default();
    let running =
        Running::start(measure(&called), HttpLimits { body_bytes_max: 10, ..limits() }).await;

    let response = say(
        &running,
        "POST /measure HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
    )
    .await;

    check_problem(&response, 413, "E022");
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_sender_who_is_still_sending_hears_that_it_is_too_much() {
    let called = Arc::default();
    let running =
        Running::start(measure(&called), HttpLimits { body_bytes_max: 10, ..limits() }).await;
    // More than the network holds by itself.
    let body = vec![b'a'; 16 * 1024 * 1024];
    let head =
        format!("POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = running.connect().await;

    // A connection that is reset under the sender's hands would take our answer with it.
    stream.write_all(head.as_bytes()).await.unwrap();
    soon(stream.write_all(&body)).await.unwrap();

    check_problem(&read_to_end(&mut stream).await, 413, "E022");
}

#[tokio::test]
async fn a_body_that_breaks_off_never_reaches_the_handler() {
    let called = Arc::default();
    let running = Running::start(measure(&called), limits()).await;
    let mut stream = running.connect().await;

    stream
        .write_all(b"POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    drop(stream);

    until(|| running.counts.requests.get() == 1 && running.counts.open.get() == 0).await;
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn chunks_that_make_no_sense_are_refused() {
    let called = Arc::default();
    let running = Running::start(measure(&called), limits()).await;

    let response = say(
        &running,
        "POST /measure HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    )
    .await;

    check_problem(&response, 400, "E028");
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn bodies_together_fill_no_more_memory_than_allowed() {
    let router = Router::new().route("/take", post(async |_body: Bytes| "taken"));
    // One address has a quarter of it.
    let budget = ByteBudget::new(4 * 64 * 1024);
    let running = Running::guarded(router, limits(), budget, None).await;
    // One sender has sent most of what there is room for, and keeps it.
    let mut first = running.connect().await;
    let head =
        "POST /take HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 49153\r\n\r\n";
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(&vec![b'a'; 48 * 1024]).await.unwrap();
    until(|| running.counts.requests.get() == 1).await;

    let body = "a".repeat(32 * 1024);
    let second = format!(
        "POST /take HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The first body may still be on its way into the server.
    let refused = soon(async {
        loop {
            let response = say(&running, &second).await;
            if !response.starts_with("HTTP/1.1 200 ") {
                return response;
            }
        }
    })
    .await;

    check_problem(&refused, 503, "E024");
    // And once the first is through, there is room again.
    first.write_all(b"a").await.unwrap();
    assert!(read_to_end(&mut first).await.starts_with("HTTP/1.1 200 "));
    assert!(say(&running, &second).await.starts_with("HTTP/1.1 200 "));
}
