//! The connections to a database: taken for one transaction, and reused afterwards.
//!
//! ```text
//!   take ──▶ a permit ──▶ one that is idle and alive, or a new one ──▶ InUse
//!               ▲                                                       │ ended      │ not ended
//!               └────────────────────── kept, as it is ◀────────────────┘            ▼ closed
//! ```
//!
//! New connections are made one at a time, with growing pauses while that fails. A network may
//! close our end of a connection and leave the server's end open; reconnecting at once with every
//! permitted connection would use up all that the server has.
//!
//! A connection that is dropped half-way is closed: the next user must not get one inside an
//! open transaction, and one that did not answer in time may never answer. Transactions are
//! begun and ended with plain statements, because sqlx counts open transactions itself and goes
//! wrong when a database ends one on its own, as SQLite does on a full disk; such a connection
//! could never begin another.
//!
//! The sqlx pool only makes and closes connections. It does not get them back between uses: it
//! would test each of them, a round trip after every transaction, and wait without limit for one
//! that no longer answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout_at};

/// The pause after the first new connection that failed. Doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause. PostgreSQL drops a connection that has not authenticated after 60 s, so at
/// most about sixty unfinished ones of ours remain there, of its default of 100.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Checks whether a connection that was idle for this long still works.
pub(crate) type IsAlive<D> = Arc<
    dyn for<'c> Fn(&'c mut <D as Database>::Connection, Duration) -> BoxFuture<'c, bool>
        + Send
        + Sync,
>;

/// The connections of one store, as many as the pool may make.
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

    /// When the next attempt is allowed; `None` is now.
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
    /// Whether it was made just now, and not reused.
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
    /// Uses connections of this pool. Each is checked with `is_alive` before it is reused.
    pub(crate) fn of(pool: Pool<D>, is_alive: IsAlive<D>) -> Self {
        let max = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let acquire_timeout = pool.options().get_acquire_timeout();
        let permits = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let (idle, making, failures) = Default::default();
        Self { pool, permits, idle, making, failures, is_alive, acquire_timeout }
    }

    /// The pool itself, for what sqlx does alone (migrations).
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

    /// Makes a connection when its turn comes. Gives up at `until`.
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

    /// Refuses further connections, waits for those in use, and closes them all.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.idle().clear();
        self.pool.close().await;
    }

    /// A poisoned lock is safe to use: every change to the list is one step, so it is whole even
    /// after a panic.
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

    /// Gives the connection back for reuse. No transaction may be open on it.
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
