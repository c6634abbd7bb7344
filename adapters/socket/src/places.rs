//! Limits the open connections, in all and per address.
//!
//! ```text
//!   take ──▶ is one free? ──yes──▶ Place ◀──▶ working, idle
//!               │ no                             │ longest, and long enough
//!               └──▶ an idle connection ─────────┴──▶ is told to close, and its place is given away
//!                        │ none
//!                        └──▶ refused
//! ```
//!
//! A connection that a firewall has forgotten looks idle. A sender that opens a new one each time
//! would use up all places with dead connections, and then be refused for as long as idle
//! connections are kept. So the one that has been idle longest is closed for a new one.
//!
//! A place is given back on drop, so that no way of ending a connection can forget it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counts::Count;

/// A connection that was idle for less may be between two messages, and keeps its place.
pub const RESTS_AT_LEAST: Duration = Duration::from_secs(5);

/// All places of one server.
pub struct Places {
    max: usize,
    per_peer_max: usize,
    taken: Mutex<Taken>,
    open: Arc<Count>,
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Seat>,
    by_peer: HashMap<IpAddr, usize>,
    next: u64,
}

struct Seat {
    peer: IpAddr,
    resting_since: Option<Instant>,
    wanted: CancellationToken,
}

/// Permission for one open connection. Given back on drop.
#[must_use = "dropping it gives the place back"]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    displaced: bool,
    wanted: CancellationToken,
}

impl Places {
    /// Allows `max` connections in all and `per_peer_max` per address. `open` is kept at the
    /// number in use.
    pub fn new(max: usize, per_peer_max: usize, open: Arc<Count>) -> Arc<Self> {
        Arc::new(Self { max, per_peer_max, taken: Mutex::default(), open })
    }

    /// Takes a place for `peer`: a free one, or that of the connection that has been idle
    /// longest, if at least for [`RESTS_AT_LEAST`]. An address at its own limit can only replace
    /// its own connections.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let theirs_full = taken.by_peer.get(&peer).is_some_and(|it| *it >= self.per_peer_max);
        let displaced = theirs_full || taken.seats.len() >= self.max;
        if displaced {
            taken.make_room(|seat| !theirs_full || seat.peer == peer)?;
        }
        let (number, wanted) = (taken.next, CancellationToken::new());
        taken.next += 1;
        taken.seats.insert(number, Seat { peer, resting_since: None, wanted: wanted.clone() });
        *taken.by_peer.entry(peer).or_default() += 1;
        self.open.set(taken.seats.len());
        Some(Place { places: Arc::clone(self), number, displaced, wanted })
    }

    fn change(&self, number: u64, resting_since: Option<Instant>) {
        if let Some(seat) = self.taken().seats.get_mut(&number) {
            seat.resting_since = resting_since;
        }
    }

    /// A poisoned lock is safe to use: every change is one step, so the numbers are valid even
    /// after a panic.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the place of the connection that has been idle longest among those permitted.
    fn make_room(&mut self, may_leave: impl Fn(&Seat) -> bool) -> Option<()> {
        let resting = self.seats.iter().filter(|(_, seat)| may_leave(seat));
        let (since, number) =
            resting.filter_map(|(number, seat)| Some((seat.resting_since?, *number))).min()?;
        (since.elapsed() >= RESTS_AT_LEAST).then_some(())?;
        self.remove(number)?.wanted.cancel();
        Some(())
    }

    fn remove(&mut self, number: u64) -> Option<Seat> {
        let seat = self.seats.remove(&number)?;
        match self.by_peer.get_mut(&seat.peer) {
            Some(theirs) if *theirs > 1 => *theirs -= 1,
            _ => {
                self.by_peer.remove(&seat.peer);
            }
        }
        Some(seat)
    }
}

impl Place {
    /// Whether another connection was closed for this one.
    #[must_use]
    pub fn displaced_another(&self) -> bool {
        self.displaced
    }

    /// Marks the connection as idle: it waits for the other side.
    pub fn rests(&self) {
        self.places.change(self.number, Some(Instant::now()));
    }

    /// Marks the connection as working.
    pub fn works(&self) {
        self.places.change(self.number, None);
    }

    /// Ends when the place was given to another connection; this one must then close.
    pub async fn wanted(&self) {
        self.wanted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        // A replaced connection has no place to give back.
        taken.remove(self.number);
        self.places.open.set(taken.seats.len());
    }
}
