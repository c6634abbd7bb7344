//! Every leaf of every example means something: left out or turned into rubbish, it changes the
//! canonical message (extras do not count) or what its sender hears. A leaf that does not is listed
//! with its reason.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tierlink_codec::{Codec, Directory, Profile, Reading};
use tierlink_json::Json;
use tierlink_schemas::{Kind, OrganisationCode, Tier, examples, message};
use uuid::Uuid;

/// Leaves that mean nothing in one of the changes, by path without numbers, each with its reason.
const MEANINGLESS: &[(&str, &str)] = &[
    ("schema", "left out: the only version is meant"),
    ("source.organisation", "left out: the one whose connection it came over is meant"),
    ("body.patient.identity", "left out: a patient is known unless the message says otherwise"),
    ("body.form", "left out: a session is what is meant"),
];

/// What a receiver and the sender see of a message.
fn seen(sender: &str, value: &Value) -> String {
    let profile = Profile::bare(OrganisationCode::new(sender).unwrap(), Tier::County, "json");
    let directory = Directory::default();
    let id = Uuid::from_u128(0x019c_d5a0_0000_7000_8000_0000_0000_0001);
    let received_at = "2026-03-10T01:00:05Z".parse().unwrap();
    let with = Reading { profile: &profile, directory: &directory, id, received_at, head: None };
    let decoded = Json.decode(value.to_string().as_bytes(), &with);
    let read = decoded.outcome.map(|(mut message, family)| {
        message.extras.clear();
        (message::to_vec(&message), family)
    });
    format!("{read:?} {:?}", decoded.deviations)
}

/// Every leaf left out and turned into rubbish, with its path.
fn mutants(value: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    leaves(value, String::new(), &mut pointers);
    let mut mutants = Vec::new();
    for pointer in pointers {
        let steps = pointer.split('/').skip(1);
        let place: Vec<&str> = steps.filter(|step| step.parse::<usize>().is_err()).collect();
        let place = place.join(".");
        let mut rubbish = value.clone();
        let leaf = rubbish.pointer_mut(&pointer).unwrap();
        *leaf = match &*leaf {
            Value::Bool(it) => json!(!it),
            Value::Number(_) => json!(770_077),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => json!("rubbish"),
        };
        mutants.push((place.clone(), rubbish));
        let mut without = value.clone();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match without.pointer_mut(parent).unwrap() {
            Value::Object(members) => {
                members.remove(last);
            }
            Value::Array(items) => {
                items.remove(last.parse().unwrap());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        mutants.push((place, without));
    }
    mutants
}

fn leaves(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{pointer}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(pointer),
    }
}

#[test]
fn every_leaf_means_something_or_is_listed_as_meaningless() {
    let mut survivors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (kind, text) in examples::all().into_iter().filter(|(kind, _)| *kind != Kind::Receipt) {
        let example: Value = serde_json::from_str(text).unwrap();
        let sender = example["source"]["organisation"].as_str().unwrap().to_owned();
        let before = seen(&sender, &example);
        for (place, mutant) in mutants(&example) {
            // What only the broker says is ignored, and that is told where it comes.
            let ours = ["id", "received_at", "caused_by", "case.state", "case.parent"];
            let of_the_broker = ours.contains(&place.as_str()) || place.starts_with("context.");
            if !of_the_broker && seen(&sender, &mutant) == before {
                survivors.entry(place).or_default().insert(kind.to_string());
            }
        }
    }

    let listed = |place: &String| MEANINGLESS.iter().any(|(known, _)| known == place);
    let unlisted: Vec<_> = survivors.iter().filter(|(place, _)| !listed(place)).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    for (known, _) in MEANINGLESS {
        assert!(survivors.contains_key(*known), "{known} means something in every change now");
    }
}
