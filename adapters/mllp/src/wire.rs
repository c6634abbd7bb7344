//! The bytes and timeouts of one connection: reads frames within time limits, and writes each
//! frame at once.
//!
//! Used by server and client. Does not know whose turn it is to send.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use socket2::SockRef;
use tierlink_socket::Distrust;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::Decoder;

use crate::codec::Codec;
use crate::frame::{Frame, Why};
use crate::room::Room;

/// Bytes to read from the network at a time. Most messages fit.
const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew beyond this for one large frame is freed after it.
const BUFFER_BYTES_KEPT: usize = 256 * 1024;
/// How long to wait for a final `0D` that may never come. If it comes later, it is
/// ignored as padding.
const FINAL_RETURN_LASTS: Duration = Duration::from_millis(100);
/// How long a closing connection stays open for the other side to read our last answer. Closing
/// with unread bytes makes the network discard that answer.
const GOODBYE_LASTS: Duration = Duration::from_secs(1);
/// Most reads to discard late answers. More bytes are taken for a flood.
const BACKLOG_READS_MAX: usize = 64;

pub(crate) struct Wire<S> {
    stream: S,
    codec: Codec,
    inbox: BytesMut,
    outbox: BytesMut,
    /// When the frame that is arriving was first found to be incomplete.
    frame_since: Option<Instant>,
    ended: bool,
    /// Why the other side has ended TLS, if it has.
    distrust: Option<Distrust>,
    /// Where memory for frames is asked for. A client, which asked for what it reads, has none.
    room: Option<Room>,
}

/// How long to wait for a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For its first byte.
    pub(crate) idle_lasts: Duration,
    /// For its last byte, counted from the first.
    pub(crate) frame_lasts: Duration,
}

/// Result of waiting for a frame.
pub(crate) enum Next {
    Frame(Frame),
    /// The other side closed the connection, and no frame was left incomplete.
    Closed,
    /// No frame began in time.
    Idle,
}

/// A frame that could not be written.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// Whether its end may have been sent, so that the other side may have all of it.
    pub(crate) whole: bool,
    pub(crate) source: io::Error,
}

