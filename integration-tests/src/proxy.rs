//! A TCP proxy of the tests' own, to put between any two parties and to misbehave on demand.
//!
//! ```text
//!   client ──There──▶ Proxy ──There──▶ server
//!          ◀──Back───       ◀──Back───
//! ```
//!
//! Each way has a manner, which may be changed at any moment and counts at once, for connections
//! that exist and for those that come. What a manner does to a connection stays done: bytes that a
//! black hole swallowed never come out, and a connection that lost bytes never carries any again in
//! that way, as when a firewall has forgotten it. Nobody is told; whoever waits for ever has no
//! timeout.
//!
//! It knows nothing of what it carries.

mod connection;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::servers::free_port;

/// What becomes of bytes in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They pass unchanged.
    Pass,
    /// Both sides of every connection are reset (RST), and new connections at once. It makes no
    /// difference in which way.
    Cut,
    /// They are swallowed, and so is the end of the connection.
    BlackHole,
    /// Whoever sends in this way sees its connection die, and the other side is told nothing:
    /// existing connections at once, new ones when the first bytes have passed.
    HalfOpen,
    /// So many pass in a second.
    Trickle(u32),
    /// Both sides are reset as soon as so many have passed on a connection.
    ResetAfter(usize),
}

/// The two ways of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From whoever connects to whoever listens.
    There,
    /// The other way.
    Back,
}

/// Both of them.
pub const WAYS: [Way; 2] = [Way::There, Way::Back];

#[derive(Clone, Copy, Debug)]
struct State {
    to: SocketAddr,
    there: Manner,
    back: Manner,
}

impl State {
    fn manner(&self, way: Way) -> Manner {
        match way {
            Way::There => self.there,
            Way::Back => self.back,
        }
    }

    fn is_cut(&self) -> bool {
        WAYS.into_iter().any(|way| self.manner(way) == Manner::Cut)
    }
}

/// A proxy on a port of its own. Dropping it resets nothing and closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    harmed: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of whoever listens at `to`, now or later. Everything passes.
    pub async fn to(to: SocketAddr) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (state, seen) = watch::channel(State { to, there: Manner::Pass, back: Manner::Pass });
        let harmed = Arc::new(AtomicUsize::new(0));
        let listening = tokio::spawn(listen(listener, seen, Arc::clone(&harmed)));
        Ok(Self { port, state, harmed, listening })
    }

    /// A proxy in front of a port of this machine.
    pub async fn to_port(port: u16) -> Result<Self> {
        Self::to((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// A proxy in front of the server that a URL names by its IP address.
    pub async fn in_front_of(url: &str) -> Result<Self> {
        Self::to(address_in(url)?).await
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `url` with this proxy's address in place of the server's.
    pub fn instead_of(&self, url: &str) -> Result<String> {
        let server = server_of(url)?;
        Ok(url.replacen(server, &format!("127.0.0.1:{}", self.port), 1))
    }

    /// Changes the manner of one way.
    pub fn set(&self, way: Way, manner: Manner) {
        self.state.send_modify(|state| match way {
            Way::There => state.there = manner,
            Way::Back => state.back = manner,
        });
    }

    /// Changes the manner of both ways.
    pub fn set_both(&self, manner: Manner) {
        self.state.send_modify(|state| (state.there, state.back) = (manner, manner));
    }

    /// Lets everything pass that comes from now on.
    pub fn pass(&self) {
        self.set_both(Manner::Pass);
    }

    /// New connections lead to another server. Those that exist stay where they are.
    pub fn point_to(&self, to: SocketAddr) {
        self.state.send_modify(|state| state.to = to);
    }

    /// How many connections suffered from a manner until now, each once for every manner. A trial that harmed nobody shows
    /// nothing.
    #[must_use]
    pub fn harmed(&self) -> usize {
        self.harmed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Where the server of an address is: its host and port as they stand there.
fn server_of(url: &str) -> Result<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let server = rest.split(['/', '?']).next().unwrap_or(rest);
    let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
    server.contains(':').then_some(server).context("the address names no port")
}

/// The address of the server that a URL names by its IP address.
pub fn address_in(url: &str) -> Result<SocketAddr> {
    server_of(url)?.parse().context("the server is not named by its IP address")
}

async fn listen(listener: TcpListener, state: watch::Receiver<State>, harmed: Arc<AtomicUsize>) {
    // They end with the proxy.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        connections.spawn(lead(client, state.clone(), Arc::clone(&harmed)));
    }
}

async fn lead(client: TcpStream, state: watch::Receiver<State>, harmed: Arc<AtomicUsize>) {
    let now = *state.borrow();
    if now.is_cut() {
        harmed.fetch_add(1, Ordering::Relaxed);
        connection::reset(client);
        return;
    }
    match TcpStream::connect(now.to).await {
        Ok(server) => connection::carry(client, server, state, &harmed).await,
        Err(_) => connection::reset(client),
    }
}
