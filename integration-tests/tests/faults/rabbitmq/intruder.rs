//! Somebody who may write to RabbitMQ stands before a lane while the county works: he changes every
//! third parcel, puts old ones back, and copies what is for one hospital into the lane of another.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::ensure;
use tierlink_integration_tests::county::{LEAD, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::intruder::{Intruder, changed};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::trial::{Trial, flow};

use crate::broker::set_a_shared_stage;

/// Parcels that pass the intruder.
const PASSED: usize = 60;
const PASSED_LONG: usize = 600;

/// A patient whom nobody referred.
const FORGED: &str = "贾冒";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parcels_changed_on_the_bus_cost_nothing() {
    let trial = Trial::of("rabbitmq: parcels changed, copied and put back");
    let stage = set_a_shared_stage().await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        let mut before_lead = Intruder::before(stage.county.bus(), LEAD).await?;
        let mut before_second = Intruder::before(stage.county.bus(), SECOND).await?;
        let (mut changes, mut copies, mut passed) = (0_u32, 0_u32, 0);
        let mut known: HashSet<String> = HashSet::new();
        let wanted = if long() { PASSED_LONG } else { PASSED };
        while passed < wanted {
            // The second hospital's parcels pass as they are.
            while let Some(parcel) = before_second.next(Duration::from_millis(1)).await? {
                before_second.put(&parcel).await?;
            }
            let Some(parcel) = before_lead.next(Duration::from_millis(50)).await? else { continue };
            passed += 1;
            // Each once: what is published again passes as it is.
            let is_new = known.insert(parcel.id.clone());
            if is_new && passed % 3 == 0 {
                changes += 1;
                before_lead.put(&changed(&parcel, FORGED)?).await?;
                continue;
            }
            before_lead.put(&parcel).await?;
            match passed % 5 {
                // Once more, as it was.
                0 => before_lead.put(&parcel).await?,
                1 => {
                    copies += 1;
                    before_second.put(&parcel).await?;
                }
                _ => {}
            }
        }
        ensure!(changes > 5 && copies > 5, "{changes} changes and {copies} copies are too few");
        while let Some(parcel) = before_lead.next(Duration::from_millis(200)).await? {
            before_lead.put(&parcel).await?;
        }
        before_lead.leave().await?;
        before_second.leave().await?;
        flow(&stage, 20).await?;
        let foreign = f64::from(changes + copies);
        eventually("what is not the broker's is among the dead parcels", async || {
            let dead = stage.county.figure("tierlink_bus_dead").await?;
            Ok((dead >= foreign).then_some(()))
        })
        .await?;
        let dead = stage.county.figure("tierlink_bus_dead").await?;
        ensure!((dead - foreign).abs() < 0.5, "{dead} dead parcels of {foreign}");
        Ok(Vec::new())
    };
    trial.run(&stage, breaking).await.unwrap();

    for hospital in [LEAD, SECOND] {
        let received = stage.county.hospital(hospital).received();
        let forged = received.iter().filter(|one| one.text.contains(FORGED)).count();
        assert_eq!(forged, 0, "{hospital} got what somebody forged");
    }
    let logs = broker.logs().unwrap();
    assert!(!logs.contains("panicked"), "{logs}");
    assert!(!logs.contains(FORGED), "{logs}");
    assert_eq!(logs.lines().filter(|line| line.contains("B012")).count(), 1, "{logs}");
}
