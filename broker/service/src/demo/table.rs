//! The table at the end: cases, lanes, totals, and whether everything went as planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tierlink_core::delivery;
use tierlink_schemas::LaneName;
use tierlink_simulator::ledger::{self, Counts};
use tierlink_store::{CaseFile, CustodyRow};

use super::actor::Actor;
use super::cast::Org;
use super::flows::{ECG, ECG_WITHIN, FLOWS};
use super::play::{Play, Stuck};
use super::story::Flow;
use crate::cli::print;

/// One case in the table.
#[derive(Clone, Debug)]
struct CaseLine {
    flow: &'static Flow,
    number: String,
    state: String,
    events: usize,
    /// Why the case did not end as planned; `None` if it did.
    wrong: Option<String>,
}

/// One lane.
#[derive(Clone, Debug)]
struct LaneLine {
    org: Org,
    lane: LaneName,
    delivered: usize,
    retries: u32,
    replayed: usize,
    /// Deliveries that were not delivered: parked, withdrawn or still on their way.
    open: usize,
    waits_ms: Vec<i64>,
}

/// The results of a run.
pub struct Table {
    cases: Vec<CaseLine>,
    lanes: Vec<LaneLine>,
    /// Deliveries that wait for people at a screen, as they should.
    with_people: usize,
    counts: Counts,
    stuck: Vec<Stuck>,
    /// Codes and fields of deliveries that were not delivered.
    problems: Vec<String>,
    seconds: f64,
}

impl Table {
    /// Collects the records of the store and of the hospitals.
    pub async fn collect(
        play: &Play,
        actors: &BTreeMap<Org, Arc<Actor>>,
        stuck: Vec<Stuck>,
        seconds: f64,
    ) -> Self {
        let mut cases = Vec::with_capacity(FLOWS.len());
        let mut custody: Vec<CustodyRow> = Vec::new();
        let mut told = Vec::new();
        // People read at a screen: nothing of theirs arrives anywhere.
        let people = play.people();
        for flow in &FLOWS {
            let file = play.file(flow).await;
            cases.push(case_line(flow, file.as_ref()));
            let Some(file) = file else { continue };
            told.push(as_told(flow, &file, &people));
            custody.extend(file.custody);
        }
        let all = custody.len();
        custody.retain(|row| !people.contains(&row.delivery.lane()));
        let with_people = all - custody.len();
        let said: Vec<_> = actors.values().flat_map(|actor| actor.said()).collect();
        let arrived: Vec<_> = actors.values().flat_map(|actor| actor.arrived()).collect();
        let counts = ledger::count(&said, &arrived, &told);
        let replayed = play.replayed();
        let mut lanes: Vec<LaneLine> = actors
            .values()
            .flat_map(|actor| actor.systems.iter().map(|it| LaneLine::new(actor.org, &it.lane)))
            .collect();
        for row in &custody {
            let to = row.delivery.lane();
            let Some(line) = lanes.iter_mut().find(|line| line.lane == to) else { continue };
            line.add(row, replayed.contains(&row.delivery.id));
        }
        let problems = custody.iter().flat_map(open_problems).collect();
        Self { cases, lanes, with_people, counts, stuck, problems, seconds }
    }

    fn retries(&self) -> u32 {
        self.lanes.iter().map(|line| line.retries).sum()
    }

    fn replayed(&self) -> usize {
        self.lanes.iter().map(|line| line.replayed).sum()
    }

    fn open(&self) -> usize {
        self.lanes.iter().map(|line| line.open).sum()
    }

    fn delivered(&self) -> usize {
        self.lanes.iter().map(|line| line.delivered).sum()
    }

