//! What worlds found, each told by itself in the fewest steps.

use std::time::Duration;

use crate::connection::RECORD_OUTCOMES;
use crate::county::org;
use crate::plot::{World, tell};

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

fn pause(world: &World, lane: &str, paused: bool) {
    world.ground.memory.lock().pause_lane(&org(lane).into(), paused);
}

/// Found by worlds 51, 216 and 233. The lane heard that an outcome was not stored while it sent
/// the next one, asked for the same answer again, and its task ended with a panic. Nothing was
/// delivered there until the process started anew.
#[test]
fn an_outcome_that_is_not_stored_does_not_end_its_lane() {
    let failures = tell(|world| async move {
        pause(&world, "lead", true);
        seconds(5).await;
        for case in 0..3 {
            world.senders().open(case, "township", "lead").await;
        }
        world.ground.faults.fail_next(RECORD_OUTCOMES);

        pause(&world, "lead", false);

        seconds(5).await;
        world
    });

    assert_eq!(failures, Vec::<String>::new());
}

/// Found by worlds 14 and 26. A hospital was silent, and then its lane was deleted and the process
/// killed. Nobody tried any more, so nobody noted that the silence was over, and a lane that is
/// known to be silent was never looked at for lost parcels.
#[test]
fn what_is_lost_while_a_hospital_is_silent_is_found() {
    let failures = tell(|world| async move {
        world.ground.seen.lock().out.insert(org("lead"));
        world.senders().open(0, "township", "lead").await;
        seconds(20).await;

        world.delete_lane("lead").await;
        let process = world.some_process().unwrap();
        world.kill(&process).await;
        world.ground.seen.lock().out.clear();

        seconds(5).await;
        world
    });

    assert_eq!(failures, Vec::<String>::new());
}
