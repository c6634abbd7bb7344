//! What the core promises about who may hear, see and say something of a case.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::ToSpan;
use tierlink_core::access::{Asker, Part, View, part_of, parties, view};
use tierlink_core::deadline::Name;
use tierlink_core::{Case, Decision};
use tierlink_schemas::answer::{Reason, Redirect, Review, Schedule};
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Kind, OrganisationCode, Priority};
use uuid::Uuid;

use crate::world::*;

fn sees(case: &Case, who: &str) -> View {
    view(case, Asker::Organisation(&org(who)))
}

/// What `who` hears when it says something of `kind` about the case, and about none at all.
fn both_answers(world: &mut World, who: &str, kind: Kind) -> (Decision, Decision) {
    let (from, to) = (world.case().origin.to_string(), world.case().target.to_string());
    let case = world.case().id;
    let mut ask = |id: Uuid| {
        let mut message = world.message(who, body(kind, 0, &from, &to));
        message.case.id = Some(id);
        world.tell(&message)
    };
    let nobodys = ask(Uuid::from_u128(7));
    (ask(case), nobodys)
}

/// For `who` the case must not be there: in no list, under no number, for no kind of message.
fn must_not_be_there(world: &mut World, who: &str, when: &str) {
    assert_eq!(sees(world.case(), who), View::Nothing, "{who} {when}");
    assert!(parties(world.case()).all(|party| *party != org(who)), "{who} {when}");
    for kind in Kind::ALL.iter().copied().filter(|kind| !kind.opens()) {
        let (theirs, nobodys) = both_answers(world, who, kind);
        assert_eq!(theirs, nobodys, "{who} {when} {kind}");
    }
}

fn village_asks(world: &mut World, target: &str) {
    world.open(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, target)));
}

#[test]
fn a_target_does_not_exist_for_a_case_that_no_review_has_let_go() {
    let mut world = World::new();
    village_asks(&mut world, LEAD);
    assert_eq!(world.state(), "in_review");
    must_not_be_there(&mut world, LEAD, "in review");
    assert_eq!(sees(world.case(), TOWNSHIP), View::Whole);

    world.taken(TOWNSHIP, Kind::ReferralReturn, 0);
    must_not_be_there(&mut world, LEAD, "returned");
    world.taken(VILLAGE, Kind::ReferralCancel, 0);
    must_not_be_there(&mut world, LEAD, "cancelled");

    let mut world = World::new();
    village_asks(&mut world, LEAD);
    world.now += 1000.hours();
    world.clock();
    assert_eq!(world.state(), "expired");
    must_not_be_there(&mut world, LEAD, "expired");
}

#[test]
fn experts_do_not_exist_for_a_consultation_in_review() {
    let mut world = World::new();
    let mut request = consultation(VILLAGE, LEAD, ConsultationForm::Interactive);
    request.experts = vec![expert(COUNTY_B, "E1"), expert(CITY, "E3")];
    world.open(VILLAGE, Body::ConsultationRequest(request));

    for who in [LEAD, COUNTY_B, CITY] {
        must_not_be_there(&mut world, who, "in review");
    }
    world.taken(TOWNSHIP, Kind::ConsultationReturn, 0);
    for who in [LEAD, COUNTY_B, CITY] {
        must_not_be_there(&mut world, who, "returned");
    }
}

#[test]
fn a_reviewer_sees_a_case_only_when_it_is_its_turn() {
    let mut world = World::new();
    village_asks(&mut world, CITY);
    assert_eq!(world.case().reviews, [org(TOWNSHIP), org(LEAD)]);
    must_not_be_there(&mut world, LEAD, "before its turn");

    let passed = world.taken(TOWNSHIP, Kind::ReferralReview, 0);

    assert_eq!(told(&passed), ["village-a referral.review", "lead referral.submit"]);
    assert_eq!(sees(world.case(), LEAD), View::Whole);
    must_not_be_there(&mut world, CITY, "in the second review");
}

