//! What messages of hospitals mean, what is refused, and that no text is lost.

use crate::county::{self, County, HOSPITAL, TOWNSHIP, reading};
use serde_json::{Value, json};
use tierlink_codec::{Codec, Decoded, Directory, FamilyKnown, Profile};
use tierlink_fhir::Fhir;
use tierlink_schemas::kind::{Body, Kind};
use tierlink_schemas::request::Direction;
use tierlink_schemas::{Message, OrganisationCode, Priority, Tier};

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn decode(county: &County, source: &str, message: &Value) -> Decoded {
    Fhir.decode(message.to_string().as_bytes(), &reading(county, source))
}

fn read(source: &str, message: &Value) -> (Message, FamilyKnown, Decoded) {
    let decoded = decode(&county::open(), source, message);
    let (message, family) = decoded.outcome.clone().unwrap_or_else(|p| panic!("{p:?}"));
    (message, family, decoded)
}

/// The codes and fields of a refusal.
fn refused(source: &str, message: &Value) -> Vec<(String, String)> {
    let decoded = decode(&county::open(), source, message);
    let problems = decoded.outcome.err().unwrap_or_default();
    problems.into_iter().map(|p| (p.code.to_string(), p.field)).collect()
}

/// The resource of a type in a message.
fn resource<'a>(message: &'a mut Value, kind: &str) -> &'a mut Value {
    let entries = message["entry"].as_array_mut().unwrap();
    let found = entries.iter_mut().find(|e| e["resource"]["resourceType"] == kind);
    &mut found.unwrap()["resource"]
}

#[test]
fn a_referral_of_a_health_centre_is_read_whole() {
    let raw =
        std::fs::read(format!("{}/fixtures/referral.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let county = county::open();
    let decoded = Fhir.decode(&raw, &reading(&county, TOWNSHIP));
    let (message, family) = decoded.outcome.unwrap();
    let Body::ReferralSubmit(body) = &message.body else { panic!("{}", message.kind()) };

    assert_eq!(family, FamilyKnown::Stated);
    assert_eq!(message.source.message_id, "T01-20261121-0001");
    assert_eq!(message.source.system.as_deref(), Some("基层云HIS"));
    assert_eq!(message.priority, Some(Priority::Urgent));
    assert_eq!(message.case.numbers[0].number, "ZZ-2026-0117");
    assert_eq!(body.direction, Some(Direction::Up));
    assert_eq!(body.patient.document.as_ref().unwrap().number, "990101195001010010");
    assert_eq!(body.patient.name.as_deref(), Some("阿不都·𠮷力"));
    assert_eq!(body.patient.ethnicity.as_ref().unwrap().system.as_deref(), Some("GB/T 3304"));
    assert_eq!(body.from.practitioner.as_ref().unwrap().name.as_deref(), Some("沈立新"));
    assert_eq!(body.clinical.chief_complaint.as_deref(), Some("胸痛2小时"));
    assert_eq!(body.clinical.observations[0].value.as_deref(), Some("7.10"));
    assert_eq!(body.clinical.observations[0].range.as_deref(), Some("3.50-5.30"));
    assert_eq!(body.clinical.diagnoses[0].what.text.as_deref(), Some("不稳定性心绞痛"));
    assert_eq!(body.attachments[0].title, "心电图");
}

#[test]
fn the_parameters_of_the_operation_are_unwrapped() {
    let wrapped = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "async", "valueBoolean": false },
        { "name": "content", "resource": fixture("referral") },
    ] });

    assert_eq!(read(TOWNSHIP, &wrapped).0.kind(), Kind::ReferralSubmit);
}

#[test]
fn what_has_no_canonical_field_is_kept_with_its_path() {
    let (message, _, _) = read(TOWNSHIP, &fixture("referral"));
    let kept = |path: &str| message.extras.iter().find(|e| e.path == path).map(|e| e.text.as_str());

    assert_eq!(kept("MessageHeader.source.version"), Some("3.2"));
}

