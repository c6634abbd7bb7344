//! A hospital's door: a listener that serves each connection over the transport of its format.
//!
//! ```text
//!   connection ─▶ frame or request ─▶ Desk::receive ─▶ Reaction: replies, and what then
//! ```
//!
//! What stands behind it is a [`Desk`]. The transports are in `mllp.rs` and `http.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::{Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::desk::Desk;
use crate::{Speaks, http, mllp};

// A port that was just given back may be in use for a moment by a connection that is ending.
const BIND_TRIES_MAX: u32 = 100;
const BIND_EVERY: Duration = Duration::from_millis(20);

/// A listener with its connections. Dropping it closes all of them.
#[derive(Debug)]
pub struct Door<D> {
    address: SocketAddr,
    speaks: Speaks,
    desk: Arc<D>,
    open: Mutex<Option<JoinHandle<()>>>,
}

impl<D: Desk> Door<D> {
    /// Opens a door at this address; with port 0 on a free port.
    pub async fn open(address: SocketAddr, speaks: Speaks, desk: Arc<D>) -> Result<Self> {
        let listener = bind(address).await?;
        let address = listener.local_addr()?;
        let door = Self { address, speaks, desk, open: Mutex::default() };
        door.serve(listener);
        Ok(door)
    }

    /// Who sits behind it.
    #[must_use]
    pub fn desk(&self) -> &D {
        &self.desk
    }

    /// The format that is spoken here.
    #[must_use]
    pub fn speaks(&self) -> Speaks {
        self.speaks
    }

    /// Where it listens, as a profile says it in `outbound.address`.
    #[must_use]
    pub fn url(&self) -> String {
        match self.speaks {
            Speaks::Hl7v2 => format!("mllp://{}", self.address),
            Speaks::Fhir => format!("http://{}/fhir/$process-message", self.address),
            Speaks::Json => format!("http://{}/tierlink/messages", self.address),
        }
    }

    /// Opens it again where it was, if it is closed.
    pub async fn up(&self) -> Result<()> {
        if self.held().is_none() {
            self.serve(bind(self.address).await?);
        }
        Ok(())
    }

    /// Closes it and cuts every connection, as a power cut would.
    pub async fn down(&self) {
        let open = self.held().take();
        if let Some(open) = open {
            open.abort();
            let _ended = open.await;
        }
    }

    fn serve(&self, listener: TcpListener) {
        let serving = serve(listener, self.speaks, Arc::clone(&self.desk));
        *self.held() = Some(tokio::spawn(serving));
    }
}

impl<D> Door<D> {
    fn held(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.open.lock()
    }
}

impl<D> Drop for Door<D> {
    fn drop(&mut self) {
        if let Some(open) = self.held().take() {
            open.abort();
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let mut last = None;
    for _ in 0..BIND_TRIES_MAX {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(BIND_EVERY).await;
    }
    match last {
        Some(error) => Err(error).with_context(|| format!("{address} cannot be listened on")),
        None => bail!("{address} was never tried"),
    }
}

/// Serves until the task is aborted, which ends the connections too.
async fn serve<D: Desk>(listener: TcpListener, speaks: Speaks, desk: Arc<D>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            connections.spawn(attend(stream, speaks, Arc::clone(&desk)));
        }
    }
}

/// A connection that breaks is the peer's business; the desk knows what arrived.
async fn attend<D: Desk>(stream: TcpStream, speaks: Speaks, desk: Arc<D>) {
    let _not_supported = stream.set_nodelay(true);
    let _broken = match speaks {
        Speaks::Hl7v2 => mllp::attend(stream, &*desk).await,
        Speaks::Fhir | Speaks::Json => http::attend(stream, &*desk).await,
    };
}
