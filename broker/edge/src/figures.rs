//! The figures of lanes, as Prometheus reads them.
//!
//! One table instead of one metric for each lane and figure: a metric of the library costs some
//! 300 bytes, and each scrape copies all of them, so the eight figures of ten thousand lanes would
//! take as much memory as everything else that an idle lane needs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::LaneName;
use tierlink_schemas::delivery::Outcome;

/// What a lane is like now. A gauge each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneState {
    /// Deliveries that wait, parked ones not counted.
    pub depth: u64,
    /// Deliveries that need a person.
    pub parked: u64,
    /// How long the oldest has waited, in seconds.
    pub oldest_seconds: f64,
    /// Whether the last try got no answer.
    pub silent: bool,
    /// Whether a person has paused it.
    pub paused: bool,
}

/// How tries end, as figures call it.
const OUTCOMES: [&str; 6] = ["taken", "refused", "unsendable", "not_now", "gave_up", "turned_away"];

#[derive(Clone, Copy, Default)]
struct Figures {
    /// Tries to send.
    attempts: u64,
    /// Tries that ended so, in the order of [`OUTCOMES`].
    ended: [u64; OUTCOMES.len()],
    /// What was measured last, if it was.
    state: Option<LaneState>,
    /// Whether nothing gets through to its system, as this process has met it.
    held: bool,
    /// When the certificate ends that its system showed last.
    certificate_ends_at: Option<Timestamp>,
}

/// The figures of all lanes of a process.
#[derive(Default)]
pub struct LaneFigures(Mutex<BTreeMap<LaneName, Figures>>);

/// How figures call this outcome.
#[must_use]
pub fn outcome_label(outcome: &Outcome) -> &'static str {
    OUTCOMES[place(outcome)]
}

fn place(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Taken { .. } => 0,
        Outcome::Refused { .. } => 1,
        Outcome::Unsendable { .. } => 2,
        Outcome::NotNow { .. } => 3,
        Outcome::Unanswered { .. } | Outcome::GaveUp { .. } => 4,
        Outcome::TurnedAway { .. } | Outcome::Held { .. } => 5,
    }
}

impl LaneFigures {
    /// Counts a try.
    pub fn count_attempt(&self, lane: &LaneName) {
        self.of(lane, |figures| figures.attempts += 1);
    }

    /// Counts how a delivery ended.
    pub fn count_outcome(&self, lane: &LaneName, outcome: &Outcome) {
        self.of(lane, |figures| figures.ended[place(outcome)] += 1);
    }

    /// Tells what a lane is like now.
    pub fn tell(&self, lane: &LaneName, state: LaneState) {
        self.of(lane, |figures| {
            // It may have been opened by another process, which has the lane now.
            figures.held &= state.silent;
            figures.state = Some(state);
        });
    }

    /// Tells whether nothing gets through to the system of a lane.
    pub fn tell_held(&self, lane: &LaneName, held: bool) {
        self.of(lane, |figures| figures.held = held);
    }

    /// Notes when the certificate ends that the system of a lane has shown.
    pub fn saw_certificate(&self, lane: &LaneName, ends_at: Timestamp) {
        self.of(lane, |figures| figures.certificate_ends_at = Some(ends_at));
    }

    /// When the certificates end that systems have shown, by their lanes.
    #[must_use]
    pub fn certificates(&self) -> Vec<(LaneName, Timestamp)> {
        let all = self.lock();
        let seen =
            all.iter().filter_map(|(lane, it)| Some((lane.clone(), it.certificate_ends_at?)));
        seen.collect()
    }

    fn of(&self, lane: &LaneName, change: impl FnOnce(&mut Figures)) {
        let mut all = self.lock();
        match all.get_mut(lane) {
            Some(figures) => change(figures),
            None => change(all.entry(lane.clone()).or_default()),
        }
    }