#[test]
fn a_plain_task_says_no_and_the_case_decides_the_family() {
    let (message, family, decoded) = read(HOSPITAL, &fixture("task_rejected"));
    let Body::ReferralDecline(body) = &message.body else { panic!("{}", message.kind()) };

    assert_eq!(family, FamilyKnown::ByCase);
    assert_eq!(body.reason.code, "RJ01");
    assert_eq!(body.by.as_ref().unwrap().name.as_deref(), Some("何敏"));
    assert_eq!(message.case.numbers[0].organisation.as_str(), TOWNSHIP);
    assert!(message.in_reply_to.unwrap().id.is_some());
    // What a doctor wrote beside the reason reaches the origin with it.
    let words = body.reason.text.as_deref().unwrap();
    assert_eq!(words, "无床位/无号源\nTask.note[0].text：请联系市医院。");
    assert!(decoded.deviations.iter().any(|d| d.code.as_str() == "D080"));
}

/// The rejection with patients in it, each under its name as id.
fn rejected_with(patients: &[Value]) -> Value {
    let mut message = fixture("task_rejected");
    let entries = message["entry"].as_array_mut().unwrap();
    entries.extend(patients.iter().map(|patient| json!({ "resource": patient })));
    message
}

fn patient(id: &str, name: &str, number: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "name": [{ "text": name }],
        "birthDate": "1950-01-01", "gender": "male", "photo": [{ "title": "近照" }],
        "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": number }],
    })
}

#[test]
fn the_patient_in_an_answer_is_read_for_comparing() {
    let answer = rejected_with(&[patient("p", "汪德福", "990101195001010010")]);

    let (message, _, _) = read(HOSPITAL, &answer);

    let subject = message.subject.unwrap();
    assert_eq!(subject.name.as_deref(), Some("汪德福"));
    assert_eq!(subject.document.unwrap().number, "990101195001010010");
    assert_eq!(subject.birth_date, "1950-01-01".parse().ok());
    let kept: Vec<&str> = message.extras.iter().map(|it| it.path.as_str()).collect();
    assert!(kept.contains(&"Patient.photo[0].title"), "{kept:?}");
    assert!(!kept.contains(&"Patient.birthDate"), "{kept:?}");
    assert_eq!(read(HOSPITAL, &fixture("task_rejected")).0.subject, None);
    assert_eq!(read(TOWNSHIP, &fixture("referral")).0.subject, None);
}

#[test]
fn a_wrong_identity_number_in_an_answer_is_told_and_not_refused() {
    let answer = rejected_with(&[patient("p", "汪德福", "990101195001010011")]);

    let (message, _, decoded) = read(HOSPITAL, &answer);

    assert_eq!(message.subject.unwrap().document.unwrap().number, "990101195001010011");
    let told = decoded
        .deviations
        .iter()
        .any(|it| (it.code.as_str(), it.field.as_str()) == ("D070", "Patient.identifier[0].value"));
    assert!(told, "{:?}", decoded.deviations);
}

#[test]
fn of_two_patients_in_an_answer_the_one_that_all_point_at_counts() {
    let two =
        [patient("p", "汪德福", "990101195001010010"), patient("q", "李四", "990101195001010037")];
    let mut answer = rejected_with(&two);
    assert_eq!(refused(HOSPITAL, &answer), [("D069".into(), "Patient".into())]);

    resource(&mut answer, "Task")["for"] = json!({ "reference": "Patient/q" });
    let (message, _, _) = read(HOSPITAL, &answer);

    assert_eq!(message.subject.unwrap().name.as_deref(), Some("李四"));
    let finding = json!({
        "resourceType": "Observation", "code": { "text": "血压" }, "valueString": "140/90",
        "subject": { "reference": "Patient/p" },
    });
    answer["entry"].as_array_mut().unwrap().push(json!({ "resource": finding }));
    let (message, _, decoded) = read(HOSPITAL, &answer);
    assert_eq!(message.subject.as_ref().unwrap().name.as_deref(), Some("李四"));
    assert!(!serde_json::to_string(&message).unwrap().contains("140/90"));
    assert!(decoded.deviations.iter().any(|it| it.field == "Observation.subject"));
}

