//! What the core promises about transfers.

use tierlink_core::deadline::Name;
use tierlink_schemas::{Body, Kind};

use crate::world::*;

#[test]
fn a_declined_transfer_finds_another_target_and_the_old_one_hears_of_it_once() {
    let mut world = World::new();
    world.open(LEAD, Body::TransferOffer(offer(LEAD, TOWNSHIP)));
    world.taken(TOWNSHIP, Kind::TransferDecline, 0);

    let moved = world.taken(LEAD, Kind::TransferRedirect, 1);
    let accepted = world.taken(TOWNSHIP_B, Kind::TransferAccept, 0);

    assert_eq!(told(&moved), ["township-b transfer.offer", "township-a transfer.redirect"]);
    assert_eq!(told(&accepted), ["lead transfer.accept"]);
}

#[test]
fn a_reception_without_a_discharge_message_counts() {
    let mut world = World::new();
    world.open(LEAD, Body::TransferOffer(offer(LEAD, TOWNSHIP)));
    world.taken(TOWNSHIP, Kind::TransferAccept, 0);

    let received = world.taken(TOWNSHIP, Kind::TransferReceive, 0);

    assert_eq!(world.state(), "received");
    assert_eq!(received.event.note.as_deref(), Some("no_discharge"));
}

#[test]
fn the_first_contact_above_does_not_silence_the_follow_up_below() {
    let mut world = World::new();
    world.open(LEAD, Body::TransferOffer(offer(LEAD, TOWNSHIP)));
    world.taken(TOWNSHIP, Kind::TransferReceive, 0);
    let names = |world: &World| -> Vec<Name> {
        world.case().deadlines.iter().map(|deadline| deadline.name).collect()
    };
    assert_eq!(names(&world), [Name::Contact, Name::FollowUp]);

    world.taken(LEAD, Kind::TransferFollowUp, 0);
    assert_eq!(names(&world), [Name::FollowUp, Name::Close]);
    world.taken(TOWNSHIP, Kind::TransferFollowUp, 0);

    assert_eq!(names(&world), [Name::Close]);
    assert_eq!(world.state(), "following");
}
