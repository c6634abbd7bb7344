//! Hospitals that receive: one listener per organisation, MLLP or HTTP, answers written by hand.
//!
//! A silent hospital reads and says nothing, as a system does whose database stands still.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::ledger::Ledger;

/// More than any message of these measurements has.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// How an organisation listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HL7 v2 over MLLP.
    Hl7v2,
    /// FHIR over HTTP.
    Fhir,
}

/// One organisation's front door.
pub struct Receiver {
    /// How it listens.
    pub speaks: Speaks,
    address: SocketAddr,
    silent: Arc<AtomicBool>,
    /// Ends with this.
    _listening: JoinSet<()>,
}

impl Receiver {
    /// Opens it.
    pub async fn open(speaks: Speaks, ledger: Arc<Ledger>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let silent = Arc::new(AtomicBool::new(false));
        let mut listening = JoinSet::new();
        let known = Arc::clone(&silent);
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (ledger, silent) = (Arc::clone(&ledger), Arc::clone(&known));
                connections.spawn(async move {
                    // The broker closes when it likes; that is its right.
                    let _closed = attend(stream, speaks, &ledger, &silent).await;
                });
            }
        });
        Ok(Self { speaks, address, silent, _listening: listening })
    }

    /// As `outbound.address` has it.
    pub fn url(&self) -> String {
        match self.speaks {
            Speaks::Hl7v2 => format!("mllp://{}", self.address),
            Speaks::Fhir => format!("http://{}/fhir", self.address),
        }
    }

    /// Makes it fall silent, or speak again.
    pub fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Release);
    }
}

async fn attend(
    mut stream: TcpStream,
    speaks: Speaks,
    ledger: &Ledger,
    silent: &AtomicBool,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let message = match speaks {
            Speaks::Hl7v2 => frame(&buffer),
            Speaks::Fhir => request(&buffer)?,
        };
        let Some((body, used)) = message else {
            ensure!(buffer.len() < MESSAGE_BYTES_MAX, "a message without an end");
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if !silent.load(Ordering::Acquire) {
            let answer = match speaks {
                Speaks::Hl7v2 => acknowledge(&buffer[body.clone()])?,
                Speaks::Fhir => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
            };
            ledger.receive(&buffer[body]);
            stream.write_all(&answer).await?;
        }
        buffer.drain(..used);
    }
}

type Found = (std::ops::Range<usize>, usize);

fn frame(buffer: &[u8]) -> Option<Found> {
    let begins = buffer.iter().position(|byte| *byte == 0x0b)? + 1;
    let length = buffer[begins..].windows(2).position(|two| two == b"\x1c\r")?;
    Some((begins..begins + length, begins + length + 2))
}

fn request(buffer: &[u8]) -> Result<Option<Found>> {
    let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("a request without a length")?;
    let body = head + 4..head + 4 + length.1.trim().parse::<usize>()?;
    let used = body.end;
    Ok((buffer.len() >= used).then_some((body, used)))
}

fn acknowledge(message: &[u8]) -> Result<Vec<u8>> {
    let head = message.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let id = head.split(|byte| *byte == b'|').nth(9).context("no MSH-10")?;
    let id = std::str::from_utf8(id)?;
    let text = format!(
        "\x0bMSH|^~\\&|HIS|H|TIERLINK|T|20260310090000||ACK^I12|A{id}|P|2.5.1\rMSA|AA|{id}\r\x1c\r"
    );
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_only_with_its_body() {
        let whole = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcdPOST";

        let found = request(whole).unwrap().unwrap();
        let half = request(&whole[..whole.len() - 6]).unwrap();

        assert_eq!(&whole[found.0], b"abcd");
        assert_eq!(found.1, whole.len() - 4);
        assert_eq!(half, None);
    }

    #[test]
    fn an_acknowledgement_names_the_message() {
        let answer = acknowledge(b"MSH|^~\\&|A|B|C|D|1||REF^I12|M42|P|2.4\rPID|1").unwrap();

        assert!(String::from_utf8(answer).unwrap().contains("MSA|AA|M42\r"));
    }
}
