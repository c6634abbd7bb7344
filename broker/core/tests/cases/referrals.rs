//! What the core promises about referrals: review, return, cancel, redirect.

use jiff::ToSpan;
use tierlink_core::Decision;
use tierlink_core::deadline::Name;
use tierlink_schemas::answer::{Appointment, Reason, Review, Schedule, Unschedule};
use tierlink_schemas::message::BusinessNumber;
use tierlink_schemas::request::Direction;
use tierlink_schemas::{Body, Kind, Priority};

use crate::world::*;

#[test]
fn a_village_referral_passes_the_township_before_its_target_hears_of_it() {
    let mut world = World::new();

    let opened = world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));
    let passed = world.taken(TOWNSHIP, Kind::ReferralReview, 0);

    assert_eq!(told(&opened), ["township-a referral.submit"]);
    assert_eq!(told(&passed), ["village-a referral.review", "lead referral.submit"]);
    assert_eq!(world.state(), "submitted");
}

#[test]
fn a_restated_request_is_still_its_origins_and_names_what_caused_it() {
    let mut world = World::new();
    let opened = world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));

    let passed = world.taken(TOWNSHIP, Kind::ReferralReview, 0);

    let [review, request] = &passed.messages[..] else { panic!("two messages") };
    assert_eq!(request.source, opened.messages[0].source);
    assert_eq!(request.caused_by, Some(review.id));
    assert_ne!(request.id, opened.messages[0].id);
    assert_eq!(request.case.state.as_deref(), Some("submitted"));
}

#[test]
fn an_emergency_skips_the_reviews_and_says_so() {
    let mut world = World::new();
    let mut message = world.message(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));
    message.priority = Some(Priority::Emergency);

    let Decision::Changed(opened) = world.tell(&message) else { panic!("refused") };

    assert_eq!(opened.event.note.as_deref(), Some("reviews_skipped"));
    assert_eq!(told(&opened), ["lead referral.submit", "township-a referral.submit"]);
    assert_eq!(world.state(), "submitted");
}

#[test]
fn a_case_that_becomes_an_emergency_in_review_goes_on_at_once() {
    let mut world = World::new();
    world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));
    let mut worse = world.message(VILLAGE, Body::ReferralAmend(referral(VILLAGE, LEAD)));
    worse.case.id = Some(world.case().id);
    worse.priority = Some(Priority::Emergency);

    let Decision::Changed(change) = world.tell(&worse) else { panic!("refused") };

    assert_eq!(world.state(), "submitted");
    assert_eq!(told(&change), ["lead referral.submit", "township-a referral.amend"]);
}

#[test]
fn the_way_out_of_the_county_leads_through_the_lead_hospital() {
    let mut world = World::new();

    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, CITY)));

    assert_eq!(world.case().reviews, [org(LEAD)]);
    assert_eq!(world.case().context.direction, Some(Direction::Out));
    let elsewhere = Body::ReferralReview(Review { to: Some(org(PROVINCE)), ..Review::default() });
    let Decision::Changed(change) = world.say(LEAD, Some(0), elsewhere) else { panic!("refused") };
    assert_eq!(told(&change), ["township-a referral.review", "province referral.submit"]);
    assert_eq!(world.case().past_targets[0].organisation, org(CITY));
}

#[test]
fn only_the_lead_hospital_sends_a_case_under_review_elsewhere() {
    let mut world = World::new();
    world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));

    assert_eq!(world.refused(TOWNSHIP, Kind::ReferralReview, 2), "R025");
    assert_eq!(world.refused(TOWNSHIP, Kind::ReferralRedirect, 1), "R025");
}

#[test]
fn what_a_reviewer_returned_goes_back_to_the_reviewer() {
    let mut world = World::new();
    world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));
    world.taken(TOWNSHIP, Kind::ReferralReturn, 0);

    let amended = world.taken(VILLAGE, Kind::ReferralAmend, 0);

    assert_eq!(world.state(), "in_review");
    assert_eq!(told(&amended), ["township-a referral.amend"]);
}

