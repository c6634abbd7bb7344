//! What a message says about the patient is compared with the case before anything else is decided.

use proptest::prelude::*;
use tierlink_core::subject::{Stated, becomes_another, contradict};
use tierlink_core::{Case, Decision};
use tierlink_schemas::person::{
    IdentifierKind, Identity, IdentityDocument, Patient, PatientIdentifier,
};
use tierlink_schemas::{Body, Kind, Message};

use crate::world::*;

const CARD: &str = "990101195001010010";
const CARD_OLD: &str = "990101500101001";
const OTHER_CARD: &str = "990101195001010037";

fn card(number: &str) -> IdentityDocument {
    IdentityDocument { kind: "01".into(), number: number.into(), of_mother: false }
}

/// `name born` with a dash for what is not stated.
fn patient(number: Option<&str>, name: &str, born: &str) -> Patient {
    Patient {
        name: (name != "-").then(|| name.to_owned()),
        birth_date: born.parse().ok(),
        document: number.map(card),
        ..Patient::default()
    }
}

fn with_number(mut patient: Patient, assigner: Option<&str>, value: &str) -> Patient {
    patient.identifiers.push(PatientIdentifier {
        kind: IdentifierKind::RecordNumber,
        value: value.into(),
        assigner: assigner.map(str::to_owned),
        label: None,
    });
    patient
}

fn as_identity(mut patient: Patient, identity: Identity) -> Patient {
    patient.identity = identity;
    patient
}

fn differ(one: &Patient, other: &Patient) -> bool {
    let (here, there) = (org(TOWNSHIP), org(LEAD));
    let (one, other) = (Stated { patient: one, by: &here }, Stated { patient: other, by: &there });
    let answer = contradict(one, other);
    assert_eq!(answer, contradict(other, one), "the order must not matter");
    answer
}

#[test]
fn two_statements_are_of_one_person_unless_that_is_impossible() {
    let table = [
        // The identity number decides alone.
        (true, Some(CARD), "张三", "1950-01-01", Some(OTHER_CARD), "张三", "1950-01-01"),
        (false, Some(CARD), "张三", "1950-01-01", Some(CARD), "李四", "1960-02-02"),
        (false, Some(CARD), "-", "-", Some(" 990101 19500101 0010"), "-", "-"),
        (false, Some(CARD), "-", "-", Some(CARD_OLD), "-", "-"),
        // Without one, birth date and name decide together.
        (true, None, "张三", "1950-01-01", None, "李四", "1960-02-02"),
        (true, Some(CARD), "张三", "1950-01-01", None, "李四", "1960-02-02"),
        (true, Some(CARD), "张三", "-", None, "李四", "1960-02-02"),
        (false, None, "张三", "1950-01-01", None, "李四", "1950-01-01"),
        (false, None, "张三", "1950-01-01", None, "张三", "1960-02-02"),
        (false, None, "张三", "-", None, "李四", "1960-02-02"),
        (false, None, "-", "1950-01-01", None, "李四", "1960-02-02"),
        // A number that is none is no statement.
        (false, Some(CARD), "张三", "1950-01-01", Some("990101195001010011"), "张三", "1950-01-01"),
        (true, Some(CARD), "张三", "1950-01-01", Some("9901011950****0011"), "李四", "1960-02-02"),
        // Names are compared as people read them.
        (false, None, "阿依古丽·买买提", "1950-01-01", None, "阿依古丽．买买提", "1960-02-02"),
        (false, None, "阿依古丽·买买提", "1950-01-01", None, "阿依古丽买买提", "1960-02-02"),
        (false, None, "Li Xiaoyan", "1950-01-01", None, "XIAOYAN ＬＩ", "1960-02-02"),
        (true, None, "Li Xiaoyan", "1950-01-01", None, "Wang Wu", "1960-02-02"),
        (false, None, "李晓燕", "1950-01-01", None, "LI XIAOYAN", "1960-02-02"),
        (false, None, "李晓燕", "1950-01-01", None, "张*燕", "1960-02-02"),
        (false, None, "李𠮷", "1950-01-01", None, "李\u{E123}", "1960-02-02"),
        (true, None, "李𠮷", "1950-01-01", None, "李𠮶", "1960-02-02"),
        (false, None, "无名氏", "1950-01-01", None, "李四", "1960-02-02"),
    ];
    for (at, (want, number, name, born, other_number, other_name, other_born)) in
        table.into_iter().enumerate()
    {
        let one = patient(number, name, born);
        let other = patient(other_number, other_name, other_born);

        assert_eq!(differ(&one, &other), want, "line {at}");
    }
}