#[test]
fn each_status_of_a_plain_task_has_one_meaning() {
    for (status, kind) in [
        ("accepted", Some(Kind::ReferralAccept)),
        ("rejected", Some(Kind::ReferralDecline)),
        ("cancelled", Some(Kind::ReferralCancel)),
        ("on-hold", Some(Kind::ReferralReturn)),
        ("in-progress", Some(Kind::ReferralFeedback)),
        ("completed", Some(Kind::ReferralFeedback)),
        ("failed", None),
        ("nonsense", None),
    ] {
        let mut message = fixture("task_rejected");
        resource(&mut message, "Task")["status"] = json!(status);

        let found = decode(&county::open(), HOSPITAL, &message).outcome.ok().map(|(m, _)| m.kind());

        assert_eq!(found, kind, "{status}");
    }
}

#[test]
fn a_case_number_states_the_family() {
    let mut message = fixture("task_rejected");
    let number = tierlink_schemas::CaseNumber::build('T', 2026, 5);
    resource(&mut message, "Task")["focus"]["identifier"] =
        json!({ "system": "urn:tierlink:case-number", "value": number });

    let (message, family, _) = read(HOSPITAL, &message);

    assert_eq!((message.kind(), family), (Kind::TransferDecline, FamilyKnown::Stated));
}

#[test]
fn a_misread_case_number_is_refused() {
    let mut message = fixture("task_rejected");
    resource(&mut message, "Task")["focus"]["identifier"] =
        json!({ "system": "urn:tierlink:case-number", "value": "R2600000001" });

    assert_eq!(refused(HOSPITAL, &message)[0].0, "D072");
}

#[test]
fn a_rejection_without_a_reason_is_refused() {
    let mut message = fixture("task_rejected");
    resource(&mut message, "Task").as_object_mut().unwrap().remove("statusReason");

    assert_eq!(refused(HOSPITAL, &message), [("D071".into(), "Task.statusReason".into())]);
}

/// A change to the referral, and the code and field with which it is then refused.
fn refusal_of_referral(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    let mut message = fixture("referral");
    change(&mut message);
    refused(TOWNSHIP, &message)
}

#[test]
fn safety_fields_are_never_guessed() {
    let request =
        |m: &mut Value, name: &str, value: Value| resource(m, "ServiceRequest")[name] = value;

    let found = refusal_of_referral(|m| request(m, "priority", json!("soon")));
    assert_eq!(found, [("D067".into(), "ServiceRequest.priority".into())]);

    let found = refusal_of_referral(|m| request(m, "priority", Value::Null));
    assert_eq!(found[0].0, "D067");

    let found =
        refusal_of_referral(|m| m["entry"][5]["resource"]["identifier"][0]["value"] = json!("X-9"));
    assert_eq!(found[0].0, "D066");

    let found = refusal_of_referral(|m| {
        m["entry"][3]["resource"]["identifier"][0]["value"] = json!("990101195001010011");
    });
    assert_eq!(found, [("D070".into(), "Patient.identifier[0].value".into())]);

    let found = refusal_of_referral(|m| {
        request(m, "performer", json!([{ "reference": "Organization/t01" }]));
    });
    assert_eq!(found[0].0, "D064", "the header names another receiver");

    let found = refusal_of_referral(|m| {
        m["entry"].as_array_mut().unwrap().retain(|e| e["resource"]["resourceType"] != "Patient");
    });
    assert_eq!(found[0].0, "D069");
}

#[test]
fn of_two_patients_without_a_subject_none_is_taken() {
    let found = refusal_of_referral(|m| {
        resource(m, "ServiceRequest").as_object_mut().unwrap().remove("subject");
        let other =
            json!({ "resource": { "resourceType": "Patient", "name": [{ "text": "乙" }] } });
        m["entry"].as_array_mut().unwrap().push(other);
    });

    assert_eq!(found, [("D069".into(), "Patient".into())]);
}

#[test]
fn a_direction_that_the_tiers_deny_is_refused() {
    let found = refusal_of_referral(|m| {
        resource(m, "MessageHeader")["eventCoding"]["code"] = json!("transfer.offer");
        resource(m, "ServiceRequest").as_object_mut().unwrap().remove("category");
    });
    assert_eq!(found[0].0, "D068");

    let found = refusal_of_referral(|m| {
        resource(m, "ServiceRequest")["extension"] =
            json!([{ "url": "urn:tierlink:extension:direction", "valueCode": "lateral" }]);
    });
    assert_eq!(found[0].0, "D068");
}

