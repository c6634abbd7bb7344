//! What the core promises about consultations.

use tierlink_core::Decision;
use tierlink_schemas::answer::{Accept, Review, Schedule};
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Kind};

use crate::world::*;

#[test]
fn every_expert_must_accept() {
    let mut world = World::new();
    let mut request = consultation(TOWNSHIP, LEAD, ConsultationForm::Interactive);
    request.experts = vec![expert(LEAD, "E1"), expert(COUNTY_B, "E2")];
    let opened = world.open(TOWNSHIP, Body::ConsultationRequest(request));
    let accept = |expert| Body::ConsultationAccept(Accept { expert, ..Accept::default() });

    assert_eq!(told(&opened), ["lead consultation.request", "county-b consultation.request"]);
    world.say(LEAD, Some(0), accept(None));
    assert_eq!(world.state(), "dispatched");
    assert_eq!(code(&world.say(LEAD, Some(0), accept(None))), "R069");
    assert_eq!(code(&world.say(COUNTY_B, Some(0), accept(Some(expert_ref(LEAD, "E1"))))), "R067");
    world.say(COUNTY_B, Some(0), accept(None));

    assert_eq!(world.state(), "accepted");
}

#[test]
fn a_centre_that_sets_a_session_has_accepted_for_all() {
    let mut world = consulting(ConsultationForm::Interactive, LEAD);

    let set = world.taken(LEAD, Kind::ConsultationSchedule, 1);

    assert_eq!(world.state(), "scheduled");
    assert_eq!(set.event.note.as_deref(), Some("accepted_by_scheduling"));
    assert!(told(&set).contains(&"county-b consultation.request".to_owned()));
}

#[test]
fn no_expert_and_no_room_is_booked_twice() {
    let mut world = World::new();
    for from in [TOWNSHIP, TOWNSHIP_B] {
        let request = consultation(from, LEAD, ConsultationForm::Interactive);
        world.open(from, Body::ConsultationRequest(request));
    }
    let session = |hours, room: &str| {
        let appointment = tierlink_schemas::answer::Appointment {
            room: Some(room.into()),
            experts: vec![expert_ref(LEAD, "E1")],
            ..session(hours)
        };
        Body::ConsultationSchedule(Schedule { appointment, note: None })
    };
    assert!(matches!(world.say(LEAD, Some(0), session(0, "r1")), Decision::Changed(_)));

    assert_eq!(code(&world.say(LEAD, Some(1), session(0, "r2"))), "R063");
    assert!(matches!(world.say(LEAD, Some(1), session(1, "r1")), Decision::Changed(_)));
    assert_eq!(code(&world.say(LEAD, Some(0), session(1, "r9"))), "R063");
}

#[test]
fn a_cancelled_session_frees_its_experts_and_room() {
    let mut world = consulting(ConsultationForm::Interactive, LEAD);
    world.taken(LEAD, Kind::ConsultationSchedule, 4);
    assert!(!world.case().bookings.is_empty());

    world.taken(TOWNSHIP, Kind::ConsultationCancel, 0);

    assert!(world.case().bookings.is_empty());
}

#[test]
fn a_declined_consultation_is_dispatched_again() {
    let mut world = World::new();
    let request = consultation(VILLAGE, LEAD, ConsultationForm::Interactive);
    world.open(VILLAGE, Body::ConsultationRequest(request));
    world.taken(TOWNSHIP, Kind::ConsultationReview, 0);
    world.taken(LEAD, Kind::ConsultationDecline, 0);

    let elsewhere =
        Body::ConsultationReview(Review { to: Some(org(COUNTY_B)), ..Review::default() });
    let Decision::Changed(again) = world.say(TOWNSHIP, Some(0), elsewhere) else {
        panic!("refused")
    };

    assert_eq!(world.state(), "dispatched");
    assert_eq!(
        told(&again),
        [
            "village-a consultation.review",
            "county-b consultation.request",
            "lead consultation.review"
        ]
    );
}

#[test]
fn an_opinion_that_recommends_a_referral_says_so_and_can_be_its_parent() {
    let mut world = consulting(ConsultationForm::Offline, LEAD);
    world.taken(LEAD, Kind::ConsultationAccept, 0);
    let opinion = world.taken(LEAD, Kind::ConsultationOpinion, 1);
    let mut up = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    up.case.parent = Some(world.case().number.clone());

    let Decision::Changed(linked) = world.tell(&up) else { panic!("refused") };

    assert_eq!(opinion.event.note.as_deref(), Some("refer_up_recommended"));
    assert_eq!(linked.case.parent.as_ref(), Some(&world.case().number));
}
