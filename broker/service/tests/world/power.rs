//! The power switch of a process.
//!
//! A process touches the world only through its store, its bus and its doors. With the power off,
//! none of them ever answers again and none of them acts, so its tasks hang where they stand: that
//! is what `kill -9` at any await looks like from outside. Stopped (`SIGSTOP`), they go on later
//! as if nothing had been.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What the machine gives to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The process runs.
    On,
    /// It stands still. With `forgotten`, the bus has cut its connections meanwhile.
    Stopped { forgotten: bool },
    /// It is dead.
    Off,
}

/// The switch. Cheap to clone.
///
/// Whoever waits for it is woken in the order of waiting. tokio's `watch` would wake in an order
/// of its own chance, which no seed repeats.
#[derive(Clone)]
pub struct Power {
    mode: Arc<Mutex<Mode>>,
    changed: Arc<Notify>,
}

impl Power {
    pub fn new() -> Self {
        Self { mode: Arc::new(Mutex::new(Mode::On)), changed: Arc::default() }
    }

    pub fn set(&self, mode: Mode) {
        *self.mode.lock() = mode;
        self.changed.notify_waiters();
    }

    pub fn mode(&self) -> Mode {
        *self.mode.lock()
    }

    /// Goes on only while the process runs.
    pub async fn on(&self) {
        self.until(|mode| mode == Mode::On).await;
    }

    /// Returns once the bus has lost the process.
    pub async fn lost(&self) {
        self.until(|mode| matches!(mode, Mode::Off | Mode::Stopped { forgotten: true })).await;
    }

    async fn until(&self, wanted: impl Fn(Mode) -> bool) {
        loop {
            // Asked for before looking, so that no change between the two is missed.
            let changed = self.changed.notified();
            if wanted(self.mode()) {
                return;
            }
            changed.await;
        }
    }
}
