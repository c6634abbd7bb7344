//! What the core promises about readings and critical values.

use jiff::ToSpan;
use tierlink_core::Decision;
use tierlink_core::deadline::Name;
use tierlink_schemas::answer::{Feedback, Report};
use tierlink_schemas::clinical::Observation;
use tierlink_schemas::person::Coded;
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

/// A report with one value of this flag.
fn flagged(flag: Option<&str>) -> Body {
    let value = Observation {
        what: Coded::text("心电图诊断"),
        value: Some("三度房室传导阻滞".into()),
        flag: flag.map(str::to_owned),
        ..Observation::default()
    };
    let observations = vec![value];
    Body::ConsultationReport(Report { writer: person("D1"), observations, ..Report::default() })
}

#[test]
fn a_panic_flag_in_a_report_raises_a_critical_value_and_its_correction_reaches_all_alerted() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    for flag in [None, Some("N"), Some("H"), Some("A")] {
        world.say(READING, Some(0), flagged(flag));
        assert!(world.case().critical.is_none(), "{flag:?}");
    }
    for flag in ["AA", "HH", "LL"] {
        let mut world = consulting(ConsultationForm::Reading, READING);
        world.say(READING, Some(0), flagged(Some(flag)));
        assert!(world.case().critical.is_some(), "{flag}");
    }
    world.say(READING, Some(0), flagged(Some("AA")));
    world.now += 16.minutes();
    world.clock();
    world.now += 16.minutes();
    world.clock();
    assert!(world.case().watchers.contains(&org(LEAD)), "the lead hospital was alerted too");
    world.taken(TOWNSHIP, Kind::ConsultationAcknowledge, 1);

    let Decision::Changed(off) = world.say(READING, Some(0), flagged(None)) else {
        panic!("refused")
    };

    assert_eq!(
        told(&off),
        ["township-a consultation.report", "lead consultation.report"],
        "everybody who was alerted hears that the flag is off"
    );
    assert_eq!(off.event.note.as_deref(), Some("critical_taken_back"));
    let Decision::Changed(again) = world.say(READING, Some(0), flagged(Some("AA"))) else {
        panic!("refused")
    };
    assert_eq!(again.event.note.as_deref(), Some("critical_raised"));
}

#[test]
fn a_report_of_a_reading_needs_no_word_of_ours() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    let told = Feedback {
        summary: Some("窦性心律".into()),
        by: Some(person("D1")),
        ..Feedback::default()
    };

    let change = world.say_of_unstated_family(READING, Body::ReferralFeedback(told.clone()));

    let Decision::Changed(change) = change else { panic!("refused: {change:?}") };
    let Body::ConsultationReport(report) = &change.messages[0].body else { panic!("a report") };
    assert_eq!((report.conclusion.as_str(), world.state()), ("窦性心律", "written"));
    let nobody = Body::ReferralFeedback(Feedback { by: None, ..told });
    assert_eq!(code(&world.say_of_unstated_family(READING, nobody)), "R066");
}

#[test]
fn a_case_does_not_end_over_a_critical_value() {
    let mut world = consulting(ConsultationForm::Reading, READING);
    world.taken(READING, Kind::ConsultationClaim, 0);
    world.taken(READING, Kind::ConsultationCritical, 0);

    assert_eq!(world.refused(TOWNSHIP, Kind::ConsultationCancel, 0), "R052");
}
