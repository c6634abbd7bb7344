//! What the core promises about what leaves, and what the shell passes in.

use tierlink_core::case::State;
use tierlink_core::decide::SlotUse;
use tierlink_core::{Ask, Decision, decide};
use tierlink_schemas::answer::Schedule;
use tierlink_schemas::message::BusinessNumber;
use tierlink_schemas::{Body, Kind};

use crate::world::*;

#[test]
fn an_answer_says_what_it_answers_and_of_whom() {
    let mut world = submitted();

    let accepted = world.taken(LEAD, Kind::ReferralAccept, 0);

    let message = &accepted.messages[0];
    let answered = message.in_reply_to.as_ref().unwrap();
    assert_eq!(answered.id, Some(world.case().id));
    assert_eq!(answered.organisation, Some(org(TOWNSHIP)));
    assert_eq!(message.context.as_ref().unwrap().to.organisation, org(LEAD));
    assert_eq!(message.case.state.as_deref(), Some("accepted"));
    assert_eq!(message.received_at, Some(world.now));
}

#[test]
fn each_organisation_names_the_case_for_itself_only() {
    let mut world = submitted();
    let mut accept = world.message(LEAD, body(Kind::ReferralAccept, 0, TOWNSHIP, LEAD));
    accept.case.id = Some(world.case().id);
    accept.case.numbers = vec![
        BusinessNumber { organisation: org(LEAD), number: "L-7".into() },
        BusinessNumber { organisation: org(TOWNSHIP), number: "forged".into() },
    ];

    world.tell(&accept);

    assert_eq!(world.case().number_of(&org(LEAD)), Some("L-7"));
    assert_eq!(world.case().number_of(&org(TOWNSHIP)), None);
}

#[test]
fn a_full_slot_takes_no_more_and_keeps_whom_it_has() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept)]);
    let appointment =
        tierlink_schemas::answer::Appointment { slot: Some("S1".into()), ..session(2) };
    let schedule = Body::ReferralSchedule(Schedule { appointment, note: None });
    world.slot = Some(SlotUse { places: 1, used: 1 });
    assert_eq!(code(&world.say(LEAD, Some(0), schedule.clone())), "R064");
    world.slot = Some(SlotUse { places: 1, used: 0 });
    world.say(LEAD, Some(0), schedule.clone());
    world.slot = Some(SlotUse { places: 1, used: 1 });

    assert!(matches!(world.say(LEAD, Some(0), schedule), Decision::Changed(_)));
}

#[test]
fn a_format_that_does_not_name_the_family_is_read_by_the_case() {
    let mut world = World::new();
    world.open(LEAD, Body::TransferOffer(offer(LEAD, TOWNSHIP)));
    let message = world.message(TOWNSHIP, body(Kind::ReferralAccept, 0, LEAD, TOWNSHIP));
    let ask = |family_stated| {
        decide(&Ask {
            message: &message,
            family_stated,
            case: world.cases.first(),
            parent: None,
            request: None,
            taken: &[],
            slot: None,
            county: &world.county,
            now: world.now,
            counter: 1,
            second_message_id: uuid::Uuid::from_u128(1),
        })
    };

    let Decision::Changed(change) = ask(false) else { panic!("refused") };
    assert_eq!(change.event.kind, Kind::TransferAccept);
    assert_eq!(code(&ask(true)), "R005");
}

#[test]
fn a_missing_request_refuses_the_message_and_asks_for_it_again() {
    let mut world = World::new();
    world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, LEAD)));
    world.requests.clear();

    assert_eq!(world.refused(TOWNSHIP, Kind::ReferralReview, 0), "R090");
}

#[test]
fn numbers_of_two_cases_in_one_message_refuse_it() {
    let mut world = submitted();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    let mut accept = world.message(LEAD, body(Kind::ReferralAccept, 0, TOWNSHIP, LEAD));
    accept.case.id = Some(world.cases[0].id);
    accept.case.number = Some(world.cases[1].number.clone());

    assert_eq!(code(&world.tell(&accept)), "R003");
}

#[test]
fn only_the_broker_writes_reports_and_receipts() {
    let mut world = submitted();

    assert_eq!(world.refused(LEAD, Kind::StatusReport, 0), "R007");
    assert_eq!(world.refused(LEAD, Kind::Receipt, 0), "R007");
}

#[test]
fn a_case_that_moves_in_circles_is_stopped() {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, COUNTY_B)));
    let mut moves = 0;
    let refusal = loop {
        let (from, flavour) = if moves % 2 == 0 { (COUNTY_B, 0) } else { (LEAD, 1) };
        match world.say(from, Some(0), body(Kind::ReferralRedirect, flavour, TOWNSHIP, from)) {
            Decision::Changed(_) => moves += 1,
            other => break code(&other),
        }
    };

    assert_eq!((moves, refusal.as_str()), (20, "R091"));
}

#[test]
fn a_case_survives_being_written_down() {
    let mut world = after(&[(LEAD, Kind::ReferralAccept), (TOWNSHIP, Kind::ReferralCancel)]);
    let case = world.cases.remove(0);

    let text = serde_json::to_string(&case).unwrap();
    let read: tierlink_core::Case = serde_json::from_str(&text).unwrap();

    assert_eq!(read, case);
    assert!(matches!(read.state, State::Referral(_)));
}
