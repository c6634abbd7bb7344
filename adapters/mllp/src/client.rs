//! Sends messages to one MLLP address and waits for the answers to each.
//!
//! ```text
//!   exchange ──▶ connected and still alive? ──no──▶ connect
//!                   │                                  │
//!                   └───────────── send ◀──────────────┘
//!                                   │      ┌────────────────┐
//!                                   ▼      ▼                │ Stray: ignore, wait on
//!                                 wait for a frame ──▶ whose is it? ── MineButMoreComes: keep
//!                                                           │ Mine
//!                                                           ▼ done
//! ```
//!
//! The danger is to take an answer for another message's. Three measures prevent it: the caller's
//! matcher examines every frame; whatever arrived before the message was sent is discarded; and
//! after any failure, also when a call is dropped, the connection is closed, so that a late answer
//! has no receiver.
//!
//! One exchange at a time per client. Nothing is sent twice here; retrying is up to the caller.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tierlink_schemas::problem::Code;
use tierlink_socket::certificates::chain_ends_at;
use tierlink_socket::{Distrust, tune};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::{debug, warn};

use crate::codec::{self, Codec, Framing, HoldsFrameByte, write_frame};
use crate::frame::{Frame, Why};
use crate::wire::{Next, Patience, Wire};

/// How long to wait for a server to refuse our certificate, when only its reach is checked.
const REFUSAL_LASTS: Duration = Duration::from_millis(300);

/// Where to send, and how long to wait.
#[derive(Clone)]
pub struct Settings {
    /// Host name or IP address.
    pub host: String,
    /// TCP port of the other side.
    pub port: u16,
    /// TLS settings; without them, plain TCP.
    pub tls: Option<Tls>,
    /// What ends the frame of an answer.
    pub framing: Framing,
    /// Longest answer, in bytes.
    pub frame_bytes_max: usize,
    /// Longest time for connecting, TLS included.
    pub connect_lasts: Duration,
    /// Longest time for the other side to read the message.
    pub write_lasts: Duration,
    /// Longest time for the other side to answer; starts again after each `MineButMoreComes`.
    pub answer_lasts: Duration,
}

/// TLS settings for one address.
#[derive(Clone)]
pub struct Tls {
    /// TLS configuration from [`crate::tls::client`].
    pub config: Arc<ClientConfig>,
    /// The name that the other side's certificate must have, if it is not the host name.
    pub server_name: Option<String>,
}

impl Settings {
    /// Settings for plain TCP to `host` and `port`, with the default limits.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            framing: Framing::default(),
            frame_bytes_max: codec::FRAME_BYTES_MAX,
            connect_lasts: Duration::from_secs(10),
            write_lasts: Duration::from_secs(30),
            answer_lasts: Duration::from_secs(30),
        }
    }
}

/// Which message a frame answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Match {
    /// The answer to this message; the exchange is complete.
    Mine,
    /// Not for this message, such as a late acknowledgement of an earlier one.
    Stray,
    /// For this message, with another to follow, such as a commit acknowledgement before
    /// the application acknowledgement.
    MineButMoreComes,
}

/// Why there is no (final) answer. The message may have been accepted nevertheless, unless
/// `sent` is false.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent.
    #[error(
        "could not connect to {address}; check that it listens and that the network lets us in"
    )]
    CouldNotConnect {
        /// Host and port.
        address: String,
        /// The error of the network.
        source: io::Error,
    },
    /// No TLS came about. Nothing was sent that the other side could read.
    #[error("no TLS with {address}: {why}")]
    NoTls {
        /// Host and port.
        address: String,
        /// What must be mended.
        why: Distrust,
    },
    /// The connection ended before the final answer.
    #[error("the connection to {address} was lost before the answer came; send again")]
    ConnectionLost {
        /// Host and port.
        address: String,
        /// Whether the other side may have the whole message.
        sent: bool,
        /// The answers received before.
        heard: ReceivedAnswers,
    },
    /// The final answer did not come in time.
    #[error(
        "{address} did not answer in time; send again, or wait longer if it is known to be slow"
    )]
    TimedOut {
        /// Host and port.
        address: String,
        /// The answers received before.
        heard: ReceivedAnswers,
    },
    /// An answer came as a broken frame.
    #[error("the answer of {address} was a broken frame: {why}")]
    BrokenAnswer {
        /// Host and port.
        address: String,
        /// How it was broken.
        why: Why,
        /// The answers received before.
        heard: ReceivedAnswers,
    },
    /// The message cannot be framed. Nothing was sent.
    #[error(transparent)]
    CannotFrame(#[from] HoldsFrameByte),
}

