//! One broker process: the real intake, committers, relay, clock, lanes and settler, on the world's wires.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tierlink::clock::Clock;
use tierlink::clock_watch::{ClockStatus, ClockWatch};
use tierlink::codecs::codecs;
use tierlink::committer::Committer;
use tierlink::counters::Counters;
use tierlink::current_config::CurrentConfig;
use tierlink::deliveries::Deliveries;
use tierlink::intake::Intake;
use tierlink::lease::Lease;
use tierlink::relay::{Relay, ShutLanes};
use tierlink::settler::Settler;
use tierlink_bus::Bus;
use tierlink_edge::environment::Environment;
use tierlink_edge::figures::LaneFigures;
use tierlink_edge::idle::IdleConnections;
use tierlink_edge::lane::{JOINING_MAX, LaneRunner, Troubles};
use tierlink_schemas::LaneName;
use tierlink_store::Outbox;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::county::{EVERYBODY, org};
use crate::dice::{Dice, OneClock};
use crate::faults::Faults;
use crate::hospitals::{Seen, Town};
use crate::power::Power;
use crate::road::{Lanes, Road};
use crate::sabotage::Sabotage;
use crate::store::Memory;

/// What outlives every process.
#[derive(Clone)]
pub struct Ground {
    pub memory: Arc<Mutex<Memory>>,
    pub lanes: Arc<Mutex<Lanes>>,
    pub seen: Arc<Mutex<Seen>>,
    pub dice: Dice,
    pub faults: Faults,
    pub begun: tokio::time::Instant,
    pub current_config: Arc<CurrentConfig>,
    pub remembers: bool,
    pub sabotage: Option<Sabotage>,
}

/// A process, running or not.
pub struct Process {
    pub power: Power,
    pub clock: Arc<OneClock>,
    pub intake: Intake,
    /// Asks it to stop in good order.
    pub stop: CancellationToken,
}

impl Process {
    pub fn start(ground: &Ground) -> Self {
        let Ground { dice, faults, current_config, .. } = ground.clone();
        let power = Power::new();
        let store = Arc::new(Connection {
            memory: Arc::clone(&ground.memory),
            power: power.clone(),
            dice: dice.clone(),
            faults: faults.clone(),
            sabotage: ground.sabotage,
        });
        let bus: Arc<dyn Bus> = Arc::new(Road {
            lanes: Arc::clone(&ground.lanes),
            power: power.clone(),
            dice: dice.clone(),
            faults: faults.clone(),
            remembers: ground.remembers,
        });
        let seen = Arc::clone(&ground.seen);
        let destinations =
            Arc::new(Town { seen, power: power.clone(), dice: dice.clone(), faults });
        let clock = Arc::new(OneClock::new(dice, ground.begun));
        let environment: Arc<dyn Environment> = Arc::<OneClock>::clone(&clock);
        let (stop, tasks, wake) =
            (CancellationToken::new(), TaskTracker::new(), Arc::new(Notify::new()));
        let committer = Committer::start(store.clone(), &current_config, &wake, &tasks);
        let settler = Settler::start(store.clone(), &current_config, &wake, &tasks);
        let holder = environment.id();
        let lease = |name| Lease::new(store.clone(), Arc::clone(&environment), name, holder);
        let relay = Relay {
            store: store.clone(),
            bus: Arc::clone(&bus),
            current_config: Arc::clone(&current_config),
            environment: Arc::clone(&environment),
            wake: Arc::clone(&wake),
            lease: lease("relay"),
            shut: ShutLanes::default(),
        };
        let deadlines = Clock {
            store: store.clone(),
            current_config: Arc::clone(&current_config),
            environment: Arc::clone(&environment),
            wake: Arc::clone(&wake),
            lease: lease("clock"),
            watch: ClockWatch::new(ClockStatus::default()),
        };
        tasks.spawn(relay.run(stop.clone()));
        tasks.spawn(deadlines.run(stop.clone()));
        let (paused, seen) = watch::channel(Arc::new(HashSet::new()));
        tasks.spawn(watch_paused(store.clone(), paused, stop.clone()));
        let troubles = Arc::new(Troubles::default());
        let idle = Arc::new(IdleConnections::default());
        let figures = Arc::new(LaneFigures::default());
        let joining = Arc::new(Semaphore::new(JOINING_MAX));
        let deliveries = Arc::new(Deliveries::new(
            store.clone(),
            settler,
            Arc::clone(&current_config),
            Arc::clone(&environment),
            wake,
            Arc::clone(&figures),
        ));
        for code in EVERYBODY {
            let lane = LaneRunner {
                name: org(code).into(),
                due: Arc::<Deliveries>::clone(&deliveries),
                outcomes: Arc::<Deliveries>::clone(&deliveries),
                bus: Arc::clone(&bus),
                organisations: Arc::<CurrentConfig>::clone(&current_config),
                environment: Arc::clone(&environment),
                destinations: Arc::<Town>::clone(&destinations),
                codecs: codecs(),
                paused: seen.clone(),
                troubles: Arc::clone(&troubles),
                idle_connections: Arc::clone(&idle),
                figures: Arc::clone(&figures),
                joining: Arc::clone(&joining),
            };
            tasks.spawn(lane.run(stop.clone()));
        }
        let counters = Counters::new(store);
        let intake = Intake::new(current_config, codecs(), committer, counters, environment);
        Self { power, clock, intake, stop }
    }
}

async fn watch_paused(
    store: Arc<dyn Outbox>,
    paused: watch::Sender<Arc<HashSet<LaneName>>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        if let Ok(lanes) = store.lane_conditions().await {
            let now: HashSet<_> =
                lanes.into_iter().filter(|lane| lane.paused).map(|lane| lane.lane).collect();
            paused.send_if_modified(|known| {
                let changed = **known != now;
                *known = Arc::new(now);
                changed
            });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
