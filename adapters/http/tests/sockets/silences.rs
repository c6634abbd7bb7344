//! What the client promises when there is no answer.

use std::sync::atomic::Ordering;

use tierlink_http::client::Settings;
use tierlink_http::tls::Roots;
use tierlink_http::{Client, NoAnswer, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::net::{Authority, SHORT, anywhere, headers, read_until, soon};
use crate::servers::{client, hear_hello, post_hello, server};

#[tokio::test]
async fn nothing_was_sent_where_nobody_listens() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(format!("http://{address}/in"));

    let silence = post_hello(&client).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::CouldNotConnect { .. }), "{silence:?}");
    assert!(!silence.sent());
    assert!(silence.to_string().contains(&address.to_string()), "{silence}");
    assert!(client.reach().await.is_err());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        read_until(&mut stream, "never").await;
    })
    .await;
    let settings = Settings { exchange_lasts: SHORT, ..Settings::new(url) };

    let silence = post_hello(&Client::new(settings).unwrap()).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::TimedOut { sent: true, .. }), "{silence:?}");
}

#[tokio::test]
async fn an_answer_of_one_byte_at_a_time_ends_with_our_patience() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
    let settings = Settings { exchange_lasts: SHORT, ..Settings::new(url) };

    let silence = post_hello(&Client::new(settings).unwrap()).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::TimedOut { sent: true, .. }), "{silence:?}");
}

#[tokio::test]
async fn a_tls_handshake_that_nobody_answers_is_not_waited_for() {
    let (url, _met) =
        server(
            |mut stream| async move { while let Ok(1..) = stream.read(&mut [0; 1000]).await {} },
        )
        .await;
    let tls = tls::client(Roots::Only(Authority::new().pem.as_bytes()), None).unwrap();
    let url = url.replace("http://", "https://");
    let settings = Settings { tls: Some(tls), connect_lasts: SHORT, ..Settings::new(url) };
    let client = Client::new(settings).unwrap();

    let posted = post_hello(&client).await.unwrap_err();
    let reached = soon(client.reach()).await.unwrap_err();

    for silence in [posted, reached] {
        assert!(matches!(silence, NoAnswer::CouldNotConnect { .. }), "{silence:?}");
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_message_may_have_delivered_it() {
    let (url, met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;

    let silence = post_hello(&client(url)).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::ConnectionLost { sent: true, .. }), "{silence:?}");
    // And nobody sent it a second time behind our back.
    assert_eq!(met.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_the_message_has_not_delivered_it() {
    let (url, _met) = server(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    // More than the network can have swallowed before it noticed.
    let body = vec![b'a'; 64 * 1024 * 1024];

    let silence = soon(client(url).post(body, "text/plain", &[])).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::ConnectionLost { sent: false, .. }), "{silence:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_broken() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream.write_all(b"\x0bMSH|^~\\&|\x1c\r\r\n\r\n").await.unwrap();
    })
    .await;

    let silence = post_hello(&client(url)).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::BrokenAnswer { status: None, .. }), "{silence:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_tells_its_status() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        let half = b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf";
        stream.write_all(half).await.unwrap();
    })
    .await;

    let silence = post_hello(&client(url)).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::BrokenAnswer { status: Some(201), .. }), "{silence:?}");
}

#[tokio::test]
async fn a_flood_of_headers_in_an_answer_is_broken() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        let many = headers(200);
        let answer = format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;

    let silence = post_hello(&client(url)).await.unwrap_err();

    assert!(matches!(silence, NoAnswer::BrokenAnswer { status: None, .. }), "{silence:?}");
}

#[tokio::test]
async fn a_second_answer_to_a_refused_message_meets_no_other_message() {
    let (url, met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        let refusal = b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        // Whoever comes again over this connection gets the answer that belonged to the first.
        if let Ok(1..) = stream.read(&mut [0; 1000]).await {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let mut client = client(url);

    let first = post_hello(&client).await.unwrap().status;
    client.forget_connections();
    let second = post_hello(&client).await.unwrap().status;

    assert_eq!([first, second], [422, 422]);
    assert_eq!(met.load(Ordering::SeqCst), 2);
}
