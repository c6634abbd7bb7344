//! A lane: everything that one organisation must receive, sent one after the other.
//!
//! ```text
//!   bus ─▶ which still wait? (store) ─▶ encode ─▶ send ─▶ read the answer
//!                                                            │
//!              acknowledge to the bus ◀── outcome on disk ◀──┘
//! ```
//!
//! - **Silence** holds the lane: the same delivery is tried again with growing waits, for as long
//!   as the profile says. What waits behind it stays in order.
//! - **A refusal** parks the delivery; the lane goes on with other cases. What follows in the same
//!   case is not on the bus yet, because the relay hands out only the first unsettled one.
//! - **"Not now"** is tried a few times in place, then put aside so that the lane can go on.
//!
//! What becomes of one batch of parcels is told in `lane/batch.rs`; here a lane joins the bus and leaves
//! it. A parcel is acknowledged only after its outcome is on disk. A parcel that comes twice is
//! recognised by the store, which knows what is settled.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use tierlink_bus::{Bus, BusError, Lane as LaneName, LaneConsumer};
use tierlink_codec::Profile;
use tierlink_core::delivery::RetryPolicy;
use tierlink_schemas::{Code, OrganisationCode};
use tierlink_store::{DeliveryId, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use self::batch::Batch;
use crate::codecs::Codecs;
use crate::current_config::CurrentConfig;
use crate::destination::Doors;
use crate::environment::Environment;
use crate::report::{CommonTrouble, Trouble, chain};
use crate::settler::Settler;

/// How long to wait after the bus or the store failed.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Waits grow by one second with each failure to join the bus, up to half a minute.
const FAILURES_COUNTED_MAX: u32 = 30;

/// A parcel that nobody can read, or that is not for this lane.
pub(crate) const UNREADABLE: Code = Code::new("B010");

/// What a delivery is called on the bus: the same at every repeat.
#[must_use]
pub fn parcel_id(id: &DeliveryId) -> String {
    format!("{}@{}", id.message, id.to)
}

/// Reads it back.
pub(crate) fn read_parcel_id(text: &str) -> Option<DeliveryId> {
    let (message, to) = text.split_once('@')?;
    Some(DeliveryId { message: message.parse().ok()?, to: OrganisationCode::new(to).ok()? })
}

/// Everything that a lane needs.
pub struct Lane {
    /// Whose.
    pub organisation: OrganisationCode,
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The road.
    pub bus: Arc<dyn Bus>,
    /// The configuration in force.
    pub current_config: Arc<CurrentConfig>,
    /// Time, chance and fresh ids.
    pub environment: Arc<dyn Environment>,
    /// Who opens front doors.
    pub doors: Arc<dyn Doors>,
    /// The formats.
    pub codecs: Codecs,
    /// Where outcomes go.
    pub settler: Settler,
    /// Lanes that a person paused.
    pub paused: watch::Receiver<Arc<std::collections::HashSet<OrganisationCode>>>,
    /// Trouble with the servers, which all lanes of a process tell together.
    pub troubles: Arc<Troubles>,
}

/// Trouble that all lanes have when a server is away: told once, not once per lane.
pub struct Troubles {
    /// A lane cannot be joined on the bus.
    bus: CommonTrouble,
    /// The store does not say what waits, or does not take a note.
    store: CommonTrouble,
}

impl Default for Troubles {
    fn default() -> Self {
        Self {
            bus: CommonTrouble::new("Lanes cannot be joined on the bus"),
            store: CommonTrouble::new("The store does not answer lanes, which wait for it"),
        }
    }
}

/// Trouble of one lane. It outlives the consumer, because a lane joins the bus again and again
/// while its trouble goes on.
struct Own {
    /// The way to the organisation is not set up.
    door: Trouble,
    /// The organisation does not answer.
    silence: Trouble,
    /// Parcels lie in the lane that must not be sent.
    poison: Trouble,
}

/// What a lane does next.
enum Next {
    /// Goes on.
    GoOn,
    /// Leaves the bus and joins again.
    Rejoin,
    /// The process stops.
    Stop,
}

impl Lane {
    /// Delivers until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let own = Own {
            door: Trouble::new(format!("Nothing can be sent to {}", self.organisation)),
            silence: Trouble::new(format!("{} does not answer", self.organisation)),
            poison: Trouble::new(format!(
                "ALARM: parcels in the lane of {} are among the dead parcels now",
                self.organisation
            )),
        };
        let Ok(name) = LaneName::new(self.organisation.as_str()) else {
            error!(lane = %self.organisation, "The lane's name does not fit the bus.");
            return;
        };
        let mut failures = 0;
        while !stop.is_cancelled() {
            // Also when somebody else reads it: an adapter beside a hospital may not declare.
            if !self.open(&name).await {
                pause(WAIT_AFTER_FAILURE, &stop).await;
                continue;
            }
            if !self.may_run(&stop).await {
                continue;
            }
            let prefetch = self.current_config.load().settings.limits.lane_prefetch;
            match self.bus.consume(&name, prefetch).await {
                Ok(consumer) => {
                    self.troubles.bus.is_over_for(self.organisation.as_str());
                    failures = 0;
                    // On the heap, as the batch below: a lane that is idle or paused, as most of
                    // ten thousand are, takes no room for what only a busy one needs.
                    Box::pin(self.consume(consumer, &own, &stop)).await;
                }
                Err(error) => {
                    self.bus_fails(&error);
                    failures = (failures + 1).min(FAILURES_COUNTED_MAX);
                    pause(WAIT_AFTER_FAILURE * failures, &stop).await;
                }
            }
        }
    }

    /// Makes sure that the lane exists on the bus.
    async fn open(&self, name: &LaneName) -> bool {
        match self.bus.open_lanes(std::slice::from_ref(name)).await {
            // `health.rs` tells of lanes that are not open, all in one line.
            Ok(in_trouble) => in_trouble.is_empty(),
            Err(error) => {
                self.bus_fails(&error);
                false
            }
        }
    }

    fn bus_fails(&self, error: &BusError) {
        let (lane, why) = (&self.organisation, chain(error).to_string());
        if let Some(line) = self.troubles.bus.begins_or_goes_on(lane.as_str(), &why) {
            error!(%lane, code = %error.code(), "{line}");
        }
    }

    fn store_answers(&self) {
        self.troubles.store.is_over_for(self.organisation.as_str());
    }

    fn store_fails(&self, error: &tierlink_store::Error) {
        let (lane, why) = (&self.organisation, chain(error).to_string());
        if let Some(line) = self.troubles.store.begins_or_goes_on(lane.as_str(), &why) {
            warn!(%lane, code = %error.code(), "{line}");
        }
    }

    /// Waits while the lane is paused, has no address, or is served beside the hospital.
    async fn may_run(&mut self, stop: &CancellationToken) -> bool {
        let config = self.current_config.load();
        let ready = config
            .profiles
            .get(&self.organisation)
            .is_some_and(|profile| profile.outbound.address.is_some() && !profile.outbound.remote);
        let paused = self.paused.borrow_and_update().contains(&self.organisation);
        if ready && !paused {
            return true;
        }
        let mut changes = self.current_config.changes();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.paused.changed() => {}
            _ = changes.changed() => {}
        }
        false
    }

    async fn consume(
        &mut self,
        mut consumer: Box<dyn LaneConsumer>,
        own: &Own,
        stop: &CancellationToken,
    ) {
        let config = self.current_config.load();
        let mut changes = self.current_config.changes();
        let Some(profile) = config.profiles.get(&self.organisation) else { return };
        let mut door = match self.doors.open(&config, profile) {
            Ok(Some(door)) => door,
            Ok(None) => return consumer.close().await,
            Err(problem) => {
                if let Some(line) = own.door.begins_or_goes_on(&problem.to_string()) {
                    error!(lane = %self.organisation, code = %problem.code, "{line}");
                }
                consumer.close().await;
                return pause(WAIT_AFTER_FAILURE * 5, stop).await;
            }
        };
        own.door.is_over();
        let prefetch = usize::from(config.settings.limits.lane_prefetch);
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => break,
                _ = self.paused.changed() => {
                    if self.paused.borrow_and_update().contains(&self.organisation) {
                        break;
                    }
                    continue;
                }
                _ = changes.changed() => break,
                next = consumer.next() => next,
            };
            let first = match first {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(error) => {
                    // The bus tells in the log when it is cut off and when it reads again.
                    debug!(lane = %self.organisation, "The lane was cut off: {}.", chain(&error));
                    pause(WAIT_AFTER_FAILURE, stop).await;
                    continue;
                }
            };
            let mut batch = vec![first];
            while batch.len() < prefetch
                && let Some(more) = consumer.next_ready().await
            {
                batch.push(more);
            }
            let (silence, poison) = (&own.silence, &own.poison);
            let work = Batch { lane: self, config: &config, profile, silence, poison, stop };
            match Box::pin(work.deliver(batch, &mut *consumer, &mut *door)).await {
                Next::GoOn => {}
                Next::Rejoin | Next::Stop => break,
            }
        }
        consumer.close().await;
    }
}

/// How often and how long an organisation is tried.
pub(crate) fn policy(profile: &Profile) -> RetryPolicy {
    let retry = &profile.retry;
    RetryPolicy {
        first_wait: Duration::from_millis(retry.first_wait_ms),
        wait_max: Duration::from_millis(retry.wait_ms_max),
        growth_percent: retry.growth_percent,
        give_up_after: Duration::from_hours(u64::from(retry.give_up_after_hours)),
    }
}

async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