#[test]
fn whoever_was_named_and_never_heard_stays_a_stranger() {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, CITY)));
    let elsewhere = Review { to: Some(org(COUNTY_B)), ..Review::default() };
    let sent = world.say(LEAD, Some(0), Body::ReferralReview(elsewhere));

    assert!(matches!(sent, Decision::Changed(_)));
    assert_eq!(world.case().target, org(COUNTY_B));
    must_not_be_there(&mut world, CITY, "sent elsewhere by the reviewer");

    let mut world = World::new();
    village_asks(&mut world, LEAD);
    world.taken(TOWNSHIP, Kind::ReferralReturn, 0);
    let amended = world.say(VILLAGE, Some(0), Body::ReferralAmend(referral(VILLAGE, COUNTY_B)));
    assert!(matches!(amended, Decision::Changed(_)));
    must_not_be_there(&mut world, LEAD, "amended to another target");
}

#[test]
fn nobody_above_is_called_for_a_case_that_is_not_let_go_yet() {
    let mut world = World::new();
    village_asks(&mut world, LEAD);

    let mut called = vec![];
    for _ in 0..200 {
        world.now += 1.hour();
        called.extend(world.clock().iter().flat_map(told));
    }

    assert!(called.contains(&"township-a status.report".to_owned()));
    assert!(called.contains(&"village-a status.report".to_owned()));
    assert!(!called.iter().any(|to| to.starts_with("lead")), "{called:?}");
    must_not_be_there(&mut world, LEAD, "after many calls");
}

#[test]
fn a_consultation_with_an_expert_outside_the_county_passes_the_lead_hospital() {
    for target in [LEAD, COUNTY_B] {
        let mut world = World::new();
        let mut request = consultation(TOWNSHIP, target, ConsultationForm::Interactive);
        request.experts = vec![expert(COUNTY_B, "E1"), expert(CITY, "E3")];
        let asked = world.open(TOWNSHIP, Body::ConsultationRequest(request));

        assert_eq!(told(&asked), ["lead consultation.request"]);
        assert_eq!(world.state(), "in_review");
        must_not_be_there(&mut world, CITY, "in review");
        let passed = world.taken(LEAD, Kind::ConsultationReview, 0);
        assert_eq!(world.state(), "dispatched");
        assert!(told(&passed).contains(&"city consultation.request".to_owned()));
        assert!(told(&passed).contains(&"county-b consultation.request".to_owned()));
    }
}

#[test]
fn what_the_lead_hospital_asks_outside_it_has_let_go() {
    let mut world = World::new();
    let mut request = consultation(LEAD, COUNTY_B, ConsultationForm::Interactive);
    request.experts = vec![expert(CITY, "E3")];

    let asked = world.open(LEAD, Body::ConsultationRequest(request));

    assert_eq!(told(&asked), ["county-b consultation.request", "city consultation.request"]);
}

#[test]
fn an_emergency_goes_to_experts_outside_at_once_and_says_so() {
    let mut world = World::new();
    let mut request = consultation(TOWNSHIP, COUNTY_B, ConsultationForm::Interactive);
    request.experts = vec![expert(CITY, "E3")];
    let mut message = world.message(TOWNSHIP, Body::ConsultationRequest(request));
    message.priority = Some(Priority::Emergency);

    let Decision::Changed(asked) = world.tell(&message) else { panic!("refused") };

    let all = ["county-b", "city", "lead"].map(|who| format!("{who} consultation.request"));
    assert_eq!(told(&asked), all);
    assert_eq!(asked.event.note.as_deref(), Some("reviews_skipped"));
}

