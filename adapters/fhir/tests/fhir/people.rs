//! Names, telephone numbers, addresses and identity numbers: the ones in use, and the others as
//! what they are.

use crate::county::{self, TOWNSHIP, reading};
use serde_json::{Value, json};
use tierlink_codec::{Codec, Decoded};
use tierlink_fhir::Fhir;
use tierlink_schemas::person::{AddressUse, NameUse, Patient, TelecomSystem, TelecomUse};

fn decode(change: impl FnOnce(&mut Value)) -> Decoded {
    let path = format!("{}/fixtures/referral.json", env!("CARGO_MANIFEST_DIR"));
    let mut message: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let entries = message["entry"].as_array_mut().unwrap();
    let found = entries.iter_mut().find(|e| e["resource"]["resourceType"] == "Patient");
    change(&mut found.unwrap()["resource"]);
    Fhir.decode(message.to_string().as_bytes(), &reading(&county::open(), TOWNSHIP))
}

fn patient(change: impl FnOnce(&mut Value)) -> Patient {
    let outcome = decode(change).outcome.unwrap_or_else(|problems| panic!("{problems:?}"));
    outcome.0.body.patient().unwrap().clone()
}

fn name(names: &Value) -> (String, Vec<(String, NameUse)>) {
    let patient = patient(|it| it["name"] = names.clone());
    let others = patient.other_names.into_iter().map(|it| (it.text, it.r#use)).collect();
    (patient.name.unwrap(), others)
}

#[test]
fn the_name_is_the_one_in_use_and_the_others_are_kept_as_what_they_are() {
    let (called, others) = name(&json!([
        { "use": "old", "text": "王招娣", "period": { "end": "2010-05-01" } },
        { "use": "nickname", "text": "小秀" },
        { "use": "usual", "text": "王秀英" },
    ]));
    assert_eq!(called, "王秀英");
    let expected = [("王招娣", NameUse::Former), ("小秀", NameUse::Nickname)];
    assert_eq!(others, expected.map(|(text, usage)| (text.to_owned(), usage)));

    // A period that has ended makes any name a former one, to the day.
    let ended = |end: &str| {
        name(&json!([{ "text": "甲", "use": "official", "period": { "end": end } }, { "text": "乙" }])).0
    };
    assert_eq!(ended("2026-11-20"), "乙");
    assert_eq!(ended("2026-11-21"), "甲", "the end is part of the period");
    assert_eq!(ended("2025"), "乙");
    assert_eq!(ended("2026-11"), "甲");
    assert_eq!(ended("2026-11-21T07:00:00Z"), "乙");
    let early = json!([{ "text": "甲", "use": "official", "period": { "start": "2027-01-01" } }, { "text": "乙" }]);
    assert_eq!(name(&early).0, "乙");
    assert_eq!(name(&json!([{ "use": "maiden", "text": "甲" }, { "text": "乙" }])).0, "乙");
    assert_eq!(name(&json!([{ "text": "乙" }, { "use": "official", "text": "甲" }])).0, "甲");
}

#[test]
fn a_name_that_is_not_in_use_is_taken_only_alone_and_told() {
    let decoded = decode(|it| it["name"] = json!([{ "use": "nickname", "text": "小秀" }]));

    let (message, _) = decoded.outcome.unwrap();
    let patient = message.body.patient().unwrap();
    assert_eq!(patient.name.as_deref(), Some("小秀"));
    assert_eq!(patient.other_names[0].r#use, NameUse::Nickname);
    let told = decoded.deviations.iter().any(|it| it.field == "Patient.name[0]");
    assert!(told, "{:?}", decoded.deviations);
}

#[test]
fn the_number_to_call_is_chosen_by_use_rank_and_period() {
    let phone = |telecoms: Value| patient(|it| it["telecom"] = telecoms).phone;
    let number = |value: &str| json!({ "system": "phone", "value": value });
    let with = |value: &str, more: Value| {
        let mut it = number(value);
        it.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        it
    };
    let (one, two) = ("13900000041", "13900000042");
    let cases = [
        json!([with(one, json!({ "use": "old" })), { "system": "email", "value": "w@example.invalid" }, with(two, json!({ "use": "mobile", "rank": 1 }))]),
        json!([with(one, json!({ "period": { "end": "2020-01-01" } })), number(two)]),
        json!([with(one, json!({ "period": { "start": "2030-01-01" } })), number(two)]),
        json!([with(one, json!({ "rank": 2 })), with(two, json!({ "rank": 1 }))]),
        json!([number(one), with(two, json!({ "rank": 3 }))]),
        json!([with(one, json!({ "use": "work" })), with(two, json!({ "use": "home" }))]),
        json!([with(one, json!({ "use": "temp" })), number(two)]),
        json!([{ "system": "fax", "value": one }, number(two)]),
        json!([{ "value": "w@example.invalid" }, { "value": two }]),
    ];
    for telecoms in cases {
        assert_eq!(phone(telecoms.clone()).as_deref(), Some(two), "{telecoms}");
    }
    assert_eq!(phone(json!([with(one, json!({ "use": "old" }))])), None, "nobody answers there");
}

#[test]
fn further_numbers_are_kept_as_what_they_are() {
    let patient = patient(|it| {
        it["telecom"] = json!([
            { "system": "phone", "value": "13900000041", "use": "old" },
            { "system": "email", "value": "w@example.invalid" },
            { "system": "phone", "value": "13900000042", "rank": 1 },
            { "system": "phone", "value": "13900000043", "use": "home" },
        ]);
    });

    let found: Vec<_> =
        patient.telecoms.iter().map(|it| (it.value.as_str(), it.system, it.r#use)).collect();
    assert_eq!(
        found,
        [
            ("13900000043", TelecomSystem::Phone, Some(TelecomUse::Home)),
            ("w@example.invalid", TelecomSystem::Email, None),
            ("13900000041", TelecomSystem::Phone, Some(TelecomUse::Former)),
        ]
    );
}

#[test]
fn the_address_is_where_the_patient_is_found_now() {
    let patient = patient(|it| {
        it["address"] = json!([
            { "use": "old", "text": "旧址" },
            { "use": "work", "text": "单位" },
            { "use": "home", "text": "现住" },
        ]);
    });

    assert_eq!(patient.address.unwrap().text.as_deref(), Some("现住"));
    let others: Vec<_> =
        patient.other_addresses.iter().map(|it| (it.text.as_deref().unwrap(), it.r#use)).collect();
    assert_eq!(others, [("旧址", Some(AddressUse::Former)), ("单位", Some(AddressUse::Work))]);
}

#[test]
fn whom_to_call_is_somebody_who_can_be_called_now() {
    let patient = patient(|it| {
        it["contact"] = json!([
            { "name": { "text": "旧人" }, "period": { "end": "2020-01-01" } },
            { "name": { "text": "汪某国" }, "telecom": [{ "system": "phone", "value": "13900000051" }] },
            { "name": { "text": "汪某英" } },
        ]);
    });

    assert_eq!(patient.contact.unwrap().name.as_deref(), Some("汪某国"));
    assert_eq!(patient.other_contacts.len(), 1);
    assert_eq!(patient.other_contacts[0].name.as_deref(), Some("汪某英"));
}

#[test]
fn two_identity_numbers_that_differ_refuse_the_message_and_both_are_named() {
    let card = |number: &str| json!({ "system": "urn:oid:2.16.156.10011.1.3", "value": number });
    let (one, two) = ("990101195001010010", "990101195203030028");
    let decoded = decode(|it| it["identifier"] = json!([card(one), card(two)]));

    let problems = decoded.outcome.unwrap_err();
    assert_eq!(problems[0].code.as_str(), "D070");
    assert_eq!(problems[0].field, "Patient.identifier[1].value");
    assert!(problems[0].text.contains("Patient.identifier[0].value"), "{}", problems[0].text);

    // The same number twice, or an old one marked as such, contradicts nothing.
    for second in [
        card(one),
        json!({ "use": "old", "system": "urn:oid:2.16.156.10011.1.3", "value": two }),
        json!({ "period": { "end": "2019-01-01" }, "system": "urn:oid:2.16.156.10011.1.3", "value": two }),
    ] {
        let patient = patient(|it| it["identifier"] = json!([second, card(one)]));
        assert_eq!(patient.document.unwrap().number, one);
    }
}

#[test]
fn of_two_documents_the_identity_card_counts() {
    let patient = patient(|it| {
        it["identifier"] = json!([
            { "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PPN" }] }, "value": "E1234567" },
            { "system": "urn:oid:2.16.156.10011.1.3", "value": "990101195001010010" },
        ]);
    });

    assert_eq!(patient.document.unwrap().number, "990101195001010010");
    assert_eq!(patient.identifiers[0].value, "E1234567");
}

#[test]
fn a_year_of_birth_is_no_first_of_january_and_death_is_read() {
    let found = patient(|it| it["birthDate"] = json!("1950"));
    assert_eq!((found.birth_date, found.age_text.as_deref()), (None, Some("1950年出生")));
    let month = patient(|it| it["birthDate"] = json!("1950-07"));
    assert_eq!(month.age_text.as_deref(), Some("1950-07出生"));

    let found = patient(|it| it["deceasedDateTime"] = json!("2026-11-20"));
    assert_eq!((found.deceased, found.deceased_on), (true, "2026-11-20".parse().ok()));
    assert!(patient(|it| it["deceasedBoolean"] = json!(true)).deceased);
    assert!(!patient(|it| it["deceasedBoolean"] = json!(false)).deceased);
}
