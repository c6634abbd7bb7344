//! The room for what one connection sends: how much of the process's memory its frames may fill.
//!
//! The first bytes are free, because every connection reads something. Beyond them a connection asks
//! the budget that all doors share, and tells it once the sender is known.

use tierlink_socket::{NoRoom, Share};

/// A buffer up to this size is not counted: the places bound how many there are.
const FREE_BYTES: usize = 16 * 1024;

/// Says whether a frame that begins with these bytes is from somebody known.
type Knows = dyn Fn(&[u8]) -> bool + Send + Sync;

/// The room of one connection.
pub(crate) struct Room {
    share: Share,
    /// Whether a frame that begins like this is from somebody known.
    knows: Box<Knows>,
    known: bool,
}

impl Room {
    pub(crate) fn new(share: Share, knows: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { share, knows: Box::new(knows), known: false }
    }

    /// Asks for a buffer of so many bytes. `frame` is what there is of the frame.
    pub(crate) fn take(&mut self, bytes: usize, frame: &[u8]) -> Result<(), NoRoom> {
        if bytes <= FREE_BYTES {
            return Ok(());
        }
        self.look_at(frame);
        self.share.enlarge(bytes)
    }

    /// Looks who sends this, until somebody known has been seen.
    pub(crate) fn look_at(&mut self, frame: &[u8]) {
        if !self.known && (self.knows)(frame) {
            self.known = true;
            self.share.becomes_known();
        }
    }

    /// Gives back what is not held any more: only a buffer of so many bytes is.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.share.shrink(if bytes <= FREE_BYTES { 0 } else { bytes });
    }
}
