//! What one decision costs: a new referral, and its acceptance: `cargo bench -p tierlink-core`.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]
#![expect(clippy::panic, reason = "a measurement stops at the first surprise")]

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tierlink_core::county::{County, Member};
use tierlink_core::deadline::TimeLimits;
use tierlink_core::{Ask, Case, Decision, decide};
use tierlink_schemas::calendar::{Calendar, OpeningHours};
use tierlink_schemas::message::{Message, from_slice};
use tierlink_schemas::{OrganisationCode, Tier};
use uuid::Uuid;

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn county() -> County {
    let member = |tier| Member { tier, parent: None, outside: false, systems: Vec::new() };
    County {
        members: HashMap::from([
            (code("330199101"), member(Tier::Township)),
            (code("330199001"), member(Tier::County)),
        ]),
        lead: Some(code("330199001")),
        broker: code("TIERLINK"),
        calendar: Calendar::china(OpeningHours::office()).unwrap(),
        limits: TimeLimits::default(),
        one_person_emergency_reading: false,
    }
}

fn ask<'a>(county: &'a County, message: &'a Message, case: Option<&'a Case>) -> Ask<'a> {
    Ask {
        message,
        family_stated: true,
        case,
        parent: None,
        request: None,
        taken: &[],
        slot: None,
        county,
        now: message.occurred_at,
        counter: 7,
        second_message_id: Uuid::now_v7(),
    }
}

fn step(criterion: &mut Criterion) {
    let county = county();
    let mut submit: Message =
        from_slice(include_bytes!("../../../schemas/examples/referral.submit.json")).unwrap();
    submit.case = tierlink_schemas::message::CaseRef::default();
    let mut accept: Message =
        from_slice(include_bytes!("../../../schemas/examples/referral.accept.json")).unwrap();
    let opened = match decide(&ask(&county, &submit, None)) {
        Decision::Changed(change) => change.case,
        other => panic!("the example is not taken: {other:?}"),
    };
    accept.source.organisation = code("330199001");
    let taken = decide(&ask(&county, &accept, Some(&opened)));
    assert!(matches!(taken, Decision::Changed(_)), "the acceptance is not taken");

    criterion.bench_function("step/referral.submit", |bench| {
        bench.iter(|| decide(&ask(&county, black_box(&submit), None)));
    });
    criterion.bench_function("step/referral.accept", |bench| {
        bench.iter(|| decide(&ask(&county, black_box(&accept), Some(&opened))));
    });
}

criterion_group!(benches, step);
criterion_main!(benches);
