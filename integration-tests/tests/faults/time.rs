//! Clocks and calendars: set back and forward, in zones with daylight saving, around holidays that
//! are swapped for working days.
//!
//! The program is the real one; only its clock is moved (`servers::MovedClock`). The clocks of
//! PostgreSQL, RabbitMQ and the hospitals stay as they are.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod clocks;
mod holidays;
mod zones;

use anyhow::Result;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::servers::{Broker, MovedClock};

/// Starts the program on this clock.
async fn start(stage: &Stage, clock: &MovedClock) -> Result<Broker> {
    let environment = clock.environment()?;
    let environment = environment.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    stage.county.start_another(&environment).await
}
