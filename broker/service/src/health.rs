//! How the process is: what it needs, whether it stops, and its figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tierlink_bus::Bus;
use tierlink_store::Store;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::report::chain;

/// How long a question after health may take.
const LOOK_LASTS: Duration = Duration::from_secs(3);
/// How often queues are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// The store, or what to do about it.
    pub store: Result<(), String>,
    /// The bus, or what to do about it.
    pub bus: Result<(), String>,
    /// Whether the process is about to end.
    pub stopping: bool,
}

impl Report {
    /// Whether messages can be taken. A bus that is away delays deliveries; messages are safe in
    /// the store meanwhile, so it does not make us unready.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.store.is_ok() && !self.stopping
    }
}

/// Looks after health.
pub struct Health {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    prometheus: Option<PrometheusHandle>,
    stopping: AtomicBool,
}

impl Health {
    /// Watches these.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        prometheus: Option<PrometheusHandle>,
    ) -> Self {
        Self { store, bus, prometheus, stopping: AtomicBool::new(false) }
    }

    /// From now on the process says that it is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Looks now.
    pub async fn look(&self) -> Report {
        let store = tokio::time::timeout(LOOK_LASTS, self.store.healthy());
        let bus = tokio::time::timeout(LOOK_LASTS, self.bus.healthy());
        let (store, bus) = tokio::join!(store, bus);
        Report {
            store: match store {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(format!("{}: {error}", error.code())),
                Err(_) => Err("S001: the store does not answer; check that it runs".to_owned()),
            },
            bus: match bus {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(format!("{}: {error}", error.code())),
                Err(_) => Err("B001: the bus does not answer; check that it runs".to_owned()),
            },
            stopping: self.stopping.load(Ordering::Relaxed),
        }
    }

    /// All figures, as Prometheus reads them.
    #[must_use]
    pub fn figures(&self) -> String {
        self.prometheus.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// Measures queues and deadlines until told to stop.
    pub async fn measure(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MEASURE_EVERY) => {}
            }
            if let Some(prometheus) = &self.prometheus {
                prometheus.run_upkeep();
            }
            if let Err(error) = self.measure_once().await {
                debug!(code = %error.code(), "Queues cannot be measured: {}.", chain(&error));
            }
        }
    }

    async fn measure_once(&self) -> Result<(), tierlink_store::Error> {
        let now = Timestamp::now();
        let figures = self.store.figures(now).await?;
        gauge("tierlink_cases_open", figures.open);
        gauge("tierlink_deadlines_due", figures.overdue);
        gauge("tierlink_outbox_unpublished", figures.unpublished);
        for lane in self.store.lanes().await? {
            let label = lane.lane.as_str().to_owned();
            let oldest = lane.oldest_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
            metrics::gauge!("tierlink_lane_depth", "lane" => label.clone())
                .set(crate::committer::count(usize::try_from(lane.waiting).unwrap_or(usize::MAX)));
            metrics::gauge!("tierlink_lane_parked", "lane" => label.clone())
                .set(crate::committer::count(usize::try_from(lane.parked).unwrap_or(usize::MAX)));
            metrics::gauge!("tierlink_lane_oldest_seconds", "lane" => label.clone()).set(oldest);
            metrics::gauge!("tierlink_lane_silent", "lane" => label)
                .set(if lane.trouble.is_some() { 1.0 } else { 0.0 });
        }
        if let Ok(dead) = self.bus.dead().await {
            gauge("tierlink_bus_dead", dead);
        }
        Ok(())
    }
}

fn gauge(name: &'static str, value: u64) {
    metrics::gauge!(name)
        .set(crate::committer::count(usize::try_from(value).unwrap_or(usize::MAX)));
}
