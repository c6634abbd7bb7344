//! Whole worlds in memory: the real intake with its codec, core, committers, relay, lanes and settler, between a store, a
//! bus and hospitals that fail in every way that a seed can think of.
//!
//! ```text
//!   senders ─▶ intake ─▶ committer ─▶ store ─▶ relay ─▶ bus ─▶ lanes ─▶ hospitals
//!      ▲          └ fails before or after the commit   │        └ silent, slow, "not now", "no",
//!      │            loses, doubles, overtakes, blocks ─┘          and answers that get lost
//!      └── two at once, again, again with other content
//!          processes are killed at any await, stopped, restarted; lanes deleted and paused;
//!          clocks jump by an hour
//! ```
//!
//! Time is virtual, so a world of some minutes takes milliseconds. When everything is mended, the
//! promises of `checks.rs` must hold. A failing world prints its seed and how to play it again.
//!
//! Senders write native JSON. Deliberately absent: the other formats, sockets and SQL. They have
//! tests of their own, on real servers.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be had ends it")]

mod checks;
mod connection;
mod county;
mod dice;
mod faults;
mod hospitals;
mod plot;
mod power;
mod process;
mod regressions;
mod road;
mod sabotage;
mod senders;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tierlink::current_config::CurrentConfig;

use crate::plot::{End, play};
use crate::sabotage::Sabotage;

/// Worlds in the normal suite. `TIERLINK_WORLDS` asks for more.
const WORLDS: u64 = 2_000;
/// Threads that play worlds. More than the build machines have would gain nothing.
const THREADS: u64 = 2;
/// Worlds in which a planted bug must be seen.
const WORLDS_FOR_A_BUG: u64 = 60;
/// Failing worlds that are told in full.
const TOLD_MAX: usize = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays so many worlds and gives those that failed.
fn play_all(worlds: u64) -> Vec<(u64, End)> {
    let current_config = Arc::new(CurrentConfig::new(county::config()));
    let next = AtomicU64::new(0);
    let play_on = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= worlds {
                return failed;
            }
            let end = play(seed, &current_config, None);
            if !end.failures.is_empty() {
                failed.push((seed, end));
            }
        }
    };
    std::thread::scope(|threads| {
        let running: Vec<_> = (0..THREADS).map(|_| threads.spawn(play_on)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn told(failed: &[(u64, End)]) -> String {
    let tell = |(seed, end): &(u64, End)| {
        format!(
            "\nworld {seed}:\n  {}\n  play it again: TIERLINK_WORLD={seed} \
             cargo test -p tierlink --test world one_world -- --nocapture",
            end.failures.join("\n  ")
        )
    };
    failed.iter().take(TOLD_MAX).map(tell).collect()
}

#[test]
fn in_every_world_what_was_promised_comes_once_and_in_order() {
    let worlds = number("TIERLINK_WORLDS").unwrap_or(WORLDS);

    let failed = play_all(worlds);

    assert!(failed.is_empty(), "{} of {worlds} worlds failed{}", failed.len(), told(&failed));
}

#[test]
fn one_world() {
    let seed = number("TIERLINK_WORLD").unwrap_or(1);
    let current_config = Arc::new(CurrentConfig::new(county::config()));

    let end = play(seed, &current_config, None);

    assert!(end.promised > 0 && end.heard > 0, "world {seed} is empty");
    assert!(end.failures.is_empty(), "{}", told(&[(seed, end)]));
}

/// Plants a bug and plays worlds until the check of the promise that it breaks sees it. So each
/// kind of check is known to be able to fail.
fn is_seen(bug: Sabotage, complaint: &str) {
    let current_config = Arc::new(CurrentConfig::new(county::config()));
    let sees = |seed| {
        let failures = play(seed, &current_config, Some(bug)).failures;
        failures.iter().any(|said| said.starts_with(complaint))
    };

    let seen = (0..WORLDS_FOR_A_BUG).any(sees);

    assert!(seen, "{bug:?} was not seen as `{complaint}` in {WORLDS_FOR_A_BUG} worlds");
}

#[test]
fn a_dropped_outbox_row_is_seen() {
    is_seen(Sabotage::DropOutboxRow, "lost from the outbox");
}

#[test]
fn an_acknowledgement_before_the_commit_is_seen() {
    is_seen(Sabotage::AnswerBeforeCommit, "acknowledged and lost");
}

#[test]
fn an_ignored_repeat_is_seen() {
    is_seen(Sabotage::IgnoreRepeat, "doubled event");
}

#[test]
fn another_verdict_for_a_repeat_is_seen() {
    is_seen(Sabotage::MisrememberVerdict, "other verdict for a repeat");
}

#[test]
fn a_reordered_lane_is_seen() {
    is_seen(Sabotage::HandOutAll, "out of order");
}

#[test]
fn a_parcel_that_nobody_repairs_is_seen() {
    is_seen(Sabotage::ForgetRepair, "left behind");
}

#[test]
fn a_case_that_goes_on_after_its_end_is_seen() {
    is_seen(Sabotage::ReviveEnded, "ended case");
}

#[test]
fn a_parked_delivery_that_the_hospital_took_is_seen() {
    is_seen(Sabotage::ParkWhatWasTaken, "parked, and the hospital did not refuse it");
}

#[test]
fn other_content_at_a_later_try_is_seen() {
    is_seen(Sabotage::ChangeContent, "changed content");
}
