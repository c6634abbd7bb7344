//! What the core promises about deadlines.

use jiff::{Timestamp, ToSpan};
use tierlink_core::deadline::{Clock, Limit, Name, Overdue, TimeLimits, overdue, set_right};
use tierlink_core::{Case, Change, access};
use tierlink_schemas::{Body, Kind, Priority};
use uuid::Uuid;

use crate::world::*;

#[test]
fn an_emergency_is_answered_within_ten_minutes_of_any_day_and_a_routine_within_a_working_day() {
    let mut world = World::new();
    world.now = "2026-03-06T17:00:00+08:00".parse().unwrap();
    for priority in [Priority::Emergency, Priority::Routine] {
        let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
        message.priority = Some(priority);
        world.tell(&message);
    }

    let routine = world.cases.remove(1);
    assert_eq!(due(&world, Name::Accept), "Fri 17:10");
    world.cases[0] = routine;
    assert_eq!(due(&world, Name::Accept), "Mon 17:00");
}

#[test]
fn a_passed_deadline_calls_those_who_must_act_and_then_those_above() {
    let mut world = World::new();
    let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, COUNTY_B)));
    message.priority = Some(Priority::Emergency);
    world.tell(&message);
    let mut called: Vec<Vec<String>> = vec![];

    for _ in 0..4 {
        world.now += 5.minutes();
        called.extend(world.clock().iter().map(told));
    }

    assert_eq!(called[0], ["county-b status.report"]);
    let above = ["county-b status.report", "township-a status.report", "lead status.report"];
    assert_eq!(called[1], above);
    assert_eq!(called.len(), 3);
    assert!(access::sees(world.case(), &org(LEAD)));
}

#[test]
fn a_message_about_something_else_does_not_silence_the_alarm() {
    let mut world = submitted();
    world.now += 48.hours();
    world.clock();

    world.taken(TOWNSHIP, Kind::ReferralAmend, 0);

    let accept = world.case().deadlines.iter().find(|d| d.name == Name::Accept).unwrap();
    assert_eq!(accept.escalations, 1);
}

#[test]
fn a_forgotten_request_expires_and_everybody_hears_of_it() {
    let mut world = submitted();
    world.now += 1000.hours();

    let changes: Vec<Change> = world.clock();

    assert_eq!(world.state(), "expired");
    assert_eq!(told(&changes[0]), ["township-a status.report", "lead status.report"]);
    assert!(world.case().deadlines.is_empty());
}

#[test]
fn the_origin_may_say_until_when_its_request_stands() {
    let mut world = World::new();
    let mut request = referral(TOWNSHIP, LEAD);
    request.valid_until = Some(morning() + 3.hours());
    world.open(TOWNSHIP, Body::ReferralSubmit(request));

    world.now += 3.hours();
    world.clock();

    assert_eq!(world.state(), "expired");
}

#[test]
fn a_county_sets_only_what_differs() {
    let settings = serde_json::json!({
        "urgent": { "accept": { "minutes": 45, "clock": "working_hours" } },
        "receive": { "minutes": 60 },
    });

    let limits: TimeLimits = serde_json::from_value(settings).unwrap();

    assert_eq!(limits.accept(Priority::Urgent), Limit::working_hours(45));
    assert_eq!(limits.accept(Priority::Emergency), Limit::elapsed(10));
    assert_eq!(limits.receive, Limit::elapsed(60));
    assert_eq!(limits.follow_up, TimeLimits::default().follow_up);
    let mistyped = serde_json::json!({ "recieve": { "minutes": 60 } });
    assert!(serde_json::from_value::<TimeLimits>(mistyped).is_err());
}

fn by_clock(case: &Case, now: Timestamp, clock: Clock) -> Overdue {
    overdue(case, &county(), now, Uuid::from_u128(9), clock)
}

#[test]
fn a_clock_in_doubt_ends_no_case_and_its_reports_say_so() {
    let world = submitted();
    let month = morning() + (31 * 24).hours();

    let Overdue::Changed(doubtful) = by_clock(world.case(), month, Clock::InDoubt) else {
        panic!("not reported")
    };
    let Overdue::Changed(certain) = by_clock(world.case(), month, Clock::Certain) else {
        panic!("not ended")
    };

    assert_eq!(certain.case.state.as_str(), "expired");
    assert_eq!(doubtful.case.state, world.case().state);
    assert_eq!(doubtful.event.note.as_deref(), Some("overdue:accept,clock_in_doubt"));
    let Body::StatusReport(report) = &doubtful.messages[0].body else { panic!("a report") };
    assert_eq!(report.clock_in_doubt, Some(true));
    // Only its end is left: it waits.
    let again = by_clock(&doubtful.case, month, Clock::InDoubt);
    assert_eq!(again, Overdue::Waits);
}

#[test]
fn what_a_clock_wrote_that_was_ahead_is_set_right() {
    let mut world = submitted();
    let month = morning() + (31 * 24).hours();
    let Overdue::Changed(reported) = by_clock(world.case(), month, Clock::InDoubt) else {
        panic!("not reported")
    };
    world.now = month;
    world.taken(LEAD, Kind::ReferralAccept, 0);
    let taken_then = world.case().clone();
    let now = morning() + 1.hour();

    let right = set_right(&reported.case, &county(), now).unwrap();
    let accepted = set_right(&taken_then, &county(), now).unwrap();

    let accept = right.deadlines.iter().find(|d| d.name == Name::Accept).unwrap();
    assert!(accept.due <= now + 24.hours(), "{}", accept.due);
    assert_eq!(accept.escalations, 1, "it was reported, and is reported again in its time");
    assert_eq!((accepted.since, accepted.changed_at), (now, now));
    let schedule = accepted.deadlines.iter().find(|d| d.name == Name::Schedule).unwrap();
    assert_eq!(schedule.since, now);
    assert!(schedule.due < month);
    assert_eq!(set_right(&right, &county(), now), None, "once is enough");
    assert_eq!(set_right(submitted().case(), &county(), now), None, "nothing was wrong");
}
