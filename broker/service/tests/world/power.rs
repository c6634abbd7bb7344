//! The power switch of a process.
//!
//! A process touches the world only through its store, its bus and its doors. With the power off,
//! none of them ever answers again and none of them acts, so its tasks hang where they stand: that
//! is what `kill -9` at any await looks like from outside. Stopped (`SIGSTOP`), they go on later
//! as if nothing had been.

use std::sync::Arc;

use tokio::sync::watch;

/// What the machine gives to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It runs.
    On,
    /// It stands still. With `forgotten`, the bus has cut its connections meanwhile.
    Stopped { forgotten: bool },
    /// It is dead.
    Off,
}

/// The switch. Cheap to clone.
#[derive(Clone)]
pub struct Power {
    mode: Arc<watch::Sender<Mode>>,
}

impl Power {
    pub fn new() -> Self {
        Self { mode: Arc::new(watch::Sender::new(Mode::On)) }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
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
        let mut seen = self.mode.subscribe();
        while !wanted(*seen.borrow_and_update()) {
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
