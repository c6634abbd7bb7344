//! What the core promises about a lane that hears something else than its hospital, and the table of
//! every condition against everything that can be heard.

#![expect(clippy::unwrap_used, reason = "a test's own mistakes may panic")]

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use tierlink_core::delivery::{Circumstances, InPlace, Outcome, RetryPolicy};
use tierlink_core::lane::{Heard, Lane, Next, RETRY_AFTER_MAX, SEVERAL};
use tierlink_schemas::{Code, Problem};

fn noon() -> Timestamp {
    "2026-03-04T12:00:00+08:00".parse().unwrap()
}

fn at() -> Circumstances {
    Circumstances { now: noon(), attempts: 1, silent_since: Some(noon()), jitter: 0.0 }
}

fn problems() -> Vec<Problem> {
    vec![Problem::new(Code::new("E051"), "outbound", "something else answered")]
}

fn away(status: u16) -> Outcome {
    Outcome::TurnedAway { status: Some(status), problems: problems() }
}

fn taken() -> Outcome {
    Outcome::Taken { number: None }
}

/// What the lane does after its `tries`th try in place at delivery `id`.
fn tries(lane: &mut Lane<u32>, id: u32, tries: u32, outcome: &Outcome) -> Next {
    let not_now = if matches!(outcome, Outcome::NotNow { .. }) { tries } else { 0 };
    let in_place = InPlace { tries, not_now };
    let heard = Heard { id: &id, outcome, in_place, retry_after: None };
    lane.hears(&heard, &at(), &RetryPolicy::default())
}

fn hears(lane: &mut Lane<u32>, id: u32, outcome: &Outcome) -> Next {
    tries(lane, id, 1, outcome)
}

fn recorded(next: &Next) -> Option<&Outcome> {
    match next {
        Next::Settle { outcome, .. } => Some(outcome),
        Next::TryAgain { .. } => None,
    }
}

fn is_parked(next: &Next) -> bool {
    matches!(recorded(next), Some(Outcome::Refused { .. }))
}

/// Everything that can be heard, with its name.
fn everything() -> Vec<(&'static str, Outcome)> {
    let none = Outcome::TurnedAway { status: None, problems: problems() };
    let mut all = vec![
        ("taken", taken()),
        ("refused", Outcome::Refused { problems: problems() }),
        ("not now", Outcome::NotNow { problems: problems() }),
        ("unanswered", Outcome::Unanswered { problems: problems() }),
        ("unsendable", Outcome::Unsendable { problems: problems() }),
        ("gave up", Outcome::GaveUp { problems: problems() }),
        ("held", Outcome::Held { problems: problems() }),
        ("no acknowledgement", none),
    ];
    let statuses: [(&str, u16); 21] = [
        ("200, a page", 200),
        ("204", 204),
        ("302", 302),
        ("400", 400),
        ("401", 401),
        ("403", 403),
        ("404", 404),
        ("405", 405),
        ("407", 407),
        ("408", 408),
        ("409", 409),
        ("410", 410),
        ("413", 413),
        ("415", 415),
        ("422", 422),
        ("425", 425),
        ("429", 429),
        ("431", 431),
        ("500", 500),
        ("502", 502),
        ("503", 503),
    ];
    all.extend(statuses.map(|(name, status)| (name, away(status))));
    all
}

