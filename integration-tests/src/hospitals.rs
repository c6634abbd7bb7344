//! Simulated hospitals over real sockets, and senders that are not ours.
//!
//! ```text
//!   TierLink ──frames, requests──▶ Hospital ──▶ what it received, in order
//!                                     └── behaves, or misbehaves as it was told
//!   MllpSender, HttpSender ──bytes──▶ TierLink
//! ```
//!
//! Nothing here uses the formats and transports of the program: frames, charsets, acknowledgements
//! and Bundles are written and read by hand, so that a mistake of the program cannot hide in a
//! mistake of the test. The HTTP client that senders use is the one exception.
//!
//! A hospital decides nothing. What it says back about a case is for the test to send.

mod answer;
mod hl7;
mod http;
mod letters;
mod manners;
mod mllp;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use hl7::{Charset, Hl7};
pub use http::{Answer, HttpSender};
pub use letters::{
    Person, bundle, canonical, fhir_answer, fhir_referral, fhir_transfer, hl7_answer, hl7_referral,
    hl7_visit, moment, new_control_id, new_number, now, said,
};
pub use manners::{Manners, Turn};
pub use mllp::{FRAME_BEGINS, FRAME_ENDS, MllpSender};

use crate::eventually::WAIT_MAX;
use crate::servers::free_port;

// A port that was just given back may be in use for a moment by a connection that is ending.
const BIND_TRIES_MAX: u32 = 100;
const BIND_EVERY: Duration = Duration::from_millis(20);

/// How a hospital speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HL7 v2 over MLLP.
    Hl7v2,
    /// FHIR messages over HTTP.
    Fhir,
    /// Canonical JSON over HTTP.
    Json,
}

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The bytes, without frame or HTTP head.
    pub raw: Vec<u8>,
    /// The bytes as text, in the charset that they claim.
    pub text: String,
    /// MSH-10, `MessageHeader.id` or the canonical id: the same at every try.
    pub control_id: String,
    /// MSH-9 as `REF^I12`, the FHIR event or the canonical kind.
    pub kind: String,
    /// Every case number of the broker that stands in it.
    pub case_numbers: Vec<String>,
    /// The bearer token that came with it.
    pub token: Option<String>,
    /// Whether the answer took it, and was written out.
    pub taken: bool,
}

impl Received {
    /// The message as JSON. Null for HL7 v2.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.raw).unwrap_or_default()
    }

    /// The message as HL7 v2.
    #[must_use]
    pub fn hl7(&self) -> Hl7 {
        Hl7::parse(&self.text)
    }

    /// Whether it speaks of this case.
    #[must_use]
    pub fn is_about(&self, case_number: &str) -> bool {
        self.case_numbers.iter().any(|number| number == case_number)
    }

    /// The first case number of the broker in it.
    pub fn case_number(&self) -> Result<String> {
        let first = self.case_numbers.first().cloned();
        first.with_context(|| format!("no case number in a {}", self.kind))
    }
}

/// What connections of one hospital share.
#[derive(Debug)]
pub(crate) struct Ward {
    speaks: Speaks,
    received: Mutex<Vec<Received>>,
    manners: Mutex<Manners>,
    changed: watch::Sender<u64>,
}

impl Ward {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a message down and says how to treat it.
    fn note(&self, received: Received) -> (usize, Turn, Manners) {
        let came = |one: &Received| one.control_id == received.control_id;
        let (turn, manners) = {
            let mut manners = self.manners();
            let is_first = || !self.received().iter().any(came);
            (manners.next_turn(&received.text, is_first), manners.clone())
        };
        let place = {
            let mut all = self.received();
            all.push(received);
            all.len() - 1
        };
        self.changed.send_modify(|count| *count += 1);
        (place, turn, manners)
    }

