//! The configuration, as far as the edge goes by it: the organisations and how to reach them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tierlink_codec::{Directory, OrganisationProfile, Profile};
use tierlink_schemas::{LaneName, OrganisationCode};
use tokio::sync::watch;

/// One configuration. It never changes; another one takes its place.
pub trait Organisations: Send + Sync {
    /// The profiles by the codes of their organisations.
    fn profiles(&self) -> &HashMap<OrganisationCode, OrganisationProfile>;

    /// The system that receives what is in `lane`.
    fn system(&self, lane: &LaneName) -> Option<&Profile> {
        self.profiles().get(lane.organisation())?.system(lane.system())
    }

    /// The organisations as formats see them.
    fn directory(&self) -> &Directory;

    /// The folder to which paths in profiles are relative.
    fn folder(&self) -> &Path;

    /// How many parcels a lane takes from the bus at once.
    fn lane_prefetch(&self) -> u16;
}

/// The configuration in force. Whoever works takes it once per piece of work.
pub trait CurrentOrganisations: Send + Sync {
    /// The configuration in force.
    fn load(&self) -> Arc<dyn Organisations>;

    /// Changes whenever another configuration is in force.
    fn changes(&self) -> watch::Receiver<u64>;
}
