//! The body of a request being sent, which records how much was sent.
//!
//! When a connection is lost, the sender must know whether the other side may have the whole
//! message. Only the body knows how much of it was taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes handed over at a time: small, so that bytes are not counted as sent long before they
/// leave the machine.
const PIECE_BYTES: usize = 64 * 1024;

pub(crate) struct Upload {
    rest: Bytes,
    sent: Sent,
}

/// Whether the last byte was passed to the network. Can be read after the upload is dropped.
#[derive(Clone)]
pub(crate) struct Sent(Arc<AtomicBool>);

impl Sent {
    pub(crate) fn whole(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Upload {
    pub(crate) fn new(bytes: Bytes) -> (Self, Sent) {
        // An empty body counts as sent from the start.
        let sent = Sent(Arc::new(AtomicBool::new(bytes.is_empty())));
        (Self { rest: bytes, sent: sent.clone() }, sent)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        if self.rest.is_empty() {
            self.sent.0.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
