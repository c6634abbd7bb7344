//! From the start of the process to the first "ready".

use anyhow::Result;

use super::ground::{clear, fresh_ground, rabbit};
use super::growth::Filled;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::timing::Times;
use crate::town::{Ground, Relay, Town};

pub async fn measure(sizes: Sizes, filled: &Filled) -> Result<Vec<Figure>> {
    let empty = fresh_ground().await?;
    let bus = rabbit().await?.fresh_vhost().await?;
    let full = Ground::Production { store: filled.store.clone(), bus };
    let mut figures = Vec::new();
    for (name, ground) in [("empty store", &empty), ("store with closed cases", &full)] {
        let mut town = Town::plan(ground.clone(), Relay::Here).await?;
        let mut times = Times::default();
        for _ in 0..sizes.starts {
            times.note(town.start().await?);
            town.stop().await?;
        }
        let figure = Figure::new(format!("start to ready, {name}"), "ms", times.within(500));
        figures.push(figure.limit(Limit::Max(1_000.0)));
    }
    clear(&empty).await?;
    Ok(figures)
}
