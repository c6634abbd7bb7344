//! What the core promises about one delivery, and the table of every state against every event.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own mistakes may panic")]

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use tierlink_core::delivery::{
    Act, AfterTry, Circumstances, Event, InPlace, Outcome, RetryPolicy, Sent, State, Step, Wants,
    Why, act, after_try, receipt_for, step, wait_after,
};
use tierlink_schemas::answer::ReceiptOutcome;
use tierlink_schemas::{Body, Code, Kind, OrganisationCode, Problem};
use uuid::Uuid;

fn noon() -> Timestamp {
    "2026-03-04T12:00:00+08:00".parse().unwrap()
}

fn at(silent_since: Option<Timestamp>) -> Circumstances {
    Circumstances { now: noon(), attempts: 3, silent_since, jitter: 0.0 }
}

fn problems() -> Vec<Problem> {
    vec![Problem::new(Code::new("E001"), "MSA-1", "the destination said no; ask it why")]
}

fn states() -> Vec<State> {
    vec![
        State::Queued,
        State::Published,
        State::Waiting { due: noon() - 1.minute() },
        State::Waiting { due: noon() + 1.minute() },
        State::Delivered,
        State::Parked { why: Why::Refused },
        State::Withdrawn,
    ]
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Taken { number: None },
        Outcome::Refused { problems: problems() },
        Outcome::Unsendable { problems: problems() },
        Outcome::NotNow { problems: problems() },
        Outcome::Unanswered { problems: problems() },
        Outcome::GaveUp { problems: problems() },
        Outcome::TurnedAway { status: Some(403), problems: problems() },
        Outcome::Held { problems: problems() },
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![Event::Published];
    events.extend(outcomes().into_iter().map(Event::Answered));
    events.extend([
        Event::Repaired,
        Event::Due { waits_since: Some(noon() - 1.hour()) },
        Event::Due { waits_since: Some(noon() + 1.hour()) },
    ]);
    events
}

/// The name of an outcome without what was said.
fn name(outcome: &Outcome) -> String {
    let text = format!("{outcome:?}");
    text.split(" {").next().unwrap().to_owned()
}

fn event_name(event: &Event) -> String {
    match event {
        Event::Answered(outcome) => format!("Answered({})", name(outcome)),
        Event::Due { waits_since } => {
            let future = waits_since.is_some_and(|since| since > noon());
            if future { "Due, began in the future" } else { "Due" }.to_owned()
        }
        Event::Published | Event::Repaired => format!("{event:?}"),
    }
}

#[test]
fn every_pair_has_an_answer() {
    let mut table = String::new();
    for state in states() {
        writeln!(table, "{state:?}").unwrap();
        for event in events() {
            let next = step(&state, &event, &at(None), &RetryPolicy::default());
            writeln!(table, "  {:<24} {next:?}", event_name(&event)).unwrap();
        }
        for its in [Act::Replay, Act::Drop] {
            writeln!(table, "  act {:<20} {:?}", format!("{its:?}"), act(&state, its)).unwrap();
        }
    }
    insta::assert_snapshot!("delivery", table);
}

/// What a lane does after its `tries`th try in place, of which `not_now` were so answered.
fn after(outcome: &Outcome, tries: u32, not_now: u32, silent_since: Timestamp) -> AfterTry {
    let in_place = InPlace { tries, not_now };
    after_try(outcome, in_place, &at(Some(silent_since)), &RetryPolicy::default())
}

#[test]
fn every_outcome_has_an_answer_in_place() {
    let mut table = String::new();
    let (long, lately) = (noon() - 72.hours(), noon() - 72.hours() + 1.second());
    for outcome in outcomes() {
        writeln!(table, "{}", name(&outcome)).unwrap();
        for (tries, not_now) in [(1, 0), (1, 1), (3, 2), (3, 3)] {
            for (since, said) in [(lately, "not yet too long"), (long, "too long")] {
                let next = after(&outcome, tries, not_now, since);
                let circumstances = format!("try {tries}, not now {not_now}, {said}");
                writeln!(table, "  {circumstances:<36} {next:?}").unwrap();
            }
        }
    }
    insta::assert_snapshot!("in_place", table);
}

#[test]
fn silence_is_tried_in_place_until_a_person_must_look() {
    let silence = Outcome::Unanswered { problems: problems() };
    let settled = Event::Answered(silence.clone());
    let policy = RetryPolicy::default();

    let early = after(&silence, 1_000, 0, noon() - 71.hours());
    let late = after(&silence, 1_000, 0, noon() - 72.hours());
    let parked = step(&State::Published, &settled, &at(Some(noon() - 72.hours())), &policy);

    assert_eq!(early, AfterTry::TryAgain { after: policy.wait_max });
    assert_eq!(late, AfterTry::Settle);
    assert_eq!(parked, Step::Move(State::Parked { why: Why::Silent }));
}

#[test]
fn a_late_acceptance_still_counts() {
    let gave_up = State::Parked { why: Why::Silent };
    let taken = Event::Answered(Outcome::Taken { number: None });

    let next = step(&gave_up, &taken, &at(None), &RetryPolicy::default());

    assert_eq!(next, Step::Move(State::Delivered));
}

#[test]
fn a_refusal_is_never_retried_blindly() {
    let refused = Event::Answered(Outcome::Refused { problems: problems() });

    let next = step(&State::Published, &refused, &at(None), &RetryPolicy::default());

    assert_eq!(next, Step::Move(State::Parked { why: Why::Refused }));
}

