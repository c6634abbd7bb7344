//! When the clock is in doubt, told look by look.

#![expect(clippy::unwrap_used, reason = "a test's own mistakes may panic")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tierlink_core::doubt::{AGREES_FOR, Doubts, Look, Seen, Why};

const DAY: i64 = 86_400;

/// A machine whose clocks a test can set.
#[derive(Default)]
struct Machine {
    doubts: Doubts,
    /// Seconds since it began, by the steady clock.
    steady: u64,
    /// How far the wall clock is ahead.
    ahead: i64,
    /// How far the clock of the database server is ahead; none for SQLite.
    database: Option<i64>,
    newest: Option<i64>,
}

fn noon() -> Timestamp {
    "2026-03-10T04:00:00Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

impl Machine {
    fn look_now(&self) -> Look {
        let gone = i64::try_from(self.steady).unwrap();
        Look {
            wall: at(gone + self.ahead),
            steady: Duration::from_secs(self.steady),
            database: self.database.map(|ahead| at(gone + ahead)),
            newest: self.newest.map(at),
        }
    }

    /// Looks once a second for so long. Gives what it saw beside "as before".
    fn look_for(&mut self, seconds: u64) -> Vec<Seen> {
        let mut seen = vec![];
        for _ in 0..seconds {
            self.steady += 1;
            seen.push(self.doubts.look(&self.look_now()));
        }
        seen.retain(|seen| *seen != Seen::AsBefore);
        seen
    }
}

#[test]
fn a_clock_that_nobody_touches_is_never_in_doubt() {
    for (database, newest) in [(None, None), (Some(0), Some(-3_600)), (Some(20), Some(10))] {
        let mut machine = Machine { database, newest, ..Machine::default() };

        assert_eq!(machine.look_for(3_600), []);
        assert_eq!(machine.doubts.why(), None);
    }
}

#[test]
fn a_jump_is_in_doubt_until_the_clocks_have_agreed_for_ten_minutes() {
    for days in [31, -31] {
        let mut machine = Machine::default();
        machine.look_for(60);

        machine.ahead = days * DAY;
        assert_eq!(machine.look_for(4), [Seen::Doubt(Why::Moved)]);
        machine.ahead = 0;
        assert_eq!(machine.look_for(AGREES_FOR.as_secs()), [], "counted from the jump back");
        assert_eq!(machine.look_for(2), [Seen::Certain]);
        assert_eq!(machine.look_for(3_600), []);
    }
}

#[test]
fn many_small_steps_are_a_jump() {
    let mut machine = Machine::default();
    machine.look_for(1);

    for _ in 0..20 {
        machine.ahead += 2;
        machine.look_for(1);
    }

    assert_eq!(machine.doubts.why(), Some(Why::Moved));
}

#[test]
fn a_clock_that_is_not_that_of_the_database_is_in_doubt_for_as_long() {
    let mut machine = Machine { database: Some(-DAY), ..Machine::default() };

    assert_eq!(machine.look_for(3_600), [Seen::Doubt(Why::Database)]);
    machine.database = Some(0);

    assert_eq!(machine.look_for(700), [Seen::Certain]);
}

#[test]
fn a_process_that_begins_far_from_what_is_stored_is_in_doubt_for_a_while() {
    for newest in [-31 * DAY, 31 * DAY, 120] {
        let mut machine = Machine { newest: Some(newest), ..Machine::default() };

        assert_eq!(machine.look_for(60), [Seen::Doubt(Why::Stored)], "{newest}");
        // Nothing new may be stored for days.
        assert_eq!(machine.look_for(700), [Seen::Certain], "{newest}");
        assert_eq!(machine.look_for(3_600), [], "{newest}");
    }
}

#[test]
fn a_person_who_vouches_ends_a_doubt_until_the_clocks_change_again() {
    let mut machine =
        Machine { database: Some(-DAY), newest: Some(-31 * DAY), ..Machine::default() };
    machine.look_for(60);
    assert_eq!(machine.doubts.why(), Some(Why::Database));

    let look = machine.look_now();
    machine.doubts.vouch(&look);

    assert_eq!(machine.look_for(3_600), []);
    assert_eq!(machine.doubts.why(), None);
    machine.database = Some(0);
    assert_eq!(machine.look_for(10), [Seen::Doubt(Why::Database)]);
}
