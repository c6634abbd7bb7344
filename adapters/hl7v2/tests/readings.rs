//! What each hospital's message is read as: data in, outcome out.
//!
//! The messages under `fixtures/` are invented, people and numbers included.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::Timestamp;
use serde_json::{Value, json};
use tierlink_codec::Profile;
use tierlink_codec::{Codec, Decoded, Directory, FamilyKnown, Organisation, Reading};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::{Kind, Message, OrganisationCode, Tier};
use uuid::Uuid;

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn county() -> Directory {
    let organisation = |text: &str, tier, alias: &str| Organisation {
        code: code(text),
        name: alias.to_owned(),
        name_en: None,
        tier,
        parent: None,
        outside: false,
        aliases: vec![alias.to_owned()],
    };
    let all = vec![
        organisation("QS", Tier::Township, "青石镇中心卫生院"),
        organisation("XH", Tier::County, "龙溪县人民医院"),
    ];
    Directory::new(all, Some(code("XH")))
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{name}.hl7", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn profile(from: &str) -> Profile {
    let tier = county().tier(&code(from)).unwrap();
    Profile::bare(code(from), tier, "hl7v2")
}

fn decode(bytes: &[u8], profile: &Profile) -> Decoded {
    let directory = county();
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let reading =
        Reading { profile, directory: &directory, id: Uuid::from_u128(7), received_at, head: None };
    Hl7v2.decode(bytes, &reading)
}

/// Reads a fixture of QS (township) or XH (county), whichever its name says it is from.
fn read(name: &str) -> (Message, FamilyKnown, Vec<String>) {
    let bytes = fixture(name);
    let sender = Hl7v2.sender(&bytes).names[0].clone();
    let decoded = decode(&bytes, &profile(&sender));
    let notes = decoded.deviations.iter().map(|d| format!("{} {}", d.code, d.field)).collect();
    let (message, family) = decoded.outcome.unwrap();
    (message, family, notes)
}

/// Every path in `want` must hold what it says there.
#[track_caller]
fn check(name: &str, kind: Kind, want: &Value) {
    let (message, _, _) = read(name);
    assert_eq!(message.kind(), kind);
    let got = serde_json::to_value(&message).unwrap();
    for (pointer, want) in want.as_object().unwrap() {
        let got = got.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(got, want, "{pointer}");
    }
}

#[test]
fn a_referral_in_gb18030_keeps_rare_characters() {
    check(
        "ref_i12_up",
        Kind::ReferralSubmit,
        &json!({
            "/priority": "urgent",
            "/destinations": ["XH"],
            "/case/numbers": [{"organisation": "QS", "number": "QS2026-0007"}],
            "/body/direction": "up",
            "/body/kind": "inpatient",
            "/body/valid_until": "2026-03-13T15:59:59Z",
            "/body/reasons/0/code": "UP04",
            "/body/from/practitioner/name": "沈立新",
            "/body/from/encounter": "MZ0002",
            "/body/to/department/text": "心血管内科",
            "/body/patient/name": "阿依古丽·𠮷买买提",
            "/body/patient/document": {"kind": "01", "number": "99010120150614002X"},
            "/body/patient/ethnicity/text": "维吾尔族",
            "/body/patient/contact/phone": "13900000004",
            "/body/clinical/chief_complaint": "反复活动后胸闷3月\n加重1周",
            "/body/clinical/diagnoses/0/main": true,
            "/body/clinical/diagnoses/1/what/text": "高血压病3级（很高危）",
            "/body/clinical/allergies/0/reaction": "皮疹",
            "/body/clinical/observations/0/at": "2026-03-10T00:20:00Z",
            "/body/clinical/notes": ["途中吸氧"],
            "/body/attachments/0/kind": "ecg",
            "/body/attachments/0/content": "JVBERi0xLjQK",
        }),
    );
}

