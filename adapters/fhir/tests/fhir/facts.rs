//! What is a fact about the patient and arrives, what is none and does not, and that both is told.

use crate::county::{self, County, HOSPITAL, TOWNSHIP, reading, writing};
use serde_json::{Value, json};
use tierlink_codec::{Codec, Decoded};
use tierlink_fhir::Fhir;
use tierlink_schemas::clinical::{
    Certainty, Clinical, Comparator, ConditionStatus, Criticality, MedicationStatus, ResultStatus,
    Severity,
};
use tierlink_schemas::kind::{Body, Kind};
use tierlink_schemas::request::ReferralRequest;
use tierlink_schemas::{Message, OrganisationCode};

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The referral with further resources.
fn with(resources: &[Value]) -> Value {
    let mut message = fixture("referral");
    let entries = message["entry"].as_array_mut().unwrap();
    entries.extend(resources.iter().map(|resource| json!({ "resource": resource })));
    message
}

fn resource<'a>(message: &'a mut Value, kind: &str) -> &'a mut Value {
    let entries = message["entry"].as_array_mut().unwrap();
    let found = entries.iter_mut().find(|e| e["resource"]["resourceType"] == kind);
    &mut found.unwrap()["resource"]
}

fn decode(county: &County, source: &str, message: &Value) -> Decoded {
    Fhir.decode(message.to_string().as_bytes(), &reading(county, source))
}

struct Read {
    message: Message,
    decoded: Decoded,
}

impl Read {
    fn of(message: &Value) -> Self {
        Self::from(TOWNSHIP, message)
    }

    fn from(source: &str, message: &Value) -> Self {
        let decoded = decode(&county::open(), source, message);
        let (message, _) = decoded.outcome.clone().unwrap_or_else(|p| panic!("{p:?}"));
        Self { message, decoded }
    }

    fn request(&self) -> &ReferralRequest {
        let Body::ReferralSubmit(request) = &self.message.body else { panic!() };
        request
    }

    fn clinical(&self) -> &Clinical {
        &self.request().clinical
    }

    /// Whether the sender hears of `field` under a code.
    fn tells(&self, code: &str, field: &str) -> bool {
        let told = self.decoded.deviations.iter();
        told.into_iter().any(|it| it.code.as_str() == code && it.field == field)
    }

    /// The bytes that a hospital with FHIR gets.
    fn sent_on(&self) -> String {
        let county = county::open();
        let to = OrganisationCode::new(HOSPITAL).unwrap();
        let encoded = Fhir.encode(&self.message, &to, &writing(&county, HOSPITAL)).unwrap();
        String::from_utf8(encoded.bytes.into()).unwrap()
    }
}

/// Codes and fields of a refusal.
fn refused(message: &Value) -> Vec<(String, String)> {
    let decoded = decode(&county::open(), TOWNSHIP, message);
    let problems = decoded.outcome.err().unwrap_or_default();
    problems.into_iter().map(|p| (p.code.to_string(), p.field)).collect()
}

fn potassium(status: &str) -> Value {
    json!({ "resourceType": "Observation", "id": "k", "status": status,
        "code": { "text": "血钾复查" }, "valueQuantity": { "value": 9.87, "unit": "mmol/L" } })
}

