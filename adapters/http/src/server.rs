//! Accepts HTTP connections and passes their requests to a router.
//!
//! ```text
//!   accept ──▶ is there a place? ──▶ TLS ──▶ connection.rs ──▶ axum::Router
//!                    │ no
//!                    └── closed at once, counted
//! ```
//!
//! A connection that cannot be served is closed at once, because a sender that is left waiting
//! cannot tell this from a broken network. The router decides who may do what; this file knows only
//! addresses and certificates, which every handler gets as an extension of type [`Peer`].
//!
//! HTTP/1.1 only: hospitals use nothing newer, and every limit would need another meaning.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use ipnet::IpNet;
use rustls::ServerConfig;
use tierlink_schemas::Code;
use tierlink_socket::{ByteBudget, Listener, LogThrottle, Place, Places};
pub use tierlink_socket::{CannotListen, Peer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::connection::ServerContext;
use crate::counts::Counts;
use crate::doorkeeper::{Doorkeeper, OpenDoor};
pub use crate::limits::HttpLimits;

const CANNOT_LISTEN: Code = Code::new("E020");
/// The memory for bodies unless somebody says otherwise.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;
const TOO_MANY_CONNECTIONS: Code = Code::new("E021");

/// A bound listener. Accepts nothing before [`Server::serve`].
pub struct Server {
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    limits: HttpLimits,
    budget: ByteBudget,
    doorkeeper: Arc<dyn Doorkeeper>,
    counts: Arc<Counts>,
}

impl Server {
    /// Binds the port. `tls` is from [`crate::tls::server`]; without it, plain TCP.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        limits: HttpLimits,
    ) -> Result<Self, CannotListen> {
        let listener = Listener::bind(address, CANNOT_LISTEN).await?;
        let budget = ByteBudget::new(BUDGET_BYTES);
        let doorkeeper = Arc::new(OpenDoor);
        Ok(Self { listener, tls, limits, budget, doorkeeper, counts: Arc::default() })
    }

    /// Believes these load balancers whose each connection is ([`Listener::behind`]).
    #[must_use]
    pub fn behind(mut self, proxies: Vec<IpNet>) -> Self {
        self.listener = self.listener.behind(proxies);
        self
    }

    /// Takes the memory for bodies from `budget`, which other servers may share.
    #[must_use]
    pub fn with_budget(mut self, budget: ByteBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Asks `doorkeeper` about each request before its body is read.
    #[must_use]
    pub fn with_doorkeeper(mut self, doorkeeper: Arc<dyn Doorkeeper>) -> Self {
        self.doorkeeper = doorkeeper;
        self
    }

    /// The bound address, with the actual port if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The counters, which are updated while the server runs.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` is cancelled. Then accepts no more, waits for the requests being
    /// handled, closes every connection and returns, at the latest after `stop_lasts`.
    ///
    /// Each handler gets the whole body, and runs to its end even if the sender hangs up.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let Self { listener, tls, limits, budget, doorkeeper, counts } = self;
        let counting = Arc::clone(&counts);
        let context = ServerContext::new(router, limits, counting, stop, budget, doorkeeper);
        let context = Arc::new(context);
        let mut gate = Gate::new(&limits, counts);
        let tls = tls.map(TlsAcceptor::from);
        let address = listener.address();
        info!(listener = %address, "Listening for HTTP on {address}.");

        let open = listener.serve(
            &context.stop,
            |from| gate.admit(from),
            |socket, peer, place| {
                let (context, tls) = (Arc::clone(&context), tls.clone());
                async move { context.welcome(socket, peer, place, tls).await }
            },
        );
        let open = open.await;
        let until = Instant::now() + limits.stop_lasts;
        open.end(until).await;
        // Handlers whose sender has hung up are still running.
        if let Some(left) = context.wait_for_handlers(until).await {
            warn!(listener = %address, left, "{left} requests were not finished in time.");
        }
    }
}

/// Decides which connections are accepted.
struct Gate {
    places: Arc<Places>,
    counts: Arc<Counts>,
    log_throttle: LogThrottle,
}

impl Gate {
    fn new(limits: &HttpLimits, counts: Arc<Counts>) -> Self {
        let HttpLimits { connections_max, connections_per_peer_max, .. } = *limits;
        let open = Arc::clone(&counts.open);
        let places = Places::new(connections_max, connections_per_peer_max, open);
        Self { places, counts, log_throttle: LogThrottle::default() }
    }

    fn admit(&mut self, from: SocketAddr) -> Option<Place> {
        // An IPv4 address on an IPv6 socket counts as the IPv4 address.
        let place = self.places.take(from.ip().to_canonical());
        let code = TOO_MANY_CONNECTIONS;
        if let Some(place) = &place {
            self.counts.accepted.add_one();
            if place.displaced_another() {
                self.log_throttle.say(Instant::now(), |more| {
                    warn!(
                        code = code.as_str(), peer = %from, more,
                        "{code}: closed a connection that said nothing of its own, to let {from} in: too many are open."
                    );
                });
            }
        } else {
            self.counts.refused_full.add_one();
            self.log_throttle.say(Instant::now(), |more| {
                warn!(
                    code = code.as_str(), peer = %from, more,
                    "{code}: closed a connection from {from}: too many are open."
                );
            });
        }
        place
    }
}
