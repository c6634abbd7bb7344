//! How the process is: what it needs, whether it stops, and its figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tierlink_bus::Bus;
use tierlink_store::Store;
use tokio_util::sync::CancellationToken;

use crate::committer::LastFailure;
use crate::gauges::Gauges;

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
    last_failure: Arc<LastFailure>,
    stopping: AtomicBool,
}

impl Health {
    /// Watches these.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        prometheus: Option<PrometheusHandle>,
        last_failure: Arc<LastFailure>,
    ) -> Self {
        Self { store, bus, prometheus, last_failure, stopping: AtomicBool::new(false) }
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
                Ok(Ok(())) if self.last_failure.is_recent() => {
                    Err("S001: the store answers and takes no messages; see the log".to_owned())
                }
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

    /// Measures until told to stop.
    pub async fn measure(self: Arc<Self>, stop: CancellationToken) {
        let mut gauges = Gauges::new(Arc::clone(&self.store), Arc::clone(&self.bus));
        loop {
            if let Some(prometheus) = &self.prometheus {
                prometheus.run_upkeep();
            }
            let report = self.look().await;
            gauges.measure(report.store.is_ok(), report.bus.is_ok()).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MEASURE_EVERY) => {}
            }
        }
    }
}
