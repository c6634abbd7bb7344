//! Intake: REF^I12 over MLLP, the next one after the answer to the last.
//!
//! Deliveries are relayed by another process, as when roles are split, because the floor delivers
//! nothing either. Taking and delivering together is what `end-to-end` measures.

use anyhow::Result;

use super::ground::{clear, drop_database, floor_database, fresh_ground, settle_disk};
use crate::floor;
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::town::{Relay, Town};

/// From one hospital alone to a whole county at once.
const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];

pub async fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let ground = fresh_ground().await?;
        let mut town = Town::open(ground.clone(), Relay::Elsewhere).await?;
        let route = town.route(|_| true);
        load::at_full_speed(&route, connections, sizes.warm).await?;
        settle_disk().await?;
        let mut ours = load::at_full_speed(&route, connections, sizes.burst).await?;
        let rows = town.stored().await?;
        town.stop().await?;
        clear(&ground).await?;

        let database = floor_database().await?;
        floor::postgres::at_full_speed(&database, &rows, connections, sizes.warm).await?;
        settle_disk().await?;
        let mut bare =
            floor::postgres::at_full_speed(&database, &rows, connections, sizes.burst).await?;
        drop_database(&database).await?;

        let mut rate =
            Figure::new(format!("AA, {connections} connections"), "/s", ours.per_second())
                .beside(bare.per_second());
        if connections == 64 {
            rate = rate.limit(Limit::ShareMin(0.5));
        }
        figures.push(rate);
        for (name, share) in [("p50", 500), ("p99", 990)] {
            let name = format!("AA {name}, {connections} connections");
            let mut time = Figure::new(name, "ms", ours.answers.within(share))
                .beside(bare.answers.within(share));
            if connections == 1 && share == 500 {
                time = time.limit(Limit::MoreMax(1.0));
            }
            figures.push(time);
        }
    }
    Ok(figures)
}