#[test]
fn what_the_target_returned_goes_back_to_the_target() {
    let mut world = after(&[(LEAD, Kind::ReferralReturn)]);

    let amended = world.taken(TOWNSHIP, Kind::ReferralAmend, 0);

    assert_eq!(world.state(), "submitted");
    assert_eq!(told(&amended), ["lead referral.amend"]);
}

#[test]
fn submitting_again_under_the_same_number_resubmits_what_was_returned() {
    let mut world = World::new();
    let number = BusinessNumber { organisation: org(TOWNSHIP), number: "ZZ-1".into() };
    let submit = |world: &mut World| {
        let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
        message.case.numbers = vec![number.clone()];
        world.tell(&message)
    };
    submit(&mut world);

    assert_eq!(code(&submit(&mut world)), "R006");
    world.taken(LEAD, Kind::ReferralReturn, 0);
    let Decision::Changed(again) = submit(&mut world) else { panic!("refused") };

    assert_eq!(again.event.kind, Kind::ReferralAmend);
    assert_eq!((world.cases.len(), world.state()), (1, "submitted"));
}

#[test]
fn a_number_may_be_used_again_once_its_case_has_ended() {
    let mut world = World::new();
    for _ in 0..2 {
        let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
        message.case.numbers =
            vec![BusinessNumber { organisation: org(TOWNSHIP), number: "ZZ-1".into() }];
        world.tell(&message);
        let last = world.cases.len() - 1;
        world.say(TOWNSHIP, Some(last), body(Kind::ReferralCancel, 0, TOWNSHIP, LEAD));
    }

    assert_eq!(world.cases.len(), 2);
}

#[test]
fn before_acceptance_the_origin_cancels_alone() {
    let mut world = submitted();

    world.taken(TOWNSHIP, Kind::ReferralCancel, 0);

    assert_eq!(world.state(), "cancelled");
}

#[test]
fn after_acceptance_a_cancel_is_a_question() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralSchedule)]);

    world.taken(TOWNSHIP, Kind::ReferralCancel, 0);
    assert_eq!(world.state(), "cancel_requested");
    world.taken(LEAD, Kind::ReferralRefuseCancel, 0);

    assert_eq!(world.state(), "scheduled");
    assert!(world.case().context.appointment.is_some());
}

#[test]
fn a_cancel_loses_to_an_arrival() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (TOWNSHIP, Kind::ReferralCancel)]);

    let arrived = world.taken(LEAD, Kind::ReferralArrive, 0);

    assert_eq!(world.state(), "arrived");
    assert_eq!(arrived.event.note.as_deref(), Some("cancel_lost_to_arrival"));
}

#[test]
fn of_two_racing_messages_one_wins_and_the_other_hears_why() {
    let mut world = submitted();

    world.taken(TOWNSHIP, Kind::ReferralCancel, 0);

    assert_eq!(world.refused(LEAD, Kind::ReferralAccept, 0), "R030");
}

#[test]
fn declining_after_acceptance_is_legal_until_the_patient_is_there() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept)]);
    world.taken(LEAD, Kind::ReferralDecline, 0);
    assert_eq!(world.state(), "declined");

    let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralArrive)]);
    assert_eq!(world.refused(LEAD, Kind::ReferralDecline, 0), "R035");
}

#[test]
fn a_patient_who_comes_late_is_still_met() {
    let mut world = after(&[
        (LEAD, Kind::ReferralAccept),
        (LEAD, Kind::ReferralSchedule),
        (LEAD, Kind::ReferralNoShow),
    ]);
    assert!(world.case().context.appointment.is_none());

    world.taken(LEAD, Kind::ReferralArrive, 1);

    assert_eq!(world.state(), "in_care");
}

