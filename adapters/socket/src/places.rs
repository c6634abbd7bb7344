//! How many connections may be open, in all and from one address, and who goes when they run out.
//!
//! ```text
//!   take ──▶ is one free? ──yes──▶ Place ──▶ a stranger ──▶ known (says who it is)
//!               │ no                             │                │
//!               ├──▶ the stranger that has been here longest ─────┘ leaves first,
//!               ├──▶ then whoever rests longest, and long enough
//!               └──▶ refused
//! ```
//!
//! A connection is a stranger until its sender has shown who it is: with a token, or with a message
//! in its own name. Connections that never do, and drip instead, are how two hosts could close a
//! door to a county. So a quarter of the places is kept for addresses from which somebody known has
//! spoken, and when places run out, strangers that have had time to speak go first.
//!
//! A connection that a firewall has forgotten looks like one that rests. A sender that opens a new
//! one each time would fill every place with dead ones and then find the door closed for as long as
//! a resting connection is kept, so the one that has rested longest makes room.
//!
//! A place is given back on drop, so that no way of ending a connection can forget it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counts::Count;

/// A connection that was idle for less may be between two messages, and keeps its place.
pub const RESTS_AT_LEAST: Duration = Duration::from_secs(5);
/// Within this time a sender can show who it is: TLS, headers or the first segment, over a bad
/// line. A stranger that has had it may be asked to leave.
pub const SPEAKS_WITHIN: Duration = Duration::from_secs(2);
/// So many addresses are remembered as those of known senders. A prefecture has fewer.
const REMEMBERED_MAX: usize = 4_096;
/// The part of the places that strangers never get.
const KEPT_PART: usize = 4;

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
    /// How many seats are those of strangers from addresses that are not remembered.
    strangers: usize,
    /// Addresses from which somebody known has spoken, and when last.
    remembered: HashMap<IpAddr, Instant>,
    next: u64,
}

struct Seat {
    peer: IpAddr,
    since: Instant,
    standing: Standing,
    resting_since: Option<Instant>,
    wanted: CancellationToken,
}

/// What is known of who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Stranger,
    /// Somebody known has spoken from the same address.
    Remembered,
    /// Its sender has shown who it is.
    Known,
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
    /// Allows `max` connections in all and `per_peer_max` per address. `open` is kept at the
    /// number in use.
    pub fn new(max: usize, per_peer_max: usize, open: Arc<Count>) -> Arc<Self> {
        Arc::new(Self { max, per_peer_max, taken: Mutex::default(), open })
    }

    /// Takes a place for `peer`: a free one, or that of a stranger that has had
    /// [`SPEAKS_WITHIN`], or that of the connection which has rested longest, for
    /// [`RESTS_AT_LEAST`]. An address that has all it may have can only displace its own.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let is_remembered = taken.remembered.contains_key(&peer);
        let standing = if is_remembered { Standing::Remembered } else { Standing::Stranger };
        let theirs_full = taken.by_peer.get(&peer).is_some_and(|it| *it >= self.per_peer_max);
        let all_full = taken.seats.len() >= self.max;
        let strangers_full =
            standing == Standing::Stranger && taken.strangers >= self.max - self.max / KEPT_PART;
        let displaced = theirs_full || all_full || strangers_full;
        if displaced {
            taken.make_room(|seat| {
                (!theirs_full || seat.peer == peer)
                    && (!strangers_full || seat.standing == Standing::Stranger)
            })?;
        }
        let (number, wanted) = (taken.next, CancellationToken::new());
        taken.next += 1;
        let since = Instant::now();
        let seat = Seat { peer, since, standing, resting_since: None, wanted: wanted.clone() };
        taken.add(number, seat);
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
        self.taken.lock()
    }
}

impl Taken {
    /// Takes a place from one of these: from the stranger that has been here longest, or else from
    /// whoever has rested longest, if that is long enough.
    fn make_room(&mut self, may_leave: impl Fn(&Seat) -> bool) -> Option<()> {
        let slow = |seat: &Seat| match seat.standing {
            Standing::Stranger => Some((0, seat.since)),
            Standing::Remembered => Some((1, seat.since)),
            Standing::Known => None,
        };
        let candidates = || self.seats.iter().filter(|(_, seat)| may_leave(seat));
        let slow = candidates()
            .filter_map(|(number, seat)| Some((slow(seat)?, *number)))
            .filter(|((_, since), _)| since.elapsed() >= SPEAKS_WITHIN)
            .min()
            .map(|(_, number)| number);
        let resting = || {
            let longest = candidates()
                .filter_map(|(number, seat)| Some((seat.resting_since?, *number)))
                .min();
            longest.filter(|(since, _)| since.elapsed() >= RESTS_AT_LEAST).map(|(_, it)| it)
        };
        let number = slow.or_else(resting)?;
        self.remove(number)?.wanted.cancel();
        Some(())
    }

    fn add(&mut self, number: u64, seat: Seat) {
        *self.by_peer.entry(seat.peer).or_default() += 1;
        self.strangers += usize::from(seat.standing == Standing::Stranger);
        self.seats.insert(number, seat);
    }

    fn remove(&mut self, number: u64) -> Option<Seat> {
        let seat = self.seats.remove(&number)?;
        self.strangers -= usize::from(seat.standing == Standing::Stranger);
        match self.by_peer.get_mut(&seat.peer) {
            Some(theirs) if *theirs > 1 => *theirs -= 1,
            _ => {
                self.by_peer.remove(&seat.peer);
            }
        }
        Some(seat)
    }

    fn know(&mut self, number: u64) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        if seat.standing == Standing::Known {
            return;
        }
        self.strangers -= usize::from(seat.standing == Standing::Stranger);
        seat.standing = Standing::Known;
        let peer = seat.peer;
        if self.remembered.len() >= REMEMBERED_MAX && !self.remembered.contains_key(&peer) {
            let oldest = self.remembered.iter().min_by_key(|(_, at)| **at).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.remembered.remove(&oldest));
        }
        self.remembered.insert(peer, Instant::now());
    }
}

impl Place {
    /// Whether another connection was closed for this one.
    #[must_use]
    pub fn displaced_another(&self) -> bool {
        self.displaced
    }

    /// The sender has shown who it is. From now on the connection is none of the first to go, and
    /// its address is remembered.
    pub fn is_known(&self) {
        self.places.taken().know(self.number);
    }

    /// Nothing is in hand on this connection: it waits for the other side to say something.
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
