//! Throws random lives at a small county and checks what must hold in all of them.
//!
//! When this fails, proptest prints the shortest life that breaks a rule. Give it a name in
//! `promises.rs`, then fix the code.
//!
//! Checked by planting bugs: letting the author hear itself, forgetting a deadline, answering a
//! stranger by the state, and booking without looking each fail within seconds.

use std::collections::BTreeSet;

use crate::release::nobody_hears_or_reads_before_the_review_let_it_go;
use crate::world::*;
use jiff::ToSpan;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tierlink_core::access::{Asker, View, is_open_for, parties, sees, view};
use tierlink_core::deadline::Name;
use tierlink_core::{Case, Change, Decision};
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Kind, OrganisationCode, Priority, Refusal};

/// One thing that happens: somebody says something about a case, after a while.
#[derive(Clone, Debug)]
struct Said {
    author: usize,
    case: usize,
    kind: Kind,
    flavour: u8,
    to: usize,
    emergency: bool,
    insider: bool,
    minutes: i64,
}

fn said() -> impl Strategy<Value = Said> {
    (
        (0..EVERYBODY.len(), 0..4_usize, 0..Kind::ALL.len(), 0..12_u8),
        (0..EVERYBODY.len(), any::<bool>(), 0..10_u8, 0..3_000_i64),
    )
        .prop_map(|((author, case, kind, flavour), (to, emergency, insider, minutes))| Said {
            author,
            case,
            kind: Kind::ALL[kind],
            flavour,
            to,
            emergency,
            // Mostly those who have a part, or few lives would get far.
            insider: insider < 8,
            minutes,
        })
}

/// The organisation that speaks, and the kind in the case's own family, mostly.
fn aim(world: &World, said: &Said) -> (String, Kind) {
    let Some(case) = world.cases.get(said.case).filter(|_| said.insider) else {
        return (EVERYBODY[said.author].to_owned(), said.kind);
    };
    let parties: Vec<String> = parties(case).map(ToString::to_string).collect();
    let author = parties[said.author % parties.len()].clone();
    let family = case.state.family();
    let kinds: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|kind| kind.family() == family && !kind.opens()).collect();
    let at = Kind::ALL.iter().position(|kind| *kind == said.kind).unwrap();
    (author, kinds[at % kinds.len()])
}

fn holds(
    world: &World,
    before: Option<&Case>,
    change: &Change,
    author: &OrganisationCode,
) -> Result<(), TestCaseError> {
    let case = &change.case;
    nobody_hears_or_reads_before_the_review_let_it_go(world, change)?;
    // Every accepted message is an event of its own.
    prop_assert_eq!(case.events, before.map_or(0, |case| case.events) + 1);
    prop_assert_eq!(change.event.number, case.events);
    prop_assert_eq!(change.event.to_state, case.state.as_str());
    if let Some(before) = before.filter(|case| case.state.is_terminal()) {
        prop_assert_eq!(&before.state, &case.state, "a terminal state rolled back");
    }
    // Nobody hears itself, nobody hears twice, no stranger hears at all.
    let mut hears = BTreeSet::new();
    for dispatch in &change.dispatches {
        prop_assert!(dispatch.to != *author, "the author hears itself");
        prop_assert!(hears.insert(dispatch.to.clone()), "{} hears twice", dispatch.to);
        let knows = sees(case, &dispatch.to) || before.is_some_and(|c| sees(c, &dispatch.to));
        prop_assert!(knows, "{} is a stranger", dispatch.to);
        let message = change.messages.iter().find(|message| message.id == dispatch.message);
        prop_assert!(message.is_some_and(|m| m.destinations.contains(&dispatch.to)));
    }
    for message in &change.messages {
        prop_assert_eq!(message.case.number.as_ref(), Some(&case.number));
        prop_assert_eq!(message.priority, Some(case.priority));
        prop_assert!(message.patient().is_some(), "{} does not say of whom", message.kind());
    }
    // Whoever has or had a part sees the case, its two ends all of it, and nobody else any of it:
    // a target only once the reviews have let the case go.
    for who in EVERYBODY.map(org) {
        let seen = view(case, Asker::Organisation(&who));
        prop_assert_eq!(seen != View::Nothing, parties(case).any(|party| *party == who));
        if case.origin == who || (case.target == who && case.reviews.is_empty()) {
            prop_assert_eq!(seen, View::Whole);
        }
        // Whoever the case has left, and has no other part in it, sees no more of it.
        let asked = case.experts.iter().any(|asked| asked.expert.organisation == who);
        let reviews = case.experts.iter().filter_map(|asked| Some(&asked.held.as_ref()?.by));
        let has_part = case.origin == who
            || case.target == who
            || asked
            || case.watchers.contains(&who)
            || case.reviews.first().into_iter().chain(reviews).any(|reviewer| *reviewer == who);
        prop_assert!(has_part || seen != View::Whole, "{} sees all of a case that left it", who);
        prop_assert!(!is_open_for(case, &who) || (sees(case, &who) && !case.state.is_terminal()));
    }
    // While a case is in review its target hears nothing, unless the review is its own or was.
    if !case.reviews.is_empty() && before.is_none_or(|case| !case.reviews.is_empty()) {
        let target = &case.target;
        let other = case.watchers.contains(target) || case.reviews[0] == *target;
        prop_assert!(other || !hears.contains(target), "the target heard of a case in review");
    }
    Ok(())
}