#[test]
fn a_cancelled_appointment_leaves_the_referral_and_its_time_to_schedule_runs_anew() {
    for side in [LEAD, TOWNSHIP] {
        let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralSchedule)]);
        world.now += 2.hours();

        let off = world.taken(side, Kind::ReferralUnschedule, 1);

        assert_eq!(world.state(), "accepted");
        assert!(world.case().context.appointment.is_none());
        let waits: Vec<_> = world.case().deadlines.iter().map(|it| (it.name, it.since)).collect();
        assert!(waits.contains(&(Name::Schedule, world.now)), "{side}: {waits:?}");
        assert_eq!(off.event.reason.as_deref(), Some("RD01"));
        let hears = if side == LEAD { TOWNSHIP } else { LEAD };
        assert_eq!(told(&off), [format!("{hears} referral.unschedule")]);
        let Body::ReferralUnschedule(body) = &off.messages[0].body else { panic!("unschedule") };
        let told = body.appointment.as_ref().and_then(|told| told.start);
        assert_eq!(told, session(0).start, "{side} named no time, the broker tells which");

        world.taken(LEAD, Kind::ReferralSchedule, 3);
        assert_eq!(world.state(), "scheduled");
    }
}

#[test]
fn without_an_appointment_there_is_none_to_cancel_and_the_referral_stays() {
    let lives: [(&[(&str, Kind)], &str); 2] =
        [(&[], "submitted"), (&[(LEAD, Kind::ReferralAccept)], "accepted")];
    for (life, state) in lives {
        let mut world = after(life);

        for side in [TOWNSHIP, LEAD] {
            assert_eq!(world.refused(side, Kind::ReferralUnschedule, 1), "R058");
        }

        assert_eq!(world.state(), state);
    }
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralSchedule)]);
    world.taken(TOWNSHIP, Kind::ReferralUnschedule, 1);
    assert_eq!(world.refused(TOWNSHIP, Kind::ReferralUnschedule, 1), "R058");
}

#[test]
fn the_end_of_an_old_appointment_does_not_cancel_the_new_one() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralSchedule)]);
    let numbered =
        |hours, number: &str| Appointment { number: Some(number.to_owned()), ..session(hours) };
    let given = Schedule { appointment: numbered(5, "YY2"), note: None };
    world.say(LEAD, Some(0), Body::ReferralSchedule(given));
    let off = |appointment| {
        let reason = Reason::code("CN11");
        Body::ReferralUnschedule(Unschedule { reason, appointment: Some(appointment), by: None })
    };

    assert_eq!(code(&world.say(LEAD, Some(0), off(numbered(5, "YY1")))), "R072");
    assert_eq!(code(&world.say(LEAD, Some(0), off(session(0)))), "R072");
    assert_eq!(world.state(), "scheduled");
    world.say(LEAD, Some(0), off(numbered(0, "YY2")));

    assert_eq!(world.state(), "accepted", "the number says which is meant");
}

#[test]
fn an_appointment_that_is_off_leaves_the_question_of_a_cancellation_as_it_was() {
    let mut world = after(&[
        (LEAD, Kind::ReferralAccept),
        (LEAD, Kind::ReferralSchedule),
        (TOWNSHIP, Kind::ReferralCancel),
    ]);
    let asked = world.now;
    world.now += 3.hours();

    world.taken(LEAD, Kind::ReferralUnschedule, 1);

    assert_eq!(world.state(), "cancel_requested");
    let answer = world.case().deadlines.iter().find(|it| it.name == Name::AnswerCancel).unwrap();
    assert_eq!(answer.since, asked);
    world.taken(LEAD, Kind::ReferralRefuseCancel, 0);
    assert_eq!(world.state(), "accepted", "there is no appointment to go back to");
}

