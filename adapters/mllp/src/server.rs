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

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use rustls::ServerConfig;
use tierlink_schemas::problem::Code;
pub use tierlink_socket::{CannotListen, Peer};
use tierlink_socket::{Grumble, Listener, Place, Places, handshake, tune};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::codec::{self, Framing};
use crate::connection::House;
use crate::counts::Counts;
use crate::frame::Broken;
use crate::tls;

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
    /// Open connections in all. A further one takes the place of the one that has rested longest
    /// ([`tierlink_socket::places`]), or is closed at once.
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
        Self { address, peers: Vec::new(), limits, framing, tls: None }
    }
}

/// A bound listener. Nothing is accepted before [`Server::run`].
pub struct Server {
    listener: Listener,
    settings: Settings,
    door: Arc<dyn Door>,
    counts: Arc<Counts>,
}

impl Server {
    /// Takes the port.
    pub async fn bind(settings: Settings, door: Arc<dyn Door>) -> Result<Self, CannotListen> {
        let listener = Listener::bind(settings.address, CANNOT_LISTEN).await?;
        Ok(Self { listener, settings, door, counts: Arc::default() })
    }

    /// The address that we really listen on; tells the port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The counts, which go on while the server runs.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` is cancelled. Then accepts no more, lets the messages in hand be
    /// answered, closes every connection and returns, after `stop_lasts` at the latest.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, settings, door, counts } = self;
        let Settings { peers, limits, framing, tls, .. } = settings;
        let mut gate = Gate::new(peers, &limits, Arc::clone(&counts));
        let house = Arc::new(House { door, limits, framing, counts, stop });
        let tls = tls.map(TlsAcceptor::from);
        let address = listener.address();
        info!(listener = %address, "Listening for MLLP on {address}.");

        let open = listener.serve(
            &house.stop,
            |from| gate.admit(from),
            |socket, peer, place| {
                let (house, tls) = (Arc::clone(&house), tls.clone());
                async move { house.welcome(socket, peer, &place, tls).await }
            },
        );
        open.await.end(Instant::now() + limits.stop_lasts).await;
    }
}

impl House {
    /// Sets up the socket and TLS, then serves.
    async fn welcome(
        &self,
        socket: TcpStream,
        mut peer: Peer,
        place: &Place,
        tls: Option<TlsAcceptor>,
    ) {
        if let Err(error) = tune(&socket) {
            warn!(peer = %peer.address, %error, "{} was gone before it was served.", peer.address);
            return;
        }
        let Some(tls) = tls else {
            return self.serve(socket, peer, place).await;
        };

        let agreed = tokio::select! {
            () = self.stop.cancelled() => return,
            agreed = handshake(&tls, socket, self.limits.handshake_lasts) => agreed,
        };
        match agreed {
            Ok((stream, names)) => {
                peer.certificate_names = names;
                self.serve(stream, peer, place).await;
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
    fn new(peers: Vec<IpNet>, limits: &Limits, counts: Arc<Counts>) -> Self {
        let Limits { connections_max, connections_per_peer_max, .. } = *limits;
        let open = Arc::clone(&counts.open);
        let places = Places::new(connections_max, connections_per_peer_max, open);
        Self { peers, places, counts, grumble: Grumble::default() }
    }

    fn admit(&mut self, from: SocketAddr) -> Option<Place> {
        // An IPv4 address that came over an IPv6 socket is still that IPv4 address.
        let ip = from.ip().to_canonical();
        if !self.allows(ip) {
            self.counts.refused_address.add_one();
            self.grumble.say(Instant::now(), |more| {
                warn!(
                    code = NOT_ON_THE_LIST.as_str(), peer = %from, more,
                    "{NOT_ON_THE_LIST}: closed a connection from {from}: its address is not on the list."
                );
            });
            return None;
        }
        let place = self.places.take(ip);
        if let Some(place) = &place {
            self.counts.accepted.add_one();
            if place.displaced_another() {
                self.grumble.say(Instant::now(), |more| {
                    warn!(
                        code = FULL.as_str(), peer = %from, more,
                        "{FULL}: closed the connection that was silent longest, to let {from} in: too many are open."
                    );
                });
            }
        } else {
            self.counts.refused_full.add_one();
            self.grumble.say(Instant::now(), |more| {
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
