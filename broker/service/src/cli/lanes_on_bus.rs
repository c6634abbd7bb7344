//! Which lanes are not open, for commands that run beside the broker: what the bus tells of them.

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use tierlink_bus::{Bus, BusError, Lane, LaneDepth, LaneTrouble};
use tierlink_schemas::{Code, OrganisationCode};

use crate::app;
use crate::config::Config;

/// A lane exists on the bus, and no broker reads it.
const NOT_READ: Code = Code::new("B011");
/// Lanes that are asked about at the same time.
const ASKED_AT_ONCE: usize = 16;
/// How long the bus may take to tell of all lanes.
const BUS_LASTS: Duration = Duration::from_secs(20);

/// Lanes that are not open, as far as the bus can be asked.
pub(super) async fn ask_the_bus(
    config: &Config,
    paused: &HashSet<OrganisationCode>,
) -> Vec<LaneTrouble> {
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
    paused: &HashSet<OrganisationCode>,
    bus: &dyn Bus,
) -> Result<Vec<LaneTrouble>, BusError> {
    if !bus.remembers() {
        return Ok(Vec::new());
    }
    bus.healthy().await?;
    let mut codes: Vec<&OrganisationCode> = config.profiles.keys().collect();
    codes.sort();
    let lanes = codes.iter().filter_map(|code| Some((*code, Lane::new(code.as_str()).ok()?)));
    let asked: Vec<(&OrganisationCode, Lane, Result<LaneDepth, BusError>)> = {
        let asking = stream::iter(lanes)
            .map(async |(code, lane)| {
                let depth = bus.depth(&lane).await;
                (code, lane, depth)
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
    for (code, lane, depth) in asked {
        let should_be_read = config.profiles.get(code).is_some_and(|profile| {
            profile.outbound.address.is_some() && !profile.outbound.remote && !paused.contains(code)
        });
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
