//! Sends messages to one MLLP address and waits for what belongs to each.
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
//! The danger here is an answer taken for another message's. Three things stand against it: the
//! caller's matcher looks at every frame; whatever came before the message was sent is thrown away;
//! and after any failure, a dropped call included, the connection is closed, so that an answer that
//! comes late finds nobody.
//!
//! One exchange at a time per client. Nothing is sent twice here; retrying is the caller's decision.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tierlink_schemas::problem::Code;
use tierlink_socket::tune;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::{debug, warn};

use crate::codec::{self, Codec, Framing, HoldsFrameByte, write_frame};
use crate::frame::{Frame, Why};
use crate::wire::{Next, Patience, Wire};

/// Where to send, and how long to wait.
#[derive(Clone)]
pub struct Settings {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TLS; without it, plain TCP.
    pub tls: Option<Tls>,
    /// What ends an answer's frame.
    pub framing: Framing,
    /// The longest answer.
    pub frame_bytes_max: usize,
    /// How long connecting may take, with TLS.
    pub connect_lasts: Duration,
    /// How long the other side may take to read the message.
    pub write_lasts: Duration,
    /// How long the other side may take to answer; begins anew after each `MineButMoreComes`.
    pub answer_lasts: Duration,
}

/// TLS towards one address.
#[derive(Clone)]
pub struct Tls {
    /// From [`crate::tls::client`].
    pub config: Arc<ClientConfig>,
    /// The name that their certificate must carry, if it is not the host's.
    pub server_name: Option<String>,
}

impl Settings {
    /// Plain TCP to `host` and `port`, with the default limits.
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

/// Whose answer a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Match {
    /// The answer to this message; the exchange is over.
    Mine,
    /// Not for this message: for example a late acknowledgement of an earlier one.
    Stray,
    /// For this message, but not the last: for example a commit acknowledgement, with the
    /// application's still to come.
    MineButMoreComes,
}

/// Why there is no (last) answer. None of these says that the message was not taken, except where
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
        /// What the network says.
        source: io::Error,
    },
    /// The connection ended before the last answer.
    #[error("the connection to {address} was lost before the answer came; send again")]
    ConnectionLost {
        /// Host and port.
        address: String,
        /// Whether the other side may have the whole message.
        sent: bool,
        /// The answers before that.
        heard: ReceivedAnswers,
    },
    /// The last answer did not come in time.
    #[error(
        "{address} did not answer in time; send again, or wait longer if it is known to be slow"
    )]
    TimedOut {
        /// Host and port.
        address: String,
        /// The answers before that.
        heard: ReceivedAnswers,
    },
    /// An answer came, but not as a whole frame.
    #[error("the answer of {address} was a broken frame: {why}")]
    BrokenAnswer {
        /// Host and port.
        address: String,
        /// What broke it.
        why: Why,
        /// The answers before that.
        heard: ReceivedAnswers,
    },
    /// The message cannot be sent over MLLP at all. Nothing was sent.
    #[error(transparent)]
    CannotFrame(#[from] HoldsFrameByte),
}

impl NoAnswer {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::CouldNotConnect { .. } => Code::new("E001"),
            Self::ConnectionLost { .. } => Code::new("E002"),
            Self::TimedOut { .. } => Code::new("E003"),
            Self::BrokenAnswer { .. } => Code::new("E004"),
            Self::CannotFrame(_) => Code::new("E005"),
        }
    }

    /// The answers that did come: `MineButMoreComes`, and then nothing more.
    pub fn heard(&self) -> &[Bytes] {
        match self {
            Self::CouldNotConnect { .. } | Self::CannotFrame(_) => &[],
            Self::ConnectionLost { heard, .. }
            | Self::TimedOut { heard, .. }
            | Self::BrokenAnswer { heard, .. } => &heard.0,
        }
    }
}

/// Answers that came before an exchange failed. Prints as their number, never as their content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReceivedAnswers(pub Vec<Bytes>);

impl fmt::Debug for ReceivedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers", self.0.len())
    }
}

/// One address, and the connection to it while there is one.
pub struct Client {
    settings: Settings,
    address: String,
    wire: Option<Wire<Box<dyn Stream>>>,
    strays: u64,
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
    /// A client that connects when it first has something to say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let address = format!("{}:{}", settings.host, settings.port);
        Self { settings, address, wire: None, strays: 0 }
    }

    /// Host and port, for logs.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many frames came that answered nothing.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Connects if needed, and sends nothing. For asking whether an endpoint can be reached.
    pub async fn reach(&mut self) -> Result<(), NoAnswer> {
        self.wire = Some(self.connected().await?);
        Ok(())
    }

    /// Ends the connection. The next exchange opens a new one.
    pub async fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.say_goodbye().await;
        }
    }

    /// Sends `message` and waits until `matches` has seen the last answer to it. Returns all
    /// answers to it, in the order in which they came; the last is the one called `Mine`.
    pub async fn exchange(
        &mut self,
        message: &[u8],
        matches: &(dyn Fn(&[u8]) -> Match + Sync),
    ) -> Result<Vec<Bytes>, NoAnswer> {
        // Taken out and put back only after success: whatever else happens, it is closed.
        let mut wire = self.connected().await?;
        if let Err(error) = write_frame(message, wire.outbox()) {
            self.wire = Some(wire);
            return Err(error.into());
        }
        wire.send(self.settings.write_lasts).await.map_err(|unsent| {
            debug!(address = %self.address, error = %unsent.source, "The message did not get out.");
            self.lost(unsent.whole, Vec::new())
        })?;
        let answers = self.hear(&mut wire, matches).await?;
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

    /// The connection that is there, if it is of any use, or a new one.
    async fn connected(&mut self) -> Result<Wire<Box<dyn Stream>>, NoAnswer> {
        if let Some(mut wire) = self.wire.take() {
            if let Some(strays) = wire.clear_backlog(|stream| stream.socket()) {
                self.count_strays(strays);
                return Ok(wire);
            }
            debug!(address = %self.address, "The old connection is of no more use.");
        }
        let connected = timeout(self.settings.connect_lasts, self.connect()).await;
        let stream = connected.unwrap_or_else(|late| Err(late.into())).map_err(|source| {
            NoAnswer::CouldNotConnect { address: self.address.clone(), source }
        })?;
        let limits = codec::FrameLimits {
            frame_bytes_max: self.settings.frame_bytes_max,
            ..codec::FrameLimits::default()
        };
        Ok(Wire::new(stream, Codec::new(limits, self.settings.framing)))
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let Settings { host, port, tls, .. } = &self.settings;
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        tune(&socket)?;
        let Some(tls) = tls else {
            return Ok(Box::new(socket));
        };

        let name = tls.server_name.as_ref().unwrap_or(host).clone();
        let name = ServerName::try_from(name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        Ok(Box::new(connector.connect(name, socket).await?))
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
