//! End to end at full speed: MLLP in, forty organisations out, half HL7 v2 and half FHIR.
//!
//! The rate counts until the last receiver has answered. At full speed messages are taken quicker
//! than they are delivered, so the latency here is mostly the line in front of the lanes; `steady`
//! shows what a hospital sees.

use anyhow::Result;

use super::ground::{
    CONNECTIONS, clear, drop_database, floor_database, fresh_ground, rabbit, settle_disk,
};
use crate::floor;
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::town::{Relay, Town};

pub async fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let ground = fresh_ground().await?;
    let mut town = Town::open(ground.clone(), Relay::Here).await?;
    let route = town.route(|_| true);
    let warm = Burst::run(&town, &route, sizes.warm).await?;
    drop(warm);
    settle_disk().await?;
    let mut ours = Burst::run(&town, &route, sizes.burst).await?;
    town.ledger.judge()?;
    let rows = town.stored().await?;
    town.stop().await?;
    clear(&ground).await?;

    let (database, vhost) = (floor_database().await?, rabbit().await?.fresh_vhost().await?);
    let full = floor::rabbit::at_full_speed;
    full(&database, &vhost, &rows, CONNECTIONS, sizes.warm).await?;
    settle_disk().await?;
    let mut bare = full(&database, &vhost, &rows, CONNECTIONS, sizes.burst).await?;
    drop_database(&database).await?;
    Ok(vec![
        Figure::new("delivered", "/s", ours.delivered_per_second)
            .beside(bare.per_second())
            .limit(Limit::ShareMin(0.5)),
        Figure::new("AA meanwhile", "/s", ours.taken_per_second),
        Figure::new("AA to receiver's answer, p50", "ms", ours.deliveries.within(500))
            .beside(bare.times.within(500)),
        Figure::new("AA to receiver's answer, p99", "ms", ours.deliveries.within(990))
            .beside(bare.times.within(990)),
    ])
}

/// A load at full speed, until the last message has arrived.
pub struct Burst {
    pub delivered_per_second: f64,
    pub taken_per_second: f64,
    pub deliveries: crate::timing::Times,
}

impl Burst {
    pub async fn run(town: &Town, route: &load::Route, lasts: std::time::Duration) -> Result<Self> {
        let (first, began) = (town.ledger.sent(), town.ledger.elapsed());
        let sent = load::at_full_speed(route, CONNECTIONS, lasts).await?;
        town.ledger.wait_for_all_but(0).await?;
        let lasted = town.ledger.last_received_at().saturating_sub(began);
        let deliveries = town.ledger.deliveries(first);
        Ok(Self {
            delivered_per_second: f64::from(deliveries.count()) / lasted.as_secs_f64(),
            taken_per_second: sent.per_second(),
            deliveries,
        })
    }
}
