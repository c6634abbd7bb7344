//! Posts messages to one URL and reads what it answers.
//!
//! ```text
//!   post ──▶ connect (or reuse) ──▶ send ──▶ status ──▶ body, up to a limit ──▶ Response
//!               │                     │         │          │ longer ──▶ Response, cut
//!               ▼                     ▼         ▼          ▼
//!         CouldNotConnect       ConnectionLost, TimedOut, BrokenAnswer
//! ```
//!
//! An answer is anything with a status, `500` and redirects included; the caller decides what it
//! means. Redirects are not followed, because a message about a patient may go only to the address
//! in the profile. Proxies from the environment are ignored for the same reason.
//!
//! Nothing is sent twice here; retrying is up to the caller. Several posts may run at
//! the same time.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::tls::TlsInfo;
use reqwest::{Body, Url, redirect, retry};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tierlink_schemas::Code;
use tierlink_socket::Distrust;
use tierlink_socket::certificates::{chain_ends_at, ends_at};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::response::{self, Response};
use crate::tls::{self, CannotUseTls, Roots};
use crate::upload::{Sent, Upload};

/// Most headers of an answer. More are taken for an attack or a fault.
const HEADERS_MAX: usize = 100;
/// How long to wait for a server to refuse our certificate, when only its reach is checked.
const REFUSAL_LASTS: Duration = Duration::from_millis(300);
/// Value of the header `User-Agent`.
const USER_AGENT: &str = concat!("TierLink/", env!("CARGO_PKG_VERSION"));

/// Where and how to post, and how long to wait.
#[derive(Clone)]
pub struct Settings {
    /// URL with `http://` or `https://`, without user and password.
    pub url: String,
    /// TLS configuration from [`crate::tls::client`]. Without it, `https://` trusts the operating
    /// system's certificate authorities.
    pub tls: Option<Arc<ClientConfig>>,
    /// Bearer token, sent as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// Longest time for connecting, TLS included.
    pub connect_lasts: Duration,
    /// Longest time for the whole exchange, from connecting to the end of the answer.
    pub exchange_lasts: Duration,
    /// How long an idle connection is kept. Shorter than most servers keep it, so that no message
    /// is sent on a connection that is being closed.
    pub idle_lasts: Duration,
    /// Most idle connections to keep.
    pub idle_connections_max: usize,
    /// Most bytes of an answer's body to read.
    pub answer_bytes_max: usize,
}

impl Settings {
    /// Posts to `url` with the default limits.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: None,
            token: None,
            connect_lasts: Duration::from_secs(10),
            // 8 MiB take 70 seconds on a village's 1 Mbit/s line.
            exchange_lasts: Duration::from_secs(90),
            idle_lasts: Duration::from_secs(20),
            idle_connections_max: 4,
            answer_bytes_max: 1024 * 1024,
        }
    }
}

/// Why there is no answer. The message may have been accepted nevertheless, unless `sent` is false.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent.
    #[error(
        "could not connect to {address}; check that it listens and that the network lets us in"
    )]
    CouldNotConnect {
        /// Host and port.
        address: String,
        /// The error of the network or of TLS.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No TLS came about. Nothing was sent.
    #[error("no TLS with {address}: {why}")]
    NoTls {
        /// Host and port.
        address: String,
        /// What must be mended.
        why: Distrust,
    },
    /// The connection ended before the answer.
    #[error("the connection to {address} was lost before the answer came; send again")]
    ConnectionLost {
        /// Host and port.
        address: String,
        /// Whether the other side may have the whole message.
        sent: bool,
        /// The error of the network.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The answer did not come in time.
    #[error(
        "{address} did not answer in time; send again, or wait longer if it is known to be slow"
    )]
    TimedOut {
        /// Host and port.
        address: String,
        /// Whether the other side may have the whole message.
        sent: bool,
    },
    /// The answer was not HTTP, or ended early.
    #[error("the answer of {address} was broken; check that an HTTP server listens there")]
    BrokenAnswer {
        /// Host and port.
        address: String,
        /// The status code, if it was received.
        status: Option<u16>,
        /// The error that ended reading.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The message cannot be sent over HTTP with this header value. Nothing was sent.
    #[error("the header {header} cannot be sent; use visible characters only")]
    CannotSend {
        /// Name of the header.
        header: &'static str,
    },
}

