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

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tierlink_schemas::Code;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::connection::House;
use crate::counts::Counts;
use crate::places::{Place, Places};

/// Who is at the other end. Every handler finds it as `Extension<Peer>`.
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
    /// Open connections in all. Further ones are closed at once.
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

const CANNOT_LISTEN: Code = Code::new("E020");
const TOO_MANY_CONNECTIONS: Code = Code::new("E021");
/// Running out of files or memory does not end by asking again at once.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A flood of unwelcome connections gets one log line in this time.
const GRUMBLE_EVERY: Duration = Duration::from_secs(1);

/// A bound listener. Nothing is accepted before [`Server::serve`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
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
        let cannot = |source| CannotListen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self {
            listener,
            address,
            tls,
            limits,
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

    /// Serves until `stop` is cancelled. Then accepts no more, lets the requests in hand be
    /// answered, closes every connection and returns, after `stop_lasts` at the latest.
    ///
    /// Every handler gets the whole body at once, and runs to its end even if the sender hangs up.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let Self {
            listener,
            address,
            tls,
            limits,
            counts,
        } = self;
        let house = Arc::new(House::new(router, limits, Arc::clone(&counts), stop));
        let mut gate = Gate::new(&limits, counts);
        let tls = tls.map(TlsAcceptor::from);
        let mut open = JoinSet::new();
        info!(listener = %address, "Listening for HTTP on {address}.");

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
                    let certificate_names = Arc::from([]);
                    let peer = Peer {
                        address: from,
                        certificate_names,
                        listener: address,
                    };
                    let (house, tls) = (Arc::clone(&house), tls.clone());
                    open.spawn(async move {
                        house.welcome(socket, peer, tls).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    let code = CANNOT_LISTEN;
                    gate.grumble.say(|_| {
                        error!(code = code.as_str(), %error, "{code}: {address} cannot accept.");
                    });
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }

        drop(listener);
        let until = Instant::now() + limits.stop_lasts;
        let all_ended = async { while open.join_next().await.is_some() {} };
        if timeout_at(until, all_ended).await.is_err() {
            let left = open.len();
            warn!(listener = %address, left, "{left} connections did not end in time.");
        }
        open.shutdown().await;
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
        let Limits {
            connections_max,
            connections_per_peer_max,
            ..
        } = *limits;
        let places = Places::new(
            connections_max,
            connections_per_peer_max,
            Arc::clone(&counts),
        );
        Self {
            places,
            counts,
            grumble: Grumble::default(),
        }
    }

    fn admit(&mut self, from: SocketAddr) -> Option<Place> {
        // An IPv4 address that came over an IPv6 socket is still that IPv4 address.
        let place = self.places.take(from.ip().to_canonical());
        if place.is_some() {
            self.counts.accepted.add_one();
        } else {
            self.counts.refused_full.add_one();
            let code = TOO_MANY_CONNECTIONS;
            self.grumble.say(|more| {
                warn!(
                    code = code.as_str(), peer = %from, more,
                    "{code}: closed a connection from {from}: too many are open."
                );
            });
        }
        place
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