    /// Whether everything went as planned.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.is_clean()
            && self.stuck.is_empty()
            && self.cases.iter().all(|case| case.wrong.is_none())
            && self.open() == 0
            && self.retries() > 0
            && self.replayed() == 1
    }

    /// Prints the results for people.
    pub fn print(&self) {
        let cases: Vec<Vec<String>> = self.cases.iter().map(CaseLine::cells).collect();
        print::line("");
        print::table(&["病例 / case", "流程 / flow", "状态 / state", "事件 / events", ""], &cases);
        let lanes: Vec<Vec<String>> = self.lanes.iter().map(LaneLine::cells).collect();
        print::line("");
        print::table(
            &[
                "通道 / lane",
                "已送达 / delivered",
                "重试 / retries",
                "重放 / replayed",
                "未送达 / open",
                "p50 ms",
                "p99 ms",
            ],
            &lanes,
        );
        print::line("");
        print::line(&format!(
            "合计 / total: delivered {} with people {} retries {} replayed {} repeats {} in {:.1} s",
            self.delivered(),
            self.with_people,
            self.retries(),
            self.replayed(),
            self.counts.repeats,
            self.seconds,
        ));
        print::line(&format!(
            "丢失 / lost {}  重复 / doubled {}  乱序 / reordered {}",
            self.counts.lost, self.counts.doubled, self.counts.reordered,
        ));
        for line in self.complaints() {
            print::line(&line);
        }
        let verdict = if self.is_clean() {
            "✔ 全部符合预期 / everything went as told"
        } else {
            "✘ 未达预期 / something did not go as told"
        };
        print::line(verdict);
    }

    fn complaints(&self) -> Vec<String> {
        let stuck = self.stuck.iter().map(|it| format!("✘ {}: {} ({})", it.flow, it.step, it.why));
        let found = self.counts.findings.iter().map(|text| format!("✘ {text}"));
        let problems = self.problems.iter().map(|text| format!("✘ {text}"));
        stuck.chain(found).chain(problems).collect()
    }

    /// The results for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let cases: Vec<Value> = self
            .cases
            .iter()
            .map(|case| {
                json!({
                    "flow": case.flow.key,
                    "name": case.flow.zh,
                    "number": case.number,
                    "state": case.state,
                    "expected": case.flow.ends,
                    "events": case.events,
                    "wrong": case.wrong,
                })
            })
            .collect();
        let lanes: Vec<Value> = self
            .lanes
            .iter()
            .map(|line| {
                json!({
                    "lane": line.lane,
                    "name": line.org.name(),
                    "delivered": line.delivered,
                    "retries": line.retries,
                    "replayed": line.replayed,
                    "open": line.open,
                    "p50_ms": percentile(&line.waits_ms, 50),
                    "p99_ms": percentile(&line.waits_ms, 99),
                })
            })
            .collect();
        json!({
            "clean": self.is_clean(),
            "seconds": self.seconds,
            "cases": cases,
            "lanes": lanes,
            "delivered": self.delivered(),
            "with_people": self.with_people,
            "retries": self.retries(),
            "replayed": self.replayed(),
            "repeats": self.counts.repeats,
            "lost": self.counts.lost,
            "doubled": self.counts.doubled,
            "reordered": self.counts.reordered,
            "complaints": self.complaints(),
        })
    }
}

impl CaseLine {
    fn cells(&self) -> Vec<String> {
        let mark = self.wrong.as_ref().map_or_else(|| "✔".to_owned(), |why| format!("✘ {why}"));
        vec![
            self.number.clone(),
            format!("{} / {}", self.flow.zh, self.flow.en),
            self.state.clone(),
            self.events.to_string(),
            mark,
        ]
    }
}

impl LaneLine {
    fn new(org: Org, lane: &LaneName) -> Self {
        let (delivered, retries, replayed, open) = (0, 0, 0, 0);
        let waits_ms = Vec::new();
        Self { org, lane: lane.clone(), delivered, retries, replayed, open, waits_ms }
    }

