//! What worlds found, each told by itself in the fewest steps.

use std::time::Duration;

use tierlink_edge::environment::Environment;

use crate::connection::RECORD_OUTCOMES;
use crate::county::org;
use crate::plot::{World, tell};

/// Longer than any case waits.
const MONTH_SECONDS: i64 = 31 * 86_400;

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

/// The clock of the only process jumps a month ahead for four seconds. Every open case was over
/// then, and an acceptance that came afterwards was refused.
#[test]
fn a_clock_that_jumps_a_month_ahead_for_four_seconds_ends_no_case() {
    let failures = tell(|world| async move {
        for case in 0..4 {
            world.senders().open(case, "township", "lead").await;
        }
        seconds(10).await;
        let process = world.some_process().unwrap();

        process.clock.set_wrong(MONTH_SECONDS);
        seconds(4).await;
        process.clock.set_wrong(0);
        seconds(5).await;

        let at = process.clock.now();
        let memory = world.ground.memory.lock().clone();
        assert!(memory.cases.values().all(|case| !case.state.is_terminal()), "a case has ended");
        let notes = memory.diary.events.iter().filter_map(|(_, event)| event.note.as_ref());
        let doubtful = notes.filter(|note| note.ends_with("clock_in_doubt"));
        assert_eq!(doubtful.count(), 4, "each is reported, and says so");
        // Once the clock has agreed for a while, everybody is called again in time.
        seconds(11 * 60).await;
        let memory = world.ground.memory.lock().clone();
        for case in memory.cases.values() {
            assert!(!case.state.is_terminal());
            let due = case.next_due().unwrap();
            assert!(due < at + jiff::SignedDuration::from_hours(26), "due at {due}");
        }
        drop(memory);
        world
    });

    assert_eq!(failures, Vec::<String>::new());
}

/// A person looks at the clock and vouches for it: cases may end again at once.
#[test]
fn a_case_ends_in_its_time_once_somebody_vouches_for_the_clock() {
    let failures = tell(|world| async move {
        world.senders().open(0, "township", "lead").await;
        seconds(10).await;
        let process = world.some_process().unwrap();
        let ended = || {
            let memory = world.ground.memory.lock();
            memory.cases.values().filter(|case| case.state.is_terminal()).count()
        };

        process.clock.set_wrong(MONTH_SECONDS);
        seconds(60).await;
        assert_eq!(ended(), 0);
        world.ground.memory.lock().vouch();
        seconds(5).await;

        assert_eq!(ended(), 1);
        world
    });

    assert_eq!(failures, Vec::<String>::new());
}
