//! The part of the configuration that this crate uses: the organisations and how to reach them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tierlink_codec::{Directory, OrganisationProfile, Profile};
use tierlink_schemas::{LaneName, OrganisationCode};
use tokio::sync::watch;

/// One configuration. It never changes; a reload replaces it.
pub trait Organisations: Send + Sync {
    /// The profiles, by the codes of their organisations.
    fn profiles(&self) -> &HashMap<OrganisationCode, OrganisationProfile>;

    /// The system that receives the deliveries of `lane`.
    fn system(&self, lane: &LaneName) -> Option<&Profile> {
        self.profiles().get(lane.organisation())?.system(lane.system())
    }

    /// The organisations, as codecs need them.
    fn directory(&self) -> &Directory;

    /// Folder that paths in profiles are relative to.
    fn folder(&self) -> &Path;

    /// Number of parcels that a lane takes from the bus at once.
    fn lane_prefetch(&self) -> u16;
}

/// The configuration in force. Load it once per piece of work, so that the work sees only one.
pub trait CurrentOrganisations: Send + Sync {
    /// The configuration in force.
    fn load(&self) -> Arc<dyn Organisations>;

    /// Notified whenever the configuration is replaced.
    fn changes(&self) -> watch::Receiver<u64>;
}
