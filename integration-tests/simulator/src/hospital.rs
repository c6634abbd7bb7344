//! A hospital that remembers what reached it, and treats it as its manners say.
//!
//! A hospital decides nothing. What it says back about a case is for whoever plays it to send.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::desk::{Desk, Incoming, Reaction, Reply, Then};
use crate::door::Door;
use crate::ledger::Arrived;
use crate::{Manners, Received, Speaks, Turn, Which, fhir, hl7, json};

/// How long [`Hospital::wait_for`] waits. Generous, because the machine may be busy.
pub const WAIT_MAX: Duration = Duration::from_secs(40);

/// What connections of one hospital share.
#[derive(Debug)]
struct Ward {
    speaks: Speaks,
    /// The bearer token that the broker must show, if it must.
    secret: Option<String>,
    received: Mutex<Vec<Received>>,
    manners: Mutex<Manners>,
    changed: watch::Sender<u64>,
}

impl Ward {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock()
    }

    fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock()
    }

    fn read(&self, message: Incoming<'_>) -> Received {
        match self.speaks {
            Speaks::Hl7v2 => hl7::read(message),
            Speaks::Fhir => fhir::read(message),
            Speaks::Json => json::read(message),
        }
    }

    fn reply(&self, message: &[u8], turn: Turn) -> Option<Reply> {
        match self.speaks {
            Speaks::Hl7v2 => hl7::answer(message, turn),
            Speaks::Fhir => fhir::answer(message, turn),
            Speaks::Json => json::answer(message, turn),
        }
    }

    /// Writes a message down and says how to treat it.
    fn note(&self, mut received: Received) -> (usize, Turn, Manners) {
        let came = |one: &Received| one.control_id == received.control_id;
        let (turn, manners) = {
            let mut manners = self.manners();
            let is_first = || !self.received().iter().any(came);
            (manners.next_turn(&received, is_first), manners.clone())
        };
        received.turn = turn;
        let place = {
            let mut all = self.received();
            all.push(received);
            all.len() - 1
        };
        self.changed.send_modify(|count| *count += 1);
        (place, turn, manners)
    }
}

impl Desk for Ward {
    async fn receive(&self, message: Incoming<'_>) -> Reaction {
        let turned_away = self.manners().turns_away(message.raw);
        if let Some(reply) = turned_away {
            return Reaction { replies: vec![reply], ..Reaction::default() };
        }
        if self.secret.is_some() && self.secret.as_deref() != message.token {
            let reply = Reply { status: 401, media_type: "text/plain", ..Reply::default() };
            return Reaction { replies: vec![reply], ..Reaction::default() };
        }
        let (place, turn, manners) = self.note(self.read(message));
        manners.think(turn).await;
        let answers = turn.answers().iter();
        let replies: Vec<Reply> =
            answers.filter_map(|turn| self.reply(message.raw, *turn)).collect();
        let ends = match turn {
            Turn::Mute => true,
            // Over HTTP the second answer is nobody's, and the connection goes on with it.
            Turn::TwoMinds => self.speaks == Speaks::Hl7v2,
            Turn::Take
            | Turn::Refuse
            | Turn::NotNow
            | Turn::OtherId
            | Turn::Garbage
            | Turn::Silent
            | Turn::Late => false,
        };
        let then = if turn == Turn::Silent {
            Then::Silence
        } else if ends || manners.closes_after_each {
            Then::Close
        } else {
            Then::Stay
        };
        Reaction { replies, then, takes: turn.takes().then_some(place) }
    }

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
    door: Door<Ward>,
}

impl Hospital {
    /// Opens a hospital on a free port of this machine.
    pub async fn open(code: &str, speaks: Speaks) -> Result<Self> {
        Self::open_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), code, speaks, None).await
    }

    /// Opens a hospital at this address. Over HTTP it lets in only who shows the `secret`, if it
    /// has one.
    pub async fn open_at(
        address: SocketAddr,
        code: &str,
        speaks: Speaks,
        secret: Option<String>,
    ) -> Result<Self> {
        let ward = Arc::new(Ward {
            speaks,
            secret: secret.filter(|_| speaks != Speaks::Hl7v2),
            received: Mutex::default(),
            manners: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        Ok(Self { code: code.to_owned(), door: Door::open(address, speaks, ward).await? })
    }

    fn ward(&self) -> &Ward {
        self.door.desk()
    }

    /// Its code in the county.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What its profile says as `outbound.address`.
    #[must_use]
    pub fn address(&self) -> String {
        self.door.url()
    }

    /// Opens the door, if it is closed.
    pub async fn up(&self) -> Result<()> {
        self.door.up().await
    }

    /// Closes the door and cuts every connection, as a power cut would.
    pub async fn down(&self) {
        self.door.down().await;
    }

    /// Changes how it behaves from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.ward().manners());
    }

    /// How often what stands before it has turned something away.
    #[must_use]
    pub fn turned_away(&self) -> usize {
        self.ward().manners().turned_away
    }

    /// Treats these messages like this from now on: so many times, or always.
    pub fn except(&self, which: Which, turn: Turn, times: Option<usize>) {
        self.behave(|manners| manners.except(which, turn, times));
    }

    /// Everything that arrived, in order, refused messages and repeats included.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.ward().received().clone()
    }

    /// What it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.taken).collect()
    }

    /// Everything that arrived, as the ledger counts it.
    #[must_use]
    pub fn arrived(&self) -> Vec<Arrived> {
        self.ward().received().iter().map(|received| received.arrived(&self.code)).collect()
    }

    /// The latest message that it took and that `wanted` fits.
    #[must_use]
    pub fn latest(&self, wanted: impl Fn(&Received) -> bool) -> Option<Received> {
        self.ward().received().iter().rev().find(|one| one.taken && wanted(one)).cloned()
    }

    /// Forgets what arrived until now.
    pub fn forget(&self) {
        self.ward().received().clear();
    }

    /// Changes whenever something arrived or was taken.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.ward().changed.subscribe()
    }

    /// Waits until `find` finds something in what arrived.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&[Received]) -> Option<T>,
    ) -> Result<T> {
        self.wait_within(WAIT_MAX, what, find).await
    }

    /// The same with another deadline.
    pub async fn wait_within<T>(
        &self,
        within: Duration,
        what: &str,
        find: impl Fn(&[Received]) -> Option<T>,
    ) -> Result<T> {
        let mut changed = self.changes();
        let found = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = find(&self.ward().received()) {
                    return Some(found);
                }
                if changed.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(within, found).await {
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
                    within.as_secs()
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