#[test]
fn pinyin_before_the_name_and_an_old_identity_number_are_read_and_noted() {
    let (message, _, notes) = read("ref_i12_pinyin");
    let patient = message.patient().unwrap();

    assert_eq!(patient.name.as_deref(), Some("汪德福"));
    assert_eq!(patient.name_latin.as_deref(), Some("WANGDEFU"));
    assert_eq!(patient.document.as_ref().unwrap().number, "990101195001010010");
    assert_eq!(patient.phone.as_deref(), Some("13900000001"));
    for note in ["D045 PID-5", "D045 PID-19", "D045 PID-22"] {
        assert!(notes.contains(&note.to_owned()), "{note} in {notes:?}");
    }
}

#[test]
fn the_same_event_from_above_is_a_transfer() {
    check(
        "ref_i12_down",
        Kind::TransferOffer,
        &json!({
            "/body/direction": null,
            "/body/reasons/0/text": "病情稳定",
            "/body/stay/disposition/code": "3",
            "/body/stay/discharged_at": "2026-03-10T00:00:00Z",
            "/body/from/encounter": "ZY0001",
        }),
    );
}

#[test]
fn each_message_type_says_what_it_says() {
    check("ref_i12_opinion", Kind::ConsultationRequest, &json!({"/body/form": "offline"}));
    check("ref_i13_amend", Kind::ReferralAmend, &json!({"/priority": "emergency"}));
    check("ref_i14_cancel", Kind::ReferralCancel, &json!({"/body/reason/code": "CN02"}));
    check("ref_i15_query", Kind::StatusQuery, &json!({"/case/number": "R2600000011"}));
    check(
        "rri_i12_accept",
        Kind::ReferralAccept,
        &json!({
            "/case/number": "R2600000011",
            "/case/numbers": [
                {"organisation": "QS", "number": "QS2026-0007"},
                {"organisation": "XH", "number": "XZ0001"},
            ],
            "/in_reply_to/message_id": "01K3CP1TVJ0G7R4Z9N2M",
            "/body/opinion": "请于下午两点前到心内科",
        }),
    );
    check(
        "rri_i12_decline",
        Kind::ReferralDecline,
        &json!({"/body/reason": {"code": "RJ99", "text": "BED\n本周无床位"}}),
    );
    check(
        "siu_s12_booked",
        Kind::ReferralSchedule,
        &json!({
            "/body/appointment/number": "YY0088",
            "/body/appointment/start": "2026-03-10T06:30:00Z",
            "/body/appointment/end": "2026-03-10T07:00:00Z",
            "/body/appointment/place": "住院楼6层",
            "/body/appointment/bed": "06",
            "/body/appointment/practitioner/name": "顾明远",
            "/body/appointment/instructions": "带身份证和全部检查资料",
        }),
    );
    check("siu_s26_no_show", Kind::ReferralNoShow, &json!({"/body/note": "电话联系两次未接"}));
    check(
        "siu_s15_cancelled",
        Kind::ReferralUnschedule,
        &json!({
            "/body/reason": {"code": "CN03", "text": "患者已自行就诊"},
            "/body/appointment/number": "YY0088",
        }),
    );
    check(
        "srm_s04_cancel",
        Kind::ReferralUnschedule,
        &json!({"/body/reason": {"code": "CN99", "text": "未说明原因"}}),
    );
    check(
        "srm_s01_request",
        Kind::ReferralSubmit,
        &json!({"/body/wanted/start": "2026-03-11T00:00:00Z", "/priority": "routine"}),
    );
    check(
        "srr_s01_booked",
        Kind::ReferralSchedule,
        &json!({"/body/appointment/start": "2026-03-11T01:00:00Z"}),
    );
    check(
        "adt_a01_admitted",
        Kind::ReferralArrive,
        &json!({"/body": {"at": "2026-03-10T06:30:00Z", "encounter": "ZY0001", "admitted": true}}),
    );
    check(
        "adt_a03_discharged",
        Kind::TransferDischarge,
        &json!({"/body/at": "2026-03-20T01:00:00Z", "/body/disposition/code": "3"}),
    );
    check("adt_a04_arrived", Kind::ReferralArrive, &json!({"/body/encounter": "MZ9001"}));
    check(
        "oru_r01_feedback",
        Kind::ReferralFeedback,
        &json!({
            "/body/stage": "outcome",
            "/body/observations/0/value": "行冠脉造影，置入支架一枚",
            "/body/attachments/0/kind": "discharge_summary",
            "/body/summary": "两周后门诊复查",
        }),
    );
    check(
        "mdm_t02_opinion",
        Kind::ConsultationOpinion,
        &json!({"/body/text": "建议继续抗血小板治疗\n一周后复查"}),
    );
    check("omg_o19_request", Kind::ReferralSubmit, &json!({"/priority": "routine"}));
    check(
        "omg_o19_ecg",
        Kind::ConsultationRequest,
        &json!({
            "/body/form": "reading",
            "/body/reading/modality": "ecg",
            "/body/reading/exam/code": "ecg_routine",
            "/body/attachments/0/reference": "https://papers.example.invalid/ecg/12",
        }),
    );
    check("osu_o51_declined", Kind::ReferralDecline, &json!({"/body/reason/code": "RJ01"}));
}

