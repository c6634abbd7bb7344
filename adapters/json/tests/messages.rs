//! Native JSON as hospitals really send it: right, careless, wrong, and hostile.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tierlink_codec::{
    Codec, Decoded, Directory, FamilyKnown, Organisation, Profile, Reading, Writing,
};
use tierlink_json::Json;
use tierlink_schemas::{
    Deviation, Kind, Message, OrganisationCode, Problem, Tier, examples, message,
};
use uuid::Uuid;

const OUR_ID: Uuid = Uuid::from_u128(0x019c_d5a0_0000_7000_8000_0000_0000_0001);

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn profile(organisation: &str) -> Profile {
    Profile::bare(code(organisation), Tier::County, "json")
}

fn directory() -> Directory {
    let organisation = |its: &str, name: &str, aliases: &[&str]| Organisation {
        code: code(its),
        name: name.to_owned(),
        name_en: None,
        tier: Tier::County,
        parent: None,
        outside: false,
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    };
    Directory::new(
        vec![
            organisation("330199001", "龙溪县人民医院", &["XYY"]),
            organisation("330199101", "龙溪县青石镇中心卫生院", &["QSWSY"]),
        ],
        Some(code("330199001")),
    )
}

fn decode_as(bytes: &[u8], profile: &Profile, directory: &Directory) -> Decoded {
    let received_at = "2026-03-10T01:00:05Z".parse().unwrap();
    Json.decode(bytes, &Reading { profile, directory, id: OUR_ID, received_at, head: None })
}

/// What comes of bytes that `330199101` sends.
fn decode(bytes: &[u8]) -> Decoded {
    decode_as(bytes, &profile("330199101"), &Directory::default())
}

/// The example of a referral without what only the broker writes.
fn referral() -> Value {
    sendable(serde_json::from_str(examples::of(Kind::ReferralSubmit)).unwrap())
}

fn sendable(mut value: Value) -> Value {
    let fields = value.as_object_mut().unwrap();
    for ours in ["id", "received_at", "context"] {
        fields.remove(ours);
    }
    value
}

fn bytes_of(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn read(decoded: Decoded) -> (Message, Vec<Deviation>) {
    let (message, family) = decoded.outcome.unwrap();
    assert_eq!(family, FamilyKnown::Stated);
    (message, decoded.deviations)
}

/// What is refused, as `D094 source.message_id`.
fn refused(decoded: Decoded) -> Vec<String> {
    let problems: Vec<Problem> = decoded.outcome.unwrap_err();
    problems.iter().map(|it| format!("{} {}", it.code, it.field)).collect()
}

/// What is refused of a referral after `change`.
fn refused_after(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = referral();
    change(&mut value);
    refused(decode(&bytes_of(&value)))
}

#[test]
fn every_example_is_read_as_it_is() {
    for (kind, text) in examples::all().into_iter().filter(|(kind, _)| *kind != Kind::Receipt) {
        let mut example: Value = serde_json::from_str(text).unwrap();
        if let Some(case) = example.get_mut("case").and_then(Value::as_object_mut) {
            case.remove("state");
        }
        let sender = example["source"]["organisation"].as_str().unwrap().to_owned();
        let bytes = bytes_of(&sendable(example.clone()));

        let (message, deviations) =
            read(decode_as(&bytes, &profile(&sender), &Directory::default()));

        let mut expected = message::from_value(example).unwrap();
        expected.id = OUR_ID;
        expected.received_at = message.received_at;
        assert_eq!(message, expected, "{kind}");
        assert_eq!(deviations, [], "{kind}");
    }
}

#[test]
fn every_example_travels_out_and_in_unchanged() {
    let profile = profile("330199001");
    let directory = Directory::default();
    for (kind, text) in examples::all() {
        let sent = message::from_slice(text.as_bytes()).unwrap();

        let with = Writing { profile: &profile, directory: &directory };
        let encoded = Json.encode(&sent, &code("330199001"), &with).unwrap();

        assert_eq!(message::from_slice(&encoded.bytes).unwrap(), sent, "{kind}");
        assert_eq!(encoded.control_id, sent.control_id());
        assert_eq!(encoded.losses, []);
        assert_eq!(encoded.media_type, "application/json");
    }
}

#[test]
fn the_id_and_the_time_of_arrival_are_ours() {
    let mut value = referral();
    value["id"] = json!("019cd5a0-ffff-7fff-bfff-ffffffffffff");
    value["received_at"] = json!("1999-01-01T00:00:00Z");
    value["case"] = json!({ "state": "accepted" });

    let (message, deviations) = read(decode(&bytes_of(&value)));

    assert_eq!(message.id, OUR_ID);
    assert_eq!(message.received_at, Some("2026-03-10T01:00:05Z".parse().unwrap()));
    assert_eq!(message.case.state, None);
    let fields: Vec<&str> = deviations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["id", "received_at", "case.state"]);
    assert!(deviations.iter().all(|it| it.code.as_str() == "D098"));
}

