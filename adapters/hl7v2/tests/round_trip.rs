//! Every kind that HL7 v2 carries means the same after a journey through HL7 v2.
//!
//! The messages are the canonical examples, one per kind; the journey is repeated for old and new
//! versions and for both character sets that hospitals use.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;
use tierlink_codec::Profile;
use tierlink_codec::{Codec, Directory, FamilyKnown, Organisation, Reading, Writing};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::message::{Context, Message, from_slice};
use tierlink_schemas::{Body, Kind, OrganisationCode, Tier};
use uuid::Uuid;

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn county() -> Directory {
    let organisation = |text: &str, tier, outside| Organisation {
        code: code(text),
        name: text.to_owned(),
        name_en: None,
        tier,
        parent: None,
        outside,
        aliases: Vec::new(),
    };
    let all = vec![
        organisation("330199103", Tier::Village, false),
        organisation("330199101", Tier::Township, false),
        organisation("330199102", Tier::Township, false),
        organisation("330199001", Tier::County, false),
        organisation("330100001", Tier::City, true),
    ];
    Directory::new(all, Some(code("330199001")))
}

fn examples() -> Vec<Message> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/examples");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    paths.into_iter().map(|path| from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// The broker adds patient and parties to everything that does not carry them itself.
fn with_context(mut message: Message, all: &[Message]) -> Message {
    let submit = all.iter().find(|m| m.kind() == Kind::ReferralSubmit).unwrap();
    let Body::ReferralSubmit(request) = &submit.body else { panic!("the example is a referral") };
    if message.body.patient().is_none() && message.context.is_none() {
        message.context = Some(Context {
            patient: request.patient.clone(),
            from: request.from.clone(),
            to: request.to.clone(),
            diagnoses: Vec::new(),
            appointment: None,
            direction: None,
        });
    }
    message
}

fn carried(kind: Kind) -> bool {
    !matches!(kind, Kind::SlotPublish | Kind::SlotWithdraw | Kind::Receipt)
}

fn profile_of(organisation: &OrganisationCode, version: &str, charset: &str) -> Profile {
    let tier = county().tier(organisation).unwrap();
    let mut profile = Profile::bare(organisation.clone(), tier, "hl7v2");
    version.clone_into(&mut profile.format.version);
    profile.format.charset = Some(charset.to_owned());
    profile
}

fn travel(message: &Message, version: &str, charset: &str) -> (Message, FamilyKnown) {
    let directory = county();
    let source = &message.source.organisation;
    let to = [message.to(), message.from()]
        .into_iter()
        .flatten()
        .map(|party| party.organisation.clone())
        .find(|other| other != source)
        .unwrap();
    let receiver = profile_of(&to, version, charset);
    let writing = Writing { profile: &receiver, directory: &directory };
    let encoded = Hl7v2.encode(message, &to, &writing).unwrap();
    assert_eq!(encoded.losses, [], "{}", message.kind());

    let sender = profile_of(source, version, charset);
    let id = Uuid::from_u128(7);
    let at: Timestamp = "2026-03-10T02:00:00Z".parse().unwrap();
    let reading =
        Reading { profile: &sender, directory: &directory, id, received_at: at, head: None };
    let decoded = Hl7v2.decode(&encoded.bytes, &reading);
    match decoded.outcome {
        Ok((read, family)) => {
            assert_eq!(read.source.message_id, encoded.control_id);
            (read, family)
        }
        Err(problems) => panic!(
            "{} in {version}: {problems:?}\n{}",
            message.kind(),
            String::from_utf8_lossy(&encoded.bytes).replace('\r', "\n")
        ),
    }
}

fn body(message: &Message) -> Value {
    serde_json::to_value(&message.body).unwrap()
}

#[test]
fn every_kind_means_the_same_after_the_journey() {
    let all = examples();
    for version in ["2.3.1", "2.4", "2.5.1", "2.8"] {
        for charset in ["UTF-8", "GB18030"] {
            for message in all.iter().filter(|message| carried(message.kind())) {
                let message = with_context(message.clone(), &all);

                let (read, family) = travel(&message, version, charset);

                assert_eq!(read.kind(), message.kind(), "{version}");
                let same = body(&read) == body(&message);
                assert!(
                    same,
                    "{} in {version}:\n{:#}\nwas\n{:#}",
                    message.kind(),
                    body(&read),
                    body(&message)
                );
                assert_eq!(family, FamilyKnown::Stated, "{}", message.kind());
                assert_eq!(read.case.number, message.case.number, "{}", message.kind());
                assert_eq!(read.occurred_at, message.occurred_at, "{}", message.kind());
                if message.kind().states_request() {
                    assert_eq!(read.extras, [], "{}", message.kind());
                    assert_eq!(read.subject, None, "{}", message.kind());
                } else {
                    let (told, known) = (read.subject.unwrap(), message.patient().unwrap());
                    assert_eq!(told.name, known.name, "{}", message.kind());
                    assert_eq!(told.birth_date, known.birth_date, "{}", message.kind());
                    assert_eq!(told.document, known.document, "{}", message.kind());
                }
            }
        }
    }
}

