//! What the core promises about where a case may go.

use tierlink_core::Decision;
use tierlink_schemas::Body;
use tierlink_schemas::request::Direction;

use crate::world::*;

#[test]
fn the_direction_follows_from_the_tiers_and_is_never_guessed() {
    let submit = |to: &str, direction| {
        let mut request = referral(TOWNSHIP, to);
        request.direction = direction;
        World::new().say(TOWNSHIP, None, Body::ReferralSubmit(request))
    };

    assert_eq!(code(&submit(VILLAGE, None)), "R012");
    assert_eq!(code(&submit(LEAD, Some(Direction::Lateral))), "R013");
    assert_eq!(code(&submit("nowhere", None)), "R009");
    assert_eq!(code(&submit(TOWNSHIP, None)), "R010");
    for (to, derived) in
        [(LEAD, Direction::Up), (TOWNSHIP_B, Direction::Lateral), (CITY, Direction::Out)]
    {
        let Decision::Changed(change) = submit(to, None) else { panic!("{to} refused") };
        let Body::ReferralSubmit(request) = &change.messages[0].body else { panic!("a submit") };
        assert_eq!(request.direction, Some(derived));
    }
}

#[test]
fn a_transfer_goes_down_or_sideways_and_knows_where_it_comes_from() {
    let mut world = World::new();
    let mut orphan = offer(LEAD, TOWNSHIP);
    orphan.no_referral_reason = None;

    assert_eq!(
        code(&world.say(TOWNSHIP, None, Body::TransferOffer(offer(TOWNSHIP, LEAD)))),
        "R014"
    );
    assert_eq!(code(&world.say(LEAD, None, Body::TransferOffer(orphan.clone()))), "R016");
    orphan.parent_referral = Some("ZZ-404".into());
    assert_eq!(code(&world.say(LEAD, None, Body::TransferOffer(orphan))), "R015");
}

#[test]
fn a_transfer_follows_the_referral_that_brought_the_patient() {
    let mut world = submitted();
    let number = world.case().number.clone();
    let mut back = offer(LEAD, TOWNSHIP);
    back.parent_referral = Some(number.as_str().to_lowercase());

    let change = world.open(LEAD, Body::TransferOffer(back.clone()));
    back.from.organisation = org(COUNTY_B);
    let stranger = world.say(COUNTY_B, None, Body::TransferOffer(back));

    assert_eq!(change.case.parent.as_ref(), Some(&number));
    assert_eq!(change.messages[0].case.parent.as_ref(), Some(&number));
    assert_eq!(code(&stranger), "R015");
}

#[test]
fn nobody_asks_in_anothers_name() {
    let said = World::new().say(VILLAGE, None, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));

    assert_eq!(code(&said), "R008");
}
