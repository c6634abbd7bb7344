//! Who may come in, and whom we believe: TLS from both sides.

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tierlink_http::client::Settings;
use tierlink_http::tls::{ClientCertificates, Roots};
use tierlink_http::{Client, NoAnswer, tls};
use tierlink_socket::Distrust;

use crate::handlers::who;
use crate::net::{Authority, Running, limits, until};
use crate::servers::post_hello;

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
    let settings = Settings { tls: Some(client_tls), ..Settings::new(url) };

    let answer = Client::new(settings).unwrap().post(vec![], "text/plain", &[]).await;

    let who: Value = serde_json::from_slice(&answer.unwrap().body).unwrap();
    assert_eq!(who["ip"], "127.0.0.1");
    assert_eq!(who["names"], json!(["county hospital", "his.county.example"]));
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
        let settings = Settings { tls: Some(client_tls), ..Settings::new(url) };

        let client = Client::new(settings).unwrap();
        let answer = client.post(vec![], "text/plain", &[]).await;
        let reached = client.reach().await;

        let wanted = |why: &Distrust| match identity {
            None => *why == Distrust::OursMissing,
            Some(_) => matches!(why, Distrust::OursRefused { .. }),
        };
        assert!(matches!(&answer, Err(NoAnswer::NoTls { why, .. }) if wanted(why)), "{answer:?}");
        assert!(matches!(&reached, Err(NoAnswer::NoTls { why, .. }) if wanted(why)), "{reached:?}");
    }
    until(|| running.counts.handshakes_failed.get() == 4).await;
    assert_eq!(running.counts.requests.get(), 0);
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
        let settings = Settings { tls: Some(client_tls), ..Settings::new(url) };
        let client = Client::new(settings).unwrap();

        assert_eq!(client.reach().await.is_ok(), welcome, "{name}");
        match post_hello(&client).await {
            Ok(answer) => assert!(welcome && answer.status == 200),
            Err(NoAnswer::NoTls { why, .. }) if name == "127.0.0.9" => {
                assert_eq!(why, Distrust::OtherName { names: vec!["127.0.0.9".to_owned()] });
            }
            Err(NoAnswer::NoTls { why, .. }) => assert_eq!(why, Distrust::ForeignAuthority),
            Err(other) => panic!("{other:?}"),
        }
    };

    check(&authority, "127.0.0.1", true).await;
    check(&authority, "127.0.0.9", false).await;
    check(&stranger, "127.0.0.1", false).await;
}
