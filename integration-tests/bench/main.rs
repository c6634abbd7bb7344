//! Measures the broker against the least that any durable broker must do.
//!
//! ```text
//!   ops/bench ─▶ PostgreSQL, RabbitMQ (private, syncing as in production)
//!        └─────▶ tierlink-bench ──MLLP──▶ tierlink serve ──MLLP, HTTP──▶ receivers in tierlink-bench
//!                      └── the floor: bare programs on the same servers with the same bytes
//! ```
//!
//! Every figure of ours stands beside its floor, measured in the same run. Ratios count; absolute
//! figures are for orientation, because load, servers and broker share the machine's cores.
//!
//! What it deliberately does not do: it judges nothing but the lines that carry a limit, and a
//! line that misses its limit does not end the program with an error. Losses, repeats and wrong
//! order do: a fast broker that loses messages has no speed worth printing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table for people is the result")]

mod floor;
mod ledger;
mod letters;
mod load;
mod receivers;
mod scenario;
mod scenarios;
mod sizes;
mod table;
mod timing;
mod town;
mod usage;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::scenario::Scenario;
use crate::scenarios::Bench;
use crate::sizes::Sizes;
use crate::table::Table;

/// Runs that one call may ask for.
const RUNS_MAX: usize = 20;

struct Arguments {
    quick: bool,
    only: Vec<Scenario>,
    runs: usize,
    output: Option<String>,
}

fn read_arguments() -> Result<Arguments> {
    let mut read = Arguments { quick: false, only: Vec::new(), runs: 1, output: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--quick" => read.quick = true,
            "--only" => {
                let name = value()?;
                let known = Scenario::read(&name).with_context(|| {
                    let names: Vec<&str> = Scenario::ALL.iter().map(|it| it.name()).collect();
                    format!("no scenario `{name}`; there are {}", names.join(", "))
                })?;
                read.only.push(known);
            }
            "--runs" => {
                read.runs = value()?.parse().context("--runs needs a number, such as 3")?;
                if !(1..=RUNS_MAX).contains(&read.runs) {
                    bail!("--runs must be 1 to {RUNS_MAX}");
                }
            }
            "--output" => read.output = Some(value()?),
            _ => bail!("unknown argument `{word}`"),
        }
    }
    if read.only.is_empty() {
        read.only = Scenario::ALL.to_vec();
    }
    Ok(read)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = read_arguments()?;
    let mut bench = Bench::new(if arguments.quick { Sizes::quick() } else { Sizes::full() });
    let mut table = Table::default();
    for run in 1..=arguments.runs {
        for scenario in &arguments.only {
            let begun = Instant::now();
            let figures = bench
                .measure(*scenario)
                .await
                .with_context(|| format!("the scenario `{}` failed", scenario.name()))?;
            eprintln!(
                "{}, run {run} of {}: {} s",
                scenario.name(),
                arguments.runs,
                begun.elapsed().as_secs()
            );
            table.add(*scenario, figures);
        }
    }
    let text = table.text();
    println!("{text}");
    if let Some(path) = arguments.output {
        let json = serde_json::to_string_pretty(&table.json(arguments.quick, arguments.runs))?;
        std::fs::write(&path, json + "\n").with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}