#[test]
fn a_plain_request_downwards_is_a_transfer() {
    let mut message = fixture("referral");
    resource(&mut message, "MessageHeader").as_object_mut().unwrap().remove("eventCoding");
    resource(&mut message, "ServiceRequest").as_object_mut().unwrap().remove("category");
    let upwards = decode(&county::open(), TOWNSHIP, &message).outcome.unwrap().0.kind();
    // The same between the two organisations, the other way round.
    let turned =
        message.to_string().replace("T-01", "_").replace("H-01", "T-01").replace('_', "H-01");
    let turned: Value = serde_json::from_str(&turned).unwrap();
    let downwards = decode(&county::open(), HOSPITAL, &turned).outcome.unwrap().0.kind();

    assert_eq!((upwards, downwards), (Kind::ReferralSubmit, Kind::TransferOffer));
}

#[test]
fn nobody_speaks_in_anothers_name() {
    let found = refused(HOSPITAL, &fixture("referral"));

    assert!(found.iter().any(|(code, _)| code == "D065"), "{found:?}");
}

#[test]
fn a_map_of_organisations_is_complete_and_leads_to_known_ones() {
    let mut county = county::open();
    let codes = &mut county.profiles.get_mut(TOWNSHIP).unwrap().codes.organisation;
    codes.insert("XRM".to_owned(), HOSPITAL.to_owned());
    codes.insert("OLD".to_owned(), "CLOSED".to_owned());
    let named = |name: &str| {
        let mut message = fixture("referral");
        resource(&mut message, "MessageHeader").as_object_mut().unwrap().remove("destination");
        let own = json!({ "system": "https://his.t-01.example/organisations", "value": name });
        message["entry"][5]["resource"]["identifier"][0] = own;
        let outcome = decode(&county, TOWNSHIP, &message).outcome;
        outcome.ok().and_then(|(m, _)| m.body.to().map(|to| to.organisation.to_string()))
    };

    assert_eq!(named("XRM").as_deref(), Some(HOSPITAL));
    assert_eq!(named("H-01"), None, "a table that is given is complete");
    assert_eq!(named("OLD"), None);
}

#[test]
fn without_configuration_unknown_organisations_are_told_and_not_refused() {
    let code = OrganisationCode::new("T-01").unwrap();
    let profile = Profile::bare(code, Tier::Township, "fhir");
    let directory = Directory::default();
    let county = county::open();
    let mut with = reading(&county, TOWNSHIP);
    with.profile = &profile;
    with.directory = &directory;

    let decoded = Fhir.decode(fixture("referral").to_string().as_bytes(), &with);

    assert!(decoded.outcome.is_ok(), "{:?}", decoded.outcome);
    assert!(decoded.deviations.iter().any(|d| d.code.as_str() == "D078"));
}

#[test]
fn an_event_that_the_statuses_deny_is_refused() {
    let mut message = fixture("task_rejected");
    resource(&mut message, "MessageHeader")["eventCoding"] =
        json!({ "system": "urn:tierlink:event", "code": "referral.accept" });
    assert_eq!(refused(HOSPITAL, &message)[0].0, "D064");

    let found = refusal_of_referral(|m| resource(m, "ServiceRequest")["status"] = json!("revoked"));
    assert_eq!(found[0].0, "D064");
}

/// Seen to fail while the code was an extra: an answer that says "not taken" moved the case on.
#[test]
fn an_error_answer_is_no_decision() {
    for code in ["fatal-error", "transient-error"] {
        let with_code = |name| {
            let mut message = fixture(name);
            resource(&mut message, "MessageHeader")["response"] =
                json!({ "identifier": "M-1", "code": code });
            message
        };

        assert_eq!(refused(TOWNSHIP, &with_code("referral"))[0].0, "D074", "{code}");
        let (declined, _, _) = read(HOSPITAL, &with_code("task_rejected"));
        assert_eq!(declined.kind(), Kind::ReferralDecline, "a refusal may say so twice");
    }
}