#[test]
fn version_and_source_go_without_saying() {
    let mut value = referral();
    value.as_object_mut().unwrap().remove("schema");
    value["source"] = json!({ "message_id": "M1" });

    let (message, deviations) = read(decode(&bytes_of(&value)));

    assert_eq!(message.schema, "1.0");
    assert_eq!(message.source.organisation, code("330199101"));
    assert_eq!(deviations, []);
}

#[test]
fn a_message_needs_an_id_of_its_own() {
    let without_id = |source: Value| refused_after(|value| value["source"] = source);

    assert_eq!(without_id(json!({})), ["D094 source.message_id"]);
    assert_eq!(without_id(Value::Null), ["D094 source.message_id"]);
    assert_eq!(without_id(json!({ "message_id": " " })), ["D094 source.message_id"]);
    assert_eq!(without_id(json!({ "message_id": 7 })), ["D095 source.message_id"]);
}

#[test]
fn the_senders_own_id_is_told_with_a_refusal() {
    let mut value = referral();
    value["source"]["message_id"] = json!("M-17");
    value["kind"] = json!("referral.submitt");

    assert_eq!(decode(&bytes_of(&value)).source_message_id.as_deref(), Some("M-17"));
}

#[test]
fn nobody_speaks_in_anothers_name() {
    let problems = refused_after(|value| value["source"]["organisation"] = json!("330199102"));

    assert_eq!(problems, ["D096 source.organisation"]);
}

#[test]
fn another_name_of_the_sender_is_read_and_noted() {
    let mut value = referral();
    value["source"]["organisation"] = json!("qswsy");
    value["body"]["to"]["organisation"] = json!("XYY");

    let decoded = decode_as(&bytes_of(&value), &profile("330199101"), &directory());
    let (message, deviations) = read(decoded);

    assert_eq!(message.source.organisation, code("330199101"));
    assert_eq!(message.body.to().unwrap().organisation, code("330199001"));
    assert_eq!(deviations.len(), 1);
    assert_eq!(deviations[0].field, "source.organisation");
}

#[test]
fn the_kind_is_known_and_for_senders() {
    let kind = |kind: Value| {
        let mut value = referral();
        value["kind"] = kind;
        decode(&bytes_of(&value)).outcome.unwrap_err()
    };
    for wrong in [json!("referral.submitt"), json!(7), Value::Null, json!("receipt")] {
        let problems = kind(wrong.clone());
        assert_eq!(problems.len(), 1, "{wrong}");
        assert_eq!((problems[0].code.as_str(), problems[0].field.as_str()), ("D092", "kind"));
    }
    assert!(kind(json!("submit"))[0].text.contains("referral.submit, referral.amend"));
}

#[test]
fn every_structural_problem_is_told_at_once_and_no_value_is_quoted() {
    let mut value = referral();
    value["occurred_at"] = json!("secret");
    value["body"]["patient"]["birthDate"] = json!("secret");
    value["body"]["patient"]["sex"] = json!("secret");
    value["body"]["to"].as_object_mut().unwrap().remove("organisation");
    value["body"]["attachments"][1]["kind"] = json!("secret");
    value["secret secret"] = json!(1);

    let problems = decode(&bytes_of(&value)).outcome.unwrap_err();

    let mut told: Vec<String> =
        problems.iter().map(|it| format!("{} {}", it.code, it.field)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "D093 (unreadable name)",
            "D093 body.patient.birthDate",
            "D094 body.to.organisation",
            "D095 body.attachments[1].kind",
            "D095 body.patient.sex",
            "D095 occurred_at",
        ]
    );
    assert!(problems.iter().all(|it| !it.to_string().contains("secret")));
    assert!(problems.iter().any(|it| it.text.contains("`birth_date`")));
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let text = String::from_utf8(bytes_of(&referral())).unwrap();
    let twice = text.replacen("\"sex\":", "\"sex\":\"female\",\"sex\":", 1);

    assert_eq!(refused(decode(twice.as_bytes())), ["D091 body.patient.sex"]);
}

#[test]
fn what_is_no_json_object_is_refused() {
    let mut deep = b"{\"body\":".to_vec();
    deep.extend(b"[".repeat(1_000_000));
    for wrong in
        [b"".as_slice(), b"[]", b"\"text\"", b"MSH|^~\\&|A", b"{\"a\":\"\xCD\xF4\"}", &deep]
    {
        assert_eq!(refused(decode(wrong)), ["D090 (message)"]);
    }
}