#[test]
fn a_statement_without_our_number_leaves_the_family_to_the_case() {
    assert_eq!(read("rri_i12_decline").1, FamilyKnown::ByCase);
    assert_eq!(read("rri_i12_accept").1, FamilyKnown::Stated);
    assert_eq!(read("adt_a03_discharged").1, FamilyKnown::Stated);
}

#[test]
fn a_message_that_is_odd_in_every_way_is_read_with_every_deviation_named() {
    let (message, _, notes) = read("odd_everything");
    let got = serde_json::to_value(&message).unwrap();

    assert_eq!(got.pointer("/body/patient/birth_date"), Some(&json!("1950-01-01")));
    assert_eq!(
        got.pointer("/body/clinical/chief_complaint"),
        Some(&json!("头晕三天\n伴恶心\n\n无呕吐"))
    );
    assert_eq!(got.pointer("/body/patient/identifiers/1/value"), Some(&json!("8899")));
    let extras: Vec<(&str, &str)> =
        message.extras.iter().map(|e| (e.path.as_str(), e.text.as_str())).collect();
    let remarks = got.pointer("/body/clinical/notes").unwrap().to_string();
    for remark in ["【ZPI-1】本地字段^甲&乙", "【ZPI-3】家庭病床"] {
        assert!(remarks.contains(remark), "{remarks}");
    }
    assert!(extras.contains(&("MSH-9.3", "REF")), "{extras:?}");
    for note in [
        "D041 MSH",
        "D041 RF1",
        "D041 OBX",
        "D041 ZZZ",
        "D042 MSH-2",
        "D043 NTE-3",
        "D044 MSH-7",
        "D044 PID-7",
        "D045 MSH-9",
    ] {
        assert!(notes.contains(&note.to_owned()), "{note} in {notes:?}");
    }
}

#[test]
fn a_shifted_rf1_loses_its_number_and_nothing_else() {
    let (message, _, notes) = read("shifted_rf1");

    assert_eq!(message.priority.map(tierlink_schemas::Priority::as_str), Some("routine"));
    assert!(message.case.numbers.is_empty());
    assert!(notes.contains(&"D045 RF1".to_owned()));
    assert!(message.extras.iter().any(|e| e.text.contains("QS2026-0014")), "{:?}", message.extras);
}

#[test]
fn without_rf1_and_prd_the_header_says_who_is_asked() {
    let (message, _, notes) = read("missing_rf1_and_prd");

    assert_eq!(message.to().unwrap().organisation, code("XH"));
    assert_eq!(message.priority, None);
    assert!(notes.iter().any(|note| note == "D045 RF1"), "{notes:?}");
    assert!(notes.iter().any(|note| note == "D045 PRD"), "{notes:?}");
}

