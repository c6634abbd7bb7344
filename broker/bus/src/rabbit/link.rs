//! One connection to RabbitMQ, which is made again when it breaks.
//!
//! A caller gets a working connection, or an error at once while it is known to be down. The waits
//! between attempts grow to two seconds and are randomised, so that many lanes and processes do not
//! reconnect at the same moment.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::address::{ANSWER_WAIT, CONNECT_WAIT, Settings};
use super::trouble::Trouble;
use crate::BusError;

/// The first wait after a failed attempt. The interruption may be short.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The longest wait. After a long outage the lanes must work again within seconds.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Longest wait for RabbitMQ to confirm the close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Link {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    name: String,
    state: Mutex<State>,
    closed: AtomicBool,
    /// Number of connections made so far. What was learned on an older one may no longer be true.
    generation: AtomicU64,
    trouble: Trouble,
}

struct State {
    connection: Option<Arc<Connection>>,
    backoff: Duration,
    not_before: Instant,
}

impl Link {
    pub(super) fn new(settings: &Settings, purpose: &str) -> Result<Self, BusError> {
        let not_before = Instant::now();
        Ok(Self {
            uri: settings.uri()?,
            tls: settings.tls(),
            name: format!("{} ({purpose})", settings.process),
            state: Mutex::new(State { connection: None, backoff: BACKOFF_MIN, not_before }),
            closed: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            trouble: Trouble::with(format!("The connection to RabbitMQ for {purpose}")),
        })
    }

    /// Opens a channel on a working connection.
    pub(super) async fn channel(&self) -> Result<Channel, BusError> {
        let connection = self.connection().await?;
        let doing = "open a channel";
        let error = match timeout(ANSWER_WAIT, connection.create_channel()).await {
            Ok(Ok(channel)) => return Ok(channel),
            Ok(Err(error)) => error,
            Err(_) => return Err(BusError::Silent { doing, waited: ANSWER_WAIT }),
        };
        if connection.status().connected() {
            self.give_up(&connection).await;
        }
        Err(BusError::Unavailable { doing, source: Box::new(error) })
    }

    /// Closes a connection on which no channel can be opened any more, so that a new one is made.
    ///
    /// The client library does not reuse the number of a channel that RabbitMQ closed, so after
    /// some two thousand refusals a connection has no numbers left.
    async fn give_up(&self, used_up: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        let current = state.connection.take_if(|current| Arc::ptr_eq(current, used_up));
        drop(state);
        if let Some(connection) = current {
            let _said_goodbye = timeout(CLOSE_WAIT, connection.close(200, "used up".into())).await;
        }
    }

    /// Fails unless RabbitMQ accepts messages now. It does not while its disk or memory
    /// alarm is on.
    pub(super) async fn open_to_publishers(&self) -> Result<(), BusError> {
        if self.connection().await?.status().blocked() { Err(BusError::Blocked) } else { Ok(()) }
    }

    async fn connection(&self) -> Result<Arc<Connection>, BusError> {
        if self.is_closed() {
            return Err(down("the bus was closed"));
        }
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            if connection.status().connected() {
                return Ok(Arc::clone(connection));
            }
            self.trouble.begins(&down("the connection was lost"));
            state.connection = None;
        }
        if Instant::now() < state.not_before {
            return Err(down("the next attempt is not due yet"));
        }
        match self.connect().await {
            Ok(connection) => {
                self.trouble.ends();
                state.backoff = BACKOFF_MIN;
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                self.generation.fetch_add(1, Ordering::AcqRel);
                Ok(connection)
            }
            Err(error) => {
                self.trouble.begins(&error);
                state.not_before = Instant::now() + with_chance(state.backoff);
                state.backoff = (state.backoff * 2).min(BACKOFF_MAX);
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, BusError> {
        let doing = "connect to RabbitMQ";
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let runtime = lapin::runtime::default_runtime().map_err(|error| said(doing, error))?;
        let tls = self.tls.clone();
        let connecting =
            Connection::connect_uri_with_config(self.uri.clone(), properties, tls, runtime);
        let silent = |_| BusError::Silent { doing, waited: CONNECT_WAIT };
        timeout(CONNECT_WAIT, connecting).await.map_err(silent)?.map_err(|error| said(doing, error))
    }

    /// The number of the newest connection, from 1.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the connection is up. Makes no attempt to connect.
    pub(super) async fn is_up(&self) -> bool {
        let state = self.state.lock().await;
        state.connection.as_ref().is_some_and(|connection| connection.status().connected())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let connection = self.state.lock().await.connection.take();
        if let Some(connection) = connection {
            // If closing fails, the socket closes with the process and RabbitMQ notices.
            let _said_goodbye = timeout(CLOSE_WAIT, connection.close(200, "closing".into())).await;
        }
    }
}

/// Sends RabbitMQ a command and waits for the answer, at most [`ANSWER_WAIT`].
pub(super) async fn within<T>(
    doing: &'static str,
    asking: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BusError> {
    let silent = |_| BusError::Silent { doing, waited: ANSWER_WAIT };
    timeout(ANSWER_WAIT, asking).await.map_err(silent)?.map_err(|error| said(doing, error))
}

/// Turns an error of the client library into ours, by what the reader must do about it.
pub(super) fn said(doing: &'static str, error: lapin::Error) -> BusError {
    let kind = match error.kind() {
        ErrorKind::ProtocolError(protocol) => Some(protocol.kind().clone()),
        _ => None,
    };
    let source = Box::new(error);
    match kind {
        Some(
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
            | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED),
        ) => BusError::NotAllowed { doing, source },
        Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) => {
            BusError::OtherSettings { doing, source }
        }
        Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)) => {
            BusError::Missing { doing, name: "its queue or exchange".to_owned() }
        }
        Some(AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_)) | None => {
            BusError::Unavailable { doing, source }
        }
    }
}

fn down(why: &'static str) -> BusError {
    BusError::Unavailable { doing: "use the connection to RabbitMQ", source: why.into() }
}

/// A random time between half of `wait` and `wait`. The random end of a UUID serves
/// as random number.
pub(super) fn with_chance(wait: Duration) -> Duration {
    let [.., chance] = Uuid::now_v7().into_bytes();
    wait / 2 + wait / 2 * u32::from(chance) / u32::from(u8::MAX)
}
