//! What a lane is made of, and what its files share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tierlink_bus::Bus;
use tierlink_codec::CodecRegistry;
use tierlink_schemas::delivery::DeliveryId;
use tierlink_schemas::{Code, LaneName, OrganisationCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::deliveries::{Due, Outcomes};
use crate::destination::Destinations;
use crate::environment::Environment;
use crate::organisations::CurrentOrganisations;
use crate::trouble::CommonTrouble;

/// How long to wait after the bus failed, or nobody could say what is due.
pub(super) const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A parcel that nobody can read, or that is not for this lane.
pub const UNREADABLE: Code = Code::new("B010");

/// What a delivery is called on the bus: the same at every repeat.
#[must_use]
pub fn parcel_id(id: &DeliveryId) -> String {
    format!("{}@{}", id.message, id.to)
}

/// Reads back what [`parcel_id`] wrote.
#[must_use]
pub fn read_parcel_id(text: &str) -> Option<DeliveryId> {
    let (message, to) = text.split_once('@')?;
    Some(DeliveryId { message: message.parse().ok()?, to: OrganisationCode::new(to).ok()? })
}

/// Everything that a lane needs.
pub struct LaneRunner {
    /// Which organisation and system receives.
    pub name: LaneName,
    /// Which deliveries still wait.
    pub due: Arc<dyn Due>,
    /// Where tries are reported.
    pub outcomes: Arc<dyn Outcomes>,
    /// The bus that holds the lane's parcels.
    pub bus: Arc<dyn Bus>,
    /// The configuration in force.
    pub organisations: Arc<dyn CurrentOrganisations>,
    /// Time, chance and fresh ids.
    pub environment: Arc<dyn Environment>,
    /// Opens the way to the organisation.
    pub destinations: Arc<dyn Destinations>,
    /// The codecs of all formats.
    pub codecs: CodecRegistry,
    /// Lanes that a person paused.
    pub paused: watch::Receiver<Arc<HashSet<LaneName>>>,
    /// Trouble with the servers, which all lanes of a process tell together.
    pub troubles: Arc<Troubles>,
}

/// Trouble that all lanes have when a server is away: told once, not once per lane.
pub struct Troubles {
    /// A lane cannot be joined on the bus.
    pub(super) bus: CommonTrouble,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { bus: CommonTrouble::new("Lanes cannot be joined on the bus") }
    }
}

/// What a lane does next.
pub(super) enum Next {
    /// Goes on with the next batch.
    GoOn,
    /// Leaves the bus and joins again.
    Rejoin,
    /// The process stops.
    Stop,
}

/// Waits, or until the process stops.
pub(super) async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
