//! What the server promises when it stops, when a sender hangs up, and when a handler fails.

use axum::Router;
use axum::routing::get;
use tierlink_http::{HttpLimits, Server};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::handlers::{Waiting, check_problem, say};
use crate::net::{Running, SHORT, limits, read_to_end, soon, until};

#[tokio::test]
async fn stopping_answers_what_is_in_hand_and_takes_no_more() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(router, limits()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    waiting.has_begun().await;
    let mut idle = running.connect().await;
    until(|| running.counts.open.get() == 2).await;

    running.stop.cancel();

    // Those who ask nothing are let go at once, those who come are not let in.
    assert_eq!(read_to_end(&mut idle).await, "");
    soon(async { while TcpStream::connect(running.address).await.is_ok() {} }).await;
    waiting.go.notify_one();
    let response = read_to_end(&mut busy).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("at last"), "{response}");
    running.ended().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(router, HttpLimits { stop_lasts: SHORT, ..limits() }).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    waiting.has_begun().await;

    running.stop.cancel();

    running.ended().await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_handler_is_finished_although_its_sender_hung_up() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(router, limits()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    waiting.has_begun().await;

    drop(stream);
    until(|| running.counts.open.get() == 0).await;
    assert_eq!(waiting.finished(), 0);
    // Stopping waits for it, too.
    running.stop.cancel();
    waiting.go.notify_one();
    running.ended().await;

    assert_eq!(waiting.finished(), 1);
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_and_not_the_end_of_the_connection() {
    let router = Router::new()
        .route("/panic", get(async || -> &str { panic!("on purpose") }))
        .route("/fine", get(async || "fine"));
    let running = Running::start(router, limits()).await;

    let responses = say(
        &running,
        "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /fine HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;

    let (crashed, fine) = responses.rsplit_once("HTTP/1.1 200 ").unwrap();
    check_problem(crashed, 500, "E026");
    assert!(fine.ends_with("fine"), "{fine}");
    assert_eq!(running.counts.crashed.get(), 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let running = Running::start(Router::new(), limits()).await;

    let error = Server::bind(running.address, None, limits()).await.err().unwrap();

    assert_eq!(error.code().as_str(), "E020");
    assert!(error.to_string().contains(&running.address.to_string()));
}