#[test]
fn a_number_of_the_same_series_counts_together_with_name_or_birth_date() {
    let zhang = || patient(None, "张三", "1950-01-01");
    let li = || patient(None, "李四", "1950-01-01");
    let ours = with_number(zhang(), Some("MPI-GZ"), "7");

    assert!(differ(&ours, &with_number(li(), Some("MPI-GZ"), "8")));
    assert!(!differ(&ours, &with_number(zhang(), Some("MPI-GZ"), "8")), "nothing else differs");
    assert!(!differ(&ours, &with_number(li(), Some("MPI-GZ"), " 7 ")), "the number is the same");
    assert!(!differ(&ours, &with_number(li(), Some("HIS-B"), "8")), "another series");
    assert!(!differ(&ours, &with_number(li(), None, "8")), "an unnamed series");
    let both = with_number(with_number(li(), Some("MPI-GZ"), "8"), Some("MPI-GZ"), "7");
    assert!(!differ(&ours, &both), "one of the two is the same");
    let unnamed = with_number(zhang(), None, "7");
    assert!(!differ(&unnamed, &with_number(li(), None, "8")), "each hospital counts for itself");
    let (here, other) = (org(LEAD), with_number(li(), None, "8"));
    let by = |patient| Stated { patient, by: &here };
    assert!(contradict(by(&unnamed), by(&other)), "one hospital's own numbers");
}

#[test]
fn nobody_is_told_apart_from_an_unknown_or_newborn_patient_by_name() {
    let known = with_number(patient(None, "李四", "1960-02-02"), Some("MPI-GZ"), "8");
    for identity in [Identity::Unknown, Identity::Newborn] {
        let before = as_identity(patient(None, "张三之子", "1950-01-01"), identity);

        assert!(!differ(&before, &known), "{identity:?}");
    }
    let numbered = |identity| {
        with_number(as_identity(patient(None, "某", "1950-01-01"), identity), Some("MPI-GZ"), "7")
    };
    assert!(!differ(&numbered(Identity::Unknown), &known), "the birth date was a guess");
    assert!(differ(&numbered(Identity::Newborn), &known), "a newborn's birth date is known");
}

#[test]
fn the_mothers_number_is_not_the_newborns() {
    let mut newborn = as_identity(patient(Some(CARD), "张三之子", "-"), Identity::Newborn);
    if let Some(document) = &mut newborn.document {
        document.of_mother = true;
    }

    assert!(!differ(&newborn, &patient(Some(OTHER_CARD), "张小宝", "2026-03-04")));
}

fn a_known_case() -> World {
    let mut request = referral(TOWNSHIP, LEAD);
    request.patient = patient(Some(CARD), "张三", "1950-01-01");
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(request));
    world
}

fn about(world: &mut World, author: &str, kind: Kind, subject: Patient) -> Message {
    let mut message = world.message(author, body(kind, 0, TOWNSHIP, LEAD));
    message.case.id = Some(world.case().id);
    message.subject = Some(subject);
    message
}

fn told_of(world: &mut World, author: &str, kind: Kind, subject: Patient) -> Decision {
    let message = about(world, author, kind, subject);
    world.tell(&message)
}

fn stranger() -> Patient {
    patient(Some(OTHER_CARD), "李四", "1960-02-02")
}