#[test]
fn a_time_that_is_asked_for_changes_nothing_until_the_target_answers() {
    let mut world = submitted();
    let asked = world.taken(TOWNSHIP, Kind::ReferralBook, 2);
    assert_eq!((world.state(), told(&asked)), ("submitted", vec!["lead referral.book".into()]));
    world.taken(LEAD, Kind::ReferralSchedule, 0);
    world.now += 1.hour();
    let asked = world.now;
    let schedule = |world: &World| {
        let found = world.case().deadlines.iter().find(|it| it.name == Name::Schedule);
        found.map(|it| it.since)
    };
    assert_eq!(schedule(&world), None);

    world.taken(TOWNSHIP, Kind::ReferralBook, 6);
    world.now += 1.hour();
    world.taken(TOWNSHIP, Kind::ReferralBook, 7);

    assert_eq!(world.state(), "scheduled");
    assert_eq!(world.case().context.appointment, Some(session(0)), "it stands meanwhile");
    assert_eq!(schedule(&world), Some(asked), "asking again does not put the answer off");
    world.taken(LEAD, Kind::ReferralSchedule, 6);
    assert_eq!(schedule(&world), None);
    assert_eq!(world.refused(LEAD, Kind::ReferralBook, 2), "R020");
}

#[test]
fn a_redirect_keeps_the_history_and_tells_the_new_target_everything() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept)]);

    let moved = world.taken(LEAD, Kind::ReferralRedirect, 1);

    assert_eq!(told(&moved), ["township-a referral.redirect", "county-b referral.submit"]);
    let Body::ReferralSubmit(request) = &moved.messages[1].body else { panic!("a submit") };
    assert_eq!(request.to.organisation, org(COUNTY_B));
    assert_eq!(world.case().past_targets[0].organisation, org(LEAD));
    assert_eq!(world.state(), "submitted");
    assert_eq!(world.refused(LEAD, Kind::ReferralAccept, 0), "R021");
}

#[test]
fn a_redirect_out_of_the_county_needs_the_lead_hospital_again() {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, COUNTY_B)));

    let moved = world.taken(COUNTY_B, Kind::ReferralRedirect, 2);

    assert_eq!(world.state(), "in_review");
    assert_eq!(told(&moved), ["township-a referral.redirect", "lead referral.submit"]);
}

#[test]
fn a_past_target_hears_that_the_case_has_left_it_and_no_more() {
    let mut world = submitted();
    world.taken(LEAD, Kind::ReferralRedirect, 1);
    world.taken(COUNTY_B, Kind::ReferralAccept, 0);

    let Decision::Answered(answer) =
        world.say(LEAD, Some(0), body(Kind::StatusQuery, 0, LEAD, LEAD))
    else {
        panic!("no answer")
    };

    let Body::StatusReport(report) = &answer.body else { panic!("a report") };
    assert_eq!((report.state.as_str(), &report.with), ("redirected", &None));
    assert!(answer.context.is_none());
}

#[test]
fn an_origin_that_still_names_the_old_target_does_not_move_the_case_back() {
    let mut world = submitted();
    world.taken(LEAD, Kind::ReferralRedirect, 1);

    let amend = Body::ReferralAmend(referral(TOWNSHIP, LEAD));
    let Decision::Changed(change) = world.say(TOWNSHIP, Some(0), amend) else { panic!("refused") };

    assert_eq!(world.case().target, org(COUNTY_B));
    let Body::ReferralAmend(request) = &change.messages[0].body else { panic!("an amendment") };
    assert_eq!(request.to.organisation, org(COUNTY_B));
}

#[test]
fn an_amendment_does_not_take_the_case_from_its_target() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept)]);

    let amend = Body::ReferralAmend(referral(TOWNSHIP, COUNTY_B));

    assert_eq!(code(&world.say(TOWNSHIP, Some(0), amend)), "R060");
}

#[test]
fn late_feedback_is_a_correction_and_changes_no_state() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (LEAD, Kind::ReferralArrive)]);
    world.taken(LEAD, Kind::ReferralFeedback, 2);
    assert_eq!(world.state(), "completed");

    let late = world.taken(LEAD, Kind::ReferralFeedback, 2);

    assert_eq!((world.state(), late.event.note.as_deref()), ("completed", Some("correction")));
}
