//! A Bundle that was opened once: to find its sender, to decode it, and to answer it.
//!
//! A Bundle may hold 12 MiB of attachments, so the tree that [`Codec::sender`] has built is handed
//! on to decoding, and what the answer needs of it is noted before it is taken apart.
//!
//! [`Codec::sender`]: tierlink_codec::Codec::sender

use parking_lot::Mutex;
use tierlink_codec::{Head, Reading};

use crate::bundle::Bundle;
use crate::events::{Dialect, dialect};

/// A Bundle that nobody has decoded yet.
struct Opened(Mutex<Option<Bundle>>);

/// Keeps a Bundle for whoever decodes it.
pub fn keep(bundle: Bundle) -> Head {
    Head::of(Opened(Mutex::new(Some(bundle))))
}

/// The Bundle that was kept, once.
pub fn take(with: &Reading<'_>) -> Option<Bundle> {
    with.known::<Opened>()?.0.lock().take()
}

/// What an answer needs to know of the message that it answers.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The sender's id for the message.
    pub message_id: Option<String>,
    /// Whose rules the message follows.
    pub dialect: Dialect,
    /// System and code of `MessageHeader.eventCoding`.
    pub event: Option<(String, String)>,
}

/// Nothing is known of what is no Bundle.
impl Default for Arrived {
    fn default() -> Self {
        Self { message_id: None, dialect: dialect(None), event: None }
    }
}

impl Arrived {
    /// Notes what `bundle` says. `message_id` was read of it before.
    pub fn of(bundle: &Bundle, message_id: Option<String>) -> Self {
        let header = bundle.first("MessageHeader");
        let text = |path: &str| Some(bundle.peek(header?, path)?.to_owned());
        let (system, code) = (text("eventCoding/system"), text("eventCoding/code"));
        Self { message_id, dialect: dialect(system.as_deref()), event: system.zip(code) }
    }
}