#[test]
fn an_answer_about_another_patient_is_refused_and_changes_nothing() {
    let kinds = [Kind::ReferralAccept, Kind::ReferralSchedule, Kind::ReferralArrive];
    for kind in kinds.into_iter().chain([Kind::ReferralFeedback, Kind::StatusQuery]) {
        let mut world = a_known_case();
        let before: Case = world.case().clone();

        let Decision::Refused(refused) = told_of(&mut world, LEAD, kind, stranger()) else {
            panic!("{kind} was taken")
        };

        assert_eq!(refused.problem.code.as_str(), "R018", "{kind}");
        assert_eq!(refused.problem.field, "subject");
        assert_eq!(refused.refusal, tierlink_schemas::Refusal::Invalid);
        assert!(!refused.problem.text.contains("张三"), "{kind}");
        assert_eq!(world.case(), &before);
    }
}

#[test]
fn an_answer_about_the_same_patient_is_taken_and_leaves_without_the_senders_view() {
    let mut world = a_known_case();
    let same = patient(Some(CARD_OLD), "张 三", "1950-01-01");

    let Decision::Changed(change) = told_of(&mut world, LEAD, Kind::ReferralAccept, same.clone())
    else {
        panic!("refused")
    };

    let message = &change.messages[0];
    assert_eq!(message.subject, None);
    assert_eq!(message.context.as_ref().unwrap().patient, world.case().context.patient);
    assert_eq!(world.case().context.patient.name.as_deref(), Some("张三"), "never stored");
    let Decision::Answered(answer) = told_of(&mut world, LEAD, Kind::StatusQuery, same) else {
        panic!("refused")
    };
    assert_eq!(answer.subject, None);
}

#[test]
fn a_stranger_learns_nothing_from_naming_a_patient() {
    let mut world = a_known_case();
    let right = world.case().context.patient.clone();

    let with_the_right_one = told_of(&mut world, COUNTY_B, Kind::ReferralAccept, right);
    let with_a_wrong_one = told_of(&mut world, COUNTY_B, Kind::ReferralAccept, stranger());

    assert_eq!(code(&with_the_right_one), "R002");
    assert_eq!(with_the_right_one, with_a_wrong_one);
}

#[test]
fn a_request_that_names_two_patients_is_refused() {
    let mut world = World::new();
    let mut request = referral(TOWNSHIP, LEAD);
    request.patient = patient(Some(CARD), "张三", "1950-01-01");
    let mut message = world.message(TOWNSHIP, Body::ReferralSubmit(request));
    message.subject = Some(stranger());

    assert_eq!(code(&world.tell(&message)), "R018");
}

fn amended(world: &mut World, patient: Patient) -> Decision {
    let mut request = referral(TOWNSHIP, LEAD);
    request.patient = patient;
    world.say(TOWNSHIP, Some(0), Body::ReferralAmend(request))
}

#[test]
fn an_amendment_corrects_the_patient_but_makes_nobody_else_of_it() {
    let mut world = a_known_case();

    let refused = amended(&mut world, stranger());

    let Decision::Refused(refused) = refused else { panic!("taken") };
    assert_eq!(refused.problem.code.as_str(), "R018");
    assert_eq!(refused.problem.field, "body.patient");
    // Without the number nothing says that a patient of another name or birth date is the same one.
    for other in [
        patient(None, "李四", "-"),
        patient(None, "李四", "1950-01-01"),
        patient(None, "张三", "1960-02-02"),
        patient(None, "李四", "1960-02-02"),
    ] {
        let Decision::Refused(refused) = amended(&mut world, other) else { panic!("taken") };
        assert_eq!(refused.problem.code.as_str(), "R018");
    }
    let corrected = patient(Some(CARD), "张叁", "1950-10-01");
    assert!(matches!(amended(&mut world, corrected), Decision::Changed(_)));
    assert_eq!(world.case().context.patient.name.as_deref(), Some("张叁"));
    let without = patient(None, "张叁", "1950-10-01");
    assert!(matches!(amended(&mut world, without), Decision::Changed(_)));
    assert!(matches!(amended(&mut world, stranger()), Decision::Refused(_)), "name and birth date");
    let found_again = patient(Some(CARD), "张叁", "1950-01-01");
    assert!(matches!(amended(&mut world, found_again), Decision::Changed(_)));
}