impl NoAnswer {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::CouldNotConnect { .. } => Code::new("E001"),
            Self::NoTls { why, .. } => why.code(),
            Self::ConnectionLost { .. } => Code::new("E002"),
            Self::TimedOut { .. } => Code::new("E003"),
            Self::BrokenAnswer { .. } => Code::new("E004"),
            Self::CannotFrame(_) => Code::new("E005"),
        }
    }

    /// The answers that were received before the failure (`MineButMoreComes`).
    pub fn heard(&self) -> &[Bytes] {
        match self {
            Self::CouldNotConnect { .. } | Self::NoTls { .. } | Self::CannotFrame(_) => &[],
            Self::ConnectionLost { heard, .. }
            | Self::TimedOut { heard, .. }
            | Self::BrokenAnswer { heard, .. } => &heard.0,
        }
    }
}

/// Answers received before an exchange failed. `Debug` shows their number and no content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReceivedAnswers(pub Vec<Bytes>);

impl fmt::Debug for ReceivedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers", self.0.len())
    }
}

/// A client for one address, with its connection if there is one.
pub struct Client {
    settings: Settings,
    address: String,
    wire: Option<Wire<Box<dyn Stream>>>,
    strays: u64,
    /// When the certificate ends that the other side showed last.
    certificate_ends_at: Option<Timestamp>,
}

