//! What the server promises to those who connect, kept over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::net::{Authority, Running, headers, limits, read_to_end, read_until, soon, until};
use axum::extract::Extension;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use tierlink_http::tls::{self, ClientCertificates, Roots};
use tierlink_http::{Limits, Peer, Server, client};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

const SHORT: Duration = Duration::from_millis(200);

/// Answers with the body's length, and counts how often it was called.
fn measure(called: &Arc<AtomicUsize>) -> Router {
    let called = Arc::clone(called);
    Router::new().route(
        "/measure",
        post(async move |body: Bytes| {
            called.fetch_add(1, Ordering::SeqCst);
            body.len().to_string()
        }),
    )
}

/// A handler that waits to be let go.
#[derive(Clone)]
struct Waiting {
    begun: Arc<Semaphore>,
    go: Arc<Notify>,
    finished: Arc<AtomicUsize>,
}

impl Waiting {
    fn new() -> (Self, Router) {
        let waiting = Self {
            begun: Arc::new(Semaphore::new(0)),
            go: Arc::new(Notify::new()),
            finished: Arc::default(),
        };
        let inside = waiting.clone();
        let handler = async move || {
            inside.begun.add_permits(1);
            inside.go.notified().await;
            inside.finished.fetch_add(1, Ordering::SeqCst);
            "at last"
        };
        (waiting, Router::new().route("/wait", get(handler)))
    }

    async fn has_begun(&self) {
        soon(self.begun.acquire()).await.unwrap().forget();
    }

    fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }
}

/// Sends `bytes` over a connection of its own and returns what comes until it is closed.
async fn say(running: &Running, bytes: &str) -> String {
    let mut stream = running.connect().await;
    // The server may have closed before all is written; what it said still counts.
    let _outcome = stream.write_all(bytes.as_bytes()).await;
    read_to_end(&mut stream).await
}

