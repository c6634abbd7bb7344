//! Certificates of destinations, over https:// and mllps://, as `tierlink doctor` and the lanes meet
//! them: each fault is told with its cause, its fix and a code of its own.
//!
//! Seen to fail while all of them were "check that it listens".

#![expect(clippy::unwrap_used, reason = "a test's own mistakes may panic")]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use tierlink_codec::{OrganisationProfile, Profile};
use tierlink_edge::network;
use tierlink_http::tls::{ClientCertificates, Identity, server};
use tierlink_schemas::Problem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Both kinds of address.
const SCHEMES: [(&str, &str); 2] = [("https", "fhir"), ("mllps", "hl7v2")];

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
struct Papers {
    chain: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Papers for `name`, good from the beginning of one year to that of another.
    fn issue(&self, name: &str, from: i32, until: i32) -> Papers {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Papers { chain, key: key.serialize_pem() }
    }
}

impl Papers {
    fn server(&self, clients: ClientCertificates<'_>) -> Arc<ServerConfig> {
        let identity = Identity { chain: self.chain.as_bytes(), key: self.key.as_bytes() };
        server(identity, clients).unwrap()
    }
}

/// A port that speaks TLS, or plain text if there is none, for as long as the test lasts.
async fn listen(tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut heard = [0; 1024];
                match tls.map(TlsAcceptor::from) {
                    Some(tls) => {
                        if let Ok(mut stream) = tls.accept(socket).await {
                            while matches!(stream.read(&mut heard).await, Ok(1..)) {}
                        }
                    }
                    None => {
                        let _heard = socket.read(&mut heard).await;
                        let _sent = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                    }
                }
            });
        }
    });
    port
}

fn profile(scheme: &str, format: &str, port: u16, more: &str) -> Profile {
    let text = format!(
        "[organisation]\ncode = \"330199001\"\nname = \"龙溪县人民医院\"\ntier = \"county\"\n\
         [format]\nname = \"{format}\"\n\
         [outbound]\naddress = \"{scheme}://localhost:{port}\"\nauthorities = \"ca.pem\"\n{more}"
    );
    let organisation = OrganisationProfile::from_toml(&text).unwrap();
    organisation.default_system().unwrap().clone()
}

/// What is found when the destination is tried, and when its certificate ends if it showed one.
async fn reach(folder: &Path, profile: &Profile) -> (Result<(), Problem>, Option<Timestamp>) {
    let mut destination = network::open(folder, profile).unwrap().unwrap();
    let reached = destination.reach().await;
    (reached, destination.certificate_ends_at())
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_told_with_its_cause_and_its_fix() {
    let (trusted, foreign) = (Authority::new("ours"), Authority::new("another"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &trusted.pem).unwrap();
    let open = |papers: Papers| Some(papers.server(ClientCertificates::NotAsked));
    let asks = |papers: Papers| {
        Some(papers.server(ClientCertificates::Required { roots: trusted.pem.as_bytes() }))
    };
    let cases = [
        (
            "expired",
            open(trusted.issue("localhost", 2020, 2021)),
            "E052",
            "its certificate expired at 2021-01-01T00:00:00Z; whoever runs it must renew it",
        ),
        (
            "not valid yet",
            open(trusted.issue("localhost", 2090, 2091)),
            "E052",
            "not valid yet, only from 2090-01-01T00:00:00Z; check the clocks",
        ),
        (
            "foreign",
            open(foreign.issue("localhost", 2020, 2090)),
            "E053",
            "of an authority that is not trusted for it; put that authority into the file",
        ),
        (
            "misnamed",
            open(trusted.issue("his.example.invalid", 2020, 2090)),
            "E054",
            "its certificate is for his.example.invalid; correct the host in the address",
        ),
        (
            "asks for ours",
            asks(trusted.issue("localhost", 2020, 2090)),
            "E055",
            "it asks for a certificate and none was shown",
        ),
        ("no TLS", None, "E055", "check that TLS 1.2 or newer is spoken at this port"),
    ];
    for (what, tls, code, text) in cases {
        let port = listen(tls).await;
        for (scheme, format) in SCHEMES {
            let profile = profile(scheme, format, port, "");

            let (reached, _) = reach(folder.path(), &profile).await;

            let Err(problem) = reached else { panic!("{scheme}, {what}: it was believed") };
            assert_eq!(problem.code.as_str(), code, "{scheme}, {what}: {problem}");
            assert!(problem.text.contains(text), "{scheme}, {what}: {problem}");
            assert!(problem.text.contains(&format!("localhost:{port}")), "{scheme}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_refused_is_told_as_ours() {
    let (trusted, foreign) = (Authority::new("ours"), Authority::new("another"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &trusted.pem).unwrap();
    let theirs = trusted.issue("localhost", 2020, 2090);
    let tls = theirs.server(ClientCertificates::Required { roots: trusted.pem.as_bytes() });
    let port = listen(Some(tls)).await;
    let ours = "identity = \"ours.pem\"\n";
    let cases = [
        (foreign.issue("tierlink", 2020, 2090), Some("it does not know the authority")),
        (trusted.issue("tierlink", 2020, 2021), Some("it has expired")),
        (trusted.issue("tierlink", 2020, 2090), None),
    ];
    for (papers, refused) in cases {
        let identity = format!("{}{}", papers.chain, papers.key);
        std::fs::write(folder.path().join("ours.pem"), identity).unwrap();
        for (scheme, format) in SCHEMES {
            let (reached, _) = reach(folder.path(), &profile(scheme, format, port, ours)).await;

            match refused {
                None => assert_eq!(reached, Ok(()), "{scheme}"),
                Some(why) => {
                    let problem = reached.unwrap_err();
                    assert_eq!(problem.code.as_str(), "E055", "{scheme}: {problem}");
                    assert!(problem.text.contains(why), "{scheme}: {problem}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_a_destinations_certificate_is_seen_when_it_is_reached() {
    let trusted = Authority::new("ours");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &trusted.pem).unwrap();
    let papers = trusted.issue("localhost", 2020, 2090);
    let port = listen(Some(papers.server(ClientCertificates::NotAsked))).await;
    for (scheme, format) in SCHEMES {
        let (reached, ends_at) = reach(folder.path(), &profile(scheme, format, port, "")).await;

        assert_eq!(reached, Ok(()), "{scheme}");
        assert_eq!(ends_at, "2090-01-01T00:00:00Z".parse().ok(), "{scheme}");
    }
}
