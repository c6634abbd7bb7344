//! Listens for HTTP connections and hands their requests to a router.
//!
//! ```text
//!   accept ──▶ is there a place? ──▶ TLS ──▶ connection.rs ──▶ axum::Router
//!                    │ no
//!                    └── closed at once, counted
//! ```
//!
//! A connection that cannot be served is closed at once: a sender that hangs in the dark cannot
//! tell us from a dead network. Who may do what is the router's business; this file knows addresses
//! and certificates only, and gives them to every handler as an extension of type [`Peer`].
//!
//! HTTP/1.1 only: hospitals speak nothing newer, and every limit below would need a second meaning.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tierlink_schemas::Code;
pub use tierlink_socket::{CannotListen, Peer};
use tierlink_socket::{Grumble, Listener, Place, Places};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::connection::House;
use crate::counts::Counts;

/// How much a server takes, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body.
    pub body_bytes_max: usize,
    /// All bodies that are in memory at one time.
    pub bodies_bytes_max: usize,
    /// The longest request line with its headers.
    pub header_bytes_max: usize,
    /// The most headers of one request.
    pub headers_max: usize,
    /// Open connections in all. A further one takes the place of the one that has rested longest
    /// ([`tierlink_socket::places`]), or is closed at once.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_peer_max: usize,
    /// Requests that handlers work on at one time. Further ones hear 503.
    pub requests_max: usize,
    /// How long a connection may stay without a request.
    pub idle_lasts: Duration,
    /// How long headers may take from first byte to last, and the first byte of a new connection.
    pub header_lasts: Duration,
    /// How long a body may take: 8 MiB over a village's 1 Mbit/s line.
    pub body_lasts: Duration,
    /// How long the sender may leave our response unread.
    pub write_lasts: Duration,
    /// How long TLS may take to agree.
    pub handshake_lasts: Duration,
    /// How long requests in hand may take to be answered once the server stops.
    pub stop_lasts: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 * 1024 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            header_bytes_max: 32 * 1024,
            headers_max: 100,
            connections_max: 1024,
            // A whole county may come through one gateway.
            connections_per_peer_max: 256,
            requests_max: 512,
            // Longer than the minute that most proxies keep a connection, so that they close first.
            idle_lasts: Duration::from_secs(75),
            header_lasts: Duration::from_secs(15),
            body_lasts: Duration::from_mins(2),
            write_lasts: Duration::from_secs(30),
            handshake_lasts: Duration::from_secs(10),
            stop_lasts: Duration::from_secs(20),
        }
    }
}

const CANNOT_LISTEN: Code = Code::new("E020");
const TOO_MANY_CONNECTIONS: Code = Code::new("E021");

/// A bound listener. Nothing is accepted before [`Server::serve`].
pub struct Server {
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    counts: Arc<Counts>,
}

impl Server {
    /// Takes the port. TLS is from [`crate::tls::server`]; without it, plain TCP.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        limits: Limits,
    ) -> Result<Self, CannotListen> {
        let listener = Listener::bind(address, CANNOT_LISTEN).await?;
        Ok(Self { listener, tls, limits, counts: Arc::default() })
    }

    /// The address that we really listen on; tells the port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The counts, which go on while the server runs.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` is cancelled. Then accepts no more, lets the requests in hand be
    /// answered, closes every connection and returns, after `stop_lasts` at the latest.
    ///
    /// Every handler gets the whole body at once, and runs to its end even if the sender hangs up.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let Self { listener, tls, limits, counts } = self;
        let house = Arc::new(House::new(router, limits, Arc::clone(&counts), stop));
        let mut gate = Gate::new(&limits, counts);
        let tls = tls.map(TlsAcceptor::from);
        let address = listener.address();
        info!(listener = %address, "Listening for HTTP on {address}.");

        let open = listener.serve(
            &house.stop,
            |from| gate.admit(from),
            |socket, peer, place| {
                let (house, tls) = (Arc::clone(&house), tls.clone());
                async move { house.welcome(socket, peer, place, tls).await }
            },
        );
        let open = open.await;
        let until = Instant::now() + limits.stop_lasts;
        open.end(until).await;
        // Handlers whose sender has hung up.
        if let Some(left) = house.wait_for_handlers(until).await {
            warn!(listener = %address, left, "{left} requests were not finished in time.");
        }
    }
}

/// Decides who comes in.
struct Gate {
    places: Arc<Places>,
    counts: Arc<Counts>,
    grumble: Grumble,
}

impl Gate {
    fn new(limits: &Limits, counts: Arc<Counts>) -> Self {
        let Limits { connections_max, connections_per_peer_max, .. } = *limits;
        let open = Arc::clone(&counts.open);
        let places = Places::new(connections_max, connections_per_peer_max, open);
        Self { places, counts, grumble: Grumble::default() }
    }

    fn admit(&mut self, from: SocketAddr) -> Option<Place> {
        // An IPv4 address that came over an IPv6 socket is still that IPv4 address.
        let place = self.places.take(from.ip().to_canonical());
        let code = TOO_MANY_CONNECTIONS;
        if let Some(place) = &place {
            self.counts.accepted.add_one();
            if place.displaced_another() {
                self.grumble.say(Instant::now(), |more| {
                    warn!(
                        code = code.as_str(), peer = %from, more,
                        "{code}: closed the connection that was silent longest, to let {from} in: too many are open."
                    );
                });
            }
        } else {
            self.counts.refused_full.add_one();
            self.grumble.say(Instant::now(), |more| {
                warn!(
                    code = code.as_str(), peer = %from, more,
                    "{code}: closed a connection from {from}: too many are open."
                );
            });
        }
        place
    }
}
