//! Listens on a port, accepts connections until told to stop, and waits for them to end.
//!
//! ```text
//!   accept ──▶ admit ── Place ──▶ welcome, in a task of its own
//!     │ error     │ none
//!     │           └── closed at once
//!     └── log, wait a moment, accept again
//! ```
//!
//! The transport decides about places and what is sent: it provides `admit` and `welcome`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tierlink_schemas::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::log_throttle::LogThrottle;
use crate::places::Place;
use crate::proxied::read_source;

/// So many connections of load balancers may be about to say whose they are.
const ARRIVING_MAX: usize = 256;
/// Running out of files or memory does not end by asking again at once.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address and port.
    pub address: SocketAddr,
    /// Common name and DNS names in its certificate. Empty if it presented none.
    pub certificate_names: Arc<[String]>,
    /// Our address that it connected to.
    pub listener: SocketAddr,
}

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}; is the port free, and is the address one of this machine?")]
pub struct CannotListen {
    /// The address and port.
    pub address: SocketAddr,
    /// The error of the operating system.
    pub source: io::Error,
    code: Code,
}

impl CannotListen {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code.clone()
    }
}

/// A bound port. Accepts nothing before [`Listener::serve`].
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
    cannot_listen: Code,
    /// Load balancers, which say whose each connection is.
    proxies: Vec<IpNet>,
    log_throttle: LogThrottle,
    accept_again_at: Option<Instant>,
}

impl Listener {
    /// Binds the port. `cannot_listen` is the transport's error code for a failure to
    /// bind or accept.
    pub async fn bind(address: SocketAddr, cannot_listen: Code) -> Result<Self, CannotListen> {
        let cannot = |source| CannotListen { address, source, code: cannot_listen.clone() };
        let inner = TcpListener::bind(address).await.map_err(&cannot)?;
        let address = inner.local_addr().map_err(&cannot)?;
        let log_throttle = LogThrottle::default();
        let proxies = Vec::new();
        Ok(Self { inner, address, cannot_listen, proxies, log_throttle, accept_again_at: None })
    }

    /// Believes these load balancers, and nobody else, whose each connection is: they say so by the
    /// PROXY protocol.
    #[must_use]
    pub fn behind(mut self, proxies: Vec<IpNet>) -> Self {
        self.proxies = proxies;
        self
    }

    /// The bound address, with the actual port if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop` is cancelled, then closes the port. Each connection that `admit` gives
    /// a place is passed to `welcome` with its place.
    pub async fn serve<Admit, Welcome, Served>(
        mut self,
        stop: &CancellationToken,
        mut admit: Admit,
        welcome: Welcome,
    ) -> Open
    where
        Admit: FnMut(SocketAddr) -> Option<Place>,
        Welcome: Fn(TcpStream, Peer, Place) -> Served,
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        // Those of load balancers that have not said yet whose they are.
        let mut arriving = JoinSet::new();
        loop {
            let (socket, from) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_ended) = connections.join_next() => continue,
                Some(arrived) = arriving.join_next() => match arrived {
                    Ok(Some(arrived)) => arrived,
                    Ok(None) | Err(_) => continue,
                },
                accepted = self.accept() => {
                    let (socket, from) = accepted;
                    if !self.is_proxy(from.ip()) {
                        (socket, from)
                    } else if arriving.len() < ARRIVING_MAX {
                        arriving.spawn(source_of(socket, from));
                        continue;
                    } else {
                        continue;
                    }
                }
            };
            let Some(place) = admit(from) else {
                continue;
            };
            let certificate_names = Arc::from([]);
            let peer = Peer { address: from, certificate_names, listener: self.address };
            connections.spawn(welcome(socket, peer, place));
        }
        Open { connections, listener: self.address }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// The next connection. May be dropped at any await and called again: none is lost, and the
    /// wait after an error goes on where it was.
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(at) = self.accept_again_at {
                sleep_until(at).await;
                self.accept_again_at = None;
            }
            match self.inner.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => self.cannot_accept(&error),
            }
        }
    }

    fn cannot_accept(&mut self, error: &io::Error) {
        let now = Instant::now();
        let (address, code) = (self.address, &self.cannot_listen);
        self.log_throttle.say(now, |more| {
            error!(
                code = code.as_str(), %error, more,
                "{code}: {address} cannot accept connections."
            );
        });
        self.accept_again_at = Some(now + ACCEPT_AGAIN_AFTER);
    }
}

/// Whose connection of a load balancer this is; none if it does not say.
async fn source_of(mut socket: TcpStream, proxy: SocketAddr) -> Option<(TcpStream, SocketAddr)> {
    match read_source(&mut socket).await {
        Ok(source) => Some((socket, source.unwrap_or(proxy))),
        Err(error) => {
            debug!(%proxy, %error, "A connection of {proxy} was closed: it does not say whose it is.");
            None
        }
    }
}

/// The connections that were still open when the port was given back.
#[must_use = "dropping it cuts every connection off"]
pub struct Open {
    connections: JoinSet<()>,
    listener: SocketAddr,
}

impl Open {
    /// Waits for all of them to end, and aborts the rest at `until`.
    pub async fn end(mut self, until: Instant) {
        let all_ended = async { while self.connections.join_next().await.is_some() {} };
        if timeout_at(until, all_ended).await.is_err() {
            let left = self.connections.len();
            warn!(listener = %self.listener, left, "{left} connections did not end in time.");
        }
        self.connections.shutdown().await;
    }
}
