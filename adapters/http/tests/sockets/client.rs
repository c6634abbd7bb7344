//! What the client promises, against servers that behave and servers that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::net::{Authority, Running, anywhere, headers, limits, read_until, soon, until};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::post;
use bytes::Bytes;
use tierlink_http::client::{CannotPost, Settings};
use tierlink_http::tls::{self, ClientCertificates, Roots};
use tierlink_http::{Client, Silence, bearer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SHORT: Duration = Duration::from_millis(200);

fn client(url: impl Into<String>) -> Client {
    Client::new(Settings::new(url)).unwrap()
}

/// A server that does to each connection what `meet` says. Returns its URL and how many
/// connections it has met.
async fn server<F: Future<Output = ()> + Send>(
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
async fn hear_hello(stream: &mut TcpStream) {
    read_until(stream, "\r\n\r\nhello").await;
}

async fn post_hello(client: &Client) -> Result<tierlink_http::Response, Silence> {
    soon(client.post(b"hello".to_vec(), "text/plain", &[])).await
}

#[tokio::test]
async fn a_post_carries_body_type_token_and_headers() {
    let echo = async |headers: HeaderMap, body: Bytes| {
        let header = |name| {
            headers
                .get(name)
                .map_or("none", |value| value.to_str().unwrap())
        };
        format!(
            "{} {} {} {} {} {}",
            header("content-type"),
            header("content-length"),
            header("x-request-id"),
            header("x-correlation-id"),
            bearer(&headers).unwrap_or("none"),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    };
    let running = Running::start(Router::new().route("/in", post(echo)), limits()).await;
    let settings = Settings {
        token: Some("t0ken".to_owned()),
        ..Settings::new(running.url("/in"))
    };
    let headers = [
        ("X-Request-Id", "request-1".to_owned()),
        ("X-Correlation-Id", "case-1".to_owned()),
    ];

    let client = Client::new(settings).unwrap();
    let answer = client
        .post(b"hello".to_vec(), "application/fhir+json", &headers)
        .await
        .unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        "application/fhir+json 5 request-1 case-1 t0ken hello"
    );
    assert_eq!(
        answer.media_type.as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert!(!answer.cut);
    assert_eq!(client.address(), running.address.to_string());
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(1_000_003).collect();
    let router = Router::new().route("/in", post(async |body: Bytes| body));
    let running = Running::start(router, limits()).await;

    let answer = client(running.url("/in"))
        .post(body.clone(), "text/plain", &[])
        .await
        .unwrap();

    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_says_when_to_come_back() {
    let busy = async || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [("Retry-After", "7")],
            "later",
        )
    };
    let running = Running::start(Router::new().route("/in", post(busy)), limits()).await;

    let answer = post_hello(&client(running.url("/in"))).await.unwrap();

    assert_eq!(answer.status, 503);
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(answer.body, "later");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let followed = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&followed);
    let router = Router::new()
        .route("/in", post(async || Redirect::temporary("/elsewhere")))
        .route(
            "/elsewhere",
            post(async move || {
                seen.fetch_add(1, Ordering::SeqCst);
            }),
        );
    let running = Running::start(router, limits()).await;

    let answer = post_hello(&client(running.url("/in"))).await.unwrap();

    assert_eq!(answer.status, 307);
    assert_eq!(followed.load(Ordering::SeqCst), 0);
    assert_eq!(running.counts.requests.get(), 1);
}

#[tokio::test]
async fn a_big_answer_is_cut_and_still_counts() {
    let big = async || vec![b'a'; 10_000];
    let running = Running::start(Router::new().route("/in", post(big)), limits()).await;
    let check = async |answer_bytes_max, length, cut| {
        let settings = Settings {
            answer_bytes_max,
            ..Settings::new(running.url("/in"))
        };
        let answer = post_hello(&Client::new(settings).unwrap()).await.unwrap();
        assert_eq!(
            (answer.status, answer.body.len(), answer.cut),
            (200, length, cut)
        );
    };

    check(9_999, 9_999, true).await;
    check(10_000, 10_000, false).await;
    check(0, 0, true).await;
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_too() {
    let endless = async || {
        let piece = Ok::<_, std::io::Error>(Bytes::from_static(&[b'a'; 1000]));
        Body::from_stream(futures::stream::repeat_with(move || {
            piece
                .as_ref()
                .map(Bytes::clone)
                .map_err(|_| std::io::Error::other("never"))
        }))
    };
    let running = Running::start(Router::new().route("/in", post(endless)), limits()).await;

    let answer = post_hello(&client(running.url("/in"))).await.unwrap();

    assert!(answer.cut);
    assert_eq!(answer.body.len(), 1024 * 1024);
    // Nobody goes on reading it.
    until(|| running.counts.open.get() == 0).await;
}

#[tokio::test]
async fn connections_are_used_again() {
    let running = Running::start(Router::new().route("/in", post(async || "fine")), limits()).await;
    let client = client(running.url("/in"));

    for _ in 0..5 {
        assert_eq!(post_hello(&client).await.unwrap().status, 200);
    }

    assert_eq!(running.counts.accepted.get(), 1);
    assert_eq!(running.counts.requests.get(), 5);
}

#[tokio::test]
async fn a_connection_that_was_not_used_for_long_is_not_used_again() {
    let running = Running::start(Router::new().route("/in", post(async || "fine")), limits()).await;
    let settings = Settings {
        idle_lasts: SHORT,
        ..Settings::new(running.url("/in"))
    };
    let client = Client::new(settings).unwrap();

    post_hello(&client).await.unwrap();
    tokio::time::sleep(2 * SHORT).await;
    post_hello(&client).await.unwrap();

    assert_eq!(running.counts.accepted.get(), 2);
}

#[tokio::test]
async fn nothing_was_sent_where_nobody_listens() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(format!("http://{address}/in"));

    let silence = post_hello(&client).await.unwrap_err();

    assert!(
        matches!(silence, Silence::CouldNotConnect { .. }),
        "{silence:?}"
    );
    assert!(!silence.sent());
    assert!(
        silence.to_string().contains(&address.to_string()),
        "{silence}"
    );
    assert!(client.reach().await.is_err());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        read_until(&mut stream, "never").await;
    })
    .await;
    let settings = Settings {
        exchange_lasts: SHORT,
        ..Settings::new(url)
    };

    let silence = post_hello(&Client::new(settings).unwrap())
        .await
        .unwrap_err();

    assert!(
        matches!(silence, Silence::TimedOut { sent: true, .. }),
        "{silence:?}"
    );
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
    let settings = Settings {
        exchange_lasts: SHORT,
        ..Settings::new(url)
    };

    let silence = post_hello(&Client::new(settings).unwrap())
        .await
        .unwrap_err();

    assert!(
        matches!(silence, Silence::TimedOut { sent: true, .. }),
        "{silence:?}"
    );
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
    let settings = Settings {
        tls: Some(tls),
        connect_lasts: SHORT,
        ..Settings::new(url)
    };
    let client = Client::new(settings).unwrap();

    let posted = post_hello(&client).await.unwrap_err();
    let reached = soon(client.reach()).await.unwrap_err();

    for silence in [posted, reached] {
        assert!(
            matches!(silence, Silence::CouldNotConnect { .. }),
            "{silence:?}"
        );
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

    assert!(
        matches!(silence, Silence::ConnectionLost { sent: true, .. }),
        "{silence:?}"
    );
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

    let silence = soon(client(url).post(body, "text/plain", &[]))
        .await
        .unwrap_err();

    assert!(
        matches!(silence, Silence::ConnectionLost { sent: false, .. }),
        "{silence:?}"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_broken() {
    let (url, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream
            .write_all(b"\x0bMSH|^~\\&|\x1c\r\r\n\r\n")
            .await
            .unwrap();
    })
    .await;

    let silence = post_hello(&client(url)).await.unwrap_err();

    assert!(
        matches!(silence, Silence::BrokenAnswer { status: None, .. }),
        "{silence:?}"
    );
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

    assert!(
        matches!(
            silence,
            Silence::BrokenAnswer {
                status: Some(201),
                ..
            }
        ),
        "{silence:?}"
    );
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let (url, met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let client = client(url);

    post_hello(&client).await.unwrap();
    // The end of the old connection needs a moment to arrive.
    tokio::time::sleep(SHORT).await;
    post_hello(&client).await.unwrap();

    assert_eq!(met.load(Ordering::SeqCst), 2);
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

    assert!(
        matches!(silence, Silence::BrokenAnswer { status: None, .. }),
        "{silence:?}"
    );
}

#[tokio::test]
async fn only_an_authority_of_the_profile_can_vouch_for_a_destination() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let check = async |issuer: &Authority, name: &str, welcome: bool| {
        let theirs = issuer.issue(name, "county hospital");
        let server_tls = tls::server(theirs.identity(), ClientCertificates::NotAsked).unwrap();
        let router = Router::new().route("/in", post(async || "fine"));
        let running = Running::start_with(router, limits(), Some(server_tls)).await;
        let client_tls = tls::client(Roots::Only(authority.pem.as_bytes()), None).unwrap();
        let url = format!("https://{}/in", running.address);
        let settings = Settings {
            tls: Some(client_tls),
            ..Settings::new(url)
        };
        let client = Client::new(settings).unwrap();

        assert_eq!(client.reach().await.is_ok(), welcome, "{name}");
        match post_hello(&client).await {
            Ok(answer) => assert!(welcome && answer.status == 200),
            Err(Silence::CouldNotConnect { .. }) => assert!(!welcome),
            Err(other) => panic!("{other:?}"),
        }
    };

    check(&authority, "127.0.0.1", true).await;
    check(&authority, "127.0.0.9", false).await;
    check(&stranger, "127.0.0.1", false).await;
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_and_its_value_is_not() {
    let client = client("http://127.0.0.1:9/in");
    for value in ["two\r\nlines", "病人", "\u{7f}"] {
        let headers = [("X-Request-Id", value.to_owned())];

        let silence = client
            .post(vec![], "text/plain", &headers)
            .await
            .unwrap_err();

        assert!(
            matches!(
                silence,
                Silence::CannotSend {
                    header: "X-Request-Id"
                }
            ),
            "{silence:?}"
        );
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let refused = |url: &str, token: Option<&str>| {
        let token = token.map(str::to_owned);
        Client::new(Settings {
            token,
            ..Settings::new(url)
        })
        .unwrap_err()
    };

    assert!(matches!(refused("county hospital", None), CannotPost::Url));
    assert!(matches!(refused("ftp://a/b", None), CannotPost::Url));
    assert!(matches!(
        refused("http://user@a/b", None),
        CannotPost::UrlHoldsPassword
    ));
    assert!(matches!(
        refused("http://:secret@a/b", None),
        CannotPost::UrlHoldsPassword
    ));
    assert!(matches!(refused("http://a/b", Some("")), CannotPost::Token));
    assert!(matches!(
        refused("http://a/b", Some("line\n")),
        CannotPost::Token
    ));
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
    let nobody = format!(
        "http://{}/SECRET?key=SECRET",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let (lost, _met) = server(|mut stream| async move {
        hear_hello(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nSECRET")
            .await
            .unwrap();
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
        let client = Client::new(Settings {
            token,
            ..Settings::new(url)
        })
        .unwrap();
        let headers = [("X-Request-Id", "SECRET".to_owned())];

        let silence = client
            .post(b"hello".to_vec(), "text/plain", &headers)
            .await
            .unwrap_err();

        let text = format!("{}{client:?}", print(&silence));
        assert!(!text.contains("SECRET"), "{text}");
    }
    for url in ["SECRET", "http://SECRET:SECRET@a/SECRET", "SECRET://a/b"] {
        let error = Client::new(Settings::new(url)).unwrap_err();
        assert!(!print(&error).contains("SECRET"), "{error:?}");
    }
}