    /// The answer to this message went out and took it.
    fn taken(&self, place: usize) {
        if let Some(received) = self.received().get_mut(place) {
            received.taken = true;
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A simulated hospital. Dropping it closes its door.
#[derive(Debug)]
pub struct Hospital {
    code: String,
    port: u16,
    ward: Arc<Ward>,
    door: Mutex<Option<JoinHandle<()>>>,
}

impl Hospital {
    /// Opens a hospital on a free port.
    pub async fn open(code: &str, speaks: Speaks) -> Result<Self> {
        let hospital = Self {
            code: code.to_owned(),
            port: free_port()?,
            ward: Arc::new(Ward {
                speaks,
                received: Mutex::default(),
                manners: Mutex::default(),
                changed: watch::Sender::new(0),
            }),
            door: Mutex::default(),
        };
        hospital.up().await?;
        Ok(hospital)
    }

    /// Its code in the county.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What its profile says as `outbound.address`.
    #[must_use]
    pub fn address(&self) -> String {
        match self.ward.speaks {
            Speaks::Hl7v2 => format!("mllp://127.0.0.1:{}", self.port),
            Speaks::Fhir => format!("http://127.0.0.1:{}/fhir/$process-message", self.port),
            Speaks::Json => format!("http://127.0.0.1:{}/tierlink/messages", self.port),
        }
    }

    /// Opens the door, if it is closed.
    pub async fn up(&self) -> Result<()> {
        if self.door().is_some() {
            return Ok(());
        }
        let listener = bind(self.port).await?;
        let open = tokio::spawn(serve(listener, Arc::clone(&self.ward)));
        *self.door() = Some(open);
        Ok(())
    }

    /// Closes the door and cuts every connection, as a power cut would.
    pub async fn down(&self) {
        let door = self.door().take();
        if let Some(door) = door {
            door.abort();
            let _ended = door.await;
        }
    }

    fn door(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how it behaves from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.ward.manners());
    }

    /// Everything that arrived, in order, refused messages and repeats included.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.ward.received().clone()
    }

    /// What it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.taken).collect()
    }

    /// Forgets what arrived until now.
    pub fn forget(&self) {
        self.ward.received().clear();
    }

    /// Waits until `find` finds something in what arrived.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&[Received]) -> Option<T>,
    ) -> Result<T> {
        let mut changed = self.ward.changed.subscribe();
        let found = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = find(&self.ward.received()) {
                    return Some(found);
                }
                if changed.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(WAIT_MAX, found).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(_) => {
                let kinds: Vec<String> = self
                    .received()
                    .iter()
                    .map(|r| format!("{}{}", r.kind, if r.taken { "" } else { " (not taken)" }))
                    .collect();
                bail!(
                    "{} waited {} s for: {what}. It received: {kinds:?}",
                    self.code,
                    WAIT_MAX.as_secs()
                )
            }
        }
    }

    /// Waits for the first taken message of this kind about this case.
    pub async fn wait_for_kind(&self, kind: &str, case_number: &str) -> Result<Received> {
        self.wait_for(&format!("{kind} about {case_number}"), |all| {
            all.iter()
                .find(|one| one.taken && one.kind == kind && one.is_about(case_number))
                .cloned()
        })
        .await
    }

    /// Waits for the first taken message in which this text stands.
    pub async fn wait_for_text(&self, text: &str) -> Result<Received> {
        self.wait_for(&format!("a message with `{text}`"), |all| {
            all.iter().find(|one| one.taken && one.text.contains(text)).cloned()
        })
        .await
    }

    /// Waits until it took this many messages, and gives them all.
    pub async fn wait_for_count(&self, count: usize) -> Result<Vec<Received>> {
        self.wait_for(&format!("{count} messages"), |all| {
            let taken: Vec<Received> = all.iter().filter(|one| one.taken).cloned().collect();
            (taken.len() >= count).then_some(taken)
        })
        .await
    }
}

impl Drop for Hospital {
    fn drop(&mut self) {
        if let Some(door) = self.door().take() {
            door.abort();
        }
    }
}

async fn bind(port: u16) -> Result<TcpListener> {
    let mut last = None;
    for _ in 0..BIND_TRIES_MAX {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(BIND_EVERY).await;
    }
    match last {
        Some(error) => Err(error).with_context(|| format!("port {port} stays taken")),
        None => bail!("port {port} was never tried"),
    }
}

/// Serves until the task is aborted, which ends the connections too.
async fn serve(listener: TcpListener, ward: Arc<Ward>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            connections.spawn(attend(stream, Arc::clone(&ward)));
        }
    }
}

/// A connection that breaks is the peer's business; the test sees what arrived.
async fn attend(stream: TcpStream, ward: Arc<Ward>) {
    let _broken = match ward.speaks {
        Speaks::Hl7v2 => mllp::attend(stream, &ward).await,
        Speaks::Fhir | Speaks::Json => http::attend(stream, &ward).await,
    };
}

/// Every number in `text` that looks like one of the broker's: a letter and ten digits or more.
pub(crate) fn case_numbers(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let Some(digits) = word.strip_prefix(['R', 'T', 'C']) else { continue };
        let looks = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
        if looks && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_numbers_are_found_in_every_format() {
        let text = r#"RF1|A||||QS-7|||R2600000011^TIERLINK~X"T2600000012"R26"#;

        assert_eq!(case_numbers(text), ["R2600000011", "T2600000012"]);
    }
}
