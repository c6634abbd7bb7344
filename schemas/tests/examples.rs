//! The examples are what they promise: whole, right, and written as the broker writes.
//!
//! `TIERLINK_UPDATE=1` rewrites each file in the canonical order of its fields.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tierlink_schemas::check::{Rules, check};
use tierlink_schemas::identity::IdentityNumber;
use tierlink_schemas::{Family, Kind, Message, message, schema};

fn path_of(kind: Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{kind}.json"))
}

fn text_of(kind: Kind) -> String {
    fs::read_to_string(path_of(kind)).unwrap()
}

fn message_of(kind: Kind) -> Message {
    message::from_slice(text_of(kind).as_bytes()).unwrap()
}

#[test]
fn every_example_fits_its_schema_as_any_client_would_check_it() {
    for kind in Kind::ALL {
        let schema: Value = serde_json::from_str(&schema::file_of(*kind)).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let example: Value = serde_json::from_str(&text_of(*kind)).unwrap();

        let faults: Vec<String> =
            validator.iter_errors(&example).map(|fault| fault.to_string()).collect();

        assert_eq!(faults, Vec::<String>::new(), "{kind}");
        assert_eq!(schema::faults(*kind, &example), [], "{kind}");
    }
}

#[test]
fn every_example_passes_the_check_without_a_word() {
    for kind in Kind::ALL {
        let message = message_of(*kind);
        let now = message.received_at.unwrap();

        let found = check(&message, &Rules { now, required: &BTreeSet::new() });

        assert_eq!(found.problems, [], "{kind}");
        assert_eq!(found.deviations, [], "{kind}");
    }
}

#[test]
fn every_example_keeps_each_byte_through_reading_and_writing() {
    let update = std::env::var_os("TIERLINK_UPDATE").is_some();
    for kind in Kind::ALL {
        let message = message_of(*kind);
        let mut pretty = serde_json::to_string_pretty(&message).unwrap();
        pretty.push('\n');
        if update {
            fs::write(path_of(*kind), &pretty).unwrap();
        }

        assert_eq!(message.kind(), *kind);
        assert_eq!(text_of(*kind), pretty, "{kind}: run again with TIERLINK_UPDATE=1");
        let written = message::to_vec(&message);
        assert_eq!(message::from_slice(&written).unwrap(), message, "{kind}");
        assert_eq!(message::to_vec(&message::from_slice(&written).unwrap()), written, "{kind}");
    }
}

#[test]
fn the_people_are_invented_and_their_names_are_hard_to_write() {
    let mut names = String::new();
    for kind in Kind::ALL {
        let message = message_of(*kind);
        let Some(patient) = message.body.patient() else {
            continue;
        };
        names.push_str(patient.name.as_deref().unwrap());
        let number = &patient.document.as_ref().unwrap().number;

        // Nobody was ever given the region 990101.
        assert!(number.starts_with("990101"), "{kind}");
        assert!(IdentityNumber::read(number).is_ok(), "{kind}");
        assert!(patient.phone.as_deref().unwrap().starts_with("139000000"), "{kind}");
    }

    assert!(names.contains('·'));
    assert!(names.chars().any(|c| u32::from(c) >= 0x20000));
}

#[test]
fn every_example_has_an_id_of_its_own() {
    let ids: BTreeSet<_> = Kind::ALL.iter().map(|kind| message_of(*kind).id).collect();
    let sent: BTreeSet<_> = Kind::ALL
        .iter()
        .map(|kind| message_of(*kind).source)
        .map(|source| (source.organisation, source.message_id))
        .collect();

    assert_eq!(ids.len(), Kind::ALL.len());
    assert_eq!(sent.len(), Kind::ALL.len());
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
}

#[test]
fn the_message_in_the_readme_is_right() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```jsonc\n").unwrap();
    let (annotated, _) = rest.split_once("```").unwrap();
    let plain: String =
        annotated.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();

    let message = message::from_slice(plain.as_bytes()).unwrap();
    let found = check(&message, &Rules { now: message.occurred_at, required: &BTreeSet::new() });

    assert_eq!(found.problems, []);
    assert_eq!(found.deviations, []);
}

#[test]
fn the_readme_names_every_verb() {
    let readme = include_str!("../README.md");

    for kind in Kind::ALL {
        let named = readme.lines().any(|line| {
            line.contains(&format!("`{}", kind.family().as_str())) && line.contains(kind.verb())
        });
        assert!(named, "{kind}");
    }
}

/// A body that has such a part, and an accessor or a check that passes its kind by: the compiler
/// does not notice that, because these matches go by what a body has and not by what it is.
#[test]
fn every_part_that_an_example_has_is_found_and_checked() {
    for kind in Kind::ALL.iter().filter(|kind| kind.family() != Family::Status) {
        let example: Value = serde_json::from_str(&text_of(*kind)).unwrap();
        let body = message_of(*kind).body;
        let has = |part: &str| example["body"][part].is_object();

        assert_eq!(body.patient().is_some(), has("patient"), "{kind}");
        assert_eq!(body.from().is_some(), has("from"), "{kind}");
        assert_eq!(body.to().is_some(), has("to"), "{kind}");
        assert_eq!(body.clinical().is_some(), has("clinical"), "{kind}");
        assert_eq!(body.appointment().is_some(), has("appointment"), "{kind}");
        let papers = example["body"]["attachments"].as_array().map_or(0, Vec::len);
        assert_eq!(body.attachments().len(), papers, "{kind}");
        if example["body"]["reason"]["code"].is_string() {
            let mut wrong = example.clone();
            wrong["body"]["reason"]["code"] = "ZZ".into();
            let wrong = message::from_slice(wrong.to_string().as_bytes()).unwrap();
            let rules = Rules { now: wrong.received_at.unwrap(), required: &BTreeSet::new() };
            let found = check(&wrong, &rules);
            let fields: Vec<&str> = found.problems.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields, ["body.reason.code"], "{kind}");
        }
    }
}
