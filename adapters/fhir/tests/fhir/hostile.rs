//! Whatever arrives: no panic, and a refusal always names a field and never a value.

use crate::county::{self, HOSPITAL, TOWNSHIP, reading, writing};
use proptest::prelude::*;
use serde_json::Value;
use tierlink_codec::{Codec, Decoded, Reply};
use tierlink_fhir::Fhir;
use tierlink_fhir::limits::{NODES_MAX, RESOURCES_MAX};
use tierlink_schemas::Verdict;
use uuid::Uuid;

const FIXTURES: [&str; 3] = ["referral", "task_rejected", "bars_rejection"];

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Everything that the crate does with bytes.
fn check(bytes: &[u8]) -> Decoded {
    let county = county::open();
    let with = reading(&county, TOWNSHIP);
    Fhir.sender(bytes);
    let verdict = Verdict::Repeated { message: Uuid::nil(), case_number: None, state: None };
    Fhir.answer(bytes, &Reply::Verdict(&verdict), &with);
    Fhir.read_answer("x", bytes, Some(200), &writing(&county, HOSPITAL));
    let decoded = Fhir.decode(bytes, &with);
    match &decoded.outcome {
        Ok((message, _)) => assert!(!message.source.message_id.is_empty()),
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.field.is_empty() && !problem.text.is_empty());
                assert!(!problem.text.contains("990101") && !problem.text.contains("阿不都"));
            }
        }
    }
    decoded
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Bundle".to_owned()),
        Just("message".to_owned()),
        Just("MessageHeader".to_owned()),
        Just("urn:tierlink:event".to_owned()),
        Just("referral.submit".to_owned()),
        ".{0,12}",
    ];
    let name = prop_oneof![
        Just("resourceType".to_owned()),
        Just("type".to_owned()),
        Just("entry".to_owned()),
        Just("resource".to_owned()),
        Just("extension".to_owned()),
        Just("identifier".to_owned()),
        Just("value".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every place in a tree, and a way to change the one at a number.
fn change(tree: &mut Value, at: &mut usize, into: &Value) -> bool {
    if *at == 0 {
        *tree = into.clone();
        return true;
    }
    *at -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().any(|item| change(item, at, into)),
        Value::Object(members) => members.values_mut().any(|item| change(item, at, into)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_json_is_read_or_refused(tree in any_json()) {
        check(tree.to_string().as_bytes());
    }

    #[test]
    fn a_changed_message_is_read_or_refused(
        which in 0..FIXTURES.len(), at in 0..220_usize, into in any_json(),
    ) {
        let mut tree: Value = serde_json::from_str(&fixture(FIXTURES[which])).unwrap();
        change(&mut tree, &mut at.clone(), &into);
        check(tree.to_string().as_bytes());
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(
        which in 0..FIXTURES.len(), cut in any::<prop::sample::Index>(), byte in any::<u8>(), whole in any::<bool>(),
    ) {
        let mut bytes = fixture(FIXTURES[which]).into_bytes();
        let at = cut.index(bytes.len());
        if whole { bytes[at] = byte } else { bytes.truncate(at) }
        check(&bytes);
    }
}

/// Names of extensions, elements and resources come from the sender, and operators read where a
/// message deviates.
#[test]
fn names_from_outside_reach_no_record_unless_they_are_names() {
    let long = "x".repeat(3_000);
    for evil in ["990101195001010010", "13900000001", "a\u{1b}[2J", "汪德福", &long] {
        let mut bundle: Value = serde_json::from_str(&fixture("referral")).unwrap();
        for entry in bundle["entry"].as_array_mut().unwrap() {
            let resource = entry["resource"].as_object_mut().unwrap();
            let extension = serde_json::json!([
                { "url": format!("urn:tierlink:extension:{evil}"), "valueString": "x" },
            ]);
            resource.insert("extension".to_owned(), extension);
            resource.insert(evil.to_owned(), serde_json::json!({ evil: [{ evil: "x" }] }));
        }
        let extra = serde_json::json!({ "resource": { "resourceType": evil, "status": 7 } });
        bundle["entry"].as_array_mut().unwrap().push(extra);

        let decoded = check(bundle.to_string().as_bytes());

        let mut told = format!("{:?}", decoded.deviations);
        match &decoded.outcome {
            Ok((message, _)) => {
                let paths = message.extras.iter().map(|extra| extra.path.as_str());
                told.extend(paths);
            }
            Err(problems) => told = format!("{told}{problems:?}"),
        }
        assert!(!told.contains(evil), "{evil:?} in {told:.2000}");
        assert!(told.contains("(unreadable name)"), "{told:.2000}");
    }
}

#[test]
fn a_flood_of_resources_is_refused() {
    let entry = r#"{"resource":{"resourceType":"Patient"}},"#.repeat(RESOURCES_MAX + 10);
    let flood = format!(r#"{{"resourceType":"Bundle","type":"message","entry":[{entry}null]}}"#);

    assert_eq!(check(flood.as_bytes()).outcome.unwrap_err()[0].code.as_str(), "D061");
}

#[test]
fn a_flood_of_elements_is_refused() {
    let flood = format!("[{}1]", "1,".repeat(NODES_MAX));

    assert_eq!(check(flood.as_bytes()).outcome.unwrap_err()[0].code.as_str(), "D061");
}

#[test]
fn a_message_that_refers_to_itself_ends() {
    let tree = fixture("referral").replace("PractitionerRole/r1", "ServiceRequest/1");

    check(tree.as_bytes());
}
