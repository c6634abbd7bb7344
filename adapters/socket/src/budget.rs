//! The memory for what is being received: one room for all doors of a process together.
//!
//! ```text
//!   all bytes   ├──────────── known senders ────────────┤ strangers ┤
//!   one address ├──── at most a quarter ────┤
//! ```
//!
//! Whoever has not shown who it is gets a small part that all strangers share, so that no flood of
//! half messages takes the room of those who have. One address gets a quarter at most, so that one
//! sender who went wrong, or who was broken into, does not take it from all others.
//!
//! It hands out numbers and holds no bytes. A share is given back when it is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// What strangers have together, as a part of all.
const STRANGERS_PART: usize = 16;
/// What one address has at most, as a part of all.
const PEER_PART: usize = 4;

/// The room, shared by all doors. Cheap to clone.
#[derive(Clone)]
pub struct ByteBudget {
    bytes_max: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    strangers: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// There is no room now. What was taken before stays taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for more bytes now")]
pub struct NoRoom;

/// What one connection has of the room.
#[must_use = "dropping it gives the room back"]
pub struct Share {
    budget: ByteBudget,
    peer: IpAddr,
    bytes: usize,
    known: bool,
}

impl ByteBudget {
    /// So many bytes in all.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, taken: Arc::default() }
    }

    /// An empty share for a connection from `peer`, who is a stranger for now.
    pub fn share(&self, peer: IpAddr) -> Share {
        Share { budget: self.clone(), peer, bytes: 0, known: false }
    }

    /// How many bytes are taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    /// The numbers are right even after a panic elsewhere: each change to them is one step.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

impl Share {
    /// Makes the share large enough for `bytes` in all. It never becomes smaller by this.
    pub fn enlarge(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let max = self.budget.bytes_max;
        let mut taken = self.budget.lock();
        let theirs = taken.by_peer.get(&self.peer).copied().unwrap_or_default();
        let fits = taken.all + more <= max
            && theirs + more <= max / PEER_PART
            && (self.known || taken.strangers + more <= max / STRANGERS_PART);
        if !fits {
            return Err(NoRoom);
        }
        taken.all += more;
        *taken.by_peer.entry(self.peer).or_default() += more;
        if !self.known {
            taken.strangers += more;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The sender has shown who it is: its bytes no longer count as a stranger's.
    pub fn becomes_known(&mut self) {
        if !self.known {
            self.known = true;
            self.budget.lock().strangers -= self.bytes;
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let Some(less) = self.bytes.checked_sub(bytes).filter(|less| *less > 0) else { return };
        let mut taken = self.budget.lock();
        taken.all -= less;
        if !self.known {
            taken.strangers -= less;
        }
        match taken.by_peer.get_mut(&self.peer) {
            Some(theirs) if *theirs > less => *theirs -= less,
            _ => {
                taken.by_peer.remove(&self.peer);
            }
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}
