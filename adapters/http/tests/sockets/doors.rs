//! What the server promises about those who have not shown who they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use tierlink_http::{Doorkeeper, HttpLimits, Peer, Standing};
use tierlink_schemas::Code;
use tierlink_socket::ByteBudget;
use tierlink_socket::places::SPEAKS_WITHIN;
use tokio::io::AsyncWriteExt;

use crate::handlers::{check_problem, measure, say};
use crate::net::{Running, limits, read_to_end, until};

/// Knows whoever shows any token; whoever does not may send no body.
struct AnyToken;

impl Doorkeeper for AnyToken {
    fn admit(
        &self,
        head: &mut Parts,
        _peer: &Peer,
        has_body: bool,
    ) -> Result<Standing, Box<Response<Body>>> {
        match (tierlink_http::bearer(&head.headers), has_body) {
            (Some(_), _) => Ok(Standing::Known),
            (None, false) => Ok(Standing::Stranger),
            (None, true) => {
                let (status, code) = (StatusCode::UNAUTHORIZED, Code::new("A005"));
                Err(Box::new(tierlink_http::problem(status, &code, "no token", "Show one.")))
            }
        }
    }
}

async fn guarded(router: Router, limits: HttpLimits) -> Running {
    let budget = ByteBudget::new(64 * 1024 * 1024);
    Running::guarded(router, limits, budget, Some(Arc::new(AnyToken))).await
}

#[tokio::test]
async fn whoever_shows_no_token_is_answered_before_its_body() {
    let called = Arc::default();
    let running = guarded(measure(&called), limits()).await;
    let head = "POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

    // The body never comes, and nobody waits for it.
    let response = say(&running, head).await;

    check_problem(&response, 401, "A005");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert_eq!(called.load(Ordering::SeqCst), 0);
    let token = "POST /measure HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\
                 Connection: close\r\nContent-Length: 1\r\n\r\na";
    assert!(say(&running, token).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn strangers_that_drip_go_first_and_those_who_are_known_keep_their_places() {
    let running = guarded(Router::new(), HttpLimits { connections_max: 2, ..limits() }).await;
    let mut known = running.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n";
    known.write_all(request.as_bytes()).await.unwrap();
    until(|| running.counts.requests.get() == 1).await;
    // The next request of the known one drips in, too: its line may just be bad.
    known.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut drips = running.connect().await;
    drips.write_all(b"GET / HTTP/1.1\r\nX-Drip: a").await.unwrap();
    until(|| running.counts.open.get() == 2).await;
    tokio::time::sleep(SPEAKS_WITHIN).await;

    let response = say(&running, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;

    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    assert_eq!(read_to_end(&mut drips).await, "");
    known.write_all(b"Host: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut known).await.matches("HTTP/1.1 404 ").count(), 2);
    assert_eq!(running.counts.refused_full.get(), 0);
}

#[tokio::test]
async fn a_request_names_its_host_exactly_once() {
    let running = Running::start(Router::new(), limits()).await;
    let close = "Connection: close\r\n\r\n";

    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n"] {
        let response = say(&running, &format!("GET / HTTP/1.1\r\n{hosts}{close}")).await;

        check_problem(&response, 400, "E029");
    }
    assert_eq!(running.counts.malformed.get(), 3);
    let one = say(&running, &format!("GET / HTTP/1.1\r\nHost: a\r\n{close}")).await;
    assert!(one.starts_with("HTTP/1.1 404 "), "{one}");
    // Old monitors speak HTTP/1.0, which knew no hosts.
    let old = say(&running, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 404 "), "{old}");
}

#[tokio::test]
async fn a_line_of_the_head_ends_with_both_its_bytes() {
    let called = Arc::default();
    let running = Running::start(measure(&called), limits()).await;
    let bare = [
        "GET / HTTP/1.1\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\nConnection: close\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\n",
    ];

    for request in bare {
        check_problem(&say(&running, request).await, 400, "E029");
    }
    assert_eq!(running.counts.malformed.get(), 4);
    // A body may hold whatever it likes, also one that comes together with its head.
    let body = "POST /measure HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n\na\n\n";
    assert!(say(&running, body).await.starts_with("HTTP/1.1 200 "));
    // And the request after one with a body is looked at again.
    let second = body.replace("Connection: close\r\n", "");
    let mut stream = running.connect().await;
    stream.write_all(second.as_bytes()).await.unwrap();
    until(|| called.load(Ordering::SeqCst) == 2).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    stream.write_all(bare[1].as_bytes()).await.unwrap();
    let answers = read_to_end(&mut stream).await;
    assert!(answers.contains("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 400 "), "{answers}");
}