#[test]
fn an_unknown_patient_may_get_a_name_and_a_number() {
    let mut world = World::new();
    let mut request = referral(TOWNSHIP, LEAD);
    request.patient = as_identity(patient(Some(CARD), "无名氏", "1950-01-01"), Identity::Unknown);
    world.open(TOWNSHIP, Body::ReferralSubmit(request));

    assert!(matches!(amended(&mut world, stranger()), Decision::Changed(_)));
    assert_eq!(world.case().context.patient.name.as_deref(), Some("李四"));
}

fn any_patient() -> impl Strategy<Value = Patient> {
    let number = prop_oneof![
        Just(None),
        Just(Some(CARD)),
        Just(Some(CARD_OLD)),
        Just(Some(OTHER_CARD)),
        Just(Some("990101195001010011")),
    ];
    let name = prop_oneof![Just("-"), Just("张三"), Just("张·三"), Just("李四"), Just("Zhang San")];
    let born = prop_oneof![Just("-"), Just("1950-01-01"), Just("1960-02-02")];
    let identity =
        prop_oneof![Just(Identity::Known), Just(Identity::Unknown), Just(Identity::Newborn)];
    let record = prop_oneof![Just(None), Just(Some("7")), Just(Some("8"))];
    (number, name, born, identity, record).prop_map(|(number, name, born, identity, record)| {
        let patient = as_identity(patient(number, name, born), identity);
        match record {
            Some(value) => with_number(patient, Some("MPI-GZ"), value),
            None => patient,
        }
    })
}

proptest! {
    #[test]
    fn nobody_contradicts_what_says_less_of_the_same_person(
        patient in any_patient(), name in any::<bool>(), born in any::<bool>(),
        document in any::<bool>(), numbers in any::<bool>(),
    ) {
        let mut less = patient.clone();
        if name { less.name = None; }
        if born { less.birth_date = None; }
        if document { less.document = None; }
        if numbers { less.identifiers.clear(); }

        prop_assert!(!differ(&patient, &patient));
        // A birth date may contradict the number beside it; the check refuses that in requests.
        let consistent = patient.birth_date.is_none_or(|born| born.year() == 1950);
        prop_assert!(!consistent || !differ(&patient, &less));
    }

    #[test]
    fn one_difference_beside_the_identity_number_never_decides(
        one in any_patient(), other in any_patient(),
    ) {
        let has_number = |patient: &Patient| patient.document.is_some();
        let mut near = other.clone();
        near.name.clone_from(&one.name);
        near.identifiers.clone_from(&one.identifiers);
        prop_assume!(!has_number(&one) || !has_number(&near));

        prop_assert!(!differ(&one, &near));
    }

    #[test]
    fn an_amendment_is_about_somebody_else_by_its_number_or_else_by_what_is_left(
        before in any_patient(), after in any_patient(),
    ) {
        let by = org(TOWNSHIP);
        let of = |patient| Stated { patient, by: &by };

        let another = becomes_another(of(&before), of(&after));

        let number = |patient: &Patient| {
            let number = patient.document.as_ref().map(|it| it.number.clone());
            let broken = number.as_ref().is_some_and(|n| n.ends_with('1') && n.len() == 18);
            number.filter(|_| !broken).map(|n| n == OTHER_CARD)
        };
        let expected = match (number(&before), number(&after)) {
            _ if before.identity != Identity::Known => false,
            (Some(before), Some(after)) => before != after,
            (None, _) => differ(&before, &after),
            (Some(_), None) => {
                another && (before.name != after.name || before.birth_date != after.birth_date)
                    || differ(&before, &after)
            }
        };
        prop_assert_eq!(another, expected);
    }
}
