//! What a codec has read of a message's head, carried from where it was read first to where it is
//! needed again.
//!
//! A door reads the head of a message (MSH, `MessageHeader`) to find its sender; decoding and the
//! answer need the same. Each format keeps in a [`Head`] what it wants; nobody else looks inside.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// What the codec of one format has read, or nothing. Cheap to clone.
#[derive(Clone, Default)]
pub struct Head(Option<Arc<dyn Any + Send + Sync>>);

impl Head {
    /// Keeps `read`.
    #[must_use]
    pub fn of<T: Send + Sync + 'static>(read: T) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// What was kept, if it is a `T`. What another format kept is never one of ours.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }

    /// Whether nothing was kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Says nothing of what was read: it may be about a patient.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "nothing read" } else { "read" })
    }
}

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// All of it.
    pub bytes: Bytes,
    /// What was read of it to find its sender.
    pub head: Head,
}

impl From<Bytes> for Arrived {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, head: Head::default() }
    }
}
