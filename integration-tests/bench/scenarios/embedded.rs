//! Embedded mode: SQLite and the in-process bus, against bare SQLite commits.
//!
//! The same floor stands beside intake and end to end. For the second it is a hard one: an
//! outcome has to be committed as well, so each message is in two commits and the floor's in one.

use anyhow::Result;
use tempfile::TempDir;

use super::end_to_end::Burst;
use super::ground::CONNECTIONS;
use crate::floor;
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::town::{Ground, Relay, Town};

pub async fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let mut town = Town::open(Ground::Embedded, Relay::Elsewhere).await?;
    let route = town.route(|_| true);
    load::at_full_speed(&route, CONNECTIONS, sizes.warm).await?;
    let mut taken = load::at_full_speed(&route, CONNECTIONS, sizes.burst).await?;
    let rows = town.stored().await?;
    town.stop().await?;
    drop(town);

    let mut town = Town::open(Ground::Embedded, Relay::Here).await?;
    let route = town.route(|_| true);
    Burst::run(&town, &route, sizes.warm).await?;
    let mut delivered = Burst::run(&town, &route, sizes.burst).await?;
    town.ledger.judge()?;
    town.stop().await?;
    drop(town);

    let folder = TempDir::with_prefix("tierlink-bench.")?;
    let mut bare =
        floor::sqlite::at_full_speed(folder.path(), &rows, CONNECTIONS, sizes.burst).await?;
    let floor = bare.per_second();
    Ok(vec![
        Figure::new("AA, 64 connections", "/s", taken.per_second())
            .beside(floor)
            .limit(Limit::ShareMin(0.5)),
        Figure::new("AA p50, 64 connections", "ms", taken.answers.within(500))
            .beside(bare.answers.within(500)),
        Figure::new("AA p99, 64 connections", "ms", taken.answers.within(990))
            .beside(bare.answers.within(990)),
        Figure::new("delivered", "/s", delivered.delivered_per_second)
            .beside(floor)
            .limit(Limit::ShareMin(0.5)),
        Figure::new("AA to receiver's answer, p50", "ms", delivered.deliveries.within(500)),
        Figure::new("AA to receiver's answer, p99", "ms", delivered.deliveries.within(990)),
    ])
}
