//! Who sits behind a hospital's door, and what it says to a transport about each message.
//!
//! [`Hospital`](crate::Hospital) has a desk that remembers everything. A bench that counts a
//! million messages brings a lighter one.
//!
//! No sockets are opened here: `door.rs` listens, `mllp.rs` and `http.rs` serve a connection.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Between two answers to one message. Long enough for an operator to replay what the first
/// answer refused.
pub(crate) const SECOND_ANSWER_AFTER: Duration = Duration::from_millis(1_500);
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// One message, as it came through the door.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The bytes, without frame or HTTP head.
    pub raw: &'a [u8],
    /// The bearer token that came with it.
    pub token: Option<&'a str>,
}

/// One answer to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status. MLLP has none.
    pub status: u16,
    /// `Content-Type` of HTTP; empty for none, and over MLLP.
    pub media_type: &'static str,
    /// The body of HTTP, the message in the frame of MLLP.
    pub body: Vec<u8>,
    /// `Retry-After` of HTTP, in seconds.
    pub retry_after: Option<u32>,
}

/// What becomes of a connection after a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It stays open for the next message.
    #[default]
    Stay,
    /// It is closed.
    Close,
    /// It stays open, and nothing more is read as a message or said until the peer hangs up.
    Silence,
}

/// What a hospital does about one message.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// The answers, in the order in which they go out, with a pause between two.
    pub replies: Vec<Reply>,
    /// What becomes of the connection afterwards.
    pub then: Then,
    /// Given to [`Desk::taken`] once every answer was written out.
    pub takes: Option<usize>,
}

/// Who sits behind a door.
pub trait Desk: Send + Sync + 'static {
    /// Says what becomes of a message. May take its time.
    fn receive(&self, message: Incoming<'_>) -> impl Future<Output = Reaction> + Send;

    /// The answers to the message with this [`Reaction::takes`] were written out.
    fn taken(&self, message: usize);
}

/// Listens, and says nothing, until the peer hangs up.
pub(crate) async fn wait_for_the_end(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
