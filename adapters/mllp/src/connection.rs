//! Serves one connection of a server.
//!
//! ```text
//!   read a frame ──▶ ask the door ──▶ write its answer ──▶ read the next …
//! ```
//!
//! One message at a time, in order: the next frame is read after the last one is answered. The door
//! runs in a task of its own, because a sender that hangs up, or a server that stops, must not
//! interrupt a transaction.

use std::sync::Arc;

use bytes::Bytes;
use tierlink_schemas::problem::Code;
use tierlink_socket::{ByteBudget, Peer, Place};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::codec::{Codec, Framing, write_frame};
use crate::counts::Counts;
use crate::door::{Answer, Door, MllpLimits};
use crate::frame::{Broken, Frame};
use crate::room::Room;
use crate::wire::{Next, Patience, Wire};

const ANSWER_NOT_FRAMED: Code = Code::new("E005");
const RECEIVING_CRASHED: Code = Code::new("E008");
const ANSWER_NOT_TAKEN: Code = Code::new("E009");

/// What all connections of a server share.
pub(crate) struct ServerContext {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) limits: MllpLimits,
    pub(crate) framing: Framing,
    pub(crate) counts: Arc<Counts>,
    pub(crate) budget: ByteBudget,
    pub(crate) stop: CancellationToken,
}

/// Whether the connection continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    GoOn,
    End,
}

impl ServerContext {
    /// Serves one connection until either side ends it.
    pub(crate) async fn serve<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let codec = Codec::new(self.limits.codec(), self.framing);
        let (door, from) = (Arc::clone(&self.door), peer.clone());
        let share = self.budget.share(peer.address.ip().to_canonical());
        let place = Arc::new(place);
        let standing = Arc::clone(&place);
        let room = Room::new(share, move |head| {
            let known = door.knows(&from, head);
            if known {
                standing.is_known();
            }
            known
        });
        let mut wire = Wire::new(stream, codec).within(room);
        while let Some(frame) = self.next(&mut wire, &place).await {
            let after = match frame {
                Frame::Message(message) => {
                    wire.look_at(&message);
                    self.receive(&mut wire, &peer, message).await
                }
                Frame::Broken(broken) => self.tell_broken(&mut wire, &peer, broken).await,
            };
            // The message is answered, and what it filled is free.
            wire.gives_back_room();
            if after == After::End {
                break;
            }
        }
        wire.say_goodbye().await;
        debug!(peer = %peer.address, "The connection from {} is closed.", peer.address);
    }

    /// The next frame to serve. Once the server stops, only frames that have arrived completely.
    async fn next<S>(&self, wire: &mut Wire<S>, place: &Place) -> Option<Frame>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let MllpLimits { idle_lasts, frame_lasts, .. } = self.limits;
        loop {
            if let Some(frame) = wire.next_buffered() {
                return Some(frame);
            }
            if wire.is_mid_frame() {
                break;
            }
            place.rests();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                more = wire.hears_more(idle_lasts) => more.then_some(())?,
                () = place.wanted() => return None,
            }
            place.works();
        }
        let next = tokio::select! {
            biased;
            () = self.stop.cancelled() => return wire.next_buffered(),
            // Somebody who drips half a frame has to go for somebody who speaks.
            () = place.wanted() => return None,
            next = wire.next(Patience { idle_lasts, frame_lasts }) => next,
        };
        match next {
            Next::Frame(frame) => Some(frame),
            Next::Closed | Next::Idle => None,
        }
    }

    async fn receive<S>(&self, wire: &mut Wire<S>, peer: &Peer, message: Bytes) -> After
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.counts.messages.add_one();
        let (door, from) = (Arc::clone(&self.door), peer.clone());
        let asked = tokio::spawn(async move { door.receive(from, message).await });
        match asked.await {
            Ok(Answer::Reply(answers)) => {
                for answer in &answers {
                    if let After::End = self.reply(wire, peer, answer).await {
                        return After::End;
                    }
                }
                After::GoOn
            }
            Ok(Answer::Silent) => After::GoOn,
            Ok(Answer::Close) => After::End,
            Err(_panicked) => crashed(peer),
        }
    }

    async fn tell_broken<S>(&self, wire: &mut Wire<S>, peer: &Peer, broken: Broken) -> After
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.counts.broken.add_one();
        let Broken { why, length, .. } = broken;
        warn!(
            code = why.code().as_str(), peer = %peer.address, length,
            "{}: a frame from {} was broken: {why}.", why.code(), peer.address
        );
        let (door, from) = (Arc::clone(&self.door), peer.clone());
        let asked = tokio::spawn(async move { door.broken(from, broken).await });
        let after = match asked.await {
            Ok(Some(answer)) => self.reply(wire, peer, &answer).await,
            Ok(None) => After::GoOn,
            Err(_panicked) => crashed(peer),
        };
        if why.ends_the_connection() { After::End } else { after }
    }

    async fn reply<S>(&self, wire: &mut Wire<S>, peer: &Peer, answer: &[u8]) -> After
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Err(error) = write_frame(answer, wire.outbox()) {
            self.counts.answers_lost.add_one();
            error!(
                code = ANSWER_NOT_FRAMED.as_str(), peer = %peer.address,
                "{ANSWER_NOT_FRAMED}: our answer to {} could not be framed: {error}.", peer.address
            );
            return After::End;
        }
        match wire.send(self.limits.write_lasts).await {
            Ok(()) => After::GoOn,
            Err(unsent) => {
                self.counts.answers_lost.add_one();
                warn!(
                    code = ANSWER_NOT_TAKEN.as_str(), peer = %peer.address, error = %unsent.source,
                    "{ANSWER_NOT_TAKEN}: {} did not take our answer.", peer.address
                );
                After::End
            }
        }
    }
}

/// What became of the message is unknown, so the sender must get no answer.
fn crashed(peer: &Peer) -> After {
    error!(
        code = RECEIVING_CRASHED.as_str(), peer = %peer.address,
        "{RECEIVING_CRASHED}: receiving a message from {} crashed; it was not answered.", peer.address
    );
    After::End
}
