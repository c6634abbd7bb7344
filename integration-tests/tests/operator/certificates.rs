//! A hospital's certificate has ended, ours is not accepted, or one ends soon: lane, doctor and log
//! say what must be mended, and once it is, everything follows by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan, Zoned};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::Value;
use tierlink_integration_tests::county::{County, FENGQIAO, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::said;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::seen::{doctor, doctor_is_content, figure_is, page};

for_both_modes! {
    a_hospital_whose_certificate_ended_is_told_so_until_it_is_renewed,
    our_own_certificate_is_taken_in_when_it_was_renewed,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `localhost` that ends so many days from now, with its key, both PEM.
    fn issue(&self, days: i64) -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let end: Zoned = Timestamp::now().in_tz("UTC").unwrap() + days.days();
        params.not_before = date_time_ymd(2020, 1, 1);
        let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
        params.not_after = date_time_ymd(i32::from(end.year()), month, day);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        format!("{chain}{}", key.serialize_pem())
    }
}

/// TLS before a hospital. What it shows can be exchanged.
struct Front {
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    port: u16,
}

/// TLS for a server with these papers, which asks for a certificate of this authority if one is named.
fn tls(papers: &str, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(papers.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(papers.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            let known = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
            roots.add(known).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

impl Front {
    /// Stands before the hospital at this address, such as `http://127.0.0.1:1234/in`.
    async fn open(address: &str, shown: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = address.split('/').nth(2).unwrap().to_owned();
        let tls = Arc::new(Mutex::new(shown));
        let current = Arc::clone(&tls);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&current.lock()));
                let behind = behind.clone();
                tokio::spawn(async move {
                    let Ok(mut near) = acceptor.accept(socket).await else { return };
                    let Ok(mut far) = TcpStream::connect(behind).await else { return };
                    let _ended = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { tls, port }
    }

    /// What the profile says as `outbound.address`.
    fn address(&self, of: &str) -> String {
        let path: Vec<&str> = of.splitn(4, '/').collect();
        format!("https://localhost:{}/{}", self.port, path.get(3).unwrap_or(&""))
    }

    fn shows(&self, shown: Arc<ServerConfig>) {
        *self.tls.lock() = shown;
    }
}

async fn refer(county: &County) -> String {
    let message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    county.must_send(&message).await.unwrap()
}

/// What an operator is shown as the trouble of a lane.
async fn trouble(county: &County) -> Value {
    eventually("the lane's trouble is shown", async || {
        let ran = county.run(&["lane", "list", "--json"]).await?.json()?;
        let lanes = ran["lanes"].as_array().cloned().unwrap_or_default();
        let row = lanes.into_iter().find(|row| row["lane"] == SECOND);
        let problem = row.map(|row| row["trouble"]["problem"].clone()).unwrap_or_default();
        Ok((!problem.is_null()).then_some(problem))
    })
    .await
    .unwrap()
}

/// A county in which TLS stands before the second hospital.
async fn behind_tls(
    mode: Mode,
    shown: Arc<ServerConfig>,
    authority: &Authority,
) -> (County, Front) {
    let mut county = County::plan(mode).await.unwrap();
    let address = county.hospital(SECOND).address();
    let front = Front::open(&address, shown).await;
    std::fs::write(county.folder().join("ca.pem"), &authority.pem).unwrap();
    let profile = county.profile(SECOND).unwrap();
    profile.address = Some(front.address(&address));
    profile.outbound.push("authorities = \"ca.pem\"".to_owned());
    (county, front)
}

async fn a_hospital_whose_certificate_ended_is_told_so_until_it_is_renewed(mode: Mode) {
    let authority = Authority::new();
    let ended = tls(&authority.issue(-3), None);
    let (mut county, front) = behind_tls(mode, ended, &authority).await;
    county.begin().await.unwrap();

    let case = refer(&county).await;

    let told = trouble(&county).await;
    assert_eq!(told["code"], "E052", "{told}");
    assert!(told["text"].as_str().unwrap().contains("certificate expired at"), "{told}");
    let wrong = doctor(&county).await.unwrap();
    assert_eq!(
        wrong.get(&format!("lane {SECOND}")),
        Some(&page("TierLinkLaneSilent")),
        "{wrong:?}"
    );
    let words = county.run(&["doctor"]).await.unwrap().stdout;
    assert!(words.contains("E052") && words.contains("must renew it"), "{words}");
    let log = county.logs().unwrap();
    assert_eq!(log.matches("code=E052").count(), 1, "told once:\n{log}");

    front.shows(tls(&authority.issue(10), None));
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();

    let ends = "tierlink_lane_certificate_expires_timestamp_seconds";
    figure_is(&county, ends, |at| at > 0.0).await;
    let wrong = doctor(&county).await.unwrap();
    let what = format!("the certificate of {SECOND}");
    assert_eq!(wrong.get(&what), Some(&page("TierLinkCertificateExpires")), "{wrong:?}");
    county.reload().await.unwrap();
    eventually("the log tells that it ends soon", async || {
        Ok(county.logs()?.contains("code=E056").then_some(()))
    })
    .await
    .unwrap();
    let log = county.logs().unwrap();
    assert!(log.contains(&format!("The certificate of {SECOND} ends on")), "{log}");

    front.shows(tls(&authority.issue(400), None));
    doctor_is_content(&county).await;
}

async fn our_own_certificate_is_taken_in_when_it_was_renewed(mode: Mode) {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let asks = tls(&authority.issue(400), Some(&authority));
    let (mut county, _front) = behind_tls(mode, asks, &authority).await;
    let ours = county.folder().join("ours.pem");
    county.profile(SECOND).unwrap().outbound.push("identity = \"ours.pem\"".to_owned());
    std::fs::write(&ours, foreign.issue(400)).unwrap();
    county.begin().await.unwrap();
    let case = refer(&county).await;
    let told = trouble(&county).await;
    assert_eq!(told["code"], "E055", "{told}");
    assert!(told["text"].as_str().unwrap().contains("refuses the certificate"), "{told}");

    std::fs::write(&ours, authority.issue(400)).unwrap();
    county.reload().await.unwrap();

    let arrives = county.hospital(SECOND).wait_for_kind("referral.submit", &case);
    tokio::time::timeout(Duration::from_secs(20), arrives).await.unwrap().unwrap();
    doctor_is_content(&county).await;
}