/// A consultation at `COUNTY_B` that sets a session with one expert of the city.
fn session_with_the_city() -> (World, tierlink_core::Change) {
    let mut world = World::new();
    let mut request = consultation(TOWNSHIP, COUNTY_B, ConsultationForm::Interactive);
    request.experts = vec![expert(COUNTY_B, "E1")];
    world.open(TOWNSHIP, Body::ConsultationRequest(request));
    let mut appointment = session(3);
    appointment.experts = vec![expert_ref(COUNTY_B, "E1"), expert_ref(CITY, "E3")];
    let set = Body::ConsultationSchedule(Schedule { appointment, note: None });
    let Decision::Changed(change) = world.say(COUNTY_B, Some(0), set) else { panic!("refused") };
    (world, *change)
}

#[test]
fn an_expert_outside_who_is_added_with_a_session_waits_for_a_review_of_its_own() {
    let (mut world, set) = session_with_the_city();

    assert_eq!(world.state(), "scheduled");
    assert_eq!(
        told(&set),
        ["township-a consultation.schedule", "lead consultation.request"],
        "the lead hospital hears the request, which it must review"
    );
    must_not_be_there(&mut world, CITY, "held");
    let accepted =
        |world: &World| world.case().experts.iter().map(|asked| asked.accepted).collect::<Vec<_>>();
    assert_eq!(accepted(&world), [Some(true), None], "who knows of nothing has accepted nothing");
    assert!(world.case().deadlines.iter().any(|deadline| deadline.name == Name::Review));
    assert_eq!(world.refused(COUNTY_B, Kind::ConsultationReview, 0), "R022");
    assert_eq!(part_of(world.case(), &org(LEAD)), Part::Reviewer);

    let passed = world.taken(LEAD, Kind::ConsultationReview, 0);

    assert_eq!(world.state(), "scheduled", "the session stands");
    assert_eq!(accepted(&world), [Some(true), Some(true)]);
    assert!(told(&passed).contains(&"city consultation.request".to_owned()));
    assert_eq!(sees(world.case(), CITY), View::Whole);
    assert!(world.case().deadlines.iter().all(|deadline| deadline.name != Name::Review));
}

/// Found by `rules_hold_in_every_life`: where the lead hospital was the origin, whoever it had asked
/// could send its patient on to anybody.
#[test]
fn whoever_the_lead_hospital_asked_sends_nobody_further_without_it() {
    let mut world = World::new();
    let mut request = consultation(LEAD, NEIGHBOUR, ConsultationForm::Interactive);
    request.experts = vec![expert(NEIGHBOUR, "E1")];
    world.open(LEAD, Body::ConsultationRequest(request));
    let mut appointment = session(3);
    appointment.experts = vec![expert_ref(NEIGHBOUR, "E1"), expert_ref(CITY, "E3")];
    let set = Body::ConsultationSchedule(Schedule { appointment, note: None });

    let Decision::Changed(_) = world.say(NEIGHBOUR, Some(0), set) else { panic!("refused") };

    must_not_be_there(&mut world, CITY, "held");
    let passed = world.taken(LEAD, Kind::ConsultationReview, 0);
    assert!(told(&passed).contains(&"city consultation.request".to_owned()));
    assert_eq!(sees(world.case(), CITY), View::Whole);
}

#[test]
fn an_expert_outside_who_is_turned_away_leaves_the_session_and_never_hears_of_it() {
    let (mut world, _) = session_with_the_city();
    assert_eq!(world.case().bookings.len(), 2);

    let away = world.taken(LEAD, Kind::ConsultationReturn, 0);

    assert_eq!(world.state(), "scheduled");
    assert_eq!(away.event.note.as_deref(), Some("experts_turned_away"));
    assert_eq!(world.case().bookings.len(), 1, "the expert is free again");
    assert_eq!(world.case().context.appointment.as_ref().unwrap().experts.len(), 1);
    must_not_be_there(&mut world, CITY, "turned away");
}

