//! What the core promises about the systems of an organisation: which one hears what, and which one
//! may say it.

use tierlink_core::county::{Member, System};
use tierlink_core::routing::system_of;
use tierlink_core::traffic::{Service, Traffic};
use tierlink_core::{Change, Decision};
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Kind, SystemName, Tier};

use crate::world::*;

fn system(name: &str, is_default: bool, takes: &[&str], gives: &[&str]) -> System {
    let traffic = |words: &[&str]| words.iter().map(|word| Traffic::read(word).unwrap()).collect();
    System {
        name: SystemName::new(name).unwrap(),
        is_default,
        gives: traffic(gives),
        takes: traffic(takes),
    }
}

/// A hospital with a HIS, an ECG system and people who arrange consultations and hear refusals.
fn systems() -> Vec<System> {
    vec![
        system("his", true, &["transfer"], &[]),
        system("ecg", false, &["ecg"], &["ecg"]),
        system("desk", false, &["consultation", "referral.decline"], &[]),
    ]
}

fn world() -> World {
    let mut world = World::new();
    for code in [TOWNSHIP, READING] {
        world.county.members.get_mut(&org(code)).unwrap().systems = systems();
    }
    world
}

fn heard(change: &Change, by: &str) -> String {
    let dispatch = change.dispatches.iter().find(|dispatch| dispatch.to == org(by)).unwrap();
    dispatch.system.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string)
}

#[test]
fn each_message_goes_to_exactly_one_system() {
    let member = Member { tier: Tier::County, parent: None, outside: false, systems: systems() };
    let table = [
        (Kind::ConsultationRequest, Service::Ecg, "ecg"),
        (Kind::ConsultationReport, Service::Ecg, "ecg"),
        (Kind::StatusReport, Service::Ecg, "ecg"),
        (Kind::ConsultationRequest, Service::Imaging, "desk"),
        (Kind::ConsultationRequest, Service::Consultation, "desk"),
        (Kind::ReferralSubmit, Service::Referral, "default"),
        (Kind::ReferralDecline, Service::Referral, "desk"),
        (Kind::TransferOffer, Service::Transfer, "default"),
        (Kind::StatusReport, Service::Referral, "default"),
    ];
    for (kind, service, wanted) in table {
        let chosen = system_of(&member, kind, service);
        let chosen = chosen.as_ref().map_or("default", SystemName::as_str);

        assert_eq!(chosen, wanted, "{kind} about {}", service.as_str());
    }
    let one = Member { systems: Vec::new(), ..member };
    assert_eq!(system_of(&one, Kind::ConsultationRequest, Service::Ecg), None);
}

#[test]
fn all_that_is_said_of_a_reading_goes_to_the_system_that_takes_it() {
    let mut world = world();
    let request = consultation(TOWNSHIP, READING, ConsultationForm::Reading);

    let opened = world.open(TOWNSHIP, Body::ConsultationRequest(request));
    assert_eq!(heard(&opened, READING), "ecg");
    let claimed = world.taken(READING, Kind::ConsultationClaim, 0);
    assert_eq!(heard(&claimed, TOWNSHIP), "ecg");

    world.now += jiff::SignedDuration::from_hours(100);
    let late = world.clock();
    assert!(!late.is_empty());
    assert!(late.iter().all(|change| heard(change, READING) == "ecg"), "{late:?}");
}

#[test]
fn a_referral_goes_to_the_default_system() {
    let mut world = world();

    let opened = world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, READING)));

    assert_eq!(heard(&opened, READING), "default");
}

#[test]
fn a_system_says_only_what_it_gives() {
    let mut world = world();
    let by = |world: &mut World, name: &str, body: Body| {
        let mut message = world.message(TOWNSHIP, body);
        message.source.system = Some(name.to_owned());
        world.tell(&message)
    };
    let reading = || consultation(TOWNSHIP, READING, ConsultationForm::Reading);

    let referred = by(&mut world, "ecg", Body::ReferralSubmit(referral(TOWNSHIP, READING)));
    assert_eq!(code(&referred), "R019");
    let read = by(&mut world, "ecg", Body::ConsultationRequest(reading()));
    let Decision::Changed(change) = read else { panic!("{read:?}") };
    assert_eq!(change.case.request_system, Some(SystemName::new("ecg").unwrap()));

    let referred = by(&mut world, "his", Body::ReferralSubmit(referral(TOWNSHIP, READING)));
    assert!(matches!(referred, Decision::Changed(_)), "{referred:?}");
}