#[test]
fn what_is_no_fact_is_left_out_of_every_format_and_both_sides_hear_of_it() {
    let certainty = |code: &str| json!({ "coding": [{ "code": code }] });
    let allergy = |code: &str| {
        json!({ "resourceType": "AllergyIntolerance", "code": { "text": "禁物甲" },
            "verificationStatus": certainty(code) })
    };
    let condition = |code: &str| {
        json!({ "resourceType": "Condition", "code": { "text": "禁物甲" },
            "verificationStatus": certainty(code) })
    };
    let medicine = |kind: &str, status: &str| {
        json!({ "resourceType": kind, "status": status,
            "medicationCodeableConcept": { "text": "禁物甲" } })
    };
    let mut observation = potassium("entered-in-error");
    observation["code"]["text"] = json!("禁物甲");
    for no_fact in [
        observation,
        allergy("refuted"),
        allergy("entered-in-error"),
        condition("refuted"),
        condition("entered-in-error"),
        json!({ "resourceType": "Condition", "code": { "text": "禁物甲" },
            "verificationStatus": { "text": "已排除" } }),
        medicine("MedicationStatement", "not-taken"),
        medicine("MedicationStatement", "entered-in-error"),
        medicine("MedicationRequest", "cancelled"),
        json!({ "resourceType": "MedicationRequest", "status": "active", "doNotPerform": true,
            "medicationCodeableConcept": { "text": "禁物甲" } }),
        json!({ "resourceType": "Procedure", "status": "not-done", "code": { "text": "禁物甲" } }),
        json!({ "resourceType": "Procedure", "status": "entered-in-error",
            "code": { "text": "禁物甲" } }),
        json!({ "resourceType": "DocumentReference", "status": "entered-in-error",
            "description": "禁物甲" }),
        json!({ "resourceType": "Immunization", "status": "not-done",
            "vaccineCode": { "text": "禁物甲" } }),
        json!({ "resourceType": "DiagnosticReport", "status": "cancelled",
            "conclusion": "禁物甲" }),
    ] {
        let read = Read::of(&with(std::slice::from_ref(&no_fact)));

        let canonical = serde_json::to_string(&read.message).unwrap();
        assert!(!canonical.contains("禁物甲"), "{no_fact}");
        assert!(!read.sent_on().contains("禁物甲"), "{no_fact}");
        let told = read.decoded.deviations.iter().any(|it| it.code.as_str() == "D083");
        assert!(told, "{no_fact}: {:?}", read.decoded.deviations);
        let remark = read.clinical().notes.iter().any(|note| note.contains("未转送"));
        assert!(remark, "{no_fact}: {:?}", read.clinical().notes);
    }
}

/// Something done to a message.
type Change = Box<dyn Fn(&mut Value)>;

#[test]
fn a_modifier_that_is_not_understood_refuses_the_message() {
    let url = "https://his.example/only-if-consent-is-renewed";
    let extension = json!([{ "url": url, "valueBoolean": true }]);
    let mut unknown_status = potassium("final-ish");
    unknown_status["id"] = json!("u");
    let cases: Vec<(&str, Change)> = vec![
        (
            "ServiceRequest.doNotPerform",
            Box::new(|m| {
                resource(m, "ServiceRequest")["doNotPerform"] = json!(true);
            }),
        ),
        (
            "ServiceRequest.modifierExtension",
            Box::new({
                let extension = extension.clone();
                move |m| resource(m, "ServiceRequest")["modifierExtension"] = extension.clone()
            }),
        ),
        (
            "Patient.name[0].modifierExtension",
            Box::new({
                let extension = extension.clone();
                move |m| resource(m, "Patient")["name"][0]["modifierExtension"] = extension.clone()
            }),
        ),
        (
            "Condition.modifierExtension",
            Box::new({
                let extension = extension.clone();
                move |m| resource(m, "Condition")["modifierExtension"] = extension.clone()
            }),
        ),
        ("Bundle.implicitRules", Box::new(|m| m["implicitRules"] = json!("https://his.example/r"))),
        (
            "ServiceRequest.intent",
            Box::new(|m| {
                resource(m, "ServiceRequest")["intent"] = json!("proposal");
            }),
        ),
        (
            "Condition.verificationStatus",
            Box::new(|m| {
                resource(m, "Condition")["verificationStatus"] =
                    json!({ "coding": [{ "code": "maybe" }] });
            }),
        ),
        (
            "Condition.verificationStatus",
            Box::new(|m| {
                resource(m, "Condition")["verificationStatus"] =
                    json!({ "coding": [{ "code": "confirmed" }, { "code": "provisional" }] });
            }),
        ),
        (
            "Condition.clinicalStatus",
            Box::new(|m| {
                resource(m, "Condition")["clinicalStatus"] =
                    json!({ "coding": [{ "code": "gone" }] });
            }),
        ),
        (
            "Observation[2].status",
            Box::new(move |m| {
                let entry = json!({ "resource": unknown_status.clone() });
                m["entry"].as_array_mut().unwrap().push(entry);
            }),
        ),
        (
            "Observation[1].valueQuantity.comparator",
            Box::new(|m| {
                let entries = m["entry"].as_array_mut().unwrap();
                let potassium = entries.iter_mut().find(|e| e["resource"]["id"] == "o2").unwrap();
                potassium["resource"]["valueQuantity"]["comparator"] = json!("~");
            }),
        ),
        (
            "Patient.name[0].use",
            Box::new(|m| resource(m, "Patient")["name"][0]["use"] = json!("x")),
        ),
        ("Patient.active", Box::new(|m| resource(m, "Patient")["active"] = json!(false))),
        (
            "Organization[0].active",
            Box::new(|m| resource(m, "Organization")["active"] = json!(false)),
        ),
    ];
    for (field, change) in cases {
        let mut message = fixture("referral");
        change(&mut message);

        assert_eq!(refused(&message), [("D074".to_owned(), field.to_owned())], "{field}");
    }
}

