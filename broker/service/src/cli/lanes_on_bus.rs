//! Asks the bus which lanes are not open, for commands that run beside the broker.

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use tierlink_bus::{Bus, BusError, Lane, LaneDepth, LaneTrouble};
use tierlink_codec::Profile;
use tierlink_schemas::{Code, LaneName};

use crate::app;
use crate::config::Config;

/// Error code: a lane exists on the bus, and no broker consumes it.
const NOT_READ: Code = Code::new("B011");
/// Lanes to ask about at the same time.
const ASKED_AT_ONCE: usize = 16;
/// Longest time for asking about all lanes.
const BUS_LASTS: Duration = Duration::from_secs(20);

/// The lanes that are not open; empty if the bus does not answer.
pub(super) async fn ask_the_bus(config: &Config, paused: &HashSet<LaneName>) -> Vec<LaneTrouble> {
    let Ok(bus) = app::open_bus(config) else { return Vec::new() };
    let asked = lanes_not_open(config, paused, &*bus).await;
    bus.close().await;
    // `tierlink doctor` reports separately what is wrong with a bus that does not answer.
    asked.unwrap_or_default()
}

/// The lanes without a queue, and those without a consumer that should have one. If no lane has
/// a consumer, no broker is running, and missing consumers are not reported. Fails if the bus
/// does not answer.
pub(super) async fn lanes_not_open(
    config: &Config,
    paused: &HashSet<LaneName>,
    bus: &dyn Bus,
) -> Result<Vec<LaneTrouble>, BusError> {
    if !bus.remembers() {
        return Ok(Vec::new());
    }
    bus.healthy().await?;
    let mut systems: Vec<&Profile> =
        config.systems().filter(|system| !system.is_people()).collect();
    systems.sort_by_key(|system| system.lane());
    let lanes = systems.iter().filter_map(|it| Some((*it, Lane::new(it.lane().to_string()).ok()?)));
    let asked: Vec<(&Profile, Lane, Result<LaneDepth, BusError>)> = {
        let asking = stream::iter(lanes)
            .map(async |(system, lane)| {
                let depth = bus.depth(&lane).await;
                (system, lane, depth)
            })
            .buffered(ASKED_AT_ONCE)
            .collect();
        let silent = |_| BusError::Silent { doing: "look at all lanes", waited: BUS_LASTS };
        tokio::time::timeout(BUS_LASTS, asking).await.map_err(silent)?
    };
    let is_read = |depth: &LaneDepth| depth.readers != Some(0);
    if !asked.iter().any(|(_, _, depth)| depth.as_ref().is_ok_and(is_read)) {
        return Ok(Vec::new());
    }
    let mut not_open = Vec::new();
    for (system, lane, depth) in asked {
        let outbound = &system.outbound;
        let should_be_read =
            outbound.address.is_some() && !outbound.remote && !paused.contains(&system.lane());
        match depth {
            Err(error) => {
                let (code, why) = (error.code(), error.to_string());
                not_open.push(LaneTrouble { lane, code, why });
            }
            Ok(depth) if should_be_read && !is_read(&depth) => {
                let why = "no broker reads it; its log and /readyz say why".to_owned();
                not_open.push(LaneTrouble { lane, code: NOT_READ, why });
            }
            Ok(_) => {}
        }
    }
    Ok(not_open)
}