#[test]
fn an_extension_that_does_not_fit_is_kept_and_told() {
    let mut message = fixture("referral");
    resource(&mut message, "Task")["extension"] = json!([
        { "url": "urn:tierlink:extension:transport", "valueString": "120" },
        { "url": "urn:tierlink:extension:colour", "valueString": "蓝" },
    ]);

    let (message, _, decoded) = read(TOWNSHIP, &message);

    let kept: Vec<&str> = message.extras.iter().map(|e| e.text.as_str()).collect();
    assert!(kept.contains(&"120") && kept.contains(&"蓝"), "{kept:?}");
    assert_eq!(decoded.deviations.iter().filter(|d| d.code.as_str() == "D079").count(), 2);
}

#[test]
fn a_bars_rejection_follows_the_examples_unless_the_profile_is_strict() {
    let message = fixture("bars_rejection");
    let (read_as, family, decoded) = read(HOSPITAL, &message);
    let Body::ReferralDecline(body) = &read_as.body else { panic!("{}", read_as.kind()) };
    assert_eq!(family, FamilyKnown::ByCase);
    assert_eq!(body.reason.code, "RJ99");
    assert!(body.reason.text.as_ref().unwrap().contains("RRNA"));
    assert_eq!(read_as.in_reply_to.unwrap().message_id.as_deref(), Some("b-0001"));
    assert!(decoded.deviations.iter().any(|d| d.code.as_str() == "D081"));

    let mut strict = county::open();
    strict.profiles.get_mut(HOSPITAL).unwrap().quirks.bars_strict = true;
    let decoded = decode(&strict, HOSPITAL, &message);
    assert_eq!(decoded.outcome.unwrap_err()[0].code.as_str(), "D064");
}

#[test]
fn bars_statuses_are_decided_on_together() {
    for (visit, request, kind) in [
        ("planned", "active", Some(Kind::ReferralAccept)),
        ("planned", "revoked", None),
        ("cancelled", "active", Some(Kind::ReferralDecline)),
        ("cancelled", "revoked", Some(Kind::ReferralDecline)),
        ("cancelled", "completed", None),
        ("in-progress", "active", Some(Kind::ReferralFeedback)),
        ("finished", "active", Some(Kind::ReferralFeedback)),
        ("finished", "completed", Some(Kind::ReferralFeedback)),
        ("finished", "entered-in-error", None),
        ("onleave", "active", None),
    ] {
        let mut message = fixture("bars_rejection");
        message["entry"][3]["resource"]["status"] = json!(visit);
        resource(&mut message, "ServiceRequest")["status"] = json!(request);

        let found = decode(&county::open(), HOSPITAL, &message).outcome.ok().map(|(m, _)| m.kind());

        assert_eq!(found, kind, "{visit} {request}");
    }
}

/// A BaRS message about an appointment, with a number of the referral.
fn booking(event: &str, status: &str) -> Value {
    json!({ "resourceType": "Bundle", "id": "x", "type": "message", "entry": [
        { "resource": { "resourceType": "MessageHeader", "eventCoding": {
            "system": "https://fhir.nhs.uk/CodeSystem/message-events-bars", "code": event } } },
        { "fullUrl": "urn:uuid:5f0b3c1e-0000-4000-8000-000000000001", "resource": { "resourceType": "Appointment", "status": status,
            "start": "2026-11-22T09:00:00+08:00", "slot": [{ "reference": "urn:uuid:51" }] } },
        { "fullUrl": "urn:uuid:51", "resource": { "resourceType": "Slot", "identifier": [{ "value": "S-9" }] } },
    ] })
}

