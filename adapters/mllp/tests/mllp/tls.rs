//! TLS on both sides, with certificates that each test makes for itself.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use tierlink_mllp::client::{Settings, Tls};
use tierlink_mllp::tls::{self, CannotUseTls, ClientCertificates, Identity};
use tierlink_mllp::{Client, Match, NoAnswer};
use tierlink_socket::Distrust;

use crate::support::{Echo, Running, Sender, serve, until};

/// A certificate authority of a consortium.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "ZZTEST authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, common_name: &str, dns_names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let dns_names: Vec<_> = dns_names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(dns_names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }
}

impl Issued {
    fn identity(&self) -> Identity<'_> {
        Identity { chain: self.chain.as_bytes(), key: self.key.as_bytes() }
    }
}

async fn serve_tls(door: &Arc<Echo>, config: Arc<ServerConfig>) -> Running {
    serve(door, |it| {
        it.tls = Some(config);
        it.limits.handshake_lasts = Duration::from_millis(500);
    })
    .await
}

fn client(server: &Running, authority: &Authority, identity: Option<Identity<'_>>) -> Client {
    let config = tls::client(authority.pem.as_bytes(), identity).unwrap();
    let mut settings = Settings::new("127.0.0.1", server.address.port());
    settings.tls = Some(Tls { config, server_name: Some("broker.example".into()) });
    Client::new(settings)
}

/// Why there is no TLS, if that is why there is no answer.
fn why<T>(heard: &Result<T, NoAnswer>) -> Option<&Distrust> {
    match heard {
        Err(NoAnswer::NoTls { why, .. }) => Some(why),
        _ => None,
    }
}

async fn say(client: &mut Client, message: &[u8]) -> Result<Vec<bytes::Bytes>, NoAnswer> {
    client.exchange(message, &|_| Match::Mine).await
}

#[tokio::test]
async fn the_names_of_a_client_certificate_reach_the_door() {
    let authority = Authority::new();
    let broker = authority.issue("broker", &["broker.example"]);
    let roots = authority.pem.as_bytes();
    let config = tls::server(broker.identity(), ClientCertificates::Required { roots }).unwrap();
    let door = Echo::open();
    let server = serve_tls(&door, config).await;
    let hospital = authority.issue("卫生院·一", &["his.example", "his2.example"]);
    let mut client = client(&server, &authority, Some(hospital.identity()));

    for message in [&b"one"[..], b"two", &b"x".repeat(1_000_000)] {
        let answers = say(&mut client, message).await.unwrap();
        assert_eq!(answers, [[b"ok:", message].concat()]);
    }
    client.close().await;

    let names = door.peers.lock()[0].certificate_names.clone();
    assert_eq!(*names, ["卫生院·一", "his.example", "his2.example"]);
    assert_eq!(server.counts.accepted.get(), 1, "one connection is enough");
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_in_only_where_it_is_optional() {
    let authority = Authority::new();
    let broker = authority.issue("broker", &["broker.example"]);
    let roots = authority.pem.as_bytes();
    let required = tls::server(broker.identity(), ClientCertificates::Required { roots }).unwrap();
    let optional = tls::server(broker.identity(), ClientCertificates::Optional { roots }).unwrap();
    let door = Echo::open();

    let server = serve_tls(&door, required).await;
    let refused = say(&mut client(&server, &authority, None), b"one").await;
    assert!(matches!(why(&refused), Some(Distrust::OursMissing)), "{refused:?}");
    let reached = client(&server, &authority, None).reach().await;
    assert!(matches!(why(&reached), Some(Distrust::OursMissing)), "{reached:?}");
    until(|| server.counts.handshakes_failed.get() == 2).await;
    assert!(door.heard().is_empty());

    let server = serve_tls(&door, optional).await;
    let answers = say(&mut client(&server, &authority, None), b"two").await.unwrap();
    assert_eq!(answers, ["ok:two"]);
    assert!(door.peers.lock()[0].certificate_names.is_empty());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_on_either_side() {
    let (ours, other) = (Authority::new(), Authority::new());
    let broker = ours.issue("broker", &["broker.example"]);
    let roots = ours.pem.as_bytes();
    let config = tls::server(broker.identity(), ClientCertificates::Optional { roots }).unwrap();
    let door = Echo::open();
    let server = serve_tls(&door, config).await;

    let stranger = other.issue("stranger", &["his.example"]);
    let as_stranger = say(&mut client(&server, &ours, Some(stranger.identity())), b"one").await;
    assert!(matches!(why(&as_stranger), Some(Distrust::OursRefused { .. })), "{as_stranger:?}");
    let distrustful = say(&mut client(&server, &other, None), b"two").await;
    assert_eq!(why(&distrustful), Some(&Distrust::ForeignAuthority));

    until(|| server.counts.handshakes_failed.get() == 2).await;
    assert!(door.heard().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let broker = authority.issue("broker.example", &["elsewhere.example"]);
    let config = tls::server(broker.identity(), ClientCertificates::NotAsked).unwrap();
    let door = Echo::open();
    let server = serve_tls(&door, config).await;

    let reached = client(&server, &authority, None).reach().await;

    let names = vec!["elsewhere.example".to_owned()];
    assert_eq!(why(&reached), Some(&Distrust::OtherName { names }));
}

#[tokio::test]
async fn a_client_that_never_begins_its_handshake_is_let_go() {
    let authority = Authority::new();
    let broker = authority.issue("broker", &["broker.example"]);
    let config = tls::server(broker.identity(), ClientCertificates::NotAsked).unwrap();
    let door = Echo::open();
    let server = serve_tls(&door, config).await;
    let mut mute = Sender::connect(server.address).await;

    assert_eq!(mute.read().await, None);

    assert_eq!(server.counts.handshakes_failed.get(), 1);
}

#[test]
fn files_in_the_wrong_place_are_named() {
    let authority = Authority::new();
    let (one, two) = (authority.issue("one", &[]), authority.issue("two", &[]));
    let check = |identity, clients, expected: &str| {
        let error: CannotUseTls = tls::server(identity, clients).err().unwrap();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.code().as_str(), "E007");
    };
    let (chain, key) = (one.chain.as_bytes(), one.key.as_bytes());
    let not_asked = ClientCertificates::NotAsked;

    check(Identity { chain: b"", key }, not_asked, "the certificate chain holds no certificate");
    check(Identity { chain: key, key }, not_asked, "the certificate chain holds no certificate");
    check(Identity { chain, key: chain }, not_asked, "the private key cannot be read");
    let mixed = Identity { chain, key: two.key.as_bytes() };
    check(mixed, not_asked, "the certificate chain cannot be used");
    let no_roots = ClientCertificates::Required { roots: b"nothing" };
    check(one.identity(), no_roots, "the list of authorities holds no certificate");
}
