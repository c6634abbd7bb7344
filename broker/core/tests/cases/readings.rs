//! What the core promises about readings and critical values.

use jiff::ToSpan;
use tierlink_core::deadline::Name;
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Kind, Priority};

use crate::world::*;

#[test]
fn the_writer_of_a_report_does_not_audit_it() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    world.taken(READING, Kind::ConsultationClaim, 0);
    world.taken(READING, Kind::ConsultationReport, 0);

    assert_eq!(world.refused(READING, Kind::ConsultationAudit, 0), "R065");
    world.taken(READING, Kind::ConsultationAudit, 1);

    assert_eq!(world.state(), "reported");
}

#[test]
fn one_person_may_read_an_emergency_only_where_the_county_allows_it() {
    for (allowed, priority, state) in [
        (true, Priority::Emergency, "reported"),
        (false, Priority::Emergency, "written"),
        (true, Priority::Urgent, "written"),
    ] {
        let mut world = World::new();
        world.county.one_person_emergency_reading = allowed;
        let request = consultation(TOWNSHIP, READING, ConsultationForm::Reading);
        let mut message = world.message(TOWNSHIP, Body::ConsultationRequest(request));
        message.priority = Some(priority);
        world.tell(&message);
        world.taken(READING, Kind::ConsultationReport, 0);

        world.say(READING, Some(0), body(Kind::ConsultationAudit, 0, TOWNSHIP, READING));

        assert_eq!(world.state(), state);
    }
}

#[test]
fn a_recording_made_again_starts_the_clock_again() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    assert_eq!(
        (due(&world, Name::Write), due(&world, Name::Audit)),
        ("Wed 10:30".into(), "Wed 10:45".into())
    );
    world.taken(READING, Kind::ConsultationRecollect, 0);
    world.now += 1.hour();

    world.taken(TOWNSHIP, Kind::ConsultationAmend, 2);

    assert_eq!(world.state(), "uploaded");
    assert_eq!(due(&world, Name::Write), "Wed 11:30");
}

#[test]
fn a_critical_value_is_called_until_it_is_read_back() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    world.taken(READING, Kind::ConsultationClaim, 0);
    world.taken(READING, Kind::ConsultationCritical, 0);
    let mut calls = 0;

    for _ in 0..20 {
        world.now += 1.minute();
        calls += world
            .clock()
            .iter()
            .filter(|c| c.event.note.as_deref() == Some("overdue:critical"))
            .count();
    }
    let read_back = world.taken(TOWNSHIP, Kind::ConsultationAcknowledge, 1);

    assert_eq!(calls, 3, "after 10, 15 and 20 minutes");
    assert_eq!(read_back.event.note.as_deref(), Some("critical_read_back"));
    assert!(world.case().deadlines.iter().all(|deadline| deadline.name != Name::Critical));
    assert_eq!(world.state(), "claimed");
}

#[test]
fn a_case_does_not_end_over_a_critical_value() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    world.taken(READING, Kind::ConsultationClaim, 0);
    world.taken(READING, Kind::ConsultationCritical, 0);

    assert_eq!(world.refused(TOWNSHIP, Kind::ConsultationCancel, 0), "R052");
}