/// TCP, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Client {
    /// Makes a client. It connects when the first message is sent.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let address = format!("{}:{}", settings.host, settings.port);
        Self { settings, address, wire: None, strays: 0, certificate_ends_at: None }
    }

    /// Host and port, for logs.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Number of frames received that answered no message.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// When the certificate ends that the other side showed last; `None` if it has shown none.
    #[must_use]
    pub fn certificate_ends_at(&self) -> Option<Timestamp> {
        self.certificate_ends_at
    }

    /// Connects if necessary, and sends nothing. Checks whether the endpoint can be reached.
    pub async fn reach(&mut self) -> Result<(), NoAnswer> {
        let mut wire = self.connected().await?;
        if self.settings.tls.is_some() {
            // With TLS 1.3 a server looks at our certificate after the handshake, and only then
            // refuses it.
            wire.hears_more(REFUSAL_LASTS).await;
            if let Some(why) = wire.distrust() {
                return Err(NoAnswer::NoTls { address: self.address.clone(), why });
            }
        }
        self.wire = Some(wire);
        Ok(())
    }

    /// Closes the connection. The next exchange opens a new one.
    pub async fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.say_goodbye().await;
        }
    }

    /// Sends `message` and waits until `matches` has found its final answer. Returns all answers to
    /// it in the order of arrival; the last is the one matched as `Mine`.
    pub async fn exchange(
        &mut self,
        message: &[u8],
        matches: &(dyn Fn(&[u8]) -> Match + Sync),
    ) -> Result<Vec<Bytes>, NoAnswer> {
        // Put back only after success, so that in every other case dropping it
        // closes the connection.
        let mut wire = self.connected().await?;
        if let Err(error) = write_frame(message, wire.outbox()) {
            self.wire = Some(wire);
            return Err(error.into());
        }
        wire.send(self.settings.write_lasts).await.map_err(|unsent| {
            debug!(address = %self.address, error = %unsent.source, "The message did not get out.");
            match Distrust::of(&unsent.source) {
                Some(why) => NoAnswer::NoTls { address: self.address.clone(), why },
                None => self.lost(unsent.whole, Vec::new()),
            }
        })?;
        let answers =
            self.hear(&mut wire, matches).await.map_err(|silence| match wire.distrust() {
                Some(why) => NoAnswer::NoTls { address: self.address.clone(), why },
                None => silence,
            })?;
        self.wire = Some(wire);
        Ok(answers)
    }

    async fn hear(
        &mut self,
        wire: &mut Wire<Box<dyn Stream>>,
        matches: &(dyn Fn(&[u8]) -> Match + Sync),
    ) -> Result<Vec<Bytes>, NoAnswer> {
        let lasts = self.settings.answer_lasts;
        let patience = Patience { idle_lasts: lasts, frame_lasts: lasts };
        let mut answers = Vec::new();
        let mut until = Instant::now() + lasts;
        loop {
            let next = timeout_at(until, wire.next(patience)).await.unwrap_or(Next::Idle);
            match next {
                Next::Frame(Frame::Message(answer)) => match matches(&answer) {
                    Match::Mine => {
                        answers.push(answer);
                        return Ok(answers);
                    }
                    Match::MineButMoreComes => {
                        answers.push(answer);
                        until = Instant::now() + lasts;
                    }
                    Match::Stray => self.count_strays(1),
                },
                Next::Frame(Frame::Broken(broken)) => match broken.why {
                    // Noise around an answer; the answer itself may still come.
                    Why::Junk | Why::Empty => {
                        debug!(address = %self.address, why = ?broken.why, "Skipped noise.");
                    }
                    Why::CutOff => return Err(self.lost(true, answers)),
                    Why::TooSlow => return Err(self.timed_out(answers)),
                    // A client asks nobody for room.
                    Why::NoRoom
                    | Why::TooLarge
                    | Why::TooMuchJunk
                    | Why::HalfFrame
                    | Why::NoFinalReturn => {
                        let (address, heard) = (self.address.clone(), ReceivedAnswers(answers));
                        return Err(NoAnswer::BrokenAnswer { address, why: broken.why, heard });
                    }
                },
                Next::Closed => return Err(self.lost(true, answers)),
                Next::Idle => return Err(self.timed_out(answers)),
            }
        }
    }

    /// The existing connection if it can be used, or a new one.
    async fn connected(&mut self) -> Result<Wire<Box<dyn Stream>>, NoAnswer> {
        if let Some(mut wire) = self.wire.take() {
            if let Some(strays) = wire.clear_backlog(|stream| stream.socket()) {
                self.count_strays(strays);
                return Ok(wire);
            }
            debug!(address = %self.address, "The old connection is of no more use.");
        }
        let connected = timeout(self.settings.connect_lasts, self.connect()).await;
        let (stream, ends_at) =
            connected.unwrap_or_else(|late| Err(late.into())).map_err(|source| {
                let address = self.address.clone();
                match Distrust::of(&source) {
                    Some(why) => NoAnswer::NoTls { address, why },
                    None => NoAnswer::CouldNotConnect { address, source },
                }
            })?;
        self.certificate_ends_at = ends_at;
        let limits = codec::FrameLimits {
            frame_bytes_max: self.settings.frame_bytes_max,
            ..codec::FrameLimits::default()
        };
        Ok(Wire::new(stream, Codec::new(limits, self.settings.framing)))
    }

    /// A new connection, and when the certificate ends that the other side has shown.
    async fn connect(&self) -> io::Result<(Box<dyn Stream>, Option<Timestamp>)> {
        let Settings { host, port, tls, .. } = &self.settings;
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        tune(&socket)?;
        let Some(tls) = tls else {
            return Ok((Box::new(socket), None));
        };

        let name = tls.server_name.as_ref().unwrap_or(host).clone();
        let name = ServerName::try_from(name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(name, socket).await?;
        let ends_at = chain_ends_at(stream.get_ref().1.peer_certificates());
        Ok((Box::new(stream), ends_at))
    }

    fn count_strays(&mut self, more: u64) {
        if more > 0 {
            self.strays += more;
            warn!(
                address = %self.address, strays = self.strays,
                "Ignored {more} answers of {} that belong to no message in hand.", self.address
            );
        }
    }

    fn lost(&self, sent: bool, heard: Vec<Bytes>) -> NoAnswer {
        NoAnswer::ConnectionLost {
            address: self.address.clone(),
            sent,
            heard: ReceivedAnswers(heard),
        }
    }

    fn timed_out(&self, heard: Vec<Bytes>) -> NoAnswer {
        NoAnswer::TimedOut { address: self.address.clone(), heard: ReceivedAnswers(heard) }
    }
}