    /// Adds all figures to `text`, in the format of Prometheus.
    pub fn render(&self, text: &mut String) {
        let all = self.lock();
        let mut family = |name: &str, kind: &str, of: &dyn Fn(&mut String, &LaneName, &Figures)| {
            let mut lines = String::new();
            for (lane, figures) in &*all {
                of(&mut lines, lane, figures);
            }
            if !lines.is_empty() {
                // Writing into a text cannot fail.
                let _written = writeln!(text, "# TYPE {name} {kind}\n{lines}");
            }
        };
        family("tierlink_attempts_total", "counter", &|lines, lane, figures| {
            if figures.attempts > 0 {
                let _written = writeln!(
                    lines,
                    "tierlink_attempts_total{{lane=\"{lane}\"}} {}",
                    figures.attempts
                );
            }
        });
        family("tierlink_deliveries_total", "counter", &|lines, lane, figures| {
            for (outcome, count) in OUTCOMES.iter().zip(figures.ended).filter(|(_, it)| *it > 0) {
                let _written = writeln!(
                    lines,
                    "tierlink_deliveries_total{{lane=\"{lane}\",outcome=\"{outcome}\"}} {count}"
                );
            }
        });
        family("tierlink_lane_held", "gauge", &|lines, lane, figures| {
            if figures.held || figures.state.is_some() {
                let held = u8::from(figures.held);
                let _written = writeln!(lines, "tierlink_lane_held{{lane=\"{lane}\"}} {held}");
            }
        });
        let ends = "tierlink_lane_certificate_expires_timestamp_seconds";
        family(ends, "gauge", &|lines, lane, figures| {
            if let Some(at) = figures.certificate_ends_at {
                let _written = writeln!(lines, "{ends}{{lane=\"{lane}\"}} {}", at.as_second());
            }
        });
        let mut gauge = |name: &str, value: &dyn Fn(&LaneState) -> String| {
            family(name, "gauge", &|lines, lane, figures| {
                if let Some(state) = &figures.state {
                    let _written = writeln!(lines, "{name}{{lane=\"{lane}\"}} {}", value(state));
                }
            });
        };
        gauge("tierlink_lane_depth", &|state| state.depth.to_string());
        gauge("tierlink_lane_parked", &|state| state.parked.to_string());
        gauge("tierlink_lane_oldest_seconds", &|state| state.oldest_seconds.to_string());
        gauge("tierlink_lane_silent", &|state| u8::from(state.silent).to_string());
        gauge("tierlink_lane_paused", &|state| u8::from(state.paused).to_string());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LaneName, Figures>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_as_prometheus_reads_them() {
        let figures = LaneFigures::default();
        let lane: LaneName = "330199001".parse().unwrap();
        let other: LaneName = "330199002:ecg".parse().unwrap();
        figures.count_attempt(&lane);
        figures.count_attempt(&lane);
        figures.count_outcome(&lane, &Outcome::Taken { number: None });
        let state =
            LaneState { depth: 2, oldest_seconds: 1.5, silent: true, ..LaneState::default() };
        figures.tell(&other, state);
        figures.tell_held(&other, true);
        figures.saw_certificate(&other, Timestamp::from_second(1_800_000_000).unwrap());

        let mut text = String::new();
        figures.render(&mut text);

        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "# TYPE tierlink_attempts_total counter",
                "tierlink_attempts_total{lane=\"330199001\"} 2",
                "# TYPE tierlink_deliveries_total counter",
                "tierlink_deliveries_total{lane=\"330199001\",outcome=\"taken\"} 1",
                "# TYPE tierlink_lane_held gauge",
                "tierlink_lane_held{lane=\"330199002:ecg\"} 1",
                "# TYPE tierlink_lane_certificate_expires_timestamp_seconds gauge",
                "tierlink_lane_certificate_expires_timestamp_seconds{lane=\"330199002:ecg\"} 1800000000",
                "# TYPE tierlink_lane_depth gauge",
                "tierlink_lane_depth{lane=\"330199002:ecg\"} 2",
                "# TYPE tierlink_lane_parked gauge",
                "tierlink_lane_parked{lane=\"330199002:ecg\"} 0",
                "# TYPE tierlink_lane_oldest_seconds gauge",
                "tierlink_lane_oldest_seconds{lane=\"330199002:ecg\"} 1.5",
                "# TYPE tierlink_lane_silent gauge",
                "tierlink_lane_silent{lane=\"330199002:ecg\"} 1",
                "# TYPE tierlink_lane_paused gauge",
                "tierlink_lane_paused{lane=\"330199002:ecg\"} 0",
            ]
        );
    }
}