#[test]
fn priority_and_every_number_survive_where_the_referral_is_stated() {
    let all = examples();
    for message in &all {
        let stated = message.kind().states_request();
        if !stated {
            continue;
        }

        let (read, _) = travel(message, "2.5.1", "UTF-8");

        assert_eq!(read.priority, message.priority, "{}", message.kind());
        for number in &message.case.numbers {
            assert!(read.case.numbers.contains(number), "{}", message.kind());
        }
        assert_eq!(
            read.destinations.first(),
            message.to().filter(|_| message.kind().opens()).map(|to| &to.organisation)
        );
    }
}

#[test]
fn an_answer_names_the_message_that_it_answers() {
    let all = examples();
    let accept = all.iter().find(|m| m.kind() == Kind::ReferralAccept).unwrap();
    let mut accept = with_context(accept.clone(), &all);
    let reply = tierlink_schemas::message::ReplyTo {
        message_id: Some("HIS-0001".to_owned()),
        ..Default::default()
    };
    accept.in_reply_to = Some(reply);

    let (read, _) = travel(&accept, "2.4", "GB18030");

    let answered = read.in_reply_to.unwrap().message_id;
    assert_eq!(answered.as_deref(), Some("HIS-0001"));
}

#[test]
fn the_same_message_gives_the_same_bytes_at_every_try() {
    let all = examples();
    let directory = county();
    let to = code("330199001");
    let receiver = profile_of(&to, "2.5.1", "GB18030");
    let writing = Writing { profile: &receiver, directory: &directory };
    let submit = all.iter().find(|m| m.kind() == Kind::ReferralSubmit).unwrap();

    let tries: Vec<_> =
        (0..3).map(|_| Hl7v2.encode(submit, &to, &writing).unwrap().bytes).collect();

    assert_eq!(tries[0], tries[1]);
    assert_eq!(tries[1], tries[2]);
}

#[test]
fn what_hl7_has_no_form_for_is_refused_and_not_bent() {
    let all = examples();
    let directory = county();
    let to = code("330199001");
    let receiver = profile_of(&to, "2.5.1", "UTF-8");
    let writing = Writing { profile: &receiver, directory: &directory };
    for message in all.iter().filter(|message| !carried(message.kind())) {
        let problems = Hl7v2.encode(message, &to, &writing).unwrap_err();

        assert_eq!(problems[0].code.as_str(), "D031", "{}", message.kind());
    }
}

#[test]
fn a_priority_that_the_receiver_has_no_code_for_is_a_loss_of_safety() {
    let all = examples();
    let directory = county();
    let to = code("330199001");
    let mut receiver = profile_of(&to, "2.5.1", "UTF-8");
    receiver.codes.priority.insert("1".to_owned(), "emergency".to_owned());
    let writing = Writing { profile: &receiver, directory: &directory };
    let submit = all.iter().find(|m| m.kind() == Kind::ReferralSubmit).unwrap();

    let encoded = Hl7v2.encode(submit, &to, &writing).unwrap();

    assert!(encoded.losses.iter().any(|loss| loss.safety && loss.field == "priority"));
}

/// A referral to a hospital that reads GBK, of a patient whose name GBK has not.
fn rare(change: impl FnOnce(&mut Message)) -> Result<tierlink_codec::Encoded, Vec<String>> {
    let all = examples();
    let directory = county();
    let to = code("330199001");
    let receiver = profile_of(&to, "2.5.1", "GBK");
    let writing = Writing { profile: &receiver, directory: &directory };
    let submit = all.iter().find(|m| m.kind() == Kind::ReferralSubmit).unwrap();
    let mut submit = submit.clone();
    if let Body::ReferralSubmit(request) = &mut submit.body {
        request.patient.name = Some("阿依古丽·𠮷".to_owned());
        request.clinical.notes = vec!["肌酐 88 µmol/L，体表面积 1.7 m²".to_owned()];
    }
    change(&mut submit);
    let told = |p: tierlink_schemas::Problem| format!("{} {}", p.code.as_str(), p.field);
    Hl7v2
        .encode(&submit, &to, &writing)
        .map_err(|problems| problems.into_iter().map(told).collect())
}

#[test]
fn a_character_that_the_receiver_lacks_does_not_hold_up_the_patient() {
    let encoded = rare(|_| {}).unwrap();

    let (text, _, bad) = encoding_rs::GBK.decode(&encoded.bytes);
    assert!(!bad);
    assert!(text.contains("|阿依古丽·〓"), "{text}");
    assert!(text.contains("U+20BB7"), "a remark names the character");
    assert!(text.contains("88 umol/L，体表面积 1.7 m2"), "{text}");
    let lost: Vec<&str> = encoded.losses.iter().map(|loss| loss.field.as_str()).collect();
    assert!(lost.contains(&"PID-5"), "{lost:?}");
    assert!(encoded.losses.iter().all(|loss| !loss.safety));
}

#[test]
fn a_name_with_a_missing_character_alone_says_nobody_and_only_an_emergency_goes() {
    let nameless = |message: &mut Message| {
        if let Body::ReferralSubmit(request) = &mut message.body {
            request.patient.document = None;
            request.patient.identifiers.clear();
        }
    };
    assert_eq!(
        rare(|message| {
            message.priority = Some(tierlink_schemas::Priority::Routine);
            nameless(message);
        })
        .unwrap_err(),
        ["D030 PID-5"]
    );
    let emergency = rare(|message| {
        message.priority = Some(tierlink_schemas::Priority::Emergency);
        nameless(message);
    });
    assert!(emergency.is_ok());
}
