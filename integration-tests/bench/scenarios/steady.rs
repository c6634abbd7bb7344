//! A fixed rate that two cores carry with ease: what a hospital sees, and what it costs.

use anyhow::{Context, Result};

use super::ground::{CONNECTIONS, clear, fresh_ground, settle_disk};
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::town::{Relay, Town};
use crate::usage;

/// Offered messages per second: more than a prefecture of eight counties has at its busiest.
const PER_SECOND: u32 = 500;
/// Names the process id of the PostgreSQL server; `ops/bench` sets it.
const POSTGRES_PROCESS: &str = "TIERLINK_BENCH_POSTGRES_PROCESS";
/// The same for RabbitMQ.
const RABBITMQ_PROCESS: &str = "TIERLINK_BENCH_RABBITMQ_PROCESS";

pub async fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let ground = fresh_ground().await?;
    let mut town = Town::open(ground.clone(), Relay::Here).await?;
    let route = town.route(|_| true);
    load::at_rate(&route, CONNECTIONS, PER_SECOND, sizes.warm).await?;
    town.ledger.wait_for_all_but(0).await?;
    settle_disk().await?;

    let mut processes = vec![("broker", town.process()?)];
    for (name, variable) in [("PostgreSQL", POSTGRES_PROCESS), ("RabbitMQ", RABBITMQ_PROCESS)] {
        if let Ok(id) = std::env::var(variable) {
            processes.push((name, id.parse().with_context(|| format!("{variable} is no number"))?));
        }
    }
    let before =
        processes.iter().map(|(_, id)| usage::cpu_seconds(*id)).collect::<Result<Vec<_>>>()?;
    let first = town.ledger.sent();
    let mut sent = load::at_rate(&route, CONNECTIONS, PER_SECOND, sizes.steady).await?;
    town.ledger.wait_for_all_but(0).await?;
    let mut deliveries = town.ledger.deliveries(first);
    town.ledger.judge()?;

    let mut figures = vec![Figure::new("AA", "/s", sent.per_second())];
    for (name, share) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let figure = Figure::new(format!("AA {name}"), "ms", sent.answers.within(share));
        figures.push(if share == 990 { figure.limit(Limit::Max(15.0)) } else { figure });
    }
    for (name, share) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let name = format!("AA to receiver's answer, {name}");
        let figure = Figure::new(name, "ms", deliveries.within(share));
        figures.push(if share == 990 { figure.limit(Limit::Max(50.0)) } else { figure });
    }
    let thousands = f64::from(sent.answers.count()) / 1_000.0;
    for ((name, id), before) in processes.iter().zip(before) {
        let used = usage::cpu_seconds(*id)? - before;
        let name = format!("{name}, CPU per 1,000 messages");
        figures.push(Figure::new(name, "s", used / thousands));
    }
    let memory = usage::memory_max_mb(town.process()?)?;
    figures.push(Figure::new("broker, memory at most", "MB", memory).limit(Limit::Max(200.0)));
    town.stop().await?;
    clear(&ground).await?;
    Ok(figures)
}
