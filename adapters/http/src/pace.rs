//! The timeouts of one connection: for being idle, for sending headers, and for
//! reading our response.
//!
//! ```text
//!   Headers ──all read──▶ Busy ──response given──▶ Idle ──first byte──▶ Headers
//!      │ header_lasts                               │ idle_lasts
//!      ▼                                            ▼
//!    closed                                       closed      at any time: write_lasts ──▶ closed
//! ```
//!
//! While a request is `Busy` no timeout runs here: reading its body has a timeout of its own
//! (`body.rs`), and handlers limit themselves.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tierlink_socket::Place;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::limits::HttpLimits;

/// The timeouts of one connection.
pub(crate) struct Pace {
    limits: HttpLimits,
    place: Place,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Since when the other side has not read what we want to write; `None` while it reads.
    unread_since: Option<Instant>,
}

enum Phase {
    Idle { since: Instant },
    Headers { since: Instant },
    Busy,
}

/// What the other side did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Request,
    Headers,
    Reading,
}

impl Pace {
    /// A new connection must send headers at once.
    pub(crate) fn new(limits: HttpLimits, place: Place) -> Arc<Self> {
        let phase = Phase::Headers { since: Instant::now() };
        Arc::new(Self { limits, place, state: Mutex::new(State { phase, unread_since: None }) })
    }

    /// The connection's place, which counts against the limit.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Marks the headers as read. The request lasts until the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.state().phase = Phase::Busy;
        Busy(Arc::clone(self))
    }

    /// Ends when a timeout has passed.
    pub(crate) async fn runs_out(&self) -> Missing {
        let HttpLimits { idle_lasts, header_lasts, write_lasts, .. } = self.limits;
        // A timeout that starts while we sleep cannot end before this, so we never wake too late.
        let nap = idle_lasts.min(header_lasts).min(write_lasts);
        loop {
            let now = Instant::now();
            let earliest = self.earliest();
            if let Some((until, missing)) = earliest
                && until <= now
            {
                return missing;
            }
            let until = earliest.map_or(now + nap, |(until, _)| until.min(now + nap));
            sleep_until(until).await;
        }
    }

    /// The timeout that ends first.
    fn earliest(&self) -> Option<(Instant, Missing)> {
        let state = self.state();
        let waiting = match state.phase {
            Phase::Idle { since } => Some((since + self.limits.idle_lasts, Missing::Request)),
            Phase::Headers { since } => Some((since + self.limits.header_lasts, Missing::Headers)),
            Phase::Busy => None,
        };
        let unread = state.unread_since.map(|it| (it + self.limits.write_lasts, Missing::Reading));
        waiting.into_iter().chain(unread).min_by_key(|(until, _)| *until)
    }

    fn heard(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle { .. }) {
            state.phase = Phase::Headers { since: Instant::now() };
            self.place.works();
        }
    }

    fn wrote(&self, anything: bool) {
        let mut state = self.state();
        if anything {
            state.unread_since = None;
        } else if state.unread_since.is_none() {
            state.unread_since = Some(Instant::now());
        }
    }

    /// A poisoned lock is safe to use: every change is one step, so the state is valid even
    /// after a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being handled.
pub(crate) struct Busy(Arc<Pace>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Idle { since: Instant::now() };
        self.0.place.rests();
    }
}

/// A stream that reports to `pace` every byte that arrives and every write that must wait.
pub(crate) struct Paced<S> {
    pub(crate) stream: S,
    pub(crate) pace: Arc<Pace>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.heard();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pace.wrote(outcome.is_ready());
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.pace.wrote(outcome.is_ready());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.pace.wrote(outcome.is_ready());
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