#[test]
fn careless_writing_is_read_and_noted() {
    let mut value = referral();
    value["body"]["patient"]["occupation"] = json!({ "code": null, "text": "" });
    value["body"]["transport"] = Value::Null;
    let mut bytes = b"\xEF\xBB\xBF".to_vec();
    bytes.extend(bytes_of(&value));

    let (message, deviations) = read(decode(&bytes));

    assert_eq!(message.patient().unwrap().occupation, None);
    let fields: Vec<&str> = deviations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["(message)", "body.patient.occupation.code"]);
    assert!(deviations[1].text.contains("3 in all"));
}

#[test]
fn times_come_with_any_offset_and_whole_numbers_as_floats() {
    let mut value = referral();
    value["occurred_at"] = json!("2026-03-10T09:00:00+08:00");
    value["body"]["attachments"][1]["size_bytes"] = json!(84213.0);

    let (message, _) = read(decode(&bytes_of(&value)));

    assert_eq!(message.occurred_at, "2026-03-10T01:00:00Z".parse().unwrap());
    assert_eq!(message.body.attachments()[1].size_bytes, Some(84213));
}

/// A profile with maps, as a small vendor's system needs them.
fn mapped_profile() -> Profile {
    let mut profile = profile("330199101");
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect()
    };
    profile.codes.sex = map(&[("0", "male"), ("1", "female")]);
    profile.codes.priority = map(&[("JJ", "emergency"), ("PT", "routine")]);
    profile.codes.department = map(&[("0304", "03.04")]);
    profile.codes.organisation = map(&[("12", "330199001"), ("ME", "330199101")]);
    profile.codes.reason = map(&[("7", "CN02")]);
    profile
}

#[test]
fn the_organisations_own_codes_become_ours() {
    let mut value = referral();
    value["priority"] = json!("JJ");
    value["body"]["patient"]["sex"] = json!(0);
    value["body"]["to"]["organisation"] = json!("12");
    value["body"]["to"]["department"]["code"] = json!("0304");
    value["body"]["from"]["organisation"] = json!("ME");
    value["source"]["organisation"] = json!("ME");
    value["body"]["attachments"][0]["source"] = json!("12");
    value["body"].as_object_mut().unwrap().remove("transport");
    value["body"]["from"].as_object_mut().unwrap().remove("department");

    let (message, _) = read(decode_as(&bytes_of(&value), &mapped_profile(), &Directory::default()));

    assert_eq!(message.priority.unwrap().as_str(), "emergency");
    assert_eq!(message.patient().unwrap().sex, Some(tierlink_schemas::person::Sex::Male));
    let to = message.body.to().unwrap();
    assert_eq!(to.organisation, code("330199001"));
    assert_eq!(to.department.as_ref().unwrap().code.as_deref(), Some("03.04"));
    assert_eq!(message.body.from().unwrap().organisation, code("330199101"));
    assert_eq!(message.body.attachments()[0].source, Some(code("330199001")));
}

#[test]
fn whom_an_answer_names_is_read_with_the_organisations_own_codes() {
    let answer = |subject: Value| {
        json!({
            "kind": "referral.accept", "source": { "message_id": "m-1" },
            "case": { "numbers": [{ "organisation": "330199101", "number": "Z-1" }] },
            "occurred_at": "2026-03-10T09:45:00+08:00", "subject": subject, "body": {},
        })
    };
    let accept = answer(json!({ "name": "汪德福", "sex": 0, "phone": "" }));
    let unmapped = answer(json!({ "sex": "male" }));

    let (message, _) = read(decode_as(&bytes_of(&accept), &mapped_profile(), &directory()));
    let subject = message.subject.unwrap();

    assert_eq!(subject.name.as_deref(), Some("汪德福"));
    assert_eq!(subject.sex, Some(tierlink_schemas::person::Sex::Male));
    assert_eq!(
        refused(decode_as(&bytes_of(&unmapped), &mapped_profile(), &directory())),
        ["D097 subject.sex"]
    );
}

#[test]
fn a_safety_code_that_the_map_does_not_list_is_refused() {
    let mut value = referral();
    // Ours, but the map says that this organisation writes its own.
    value["priority"] = json!("urgent");
    value["body"]["patient"]["sex"] = json!("male");
    value["body"]["to"]["organisation"] = json!("99");

    let mut problems = refused(decode_as(&bytes_of(&value), &mapped_profile(), &directory()));

    problems.sort();
    assert_eq!(problems, ["D097 body.patient.sex", "D097 body.to.organisation", "D097 priority"]);
}

