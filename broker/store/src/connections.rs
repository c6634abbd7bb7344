//! Connections that are held while something is done on them, and kept for the next afterwards.
//!
//! ```text
//!   take ──▶ a permit ──▶ one that is idle and alive, or a new one ──▶ InUse
//!               ▲                                                       │ ended      │ not ended
//!               └────────────────────── kept, as it is ◀────────────────┘            ▼ closed
//! ```
//!
//! New ones are made one after another, and with growing pauses while they fail. A
//! network may close our end of a connection and leave the server's open; whoever tries again at
//! once, with every connection that it may have, takes all that the server has for anybody.
//!
//! Whoever drops a connection half-way closes it: a transaction that nobody ended must not meet the
//! next user, and a connection that has not answered in time may never answer. Transactions are
//! begun and ended with plain statements. The library's own count of open ones goes wrong when a
//! database ends a transaction by itself, as SQLite does on a full disk, and such a connection would
//! never begin another.
//!
//! The library's pool makes connections and closes them. It does not get them back in between: it
//! would ask each one whether it is still alive, a round trip after every transaction, and would wait
//! for the answer of one that fell silent for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout_at};

/// The pause after the first new connection that failed. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause. A server forgets a connection that never said who it is after a minute, so
/// that some sixty of ours remain on it, of the hundred that it has unless told otherwise.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether a connection that lay idle for so long may be used.
pub(crate) type IsAlive<D> = Arc<
    dyn for<'c> Fn(&'c mut <D as Database>::Connection, Duration) -> BoxFuture<'c, bool>
        + Send
        + Sync,
>;

/// As many connections as the pool may make.
pub(crate) struct Connections<D: Database> {
    pool: Pool<D>,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Idle<D>>>>,
    making: Arc<tokio::sync::Mutex<()>>,
    failures: Arc<Mutex<Failures>>,
    is_alive: IsAlive<D>,
    acquire_timeout: Duration,
}

/// How many new connections in a row have failed, and when the last one did.
#[derive(Default)]
struct Failures {
    count: u32,
    last_at: Option<tokio::time::Instant>,
}

impl Failures {
    fn add(&mut self) {
        self.count = self.count.saturating_add(1);
        self.last_at = Some(tokio::time::Instant::now());
    }

    /// When the next one may be tried, if not at once.
    fn next_try_at(&self) -> Option<tokio::time::Instant> {
        let doubled = 1_u32.checked_shl(self.count.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(PAUSE_MAX);
        self.last_at.map(|last_at| last_at + pause)
    }
}

struct Idle<D: Database> {
    connection: PoolConnection<D>,
    since: Instant,
}

/// A connection in use.
pub(crate) struct InUse<D: Database> {
    connection: Option<PoolConnection<D>>,
    /// Whether it has never been given back yet.
    new: bool,
    ended: bool,
    home: Connections<D>,
    _permit: OwnedSemaphorePermit,
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            permits: Arc::clone(&self.permits),
            idle: Arc::clone(&self.idle),
            making: Arc::clone(&self.making),
            failures: Arc::clone(&self.failures),
            is_alive: Arc::clone(&self.is_alive),
            acquire_timeout: self.acquire_timeout,
        }
    }
}

impl<D: Database> Connections<D> {
    /// Those that this pool makes, each checked with `is_alive` before it is used again.
    pub(crate) fn of(pool: Pool<D>, is_alive: IsAlive<D>) -> Self {
        let max = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let acquire_timeout = pool.options().get_acquire_timeout();
        let permits = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let (idle, making, failures) = Default::default();
        Self { pool, permits, idle, making, failures, is_alive, acquire_timeout }
    }

    /// The pool, with all connections that nobody holds, for what the library does by itself.
    pub(crate) fn pool(&self) -> &Pool<D> {
        self.idle().clear();
        &self.pool
    }

    /// Takes a connection that is idle and alive, or a new one.
    pub(crate) async fn take(&self) -> Result<InUse<D>, Error> {
        let until = tokio::time::Instant::now() + self.acquire_timeout;
        let permit = timeout_at(until, Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.map_err(|_elapsed| Error::PoolTimedOut)?;
        let permit = permit.map_err(|_closed| Error::PoolClosed)?;
        let (connection, new) = loop {
            let last = self.idle().pop();
            let Some(mut idle) = last else { break (self.make(until).await?, true) };
            if (self.is_alive)(&mut idle.connection, idle.since.elapsed()).await {
                break (idle.connection, false);
            }
            idle.connection.close_on_drop();
        };
        let home = self.clone();
        Ok(InUse { connection: Some(connection), new, ended: false, home, _permit: permit })
    }

    /// Makes one when its turn comes, which must be before `until`.
    async fn make(&self, until: tokio::time::Instant) -> Result<PoolConnection<D>, Error> {
        let turn = async {
            let turn = self.making.lock().await;
            let next_try_at = self.failures().next_try_at();
            if let Some(next_try_at) = next_try_at {
                sleep_until(next_try_at).await;
            }
            turn
        };
        let _turn = timeout_at(until, turn).await.map_err(|_elapsed| Error::PoolTimedOut)?;
        if self.permits.is_closed() {
            return Err(Error::PoolClosed);
        }
        let made = self.pool.acquire().await;
        if made.is_err() {
            self.failures().add();
        }
        made
    }

    /// Lets nobody take another one, and closes them after what is in hand.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.idle().clear();
        self.pool.close().await;
    }

    /// The list is right even after a panic elsewhere: each change to it is one step.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        self.idle.lock()
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock()
    }
}

impl<D: Database> InUse<D> {
    pub(crate) fn connection(&mut self) -> &mut D::Connection {
        let held = self.connection.as_mut();
        held.unwrap_or_else(|| unreachable!("a connection is held until it is dropped"))
    }

    /// Nothing is going on on it any more: the next may use it.
    pub(crate) fn give_back(mut self) {
        self.ended = true;
    }
}

impl<D: Database> Drop for InUse<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if !self.ended {
            if self.new {
                self.home.failures().add();
            }
            connection.close_on_drop();
            return;
        }
        *self.home.failures() = Failures::default();
        if !self.home.permits.is_closed() {
            self.home.idle().push(Idle { connection, since: Instant::now() });
        }
    }
}
