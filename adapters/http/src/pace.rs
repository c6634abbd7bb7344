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
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::{Mutex, MutexGuard};
use tierlink_socket::Place;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::head::LineEnds;
use crate::limits::HttpLimits;

/// The timeouts of one connection.
pub(crate) struct Pace {
    limits: HttpLimits,
    place: Place,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// How the lines of the head that is arriving end.
    line_ends: LineEnds,
    /// Since when the other side has taken nothing of what we want to write.
    unread_since: Option<Instant>,
}

enum Phase {
    Idle { since: Instant },
    Headers { since: Instant },
    Busy,
}

/// What the other side did not do in time; the connection is closed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It sent no request on an idle connection.
    Request,
    /// It did not finish the headers that it had begun.
    Headers,
    /// It did not read our response.
    Reading,
}

impl Pace {
    /// A new connection must send headers at once.
    pub(crate) fn new(limits: HttpLimits, place: Place) -> Arc<Self> {
        let phase = Phase::Headers { since: Instant::now() };
        let state = State { phase, line_ends: LineEnds::new(), unread_since: None };
        Arc::new(Self { limits, place, state: Mutex::new(state) })
    }

    /// The connection's place, which counts against the limit.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The headers are read. Says whether one of their lines ended with a line feed alone. The
    /// request lasts until the second result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> (bool, Busy) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        let ends = std::mem::replace(&mut state.line_ends, LineEnds::new());
        (ends.bare_feed(), Busy(Arc::clone(self)))
    }

    /// Whether the other side has begun a request and not said all of its headers.
    pub(crate) fn is_mid_headers(&self) -> bool {
        matches!(self.state().phase, Phase::Headers { .. })
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

    fn heard(&self, bytes: &[u8]) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle { .. } => {
                state.phase = Phase::Headers { since: Instant::now() };
                self.place.works();
            }
            Phase::Headers { .. } => {}
            Phase::Busy => return,
        }
        state.line_ends.look_at(bytes);
    }

    fn wrote(&self, anything: bool) {
        let mut state = self.state();
        if anything {
            state.unread_since = None;
        } else if state.unread_since.is_none() {
            state.unread_since = Some(Instant::now());
        }
    }

    /// Never held over an await, and every change is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A request that is being handled.
pub(crate) struct Busy(Arc<Pace>);

impl Busy {
    /// The place of its connection.
    pub(crate) fn place(&self) -> &Place {
        self.0.place()
    }
}

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
        if let Some(heard) = buffer.filled().get(before..).filter(|heard| !heard.is_empty()) {
            self.pace.heard(heard);
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
