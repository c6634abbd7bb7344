//! What a hospital took and was told, in the order in which it happened.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// A message that reached the hospital.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The id under which it came: MSH-10, `MessageHeader.id`, or `id` in JSON.
    pub wire_id: String,
    /// What it says, such as `referral.accept`.
    pub kind: String,
    /// The broker's number of the case.
    pub ours: Option<String>,
    /// Every number of the case that it carries, the broker's included.
    pub numbers: Vec<String>,
    /// What tells whether two messages with one id are the same.
    pub fingerprint: u64,
    /// Whether the hospital took it.
    pub taken: bool,
}

impl Heard {
    /// Whether it carries this number.
    #[must_use]
    pub fn names(&self, number: &str) -> bool {
        self.numbers.iter().any(|known| known == number)
    }
}

/// A message of the hospital's own that the broker took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The hospital's id for it.
    pub message_id: String,
    /// What it says.
    pub kind: &'static str,
}

/// Everything that a hospital heard and said.
pub struct Journal {
    heard: Mutex<Vec<Heard>>,
    said: Mutex<Vec<Said>>,
    changed: watch::Sender<usize>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            heard: Mutex::new(Vec::new()),
            said: Mutex::new(Vec::new()),
            changed: watch::Sender::new(0),
        }
    }
}

impl Journal {
    pub(super) fn note_heard(&self, heard: Heard) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        self.changed.send_modify(|times| *times += 1);
    }

    pub(super) fn note_said(&self, said: Said) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }

    /// Everything that reached the hospital, refused messages and repeats included.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that the broker took from the hospital.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The latest message that `wanted` fits.
    #[must_use]
    pub fn latest(&self, wanted: impl Fn(&Heard) -> bool) -> Option<Heard> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().rev().find(|heard| wanted(heard)).cloned()
    }

    /// Waits until a message that `wanted` fits was taken.
    pub async fn wait_for(&self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.latest(|heard| heard.taken && wanted(heard)) {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