#[track_caller]
fn refuses(bytes: &[u8], profile: &Profile, code: &str, field: &str) -> Decoded {
    let decoded = decode(bytes, profile);
    let problem = decoded.outcome.as_ref().unwrap_err()[0].clone();
    assert_eq!((problem.code.as_str(), problem.field.as_str()), (code, field), "{problem}");
    decoded
}

/// The acceptance with its PID changed.
fn accepted_with(change: impl Fn(&str) -> String) -> Decoded {
    let text = String::from_utf8(fixture("rri_i12_accept")).unwrap();
    let lines = text
        .split('\r')
        .map(|line| if line.starts_with("PID|") { change(line) } else { line.to_owned() });
    let text = lines.collect::<Vec<_>>().join("\r");
    decode(text.as_bytes(), &profile("XH"))
}

#[test]
fn the_patient_in_an_answer_is_read_for_comparing() {
    for (name, kind) in
        [("rri_i12_accept", Kind::ReferralAccept), ("oru_r01_feedback", Kind::ReferralFeedback)]
    {
        let want = json!({
            "/subject/name": "汪德福",
            "/subject/birth_date": "1950-01-01",
            "/subject/sex": "male",
            "/subject/document": { "kind": "01", "number": "990101195001010010" },
            "/subject/identifiers/0":
                { "kind": "outpatient_number", "value": "MZ0001", "assigner": "QS" },
            "/subject/phone": "13900000001",
        });

        check(name, kind, &want);

        let (message, _, _) = read(name);
        assert!(!message.extras.iter().any(|it| it.path.starts_with("PID")), "{name}");
    }
    assert_eq!(read("ref_i12_up").0.subject, None, "a request states its patient itself");
}

#[test]
fn what_cannot_be_read_of_the_patient_in_an_answer_is_kept_and_not_guessed() {
    let long = "柳".repeat(500);
    let decoded = accepted_with(|pid| {
        pid.replace("990101195001010010", "990101195001010011")
            .replace("|M|", "|7|")
            .replace("|19500101|", "|gestern|")
            .replace("柳湾村3组", &long)
    });

    let (message, _) = decoded.outcome.unwrap();
    let subject = message.subject.unwrap();
    let kept = |path: &str, text: &str| {
        message.extras.iter().any(|it| it.path.starts_with(path) && it.text.contains(text))
    };

    assert_eq!(subject.name.as_deref(), Some("汪德福"));
    assert_eq!((subject.document, subject.sex), (None, None));
    assert_eq!((subject.birth_date, subject.address), (None, None));
    assert!(kept("PID-3[2]", "990101195001010011") && kept("PID-8", "7"));
    assert!(kept("PID-7", "gestern") && kept("PID-11", &long));
    let noted: Vec<&str> = decoded.deviations.iter().map(|it| it.field.as_str()).collect();
    for field in ["PID-3[2]", "PID-7", "PID-8"] {
        assert!(noted.contains(&field), "{field} in {noted:?}");
    }
}

#[test]
fn an_answer_about_two_patients_is_refused() {
    let decoded = accepted_with(|pid| format!("{pid}\rPID|2||8^^^QS^OPN||李四"));

    let problem = &decoded.outcome.unwrap_err()[0];

    assert_eq!(problem.field, "PID");
    assert!(!problem.text.contains("李四"));
}

#[test]
fn safety_fields_are_never_guessed() {
    for (name, from, code, field) in [
        ("unknown_priority", "QS", "D020", "RF1-2"),
        ("wrong_identity_number", "QS", "D026", "PID-3"),
        ("unknown_recipient", "QS", "D027", "PRD[2]-10"),
        ("without_case", "XH", "D019", "PV1-5"),
    ] {
        let decoded = refuses(&fixture(name), &profile(from), code, field);

        assert!(decoded.source_message_id.is_some(), "{name} can still be answered");
    }
}

