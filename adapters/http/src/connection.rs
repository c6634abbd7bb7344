//! Serves one connection: TLS, then one request after another, then an orderly close.
//!
//! ```text
//!   headers ──▶ doorkeeper ──▶ whole body ──▶ a place among those in hand ──▶ handler, in its task
//!      │ malformed   │ not you      │ too large, too slow, …    │ none left         │ panicked
//!      └── 400       └── 401, …     └── 413, 408, 400           └── 503             └── 500
//! ```
//!
//! The handler runs in a task of its own, because hyper drops it as soon as the sender hangs
//! up, and dropping a database transaction half-way would leave its connection unusable for
//! the next user.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONNECTION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::future::{BoxFuture, poll_fn};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tierlink_schemas::Code;
use tierlink_socket::{ByteBudget, Distrust, Peer, Place, handshake, tune};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::{debug, error, warn};

use crate::body;
use crate::counts::Counts;
use crate::doorkeeper::{Doorkeeper, Standing};
use crate::head;
use crate::limits::HttpLimits;
use crate::pace::{Busy, Missing, Pace, Paced};
use crate::refusal::Refusal;

const NO_TLS: Code = Code::new("E027");
/// How long a closing connection stays open for the other side to read our last response. Closing
/// with unread bytes makes the network discard that response.
const GOODBYE_LASTS: Duration = Duration::from_secs(1);
/// Bytes to read and discard at a time while closing.
const GOODBYE_BYTES: usize = 8 * 1024;
/// Smallest buffer for a connection that hyper accepts.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What all connections of one server share.
pub(crate) struct ServerContext {
    router: Router,
    limits: HttpLimits,
    counts: Arc<Counts>,
    pub(crate) stop: CancellationToken,
    budget: ByteBudget,
    doorkeeper: Arc<dyn Doorkeeper>,
    requests: Arc<Semaphore>,
    handlers: TaskTracker,
}

impl ServerContext {
    pub(crate) fn new(
        router: Router,
        limits: HttpLimits,
        counts: Arc<Counts>,
        stop: CancellationToken,
        budget: ByteBudget,
        doorkeeper: Arc<dyn Doorkeeper>,
    ) -> Self {
        // The body is read and within its limit before the handler runs, so axum's own limit
        // is not needed.
        let router = router.layer(DefaultBodyLimit::disable());
        let requests = limits.requests_max.min(Semaphore::MAX_PERMITS);
        let requests = Arc::new(Semaphore::new(requests));
        Self {
            router,
            limits,
            counts,
            stop,
            budget,
            doorkeeper,
            requests,
            handlers: TaskTracker::new(),
        }
    }

    /// Sets up the socket and TLS, then serves.
    pub(crate) async fn welcome(
        self: &Arc<Self>,
        socket: TcpStream,
        mut peer: Peer,
        place: Place,
        tls: Option<TlsAcceptor>,
    ) {
        // If the socket is gone, reading from it will report that.
        let _outcome = tune(&socket);
        let Some(tls) = tls else {
            return self.serve(socket, peer, place).await;
        };

        let agreed = tokio::select! {
            () = self.stop.cancelled() => return,
            agreed = handshake(&tls, socket, self.limits.handshake_lasts) => agreed,
        };
        match agreed {
            Ok((stream, names)) => {
                peer.certificate_names = names;
                self.serve(stream, peer, place).await;
            }
            Err(error) => {
                self.counts.handshakes_failed.add_one();
                let (code, why) = match Distrust::of(&error) {
                    Some(distrust) => (distrust.code(), distrust.to_string()),
                    None => (NO_TLS, error.to_string()),
                };
                warn!(
                    code = code.as_str(), peer = %peer.address, %error,
                    "{code}: no TLS with {}: {why}.", peer.address
                );
            }
        }
    }