    fn add(&mut self, row: &CustodyRow, replayed: bool) {
        self.replayed += usize::from(replayed);
        // The first try of each round is no repetition; a replay starts a round of its own.
        let first_tries = 1 + u32::from(replayed);
        self.retries += row.delivery.attempts.saturating_sub(first_tries);
        if row.delivery.state == delivery::State::Delivered {
            self.delivered += 1;
        } else {
            self.open += 1;
        }
        if let Some(settled_at) = row.settled_at {
            let wait = settled_at.duration_since(row.delivery.created_at);
            self.waits_ms.push(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        }
    }

    fn cells(&self) -> Vec<String> {
        let of = |percent| {
            percentile(&self.waits_ms, percent).map_or_else(|| "-".to_owned(), |ms| ms.to_string())
        };
        vec![
            format!("{} {}", self.lane, self.org.short()),
            self.delivered.to_string(),
            self.retries.to_string(),
            self.replayed.to_string(),
            self.open.to_string(),
            of(50),
            of(99),
        ]
    }
}

/// The value below which `percent` of 100 values lie, by nearest rank.
fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn case_line(flow: &'static Flow, file: Option<&CaseFile>) -> CaseLine {
    let Some(file) = file else {
        return CaseLine {
            flow,
            number: "-".to_owned(),
            state: "-".to_owned(),
            events: 0,
            wrong: Some("没有病例 / no case".to_owned()),
        };
    };
    let state = file.case.state.as_str();
    let wrong = if state == flow.ends {
        (flow.key == ECG).then(|| late(file)).flatten()
    } else {
        Some(format!("应为 / expected {}", flow.ends))
    };
    CaseLine {
        flow,
        number: file.case.number.to_string(),
        state: state.to_owned(),
        events: file.events.len(),
        wrong,
    }
}

/// The text to report if the emergency ECG missed its deadline.
fn late(file: &CaseFile) -> Option<String> {
    let overdue = |note: &Option<String>| note.as_ref().is_some_and(|it| it.starts_with("overdue"));
    let audited = file.events.iter().find(|event| event.kind.as_str() == "consultation.audit");
    let took = audited.map(|event| event.at.duration_since(file.case.opened_at));
    let in_time = took.is_some_and(|took: SignedDuration| took <= ECG_WITHIN)
        && !file.events.iter().any(|event| overdue(&event.note));
    (!in_time).then(|| "超时 / late".to_owned())
}

/// What the broker's store says of a case, for the ledger.
fn as_told(flow: &Flow, file: &CaseFile, people: &[LaneName]) -> ledger::Case {
    let events = file.events.iter().map(|event| ledger::Event {
        number: event.number.into(),
        message: event.message,
        kind: event.kind.as_str().to_owned(),
        by: event.by.as_str().to_owned(),
    });
    let on_wires = file.custody.iter().filter(|row| !people.contains(&row.delivery.lane()));
    let custody = on_wires.map(|row| ledger::Custody {
        message: row.delivery.id.message,
        to: row.delivery.lane().to_string(),
        number: row.delivery.number.into(),
        state: if row.delivery.state == delivery::State::Delivered {
            ledger::DELIVERED.to_owned()
        } else {
            "not delivered".to_owned()
        },
    });
    ledger::Case {
        number: file.case.number.to_string(),
        origin: flow.origin.code().to_owned(),
        own_number: flow.own_number.to_owned(),
        events: events.collect(),
        custody: custody.collect(),
    }
}

/// Codes and fields of a delivery that was not delivered.
fn open_problems(row: &CustodyRow) -> Vec<String> {
    if row.delivery.state == delivery::State::Delivered {
        return Vec::new();
    }
    let what = format!("{} → {}", row.delivery.kind, row.delivery.lane());
    if row.problems.is_empty() {
        return vec![format!("{what}: not delivered")];
    }
    row.problems.iter().map(|it| format!("{what}: {} {}", it.code, it.field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_go_by_nearest_rank() {
        let values: Vec<i64> = (1..=100).rev().collect();

        assert_eq!(percentile(&values, 50), Some(50));
        assert_eq!(percentile(&values, 99), Some(99));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