type Condition = (&'static str, fn() -> Lane<u32>);

/// Every condition that a lane can be in, before it hears of delivery 1.
fn conditions() -> [Condition; 5] {
    [
        ("open", Lane::default),
        ("delivery 1 was turned away before", || {
            let mut lane = Lane::default();
            let _aside = hears(&mut lane, 1, &away(403));
            lane
        }),
        ("delivery 1 was turned away before, and another has passed since", || {
            let mut lane = Lane::default();
            let _aside = hears(&mut lane, 1, &away(403));
            let _passed = hears(&mut lane, 2, &taken());
            lane
        }),
        ("two others were turned away before", || {
            let mut lane = Lane::default();
            for id in [2, 3] {
                let _aside = hears(&mut lane, id, &away(403));
            }
            lane
        }),
        ("held", || {
            let mut lane = Lane::default();
            let _held = hears(&mut lane, 2, &away(401));
            lane
        }),
    ]
}

fn shown(next: &Next) -> String {
    match next {
        Next::TryAgain { after } => format!("try again after {after:?}"),
        Next::Settle { outcome, quiet_for } => {
            let outcome = match outcome {
                Outcome::Taken { .. } => "delivered",
                Outcome::Refused { .. } => "parked",
                Outcome::Unsendable { .. } => "parked, unsendable",
                Outcome::GaveUp { .. } => "parked, silent",
                Outcome::NotNow { .. } | Outcome::Unanswered { .. } => "waits",
                Outcome::TurnedAway { .. } => "put aside",
                Outcome::Held { .. } => "put aside, never parked",
            };
            if quiet_for.is_zero() {
                outcome.to_owned()
            } else {
                format!("{outcome}, lane quiet for {quiet_for:?}")
            }
        }
    }
}

#[test]
fn every_condition_has_an_answer_to_everything_that_can_be_heard() {
    let mut table = String::new();
    for (condition, make) in conditions() {
        writeln!(table, "{condition}").unwrap();
        for (heard, outcome) in everything() {
            write!(table, "  {heard:<20}").unwrap();
            for tried in [1, 5] {
                let mut lane = make();
                let next = tries(&mut lane, 1, tried, &outcome);
                let state = if lane.is_held() { "held" } else { "open" };
                write!(table, " | try {tried}: {}; {state}", shown(&next)).unwrap();
            }
            writeln!(table).unwrap();
        }
    }
    insta::assert_snapshot!("lane", table);
}

#[test]
fn a_lane_that_nobody_lets_in_is_held_until_somebody_does() {
    let mut lane = Lane::default();
    let mut waits = Vec::new();
    for tried in 1..=20 {
        let outcome = away(if tried % 2 == 0 { 401 } else { 407 });
        let Next::TryAgain { after } = tries(&mut lane, 1, tried, &outcome) else {
            panic!("the same delivery is tried again, so that the order stays")
        };
        assert!(lane.is_held());
        waits.push(after);
    }
    assert!(waits.is_sorted() && waits[0] < waits[19], "the waits grow: {waits:?}");
    assert_eq!(waits[19], RetryPolicy::default().wait_max);

    let next = tries(&mut lane, 1, 21, &taken());

    assert_eq!(recorded(&next), Some(&taken()));
    assert!(lane.is_well());
}

#[test]
fn one_message_that_a_proxy_finds_too_large_is_parked_alone() {
    let mut lane = Lane::default();

    let first = hears(&mut lane, 1, &away(413));
    let others: Vec<Next> = (2..6).map(|id| hears(&mut lane, id, &taken())).collect();
    let second = hears(&mut lane, 1, &away(413));

    assert!(matches!(recorded(&first), Some(Outcome::TurnedAway { .. })), "put aside: {first:?}");
    assert!(others.iter().all(|next| recorded(next) == Some(&taken())));
    assert!(is_parked(&second));
    assert!(lane.is_well());
}

#[test]
fn whoever_was_turned_away_by_a_hiccup_is_taken_at_the_next_try() {
    let mut lane = Lane::default();
    let _aside = hears(&mut lane, 1, &away(404));
    let _passed = hears(&mut lane, 2, &taken());

    let next = hears(&mut lane, 1, &taken());

    assert_eq!(recorded(&next), Some(&taken()));
    assert!(lane.is_well());
}

#[test]
fn several_that_are_turned_away_hold_the_lane_and_none_is_parked() {
    let mut lane = Lane::default();

    for id in 0..50 {
        let next = hears(&mut lane, id, &away(404));
        let several = usize::try_from(id).unwrap() + 1 >= SEVERAL;
        assert_eq!(lane.is_held(), several, "after {id}");
        match recorded(&next) {
            Some(Outcome::TurnedAway { .. }) => assert!(!several),
            Some(Outcome::Held { .. }) => assert!(several),
            other => panic!("{other:?}"),
        }
    }
}

/// A wrong guess must not last: whatever was turned away, the next that passes opens the lane.
#[test]
fn three_large_documents_in_a_row_do_not_stop_a_hospital() {
    let mut lane = Lane::default();
    for id in 1..=3 {
        let _aside = hears(&mut lane, id, &away(413));
    }
    assert!(lane.is_held());

    let passed = hears(&mut lane, 4, &taken());
    let large: Vec<Next> = (1..=3).map(|id| hears(&mut lane, id, &away(413))).collect();

    assert_eq!(recorded(&passed), Some(&taken()));
    assert!(large.iter().all(is_parked));
    assert!(lane.is_well());
}

/// A page for one message only must not hold the others for ever.
#[test]
fn a_page_in_place_of_an_answer_is_first_trouble_of_the_lane_and_then_of_the_message() {
    let mut lane = Lane::default();
    for tried in 1..5 {
        let next = tries(&mut lane, 1, tried, &away(200));
        assert!(matches!(next, Next::TryAgain { .. }), "try {tried}: {next:?}");
        assert!(lane.is_held());
    }

    let aside = tries(&mut lane, 1, 5, &away(200));
    let passed = hears(&mut lane, 2, &taken());
    let again = hears(&mut lane, 1, &away(200));

    assert!(matches!(recorded(&aside), Some(Outcome::Held { .. })));
    assert_eq!(recorded(&passed), Some(&taken()));
    // Nobody has refused it, so it waits as long as silence would.
    assert!(matches!(recorded(&again), Some(Outcome::TurnedAway { .. })), "{again:?}");
    assert!(!lane.is_held());
}

/// Seen to fail while a second broken acknowledgement parked a message that the hospital had taken.
#[test]
fn what_is_no_acknowledgement_is_no_refusal() {
    let garbage = Outcome::TurnedAway { status: None, problems: problems() };
    let mut lane = Lane::default();
    for other in 2..50 {
        let aside = hears(&mut lane, 1, &garbage);
        let passed = hears(&mut lane, other, &taken());

        assert!(matches!(recorded(&aside), Some(Outcome::TurnedAway { .. })), "{aside:?}");
        assert_eq!(recorded(&passed), Some(&taken()));
    }
}

#[test]
fn a_wait_that_was_asked_for_is_kept_by_the_whole_lane_up_to_a_limit() {
    let wait = |tries, seconds| {
        let outcome = away(503);
        let in_place = InPlace { tries, not_now: 0 };
        let retry_after = Some(Duration::from_secs(seconds));
        let heard = Heard { id: &1, outcome: &outcome, in_place, retry_after };
        match Lane::default().hears(&heard, &at(), &RetryPolicy::default()) {
            Next::TryAgain { after } => after,
            Next::Settle { quiet_for, .. } => quiet_for,
        }
    };

    assert_eq!(wait(1, 120), Duration::from_mins(2));
    assert_eq!(wait(3, 120), Duration::from_mins(2), "put aside, and the others wait as well");
    assert_eq!(wait(1, 86_400), RETRY_AFTER_MAX);
    assert_eq!(wait(1, 0), Duration::from_secs(1), "asking for no wait shortens none");
}

#[test]
fn what_the_system_itself_refuses_is_parked_at_once_and_opens_the_lane() {
    let mut lane = Lane::default();
    let _held = hears(&mut lane, 1, &away(401));

    let next = hears(&mut lane, 1, &Outcome::Refused { problems: problems() });

    assert!(is_parked(&next));
    assert!(lane.is_well());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A dead gateway parks nothing, however long it lasts and whatever it says.
    #[test]
    fn as_long_as_nothing_passes_nothing_is_parked(
        life in prop::collection::vec((0..6_u32, 1..8_u32, 0..8_usize), 1..200),
    ) {
        let statuses = [200, 302, 401, 403, 407, 413, 429, 502];
        let mut lane = Lane::default();
        let long_ago = Circumstances { silent_since: Some(noon() - 2000.hours()), ..at() };
        for (id, tried, status) in life {
            let outcome = away(statuses[status]);
            let in_place = InPlace { tries: tried, not_now: 0 };
            let heard = Heard { id: &id, outcome: &outcome, in_place, retry_after: None };
            let next = lane.hears(&heard, &long_ago, &RetryPolicy::default());
            prop_assert!(!is_parked(&next), "{:?} after HTTP {}", next, statuses[status]);
        }
    }

    /// Whatever was heard before, one word of the system itself opens the lane.
    #[test]
    fn one_word_of_the_system_opens_the_lane(
        life in prop::collection::vec((0..6_u32, 1..8_u32, 0..29_usize), 0..200),
    ) {
        let everything = everything();
        let mut lane = Lane::default();
        for (id, tried, heard) in life {
            let _next = tries(&mut lane, id, tried, &everything[heard].1);
        }

        let _next = hears(&mut lane, 7, &taken());

        prop_assert!(!lane.is_held());
    }

    /// Nothing is parked for a status alone unless another passed after it had been turned away.
    #[test]
    fn only_what_is_turned_away_while_others_pass_is_parked(
        life in prop::collection::vec((0..4_u32, prop::bool::ANY), 1..200),
    ) {
        let mut lane = Lane::default();
        let mut turned_away: Vec<(u32, bool)> = Vec::new();
        for (id, passes) in life {
            let outcome = if passes { taken() } else { away(403) };
            let next = hears(&mut lane, id, &outcome);
            let was = turned_away.iter().find(|(known, _)| *known == id).map(|(_, passed)| *passed);
            prop_assert_eq!(is_parked(&next), !passes && was == Some(true));
            turned_away.retain(|(known, _)| *known != id);
            if passes {
                for (_, passed) in &mut turned_away {
                    *passed = true;
                }
            } else if !is_parked(&next) {
                turned_away.push((id, false));
            }
        }
    }
}