#[test]
fn a_bars_booking_is_asked_for_given_and_cancelled_and_none_touches_the_referral() {
    for (event, status, kind) in [
        ("booking-request", "booked", Kind::ReferralBook),
        ("booking-request", "proposed", Kind::ReferralBook),
        ("booking-request", "waitlist", Kind::ReferralBook),
        ("booking-response", "booked", Kind::ReferralSchedule),
        ("booking-request", "cancelled", Kind::ReferralUnschedule),
        ("booking-response", "cancelled", Kind::ReferralUnschedule),
        ("booking-request", "entered-in-error", Kind::ReferralUnschedule),
    ] {
        let (message, family, _) = read(HOSPITAL, &booking(event, status));

        assert_eq!((message.kind(), family), (kind, FamilyKnown::ByCase), "{event} {status}");
        assert_eq!(message.case.numbers[0].number, "5f0b3c1e-0000-4000-8000-000000000001");
        let told = message.body.appointment().unwrap();
        assert_eq!(told.slot.as_deref(), Some("S-9"), "{event} {status}");
        assert!(told.start.is_some(), "{event} {status}");
    }
    let offered = refused(HOSPITAL, &booking("booking-response", "proposed"));
    assert_eq!(offered[0].0, "D063", "nobody but the origin asks for a time");
}

#[test]
fn who_was_asked_gives_the_time_whatever_the_event_and_says_why_it_is_off() {
    let mut message = booking("booking-request", "booked");
    let organisation = |code: &str| json!({ "identifier": { "system": "urn:tierlink:organisation", "value": code } });
    let request = json!({ "resource": { "resourceType": "ServiceRequest", "status": "active",
        "intent": "order", "identifier": [{ "value": "N-7" }],
        "requester": organisation(TOWNSHIP), "performer": [organisation(HOSPITAL)] } });
    message["entry"].as_array_mut().unwrap().push(request);

    assert_eq!(read(HOSPITAL, &message).0.kind(), Kind::ReferralSchedule);
    assert_eq!(read(TOWNSHIP, &message).0.kind(), Kind::ReferralBook);
    let appointment = resource(&mut message, "Appointment");
    appointment["status"] = json!("cancelled");
    appointment["cancelationReason"] = json!({ "text": "停诊" });
    let (off, _, _) = read(HOSPITAL, &message);
    let Body::ReferralUnschedule(body) = &off.body else { panic!("{}", off.kind()) };
    assert_eq!((body.reason.code.as_str(), body.reason.text.as_deref()), ("CN11", Some("停诊")));
    resource(&mut message, "ServiceRequest")["status"] = json!("revoked");
    assert_eq!(read(TOWNSHIP, &message).0.kind(), Kind::ReferralCancel);
}

#[test]
fn a_plain_appointment_that_is_cancelled_is_neither_an_acceptance_nor_a_new_referral() {
    let mut message = booking("x", "cancelled");
    message["entry"][0]["resource"]["eventCoding"] = json!({ "system": "urn:x", "code": "y" });
    assert_eq!(read(HOSPITAL, &message).0.kind(), Kind::ReferralUnschedule);
    let task = json!({ "resource": { "resourceType": "Task", "status": "accepted",
        "intent": "order", "basedOn": [{ "identifier": { "value": "N-7" } }] } });
    message["entry"].as_array_mut().unwrap().push(task);

    assert_eq!(read(HOSPITAL, &message).0.kind(), Kind::ReferralUnschedule);
    resource(&mut message, "Appointment")["status"] = json!("booked");
    assert_eq!(read(HOSPITAL, &message).0.kind(), Kind::ReferralSchedule);
}

#[test]
fn a_referral_whose_content_is_a_letter_is_taken_and_says_so() {
    let mut message = fixture("referral");
    let entries = message["entry"].as_array_mut().unwrap();
    entries.retain(|entry| {
        !matches!(entry["resource"]["resourceType"].as_str(), Some("Condition" | "Observation"))
    });
    let request = entries.iter().find(|e| e["resource"]["resourceType"] == "ServiceRequest");
    let subject = request.unwrap()["resource"]["subject"].clone();
    entries.push(json!({ "fullUrl": "urn:uuid:6f0b3c1e-0000-4000-8000-000000000009", "resource": {
        "resourceType": "DocumentReference", "status": "current", "subject": subject,
        "description": "转诊信",
        "content": [{ "attachment": { "contentType": "application/pdf", "data": "JVBERi0xLjQK" } }],
    } }));

    let (read, _, decoded) = read(TOWNSHIP, &message);

    let Body::ReferralSubmit(body) = &read.body else { panic!("{}", read.kind()) };
    assert_eq!(body.clinical.chief_complaint.as_deref(), Some("未说明，见所附文件"));
    assert!(decoded.deviations.iter().any(|told| told.code.as_str() == "D088"));
}

