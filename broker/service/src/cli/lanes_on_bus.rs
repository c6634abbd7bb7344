//! Which lanes are not open, for commands that run beside the broker: what the bus tells of them.

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use tierlink_bus::{Bus, BusError, Lane, LaneDepth, LaneTrouble};
use tierlink_codec::Profile;
use tierlink_schemas::{Code, LaneName};

use crate::app;
use crate::config::Config;

/// A lane exists on the bus, and no broker reads it.
const NOT_READ: Code = Code::new("B011");
/// Lanes that are asked about at the same time.
const ASKED_AT_ONCE: usize = 16;
/// How long the bus may take to tell of all lanes.
const BUS_LASTS: Duration = Duration::from_secs(20);

/// Lanes that are not open, as far as the bus can be asked.
pub(super) async fn ask_the_bus(config: &Config, paused: &HashSet<LaneName>) -> Vec<LaneTrouble> {
    let Ok(bus) = app::open_bus(config) else { return Vec::new() };
    let asked = lanes_not_open(config, paused, &*bus).await;
    bus.close().await;
    // `tierlink doctor` says what is wrong with a bus that does not answer.
    asked.unwrap_or_default()
}

/// Lanes without a queue, and those that a broker should read and none does. None at all while no
/// broker reads any lane: then none runs. An error when the bus does not answer.
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
