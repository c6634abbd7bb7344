//! The pool of connections that idle lanes keep open to their hospitals.
//!
//! A lane that has just delivered keeps its connection, because the next message is likely to come
//! soon. A connection costs some 20 KiB, and a large county has ten thousand lanes, so the pool is
//! bounded: beyond its size the connection that has been idle for longest is closed, and its lane
//! opens a new one for its next message. Lanes that are sending are not counted, so that none waits
//! for another.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Idle connections of one process, unless told otherwise. Few counties have more lanes.
const IDLE_MAX: usize = 512;

/// The idle connections of all lanes of a process.
pub struct IdleConnections {
    max: usize,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    last_number: u64,
    /// By the order in which they became idle. Dropping a sender tells the lane to close.
    by_age: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The place of one idle connection in the pool. Dropped when its lane works again.
pub struct IdleConnection {
    pool: Arc<IdleConnections>,
    number: u64,
    evicted: oneshot::Receiver<()>,
}

impl Default for IdleConnections {
    fn default() -> Self {
        Self::new(IDLE_MAX)
    }
}

impl IdleConnections {
    /// A pool of at most `max` connections.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, pool: Mutex::default() }
    }

    /// Adds a connection. If the pool is full, the one that has been idle for longest is evicted.
    #[must_use]
    pub fn add(self: &Arc<Self>) -> IdleConnection {
        let (sender, evicted) = oneshot::channel();
        let mut pool = self.lock();
        pool.last_number += 1;
        let number = pool.last_number;
        pool.by_age.insert(number, sender);
        if pool.by_age.len() > self.max {
            pool.by_age.pop_first();
        }
        drop(pool);
        IdleConnection { pool: Arc::clone(self), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock()
    }
}

impl IdleConnection {
    /// Waits until the connection is to be closed. Safe to cancel.
    pub async fn evicted(&mut self) {
        let _sender_dropped = (&mut self.evicted).await;
    }
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        self.pool.lock().by_age.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(idle: &mut IdleConnection) -> bool {
        idle.evicted.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }

    #[test]
    fn the_connection_that_is_idle_for_longest_is_evicted() {
        let pool = Arc::new(IdleConnections::new(2));
        let (mut first, mut second) = (pool.add(), pool.add());
        assert!(stays(&mut first) && stays(&mut second));

        let mut third = pool.add();

        assert!(!stays(&mut first));
        assert!(stays(&mut second) && stays(&mut third));

        // A lane that works again makes room.
        drop(second);
        let mut fourth = pool.add();

        assert!(stays(&mut third) && stays(&mut fourth));
        drop(first);
        assert_eq!(pool.lock().by_age.len(), 2);
    }
}