fn check_problem(response: &str, status: u16, code: &str) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(
        head.contains("content-type: application/problem+json"),
        "{head}"
    );
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], format!("urn:tierlink:error:{code}"));
    assert_eq!(problem["status"], status);
    assert!(!problem["detail"].as_str().unwrap().is_empty());
}

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
    let running = Running::start(
        measure(&called),
        Limits {
            body_bytes_max,
            ..limits()
        },
    )
    .await;
    let client = client::Client::new(client::Settings::new(running.url("/measure"))).unwrap();

    let answer = client
        .post(vec![b'a'; body_bytes_max], "text/plain", &[])
        .await
        .unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, body_bytes_max.to_string());
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let called = Arc::default();
    let running = Running::start(
        measure(&called),
        Limits {
            body_bytes_max: 10,
            ..limits()
        },
    )
    .await;

    let response = say(
        &running,
        "POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
    )
    .await;

    check_problem(&response, 413, "E022");
    assert_eq!(running.counts.too_large.get(), 1);
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_although_it_announced_nothing() {
    let called = Arc::default();
    let running = Running::start(
        measure(&called),
        Limits {
            body_bytes_max: 10,
            ..limits()
        },
    )
    .await;

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
    let running = Running::start(
        measure(&called),
        Limits {
            body_bytes_max: 10,
            ..limits()
        },
    )
    .await;
    let body = "a".repeat(4 * 1024 * 1024);

    let response = say(
        &running,
        &format!(
            "POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await;

    check_problem(&response, 413, "E022");
}

#[tokio::test]
async fn a_body_of_one_byte_at_a_time_is_refused_when_its_time_is_over() {
    let called = Arc::default();
    let running = Running::start(
        measure(&called),
        Limits {
            body_lasts: SHORT,
            ..limits()
        },
    )
    .await;
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
    let many = Limits {
        bodies_bytes_max: 64 * 1024,
        ..limits()
    };
    let running = Running::start(router, many).await;
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
async fn headers_of_one_byte_at_a_time_end_with_the_connection() {
    let running = Running::start(
        Router::new(),
        Limits {
            header_lasts: SHORT,
            ..limits()
        },
    )
    .await;
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
    let running = Running::start(
        Router::new(),
        Limits {
            header_lasts: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "\r\n\r\n").await;

    stream.write_all(b"GET / HT").await.unwrap();

    read_to_end(&mut stream).await;
    until(|| running.counts.closed_slow_headers.get() == 1).await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let running = Running::start(
        Router::new(),
        Limits {
            idle_lasts: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "\r\n\r\n").await;

    assert_eq!(read_to_end(&mut stream).await, "");

    until(|| running.counts.closed_idle.get() == 1).await;
}

#[tokio::test]
async fn a_handler_may_take_longer_than_any_clock_of_the_connection() {
    let (waiting, router) = Waiting::new();
    let clocks = Limits {
        idle_lasts: SHORT,
        header_lasts: SHORT,
        body_lasts: SHORT,
        write_lasts: SHORT,
        ..limits()
    };
    let running = Running::start(router, clocks).await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    waiting.has_begun().await;

    tokio::time::sleep(3 * SHORT).await;
    waiting.go.notify_one();

    assert!(read_to_end(&mut stream).await.ends_with("at last"));
}

#[tokio::test]
async fn a_sender_who_does_not_read_is_let_go() {
    let large = Router::new().route("/large", get(async || vec![b'a'; 64 * 1024 * 1024]));
    let running = Running::start(
        large,
        Limits {
            write_lasts: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = running.connect().await;

    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();

    until(|| running.counts.closed_slow_readers.get() == 1).await;
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once_and_counted() {
    let running = Running::start(
        Router::new(),
        Limits {
            connections_max: 2,
            ..limits()
        },
    )
    .await;
    let first = running.connect().await;
    let _second = running.connect().await;
    until(|| running.counts.open.get() == 2).await;

    let mut third = running.connect().await;

    assert_eq!(read_to_end(&mut third).await, "");
    assert_eq!(running.counts.refused_full.get(), 1);
    // A place that is given back can be taken again.
    drop(first);
    until(|| running.counts.open.get() == 1).await;
    let response = say(
        &running,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let running = Running::start(
        Router::new(),
        Limits {
            connections_per_peer_max: 1,
            ..limits()
        },
    )
    .await;
    let _first = running.connect().await;
    until(|| running.counts.open.get() == 1).await;

    let mut second = running.connect().await;

    assert_eq!(read_to_end(&mut second).await, "");
    // Another address of this machine is another peer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(running.address).await.unwrap();
    other
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut other).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_request_too_many_hears_when_to_come_back() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(
        router,
        Limits {
            requests_max: 1,
            ..limits()
        },
    )
    .await;
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

#[tokio::test]
async fn stopping_answers_what_is_in_hand_and_takes_no_more() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(router, limits()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    waiting.has_begun().await;
    let mut idle = running.connect().await;
    until(|| running.counts.open.get() == 2).await;

    running.stop.cancel();

    // Those who ask nothing are let go at once, those who come are not let in.
    assert_eq!(read_to_end(&mut idle).await, "");
    soon(async { while TcpStream::connect(running.address).await.is_ok() {} }).await;
    waiting.go.notify_one();
    let response = read_to_end(&mut busy).await;
    assert!(
        response.starts_with("HTTP/1.1 200 ") && response.ends_with("at last"),
        "{response}"
    );
    running.ended().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let (waiting, router) = Waiting::new();
    let running = Running::start(
        router,
        Limits {
            stop_lasts: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
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
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
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

/// Answers with what a handler can know of its peer.
fn who() -> Router {
    let handler = async |Extension(peer): Extension<Peer>| {
        Json(json!({
            "ip": peer.address.ip(),
            "names": peer.certificate_names.to_vec(),
            "listener": peer.listener,
        }))
    };
    Router::new().route("/who", post(handler))
}

#[tokio::test]
async fn a_handler_knows_its_peers_address_and_certificate() {
    let authority = Authority::new();
    let ours = authority.issue("127.0.0.1", "broker");
    let theirs = authority.issue("his.county.example", "county hospital");
    let roots = authority.pem.as_bytes();
    let server_tls = tls::server(ours.identity(), ClientCertificates::Required { roots });
    let running = Running::start_with(who(), limits(), Some(server_tls.unwrap())).await;
    let client_tls = tls::client(Roots::Only(roots), Some(theirs.identity())).unwrap();
    let url = format!("https://{}/who", running.address);
    let settings = client::Settings {
        tls: Some(client_tls),
        ..client::Settings::new(url)
    };

    let answer = client::Client::new(settings)
        .unwrap()
        .post(vec![], "text/plain", &[])
        .await;

    let who: Value = serde_json::from_slice(&answer.unwrap().body).unwrap();
    assert_eq!(who["ip"], "127.0.0.1");
    assert_eq!(
        who["names"],
        json!(["county hospital", "his.county.example"])
    );
    assert_eq!(who["listener"], running.address.to_string());
}

#[tokio::test]
async fn without_the_certificate_that_is_asked_for_nobody_comes_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ours = authority.issue("127.0.0.1", "broker");
    let forged = stranger.issue("his.county.example", "county hospital");
    let roots = authority.pem.as_bytes();
    let server_tls = tls::server(ours.identity(), ClientCertificates::Required { roots });
    let running = Running::start_with(who(), limits(), Some(server_tls.unwrap())).await;

    for identity in [None, Some(forged.identity())] {
        let client_tls = tls::client(Roots::Only(roots), identity).unwrap();
        let url = format!("https://{}/who", running.address);
        let settings = client::Settings {
            tls: Some(client_tls),
            ..client::Settings::new(url)
        };

        let answer = client::Client::new(settings)
            .unwrap()
            .post(vec![], "text/plain", &[])
            .await;

        assert!(answer.is_err());
    }
    until(|| running.counts.handshakes_failed.get() == 2).await;
    assert_eq!(running.counts.requests.get(), 0);
}

#[tokio::test]
async fn a_tls_handshake_that_never_comes_is_not_waited_for() {
    let authority = Authority::new();
    let ours = authority.issue("127.0.0.1", "broker");
    let server_tls = tls::server(ours.identity(), ClientCertificates::NotAsked).unwrap();
    let hasty = Limits {
        handshake_lasts: SHORT,
        ..limits()
    };
    let running = Running::start_with(who(), hasty, Some(server_tls)).await;

    let mut silent = running.connect().await;

    assert_eq!(read_to_end(&mut silent).await, "");
    until(|| running.counts.handshakes_failed.get() == 1).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let running = Running::start(Router::new(), limits()).await;

    let error = Server::bind(running.address, None, limits())
        .await
        .err()
        .unwrap();

    assert_eq!(error.code().as_str(), "E020");
    assert!(error.to_string().contains(&running.address.to_string()));
}