#[test]
fn not_now_waits_until_a_person_must_look() {
    let policy = RetryPolicy::default();
    let not_now = Event::Answered(Outcome::NotNow { problems: problems() });

    let early = step(&State::Published, &not_now, &at(Some(noon() - 1.hour())), &policy);
    let late = step(&State::Published, &not_now, &at(Some(noon() - 72.hours())), &policy);

    assert_eq!(early, Step::Move(State::Waiting { due: noon() + 4.seconds() }));
    assert_eq!(late, Step::Move(State::Parked { why: Why::Silent }));
}

#[test]
fn what_waits_for_a_lane_that_is_held_is_never_parked_for_it() {
    let policy = RetryPolicy::default();
    let held = Outcome::Held { problems: problems() };
    let long_ago = at(Some(noon() - 2000.hours()));

    let next = step(&State::Published, &Event::Answered(held.clone()), &long_ago, &policy);
    let in_place = after(&held, 1_000, 0, noon() - 2000.hours());

    assert!(matches!(next, Step::Move(State::Waiting { .. })), "{next:?}");
    assert!(matches!(in_place, AfterTry::TryAgain { .. }), "{in_place:?}");
}

#[test]
fn a_replay_after_a_delivery_changes_nothing() {
    assert_eq!(act(&State::Delivered, Act::Replay), Step::Ignore);
}

fn receipt(kind: Kind, source: &str, next: State, wants: Wants) -> Option<ReceiptOutcome> {
    let (source, to) = (source.parse().unwrap(), "lead".parse().unwrap());
    let broker: OrganisationCode = "broker".parse().unwrap();
    let sent = Sent {
        message: Uuid::from_u128(1),
        kind,
        source: &source,
        source_message_id: "m1",
        to: &to,
        case: None,
        case_number: None,
        attempts: 2,
    };
    let outcome = Outcome::Refused { problems: problems() };
    let message =
        receipt_for(&sent, &next, Some(&outcome), wants, &broker, noon(), Uuid::from_u128(2))?;
    assert_eq!(message.destinations, [source]);
    let Body::Receipt(receipt) = message.body else { panic!("a receipt") };
    Some(receipt.outcome)
}

#[test]
fn an_origin_hears_what_it_wants_to_hear() {
    let parked = State::Parked { why: Why::Refused };
    let heard = |next, wants| receipt(Kind::ReferralSubmit, "township-a", next, wants);

    assert_eq!(heard(State::Delivered, Wants::All), Some(ReceiptOutcome::Delivered));
    assert_eq!(heard(State::Delivered, Wants::Problems), None);
    assert_eq!(heard(parked, Wants::Problems), Some(ReceiptOutcome::Refused));
    assert_eq!(heard(State::Withdrawn, Wants::Problems), Some(ReceiptOutcome::Withdrawn));
    assert_eq!(heard(parked, Wants::None), None);
    assert_eq!(heard(State::Queued, Wants::All), None);
}

#[test]
fn receipts_and_reports_get_no_receipt() {
    let parked = State::Parked { why: Why::Refused };

    assert_eq!(receipt(Kind::Receipt, "township-a", parked, Wants::All), None);
    assert_eq!(receipt(Kind::StatusReport, "broker", parked, Wants::All), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waits_grow_and_never_pass_their_limit(
        first in 0..10_000_u64, max in 0..100_000_u64, growth in 0..1_000_u32,
        attempt in 0..u32::MAX, jitter in prop::num::f64::ANY,
    ) {
        let policy = RetryPolicy {
            first_wait: Duration::from_millis(first),
            wait_max: Duration::from_millis(max),
            growth_percent: growth,
            give_up_after: Duration::from_hours(1),
        };

        let wait = wait_after(attempt, &policy, jitter);
        let later = wait_after(attempt.saturating_add(1), &policy, 0.0);

        prop_assert!(wait <= policy.wait_max);
        prop_assert!(later >= wait);
        prop_assert!(wait * 2 >= policy.first_wait.min(policy.wait_max).saturating_sub(Duration::from_nanos(2)));
    }

    #[test]
    fn no_delivery_is_ever_forgotten(life in prop::collection::vec(0..14_usize, 1..60)) {
        let policy = RetryPolicy::default();
        let mut state = State::Queued;
        let mut now = noon();
        for happens in life {
            now += 5.minutes();
            let at = Circumstances { now, ..at(Some(noon())) };
            let next = match happens {
                0 => act(&state, Act::Replay),
                1 => act(&state, Act::Drop),
                event => step(&state, &events()[event - 2], &at, &policy),
            };
            let Step::Move(next) = next else { continue };
            let ended = matches!(state, State::Delivered | State::Withdrawn);
            prop_assert!(!ended, "{state:?} became {next:?}");
            state = next;
        }
        // Somebody can always bring it on: the bus, the clock or a person.
        let ways = [Event::Published, Event::Due { waits_since: None }, Event::Repaired];
        let at = Circumstances { now: now + 1.hour(), ..at(None) };
        let goes_on = ways.iter().any(|way| step(&state, way, &at, &policy) != Step::Ignore)
            || act(&state, Act::Replay) != Step::Ignore;
        prop_assert!(goes_on || matches!(state, State::Delivered | State::Withdrawn));
    }
}
