//! The configuration in force. It is replaced as a whole on reload.

use std::sync::Arc;

use parking_lot::RwLock;
use tierlink_edge::organisations::{CurrentOrganisations, Organisations};
use tokio::sync::watch;

use crate::config::Config;

/// The configuration in force. Whoever works takes it once per piece of work.
pub struct CurrentConfig {
    config: RwLock<Arc<Config>>,
    changed: watch::Sender<u64>,
}

impl CurrentConfig {
    /// Puts the first configuration in force.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: RwLock::new(Arc::new(config)), changed: watch::Sender::new(0) }
    }

    /// The configuration in force.
    #[must_use]
    pub fn load(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// Puts another one in force, for everything that begins from now on.
    pub fn exchange(&self, config: Config) {
        *self.config.write() = Arc::new(config);
        self.changed.send_modify(|times| *times += 1);
    }

    /// Wakes whenever another configuration is in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl CurrentOrganisations for CurrentConfig {
    fn load(&self) -> Arc<dyn Organisations> {
        Self::load(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }
}
