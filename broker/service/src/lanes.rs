//! Starts a lane for each system, and keeps track of the lanes that a person paused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tierlink_bus::Bus;
use tierlink_codec::{CodecRegistry, Profile};
use tierlink_edge::environment::Environment;
use tierlink_edge::figures::LaneFigures;
use tierlink_edge::idle::IdleConnections;
use tierlink_edge::lane::{JOINING_MAX, LaneRunner, Troubles};
use tierlink_edge::network::Network;
use tierlink_schemas::LaneName;
use tierlink_store::{Outbox, Queries};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crash::watched;
use crate::current_config::CurrentConfig;
use crate::deliveries::Deliveries;

/// How often paused lanes are read from the store.
const LOOK_AT_LANES_EVERY: Duration = Duration::from_secs(2);

/// Lanes to start before yielding the processor to them.
const LANES_AT_ONCE: usize = 128;

/// Keeps `paused` up to date until told to stop.
pub(crate) async fn watch_paused(
    store: Arc<dyn Outbox>,
    paused: watch::Sender<Arc<HashSet<LaneName>>>,
    stop: CancellationToken,
) {
    loop {
        if let Ok(lanes) = store.lane_conditions().await {
            let now: HashSet<LaneName> =
                lanes.into_iter().filter(|lane| lane.paused).map(|lane| lane.lane).collect();
            paused.send_if_modified(|known| {
                let changed = **known != now;
                if changed {
                    *known = Arc::new(now);
                }
                changed
            });
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_LANES_EVERY) => {}
        }
    }
}

/// The parts that all lanes share.
pub(crate) struct Lanes {
    /// Queries of the store, for which lanes hold deliveries.
    pub(crate) store: Arc<dyn Queries>,
    /// The bus that holds the lanes.
    pub(crate) bus: Arc<dyn Bus>,
    /// The configuration in force.
    pub(crate) current_config: Arc<CurrentConfig>,
    /// The current time, random numbers and new ids.
    pub(crate) environment: Arc<dyn Environment>,
    /// The codecs of all formats.
    pub(crate) codecs: CodecRegistry,
    /// What is due, and what follows after a try.
    pub(crate) deliveries: Arc<Deliveries>,
    /// The figures of all lanes.
    pub(crate) figures: Arc<LaneFigures>,
    /// Lanes that a person paused.
    pub(crate) paused: watch::Receiver<Arc<HashSet<LaneName>>>,
}

/// Starts a lane for each system, also for systems that a reload adds. Lanes with waiting
/// deliveries start first, and each opens independently.
pub(crate) async fn run(
    lanes: Lanes,
    tasks: TaskTracker,
    stop: CancellationToken,
    broken: CancellationToken,
) {
    let mut changes = lanes.current_config.changes();
    let mut running: HashSet<LaneName> = HashSet::new();
    let troubles = Arc::new(Troubles::default());
    let idle = Arc::new(IdleConnections::default());
    let network = Arc::new(Network);
    let joining = Arc::new(Semaphore::new(JOINING_MAX));
    loop {
        let config = lanes.current_config.load();
        let systems = config.systems().filter(|system| !system.is_people());
        let fresh = systems.map(Profile::lane).filter(|lane| !running.contains(lane)).collect();
        let fresh = what_waits_first(&*lanes.store, fresh).await;
        drop(config);
        for (started, name) in fresh.into_iter().enumerate() {
            if started % LANES_AT_ONCE == LANES_AT_ONCE - 1 {
                // Let the lanes started so far ask the bus first.
                tokio::task::yield_now().await;
            }
            running.insert(name.clone());
            let lane = LaneRunner {
                name,
                due: Arc::<Deliveries>::clone(&lanes.deliveries),
                outcomes: Arc::<Deliveries>::clone(&lanes.deliveries),
                bus: Arc::clone(&lanes.bus),
                organisations: Arc::<CurrentConfig>::clone(&lanes.current_config),
                environment: Arc::clone(&lanes.environment),
                destinations: Arc::<Network>::clone(&network),
                codecs: lanes.codecs.clone(),
                paused: lanes.paused.clone(),
                troubles: Arc::clone(&troubles),
                idle_connections: Arc::clone(&idle),
                figures: Arc::clone(&lanes.figures),
                joining: Arc::clone(&joining),
            };
            // On the heap by itself: handed from function to function it would be stored twice.
            tasks.spawn(watched("lane", Box::pin(lane.run(stop.clone())), &broken));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
        }
    }
}

/// Sorts lanes: those with waiting deliveries first, the longest waiting at the front.
async fn what_waits_first(store: &dyn Queries, mut lanes: Vec<LaneName>) -> Vec<LaneName> {
    if lanes.is_empty() {
        return lanes;
    }
    // If the store does not answer, the order does not matter.
    let rows = store.lanes().await.unwrap_or_default();
    let waits: HashMap<LaneName, Timestamp> =
        rows.into_iter().filter_map(|row| Some((row.lane, row.oldest_at?))).collect();
    lanes.sort_by(|a, b| {
        let since = |lane| waits.get(lane).copied().unwrap_or(Timestamp::MAX);
        since(a).cmp(&since(b)).then_with(|| a.cmp(b))
    });
    lanes
}
