//! The configuration in force, replaced as a whole on reload.

use std::sync::Arc;

use parking_lot::RwLock;
use tierlink_edge::organisations::{CurrentOrganisations, Organisations};
use tokio::sync::watch;

use crate::config::Config;

/// The configuration in force. Load it once per piece of work, so that the work sees only one.
pub struct CurrentConfig {
    config: RwLock<Arc<Config>>,
    changed: watch::Sender<u64>,
}

impl CurrentConfig {
    /// Starts with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: RwLock::new(Arc::new(config)), changed: watch::Sender::new(0) }
    }

    /// The configuration in force.
    #[must_use]
    pub fn load(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// Replaces the configuration, for everything that begins from now on.
    pub fn exchange(&self, config: Config) {
        *self.config.write() = Arc::new(config);
        self.changed.send_modify(|times| *times += 1);
    }

    /// Notified whenever the configuration is replaced.
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