#[test]
fn an_expert_outside_who_is_added_by_an_amendment_waits_too() {
    let mut world = World::new();
    let mut request = consultation(TOWNSHIP, COUNTY_B, ConsultationForm::Interactive);
    world.open(TOWNSHIP, Body::ConsultationRequest(request.clone()));
    request.experts = vec![expert(COUNTY_B, "E1"), expert(CITY, "E3")];
    let Decision::Changed(amended) =
        world.say(TOWNSHIP, Some(0), Body::ConsultationAmend(request.clone()))
    else {
        panic!("refused")
    };

    assert_eq!(world.state(), "dispatched", "its target goes on with it");
    assert_eq!(told(&amended), ["county-b consultation.amend", "lead consultation.request"]);
    must_not_be_there(&mut world, CITY, "held");
    world.now += 1.hour();
    world.say(TOWNSHIP, Some(0), Body::ConsultationAmend(request));
    let waits = world.case().experts.iter().find_map(|asked| asked.held.as_ref());
    assert_eq!(waits.unwrap().since, morning(), "asking again does not start its time anew");
}

#[test]
fn a_reading_leaves_the_county_only_after_a_review() {
    let mut world = World::new();
    let reading = consultation(TOWNSHIP, CITY, ConsultationForm::Reading);
    let asked = world.open(TOWNSHIP, Body::ConsultationRequest(reading));

    assert_eq!(world.state(), "in_review");
    assert_eq!(told(&asked), ["lead consultation.request"]);
    must_not_be_there(&mut world, CITY, "in review");
    world.now += 2.hours();
    let passed = world.taken(LEAD, Kind::ConsultationReview, 0);
    assert_eq!(world.state(), "uploaded");
    assert!(told(&passed).contains(&"city consultation.request".to_owned()));
    assert_eq!(world.case().terms.uploaded_at, Some(world.now), "its time begins now");
    assert_eq!(world.refused(CITY, Kind::ConsultationReturn, 0), "R048");
}

#[test]
fn a_transfer_leaves_the_county_only_from_the_lead_hospital() {
    let mut world = World::new();
    let from_b = world.say(COUNTY_B, None, Body::TransferOffer(offer(COUNTY_B, NEIGHBOUR)));
    assert_eq!(code(&from_b), "R071");

    let mut world = World::new();
    let from_lead = world.open(LEAD, Body::TransferOffer(offer(LEAD, NEIGHBOUR)));
    assert_eq!(told(&from_lead), ["neighbour transfer.offer"]);

    let mut world = World::new();
    world.open(COUNTY_B, Body::TransferOffer(offer(COUNTY_B, TOWNSHIP)));
    let away =
        Redirect { to: org(NEIGHBOUR), department: None, reason: Reason::code("RD01"), by: None };
    assert_eq!(code(&world.say(COUNTY_B, Some(0), Body::TransferRedirect(away))), "R071");
}

#[test]
fn a_redirect_out_of_the_county_is_reviewed_even_when_the_lead_hospital_asked() {
    for origin in [TOWNSHIP, LEAD] {
        let mut world = World::new();
        world.open(origin, Body::ReferralSubmit(referral(origin, COUNTY_B)));

        let away = world.taken(COUNTY_B, Kind::ReferralRedirect, 2);

        assert_eq!(world.case().target, org(CITY));
        assert_eq!(world.state(), "in_review");
        assert!(!told(&away).iter().any(|to| to.starts_with("city")), "{origin}");
        must_not_be_there(&mut world, CITY, "in review");
        let passed = world.taken(LEAD, Kind::ReferralReview, 0);
        assert!(told(&passed).contains(&"city referral.submit".to_owned()), "{origin}");
    }
}

#[test]
fn a_case_from_outside_leaves_the_county_again_only_after_a_review() {
    let mut world = World::new();
    let request = consultation(CITY, COUNTY_B, ConsultationForm::Interactive);
    world.open(CITY, Body::ConsultationRequest(request));
    let mut appointment = session(3);
    appointment.experts = vec![expert_ref(CITY, "E3"), expert_ref(PROVINCE, "E7")];
    world.say(COUNTY_B, Some(0), Body::ConsultationSchedule(Schedule { appointment, note: None }));

    assert_eq!(world.state(), "scheduled");
    must_not_be_there(&mut world, PROVINCE, "held");
}

