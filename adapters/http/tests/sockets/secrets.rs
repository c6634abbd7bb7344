//! What the client promises about settings, headers and what its errors print.

use tierlink_http::client::{CannotPost, Settings};
use tierlink_http::{Client, NoAnswer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::net::anywhere;
use crate::servers::{client, hear_hello, server};

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_and_its_value_is_not() {
    let client = client("http://127.0.0.1:9/in");
    for value in ["two\r\nlines", "病人", "\u{7f}"] {
        let headers = [("X-Request-Id", value.to_owned())];

        let silence = client.post(vec![], "text/plain", &headers).await.unwrap_err();

        assert!(matches!(silence, NoAnswer::CannotSend { header: "X-Request-Id" }), "{silence:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let refused = |url: &str, token: Option<&str>| {
        let token = token.map(str::to_owned);
        Client::new(Settings { token, ..Settings::new(url) }).unwrap_err()
    };

    assert!(matches!(refused("county hospital", None), CannotPost::Url));
    assert!(matches!(refused("ftp://a/b", None), CannotPost::Url));
    assert!(matches!(refused("http://user@a/b", None), CannotPost::UrlHoldsPassword));
    assert!(matches!(refused("http://:secret@a/b", None), CannotPost::UrlHoldsPassword));
    assert!(matches!(refused("http://a/b", Some("")), CannotPost::Token));
    assert!(matches!(refused("http://a/b", Some("line\n")), CannotPost::Token));
}

/// The error and its causes, as a log would print them, both ways.
fn print(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error:?}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn no_error_prints_a_secret_or_a_payload() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let nobody = format!("http://{}/SECRET?key=SECRET", listener.local_addr().unwrap());
    drop(listener);
    let (lost, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nSECRET").await.unwrap();
    })
    .await;
    let (noise, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream.write_all(b"SECRET\r\n\r\n").await.unwrap();
    })
    .await;
    let (silent, _met) = server(|mut stream| async move { hear_hello(&mut stream).await }).await;

    for url in [nobody, lost, noise, silent] {
        let token = Some("SECRET".to_owned());
        let url = format!("{url}?key=SECRET");
        let client = Client::new(Settings { token, ..Settings::new(url) }).unwrap();
        let headers = [("X-Request-Id", "SECRET".to_owned())];

        let silence = client.post(b"hello".to_vec(), "text/plain", &headers).await.unwrap_err();

        let text = format!("{}{client:?}", print(&silence));
        assert!(!text.contains("SECRET"), "{text}");
    }
    for url in ["SECRET", "http://SECRET:SECRET@a/SECRET", "SECRET://a/b"] {
        let error = Client::new(Settings::new(url)).unwrap_err();
        assert!(!print(&error).contains("SECRET"), "{error:?}");
    }
}