#[test]
fn a_field_that_an_amendment_deletes_is_told_in_words() {
    let (mut amended, _, _) = read(TOWNSHIP, &fixture("referral"));
    let Body::ReferralSubmit(body) = amended.body.clone() else { panic!("{}", amended.kind()) };
    let deletes = |path: &str| tierlink_schemas::message::Extra {
        path: path.to_owned(),
        text: "\"\"".to_owned(),
    };
    amended.extras = vec![deletes("PID-13"), deletes("PID-11")];
    amended.set_body(Body::ReferralAmend(body));
    let county = county::open();
    let to = OrganisationCode::new(HOSPITAL).unwrap();

    let encoded = Fhir.encode(&amended, &to, &county::writing(&county, HOSPITAL)).unwrap();

    let text = String::from_utf8(encoded.bytes.to_vec()).unwrap();
    assert!(text.contains("发送方已删除以下内容，请同步删除：电话、地址"), "{text}");
}

/// Samples of others, where the folder is there.
#[test]
fn samples_of_others_are_read_or_refused_by_field_and_lose_no_text() {
    let Ok(folder) = std::env::var("TIERLINK_SAMPLES") else { return };
    for name in
        ["bars_process_message_request", "bars_validation_request", "bars_validation_response"]
    {
        let raw = std::fs::read(format!("{folder}/fhir/{name}.json")).unwrap();
        // As they are, and once more with what they leave out so that they can be read.
        let mut whole: Value = serde_json::from_slice(&raw).unwrap();
        for entry in whole["entry"].as_array_mut().unwrap() {
            let it = &mut entry["resource"];
            if it["resourceType"] == "ServiceRequest" {
                it["priority"] = json!("urgent");
            }
            let named = it["name"].as_str().is_some_and(|n| n.to_lowercase().contains("receiv"));
            if it["resourceType"] == "Organization" && named {
                it["identifier"] =
                    json!([{ "system": "urn:tierlink:organisation", "value": "H-01" }]);
            }
        }
        let county = county::open();
        for (bytes, must) in [(raw, false), (whole.to_string().into_bytes(), true)] {
            let decoded = Fhir.decode(&bytes, &reading(&county, TOWNSHIP));
            match decoded.outcome {
                Ok((message, _)) => no_text_is_lost(&bytes, &message),
                Err(problems) => {
                    assert!(problems.iter().all(|p| !p.field.is_empty()));
                    assert!(!must || name.ends_with("response"), "{name}: {problems:?}");
                }
            }
        }
    }
}

#[test]
fn no_text_of_the_referral_is_lost() {
    let fixture = fixture("referral");
    no_text_is_lost(fixture.to_string().as_bytes(), &read(TOWNSHIP, &fixture).0);
}

/// Every text with a word in it must be found again in the message, in whole or in its parts.
fn no_text_is_lost(raw: &[u8], message: &Message) {
    fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
        match value {
            Value::String(text)
                if !matches!(key, "reference" | "fullUrl" | "resourceType" | "id") =>
            {
                found.push(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
            Value::Object(members) => {
                members.iter().for_each(|(key, item)| texts(item, key, found));
            }
            _ => {}
        }
    }
    /// Codes that became something else: statuses, events, systems, times, tidied numbers.
    fn is_technical(text: &str) -> bool {
        text.contains("://")
            || text.starts_with("urn:")
            || text.starts_with("20")
            || text.starts_with("990101")
            || text.starts_with("DE0")
            || text == "主诉"
            || text.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '.')
    }
    let mut sent = Vec::new();
    texts(&serde_json::from_slice(raw).unwrap(), "", &mut sent);
    let kept = serde_json::to_value(message).unwrap();
    let mut held = Vec::new();
    texts(&kept, "", &mut held);
    // The text of an extra stands under a name like any other.
    let all = held.join("\n");
    for text in sent.iter().filter(|text| !is_technical(text)) {
        assert!(all.contains(text.trim()), "lost: {text}");
    }
}
