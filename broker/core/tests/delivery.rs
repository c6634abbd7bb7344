//! What the core promises about one delivery, and the table of every state against every event.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own mistakes may panic")]

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use tierlink_core::delivery::{
    Circumstances, Event, Outcome, RetryPolicy, Sent, State, Step, Wants, Why, receipt_for, step,
    wait_after,
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

fn events() -> Vec<Event> {
    vec![
        Event::Published,
        Event::Answered(Outcome::Taken { number: None }),
        Event::Answered(Outcome::Refused { problems: problems() }),
        Event::Answered(Outcome::Unsendable { problems: problems() }),
        Event::Answered(Outcome::NotNow { problems: problems() }),
        Event::Answered(Outcome::GaveUp { problems: problems() }),
        Event::Replayed,
        Event::Dropped,
        Event::Repaired,
        Event::Due,
    ]
}

fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split(" {").next().unwrap().to_owned()
}

#[test]
fn every_pair_has_an_answer() {
    let mut table = String::new();
    for state in states() {
        writeln!(table, "{state:?}").unwrap();
        for event in events() {
            let next = step(&state, &event, &at(None), &RetryPolicy::default());
            writeln!(table, "  {:<22} {next:?}", name(&event)).unwrap();
        }
    }
    insta::assert_snapshot!("delivery", table);
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
fn a_replay_after_a_delivery_changes_nothing() {
    let next = step(&State::Delivered, &Event::Replayed, &at(None), &RetryPolicy::default());

    assert_eq!(next, Step::Ignore);
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
    fn no_delivery_is_ever_forgotten(life in prop::collection::vec(0..10_usize, 1..60)) {
        let mut state = State::Queued;
        let mut now = noon();
        for event in life {
            now += 5.minutes();
            let at = Circumstances { now, ..at(Some(noon())) };
            let Step::Move(next) = step(&state, &events()[event], &at, &RetryPolicy::default())
            else {
                continue;
            };
            let ended = matches!(state, State::Delivered | State::Withdrawn);
            prop_assert!(!ended, "{state:?} became {next:?}");
            state = next;
        }
        // Somebody can always bring it on: the bus, the clock or a person.
        let ways = [Event::Published, Event::Due, Event::Replayed, Event::Repaired];
        let at = Circumstances { now: now + 1.hour(), ..at(None) };
        let goes_on = ways
            .iter()
            .any(|way| step(&state, way, &at, &RetryPolicy::default()) != Step::Ignore);
        prop_assert!(goes_on || matches!(state, State::Delivered | State::Withdrawn));
    }
}