impl NoAnswer {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::CouldNotConnect { .. } => Code::new("E030"),
            Self::NoTls { why, .. } => why.code(),
            Self::ConnectionLost { .. } => Code::new("E031"),
            Self::TimedOut { .. } => Code::new("E032"),
            Self::BrokenAnswer { .. } => Code::new("E033"),
            Self::CannotSend { .. } => Code::new("E034"),
        }
    }

    /// Whether the other side may have the whole message.
    pub const fn sent(&self) -> bool {
        match self {
            Self::CouldNotConnect { .. } | Self::NoTls { .. } | Self::CannotSend { .. } => false,
            Self::ConnectionLost { sent, .. } | Self::TimedOut { sent, .. } => *sent,
            Self::BrokenAnswer { .. } => true,
        }
    }
}

/// Why settings cannot be used. No text contains the URL, because it may contain a secret.
#[derive(Debug, thiserror::Error)]
pub enum CannotPost {
    /// Not a URL, or not an HTTP one.
    #[error("the URL cannot be used; write it as https://host:port/path")]
    Url,
    /// The URL has a user or password, which would appear in logs.
    #[error("the URL holds a user or a password; take it out and set a token instead")]
    UrlHoldsPassword,
    /// The token has characters other than visible ASCII.
    #[error("the token cannot be sent in a header; check its file for line breaks and spaces")]
    Token,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] CannotUseTls),
}

impl CannotPost {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Tls(source) => source.code(),
            Self::Url | Self::UrlHoldsPassword | Self::Token => Code::new("E035"),
        }
    }
}

/// Client for one URL, with its connections.
pub struct Client {
    /// Made with the first post, and again after the connections were forgotten: most of ten
    /// thousand destinations are idle, and an idle one costs only what says how to reach it.
    inner: OnceLock<reqwest::Client>,
    fresh: FreshConnections,
    url: Url,
    host: String,
    port: u16,
    address: String,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
    connect_lasts: Duration,
    answer_bytes_max: usize,
    /// When the certificate ends that the other side showed last.
    certificate_ends_at: Mutex<Option<Timestamp>>,
}

/// The settings for a client of the library without any connection.
struct FreshConnections {
    /// Set even for plain HTTP, because the library would otherwise look for a process-wide
    /// one and fail.
    tls: Arc<ClientConfig>,
    connect_lasts: Duration,
    exchange_lasts: Duration,
    idle_lasts: Duration,
    idle_connections_max: usize,
}

impl FreshConnections {
    fn build(&self) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .user_agent(USER_AGENT)
            .http1_only()
            .http1_max_headers(HEADERS_MAX)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .tls_info(true)
            .tcp_nodelay(true)
            .connect_timeout(self.connect_lasts)
            .timeout(self.exchange_lasts)
            .pool_idle_timeout(self.idle_lasts)
            .pool_max_idle_per_host(self.idle_connections_max)
            .build()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a client of {}", self.address)
    }
}