#[test]
fn a_past_target_learns_nothing_of_what_came_after() {
    let mut world = submitted();
    let mut parent = world.message(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    parent.case.parent = Some(world.case().number.clone());
    world.tell(&parent);
    world.cases.remove(0);
    world.taken(LEAD, Kind::ReferralRedirect, 1);
    let left = world.now;
    world.now += 1.hour();
    let mut urgent = world.message(TOWNSHIP, Body::ReferralAmend(referral(TOWNSHIP, COUNTY_B)));
    urgent.case.id = Some(world.case().id);
    urgent.priority = Some(Priority::Urgent);
    world.tell(&urgent);
    world.taken(COUNTY_B, Kind::ReferralAccept, 0);
    world.taken(COUNTY_B, Kind::ReferralSchedule, 3);

    let asked = world.say(LEAD, Some(0), body(Kind::StatusQuery, 0, LEAD, LEAD));

    let Decision::Answered(answer) = asked else { panic!("{asked:?}") };
    assert_eq!(sees(world.case(), LEAD), View::Until(left));
    let Body::StatusReport(report) = &answer.body else { panic!("a report") };
    assert_eq!(report.state, "redirected");
    assert_eq!((&report.with, report.since, &report.appointment), (&None, Some(left), &None));
    assert_eq!(answer.priority, Some(Priority::Routine), "as it was then");
    assert_eq!((&answer.case.parent, &answer.context), (&None, &None));
    assert_eq!(answer.case.state.as_deref(), Some("redirected"));
}

/// Who stands where in the cases of the matrix.
const EVERY_PART: [(&str, &str); 9] = [
    ("origin", VILLAGE),
    ("first reviewer", TOWNSHIP),
    ("lead hospital", LEAD),
    ("target", COUNTY_B),
    ("expert inside", READING),
    ("target or expert outside", CITY),
    ("later expert outside", PROVINCE),
    ("village beside it", VILLAGE_B),
    ("stranger", TOWNSHIP_B),
];

/// A case and how it came to where it stands.
struct Stage {
    name: &'static str,
    world: World,
    /// Who heard what at each step.
    heard: BTreeMap<OrganisationCode, Vec<String>>,
}

impl Stage {
    fn new(name: &'static str) -> Self {
        Self { name, world: World::new(), heard: BTreeMap::new() }
    }

    fn say(mut self, author: &str, body: Body) -> Self {
        let at = (!self.world.cases.is_empty()).then_some(0);
        match self.world.say(author, at, body) {
            Decision::Changed(change) => {
                for dispatch in &change.dispatches {
                    let message = change.messages.iter().find(|m| m.id == dispatch.message);
                    let kind = message.unwrap().kind().to_string();
                    self.heard.entry(dispatch.to.clone()).or_default().push(kind);
                }
            }
            other => panic!("{}: {author}: {other:?}", self.name),
        }
        self
    }

    fn then(self, author: &str, kind: Kind) -> Self {
        let (from, to) =
            (self.world.case().origin.to_string(), self.world.case().target.to_string());
        self.say(author, body(kind, 0, &from, &to))
    }
}

/// A referral that leaves the county, at each step of its reviews.
fn referrals() -> Vec<Stage> {
    let out = |name| Stage::new(name).say(VILLAGE, Body::ReferralSubmit(referral(VILLAGE, CITY)));
    let second = |name| out(name).then(TOWNSHIP, Kind::ReferralReview);
    let free = |name| second(name).then(LEAD, Kind::ReferralReview);
    let elsewhere = || {
        let to = Some(org(COUNTY_B));
        Body::ReferralReview(Review { to, ..Review::default() })
    };
    let back = || {
        let reason = Reason::code("RD01");
        Body::ReferralRedirect(Redirect { to: org(COUNTY_B), department: None, reason, by: None })
    };
    vec![
        out("referral out, first review"),
        out("referral out, returned by the first reviewer").then(TOWNSHIP, Kind::ReferralReturn),
        out("referral out, cancelled in review").then(VILLAGE, Kind::ReferralCancel),
        second("referral out, second review"),
        second("referral out, sent inside by the lead hospital").say(LEAD, elsewhere()),
        free("referral out, let go"),
        free("referral out, ended").then(CITY, Kind::ReferralDecline),
        free("referral out, redirected inside").say(CITY, back()),
    ]
}

/// A consultation with experts inside and outside, at each step of its reviews.
fn consultations() -> Vec<Stage> {
    let request = || {
        let mut asked = consultation(VILLAGE, COUNTY_B, ConsultationForm::Interactive);
        asked.experts = vec![expert(READING, "E1"), expert(CITY, "E3")];
        Body::ConsultationRequest(asked)
    };
    let session = || {
        let mut appointment = session(3);
        appointment.experts = vec![expert_ref(READING, "E1"), expert_ref(PROVINCE, "E7")];
        Body::ConsultationSchedule(Schedule { appointment, note: None })
    };
    let asks = |name| Stage::new(name).say(VILLAGE, request());
    let second = |name| asks(name).then(TOWNSHIP, Kind::ConsultationReview);
    let free = |name| second(name).then(LEAD, Kind::ConsultationReview);
    let held = |name| free(name).say(COUNTY_B, session());
    vec![
        asks("consultation, first review"),
        asks("consultation, returned").then(TOWNSHIP, Kind::ConsultationReturn),
        second("consultation, second review"),
        free("consultation, let go"),
        held("consultation, a later expert is held"),
        held("consultation, the later expert is let go").then(LEAD, Kind::ConsultationReview),
        held("consultation, the later expert is turned away").then(LEAD, Kind::ConsultationReturn),
        free("consultation, cancelled").then(VILLAGE, Kind::ConsultationCancel),
    ]
}

/// What each part reads, has heard and may say, at each stage: one line for each.
#[test]
fn who_may_read_hear_and_act_at_each_stage_of_the_reviews() {
    let mut text = String::new();
    for stage in referrals().into_iter().chain(consultations()) {
        writeln!(text, "{} ({})", stage.name, stage.world.state()).unwrap();
        for (part, who) in EVERY_PART {
            writeln!(text, "  {part}: {who}").unwrap();
            writeln!(text, "    reads {}", reads(stage.world.case(), who)).unwrap();
            let heard = stage.heard.get(&org(who)).cloned().unwrap_or_default();
            writeln!(text, "    heard {}", list(&heard)).unwrap();
            writeln!(text, "    may say {}", list(&may_say(&stage.world, who))).unwrap();
        }
    }
    insta::assert_snapshot!("matrix", text);
}

fn reads(case: &Case, who: &str) -> &'static str {
    match sees(case, who) {
        View::Whole => "everything",
        View::Until(_) => "what was until it left",
        View::Nothing => "nothing",
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// The kinds that `who` may say about the case. Whoever sees nothing must be told the same of each
/// kind as of a case that does not exist.
fn may_say(world: &World, who: &str) -> Vec<String> {
    let kinds = Kind::ALL.iter().copied().filter(|kind| !kind.opens());
    let mut said = vec![];
    for kind in kinds {
        let mut trial = world.clone();
        let (theirs, nobodys) = both_answers(&mut trial, who, kind);
        if sees(world.case(), who) == View::Nothing {
            assert_eq!(theirs, nobodys, "{who} {kind}");
        }
        let heard = match theirs {
            Decision::Changed(_) | Decision::Answered(_) => true,
            Decision::Noted | Decision::Refused(_) => false,
        };
        if heard {
            said.push(kind.to_string());
        }
    }
    said
}
