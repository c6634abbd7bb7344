//! Posts messages to one URL and reads what it answers.
//!
//! ```text
//!   post ──▶ connect (or reuse) ──▶ send ──▶ status ──▶ body, up to a limit ──▶ Response
//!               │                     │         │          │ longer ──▶ Response, cut
//!               ▼                     ▼         ▼          ▼
//!         CouldNotConnect       ConnectionLost, TimedOut, BrokenAnswer
//! ```
//!
//! An answer is whatever has a status, `500` and redirects included: what it means is for the
//! caller to say. Redirects are not followed, because a message with a patient in it goes to the
//! address in the profile and nowhere else. Proxies in the environment are ignored for the same
//! reason.
//!
//! Nothing is sent twice here; retrying is the caller's decision. Many posts may be on their way at
//! once.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use reqwest::{Body, Url, redirect, retry};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tierlink_schemas::Code;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::response::{self, Response};
use crate::tls::{self, CannotUseTls, Roots};
use crate::upload::{Sent, Upload};

/// An answer's headers are few; a flood of them is an attack or a loop.
const HEADERS_MAX: usize = 100;
/// What we call ourselves.
const USER_AGENT: &str = concat!("TierLink/", env!("CARGO_PKG_VERSION"));

/// Where to post, how to show who we are, and how long to wait.
#[derive(Clone)]
pub struct Settings {
    /// `http://` or `https://`, without user and password.
    pub url: String,
    /// From [`crate::tls::client`]. Without it, `https://` trusts the operating system's roots.
    pub tls: Option<Arc<ClientConfig>>,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// How long connecting may take, with TLS.
    pub connect_lasts: Duration,
    /// How long all of it may take: connecting, sending, and reading the answer to its end.
    pub exchange_lasts: Duration,
    /// How long an unused connection is kept. Shorter than most servers keep it, or we would post
    /// into a connection that is being closed.
    pub idle_lasts: Duration,
    /// Unused connections that are kept.
    pub idle_connections_max: usize,
    /// How much of an answer's body is read.
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
            // 8 MiB over a village's 1 Mbit/s line take 70 seconds.
            exchange_lasts: Duration::from_secs(90),
            idle_lasts: Duration::from_secs(20),
            idle_connections_max: 4,
            answer_bytes_max: 1024 * 1024,
        }
    }
}

/// Why there is no answer. None of these says that the message was not taken, except where `sent`
/// is false.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent.
    #[error(
        "could not connect to {address}; check that it listens and that the network lets us in"
    )]
    CouldNotConnect {
        /// Host and port.
        address: String,
        /// What the network, or TLS, says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection ended before the answer.
    #[error("the connection to {address} was lost before the answer came; send again")]
    ConnectionLost {
        /// Host and port.
        address: String,
        /// Whether the other side may have the whole message.
        sent: bool,
        /// What the network says.
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
    /// An answer came, but it was not HTTP, or it broke off.
    #[error("the answer of {address} was broken; check that an HTTP server listens there")]
    BrokenAnswer {
        /// Host and port.
        address: String,
        /// The status, if it came as far as that.
        status: Option<u16>,
        /// What broke it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The message cannot be sent over HTTP with this header. Nothing was sent.
    #[error("the header {header} cannot be sent; use visible characters only")]
    CannotSend {
        /// Which header.
        header: &'static str,
    },
}

impl NoAnswer {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::CouldNotConnect { .. } => Code::new("E030"),
            Self::ConnectionLost { .. } => Code::new("E031"),
            Self::TimedOut { .. } => Code::new("E032"),
            Self::BrokenAnswer { .. } => Code::new("E033"),
            Self::CannotSend { .. } => Code::new("E034"),
        }
    }

    /// Whether the other side may have the whole message.
    pub const fn sent(&self) -> bool {
        match self {
            Self::CouldNotConnect { .. } | Self::CannotSend { .. } => false,
            Self::ConnectionLost { sent, .. } | Self::TimedOut { sent, .. } => *sent,
            Self::BrokenAnswer { .. } => true,
        }
    }
}

/// Why settings cannot be used. The texts never hold the URL: it may carry a secret.
#[derive(Debug, thiserror::Error)]
pub enum CannotPost {
    /// Not a URL, or not one of HTTP.
    #[error("the URL cannot be used; write it as https://host:port/path")]
    Url,
    /// A user or a password in the URL ends up in logs and in other people's hands.
    #[error("the URL holds a user or a password; take it out and set a token instead")]
    UrlHoldsPassword,
    /// The token is not visible ASCII.
    #[error("the token cannot be sent in a header; check its file for line breaks and spaces")]
    Token,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] CannotUseTls),
}

impl CannotPost {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Tls(source) => source.code(),
            Self::Url | Self::UrlHoldsPassword | Self::Token => Code::new("E035"),
        }
    }
}

/// One URL, and the connections to it while there are some.
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
}

/// What the library needs to begin with no connection at all.
struct FreshConnections {
    /// Given also where nothing uses it: otherwise it is looked for in the process, in vain.
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
    /// A client that connects when it first has something to say.
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
        // Brackets belong to a URL's IPv6 address, not to the network's.
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
        })
    }

    /// Host and port, for logs.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes every idle connection, so that the next post makes a new one.
    ///
    /// After a refusal a further answer may still be on its way: some systems answer twice. On a
    /// connection that is used again it would be taken for the answer to the next message.
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

    /// Connects, with TLS if there is any, and sends nothing. For asking whether an endpoint can be
    /// reached. The connection is not kept.
    pub async fn reach(&self) -> Result<(), NoAnswer> {
        let connected = timeout(self.connect_lasts, self.connect()).await;
        connected.unwrap_or_else(|late| Err(late.into())).map_err(|source| {
            NoAnswer::CouldNotConnect { address: self.address.clone(), source: source.into() }
        })
    }

    async fn connect(&self) -> io::Result<()> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let Some(tls) = &self.tls else { return Ok(()) };

        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(Arc::clone(tls)).connect(name, socket).await?;
        Ok(())
    }

    /// Posts `bytes` and waits for the answer. `headers` come on top of those of every post, for
    /// example `X-Request-Id`.
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

    /// No status came.
    fn silence(&self, error: reqwest::Error, sent: &Sent) -> NoAnswer {
        let address = self.address.clone();
        let sent = sent.whole();
        if error.is_connect() {
            return NoAnswer::CouldNotConnect { address, source: error.without_url().into() };
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

    /// A status came, and its body did not.
    fn broken_off(&self, error: reqwest::Error, status: u16) -> NoAnswer {
        let address = self.address.clone();
        if error.is_timeout() {
            return NoAnswer::TimedOut { address, sent: true };
        }
        let source = error.without_url().into();
        NoAnswer::BrokenAnswer { address, status: Some(status), source }
    }
}

/// The causes of `error` that are of type `E`: is any as asked?
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

/// Names and ids belong into headers, not text: nothing but visible ASCII and spaces.
fn visible(header: &'static str, value: &str) -> Result<HeaderValue, NoAnswer> {
    let is_visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_visible {
        return Err(NoAnswer::CannotSend { header });
    }
    HeaderValue::from_str(value).map_err(|_invalid| NoAnswer::CannotSend { header })
}
