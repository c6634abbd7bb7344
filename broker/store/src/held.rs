//! A pooled connection that goes back to the pool only if what was done on it has ended.
//!
//! Whoever drops it half-way closes it: a transaction that nobody ended must not meet the next
//! user, and a connection that has not answered in time may never answer.
//!
//! Transactions are begun and ended with plain statements. The library's own count of open ones goes
//! wrong when a database ends a transaction by itself, as SQLite does on a full disk, and such a
//! connection would never begin another.

use std::time::Duration;

use sqlx::Database;
use sqlx::pool::PoolConnection;
use tokio::time::timeout;

/// On its way back a connection is asked whether it lives. It is closed if it takes longer to
/// answer; without a limit, a silent one would keep its place in the pool for ever.
const RETURN_WITHIN: Duration = Duration::from_secs(2);

/// A connection in use.
pub(crate) struct Held<D: Database> {
    connection: PoolConnection<D>,
    ended: bool,
}

impl<D: Database> Held<D> {
    pub(crate) fn new(connection: PoolConnection<D>) -> Self {
        Self { connection, ended: false }
    }

    pub(crate) fn connection(&mut self) -> &mut D::Connection {
        &mut self.connection
    }

    /// Nothing is going on on it any more: the next may use it.
    pub(crate) fn give_back(mut self) {
        self.ended = true;
    }
}

impl<D: Database> Drop for Held<D> {
    fn drop(&mut self) {
        if self.ended {
            // What the pool itself does with a dropped connection, but within a limit.
            tokio::spawn(timeout(RETURN_WITHIN, self.connection.return_to_pool()));
        } else {
            self.connection.close_on_drop();
        }
    }
}
