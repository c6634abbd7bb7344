//! Handlers to put behind a server, and ways to talk to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Extension;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use tierlink_http::Peer;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, Semaphore};

use crate::net::{Running, read_to_end, soon};

/// Answers with the body's length, and counts how often it was called.
pub fn measure(called: &Arc<AtomicUsize>) -> Router {
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
pub struct Waiting {
    begun: Arc<Semaphore>,
    pub go: Arc<Notify>,
    finished: Arc<AtomicUsize>,
}

impl Waiting {
    pub fn new() -> (Self, Router) {
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

    pub async fn has_begun(&self) {
        soon(self.begun.acquire()).await.unwrap().forget();
    }

    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }
}

/// Sends `bytes` over a connection of its own and returns what comes until it is closed.
pub async fn say(running: &Running, bytes: &str) -> String {
    let mut stream = running.connect().await;
    // The server may have closed before all is written; what it said still counts.
    let _outcome = stream.write_all(bytes.as_bytes()).await;
    read_to_end(&mut stream).await
}

pub fn check_problem(response: &str, status: u16, code: &str) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], format!("urn:tierlink:error:{code}"));
    assert_eq!(problem["status"], status);
    assert!(!problem["detail"].as_str().unwrap().is_empty());
}

/// Answers with what a handler can know of its peer.
pub fn who() -> Router {
    let handler = async |Extension(peer): Extension<Peer>| {
        Json(json!({
            "ip": peer.address.ip(),
            "names": peer.certificate_names.to_vec(),
            "listener": peer.listener,
        }))
    };
    Router::new().route("/who", post(handler))
}
