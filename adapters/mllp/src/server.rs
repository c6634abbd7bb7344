//! Accepts MLLP connections and passes their messages to a [`Door`].
//!
//! ```text
//!   accept ──▶ is the address allowed? ──▶ is there a place? ──▶ TLS ──▶ connection.rs
//!                    │ no                       │ no
//!                    └──────── closed at once ──┘
//! ```
//!
//! A connection that cannot be served is closed at once and counted, because a sender that is left
//! waiting cannot tell this from a broken network. The door authenticates the organisation; this
//! file knows only addresses and certificates.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use rustls::ServerConfig;
use tierlink_schemas::problem::Code;
use tierlink_socket::{
    ByteBudget, Distrust, Listener, LogThrottle, Place, Places, handshake, tune,
};
pub use tierlink_socket::{CannotListen, Peer};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::codec::Framing;
use crate::connection::ServerContext;
use crate::counts::Counts;
pub use crate::door::{Answer, Door, MllpLimits};
use crate::tls;

const CANNOT_LISTEN: Code = Code::new("E006");
const FULL: Code = Code::new("E018");
/// The memory for frames unless somebody says otherwise.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;
const NOT_ON_THE_LIST: Code = Code::new("E019");

/// How to listen.
#[derive(Clone)]
pub struct Settings {
    /// Address and port.
    pub address: SocketAddr,
    /// Networks from which connections are accepted. Empty means this machine only.
    pub peers: Vec<IpNet>,
    /// Load balancers, which say whose each connection is ([`Listener::behind`]).
    pub proxies: Vec<IpNet>,
    /// How much, how long.
    pub limits: MllpLimits,
    /// What ends a frame.
    pub framing: Framing,
    /// TLS configuration from [`crate::tls::server`]; without it, plain TCP.
    pub tls: Option<Arc<ServerConfig>>,
    /// The memory for frames that are arriving or not answered yet. Other servers may share it.
    pub budget: ByteBudget,
}

impl Settings {
    /// Settings for plain TCP on `address`, from this machine only, with the default limits.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let (limits, framing) = (MllpLimits::default(), Framing::default());
        let budget = ByteBudget::new(BUDGET_BYTES);
        let (peers, proxies) = (Vec::new(), Vec::new());
        Self { address, peers, proxies, limits, framing, tls: None, budget }
    }
}

/// A bound listener. Accepts nothing before [`Server::run`].
pub struct Server {
    listener: Listener,
    settings: Settings,
    door: Arc<dyn Door>,
    counts: Arc<Counts>,
}

impl Server {
    /// Binds the port.
    pub async fn bind(settings: Settings, door: Arc<dyn Door>) -> Result<Self, CannotListen> {
        let listener = Listener::bind(settings.address, CANNOT_LISTEN).await?;
        let listener = listener.behind(settings.proxies.clone());
        Ok(Self { listener, settings, door, counts: Arc::default() })
    }

    /// The bound address, with the actual port if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The counters, which are updated while the server runs.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` is cancelled. Then accepts no more, waits for the messages being
    /// handled, closes every connection and returns, at the latest after `stop_lasts`.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, settings, door, counts } = self;
        let Settings { peers, limits, framing, tls, budget, .. } = settings;
        let mut gate = Gate::new(peers, &limits, Arc::clone(&counts));
        let context = Arc::new(ServerContext { door, limits, framing, counts, budget, stop });
        let tls = tls.map(TlsAcceptor::from);
        let address = listener.address();
        info!(listener = %address, "Listening for MLLP on {address}.");

        let open = listener.serve(
            &context.stop,
            |from| gate.admit(from),
            |socket, peer, place| {
                let (context, tls) = (Arc::clone(&context), tls.clone());
                async move { context.welcome(socket, peer, place, tls).await }
            },
        );
        open.await.end(Instant::now() + limits.stop_lasts).await;
    }
}

impl ServerContext {
    /// Sets up the socket and TLS, then serves.
    async fn welcome(
        &self,
        socket: TcpStream,
        mut peer: Peer,
        place: Place,
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
                let (code, why) = match Distrust::of(&error) {
                    Some(distrust) => (distrust.code(), distrust.to_string()),
                    None => (tls::CODE, error.to_string()),
                };
                warn!(
                    code = code.as_str(), peer = %peer.address, %error,
                    "{code}: no TLS with {}: {why}.", peer.address
                );
            }
        }
    }
}

/// Decides which connections are accepted.
struct Gate {
    peers: Vec<IpNet>,
    places: Arc<Places>,
    counts: Arc<Counts>,
    log_throttle: LogThrottle,
}

impl Gate {
    fn new(peers: Vec<IpNet>, limits: &MllpLimits, counts: Arc<Counts>) -> Self {
        let MllpLimits { connections_max, connections_per_peer_max, .. } = *limits;
        let open = Arc::clone(&counts.open);
        let places = Places::new(connections_max, connections_per_peer_max, open);
        Self { peers, places, counts, log_throttle: LogThrottle::default() }
    }

    fn admit(&mut self, from: SocketAddr) -> Option<Place> {
        // An IPv4 address on an IPv6 socket counts as the IPv4 address.
        let ip = from.ip().to_canonical();
        if !self.allows(ip) {
            self.counts.refused_address.add_one();
            self.log_throttle.say(Instant::now(), |more| {
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
                self.log_throttle.say(Instant::now(), |more| {
                    warn!(
                        code = FULL.as_str(), peer = %from, more,
                        "{FULL}: closed a connection that said nothing of its own, to let {from} in: too many are open."
                    );
                });
            }
        } else {
            self.counts.refused_full.add_one();
            self.log_throttle.say(Instant::now(), |more| {
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
