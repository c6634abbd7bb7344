//! A network to test on: real sockets, short limits, invented certificate authorities.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use tierlink_http::{Counts, Doorkeeper, HttpLimits, Server};
use tierlink_socket::ByteBudget;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Whatever takes longer than this is hanging.
const HANGS_AFTER: Duration = Duration::from_secs(20);

/// A limit short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(200);

/// Any free port of this machine.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The default limits; tests shorten the one that they are about.
pub fn limits() -> HttpLimits {
    HttpLimits { stop_lasts: Duration::from_secs(10), ..HttpLimits::default() }
}

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn start(router: Router, limits: HttpLimits) -> Self {
        Self::start_with(router, limits, None).await
    }

    pub async fn start_with(
        router: Router,
        limits: HttpLimits,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let server = Server::bind(anywhere(), tls, limits).await.unwrap();
        Self::serve(server, router)
    }

    /// A server with this memory for bodies, which asks `doorkeeper` if there is one.
    pub async fn guarded(
        router: Router,
        limits: HttpLimits,
        budget: ByteBudget,
        doorkeeper: Option<Arc<dyn Doorkeeper>>,
    ) -> Self {
        let server = Server::bind(anywhere(), None, limits).await.unwrap().with_budget(budget);
        let server = match doorkeeper {
            Some(doorkeeper) => server.with_doorkeeper(doorkeeper),
            None => server,
        };
        Self::serve(server, router)
    }

    fn serve(server: Server, router: Router) -> Self {
        let (address, counts) = (server.address(), server.counts());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.serve(router, stop.clone()));
        Self { address, counts, stop, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(self) {
        soon(self.task).await.unwrap();
    }
}

/// The result of `work`, which must not hang.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(HANGS_AFTER, work).await.unwrap()
}

/// Waits until `holds`.
pub async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Everything that comes before the other side ends the connection, as text. A reset is an end too.
pub async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    soon(async {
        let mut all = Vec::new();
        let mut buffer = vec![0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(all).unwrap()
    })
    .await
}

/// What comes up to and including `end`.
pub async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    soon(async {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            all.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(all).unwrap()
    })
    .await
}

/// More headers than anybody needs.
pub fn headers(many: usize) -> String {
    "X-Flood: a\r\n".repeat(many)
}

/// A certificate authority of our own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, both PEM.
pub struct Papers {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Papers for a DNS name or an IP address.
    pub fn issue(&self, name: &str, common_name: &str) -> Papers {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Papers { chain, key: key.serialize_pem() }
    }
}

impl Papers {
    pub fn identity(&self) -> tierlink_http::tls::Identity<'_> {
        tierlink_http::tls::Identity { chain: self.chain.as_bytes(), key: self.key.as_bytes() }
    }
}
