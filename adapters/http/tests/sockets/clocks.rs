//! What the server promises about senders who are slow or silent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::get;
use tierlink_http::tls::ClientCertificates;
use tierlink_http::{HttpLimits, tls};
use tokio::io::AsyncWriteExt;

use crate::handlers::{Waiting, check_problem, measure, who};
use crate::net::{Authority, Running, SHORT, limits, read_to_end, read_until, soon, until};

#[tokio::test]
async fn a_body_of_one_byte_at_a_time_is_refused_when_its_time_is_over() {
    let called = Arc::default();
    let running =
        Running::start(measure(&called), HttpLimits { body_lasts: SHORT, ..limits() }).await;
    let (mut read, mut write) = running.connect().await.into_split();
    write
        .write_all(b"POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"a").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });

    let response = read_to_end(&mut read).await;

    check_problem(&response, 408, "E023");
    assert_eq!(running.counts.too_slow.get(), 1);
    assert_eq!(called.load(Ordering::SeqCst), 0);
    // And the connection is gone, not only answered.
    soon(dripping).await.unwrap();
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn headers_of_one_byte_at_a_time_end_with_the_connection() {
    let running =
        Running::start(Router::new(), HttpLimits { header_lasts: SHORT, ..limits() }).await;
    let mut stream = running.connect().await;

    soon(async {
        while stream.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;

    until(|| running.counts.closed_slow_headers.get() == 1).await;
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn a_second_request_may_not_be_slower_than_the_first() {
    let running =
        Running::start(Router::new(), HttpLimits { header_lasts: SHORT, ..limits() }).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;

    stream.write_all(b"GET / HT").await.unwrap();

    read_to_end(&mut stream).await;
    until(|| running.counts.closed_slow_headers.get() == 1).await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let running = Running::start(Router::new(), HttpLimits { idle_lasts: SHORT, ..limits() }).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;

    assert_eq!(read_to_end(&mut stream).await, "");

    until(|| running.counts.closed_idle.get() == 1).await;
}

#[tokio::test]
async fn a_handler_may_take_longer_than_any_clock_of_the_connection() {
    let (waiting, router) = Waiting::new();
    let clocks = HttpLimits {
        idle_lasts: SHORT,
        header_lasts: SHORT,
        body_lasts: SHORT,
        write_lasts: SHORT,
        ..limits()
    };
    let running = Running::start(router, clocks).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    waiting.has_begun().await;

    tokio::time::sleep(3 * SHORT).await;
    waiting.go.notify_one();

    assert!(read_to_end(&mut stream).await.ends_with("at last"));
}

#[tokio::test]
async fn a_sender_who_does_not_read_is_let_go() {
    let large = Router::new().route("/large", get(async || vec![b'a'; 64 * 1024 * 1024]));
    let running = Running::start(large, HttpLimits { write_lasts: SHORT, ..limits() }).await;
    let mut stream = running.connect().await;

    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();

    until(|| running.counts.closed_slow_readers.get() == 1).await;
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn a_tls_handshake_that_never_comes_is_not_waited_for() {
    let authority = Authority::new();
    let ours = authority.issue("127.0.0.1", "broker");
    let server_tls = tls::server(ours.identity(), ClientCertificates::NotAsked).unwrap();
    let hasty = HttpLimits { handshake_lasts: SHORT, ..limits() };
    let running = Running::start_with(who(), hasty, Some(server_tls)).await;

    let mut silent = running.connect().await;

    assert_eq!(read_to_end(&mut silent).await, "");
    until(|| running.counts.handshakes_failed.get() == 1).await;
}