#[test]
fn a_department_that_the_map_does_not_list_is_kept_and_noted() {
    let mut value = referral();
    value["body"]["to"]["department"] = json!({ "code": "9999", "text": "胸痛中心" });
    value["body"]["to"]["organisation"] = json!("12");
    let mut profile = mapped_profile();
    profile.codes.sex.clear();
    profile.codes.priority.clear();

    let (message, deviations) = read(decode_as(&bytes_of(&value), &profile, &directory()));

    let department = message.body.to().unwrap().department.as_ref().unwrap();
    assert_eq!(department.code.as_deref(), Some("9999"));
    assert!(deviations.iter().any(|it| it.field == "body.to.department.code"));
}

#[test]
fn a_mapped_reason_is_ours() {
    let mut value = sendable(serde_json::from_str(examples::of(Kind::ReferralCancel)).unwrap());
    value["body"]["reason"]["code"] = json!(7);

    let (message, _) = read(decode_as(&bytes_of(&value), &mapped_profile(), &directory()));

    let written: Value = serde_json::from_slice(&message::to_vec(&message)).unwrap();
    assert_eq!(written["body"]["reason"]["code"], "CN02");
}

#[test]
fn the_sender_is_found_without_reading_the_rest() {
    let names = |bytes: &[u8]| Json.sender(bytes).names;

    assert_eq!(names(&bytes_of(&referral())), ["330199101"]);
    assert_eq!(names(b"\xEF\xBB\xBF{\"source\":{\"organisation\":\"A\"},\"x\":[[[]]]}"), ["A"]);
    for nobody in [b"".as_slice(), b"{}", b"[]", b"{\"source\":\"A\"}", b"{\"source\":{}}", b"\xff"]
    {
        assert_eq!(names(nobody), Vec::<String>::new());
    }
    let long = format!("{{\"source\":{{\"organisation\":\"{}\"}}}}", "A".repeat(5000));
    assert_eq!(names(long.as_bytes()), Vec::<String>::new());
}

/// Every place in `value` but its root, as JSON pointers.
fn places(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        if !path.is_empty() {
            found.push(path.clone());
        }
        match value {
            Value::Object(fields) => {
                open.extend(fields.iter().map(|(key, inner)| (format!("{path}/{key}"), inner)));
            }
            Value::Array(items) => {
                open.extend(
                    items.iter().enumerate().map(|(at, inner)| (format!("{path}/{at}"), inner)),
                );
            }
            _ => {}
        }
    }
    found.sort();
    found
}

const CANARY: &str = "canary-9174";

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(|text| json!(format!("{text}{CANARY}"))),
        Just(json!(CANARY)),
        Just(json!("")),
        Just(json!("9999-12-31T23:59:59Z")),
        Just(json!("2026-02-30")),
        Just(json!("2026-03-10T23:59:60Z")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}|canary-9174", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Nothing that is told holds a word of the message, and nothing is refused without a reason.
fn holds_its_promises(decoded: &Decoded) -> Result<(), TestCaseError> {
    if let Err(problems) = &decoded.outcome {
        prop_assert!(!problems.is_empty());
        for problem in problems {
            // `unlike_its_schema`: the types refuse nothing that the schema took.
            prop_assert!(!problem.text.contains("fits the schema and still"), "{problem}");
            prop_assert!(!problem.to_string().contains(CANARY), "{problem}");
        }
    }
    for note in &decoded.deviations {
        let quotes = note.field.contains(CANARY) || note.text.contains(CANARY);
        prop_assert!(!quotes, "{}", note.field);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        status in prop::option::of(any::<u16>()),
    ) {
        let profile = mapped_profile();
        let directory = directory();
        prop_assert!(decode_as(&bytes, &profile, &directory).outcome.is_err());
        let _ = Json.sender(&bytes);
        let _ = Json.read_answer("", &bytes, status, &Writing { profile: &profile, directory: &directory });
    }

    #[test]
    fn examples_with_flipped_bytes_never_panic(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let all = examples::all();
        let mut bytes = all[which.index(all.len())].1.as_bytes().to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        holds_its_promises(&decode(&bytes))?;
    }

    #[test]
    fn examples_with_changed_values_are_read_or_refused_without_a_quote(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..5),
        maps in any::<bool>(),
    ) {
        let all = examples::all();
        let (_, text) = all[which.index(all.len())];
        let mut value: Value = serde_json::from_str(text).unwrap();
        let sender = value["source"]["organisation"].as_str().unwrap().to_owned();
        for (at, new) in changes {
            let places = places(&value);
            let place = &places[at.index(places.len())];
            *value.pointer_mut(place).unwrap() = new;
        }
        let mut profile = if maps { mapped_profile() } else { profile(&sender) };
        profile.organisation.code = code(&sender);

        holds_its_promises(&decode_as(&bytes_of(&value), &profile, &directory()))?;
    }
}
