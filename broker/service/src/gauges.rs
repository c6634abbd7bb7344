//! Metrics that alerts watch: servers, lanes, the outbox, deadlines, our clock.
//!
//! Counters exist with value zero from the start, because Prometheus sees no increase in a
//! counter that appears with value one. An empty lane is reported as zero, so that its old value
//! does not stay.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tierlink_bus::Bus;
use tierlink_codec::Profile;
use tierlink_edge::environment::Environment;
use tierlink_edge::figures::{LaneFigures, LaneState};
use tierlink_schemas::LaneName;
use tierlink_store::{DeliveryId, Error, LaneRow, Outbox, Queries};
use tracing::debug;

use crate::committer::count;
use crate::current_config::CurrentConfig;
use crate::report::chain;

/// Longest duration of one round. What could not be measured keeps its last value.
const ROUND_LASTS: Duration = Duration::from_secs(10);
/// Error codes of a store that does not write. Each has a counter of its own.
const STORE_CODES: [&str; 5] = ["S001", "S002", "S003", "S004", "S005"];

/// The next delivery for the bus, and since when this process sees it as the next.
struct Head {
    id: DeliveryId,
    round: u32,
    since: Instant,
}

/// Measures, and remembers what it reported last.
pub struct Gauges {
    queries: Arc<dyn Queries>,
    deliveries: Arc<dyn Outbox>,
    bus: Arc<dyn Bus>,
    current_config: Arc<CurrentConfig>,
    environment: Arc<dyn Environment>,
    figures: Arc<LaneFigures>,
    head: Option<Head>,
    told: HashSet<LaneName>,
}

impl Gauges {
    /// Starts with zero for every metric that an alert watches.
    #[must_use]
    pub fn new(
        queries: Arc<dyn Queries>,
        deliveries: Arc<dyn Outbox>,
        bus: Arc<dyn Bus>,
        current_config: Arc<CurrentConfig>,
        environment: Arc<dyn Environment>,
        figures: Arc<LaneFigures>,
    ) -> Self {
        metrics::counter!("tierlink_refusals_total").increment(0);
        metrics::counter!("tierlink_conflicts_total").increment(0);
        metrics::counter!("tierlink_buried_total").increment(0);
        metrics::counter!("tierlink_changed_parcels_total").increment(0);
        metrics::counter!("tierlink_repaired_total").increment(0);
        metrics::gauge!("tierlink_lanes_full").set(0.0);
        for code in STORE_CODES {
            metrics::counter!("tierlink_commit_failures_total", "code" => code).increment(0);
        }
        metrics::gauge!("tierlink_start_timestamp_seconds").set(unix(environment.now()));
        let told = HashSet::new();
        Self { queries, deliveries, bus, current_config, environment, figures, head: None, told }
    }

    /// Measures once. Skips what would need a server that cannot be reached.
    pub async fn measure(&mut self, store_is_up: bool, bus_is_up: bool) {
        metrics::gauge!("tierlink_clock_timestamp_seconds").set(unix(self.environment.now()));
        metrics::gauge!("tierlink_store_up").set(f64::from(u8::from(store_is_up)));
        metrics::gauge!("tierlink_bus_up").set(f64::from(u8::from(bus_is_up)));
        let round = async {
            if store_is_up && let Err(error) = self.ask_the_store().await {
                debug!(code = %error.code(), "Queues cannot be measured: {}.", chain(&error));
            }
            if bus_is_up && let Ok(dead) = self.bus.dead().await {
                gauge("tierlink_bus_dead", dead);
            }
            if bus_is_up && let Ok(receipts) = self.bus.receipts_waiting().await {
                gauge("tierlink_bus_receipts", receipts);
            }
        };
        if tokio::time::timeout(ROUND_LASTS, round).await.is_err() {
            debug!("Queues were not measured in time.");
        }
    }

    /// Reports how many lanes this process should read and cannot open.
    pub fn lanes_not_open(&self, lanes: usize) {
        metrics::gauge!("tierlink_lanes_not_open").set(count(lanes));
    }

    /// Reports how many shared queues have other settings than they should have.
    pub fn queues_in_trouble(&self, queues: usize) {
        metrics::gauge!("tierlink_queues_other_settings").set(count(queues));
    }

    async fn ask_the_store(&mut self) -> Result<(), Error> {
        let now = self.environment.now();
        let figures = self.queries.figures(now).await?;
        gauge("tierlink_cases_open", figures.open);
        gauge("tierlink_deadlines_due", figures.overdue);
        gauge("tierlink_outbox_unpublished", figures.unpublished);
        let lanes = self.queries.lanes().await?;
        let mut gone = std::mem::take(&mut self.told);
        let config = self.current_config.load();
        for mut lane in lanes {
            gone.remove(&lane.lane);
            // People read when they have time, so their lanes are shown but raise no alarm.
            if config.system(&lane.lane).is_some_and(Profile::is_people) {
                lane.oldest_at = None;
            }
            self.tell(&lane, now);
            self.told.insert(lane.lane);
        }
        for lane in gone {
            self.tell(&LaneRow::empty(lane), now);
        }
        self.watch_the_outbox(now).await
    }

    fn tell(&self, lane: &LaneRow, now: Timestamp) {
        let waits = |at: Timestamp| now.duration_since(at).as_secs_f64();
        let state = LaneState {
            depth: lane.waiting,
            parked: lane.parked,
            oldest_seconds: lane.oldest_at.map_or(0.0, waits),
            silent: lane.trouble.is_some(),
            paused: lane.paused,
        };
        self.figures.tell(&lane.lane, state);
    }

    /// Looks how long the same delivery is the next for the bus, whoever should relay it.
    async fn watch_the_outbox(&mut self, now: Timestamp) -> Result<(), Error> {
        let next = self.deliveries.to_publish(now, 1, &[]).await?.into_iter().next();
        self.head = next.map(|next| match self.head.take() {
            Some(head) if head.id == next.id && head.round == next.round => head,
            _ => Head { id: next.id, round: next.round, since: Instant::now() },
        });
        let stands = self.head.as_ref().map_or(0.0, |head| head.since.elapsed().as_secs_f64());
        metrics::gauge!("tierlink_outbox_stands_seconds").set(stands);
        Ok(())
    }
}

fn unix(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn small(value: u64) -> f64 {
    count(usize::try_from(value).unwrap_or(usize::MAX))
}

fn gauge(name: &'static str, value: u64) {
    metrics::gauge!(name).set(small(value));
}
