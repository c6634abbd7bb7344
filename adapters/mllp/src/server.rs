//! Listens for MLLP connections and hands their messages to a [`Door`].
//!
//! ```text
//!   accept ──▶ is the address allowed? ──▶ is there a place? ──▶ TLS ──▶ connection.rs
//!                    │ no                       │ no
//!                    └──────── closed at once ──┘
//! ```
//!
//! A connection that cannot be served is closed at once and counted: a sender that hangs in the
//! dark cannot tell us from a dead network. Authenticating the *organisation* is the door's
//! business; this file knows addresses and certificates only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use rustls::ServerConfig;
use tierlink_schemas::problem::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::certificates;
use crate::codec::{self, Framing};
use crate::connection::House;
use crate::counts::Counts;
use crate::frame::Broken;
use crate::places::Places;
use crate::{tls, wire};

const CANNOT_LISTEN: Code = Code::new("E006");
const FULL: Code = Code::new("E018");
const NOT_ON_THE_LIST: Code = Code::new("E019");

/// Where messages go. One door serves all connections of a server, many at a time.
#[async_trait::async_trait]
pub trait Door: Send + Sync + 'static {
    /// Takes one message and says what to answer. Runs to its end even if the sender hangs up.
    async fn receive(&self, peer: Peer, message: Bytes) -> Answer;

    /// Hears of a frame that broke, and may answer it. `broken.raw` may hold patient data.
    async fn broken(&self, peer: Peer, broken: Broken) -> Option<Bytes>;
}

/// What to tell the sender of a message.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// These, each in a frame of its own, in order: an acknowledgement, or in enhanced mode a
    /// commit acknowledgement and the application's.
    Reply(Vec<Bytes>),
    /// Nothing; the connection stays.
    Silent,
    /// Nothing; the connection is closed.
    Close,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Their address.
    pub address: SocketAddr,
    /// The common name and DNS names of their certificate. Empty without one.
    pub certificate_names: Arc<[String]>,
    /// The address of ours that they came to.
    pub listener: SocketAddr,
}

/// How much a server takes, and how long it waits.
///
/// The most memory that frames can fill is `frame_bytes_max` times `connections_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message.
    pub frame_bytes_max: usize,
    /// The most bytes to look through for a frame's start.
    pub junk_bytes_max: usize,
    /// How much of a broken frame the door gets to see.
    pub raw_bytes_max: usize,
    /// Open connections in all. Further ones are closed at once.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_peer_max: usize,
    /// How long a connection may stay without a message. Senders keep connections for hours.
    pub idle_lasts: Duration,
    /// How long a frame may take from first byte to last: 8 MiB over a village's 1 Mbit/s line.
    pub frame_lasts: Duration,
    /// How long the sender may take to read our answer.
    pub write_lasts: Duration,
    /// How long TLS may take to agree.
    pub handshake_lasts: Duration,
    /// How long messages in hand may take to be answered once the server stops.
    pub stop_lasts: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: codec::FRAME_BYTES_MAX,
            junk_bytes_max: codec::JUNK_BYTES_MAX,
            raw_bytes_max: codec::RAW_BYTES_MAX,
            connections_max: 1024,
            connections_per_peer_max: 32,
            idle_lasts: Duration::from_hours(4),
            frame_lasts: Duration::from_mins(2),
            write_lasts: Duration::from_secs(30),
            handshake_lasts: Duration::from_secs(10),
            stop_lasts: Duration::from_secs(20),
        }
    }
}

impl Limits {
    pub(crate) fn codec(&self) -> codec::Limits {
        codec::Limits {
            frame_bytes_max: self.frame_bytes_max,
            junk_bytes_max: self.junk_bytes_max,
            raw_bytes_max: self.raw_bytes_max,
        }
    }
}

/// How to listen.
#[derive(Clone)]
pub struct Settings {
    /// Where.
    pub address: SocketAddr,
    /// From where connections may come. Empty means from this machine only.
    pub peers: Vec<IpNet>,
    /// How much, how long.
    pub limits: Limits,
    /// What ends a frame.
    pub framing: Framing,
    /// TLS, from [`crate::tls::server`]; without it, plain TCP.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Settings {
    /// Plain TCP on `address`, from this machine only, with the default limits.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let (limits, framing) = (Limits::default(), Framing::default());
        Self {
            address,
            peers: Vec::new(),
            limits,
            framing,
            tls: None,
        }
    }
}

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}; is the port free, and is the address one of this machine?")]
pub struct CannotListen {
    /// The address.
    pub address: SocketAddr,
    /// What the operating system says.
    pub source: io::Error,
}

impl CannotListen {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        CANNOT_LISTEN
    }
}

/// A bound listener. Nothing is accepted before [`Server::run`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
    door: Arc<dyn Door>,
    counts: Arc<Counts>,
}

/// Running out of files or memory does not end by asking again at once.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A flood of unwelcome connections gets one log line in this time.
const GRUMBLE_EVERY: Duration = Duration::from_secs(1);

