//! What the server promises when there is too much of something.

use axum::Router;
use tierlink_http::HttpLimits;
use tierlink_socket::places::RESTS_AT_LEAST;
use tokio::io::AsyncWriteExt;

use crate::handlers::{Waiting, check_problem, say};
use crate::net::{Running, headers, limits, read_to_end, until};

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let running = Running::start(Router::new(), limits()).await;
    let many = headers(101);
    let long = format!("X-Long: {}\r\n", "a".repeat(33 * 1024));

    for flood in [many, long] {
        let response = say(&running, &format!("GET / HTTP/1.1\r\n{flood}\r\n")).await;

        assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    }
    assert_eq!(running.counts.requests.get(), 0);
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once_and_counted() {
    let running =
        Running::start(Router::new(), HttpLimits { connections_max: 2, ..limits() }).await;
    let first = running.connect().await;
    let _second = running.connect().await;
    until(|| running.counts.open.get() == 2).await;

    let mut third = running.connect().await;

    assert_eq!(read_to_end(&mut third).await, "");
    assert_eq!(running.counts.refused_full.get(), 1);
    // A place that is given back can be taken again.
    drop(first);
    until(|| running.counts.open.get() == 1).await;
    let response = say(&running, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[tokio::test]
async fn a_connection_that_has_long_been_silent_makes_room_for_another() {
    let running =
        Running::start(Router::new(), HttpLimits { connections_max: 1, ..limits() }).await;
    let mut silent = running.connect().await;
    silent.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(|| running.counts.requests.get() == 1).await;
    tokio::time::sleep(RESTS_AT_LEAST).await;

    let response = say(&running, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;

    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    // One response, and then the end.
    assert!(read_to_end(&mut silent).await.starts_with("HTTP/1.1 404 "));
    assert_eq!(running.counts.refused_full.get(), 0);
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let running =
        Running::start(Router::new(), HttpLimits { connections_per_peer_max: 1, ..limits() }).await;
    let _first = running.connect().await;
    until(|| running.counts.open.get() == 1).await;

    let mut second = running.connect().await;

    assert_eq!(read_to_end(&mut second).await, "");
    // Another address of this machine is another peer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(running.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut other).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_request_too_many_hears_when_to_come_back() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(router, HttpLimits { requests_max: 1, ..limits() }).await;
    let request = "GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = running.connect().await;
    first.write_all(request.as_bytes()).await.unwrap();
    waiting.has_begun().await;

    let response = say(&running, request).await;

    check_problem(&response, 503, "E024");
    assert!(response.contains("retry-after: 2\r\n"), "{response}");
    assert_eq!(running.counts.too_busy.get(), 1);
    waiting.go.notify_one();
    assert!(read_to_end(&mut first).await.ends_with("at last"));
}