    async fn serve<S>(self: &Arc<Self>, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let pace = Pace::new(self.limits, place);
        let io = TokioIo::new(Paced { stream, pace: Arc::clone(&pace) });
        let service = service_fn(|request| -> BoxFuture<'static, _> {
            let (context, peer) = (Arc::clone(self), peer.clone());
            let (bare_feed, busy) = pace.begin();
            Box::pin(async move {
                Ok::<_, Infallible>(context.answer(request, peer, bare_feed, busy).await)
            })
        });
        let mut connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_headers(self.limits.headers_max)
            .max_header_size(self.limits.header_bytes_max)
            .max_buf_size((2 * self.limits.header_bytes_max).max(BUFFER_BYTES_MIN))
            .serve_connection(io, service);

        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                () = pace.place().wanted(), if !stopping => {
                    if pace.is_mid_headers() {
                        return self.give_up(Missing::Headers, &peer);
                    }
                    stopping = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                missing = pace.runs_out() => return self.give_up(missing, &peer),
            }
        };
        if let Err(error) = ended {
            // Hyper's error texts name the kind of fault and quote nothing from the request.
            debug!(peer = %peer.address, %error, "The connection from {} broke.", peer.address);
        }
        say_goodbye(connection.into_parts().io.into_inner().stream).await;
    }

    fn give_up(&self, missing: Missing, peer: &Peer) {
        let (count, what) = match missing {
            Missing::Request => (&self.counts.closed_idle, "no request came"),
            Missing::Headers => (&self.counts.closed_slow_headers, "headers came too slowly"),
            Missing::Reading => (&self.counts.closed_slow_readers, "our response was not read"),
        };
        count.add_one();
        debug!(peer = %peer.address, "Closed the connection from {}: {what}.", peer.address);
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
        bare_feed: bool,
        busy: Busy,
    ) -> Response<Body> {
        self.counts.requests.add_one();
        let from = peer.address;
        let (mut head, body) = request.into_parts();
        let admitted = match head::check(&head, bare_feed) {
            Ok(()) => self.doorkeeper.admit(&mut head, &peer, !body.is_end_stream()),
            Err(refusal) => {
                self.count(refusal);
                Err(Box::new(refusal.into_response()))
            }
        };
        let standing = match admitted {
            Ok(standing) => standing,
            Err(mut response) => {
                // What the sender still wants to say is not listened to.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                return (*response).map(|body| Body::new(WithBusy { body, _busy: busy }));
            }
        };
        if standing == Standing::Known {
            busy.place().is_known();
        }
        let handed = self.hand_over(head, body, standing, peer).await;
        let response = handed.unwrap_or_else(|refusal| {
            self.count(refusal);
            let code = refusal.code();
            if refusal == Refusal::Crashed {
                error!(code = code.as_str(), peer = %from, "{code}: a request of {from} crashed.");
            } else {
                debug!(code = code.as_str(), peer = %from, "{code}: refused a request of {from}.");
            }
            refusal.into_response()
        });
        response.map(|body| Body::new(WithBusy { body, _busy: busy }))
    }

    async fn hand_over(
        &self,
        head: Parts,
        body: Incoming,
        standing: Standing,
        peer: Peer,
    ) -> Result<Response<Body>, Refusal> {
        let mut share = self.budget.share(peer.address.ip().to_canonical());
        if standing == Standing::Known {
            share.becomes_known();
        }
        let bytes = body::whole(body, &mut share, &self.limits).await?;
        let turn = Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_none_left| Refusal::TooBusy)?;

        let mut request = Request::from_parts(head, Body::from(bytes));
        request.extensions_mut().insert(peer);
        let mut router = self.router.clone();
        let handler = self.handlers.spawn(async move {
            // A router is always ready, so `poll_ready` is not needed.
            let Ok(response) = router.call(request).await;
            drop((turn, share));
            response
        });
        handler.await.map_err(|_panicked| Refusal::Crashed)
    }

    fn count(&self, refusal: Refusal) {
        let count = match refusal {
            Refusal::TooLarge { .. } => &self.counts.too_large,
            Refusal::TooSlow { .. } => &self.counts.too_slow,
            Refusal::BrokenOff => &self.counts.broken_off,
            Refusal::Malformed => &self.counts.malformed,
            Refusal::TooBusy => &self.counts.too_busy,
            Refusal::Crashed => &self.counts.crashed,
        };
        count.add_one();
    }

    /// Waits for handlers whose sender has hung up. Returns how many are left at the deadline.
    pub(crate) async fn wait_for_handlers(&self, until: Instant) -> Option<usize> {
        self.handlers.close();
        let waited = timeout_at(until, self.handlers.wait()).await;
        waited.is_err().then(|| self.handlers.len())
    }
}

/// Ends our side, then waits a moment for the other side to read what we said.
async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let goodbye = async {
        stream.shutdown().await?;
        let mut thrown_away = vec![0; GOODBYE_BYTES];
        while stream.read(&mut thrown_away).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The result does not matter, because the connection is over.
    let _outcome = timeout(GOODBYE_LASTS, goodbye).await;
}

/// The body of a response. The request counts as busy until the last byte is passed to the network.
struct WithBusy {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for WithBusy {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
