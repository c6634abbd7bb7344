//! What the core promises about finding the case that a message means.

use crate::world::*;
use tierlink_core::Case;
use tierlink_core::find::{Key, Picked, keys, parent_keys, pick};
use tierlink_schemas::message::{BusinessNumber, ReplyTo};
use tierlink_schemas::{Body, CaseNumber, Kind, Message};
use uuid::Uuid;

fn answer(world: &mut World) -> Message {
    world.message(LEAD, body(Kind::ReferralAccept, 0, TOWNSHIP, LEAD))
}

/// Two open referrals from the township to the lead hospital, and one of somebody else's.
fn cases() -> World {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    world.open(TOWNSHIP_B, Body::ReferralSubmit(referral(TOWNSHIP_B, COUNTY_B)));
    world
}

fn picked<'a>(found: &[Vec<&'a Case>]) -> Picked<'a> {
    pick(found, &org(LEAD), false)
}

#[test]
fn keys_come_in_order_of_trust() {
    let mut world = World::new();
    let mut message = answer(&mut world);
    let number = CaseNumber::build('R', 2026, 7);
    let answered = Uuid::from_u128(5 << 64);
    message.case.id = Some(Uuid::from_u128(9));
    message.case.number = Some(number.clone());
    message.case.numbers = vec![BusinessNumber { organisation: org(LEAD), number: "L-1".into() }];
    message.in_reply_to = Some(ReplyTo {
        id: Some(answered),
        organisation: None,
        message_id: Some(tierlink_schemas::message::control_id(answered)),
    });

    let keys = keys(&message, &org(LEAD));

    let [
        Key::Id(_),
        Key::Number(ours),
        Key::Theirs { number: theirs, .. },
        Key::AnsweredId(id),
        Key::Answered { first, last },
    ] = &keys[..]
    else {
        panic!("{keys:?}")
    };
    assert_eq!((ours, theirs.as_str(), *id), (&number, "L-1", answered));
    assert!(*first <= answered && answered <= *last);
}

#[test]
fn a_number_that_nobody_claims_is_tried_for_every_side() {
    let mut world = World::new();
    let mut message = answer(&mut world);
    message.case.numbers = vec![BusinessNumber { organisation: org(LEAD), number: "N-1".into() }];
    message.case.unassigned = vec!["N-1".into()];

    let keys = keys(&message, &org(LEAD));

    let of = |organisation| Key::Theirs { organisation, number: "N-1".into() };
    assert_eq!(keys, [of(Some(org(LEAD))), of(None)]);
}

#[test]
fn our_number_is_understood_wherever_a_hospital_puts_it() {
    let mut world = World::new();
    let mut message = answer(&mut world);
    let number = CaseNumber::build('R', 2026, 7);
    let written = format!(" {} ", number.as_str().to_lowercase());
    message.case.numbers = vec![BusinessNumber { organisation: org(LEAD), number: written }];

    assert!(keys(&message, &org(LEAD)).contains(&Key::Number(number)));
}

#[test]
fn a_new_request_is_not_found_by_what_it_answers() {
    let mut world = World::new();
    let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    message.in_reply_to =
        Some(ReplyTo { id: Some(Uuid::from_u128(1)), organisation: None, message_id: None });
    message.case.numbers = vec![
        BusinessNumber { organisation: org(LEAD), number: "L-1".into() },
        BusinessNumber { organisation: org(TOWNSHIP), number: "T-1".into() },
    ];

    let keys = keys(&message, &org(TOWNSHIP));

    let own = Key::Theirs { organisation: Some(org(TOWNSHIP)), number: "T-1".into() };
    assert_eq!(keys, [own]);
}

#[test]
fn a_parent_is_named_by_our_number_or_a_hospitals() {
    let mut world = World::new();
    let mut back = offer(LEAD, TOWNSHIP);
    let number = CaseNumber::build('R', 2026, 7);
    back.parent_referral = Some(number.as_str().to_owned());
    let ours = world.message(LEAD, Body::TransferOffer(back.clone()));
    back.parent_referral = Some("ZZ-9".into());
    let theirs = world.message(LEAD, Body::TransferOffer(back));

    assert_eq!(parent_keys(&ours), [Key::Number(number)]);
    let key = Key::Theirs { organisation: None, number: "ZZ-9".into() };
    assert_eq!(parent_keys(&theirs), [key]);
}

#[test]
fn keys_that_name_two_cases_are_a_contradiction() {
    let world = cases();
    let [one, two, _] = &world.cases[..] else { panic!("three cases") };

    assert_eq!(picked(&[vec![one], vec![two]]), Picked::Contradiction);
    assert_eq!(picked(&[vec![one, two], vec![two]]), Picked::One(two));
    assert_eq!(picked(&[vec![one, two]]), Picked::Ambiguous);
    assert_eq!(picked(&[vec![], vec![one]]), Picked::One(one));
}

#[test]
fn cases_of_others_count_for_nothing() {
    let world = cases();
    let [one, _, others] = &world.cases[..] else { panic!("three cases") };

    assert_eq!(picked(&[vec![others]]), Picked::None);
    assert_eq!(picked(&[vec![others, one]]), Picked::One(one));
    assert_eq!(picked(&[vec![others], vec![one]]), Picked::One(one));
}

#[test]
fn open_cases_come_before_ended_ones() {
    let mut world = cases();
    world.say(TOWNSHIP, Some(0), body(Kind::ReferralCancel, 0, TOWNSHIP, LEAD));
    let [ended, open, _] = &world.cases[..] else { panic!("three cases") };

    assert_eq!(picked(&[vec![ended, open]]), Picked::One(open));
    assert_eq!(picked(&[vec![ended]]), Picked::One(ended));
    assert_eq!(pick(&[vec![ended]], &org(TOWNSHIP), true), Picked::None);
}

#[test]
fn a_refused_choice_says_which_rule() {
    assert!(Picked::None.case().unwrap().is_none());
    assert_eq!(Picked::Contradiction.case().unwrap_err().problem.code.as_str(), "R003");
    assert_eq!(Picked::Ambiguous.case().unwrap_err().problem.code.as_str(), "R004");
}
