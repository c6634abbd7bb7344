//! The parts of a lane, and what its files share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tierlink_bus::Bus;
use tierlink_codec::{CodecRegistry, Profile};
use tierlink_schemas::delivery::DeliveryId;
use tierlink_schemas::{Code, LaneName, OrganisationCode};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::deliveries::{Due, Outcomes};
use crate::destination::Destinations;
use crate::environment::Environment;
use crate::figures::LaneFigures;
use crate::idle::IdleConnections;
use crate::organisations::CurrentOrganisations;
use crate::trouble::CommonTrouble;

/// Wait after a failure of the bus or of the keeper of deliveries.
pub(super) const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Error code: a parcel cannot be read, or is not for this lane.
pub const UNREADABLE: Code = Code::new("B010");

/// The id of a delivery on the bus. The same at every repeat.
#[must_use]
pub fn parcel_id(id: &DeliveryId) -> String {
    format!("{}@{}", id.message, id.to)
}

/// Reads an id that [`parcel_id`] wrote.
#[must_use]
pub fn read_parcel_id(text: &str) -> Option<DeliveryId> {
    let (message, to) = text.split_once('@')?;
    Some(DeliveryId { message: message.parse().ok()?, to: OrganisationCode::new(to).ok()? })
}

/// A lane with the parts that it needs to run.
pub struct LaneRunner {
    /// Name of the lane: the organisation and system that receives.
    pub name: LaneName,
    /// Says which deliveries are due.
    pub due: Arc<dyn Due>,
    /// Receives the results of tries.
    pub outcomes: Arc<dyn Outcomes>,
    /// The bus that holds the lane's parcels.
    pub bus: Arc<dyn Bus>,
    /// The configuration in force.
    pub organisations: Arc<dyn CurrentOrganisations>,
    /// The current time, random numbers and new ids.
    pub environment: Arc<dyn Environment>,
    /// Makes connections to hospitals.
    pub destinations: Arc<dyn Destinations>,
    /// The codecs of all formats.
    pub codecs: CodecRegistry,
    /// The lanes that a person paused.
    pub paused: watch::Receiver<Arc<HashSet<LaneName>>>,
    /// Failures of servers, which all lanes of a process report together.
    pub troubles: Arc<Troubles>,
    /// The pool of idle connections of the process.
    pub idle_connections: Arc<IdleConnections>,
    /// The figures of all lanes of the process.
    pub figures: Arc<LaneFigures>,
    /// Turns for joining the bus, which all lanes of the process share.
    pub joining: Arc<Semaphore>,
}

impl LaneRunner {
    /// Whether `profile` is in force, with the same files behind it as far as can be seen.
    pub(super) fn still_goes_by(&self, profile: &Profile) -> bool {
        self.organisations.load().system(&self.name) == Some(profile) && !reads_files(profile)
    }
}

/// Whether opening the way reads files or secrets. A reload is how an operator puts new ones in
/// force, though the profile that names them stays the same.
pub(super) fn reads_files(profile: &Profile) -> bool {
    let outbound = &profile.outbound;
    outbound.token_secret.is_some() || outbound.authorities.is_some() || outbound.identity.is_some()
}

/// Failures that all lanes have when a server cannot be reached. Logged once, and not
/// once per lane.
pub struct Troubles {
    /// Joining the bus fails.
    pub(super) bus: CommonTrouble,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { bus: CommonTrouble::new("Lanes cannot be joined on the bus") }
    }
}

/// Lanes that join the bus at the same time. Joining takes some 25 KiB of a lane that afterwards needs
/// a few: ten thousand at once would take more memory than everything else.
pub const JOINING_MAX: usize = 128;

/// What a lane does next.
pub(super) enum Next {
    /// Goes on with the next batch.
    GoOn,
    /// Leaves the bus and joins again.
    Rejoin,
    /// Ends, because the process is stopping.
    Stop,
}

/// Waits, at most until the process stops.
pub(super) async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
