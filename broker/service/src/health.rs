//! Health of the process: whether store, bus and lanes work, and whether it is stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tierlink_bus::{Bus, BusError, LaneTrouble, QueueTrouble};
use tierlink_edge::figures::LaneFigures;
use tierlink_store::Upkeep;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock_watch::ClockStatus;
use crate::committer::LastFailure;
use crate::gauges::Gauges;
use crate::report::Trouble;

/// Longest duration of one health check.
const LOOK_LASTS: Duration = Duration::from_secs(3);
/// How often metrics are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Most lanes to name in one log line or answer.
const LANES_NAMED_MAX: usize = 10;

/// Result of a health check.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether the store works; if not, what to do.
    pub store: Result<(), String>,
    /// Whether the bus works; if not, what to do.
    pub bus: Result<(), String>,
    /// Whether the bus answers and refuses us.
    pub barred_from_bus: bool,
    /// Whether all lanes are open; if not, which are not and why.
    pub lanes: Result<(), String>,
    /// Whether the queues that belong to no lane have their limits; if not, which do not.
    pub queues: Result<(), String>,
    /// Number of queues that do not.
    pub queues_in_trouble: usize,
    /// Number of lanes that are not open.
    pub lanes_not_open: usize,
    /// Whether cases may end by our clock; if not, why.
    pub clock: Result<(), String>,
    /// Whether the process is about to end.
    pub stopping: bool,
}

impl Report {
    /// Whether messages can be taken and passed on. A bus that is away, or a lane that is not open,
    /// delays deliveries, and a clock in doubt the end of cases; messages are safe in the store
    /// meanwhile, so none of them makes us unready.
    /// A bus that refuses us does: it will not come back by itself, and another process may have
    /// the right user.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.store.is_ok() && !self.barred_from_bus && !self.stopping
    }
}

/// Checks the health of the process.
pub struct Health {
    store: Arc<dyn Upkeep>,
    bus: Arc<dyn Bus>,
    prometheus: Option<PrometheusHandle>,
    lanes: Arc<LaneFigures>,
    last_failure: Arc<LastFailure>,
    clock: ClockStatus,
    stopping: AtomicBool,
}

impl Health {
    /// Watches these parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn Upkeep>,
        bus: Arc<dyn Bus>,
        prometheus: Option<PrometheusHandle>,
        lanes: Arc<LaneFigures>,
        last_failure: Arc<LastFailure>,
    ) -> Self {
        let (clock, stopping) = (ClockStatus::default(), AtomicBool::new(false));
        Self { store, bus, prometheus, lanes, last_failure, clock, stopping }
    }

    /// What the clock of this process is worth, to be told by whoever watches it.
    #[must_use]
    pub fn clock(&self) -> ClockStatus {
        self.clock.clone()
    }

    /// From now on, reports that the process is stopping and not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Checks store, bus and lanes now.
    pub async fn look(&self) -> Report {
        let store = tokio::time::timeout(LOOK_LASTS, self.store.healthy());
        let bus = tokio::time::timeout(LOOK_LASTS, self.bus.healthy());
        let (store, bus) = tokio::join!(store, bus);
        let not_open = self.bus.lanes_in_trouble();
        let queues = self.bus.queues_in_trouble();
        Report {
            queues: queues_report(&queues),
            queues_in_trouble: queues.len(),
            barred_from_bus: matches!(&bus, Ok(Err(BusError::NotAllowed { .. }))),
            lanes: lanes_report(&not_open),
            lanes_not_open: not_open.len(),
            clock: self.clock.doubt().map_or(Ok(()), Err),
            store: match store {
                Ok(Ok(())) if self.last_failure.is_recent() => {
                    Err("S001: the store answers but does not store messages; see the log"
                        .to_owned())
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

    /// All metrics, in Prometheus text format.
    #[must_use]
    pub fn figures(&self) -> String {
        let mut text = self.prometheus.as_ref().map(PrometheusHandle::render).unwrap_or_default();
        self.lanes.render(&mut text);
        text
    }

    /// Measures until told to stop.
    pub async fn measure(self: Arc<Self>, mut gauges: Gauges, stop: CancellationToken) {
        let lanes_trouble = Trouble::new("Lanes are not open");
        let mut named = String::new();
        // Just before the bus is found away, and just after it is back, lanes are shut for a moment.
        let mut stood = false;
        loop {
            if let Some(prometheus) = &self.prometheus {
                prometheus.run_upkeep();
            }
            let report = self.look().await;
            gauges.lanes_not_open(report.lanes_not_open);
            gauges.queues_in_trouble(report.queues_in_trouble);
            gauges.measure(report.store.is_ok(), report.bus.is_ok()).await;
            // While the bus cannot be reached no lane is open, and that is logged elsewhere.
            match &report.lanes {
                Ok(()) => {
                    lanes_trouble.is_over();
                    named.clear();
                    stood = false;
                }
                Err(_) if report.bus.is_err() => stood = false,
                Err(_) if !stood => stood = true,
                Err(lanes) => {
                    let reminder = lanes_trouble.begins_or_goes_on(lanes);
                    let others = *lanes != named;
                    if let Some(line) = reminder.or_else(|| others.then(|| lanes.clone())) {
                        error!("{line}. Their organisations get nothing until they are.");
                    }
                    named.clone_from(lanes);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MEASURE_EVERY) => {}
            }
        }
    }
}

/// Names the lanes that are not open, with reasons, up to a limit.
pub fn lanes_report(not_open: &[LaneTrouble]) -> Result<(), String> {
    if not_open.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = not_open
        .iter()
        .take(LANES_NAMED_MAX)
        .map(|trouble| format!("{} ({}: {})", trouble.lane, trouble.code, trouble.why))
        .collect();
    let more = not_open.len() - named.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(format!("{} lane(s) not open: {}{more}", not_open.len(), named.join("; ")))
}

/// Names the queues without our limits.
pub fn queues_report(queues: &[QueueTrouble]) -> Result<(), String> {
    if queues.is_empty() {
        return Ok(());
    }
    let named = queues.iter().map(|trouble| format!("{}: {}", trouble.code, trouble.queue));
    let named = named.collect::<Vec<_>>().join("; ");
    Err(format!("{named} has other settings than it should have, so its limits do not hold"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierlink_bus::Lane;
    use tierlink_schemas::Code;

    #[test]
    fn lanes_that_are_not_open_are_named_and_their_number_is_told() {
        let trouble = |n: usize| LaneTrouble {
            lane: Lane::new(format!("33019{n:04}")).unwrap(),
            code: Code::new("B004"),
            why: "it exists with other settings".to_owned(),
        };
        let many: Vec<LaneTrouble> = (0..300).map(trouble).collect();

        let one = lanes_report(&many[..1]).unwrap_err();
        let all = lanes_report(&many).unwrap_err();

        assert_eq!(lanes_report(&[]), Ok(()));
        let first = "330190000 (B004: it exists with other settings)";
        assert_eq!(one, format!("1 lane(s) not open: {first}"));
        assert!(all.starts_with(&format!("300 lane(s) not open: {first}; 330190001 (")), "{all}");
        assert!(all.ends_with("; and 290 more"), "{all}");
    }
}