fn waits_exactly_while_somebody_must_act(case: &Case) -> Result<(), TestCaseError> {
    let alert = case.critical.as_ref().is_some_and(|alert| alert.acknowledged_at.is_none());
    let ends = |name: Name| matches!(name, Name::Expire | Name::Close);
    let acts = case.deadlines.iter().filter(|deadline| !ends(deadline.name)).count();
    let closes = case.deadlines.iter().any(|deadline| ends(deadline.name));
    if case.state.is_terminal() && !alert {
        prop_assert!(case.deadlines.is_empty(), "{} still waits", case.state.as_str());
    } else {
        // Only what is done may wait for nothing but its end.
        let done = matches!(case.state.as_str(), "following" | "acknowledged");
        prop_assert!(acts > 0 || (done && closes), "{} waits for nobody", case.state.as_str());
    }
    prop_assert_eq!(alert, case.deadlines.iter().any(|d| d.name == Name::Critical));
    let names: BTreeSet<Name> = case.deadlines.iter().map(|deadline| deadline.name).collect();
    prop_assert_eq!(names.len(), case.deadlines.len(), "one thing is waited for twice");
    Ok(())
}

fn bookings_never_overlap(world: &World) -> Result<(), TestCaseError> {
    let held: Vec<_> = world.cases.iter().flat_map(|case| &case.bookings).collect();
    for (at, one) in held.iter().enumerate() {
        for other in &held[at + 1..] {
            let apart =
                one.resource != other.resource || one.end <= other.start || other.end <= one.start;
            prop_assert!(apart, "{} is booked twice", one.resource);
        }
    }
    Ok(())
}

fn one_step(world: &mut World, said: &Said) -> Result<(), TestCaseError> {
    world.now += said.minutes.minutes();
    let (author, kind) = aim(world, said);
    let at = (!kind.opens()).then_some(said.case);
    let before = at.and_then(|at| world.cases.get(at)).cloned();
    let (from, to) = before.as_ref().filter(|_| kind.states_request()).map_or_else(
        || (author.clone(), EVERYBODY[said.to].to_owned()),
        |case| (case.origin.to_string(), case.target.to_string()),
    );
    let mut message = world.message(&author, body(kind, said.flavour, &from, &to));
    message.case.id = before.as_ref().map(|case| case.id);
    if said.emergency && kind.states_request() {
        message.priority = Some(Priority::Emergency);
    }
    let decision = world.tell(&message);
    match &decision {
        Decision::Changed(change) => {
            holds(world, before.as_ref(), change, &message.source.organisation)?;
            waits_exactly_while_somebody_must_act(&change.case)?;
        }
        Decision::Refused(refused) => {
            prop_assert!(refused.problem.code.as_str().starts_with("R0"));
            prop_assert!(!refused.problem.field.is_empty() && !refused.problem.text.is_empty());
            if let Some(case) = &before {
                let stranger = !sees(case, &message.source.organisation);
                let hidden = refused.refusal == Refusal::NotFound;
                let broker_only = matches!(kind, Kind::StatusReport | Kind::Receipt);
                prop_assert!(!stranger || hidden || broker_only, "a stranger learnt something");
            }
        }
        Decision::Answered(answer) => {
            prop_assert_eq!(kind, Kind::StatusQuery);
            prop_assert_eq!(&answer.destinations, &vec![message.source.organisation.clone()]);
        }
        Decision::Noted => {
            prop_assert!(matches!(kind, Kind::SlotPublish | Kind::SlotWithdraw));
        }
    }
    bookings_never_overlap(world)
}

