//! Connections that are held while something is done on them, and kept for the next afterwards.
//!
//! ```text
//!   take ──▶ a permit ──▶ one that is idle and lives, or a new one ──▶ Held
//!               ▲                                                       │ ended      │ not ended
//!               └────────────────────── kept, as it is ◀────────────────┘            ▼ closed
//! ```
//!
//! Whoever drops a connection half-way closes it: a transaction that nobody ended must not meet the
//! next user, and a connection that has not answered in time may never answer. Transactions are
//! begun and ended with plain statements. The library's own count of open ones goes wrong when a
//! database ends a transaction by itself, as SQLite does on a full disk, and such a connection would
//! never begin another.
//!
//! The library's pool makes connections and closes them. It does not get them back in between: it
//! would ask each one whether it still lives, a round trip after every transaction, and would wait
//! for the answer of one that fell silent for ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Whether a connection that lay idle for so long may be used.
pub(crate) type Lives<D> = Arc<
    dyn for<'c> Fn(&'c mut <D as Database>::Connection, Duration) -> BoxFuture<'c, bool>
        + Send
        + Sync,
>;

/// As many connections as the pool may make.
pub(crate) struct Connections<D: Database> {
    pool: Pool<D>,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Idle<D>>>>,
    lives: Lives<D>,
    acquire_timeout: Duration,
}

struct Idle<D: Database> {
    connection: PoolConnection<D>,
    since: Instant,
}

/// A connection in use.
pub(crate) struct Held<D: Database> {
    connection: Option<PoolConnection<D>>,
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
            lives: Arc::clone(&self.lives),
            acquire_timeout: self.acquire_timeout,
        }
    }
}

impl<D: Database> Connections<D> {
    /// Those that this pool makes, as long as each of them `lives`.
    pub(crate) fn of(pool: Pool<D>, lives: Lives<D>) -> Self {
        let max = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let acquire_timeout = pool.options().get_acquire_timeout();
        let permits = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self { pool, permits, idle: Arc::default(), lives, acquire_timeout }
    }

    /// The pool, with all connections that nobody holds, for what the library does by itself.
    pub(crate) fn pool(&self) -> &Pool<D> {
        self.idle().clear();
        &self.pool
    }

    /// Takes a connection that is idle and lives, or a new one.
    pub(crate) async fn take(&self) -> Result<Held<D>, Error> {
        let permit = timeout(self.acquire_timeout, Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.map_err(|_elapsed| Error::PoolTimedOut)?;
        let permit = permit.map_err(|_closed| Error::PoolClosed)?;
        let connection = loop {
            let last = self.idle().pop();
            let Some(mut idle) = last else { break self.pool.acquire().await? };
            if (self.lives)(&mut idle.connection, idle.since.elapsed()).await {
                break idle.connection;
            }
            idle.connection.close_on_drop();
        };
        let home = self.clone();
        Ok(Held { connection: Some(connection), ended: false, home, _permit: permit })
    }

    /// Lets nobody take another one, and closes them after what is in hand.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.idle().clear();
        self.pool.close().await;
    }

    /// The list is right even after a panic elsewhere: each change to it is one step.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle<D>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Database> Held<D> {
    pub(crate) fn connection(&mut self) -> &mut D::Connection {
        let held = self.connection.as_mut();
        held.unwrap_or_else(|| unreachable!("a connection is held until it is dropped"))
    }

    /// Nothing is going on on it any more: the next may use it.
    pub(crate) fn give_back(mut self) {
        self.ended = true;
    }
}

impl<D: Database> Drop for Held<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if !self.ended {
            connection.close_on_drop();
        } else if !self.home.permits.is_closed() {
            self.home.idle().push(Idle { connection, since: Instant::now() });
        }
    }
}