impl Client {
    /// Makes a client. It connects when the first message is sent.
    pub fn new(settings: Settings) -> Result<Self, CannotPost> {
        let url = Url::parse(&settings.url).map_err(|_quotes_it| CannotPost::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CannotPost::UrlHoldsPassword);
        }
        let tls = match (url.scheme(), settings.tls) {
            ("http", _) => None,
            ("https", Some(tls)) => Some(tls),
            ("https", None) => Some(tls::client(Roots::System, None)?),
            _ => return Err(CannotPost::Url),
        };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(CannotPost::Url);
        };
        // An IPv6 address has brackets in a URL, but not for the network.
        let host = host.trim_matches(['[', ']']).to_owned();
        let address = format!("{}:{port}", url.host_str().unwrap_or_default());
        let authorization = settings.token.as_deref().map(authorization).transpose()?;

        let fresh = FreshConnections {
            tls: tls.clone().map_or_else(tls::none, Ok)?,
            connect_lasts: settings.connect_lasts,
            exchange_lasts: settings.exchange_lasts,
            idle_lasts: settings.idle_lasts,
            idle_connections_max: settings.idle_connections_max,
        };
        let Settings { connect_lasts, answer_bytes_max, .. } = settings;
        Ok(Self {
            inner: OnceLock::new(),
            fresh,
            url,
            host,
            port,
            address,
            tls,
            authorization,
            connect_lasts,
            answer_bytes_max,
            certificate_ends_at: Mutex::new(None),
        })
    }

    /// Host and port, for logs.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes every idle connection, so that the next post uses a new one.
    ///
    /// After a refusal another answer may follow, because some systems answer twice. On a reused
    /// connection it would be taken for the answer to the next message.
    pub fn forget_connections(&mut self) {
        self.inner = OnceLock::new();
    }

    /// The library's client. Two that post at once for the first time use the same one.
    fn inner(&self) -> Result<&reqwest::Client, reqwest::Error> {
        match self.inner.get() {
            Some(inner) => Ok(inner),
            None => {
                let made = self.fresh.build()?;
                Ok(self.inner.get_or_init(|| made))
            }
        }
    }

    /// When the certificate ends that the other side showed last; `None` if it has shown none.
    #[must_use]
    pub fn certificate_ends_at(&self) -> Option<Timestamp> {
        *self.certificate_ends_at.lock()
    }

    /// Connects, with TLS if configured, and sends nothing; the connection is not kept. Checks
    /// whether the endpoint can be reached.
    pub async fn reach(&self) -> Result<(), NoAnswer> {
        let connected = timeout(self.connect_lasts, self.connect()).await;
        connected
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(|source| self.not_connected(source.into()))
    }

    async fn connect(&self) -> io::Result<()> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let Some(tls) = &self.tls else { return Ok(()) };

        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await?;
        *self.certificate_ends_at.lock() = chain_ends_at(stream.get_ref().1.peer_certificates());
        // With TLS 1.3 a server looks at our certificate after all this, and only then refuses it.
        match timeout(REFUSAL_LASTS, stream.read_u8()).await {
            Ok(Err(error)) if Distrust::of(&error).is_some() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn not_connected(&self, source: Box<dyn StdError + Send + Sync>) -> NoAnswer {
        let address = self.address.clone();
        match Distrust::of(&*source) {
            Some(why) => NoAnswer::NoTls { address, why },
            None => NoAnswer::CouldNotConnect { address, source },
        }
    }

    /// Posts `bytes` and waits for the answer. `headers` are sent in addition to the usual ones,
    /// such as `X-Request-Id`.
    pub async fn post(
        &self,
        bytes: impl Into<Bytes>,
        media_type: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Response, NoAnswer> {
        let headers = self.headers(media_type, headers)?;
        let (upload, sent) = Upload::new(bytes.into());
        let inner = self.inner().map_err(|error| NoAnswer::CouldNotConnect {
            address: self.address.clone(),
            source: error.without_url().into(),
        })?;
        let request = inner.post(self.url.clone()).headers(headers).body(Body::wrap(upload));
        let answer = request.send().await.map_err(|error| self.silence(error, &sent))?;
        let seen = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        if let Some(at) = seen.and_then(ends_at) {
            *self.certificate_ends_at.lock() = Some(at);
        }
        let status = answer.status().as_u16();
        response::read(answer, self.answer_bytes_max)
            .await
            .map_err(|error| self.broken_off(error, status))
    }

    fn headers(
        &self,
        media_type: &str,
        more: &[(&'static str, String)],
    ) -> Result<HeaderMap, NoAnswer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, visible("Content-Type", media_type)?);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        for (header, value) in more {
            let name = HeaderName::from_bytes(header.as_bytes())
                .map_err(|_not_a_name| NoAnswer::CannotSend { header })?;
            headers.insert(name, visible(header, value)?);
        }
        Ok(headers)
    }

    /// The error if no status was received.
    fn silence(&self, error: reqwest::Error, sent: &Sent) -> NoAnswer {
        let address = self.address.clone();
        let sent = sent.whole();
        if error.is_connect() {
            return self.not_connected(error.without_url().into());
        }
        if let Some(why) = Distrust::of(&error) {
            return NoAnswer::NoTls { address, why };
        }
        if error.is_timeout() {
            return NoAnswer::TimedOut { address, sent };
        }
        let source = error.without_url();
        if in_chain(&source, |it: &hyper::Error| it.is_parse()) {
            return NoAnswer::BrokenAnswer { address, status: None, source: source.into() };
        }
        NoAnswer::ConnectionLost { address, sent, source: source.into() }
    }

    /// The error if the status was received and the body was not.
    fn broken_off(&self, error: reqwest::Error, status: u16) -> NoAnswer {
        let address = self.address.clone();
        if error.is_timeout() {
            return NoAnswer::TimedOut { address, sent: true };
        }
        let source = error.without_url().into();
        NoAnswer::BrokenAnswer { address, status: Some(status), source }
    }
}

/// Whether some cause of `error` has type `E` and satisfies `is`.
fn in_chain<E: StdError + 'static>(error: &reqwest::Error, is: impl Fn(&E) -> bool) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref()).any(is)
}

fn authorization(token: &str) -> Result<HeaderValue, CannotPost> {
    let is_visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_visible {
        return Err(CannotPost::Token);
    }
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_invalid| CannotPost::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header value of visible ASCII and spaces only. Header values are names and ids, not texts.
fn visible(header: &'static str, value: &str) -> Result<HeaderValue, NoAnswer> {
    let is_visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_visible {
        return Err(NoAnswer::CannotSend { header });
    }
    HeaderValue::from_str(value).map_err(|_invalid| NoAnswer::CannotSend { header })
}