fn tick(world: &mut World) -> Result<(), TestCaseError> {
    let before = world.cases.clone();
    for change in world.clock() {
        let case = before.iter().find(|case| case.id == change.case.id).unwrap();
        holds(world, Some(case), &change, &world.county.broker.clone())?;
        waits_exactly_while_somebody_must_act(&change.case)?;
        let again = change.case.deadlines.iter().all(|deadline| {
            deadline.due > world.now || case.deadlines.iter().any(|old| old == deadline)
        });
        prop_assert!(again, "an escalation is due at once again");
    }
    Ok(())
}

proptest! {
    // A failing life is printed whole; files of seeds would rot.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_hold_in_every_life(
        openings in vec((0..3_u8, 0..EVERYBODY.len(), 0..EVERYBODY.len(), 0..12_u8, any::<bool>()), 1..4),
        life in vec(said(), 1..60),
    ) {
        let mut world = World::new();
        for (family, from, to, flavour, emergency) in openings {
            let kind = [Kind::ReferralSubmit, Kind::TransferOffer, Kind::ConsultationRequest]
                [usize::from(family)];
            let mut message =
                world.message(EVERYBODY[from], body(kind, flavour, EVERYBODY[from], EVERYBODY[to]));
            if emergency {
                message.priority = Some(Priority::Emergency);
            }
            if let Decision::Changed(change) = world.tell(&message) {
                holds(&world, None, &change, &message.source.organisation)?;
                waits_exactly_while_somebody_must_act(&change.case)?;
            }
        }
        for said in &life {
            one_step(&mut world, said)?;
            tick(&mut world)?;
        }
    }

    /// A stranger gets the same answer in every state, and for a case that does not exist.
    #[test]
    fn a_stranger_cannot_tell_hidden_from_missing(
        life in vec(said(), 0..20), kind in 0..Kind::ALL.len(), flavour in 0..12_u8,
    ) {
        let mut world = World::new();
        world.open(VILLAGE, body(Kind::ReferralSubmit, 0, VILLAGE, LEAD));
        for said in &life {
            one_step(&mut world, &Said { case: 0, insider: true, ..said.clone() })?;
        }
        let kind = Kind::ALL[kind];
        prop_assume!(!kind.opens() && !sees(world.case(), &org(VILLAGE_C)));
        let said = |world: &mut World, id| {
            let mut message = world.message(VILLAGE_C, body(kind, flavour, VILLAGE_C, LEAD));
            message.case.id = Some(id);
            world.tell(&message)
        };

        let hidden = world.case().id;
        let hidden = said(&mut world, hidden);
        let missing = said(&mut world, uuid::Uuid::from_u128(7));

        prop_assert_eq!(hidden, missing);
    }

    /// Three consultations compete for the same experts and rooms.
    #[test]
    fn nothing_is_ever_booked_twice(life in vec((0..3_usize, 0..6_usize, 0..12_u8), 1..40)) {
        let mut world = World::new();
        for from in [TOWNSHIP, TOWNSHIP_B, VILLAGE_C] {
            let mut request = consultation(from, LEAD, ConsultationForm::Interactive);
            request.experts = vec![expert(LEAD, "E9")];
            let mut message = world.message(from, Body::ConsultationRequest(request));
            message.priority = Some(Priority::Emergency);
            world.tell(&message);
        }
        for (at, act, flavour) in life {
            let from = world.cases[at].origin.to_string();
            let (author, kind) = match act {
                0 => (from.as_str(), Kind::ConsultationCancel),
                1 => (LEAD, Kind::ConsultationNoShow),
                2 => (LEAD, Kind::ConsultationStart),
                _ => (LEAD, Kind::ConsultationSchedule),
            };
            world.say(author, Some(at), body(kind, flavour, &from, LEAD));
            bookings_never_overlap(&world)?;
        }
    }

    /// Whatever is left alone comes to rest or goes on calling somebody: it is never forgotten.
    #[test]
    fn a_case_left_alone_is_never_forgotten(life in vec(said(), 1..25), days in 1..80_i64) {
        let mut world = World::new();
        world.open(VILLAGE, body(Kind::ReferralSubmit, 0, VILLAGE, LEAD));
        for said in &life {
            one_step(&mut world, said)?;
        }
        for _ in 0..days {
            world.now += 24.hours();
            tick(&mut world)?;
        }
        for case in &world.cases {
            waits_exactly_while_somebody_must_act(case)?;
        }
    }
}
