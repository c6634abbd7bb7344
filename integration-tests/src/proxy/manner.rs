//! What becomes of the bytes of a connection, in each of its two ways.

use std::net::SocketAddr;

/// What becomes of bytes in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They pass.
    Pass,
    /// Both sides of every connection are reset (RST), and new connections at once. It makes no
    /// difference in which way.
    Cut,
    /// They are swallowed, and so is the end of the connection.
    BlackHole,
    /// Whoever sends in this way sees its connection die, and the other side is told nothing:
    /// existing connections at once, new ones when the first bytes have passed.
    HalfOpen,
    /// So many pass in a second.
    Trickle(u32),
    /// Both sides are reset as soon as so many have passed on a connection.
    ResetAfter(usize),
}

/// The two ways of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From whoever connects to whoever listens.
    There,
    /// The other way.
    Back,
}

/// Both of them.
pub const WAYS: [Way; 2] = [Way::There, Way::Back];

/// Where connections lead, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// The server of new connections.
    pub(super) to: SocketAddr,
    /// The manner from whoever connects.
    pub(super) there: Manner,
    /// The manner from the server.
    pub(super) back: Manner,
}

impl State {
    /// The manner of one way.
    pub(super) fn manner(&self, way: Way) -> Manner {
        match way {
            Way::There => self.there,
            Way::Back => self.back,
        }
    }

    /// Whether connections are reset.
    pub(super) fn is_cut(&self) -> bool {
        WAYS.into_iter().any(|way| self.manner(way) == Manner::Cut)
    }
}
