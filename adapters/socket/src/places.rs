//! How many connections may be open, in all and from one address.
//!
//! ```text
//!   take ──▶ is one free? ──yes──▶ Place ◀──▶ works, rests
//!               │ no                             │ longest, and long enough
//!               └──▶ whoever rests ──────────────┴──▶ is told to leave, and the newcomer has its place
//!                        │ nobody
//!                        └──▶ refused
//! ```
//!
//! A connection that a firewall has forgotten looks like one that rests. A sender that opens a new
//! one each time would fill every place with dead ones and then find the door closed for as long as
//! a resting connection is kept, so the one that has rested longest makes room.
//!
//! A place is given back when it is dropped, so that no way out of a connection can forget it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counts::Count;

/// Whoever rests for less may be between two messages, and keeps its place.
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

/// The right to one open connection. Given back when it is dropped.
#[must_use = "dropping it gives the place back"]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    displaced: bool,
    wanted: CancellationToken,
}

impl Places {
    /// So many in all, and so many for one address. `open` always tells how many are taken.
    pub fn new(max: usize, per_peer_max: usize, open: Arc<Count>) -> Arc<Self> {
        Arc::new(Self { max, per_peer_max, taken: Mutex::default(), open })
    }

    /// Takes a place for `peer`: a free one, or that of the connection which has rested longest,
    /// for [`RESTS_AT_LEAST`]. An address that has all it may have can only displace its own.
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

    /// The numbers are right even after a panic elsewhere: each change to them is one step.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

impl Taken {
    /// Takes the place of the one among these that has rested longest, if that is long enough.
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
    /// Whether another connection had to leave for this one.
    #[must_use]
    pub fn displaced_another(&self) -> bool {
        self.displaced
    }

    /// Nothing is in hand on this connection: it waits for the other side to say something.
    pub fn rests(&self) {
        self.places.change(self.number, Some(Instant::now()));
    }

    /// Something is in hand again.
    pub fn works(&self) {
        self.places.change(self.number, None);
    }

    /// Waits until the place was given to somebody else: the connection is to end.
    pub async fn wanted(&self) {
        self.wanted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        // Whoever was told to leave has nothing to give back.
        taken.remove(self.number);
        self.places.open.set(taken.seats.len());
    }
}