#[test]
fn statuses_are_carried_as_what_they_are() {
    let read = Read::of(&with(&[
        potassium("preliminary"),
        potassium("corrected"),
        potassium("amended"),
        json!({ "resourceType": "Observation", "status": "cancelled", "code": { "text": "血气" } }),
        json!({ "resourceType": "Condition", "code": { "text": "肺炎" },
            "verificationStatus": { "coding": [{ "code": "provisional" }] },
            "clinicalStatus": { "coding": [{ "code": "resolved" }] },
            "severity": { "text": "重度" }, "note": [{ "text": "上月出院" }] }),
        json!({ "resourceType": "AllergyIntolerance", "code": { "text": "青霉素" }, "criticality": "high",
            "verificationStatus": { "coding": [{ "code": "unconfirmed" }] },
            "reaction": [{ "manifestation": [{ "text": "过敏性休克" }], "severity": "severe" }] }),
        json!({ "resourceType": "MedicationStatement", "status": "stopped",
            "medicationCodeableConcept": { "text": "华法林" } }),
        json!({ "resourceType": "MedicationStatement", "status": "on-hold",
            "medicationCodeableConcept": { "text": "阿司匹林" } }),
    ]));
    let clinical = read.clinical();

    let statuses: Vec<ResultStatus> = clinical.observations.iter().map(|it| it.status).collect();
    assert_eq!(
        statuses,
        [
            ResultStatus::Final,
            ResultStatus::Preliminary,
            ResultStatus::Corrected,
            ResultStatus::Amended,
            ResultStatus::NotObtained,
        ]
    );
    let pneumonia = &clinical.diagnoses[1];
    assert_eq!(pneumonia.certainty, Some(Certainty::Provisional));
    assert_eq!(pneumonia.status, Some(ConditionStatus::Resolved));
    assert_eq!(pneumonia.note.as_deref(), Some("上月出院\n程度：重度"));
    let penicillin = &clinical.allergies[0];
    assert_eq!(penicillin.severity, Some(Severity::Severe));
    assert_eq!(penicillin.criticality, Some(Criticality::High));
    assert_eq!(penicillin.certainty, Some(Certainty::Unconfirmed));
    let medicines: Vec<MedicationStatus> =
        clinical.medications.iter().map(|it| it.status).collect();
    assert_eq!(medicines, [MedicationStatus::Stopped, MedicationStatus::OnHold]);

    let sent: Value = serde_json::from_str(&read.sent_on()).unwrap();
    let all = |kind: &str, path: &str| -> Vec<Value> {
        let entries = sent["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        let of_kind = entries.filter(|it| {
            it["resourceType"] == kind
                && it["code"]["text"].is_string() | !it["medicationCodeableConcept"].is_null()
        });
        of_kind.map(|it| it.pointer(path).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(
        all("Observation", "/status"),
        ["final", "preliminary", "corrected", "amended", "cancelled"]
    );
    assert_eq!(all("MedicationStatement", "/status"), ["stopped", "on-hold"]);
    assert_eq!(all("Condition", "/verificationStatus/coding/0/code")[1], "provisional");
    assert_eq!(all("AllergyIntolerance", "/reaction/0/severity"), ["severe"]);
}

#[test]
fn every_form_of_a_value_is_read() {
    let observation = |name: &str, value: Value| {
        let mut it =
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": name } });
        it.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        it
    };
    let quantity = |value: u32| json!({ "value": value, "unit": "mmHg" });
    let read = Read::of(&with(&[
        observation(
            "肌钙蛋白",
            json!({ "valueQuantity": { "value": 0.04, "comparator": "<", "unit": "ng/mL" } }),
        ),
        observation(
            "滴度",
            json!({ "valueRatio": { "numerator": { "value": 1 }, "denominator": { "value": 128 } } }),
        ),
        observation(
            "体温",
            json!({ "valueRange": { "low": { "value": 36.5, "unit": "℃" }, "high": { "value": 38.2, "unit": "℃" } } }),
        ),
        observation("尿蛋白", json!({ "dataAbsentReason": { "text": "未做" } })),
        observation(
            "病毒",
            json!({ "valueCodeableConcept": { "coding": [{ "code": "N", "display": "阴性" }] } }),
        ),
        observation(
            "血压",
            json!({ "component": [
            { "code": { "text": "收缩压" }, "valueQuantity": quantity(218), "interpretation": [{ "coding": [{ "code": "HH" }] }] },
            { "code": { "text": "舒张压" }, "valueQuantity": quantity(124) },
        ] }),
        ),
        observation(
            "血糖",
            json!({ "valueQuantity": { "value": 5 }, "note": [{ "text": "餐后" }, { "text": "指血" }],
            "method": { "text": "快速法" }, "effectiveDateTime": "2026-03-09" }),
        ),
    ]));
    let found = &read.clinical().observations[1..];

    assert_eq!(found[0].comparator, Some(Comparator::Less));
    assert_eq!(found[0].value.as_deref(), Some("0.04"));
    assert_eq!(found[1].value.as_deref(), Some("1:128"));
    assert_eq!(
        (found[2].value.as_deref(), found[2].unit.as_deref()),
        (Some("36.5-38.2"), Some("℃"))
    );
    assert_eq!(found[3].absent_reason.as_ref().unwrap().text.as_deref(), Some("未做"));
    assert_eq!(found[4].value.as_deref(), Some("阴性"));
    let parts: Vec<_> = found[5].components.iter().map(|it| it.value.as_deref().unwrap()).collect();
    assert_eq!(parts, ["218", "124"]);
    assert_eq!(found[5].components[0].flag.as_deref(), Some("HH"));
    assert_eq!(found[6].note.as_deref(), Some("餐后\n指血\n方法：快速法\n检查时间：2026-03-09"));
    assert_eq!(found[6].at, None, "a day is not a midnight");
    for word in ["218", "124", "收缩压", "1:128", "未做", "\"comparator\":\"<\"", "快速法"]
    {
        assert!(read.sent_on().contains(word), "{word}");
    }
}

#[test]
fn a_value_of_a_cancelled_result_is_not_carried() {
    let read = Read::of(&with(&[potassium("cancelled")]));

    let found = &read.clinical().observations[1];
    assert_eq!((found.status, found.value.as_deref()), (ResultStatus::NotObtained, None));
    assert!(!read.sent_on().contains("9.87"));
    assert!(read.tells("D083", "Observation[2].status"));
}

#[test]
fn what_is_about_somebody_else_is_never_the_patients() {
    let mother =
        json!({ "resourceType": "Patient", "id": "mother", "name": [{ "text": "李某英" }] });
    let of_mother = |kind: &str, element: &str| {
        let mut it = json!({ "resourceType": kind, "status": "final", "code": { "text": "禁物乙" },
            "valueString": "阳性" });
        it[element] = json!({ "reference": "Patient/mother" });
        it
    };
    let referred_to = |reference: Value| {
        let mut it = of_mother("Observation", "subject");
        it["subject"] = reference;
        it
    };
    for other in [
        of_mother("Observation", "subject"),
        of_mother("Condition", "subject"),
        of_mother("AllergyIntolerance", "patient"),
        of_mother("Immunization", "patient"),
        of_mother("DiagnosticReport", "subject"),
        referred_to(json!({ "reference": "Patient/nowhere" })),
        referred_to(json!({ "reference": "https://other.example/fhir/Patient/p1" })),
        referred_to(json!({ "reference": "#inside" })),
        referred_to(json!({ "identifier": { "value": "MZ4711" } })),
        json!({ "resourceType": "Observation", "status": "final", "code": { "text": "禁物乙" },
            "subject": { "reference": "Patient/p1" }, "focus": [{ "reference": "Patient/mother" }] }),
        json!({ "resourceType": "Observation", "status": "final", "code": { "text": "禁物乙" } }),
    ] {
        let read = Read::of(&with(&[mother.clone(), other.clone()]));

        let canonical = serde_json::to_string(&read.message).unwrap();
        assert!(!canonical.contains("禁物乙"), "{other}");
        assert!(!canonical.contains("李某英"), "{other}");
        assert!(!read.sent_on().contains("禁物乙"), "{other}");
        assert_eq!(read.request().patient.name.as_deref(), Some("阿不都·𠮷力"));
        assert!(read.decoded.deviations.iter().any(|it| it.code.as_str() == "D083"), "{other}");
        assert!(read.clinical().notes.iter().any(|note| note.contains("未转送")));
    }
}

#[test]
fn a_subject_that_leads_nowhere_refuses_the_message() {
    let field = "ServiceRequest.subject".to_owned();
    for subject in [
        json!({ "reference": "Patient/child" }),
        json!({ "reference": "https://emr-a.example/fhir/Patient/p1" }),
        json!({ "reference": "Organization/t01" }),
        json!({ "identifier": { "value": "MZ4711" } }),
    ] {
        let mut message = fixture("referral");
        resource(&mut message, "ServiceRequest")["subject"] = subject.clone();

        assert_eq!(refused(&message), [("D069".to_owned(), field.clone())], "{subject}");
    }

    let mut message = fixture("referral");
    let mut by_number =
        json!({ "identifier": { "system": "urn:oid:2.16.156.10011.1.11", "value": "MZ0009" } });
    resource(&mut message, "ServiceRequest")["subject"] = by_number.take();
    assert_eq!(Read::of(&message).request().patient.name.as_deref(), Some("阿不都·𠮷力"));
}

#[test]
fn subjects_of_what_decides_are_one_patient() {
    let mother =
        json!({ "resourceType": "Patient", "id": "mother", "name": [{ "text": "李某英" }] });
    let mut message = with(&[mother]);
    resource(&mut message, "Task")["for"] = json!({ "reference": "Patient/mother" });

    assert_eq!(refused(&message), [("D069".to_owned(), "Task.for".to_owned())]);
}

#[test]
fn of_several_codings_the_national_one_counts_and_the_others_travel_along() {
    let read = Read::of(&with(&[json!({ "resourceType": "Condition", "code": { "coding": [
        { "system": "http://snomed.info/sct", "code": "73211009", "display": "Diabetes mellitus" },
        { "system": "urn:tierlink:codes:ICD-10-CN", "code": "E11.900", "display": "2型糖尿病" },
        { "system": "http://hl7.org/fhir/sid/icd-10", "code": "E11.9" },
    ] } })]));

    let what = &read.clinical().diagnoses[1].what;
    assert_eq!(
        (what.code.as_deref(), what.system.as_deref()),
        (Some("E11.900"), Some("ICD-10-CN"))
    );
    assert_eq!(what.text.as_deref(), Some("2型糖尿病"));
    let others: Vec<&str> = what.translations.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(others, ["73211009", "E11.9"]);
    assert!(read.sent_on().contains("73211009"));
}

#[test]
fn base64_with_line_breaks_is_read() {
    let mut message = fixture("referral");
    resource(&mut message, "DocumentReference")["content"][0]["attachment"]["data"] =
        json!("JVBE\r\n Ri0=\n");

    let read = Read::of(&message);

    assert_eq!(
        read.request().attachments[0].content.as_deref().map(String::as_str),
        Some("JVBERi0=")
    );
}

#[test]
fn a_day_is_not_a_midnight() {
    let mut message = fixture("referral");
    let request = resource(&mut message, "ServiceRequest");
    request["authoredOn"] = json!("2026-11-21");
    request["occurrencePeriod"] = json!({ "start": "2026-11-22", "end": "2026-11-24" });
    let read = Read::of(&message);

    // 23:59:59 in China.
    assert_eq!(read.request().valid_until, "2026-11-24T15:59:59Z".parse().ok());
    assert!(read.clinical().notes.iter().any(|note| note == "期望开始时间：2026-11-22"));

    let booked = |start: &str| {
        let mut message = fixture("task_rejected");
        resource(&mut message, "Task")["status"] = json!("accepted");
        let appointment =
            json!({ "resourceType": "Appointment", "status": "booked", "start": start });
        message["entry"].as_array_mut().unwrap().push(json!({ "resource": appointment }));
        let decoded = decode(&county::open(), HOSPITAL, &message);
        decoded.outcome.map_err(|p| (p[0].code.to_string(), p[0].field.clone()))
    };
    assert_eq!(
        booked("2026-12-11").unwrap_err(),
        ("D076".to_owned(), "Appointment.start".to_owned())
    );
    assert_eq!(booked("2026-12").unwrap_err().0, "D076");
    assert!(booked("2026-12-11T09:00:00+08:00").is_ok());
}

#[test]
fn the_reason_may_be_a_diagnosis_of_the_message() {
    let mut message = fixture("referral");
    let request = resource(&mut message, "ServiceRequest").as_object_mut().unwrap();
    request.remove("reasonCode");
    request.insert("reasonReference".into(), json!([{ "reference": "Condition/c1" }]));

    let read = Read::of(&message);

    assert_eq!(read.request().reasons[0].text.as_deref(), Some("不稳定性心绞痛"));
}

#[test]
fn words_reach_the_receiver_wherever_they_stand() {
    let mut message = with(&[
        json!({ "resourceType": "FamilyMemberHistory", "status": "completed",
            "relationship": { "text": "父亲" }, "condition": [{ "code": { "text": "胃癌" } }] }),
        json!({ "resourceType": "DiagnosticReport", "status": "final", "code": { "text": "胸部CT" },
            "conclusion": "右下肺结节" }),
        json!({ "resourceType": "Observation", "status": "final", "valueString": "没有名称的结果" }),
    ]);
    resource(&mut message, "ServiceRequest")["text"] =
        json!({ "status": "additional", "div": "<div><p>夜间可叫醒</p></div>" });
    let read = Read::of(&message);

    let notes = read.clinical().notes.join("\n");
    for words in ["空腹", "父亲", "胃癌", "胸部CT", "右下肺结节", "没有名称的结果", "夜间可叫醒"]
    {
        assert!(notes.contains(words), "{words}: {notes}");
        assert!(read.sent_on().contains(words), "{words}");
        assert!(!read.message.extras.iter().any(|extra| extra.text.contains(words)), "{words}");
    }
}

#[test]
fn the_decision_of_the_one_that_answers_counts() {
    for (own, kind) in [("planned", Kind::ReferralAccept), ("cancelled", Kind::ReferralDecline)] {
        let mut message = fixture("bars_rejection");
        let organisation = |code: &str| json!({ "identifier": { "system": "urn:tierlink:organisation", "value": code } });
        let entries = message["entry"].as_array_mut().unwrap();
        entries.retain(|entry| entry["resource"]["resourceType"] != "Encounter");
        for (id, status, at) in [("a", "triaged", TOWNSHIP), ("b", own, HOSPITAL)] {
            entries.push(
                json!({ "resource": { "resourceType": "Encounter", "id": id, "status": status,
                "serviceProvider": organisation(at) } }),
            );
        }
        resource(&mut message, "ServiceRequest").as_object_mut().unwrap().remove("encounter");
        resource(&mut message, "MessageHeader").as_object_mut().unwrap().remove("focus");

        assert_eq!(Read::from(HOSPITAL, &message).message.kind(), kind, "{own}");
    }
}

#[test]
fn numbers_belong_to_whom_the_standard_gives_them() {
    let mut message = fixture("task_rejected");
    let task = resource(&mut message, "Task");
    task["focus"] = json!({ "reference": "ServiceRequest/s" });
    task["identifier"] = json!([{ "system": "https://h.example/task", "value": "TASK-6" }]);
    resource(&mut message, "MessageHeader")["destination"] =
        json!([{ "endpoint": "urn:tierlink:organisation:T-01" }]);
    let request = json!({ "resourceType": "ServiceRequest", "id": "s", "status": "active", "intent": "order",
        "identifier": [{ "system": "https://t.example/referral", "value": "N-6" }] });
    message["entry"].as_array_mut().unwrap().push(json!({ "resource": request }));

    let read = Read::from(HOSPITAL, &message).message;

    let number = |code: &str| read.case.number_of(&OrganisationCode::new(code).unwrap());
    assert_eq!(number(TOWNSHIP), Some("N-6"));
    assert_eq!(number(HOSPITAL), Some("TASK-6"));
}

#[test]
fn a_resend_in_a_new_bundle_is_the_same_message() {
    let first = fixture("referral");
    let mut second = first.clone();
    second["id"] = json!("b-0001-second");
    second["timestamp"] = json!("2026-11-21T11:11:11+08:00");
    second["meta"] = json!({ "lastUpdated": "2026-11-21T11:11:11+08:00" });
    resource(&mut second, "Patient")["meta"] = json!({ "versionId": "7" });

    let (mut one, mut other) = (Read::of(&first).message, Read::of(&second).message);

    other.occurred_at = one.occurred_at;
    one.received_at = other.received_at;
    assert_eq!(one, other);
}
