//! What the simulated hospitals say is understood: every kind, in every format.
//!
//! They write by hand what the broker's codecs read, so that each checks the other.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use tierlink_codec::{Codec, Directory, Profile, Reading};
use tierlink_integration_tests::hospitals::{
    Act, Case, Doctor, Party, Person, Sort, Speaks, Statement, System,
};
use tierlink_schemas::check::{Rules, check};
use tierlink_schemas::{CaseNumber, OrganisationCode, Tier};
use uuid::Uuid;

const TOWNSHIP: (&str, Tier) = ("330199101", Tier::Township);
const HOSPITAL: (&str, Tier) = ("330199001", Tier::County);
const OTHER: (&str, Tier) = ("330199002", Tier::County);

fn profile((code, tier): (&str, Tier), format: &str) -> Profile {
    Profile::bare(OrganisationCode::new(code).unwrap(), tier, format)
}

fn party((code, _): (&str, Tier)) -> Party {
    Party { code: code.to_owned(), doctor: Some(Doctor::default()), ..Party::default() }
}

/// What is wrong with what a hospital says, in this format; nothing, where it is understood.
fn wrong(
    codec: &dyn Codec,
    speaks: Speaks,
    act: Act,
    sort: Sort,
    experts: &[Party],
) -> Option<String> {
    let kind = act.kind(sort);
    let letter = match sort {
        Sort::Referral => 'R',
        Sort::Transfer => 'T',
        Sort::Consultation => 'C',
    };
    let states_request = act.asks() || act == Act::Amend;
    let (by, to) = match (states_request, sort) {
        (true, Sort::Referral | Sort::Consultation) => (TOWNSHIP, HOSPITAL),
        (true, Sort::Transfer) => (HOSPITAL, TOWNSHIP),
        (false, _) => (HOSPITAL, OTHER),
    };
    let text =
        format!("[organisation]\ncode = \"{}\"\n[format]\nname = \"{}\"\n", by.0, speaks.as_str());
    let system = System::read(&text, None).unwrap();
    let case = Case {
        sort,
        origin: if states_request { by.0 } else { TOWNSHIP.0 }.to_owned(),
        own_number: "QS2026-7".to_owned(),
        patient: Person::default(),
        experts: experts.to_vec(),
    };
    let to = party(to);
    let statement = Statement {
        by: &system,
        act,
        case: &case,
        to: act.names_somebody().then_some(&to),
        message_id: system.new_message_id(),
        number: (!act.asks()).then(|| CaseNumber::build(letter, 2026, 1).to_string()),
        parent: None,
        answers: None,
        now: Timestamp::now(),
    };
    let letter = match statement.letter() {
        Ok(letter) => letter,
        Err(error) => return Some(format!("{kind} is not written: {error:#}")),
    };

    let directory = [TOWNSHIP, HOSPITAL, OTHER].map(|one| profile(one, "json").directory_entry());
    let directory = Directory::new(directory.to_vec(), None);
    let sender = profile(by, speaks.as_str());
    let with = Reading {
        head: None,
        profile: &sender,
        directory: &directory,
        id: Uuid::now_v7(),
        received_at: Timestamp::now(),
    };
    let decoded = codec.decode(&letter.bytes, &with);
    let message = match decoded.outcome {
        Ok((message, _)) => message,
        Err(problems) => return Some(format!("{kind} is not read: {problems:?}")),
    };
    let required = BTreeSet::new();
    let checked = check(&message, &Rules { now: Timestamp::now(), required: &required });
    if message.kind().as_str() != kind {
        return Some(format!("{kind} is read as {}", message.kind()));
    }
    // Headers leave this and that among the extras. What a hospital wrote must not lie there.
    let said = |path: &str| path.contains("extension[") || path.starts_with("OBX-5");
    if let Some(extra) = message.extras.iter().find(|extra| said(&extra.path)) {
        return Some(format!("{kind} leaves an extra: {extra:?}"));
    }
    (!checked.problems.is_empty()).then(|| format!("{kind} is refused: {:?}", checked.problems))
}

#[test]
fn every_kind_that_a_simulated_hospital_says_is_understood_in_every_format() {
    let formats: [(&dyn Codec, Speaks); 3] = [
        (&tierlink_hl7v2::Hl7v2, Speaks::Hl7v2),
        (&tierlink_fhir::Fhir, Speaks::Fhir),
        (&tierlink_json::Json, Speaks::Json),
    ];
    let mut told = Vec::new();
    for (codec, speaks) in formats {
        for kind in Act::kinds() {
            let (act, sort) = Act::of_kind(kind).unwrap();
            let found = wrong(codec, speaks, act, sort, &[]);
            told.extend(found.map(|what| format!("{}: {what}", speaks.as_str())));
        }
        for act in [Act::AskForExperts, Act::Amend] {
            let found = wrong(codec, speaks, act, Sort::Consultation, &[party(HOSPITAL)]);
            told.extend(found.map(|what| format!("{} with experts: {what}", speaks.as_str())));
        }
    }

    assert!(told.is_empty(), "{}", told.join("\n"));
}