#[test]
fn the_profile_explains_what_the_standard_does_not() {
    let mut profile = profile("QS");
    profile.codes.priority.insert("X9".to_owned(), "urgent".to_owned());

    let (message, _) = decode(&fixture("unknown_priority"), &profile).outcome.unwrap();

    assert_eq!(message.priority.map(tierlink_schemas::Priority::as_str), Some("urgent"));
}

fn plain() -> String {
    String::from_utf8(fixture("ref_i12_pinyin")).unwrap()
}

#[test]
fn one_wrong_field_is_refused_by_its_name() {
    let township = profile("QS");
    for (from, to, code, field) in [
        ("|QS000002|", "||", "D019", "MSH-10"),
        ("REF^I12", "ADT^A40", "D022", "MSH-9.2"),
        ("REF^I12", "QBP^Q22", "D022", "MSH-9"),
        ("|2.4|", "|3.0|", "D023", "MSH-12"),
        ("|男|", "|1|", "D020", "PID-8"),
        ("19500101000000", "19509901", "D021", "PID-7"),
        ("\rPID|", "\rPID|1\rPID|", "D025", "PID"),
        ("^^^QS^^^^^青石镇中心卫生院", "^^^XH", "D025", "PRD-10"),
        ("^^^XH^^^^^龙溪县人民医院", "^^^XH^^^^^青石镇中心卫生院", "D025", "PRD[2]-10"),
    ] {
        let bytes = plain().replacen(from, to, 1);
        assert_ne!(bytes, plain(), "{from}");
        refuses(bytes.as_bytes(), &township, code, field);
    }
}

#[test]
fn a_resend_with_a_new_time_is_the_same_message() {
    let read = |sent: &str, processed: &str| {
        let text = plain().replacen("20260310090000", sent, 1).replacen(
            "|QS2026-0008",
            &format!("|QS2026-0008|||{processed}"),
            1,
        );
        let (mut message, _) = decode(text.as_bytes(), &profile("QS")).outcome.unwrap();
        message.occurred_at = Timestamp::UNIX_EPOCH;
        message
    };

    let first = read("20260310090000", "20260310090000");

    assert_eq!(first, read("20260310090500", "20260310090000"));
    assert_eq!(first, read("20260310090500", "20260310090500"));
}

#[test]
fn a_field_is_forgiven_where_another_says_the_same_for_certain() {
    let township = profile("QS");
    let bytes = plain().replacen("PRD|RT^", "PRD|XX^", 1);
    assert_ne!(bytes, plain());

    assert!(decode(bytes.as_bytes(), &township).outcome.is_ok());
}

#[test]
fn our_own_fields_cannot_contradict_a_safety_field() {
    let township = profile("QS");
    let with = |obx: &str| format!("{}{obx}\r", plain());

    refuses(with("OBX|1|ST|patient.name^^99TL||别人").as_bytes(), &township, "D025", "OBX-5");
    refuses(with("OBX|1|ST|direction^^99TL||out").as_bytes(), &township, "D024", "OBX-5");
    refuses(
        with("OBX|1|ST|message.kind^^99TL||transfer.offer").as_bytes(),
        &township,
        "D024",
        "OBX-5",
    );
    refuses(
        with("OBX|1|ST|message.kind^^99TL||referral.accept").as_bytes(),
        &township,
        "D026",
        "OBX-5",
    );
    refuses(with("OBX|1|NM|consent.given^^99TL||5").as_bytes(), &township, "D026", "OBX-5");
    refuses(with("OBX|1|ST|no.such.field^^99TL||5").as_bytes(), &township, "D026", "OBX-5");
}

#[test]
fn an_error_names_places_and_never_values() {
    let township = profile("QS");
    for name in ["unknown_priority", "wrong_identity_number", "unknown_recipient"] {
        let decoded = decode(&fixture(name), &township);
        let text = format!("{:?}{:?}", decoded.outcome.unwrap_err(), decoded.deviations);

        for value in ["汪德福", "990101195001010011", "SOMEWHERE", "X9", "13900000001"] {
            assert!(!text.contains(value), "{name} shows {value}");
        }
    }
}