/// What to do when the wait is over.
enum Then {
    SayIdle,
    TakeWithoutReturn,
    GiveUp,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S, codec: Codec) -> Self {
        let (inbox, outbox) = (BytesMut::new(), BytesMut::new());
        Self {
            stream,
            codec,
            inbox,
            outbox,
            frame_since: None,
            ended: false,
            distrust: None,
            room: None,
        }
    }

    /// Why the other side has ended TLS; `None` if it has not, or for no such reason.
    pub(crate) fn distrust(&self) -> Option<Distrust> {
        self.distrust.clone()
    }

    fn breaks(&mut self, error: &io::Error) {
        self.ended = true;
        self.distrust = Distrust::of(error);
    }

    /// From now on frames need room.
    pub(crate) fn within(mut self, room: Room) -> Self {
        self.room = Some(room);
        self
    }

    /// Looks who sent this message, until that is known.
    pub(crate) fn look_at(&mut self, message: &[u8]) {
        if let Some(room) = &mut self.room {
            room.look_at(message);
        }
    }

    /// The last message is not held any more: only the bytes behind it are.
    pub(crate) fn gives_back_room(&mut self) {
        let kept = self.inbox.capacity();
        if let Some(room) = &mut self.room {
            room.keep(kept);
        }
    }

    /// Waits for the next frame. Safe to cancel: no byte is lost.
    pub(crate) async fn next(&mut self, patience: Patience) -> Next {
        let idle_until = Instant::now() + patience.idle_lasts;
        loop {
            if let Some(frame) = self.next_buffered() {
                return Next::Frame(frame);
            }
            if self.ended {
                return self.finish(Why::CutOff).map_or(Next::Closed, Next::Frame);
            }
            let (until, then) = self.wait(patience, idle_until);
            self.make_room();
            match timeout_at(until, self.stream.read_buf(&mut self.inbox)).await {
                Ok(Ok(0)) => self.ended = true,
                Ok(Err(error)) => self.breaks(&error),
                Ok(Ok(_)) => {}
                Err(_elapsed) => match then {
                    Then::SayIdle => return Next::Idle,
                    Then::TakeWithoutReturn | Then::GiveUp => {
                        if let Some(frame) = self.finish(Why::TooSlow) {
                            return Next::Frame(frame);
                        }
                    }
                },
            }
        }
    }

    /// Whether a frame has begun and not ended. Padding between frames does not count.
    ///
    /// Call it only after [`Self::next_buffered`] returned `None`.
    pub(crate) fn is_mid_frame(&self) -> bool {
        self.codec.is_mid_frame()
    }

    /// Waits for bytes between two frames. Returns whether there are any.
    ///
    /// Safe to cancel: no byte is lost.
    pub(crate) async fn hears_more(&mut self, idle_lasts: Duration) -> bool {
        self.inbox.reserve(READ_BYTES);
        match timeout(idle_lasts, self.stream.read_buf(&mut self.inbox)).await {
            Ok(Ok(0)) => {
                self.ended = true;
                false
            }
            Ok(Err(error)) => {
                self.breaks(&error);
                false
            }
            Ok(Ok(_)) => true,
            Err(_elapsed) => false,
        }
    }

    /// Makes room for the next bytes of a frame, or skips the frame because there is none.
    fn make_room(&mut self) {
        let capacity = self.inbox.capacity();
        let needed = self.inbox.len() + READ_BYTES;
        if needed > capacity
            && let Some(room) = &mut self.room
            // A buffer that grows doubles.
            && room.take(needed.max(2 * capacity), &self.inbox).is_err()
            && self.codec.is_mid_frame()
        {
            self.codec.skip_frame(&mut self.inbox, Why::NoRoom);
            self.inbox = BytesMut::from(&self.inbox[..]);
            room.keep(self.inbox.capacity());
        }
        self.inbox.reserve(READ_BYTES);
    }

    /// The next frame among the bytes that are already here.
    pub(crate) fn next_buffered(&mut self) -> Option<Frame> {
        // Our codec returns no errors: anything wrong with the bytes is a broken frame.
        let frame = self.codec.decode(&mut self.inbox).ok().flatten()?;
        self.frame_since = None;
        if self.inbox.is_empty() && self.inbox.capacity() + length_of(&frame) > BUFFER_BYTES_KEPT {
            self.inbox = BytesMut::new();
        }
        Some(frame)
    }

    fn wait(&mut self, patience: Patience, idle_until: Instant) -> (Instant, Then) {
        if !self.codec.is_mid_frame() {
            return (idle_until, Then::SayIdle);
        }
        let now = Instant::now();
        let frame_until = *self.frame_since.get_or_insert(now) + patience.frame_lasts;
        let return_until = now + FINAL_RETURN_LASTS;
        if self.codec.awaits_final_return(&self.inbox) && return_until < frame_until {
            return (return_until, Then::TakeWithoutReturn);
        }
        (frame_until, Then::GiveUp)
    }

    fn finish(&mut self, why: Why) -> Option<Frame> {
        self.frame_since = None;
        self.codec.finish(&mut self.inbox, why)
    }

    /// The buffer in which to build the next frame for [`Self::send`].
    pub(crate) fn outbox(&mut self) -> &mut BytesMut {
        self.outbox.clear();
        &mut self.outbox
    }

    /// Writes the contents of the outbox.
    pub(crate) async fn send(&mut self, lasts: Duration) -> Result<(), Unsent> {
        let mut written = 0;
        let Self { stream, outbox, .. } = self;
        let write = async {
            while let Some(rest) = outbox.get(written..).filter(|rest| !rest.is_empty()) {
                match stream.write(rest).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    more => written += more,
                }
            }
            stream.flush().await
        };
        let outcome = timeout(lasts, write).await.unwrap_or_else(|late| Err(late.into()));
        // The last byte is the `0D`, which some readers do not need.
        let whole = written + 1 >= self.outbox.len();
        if self.outbox.capacity() > BUFFER_BYTES_KEPT {
            self.outbox = BytesMut::new();
        }
        outcome.map_err(|source| Unsent { whole, source })
    }

    /// Closes our side, then waits briefly for the other side to read our last answer.
    pub(crate) async fn say_goodbye(mut self) {
        let goodbye = async {
            self.stream.shutdown().await?;
            loop {
                self.inbox.clear();
                self.inbox.reserve(READ_BYTES);
                if self.stream.read_buf(&mut self.inbox).await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // The result does not matter, because the connection is over.
        let _outcome = timeout(GOODBYE_LASTS, goodbye).await;
    }

    /// Reads and discards what arrived since the last exchange, because it cannot answer a message that
    /// is yet to be sent. Returns the number of frames, or `None` if the connection cannot be used.
    pub(crate) fn clear_backlog(&mut self, socket: impl Fn(&S) -> &TcpStream) -> Option<u64> {
        if !is_open(socket(&self.stream)) {
            return None;
        }
        let mut frames = 0;
        for _ in 0..BACKLOG_READS_MAX {
            while self.next_buffered().is_some() {
                frames += 1;
            }
            self.inbox.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.inbox).now_or_never() {
                None => {
                    let between_frames = !self.ended && !self.codec.is_mid_frame();
                    return between_frames.then_some(frames);
                }
                Some(Ok(0) | Err(_)) => return None,
                Some(Ok(_)) => {}
            }
        }
        None
    }
}

fn length_of(frame: &Frame) -> usize {
    match frame {
        Frame::Message(message) => message.len(),
        Frame::Broken(broken) => broken.length,
    }
}

/// Asks the operating system, which knows of a closed connection before the runtime does.
fn is_open(socket: &TcpStream) -> bool {
    match SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]) {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
