//! MLLP, both sides, with frames made by hand.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hl7::{Charset, Hl7};
use super::{Received, Turn, Ward, answer, case_numbers};

/// VT, before every message.
pub const FRAME_BEGINS: u8 = 0x0B;
/// FS CR, behind every message.
pub const FRAME_ENDS: [u8; 2] = [0x1C, 0x0D];

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 16 * 1024;

/// Bytes that came and are not used up yet.
#[derive(Debug, Default)]
struct Pending(Vec<u8>);

impl Pending {
    /// The next whole frame, if there is one.
    fn next(&mut self) -> Option<Vec<u8>> {
        let begins = self.0.iter().position(|b| *b == FRAME_BEGINS)?;
        let length = self.0[begins..].windows(2).position(|two| two == FRAME_ENDS)?;
        let frame = self.0[begins + 1..begins + length].to_vec();
        self.0.drain(..begins + length + FRAME_ENDS.len());
        Some(frame)
    }
}

/// Long enough for an operator to replay what the first answer refused.
const SECOND_ANSWER_AFTER: Duration = Duration::from_millis(1_500);

fn framed(message: &[u8]) -> Vec<u8> {
    [&[FRAME_BEGINS], message, &FRAME_ENDS].concat()
}

/// Serves one connection of the broker.
pub(super) async fn attend(mut stream: TcpStream, ward: &Ward) -> Result<()> {
    let mut pending = Pending::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        while let Some(raw) = pending.next() {
            let (place, turn, manners) = ward.note(read(raw.clone()));
            manners.think(turn).await;
            let message = Hl7::parse(&Charset::read(&raw));
            if turn == Turn::Silent {
                return wait_for_the_end(&mut stream).await;
            }
            for (number, answer) in turn.answers().into_iter().enumerate() {
                if number > 0 {
                    tokio::time::sleep(SECOND_ANSWER_AFTER).await;
                }
                match answer::hl7(&message, answer) {
                    Some(answer) => stream.write_all(&framed(&answer)).await?,
                    None => return Ok(()),
                }
            }
            if turn.takes() {
                ward.taken(place);
            }
            if manners.closes_after_each || turn == Turn::TwoMinds {
                return Ok(());
            }
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        pending.0.extend_from_slice(&buffer[..count]);
    }
}

/// Listens, and says nothing, until the peer hangs up.
pub(super) async fn wait_for_the_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn read(raw: Vec<u8>) -> Received {
    let text = Charset::read(&raw);
    let message = Hl7::parse(&text);
    let kind = format!("{}^{}", message.component("MSH", 9, 1), message.component("MSH", 9, 2));
    Received {
        control_id: message.field("MSH", 10).to_owned(),
        kind,
        case_numbers: case_numbers(&text),
        token: None,
        taken: false,
        raw,
        text,
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
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("nobody listens for MLLP on port {port}"))?;
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
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if let Some(frame) = self.pending.next() {
                return Ok(Some(frame));
            }
            let count = tokio::time::timeout(self.patience, self.stream.read(&mut buffer))
                .await
                .context("no answer in time")??;
            if count == 0 {
                return Ok(None);
            }
            self.pending.0.extend_from_slice(&buffer[..count]);
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
        let mut pending = Pending(b"noise\x0bone\x1c\x0d\x0btw".to_vec());

        let first = pending.next();
        let early = pending.next();
        pending.0.extend_from_slice(b"o\x1c\x0d");

        assert_eq!((first, early), (Some(b"one".to_vec()), None));
        assert_eq!(pending.next(), Some(b"two".to_vec()));
    }
}
