//! MLLP, both sides, with frames made by hand.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::desk::{Desk, Incoming, READ_BYTES, SECOND_ANSWER_AFTER, Then, wait_for_the_end};
use crate::hl7::{Charset, Hl7};

/// VT, before every message.
pub const FRAME_BEGINS: u8 = 0x0B;
/// FS CR, behind every message.
pub const FRAME_ENDS: [u8; 2] = [0x1C, 0x0D];

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes that came and are not used up yet.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// No frame ends before this place.
    searched: usize,
}

impl Pending {
    /// The next whole frame, if there is one.
    fn next(&mut self) -> Option<Vec<u8>> {
        let begins = self.bytes.iter().position(|b| *b == FRAME_BEGINS)?;
        let from = self.searched.max(begins);
        let found = self.bytes[from..].windows(2).position(|two| two == FRAME_ENDS);
        let Some(found) = found else {
            // FS may be the last byte that is here.
            self.searched = self.bytes.len().saturating_sub(1);
            return None;
        };
        let ends = from + found;
        let frame = self.bytes[begins + 1..ends].to_vec();
        self.bytes.drain(..ends + FRAME_ENDS.len());
        self.searched = 0;
        Some(frame)
    }

    /// Reads on. False once the peer has hung up.
    async fn read(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        self.bytes.reserve(READ_BYTES);
        Ok(stream.read_buf(&mut self.bytes).await? > 0)
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[FRAME_BEGINS], message, &FRAME_ENDS].concat()
}

/// Serves one connection of the broker.
pub(crate) async fn attend(mut stream: TcpStream, desk: &impl Desk) -> Result<()> {
    let mut pending = Pending::default();
    loop {
        while let Some(raw) = pending.next() {
            let reaction = desk.receive(Incoming { raw: &raw, token: None }).await;
            for (number, reply) in reaction.replies.iter().enumerate() {
                if number > 0 {
                    tokio::time::sleep(SECOND_ANSWER_AFTER).await;
                }
                stream.write_all(&framed(&reply.body)).await?;
            }
            if let Some(message) = reaction.takes {
                desk.taken(message);
            }
            match reaction.then {
                Then::Stay => {}
                Then::Close => return Ok(()),
                Then::Silence => return wait_for_the_end(&mut stream).await,
            }
        }
        if !pending.read(&mut stream).await? {
            return Ok(());
        }
    }
}

/// An MLLP client as hospitals have them: one connection, one message, one answer.
#[derive(Debug)]
pub struct MllpSender {
    stream: TcpStream,
    pending: Pending,
    patience: Duration,
}

impl MllpSender {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> Result<Self> {
        Self::connect_to(("127.0.0.1", port))
            .await
            .with_context(|| format!("nobody listens for MLLP on port {port}"))
    }

    /// Connects to an address.
    pub async fn connect_to(address: impl ToSocketAddrs) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, pending: Pending::default(), patience: ANSWER_WITHIN })
    }

    /// The same connection, on which an answer is waited for so long.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends bytes exactly as they are, without a frame.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(())
    }

    /// Sends one framed message without waiting for the answer.
    pub async fn send(&mut self, message: &[u8]) -> Result<()> {
        self.write(&framed(message)).await
    }

    /// The next answer; `None` if the other side closes before.
    pub async fn answer(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(frame) = self.pending.next() {
                return Ok(Some(frame));
            }
            let more = self.pending.read(&mut self.stream);
            if !tokio::time::timeout(self.patience, more).await.context("no answer in time")?? {
                return Ok(None);
            }
        }
    }

    /// Sends one message and reads its answer.
    pub async fn exchange(&mut self, message: &[u8]) -> Result<Hl7> {
        self.send(message).await?;
        match self.answer().await? {
            Some(answer) => Ok(Hl7::parse(&Charset::read(&answer))),
            None => bail!("the connection was closed without an answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_wherever_the_bytes_break() {
        let mut pending =
            Pending { bytes: b"noise\x0bone\x1c\x0d\x0btwo\x1c".to_vec(), searched: 0 };

        let first = pending.next();
        let early = pending.next();
        pending.bytes.extend_from_slice(b"\x0d\x0b\x1c\x0d");

        assert_eq!((first, early), (Some(b"one".to_vec()), None));
        assert_eq!(pending.next(), Some(b"two".to_vec()));
        assert_eq!(pending.next(), Some(Vec::new()));
        assert_eq!(pending.next(), None);
    }
}
