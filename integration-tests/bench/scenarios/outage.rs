//! One organisation is silent and a line of messages waits for it: what do the others feel, and
//! how quickly does the line drain when it speaks again?

use std::time::Instant;

use anyhow::Result;

use super::ground::{CONNECTIONS, clear, fresh_ground, settle_disk};
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::timing::Times;
use crate::town::{Relay, Town};

/// Who falls silent: one that speaks HL7 v2.
const SILENT: usize = 2;
/// Messages per second for the others meanwhile.
const PER_SECOND: u32 = 200;

pub async fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let ground = fresh_ground().await?;
    let mut town = Town::open(ground.clone(), Relay::Here).await?;
    let others = town.route(|lane| lane != SILENT);
    load::at_rate(&others, CONNECTIONS, PER_SECOND, sizes.warm).await?;
    town.ledger.wait_for_all_but(0).await?;

    settle_disk().await?;
    let mut without = Felt::run(&town, &others, sizes, 0).await?;

    town.receivers[SILENT].be_silent(true);
    let to_silent = town.route(|lane| lane == SILENT);
    let waiting = load::so_many(&to_silent, CONNECTIONS, sizes.waiting).await?.answers.count();
    settle_disk().await?;
    let mut with = Felt::run(&town, &others, sizes, u64::from(waiting)).await?;

    let before = town.ledger.received();
    town.receivers[SILENT].be_silent(false);
    // The lane waits between two tries, so the clock runs from its first message.
    while town.ledger.received() == before {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    town.ledger.wait_for_all_but(0).await?;
    let drained = f64::from(waiting) / began.elapsed().as_secs_f64();
    town.ledger.judge()?;
    town.stop().await?;
    clear(&ground).await?;
    let limit = Limit::ShareMax(1.25);
    Ok(vec![
        Figure::new("others, AA p99 (beside: without outage)", "ms", with.answers.within(990))
            .beside(without.answers.within(990))
            .limit(limit),
        Figure::new("others, delivery p50 (the same)", "ms", with.deliveries.within(500))
            .beside(without.deliveries.within(500)),
        Figure::new("others, delivery p99 (the same)", "ms", with.deliveries.within(990))
            .beside(without.deliveries.within(990))
            .limit(limit),
        Figure::new(format!("drain of {waiting} waiting"), "/s", drained),
    ])
}

/// What the others feel.
struct Felt {
    answers: Times,
    deliveries: Times,
}

impl Felt {
    async fn run(town: &Town, route: &load::Route, sizes: Sizes, waiting: u64) -> Result<Self> {
        let first = town.ledger.sent();
        let sent = load::at_rate(route, CONNECTIONS, PER_SECOND, sizes.others).await?;
        town.ledger.wait_for_all_but(waiting).await?;
        Ok(Self { answers: sent.answers, deliveries: town.ledger.deliveries(first) })
    }
}
