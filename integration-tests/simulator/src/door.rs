//! A hospital's door: a listener, and a desk that says what becomes of each message.
//!
//! ```text
//!   connection ─▶ frame or request ─▶ Desk::receive ─▶ Reaction: replies, and what then
//! ```
//!
//! [`Hospital`](crate::Hospital) has a desk that remembers everything. A bench that counts a
//! million messages brings a lighter one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Speaks, http, mllp};

// A port that was just given back may be in use for a moment by a connection that is ending.
const BIND_TRIES_MAX: u32 = 100;
const BIND_EVERY: Duration = Duration::from_millis(20);
/// Between two answers to one message. Long enough for an operator to replay what the first
/// answer refused.
pub(crate) const SECOND_ANSWER_AFTER: Duration = Duration::from_millis(1_500);
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// One message, as it came through the door.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The bytes, without frame or HTTP head.
    pub raw: &'a [u8],
    /// The bearer token that came with it.
    pub token: Option<&'a str>,
}

/// One answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status. MLLP has none.
    pub status: u16,
    /// `Content-Type` of HTTP; empty for none, and over MLLP.
    pub media_type: &'static str,
    /// The body of HTTP, the message in the frame of MLLP.
    pub body: Vec<u8>,
}

/// What becomes of a connection after a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It stays open for the next message.
    #[default]
    Stay,
    /// It is closed.
    Close,
    /// It stays open, and nothing more is read as a message or said until the peer hangs up.
    Silence,
}

/// What a hospital does about one message.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// The answers, in the order in which they go out, with a pause between two.
    pub replies: Vec<Reply>,
    /// What becomes of the connection afterwards.
    pub then: Then,
    /// Given to [`Desk::taken`] once every answer was written out.
    pub takes: Option<usize>,
}

/// Who sits behind a door.
pub trait Desk: Send + Sync + 'static {
    /// Says what becomes of a message. May take its time.
    fn receive(&self, message: Incoming<'_>) -> impl Future<Output = Reaction> + Send;

    /// The answers to the message with this [`Reaction::takes`] were written out.
    fn taken(&self, message: usize);
}

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
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Listens, and says nothing, until the peer hangs up.
pub(crate) async fn wait_for_the_end(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
