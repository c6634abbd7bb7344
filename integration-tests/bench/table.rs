//! The table: our figure, its floor, their ratio, and the limit that it should keep.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::timing::median;

/// What a figure should keep to.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// At least this share of what stands beside it.
    ShareMin(f64),
    /// At most this multiple of what stands beside it.
    ShareMax(f64),
    /// At most so much.
    Max(f64),
    /// At most so much more than what stands beside it.
    MoreMax(f64),
}

impl Limit {
    fn text(self, unit: &str) -> String {
        match self {
            Self::ShareMin(share) => format!(">= {:.0} %", share * 100.0),
            Self::ShareMax(share) => format!("<= {share} x"),
            Self::Max(most) => format!("<= {most} {unit}"),
            Self::MoreMax(more) => format!("<= + {more} {unit}"),
        }
    }

    fn holds(self, ours: f64, beside: Option<f64>) -> bool {
        match (self, beside) {
            (Self::ShareMin(share), Some(beside)) => ours >= share * beside,
            (Self::ShareMax(share), Some(beside)) => ours <= share * beside,
            (Self::MoreMax(more), Some(beside)) => ours <= beside + more,
            (Self::Max(most), _) => ours <= most,
            (Self::ShareMin(_) | Self::ShareMax(_) | Self::MoreMax(_), None) => false,
        }
    }
}

/// One line of one run.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    unit: &'static str,
    ours: f64,
    beside: Option<f64>,
    limit: Option<Limit>,
}

impl Figure {
    /// A figure of ours.
    pub fn new(name: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { name: name.into(), unit, ours, beside: None, limit: None }
    }

    /// Puts the floor, or what it is compared with, beside it.
    pub fn beside(mut self, floor: f64) -> Self {
        self.beside = Some(floor);
        self
    }

    /// Says what it should keep to.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }
}

struct Line {
    scenario: Scenario,
    name: String,
    unit: &'static str,
    ours: Vec<f64>,
    beside: Vec<f64>,
    limit: Option<Limit>,
}

impl Line {
    fn ours(&self) -> f64 {
        median(&self.ours)
    }

    fn beside(&self) -> Option<f64> {
        (!self.beside.is_empty()).then(|| median(&self.beside))
    }

    fn holds(&self) -> Option<bool> {
        self.limit.map(|limit| limit.holds(self.ours(), self.beside()))
    }
}

/// All lines, each with the figures of all runs.
#[derive(Default)]
pub struct Table(Vec<Line>);

impl Table {
    /// Takes the figures of one run of one scenario.
    pub fn add(&mut self, scenario: Scenario, figures: Vec<Figure>) {
        for figure in figures {
            let Figure { name, unit, ours, beside, limit } = figure;
            let known = self.0.iter().position(|it| it.scenario == scenario && it.name == name);
            let at = known.unwrap_or_else(|| {
                let (ours, beside) = (Vec::new(), Vec::new());
                self.0.push(Line { scenario, name, unit, ours, beside, limit });
                self.0.len() - 1
            });
            self.0[at].ours.push(ours);
            self.0[at].beside.extend(beside);
        }
    }

    /// The table for people: medians of the runs.
    pub fn text(&self) -> String {
        let mut text = format!(
            "\n{:<11} {:<40} {:>11} {:>11} {:>7}  {:<12} {}\n",
            "scenario", "what", "ours", "floor", "ratio", "should be", "holds"
        );
        for line in &self.0 {
            let (ours, beside) = (line.ours(), line.beside());
            let ratio = beside
                .filter(|beside| *beside > 0.0)
                .map_or_else(String::new, |beside| format!("{:.2}", ours / beside));
            let _infallible = writeln!(
                text,
                "{:<11} {:<40} {:>11} {:>11} {ratio:>7}  {:<12} {}",
                line.scenario.name(),
                format!("{}, {}", line.name, line.unit),
                short(ours),
                beside.map_or_else(String::new, short),
                line.limit.map_or_else(String::new, |limit| limit.text(line.unit)),
                line.holds().map_or("", |holds| if holds { "yes" } else { "NO" }),
            );
        }
        text
    }

    /// The same for programs, with the figures of every run.
    pub fn json(&self, quick: bool, runs: usize) -> Value {
        let lines: Vec<Value> = self
            .0
            .iter()
            .map(|line| {
                json!({
                    "scenario": line.scenario.name(),
                    "name": line.name,
                    "unit": line.unit,
                    "ours": line.ours(),
                    "floor": line.beside(),
                    "should_be": line.limit.map(|limit| limit.text(line.unit)),
                    "holds": line.holds(),
                    "runs": { "ours": line.ours, "floor": line.beside },
                })
            })
            .collect();
        json!({
            "at": jiff::Timestamp::now(),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "quick": quick,
            "runs": runs,
            "figures": lines,
        })
    }
}

/// Four digits are more than any of these figures is worth.
fn short(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_looks_at_the_median_of_the_runs() {
        let mut table = Table::default();
        for (ours, floor) in [(40.0, 100.0), (60.0, 100.0), (70.0, 100.0)] {
            let figure = Figure::new("rate", "/s", ours).beside(floor);
            table.add(Scenario::Intake, vec![figure.limit(Limit::ShareMin(0.5))]);
        }

        assert_eq!(table.0.len(), 1);
        assert_eq!(table.0[0].holds(), Some(true));
    }

    #[test]
    fn a_share_of_nothing_does_not_hold() {
        let holds = [Limit::ShareMin(0.5), Limit::ShareMax(2.0), Limit::MoreMax(1.0)]
            .map(|limit| limit.holds(1.0, None));

        assert_eq!(holds, [false; 3]);
    }
}