impl Server {
    /// Takes the port.
    pub async fn bind(settings: Settings, door: Arc<dyn Door>) -> Result<Self, CannotListen> {
        let cannot = |source| CannotListen {
            address: settings.address,
            source,
        };
        let listener = TcpListener::bind(settings.address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self {
            listener,
            address,
            settings,
            door,
            counts: Arc::default(),
        })
    }

    /// The address that we really listen on; tells the port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counts, which go on while the server runs.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` is cancelled. Then accepts no more, lets the messages in hand be
    /// answered, closes every connection and returns, after `stop_lasts` at the latest.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            listener,
            address,
            settings,
            door,
            counts,
        } = self;
        let Settings {
            peers,
            limits,
            framing,
            tls,
            ..
        } = settings;
        let house = House {
            door,
            limits,
            framing,
            counts: Arc::clone(&counts),
            stop,
        };
        let places = Places::new(
            limits.connections_max,
            limits.connections_per_peer_max,
            Arc::clone(&counts),
        );
        let mut gate = Gate {
            places,
            peers,
            counts,
            grumble: Grumble::default(),
        };
        let house = Arc::new(house);
        let tls = tls.map(TlsAcceptor::from);
        let mut open = JoinSet::new();
        info!(listener = %address, "Listening for MLLP on {address}.");

        loop {
            let accepted = tokio::select! {
                biased;
                () = house.stop.cancelled() => break,
                Some(_ended) = open.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, from)) => {
                    let Some(place) = gate.admit(from) else {
                        continue;
                    };
                    let peer = Peer {
                        address: from,
                        certificate_names: Arc::from([]),
                        listener: address,
                    };
                    let (house, tls) = (Arc::clone(&house), tls.clone());
                    open.spawn(async move {
                        house.welcome(socket, peer, tls).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    gate.grumble.say(|_| {
                        error!(
                            code = CANNOT_LISTEN.as_str(), %error,
                            "{CANNOT_LISTEN}: {address} cannot accept connections."
                        );
                    });
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }

        drop(listener);
        let all_ended = async { while open.join_next().await.is_some() {} };
        if timeout(limits.stop_lasts, all_ended).await.is_err() {
            let left = open.len();
            warn!(listener = %address, left, "{left} connections did not end in time.");
        }
        open.shutdown().await;
    }
}

impl House {
    /// Sets up the socket and TLS, then serves.
    async fn welcome(&self, socket: TcpStream, mut peer: Peer, tls: Option<TlsAcceptor>) {
        if let Err(error) = wire::tune(&socket) {
            warn!(peer = %peer.address, %error, "{} was gone before it was served.", peer.address);
            return;
        }
        let Some(tls) = tls else {
            return self.serve(socket, peer).await;
        };

        let handshake = timeout(self.limits.handshake_lasts, tls.accept(socket));
        let agreed = tokio::select! {
            () = self.stop.cancelled() => return,
            agreed = handshake => agreed.unwrap_or_else(|late| Err(late.into())),
        };
        match agreed {
            Ok(stream) => {
                peer.certificate_names =
                    certificates::names(stream.get_ref().1.peer_certificates());
                self.serve(stream, peer).await;
            }
            Err(error) => {
                self.counts.handshakes_failed.add_one();
                let code = tls::CODE;
                warn!(
                    code = code.as_str(), peer = %peer.address, %error,
                    "{code}: no TLS with {}: {error}.", peer.address
                );
            }
        }
    }
}

/// Decides who comes in.
struct Gate {
    peers: Vec<IpNet>,
    places: Arc<Places>,
    counts: Arc<Counts>,
    grumble: Grumble,
}

impl Gate {
    fn admit(&mut self, from: SocketAddr) -> Option<crate::places::Place> {
        // An IPv4 address that came over an IPv6 socket is still that IPv4 address.
        let ip = from.ip().to_canonical();
        if !self.allows(ip) {
            self.counts.refused_address.add_one();
            self.grumble.say(|more| {
                warn!(
                    code = NOT_ON_THE_LIST.as_str(), peer = %from, more,
                    "{NOT_ON_THE_LIST}: closed a connection from {from}: its address is not on the list."
                );
            });
            return None;
        }
        let place = self.places.take(ip);
        if place.is_some() {
            self.counts.accepted.add_one();
        } else {
            self.counts.refused_full.add_one();
            self.grumble.say(|more| {
                warn!(
                    code = FULL.as_str(), peer = %from, more,
                    "{FULL}: closed a connection from {from}: too many are open."
                );
            });
        }
        place
    }

    fn allows(&self, ip: IpAddr) -> bool {
        if self.peers.is_empty() {
            return ip.is_loopback();
        }
        self.peers.iter().any(|network| network.contains(&ip))
    }
}

/// Keeps a flood of connections from becoming a flood of log lines.
#[derive(Default)]
struct Grumble {
    quiet_until: Option<Instant>,
    unsaid: u64,
}

impl Grumble {
    /// Says it, with how many lines were left out before, unless it was said a moment ago.
    fn say(&mut self, line: impl FnOnce(u64)) {
        let now = Instant::now();
        if self.quiet_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return;
        }
        line(std::mem::take(&mut self.unsaid));
        self.quiet_until = Some(now + GRUMBLE_EVERY);
    }
}
