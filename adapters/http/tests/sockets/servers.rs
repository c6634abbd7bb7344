//! Servers for a client to meet, and what it says to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tierlink_http::client::Settings;
use tierlink_http::{Client, NoAnswer};
use tokio::net::{TcpListener, TcpStream};

use crate::net::{anywhere, read_until, soon};

pub fn client(url: impl Into<String>) -> Client {
    Client::new(Settings::new(url)).unwrap()
}

/// A server that does to each connection what `meet` says. Returns its URL and how many
/// connections it has met.
pub async fn server<F: Future<Output = ()> + Send>(
    meet: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let met = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&met);
    tokio::spawn(async move {
        loop {
            let (stream, _from) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            meet(stream).await;
        }
    });
    (url, met)
}

/// Reads one request with the body `hello` to its end.
pub async fn hear_hello(stream: &mut TcpStream) {
    read_until(stream, "\r\n\r\nhello").await;
}

pub async fn post_hello(client: &Client) -> Result<tierlink_http::Response, NoAnswer> {
    soon(client.post(b"hello".to_vec(), "text/plain", &[])).await
}
