//! How many connections may be open, in all and from one address.
//!
//! A place is given back when it is dropped, so that no way out of a connection can forget it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counts::Count;

/// All places of one server.
pub struct Places {
    max: usize,
    per_peer_max: usize,
    taken: Mutex<Taken>,
    open: Arc<Count>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// The right to one open connection. Given back when it is dropped.
#[must_use = "dropping it gives the place back"]
pub struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    /// So many in all, and so many for one address. `open` always tells how many are taken.
    pub fn new(max: usize, per_peer_max: usize, open: Arc<Count>) -> Arc<Self> {
        Arc::new(Self { max, per_peer_max, taken: Mutex::default(), open })
    }

    /// Takes a place for `peer`, if there is one.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let from_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.all >= self.max || from_peer >= self.per_peer_max {
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(peer, from_peer + 1);
        self.open.set(taken.all);
        Some(Place { places: Arc::clone(self), peer })
    }

    /// The numbers are right even after a panic elsewhere: each change to them is one step.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        let from_peer = taken.by_peer.get(&self.peer).copied().unwrap_or(0);
        if from_peer > 1 {
            taken.by_peer.insert(self.peer, from_peer - 1);
        } else {
            taken.by_peer.remove(&self.peer);
        }
        self.places.open.set(taken.all);
    }
}
