//! What a hospital meant arrives: statuses, subjects, names, times and texts that change the
//! meaning of others are understood, or refuse the message. In, and out to the next hospital.
//!
//! The people are invented; every message is built from one sound referral or answer by changing
//! one line.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tierlink_codec::{
    Codec, Decoded, Directory, FamilyKnown, Organisation, Profile, Reading, Writing,
};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::check::{Rules, check as check_content};
use tierlink_schemas::message::Context;
use tierlink_schemas::{Body, Kind, Message, OrganisationCode, Tier};
use uuid::Uuid;

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn county() -> Directory {
    let organisation = |text: &str, tier| Organisation {
        code: code(text),
        name: text.to_owned(),
        name_en: None,
        tier,
        parent: None,
        outside: false,
        aliases: Vec::new(),
    };
    let all = vec![organisation("QS", Tier::Township), organisation("XH", Tier::County)];
    Directory::new(all, Some(code("XH")))
}

fn profile(from: &str) -> Profile {
    Profile::bare(code(from), county().tier(&code(from)).unwrap(), "hl7v2")
}

fn decode_with(bytes: &[u8], profile: &Profile) -> Decoded {
    let directory = county();
    let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
    let reading =
        Reading { profile, directory: &directory, id: Uuid::from_u128(7), received_at, head: None };
    Hl7v2.decode(bytes, &reading)
}

/// Reads a message of QS or XH, whichever its MSH-4 names.
fn decode(text: &str) -> Decoded {
    let sender = text.split('|').nth(3).unwrap();
    decode_with(text.as_bytes(), &profile(sender))
}

/// Nothing else needs to be right in a message than what a test is about.
const REFERRAL: &str = "MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310090000+0800||REF^I12^REF_I12|QS000100|P|2.5.1||||||UNICODE UTF-8\r\
RF1|P|R||||QS2026-0100^QS||20260410||UP04^设备条件限制\r\
PRD|RP|沈立新||03&内科^^^QS|0571-99010101\r\
PRD|RT|||03.04&心血管内科^^^XH\r\
PID|1||MZ0100^^^QS^PI~990101195001010010^^^^NI||汪德福||19500101|M|||柳湾村3组||13900000001\r\
DG1|1||I20.000^不稳定性心绞痛^I10||20260310|W\r\
OBX|1|TX|DE04.01.119.00^主诉||胸痛2小时||||||F\r\
PV1|1|O|||||||||||||||||MZ0100\r";

/// The first line of that segment becomes `line`.
fn with(message: &str, line: &str) -> String {
    let name = line.split('|').next().unwrap();
    let mut changed = false;
    let lines = message.split('\r').map(|old| {
        let this = !changed && old.split('|').next() == Some(name);
        changed |= this;
        if this { line } else { old }
    });
    let text = lines.collect::<Vec<_>>().join("\r");
    assert!(changed, "{name}");
    text
}

/// The referral with one field of a segment changed.
fn referral_with(segment: &str, field: usize, value: &str) -> String {
    change(REFERRAL, segment, field, value)
}

fn change(message: &str, segment: &str, field: usize, value: &str) -> String {
    let old = message.split('\r').find(|line| line.starts_with(segment)).unwrap();
    let mut fields: Vec<&str> = old.split('|').collect();
    let at = if segment == "MSH" { field - 1 } else { field };
    while fields.len() <= at {
        fields.push("");
    }
    fields[at] = value;
    with(message, &fields.join("|"))
}

fn referral_and(lines: &[&str]) -> String {
    format!("{REFERRAL}{}\r", lines.join("\r"))
}

fn answer(kind: &str, lines: &[&str]) -> String {
    let pid = "PID|1||MZ0100^^^QS^PI~990101195001010010^^^^NI||汪德福||19500101|M";
    let [first, rest @ ..] = lines else { panic!("an answer says something") };
    let msh = format!(
        "MSH|^~\\&|HIP|XH|TIERLINK|QS|20260312090000+0800||{kind}|XH000100|P|2.5.1||||||UNICODE UTF-8"
    );
    let mut all = vec![msh.as_str(), first, pid];
    all.extend(rest);
    format!("{}\r", all.join("\r"))
}

#[track_caller]
fn taken(text: &str) -> (Message, Vec<String>) {
    let decoded = decode(text);
    let notes = decoded.deviations.iter().map(|d| format!("{} {}", d.code, d.field)).collect();
    (decoded.outcome.unwrap().0, notes)
}

/// Every path must hold what it says, and the message must pass the checks of all formats.
#[track_caller]
fn check(text: &str, want: &Value) -> Vec<String> {
    let (message, notes) = taken(text);
    let got = serde_json::to_value(&message).unwrap();
    for (pointer, want) in want.as_object().unwrap() {
        let got = got.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(got, want, "{pointer}");
    }
    let rules = Rules { now: message.received_at.unwrap(), required: &BTreeSet::new() };
    let mut checkable = message.clone();
    checkable.priority = checkable.priority.or(Some(tierlink_schemas::Priority::Routine));
    let problems = check_content(&checkable, &rules).problems;
    assert!(problems.is_empty(), "{problems:?}");
    notes
}

#[track_caller]
fn noted(notes: &[String], note: &str) {
    assert!(notes.iter().any(|it| it == note), "{note} in {notes:?}");
}

#[track_caller]
fn refused(text: &str, code: &str, field: &str) {
    let decoded = decode(text);
    let problem = match decoded.outcome {
        Ok((message, _)) => panic!("taken as {}", message.kind()),
        Err(problems) => problems[0].clone(),
    };
    assert_eq!((problem.code.as_str(), problem.field.as_str()), (code, field), "{problem}");
}

/// What the next hospital receives, line by line.
fn sent_on(message: &Message, version: &str) -> Vec<String> {
    let mut receiver = profile("XH");
    version.clone_into(&mut receiver.format.version);
    let directory = county();
    let writing = Writing { profile: &receiver, directory: &directory };
    let bytes = Hl7v2.encode(message, &code("XH"), &writing).unwrap().bytes;
    String::from_utf8(bytes.to_vec()).unwrap().split('\r').map(str::to_owned).collect()
}

#[track_caller]
fn arrives(message: &Message, part: &str) {
    let lines = sent_on(message, "2.5.1");
    assert!(lines.iter().any(|line| line.contains(part)), "{part} in {lines:#?}");
}

#[test]
fn a_raw_ampersand_is_text_where_the_type_has_no_subcomponents() {
    let url = "https://pacs.example.invalid/v?study=2.999.2.1&series=7&image=3";
    let text =
        referral_and(&[&format!("OBX|2|RP|113014^CTA^DCM||{url}^PACS^application^dicom||||||F")]);
    let notes = check(&text, &json!({"/body/attachments/0/reference": url}));
    noted(&notes, "D043 OBX[2]-5");

    let notes = check(
        &with(REFERRAL, "DG1|1||R51^眩晕&耳鸣待查^I10|||W"),
        &json!({"/body/clinical/diagnoses/0/what": {"code": "R51", "system": "ICD-10", "text": "眩晕&耳鸣待查"}}),
    );
    noted(&notes, "D043 DG1-3");

    check(
        &referral_and(&["AL1|1|DA|^头孢&青霉素||皮疹&瘙痒"]),
        &json!({
            "/body/clinical/allergies/0/substance/text": "头孢&青霉素",
            "/body/clinical/allergies/0/reaction": "皮疹&瘙痒",
        }),
    );
    // A department has subcomponents, an assigner too.
    let notes = check(
        REFERRAL,
        &json!({"/body/to/department/code": "03.04", "/body/to/department/text": "心血管内科"}),
    );
    assert!(!notes.iter().any(|note| note.starts_with("D043")), "{notes:?}");
}

/// A PDF of no meaning, cut somewhere.
fn pdf() -> (String, String, String) {
    let bytes: Vec<u8> = b"%PDF-1.4\n".iter().copied().chain((0..120).map(|n| n * 2)).collect();
    let whole = STANDARD.encode(bytes);
    let (first, second) = whole.split_at(80);
    (whole.clone(), first.to_owned(), second.to_owned())
}

#[test]
fn a_document_in_parts_is_joined_or_refused_and_never_halved() {
    let (whole, first, second) = pdf();
    let head = "^application^pdf^Base64^";
    let want = json!({
        "/body/attachments/0/content": whole,
        "/body/attachments/0/media_type": "application/pdf",
        "/body/attachments/1": null,
    });
    let obx = |nth: u8, value: &str| format!("OBX|{nth}|ED|18748-4^检查报告^LN||{value}||||||F");
    for parts in [
        vec![
            format!("OBX|2|ED|18748-4^检查报告^LN||{head}{first}"),
            format!("ADD|{second}||||||F"),
        ],
        vec![obx(2, &format!("{head}{first}~{second}"))],
        vec![obx(2, &format!("{head}{first}~{head}{second}"))],
        vec![obx(2, &format!("{head}{first}")), obx(3, &format!("{head}{second}"))],
        vec![obx(2, &format!("{head}{first}")), obx(3, &format!("^^^^{second}"))],
    ] {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        check(&referral_and(&parts), &want);
    }
    // Cut before it was encoded: each part is base64 of its own.
    let bytes = STANDARD.decode(&whole).unwrap();
    let (one, two) = bytes.split_at(50);
    let value = format!("{head}{}~{}", STANDARD.encode(one), STANDARD.encode(two));
    check(&referral_and(&[&obx(2, &value)]), &want);

    // Two documents are two.
    let two =
        referral_and(&[&obx(2, &format!("{head}{whole}")), &obx(3, &format!("{head}{whole}"))]);
    check(&two, &json!({"/body/attachments/1/content": whole}));
    refused(
        &referral_and(&[&obx(2, &format!("{head}{whole}~{head}{whole}"))]),
        "D026",
        "OBX[2]-5[2]",
    );
    refused(&referral_and(&[&obx(2, &format!("{head}{}", &first[..79]))]), "D026", "OBX[2]-5");
    refused(&referral_and(&["DSC|42|F"]), "D028", "DSC-1");
    refused(&referral_with("MSH", 14, "42"), "D028", "MSH-14");
}

#[test]
fn a_document_is_known_by_its_value_when_obx_2_does_not_say_so() {
    let (whole, ..) = pdf();
    for (stated, value) in [
        ("", format!("^application^pdf^Base64^{whole}")),
        ("TX", format!("^application^pdf^Base64^{whole}")),
        ("ST", format!("HIS^application^pdf^base64^{whole}")),
        ("TX", whole.clone()),
        ("", whole.clone()),
    ] {
        let obx = format!("OBX|2|{stated}|18748-4^检查报告^LN||{value}||||||F");
        let notes = check(
            &referral_and(&[&obx]),
            &json!({
                "/body/attachments/0/content": whole,
                "/body/attachments/0/media_type": "application/pdf",
                "/body/clinical/observations": null,
            }),
        );
        noted(&notes, "D045 OBX[2]-2");
    }
    let words = "OBX|2|ED|18748-4^检查报告^LN||右下肺纹理增多||||||F";
    check(
        &referral_and(&[words]),
        &json!({"/body/clinical/observations/0/value": "右下肺纹理增多"}),
    );
}

#[test]
fn lines_without_a_label_are_the_text_of_the_report() {
    let lines = [
        "OBX|2|TX|||腹部B超：||||||F",
        "OBX|3|TX|||胆囊多发结石||||||F",
        "OBX|4|FT|||建议外科就诊||||||F",
    ];
    let want = "腹部B超：\n胆囊多发结石\n建议外科就诊";
    let text = referral_and(&lines);
    check(&text, &json!({"/body/clinical/notes/0": want, "/extras": null}));
    arrives(&taken(&text).0, "腹部B超：\\.br\\胆囊多发结石");

    let mut report = vec!["OBR|1|QS2026-0100^QS||18748-4^检查报告^LN"];
    report.extend(lines);
    check(
        &answer("ORU^R01", &["ORC|RE|QS2026-0100^QS", report[0], report[1], report[2], report[3]]),
        &json!({"/kind": "referral.feedback", "/body/summary": format!("检查报告：\n{want}")}),
    );
    check(
        &answer(
            "RRI^I12",
            &["RF1|A||||||", "OBX|1|TX|||请空腹||||||F", "OBX|2|NM|||5.6|mmol/L|3.9-6.1|N|||F"],
        )
        .replace("RF1|A||||||", "RF1|A|R||||QS2026-0100^QS"),
        &json!({"/body/opinion": "请空腹\n5.6 mmol/L（参考值 3.9-6.1） N"}),
    );
}

#[test]
fn birth_dates_never_move() {
    for (written, sent) in [
        ("19491231160000+0000", "20260310090000+0800"),
        ("19491231160000Z", "20260310090000+0800"),
        ("19491231110000-0500", "20260310090000+0800"),
        ("19491231160000", "20260310010000+0000"),
        ("19500101000000", "20260310010000+0000"),
        ("19500101", "20260310010000+0000"),
        ("195001010000+0800", "20260310090000"),
    ] {
        let text = referral_with("PID", 7, written).replace("20260310090000+0800", sent);
        let notes = check(&text, &json!({"/body/patient/birth_date": "1950-01-01"}));
        if written.starts_with("1949") {
            noted(&notes, "D044 PID-7");
        }
    }
}

#[test]
fn the_legal_name_counts_whatever_its_place_and_the_others_are_kept() {
    let others = |text: &str, r#use: &str| json!([{"text": text, "use": r#use}]);
    for (written, other, r#use) in [
        ("福伯^^^^^^N~汪德福^^^^^^L", "福伯", "nickname"),
        ("李^德福^^^^^M~汪^德福^^^^^L", "李德福", "maiden"),
        ("汪大^^^^^^A~汪德福^^^^^^D", "汪大", "alias"),
        ("汪大^^^^^^A~汪德福", "汪大", "alias"),
        ("汪大^^^^^^D~汪德福^^^^^^L", "汪大", "usual"),
        ("汪旧^^^^^^L^^^^^^20100101~汪德福^^^^^^L", "汪旧", "former"),
        ("汪德福~汪匿^^^^^^S", "汪匿", "anonymous"),
    ] {
        let text = referral_with("PID", 5, written);
        check(
            &text,
            &json!({"/body/patient/name": "汪德福", "/body/patient/other_names": others(other, r#use)}),
        );

        let (message, _) = taken(&text);
        let pid =
            sent_on(&message, "2.5.1").into_iter().find(|line| line.starts_with("PID|")).unwrap();
        let name = pid.split('|').nth(5).unwrap();
        assert!(name.starts_with("汪德福^^^^^^L~") && name.contains(other), "{name}");
    }
    check(
        &referral_with("PID", 5, "WANG^DEFU^^^^^L^A~汪^德福^^^^^L^I"),
        &json!({"/body/patient/name": "汪德福", "/body/patient/name_latin": "WANG DEFU"}),
    );
    let notes =
        check(&referral_with("PID", 5, "福伯^^^^^^N"), &json!({"/body/patient/name": "福伯"}));
    noted(&notes, "D045 PID-5");
    refused(&referral_with("PID", 5, "\"\""), "D019", "PID-5");
    refused(&referral_with("PID", 5, ""), "D019", "PID-5");
}

#[test]
fn the_first_telephone_is_the_telephone_and_the_rest_is_kept() {
    for (written, further) in [
        (
            "wdf@example.invalid^NET^Internet~13900000006^PRN^CP",
            json!([{"system": "email", "value": "wdf@example.invalid"}]),
        ),
        (
            "^NET^Internet^wdf@example.invalid~13900000006",
            json!([{"system": "email", "value": "wdf@example.invalid"}]),
        ),
        (
            "wdf@example.invalid~13900000006",
            json!([{"system": "email", "value": "wdf@example.invalid"}]),
        ),
        (
            "0571-99010100^WPN^FX~13900000006^PRN^PH",
            json!([{"system": "fax", "value": "0571-99010100", "use": "work"}]),
        ),
        (
            "13900000006~13900000022^WPN^PH",
            json!([{"system": "phone", "value": "13900000022", "use": "work"}]),
        ),
        ("^PRN^PH^^^^^^^^^13900000006", Value::Null),
    ] {
        let text = referral_with("PID", 13, written);
        check(
            &text,
            &json!({"/body/patient/phone": "13900000006", "/body/patient/telecoms": further}),
        );

        for version in ["2.4", "2.8"] {
            let lines = sent_on(&taken(&text).0, version);
            let pid = lines.iter().find(|line| line.starts_with("PID|")).unwrap();
            let back = with(REFERRAL, pid);
            check(
                &back,
                &json!({"/body/patient/phone": "13900000006", "/body/patient/telecoms": further}),
            );
        }
    }
}

#[test]
fn a_structured_number_keeps_its_sign_and_a_coded_value_its_words() {
    let obx = |value_type: &str, value: &str| {
        format!("OBX|2|{value_type}|1554-5^血糖^LN||{value}|mg/dL|70-105|H~A|||F")
    };
    for (value_type, value, number, sign) in [
        ("SN", "^182", "182", Value::Null),
        ("SN", "<^10", "10", json!("<")),
        ("SN", ">=^5.5", "5.5", json!(">=")),
        ("SN", "^1^:^128", "1:128", Value::Null),
        ("SN", "^2^-^5", "2-5", Value::Null),
        ("SN", "<>^3", "<>3", Value::Null),
        ("SN", "182", "182", Value::Null),
        ("SN", "<0.04", "0.04", json!("<")),
        ("NM", "<0.04", "0.04", json!("<")),
        ("NM", "阴性", "阴性", Value::Null),
        ("ST", "<0.04", "<0.04", Value::Null),
        ("CWE", "260415000^未检出^SCT", "未检出", Value::Null),
        ("CE", "阳性", "阳性", Value::Null),
        ("CE", "POS^^L", "POS", Value::Null),
        ("CWE", "1^甲^L~2^乙^L", "甲；乙", Value::Null),
        ("CE", "1^阳性^L^A^Abnormal^L", "阳性", Value::Null),
    ] {
        let text = referral_and(&[&obx(value_type, value)]);
        let want = json!({
            "/body/clinical/observations/0/value": number,
            "/body/clinical/observations/0/comparator": sign,
            "/body/clinical/observations/0/unit": "mg/dL",
            "/body/clinical/observations/0/flag": "H A",
        });
        check(&text, &want);

        let sent = sent_on(&taken(&text).0, "2.5.1");
        let back: Vec<&str> =
            sent.iter().filter(|l| l.contains("1554-5")).map(String::as_str).collect();
        check(&referral_and(&back), &want);
    }
}

#[test]
fn what_is_withdrawn_is_no_fact_and_what_is_preliminary_says_so() {
    let obx = |status: &str| format!("OBX|2|NM|2823-3^血钾^LN||9.9|mmol/L|3.5-5.3|HH|||{status}");
    for withdrawn in ["W", "D"] {
        let text = referral_and(&[&obx(withdrawn)]);
        let notes = check(&text, &json!({"/body/clinical/observations": null}));
        noted(&notes, "D045 OBX[2]-11");
        let (message, _) = taken(&text);
        assert!(!serde_json::to_string(&message).unwrap().contains("9.9"));
        arrives(&message, "未转送，共1项：OBX[2]");
    }
    for (status, word, value) in [
        ("F", Value::Null, json!("9.9")),
        ("P", json!("preliminary"), json!("9.9")),
        ("R", json!("preliminary"), json!("9.9")),
        ("C", json!("corrected"), json!("9.9")),
        ("A", json!("amended"), json!("9.9")),
        ("X", json!("not_obtained"), Value::Null),
        ("I", json!("pending"), Value::Null),
    ] {
        let text = referral_and(&[&obx(status)]);
        let want = json!({
            "/body/clinical/observations/0/status": word,
            "/body/clinical/observations/0/value": value,
        });
        check(&text, &want);
        let sent = sent_on(&taken(&text).0, "2.8");
        let back = sent.iter().find(|line| line.contains("2823-3")).unwrap();
        check(&referral_and(&[back]), &want);
    }
    // The words beside "no result" are the reason why there is none.
    for (status, word) in [("X", "not_obtained"), ("I", "pending")] {
        let why = format!("OBX|2|ST|2823-3^血钾^LN||标本溶血，请重抽||3.5-5.3||||{status}");
        let text = referral_and(&[&why]);
        let want = json!({
            "/body/clinical/observations/0/status": word,
            "/body/clinical/observations/0/value": null,
            "/body/clinical/observations/0/absent_reason/text": "标本溶血，请重抽",
        });
        check(&text, &want);
        let sent = sent_on(&taken(&text).0, "2.4");
        let back = sent.iter().find(|line| line.contains("2823-3")).unwrap();
        assert!(back.contains("|标本溶血，请重抽|"), "{back}");
        check(&referral_and(&[back]), &want);
    }
    refused(&referral_and(&[&obx("Q")]), "D029", "OBX[2]-11");
    // Papers and words have statuses, too.
    let paper = "OBX|2|ED|18748-4^检查报告^LN||^application^pdf^Base64^JVBERi0xLjQK||||||";
    check(&referral_and(&[&format!("{paper}W")]), &json!({"/body/attachments": null}));
    check(
        &referral_and(&[&format!("{paper}P")]),
        &json!({"/body/attachments/0/title": "（初步，未确认）检查报告"}),
    );
    check(
        &with(REFERRAL, "OBX|1|TX|DE04.01.119.00^主诉||胸痛||||||P"),
        &json!({"/body/clinical/chief_complaint": "（初步，未确认）胸痛"}),
    );
    refused(&referral_and(&["OBX|2|ST|reason_text^^99TL||见信||||||W"]), "D029", "OBX[2]-11");
    check(
        &referral_and(&["DG1|2||E11.900^2型糖尿病^I10|||W|||||||||||||||D"]),
        &json!({"/body/clinical/diagnoses/1": null}),
    );
}

#[test]
fn the_status_of_a_report_is_said_with_its_words() {
    let report = |obr_25: &str| {
        let obr = format!(
            "OBR|1|QS2026-0100^QS||18842-5^Discharge summary^LN|||||||||||||||||||||{obr_25}"
        );
        answer("ORU^R01", &["ORC|RE|QS2026-0100^QS", &obr, "OBX|1|TX|||左肺结节||||||F"])
    };
    check(&report("F"), &json!({"/body/summary": "左肺结节"}));
    check(
        &report("P"),
        &json!({"/body/summary": "（初步，未确认）左肺结节", "/body/stage": "interim"}),
    );
    check(&report("C"), &json!({"/body/summary": "（更正）左肺结节"}));
    refused(&report("X"), "D029", "OBR-25");
    refused(&report("9"), "D029", "OBR-25");
    let document = |txa: &str| {
        answer(
            "MDM^T02",
            &["EVN|T02|20260311100000", txa, "OBX|1|TX|11488-4^会诊意见^LN||择期手术||||||F"],
        )
    };
    let txa = |status: &str, available: &str| {
        document(&format!(
            "TXA|1|DS|TX|20260311100000||||||||DOC1||QS2026-0100^QS|||{status}||{available}"
        ))
    };
    check(&txa("AU", "AV"), &json!({"/body/stage": "outcome"}));
    check(&txa("IP", ""), &json!({"/body/stage": "interim"}));
    refused(&txa("AU", "CA"), "D029", "TXA-19");
    refused(&txa("??", ""), "D029", "TXA-17");
}

#[test]
fn only_production_is_taken() {
    for value in ["T", "D", "X", "T^T"] {
        refused(&referral_with("MSH", 11, value), "D037", "MSH-11");
    }
    for value in ["P^A", "P^I", "P^R"] {
        refused(&referral_with("MSH", 11, value), "D037", "MSH-11.2");
    }
    check(&referral_with("MSH", 11, "P^T"), &json!({"/kind": "referral.submit"}));
    noted(&check(&referral_with("MSH", 11, ""), &json!({})), "D045 MSH-11");
}

#[test]
fn a_request_that_is_none_by_rf1_1_is_refused() {
    for status in ["A", "R", "E", "X"] {
        let text = REFERRAL.replacen("RF1|P|", &format!("RF1|{status}|"), 1);
        refused(&text, "D029", "RF1-1");
    }
    check(
        &REFERRAL.replacen("RF1|P|R||", "RF1|P|R||AM~WR", 1),
        &json!({"/body/clinical/notes": ["请接手后续诊疗", "请寄送书面报告"]}),
    );
}

/// An appointment with its SCH-11 and further lines.
fn booked(sch_11: &str, status: &str, lines: &[&str]) -> String {
    let sch = format!("SCH|QS2026-0100^QS|YY0100^XH||||BOOKED|||||{sch_11}||||||||||||||{status}");
    let mut all = vec![sch.as_str()];
    all.extend(lines);
    answer("SIU^S12", &all)
}

#[test]
fn a_time_without_a_zone_is_in_that_of_msh_7() {
    let text = booked("^^30^20260313060000^20260313063000", "Booked", &["RGS|1"]);
    let utc = text.replace("20260312090000+0800", "20260312010000+0000");

    check(&text, &json!({"/body/appointment/start": "2026-03-12T22:00:00Z"}));
    check(
        &utc,
        &json!({"/body/appointment/start": "2026-03-13T06:00:00Z", "/body/appointment/end": "2026-03-13T06:30:00Z"}),
    );
    let zoned = utc.replace("20260313060000", "20260313140000+0800");
    check(&zoned, &json!({"/body/appointment/start": "2026-03-13T06:00:00Z"}));
}

#[test]
fn a_date_is_no_midnight() {
    refused(&booked("^^30^20260313^", "Booked", &["RGS|1"]), "D026", "SCH-11.4");
    let tq1 = "TQ1|1||||||20260313";
    refused(&booked("", "Booked", &[tq1]), "D026", "TQ1-7");
    refused(&booked("", "Booked", &["RGS|1", "AIS|1||MZ|20260313"]), "D026", "AIS-4");

    let result = "OBX|2|NM|2160-0^肌酐^LN||88|umol/L|||||F|||20260309";
    let text = referral_and(&[result, "PR1|1||^阑尾切除术||20200102"]);
    check(
        &text,
        &json!({
            "/body/clinical/observations/0/at": null,
            "/body/clinical/observations/0/note": "日期：2026-03-09",
            "/body/clinical/procedures/0/at": null,
            "/body/valid_until": "2026-04-10T15:59:59Z",
        }),
    );
    arrives(&taken(&text).0, "2020-01-02");
    assert!(!sent_on(&taken(&text).0, "2.5.1").iter().any(|line| line.contains("20200102000000")));
}

#[test]
fn two_times_that_differ_are_refused_with_both_places() {
    let sch_11 = "^^^20260313140000^20260313143000";
    let tq1 = "TQ1|1||||||20260313090000+0800|20260313143000+0800";
    refused(&booked(sch_11, "Booked", &[tq1]), "D025", "TQ1-7 and SCH-11.4");
    let same = "TQ1|1||||||20260313060000+0000";
    check(
        &booked(sch_11, "Booked", &[same]),
        &json!({"/body/appointment/start": "2026-03-13T06:00:00Z"}),
    );
    refused(
        &booked(sch_11, "Booked", &["RGS|1", "AIS|1||MZ|20260314140000"]),
        "D025",
        "SCH-11 and AIS-4",
    );
    check(&booked(sch_11, "Booked", &["RGS|1", "AIP|1||D1^甲|||20260313141000"]), &json!({}));
    refused(&booked(&format!("{sch_11}~{sch_11}"), "Booked", &["RGS|1"]), "D025", "SCH-11[2]");
}

#[test]
fn only_what_stands_is_an_appointment() {
    let sch_11 = "^^^20260313140000^20260313143000";
    for (status, code) in [("Pending", "D029"), ("Waitlist", "D029"), ("XYZ", "D029")] {
        refused(&booked(sch_11, status, &["RGS|1"]), code, "SCH-25");
    }
    for status in ["Booked", "BOOKED", "Overbook", ""] {
        check(&booked(sch_11, status, &["RGS|1"]), &json!({"/kind": "referral.schedule"}));
    }
    for status in ["Cancelled", "CANCELED", "Deleted", "DC"] {
        let text = booked(sch_11, status, &["RGS|1"]);
        check(&text, &json!({"/kind": "referral.unschedule"}));
    }
}

#[test]
fn the_end_of_an_appointment_is_not_the_end_of_its_referral() {
    let sch_11 = "^^^20260313140000^20260313143000";
    let off = booked(sch_11, "Cancelled", &["RGS|1"]).replace("BOOKED", "PAT^医生停诊^L");
    for event in ["SIU^S15", "SIU^S17"] {
        let text = off.replacen("SIU^S12", event, 1);
        check(
            &text,
            &json!({
                "/kind": "referral.unschedule",
                "/body/reason": {"code": "CN11", "text": "医生停诊"},
                "/body/appointment/number": "YY0100",
                "/body/appointment/start": "2026-03-13T06:00:00Z",
            }),
        );
    }
    let contradicted = booked(sch_11, "Booked", &["RGS|1"]).replacen("SIU^S12", "SIU^S15", 1);
    refused(&contradicted, "D029", "SCH-25");
    let kept = off.replacen("SIU^S12", "SRR^S04", 1).replacen("\rSCH", "\rMSA|AE|1\rSCH", 1);
    refused(&kept, "D029", "MSA-1");
    check(&kept.replace("MSA|AE", "MSA|AA"), &json!({"/kind": "referral.unschedule"}));
    let claims = "OBX|1|ST|message.kind^消息类型^99TL||referral.schedule||||||F";
    let claims = off.replacen("SIU^S12", "SIU^S15", 1) + claims + "\r";
    refused(&claims, "D026", "OBX-5");
}

/// A message of QS about an appointment of its referral.
fn asked(event: &str, arq: &str, lines: &[&str]) -> String {
    let head = "MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310090000+0800||";
    let head = format!("{head}{event}|QS000101|P|2.5.1||||||UNICODE UTF-8");
    let arq = format!("ARQ|{arq}");
    let patient = "PID|1||MZ0100^^^QS^PI||何^秀兰||19620304|F";
    let all = [head.as_str(), arq.as_str(), patient].into_iter().chain(lines.iter().copied());
    all.flat_map(|line| [line, "\r"]).collect()
}

#[test]
fn an_origin_cancels_its_appointment_and_says_whose_number_is_whose() {
    let by = "QS12^沈立新";
    let arq =
        format!("YQ1|YY0100^XH||||PAT^改日再约^L|||||||||{by}||||{by}|||||QS2026-0100|XZ7^XH");
    let text = asked("SRM^S04", &arq, &["NTE|1||家属当天有事", "RGS|1"]);

    check(
        &text,
        &json!({
            "/kind": "referral.unschedule",
            "/body/reason": {"code": "CN12", "text": "改日再约\n家属当天有事"},
            "/body/appointment/number": "YY0100",
            "/body/by/name": "沈立新",
            "/case/numbers": [
                {"organisation": "QS", "number": "QS2026-0100"},
                {"organisation": "XH", "number": "XZ7"},
            ],
        }),
    );
    // The number of the request for the appointment must not become that of the referral.
    check(&text, &json!({"/case/unassigned/0": "QS2026-0100", "/case/unassigned/1": "YQ1"}));
    let alone = asked("SRM^S04", "QS2026-0100^QS|YY0100^XH", &["RGS|1"]);
    check(
        &alone,
        &json!({
            "/case/numbers": [{"organisation": "QS", "number": "QS2026-0100"}],
            "/body/appointment/number": "YY0100",
        }),
    );
}

#[test]
fn a_booking_request_without_an_illness_asks_a_time_for_a_referral_that_exists() {
    let arq = "QS2026-0100^QS|||||CHECKUP^复查|||||20260313080000^20260313120000";
    for event in ["SRM^S01", "SRM^S02", "SRM^S03"] {
        check(
            &asked(event, arq, &["NTE|1||请安排上午", "RGS|1", "AIP|1||D1^顾明远"]),
            &json!({
                "/kind": "referral.book",
                "/body/appointment/start": "2026-03-13T00:00:00Z",
                "/body/appointment/end": "2026-03-13T04:00:00Z",
                "/body/appointment/practitioner/name": "顾明远",
                "/body/note": "请安排上午\n【ARQ-6】CHECKUP^复查",
            }),
        );
    }
    let ill = ["DG1|1||I10^高血压^I10|||W", "RGS|1"];
    check(&asked("SRM^S01", arq, &ill), &json!({"/kind": "referral.submit"}));
    let named = arq.replacen("QS2026-0100^QS", "R2600000011", 1);
    check(&asked("SRM^S01", &named, &ill), &json!({"/kind": "referral.book"}));
}

#[test]
fn the_end_of_an_appointment_is_written_as_its_own_event_by_either_side() {
    let text = booked("^^^20260313140000^20260313143000", "Cancelled", &["RGS|1"]);
    let (mut message, _) = taken(&text.replacen("SIU^S12", "SIU^S15", 1));
    let (request, _) = taken(REFERRAL);
    let Body::ReferralSubmit(request) = request.body else { panic!("a referral") };
    message.context = Some(Context {
        patient: request.patient,
        from: request.from,
        to: request.to,
        diagnoses: Vec::new(),
        appointment: None,
        direction: None,
    });

    let by_target = sent_on(&message, "2.5.1");
    assert!(by_target[0].contains("|SIU^S15^SIU_S12|"), "{}", by_target[0]);
    assert!(by_target.iter().any(|line| line.starts_with("SCH|") && line.contains("|Cancelled")));
    message.source.organisation = code("QS");
    let by_origin = sent_on(&message, "2.5.1");
    assert!(by_origin[0].contains("|SRM^S04^SRM_S01|"), "{}", by_origin[0]);
    assert!(by_origin.iter().any(|line| line.starts_with("ARQ|QS2026-0100^QS|YY0100|")));
}

#[test]
fn everybody_and_everything_at_an_appointment_is_told() {
    let text = booked(
        "^^^20260313140000^20260313143000",
        "Booked",
        &[
            "RGS|1",
            "AIG|1||Q12^上午12号^L",
            "AIL|1||^^06^^^^^^门诊楼2层",
            "AIP|1||D1^甲^医",
            "AIP|2||D2^乙^医",
            "AIP|3|D|D3^丙",
        ],
    );
    let want = json!({
        "/body/appointment/queue_number": "上午12号",
        "/body/appointment/practitioner": {"code": "D1", "name": "甲医"},
        "/body/appointment/other_practitioners": [{"code": "D2", "name": "乙医"}],
        "/body/appointment/place": "门诊楼2层",
    });
    check(&text, &want);

    let mut message = taken(&text).0;
    message.source.organisation = code("XH");
    for part in ["AIG|1||^上午12号", "AIP|1||D1^甲医", "AIP|2||D2^乙医"] {
        arrives(&message, part);
    }
}

#[test]
fn the_words_of_a_decision_arrive() {
    let rri = |rf1_10: &str, nte: &str| {
        answer(
            "RRI^I12",
            &[&format!("RF1|R|A|||O|QS2026-0100^QS||||{rf1_10}"), &format!("NTE|1||{nte}")],
        )
    };
    check(
        &rri("RJ01^无床位^L", "周五后有床，请先予降压"),
        &json!({"/body/reason": {"code": "RJ01", "text": "无床位\n周五后有床，请先予降压"}}),
    );
    check(
        &rri("X^其他原因^L", "床位紧张"),
        &json!({"/body/reason": {"code": "RJ99", "text": "X\n其他原因\n床位紧张"}}),
    );
    let long = "说".repeat(1001);
    check(
        &rri("X^其他原因^L", &long),
        &json!({"/body/reason/text": format!("X\n其他原因\n{long}")}),
    );

    let longest = "说".repeat(5000);
    let text = rri("X^其他原因^L", &longest);
    let notes = check(&text, &json!({"/body/reason/code": "RJ99"}));
    noted(&notes, "D046 NTE-3");
    let (message, _) = taken(&text);
    assert!(message.extras.iter().any(|extra| extra.text == longest));
    assert!(
        serde_json::to_value(&message)
            .unwrap()
            .pointer("/body/reason/text")
            .unwrap()
            .as_str()
            .unwrap()
            .chars()
            .count()
            <= 4000
    );

    let osu = answer("OSU^O51", &["ORC|SC|QS2026-0100^QS|||IP|||||||||||^请周三带旧片来"]);
    check(&osu, &json!({"/kind": "referral.accept", "/body/opinion": "请周三带旧片来"}));
    let missed =
        booked("^^^20260309140000", "Noshow", &["RGS|1", &format!("NTE|1||{}", "患".repeat(401))])
            .replacen("SIU^S12", "SIU^S26", 1);
    check(&missed, &json!({"/kind": "referral.no-show", "/body/note": "患".repeat(401)}));
}

#[test]
fn the_words_of_an_acceptance_are_a_remark_in_every_version() {
    let text = answer("RRI^I12", &["RF1|A|A|||O|QS2026-0100^QS", "NTE|1||请空腹来诊"]);
    let (mut message, _) = taken(&text);
    message.source.organisation = code("XH");

    for version in ["2.3.1", "2.8"] {
        let lines = sent_on(&message, version);
        assert!(lines.iter().any(|line| line == "NTE|1||请空腹来诊"), "{lines:#?}");
    }
}

#[test]
fn what_a_clinician_wrote_reaches_the_receiver_from_wherever_it_stood() {
    let text = referral_and(&[
        "ZYZ|1|每日胰岛素20单位",
        "AL1|1|DA|^青霉素|SV|过敏性休克|20200101",
        "PV2|||^突发胸痛加重",
    ]);
    let notes = check(
        &text,
        &json!({
            "/body/clinical/notes": ["【ZYZ-2】每日胰岛素20单位", "【AL1-6】2020-01-01", "【PV2-3】^突发胸痛加重"],
            "/body/clinical/allergies/0/severity": "severe",
        }),
    );
    assert!(!notes.iter().any(|note| note.starts_with("D046")), "{notes:?}");
    let (message, _) = taken(&text);
    for part in ["每日胰岛素20单位", "AL1|1||^青霉素|SV|过敏性休克"] {
        arrives(&message, part);
    }
}

#[test]
fn how_sure_a_diagnosis_is_is_told() {
    let dg1 = |dg1_4: &str, kind: &str| {
        with(REFERRAL, &format!("DG1|1||I20.000^不稳定性心绞痛^I10|{dg1_4}||{kind}"))
    };
    check(&dg1("", "F"), &json!({"/body/clinical/diagnoses/0/certainty": "confirmed"}));
    check(&dg1("", "W"), &json!({"/body/clinical/diagnoses/0/certainty": null}));
    check(&dg1("", "A"), &json!({"/body/clinical/diagnoses/0/note": "入院诊断"}));
    refused(&dg1("", "Z"), "D029", "DG1-6");
    check(&dg1("静息时发作", "W"), &json!({"/body/clinical/diagnoses/0/note": "静息时发作"}));

    let (mut message, _) = taken(REFERRAL);
    if let tierlink_schemas::Body::ReferralSubmit(request) = &mut message.body {
        request.clinical.diagnoses[0].certainty =
            Some(tierlink_schemas::clinical::Certainty::Provisional);
    }
    let lines = sent_on(&message, "2.4");
    let dg1 = lines.iter().find(|line| line.starts_with("DG1|")).unwrap();
    assert!(dg1.contains("|疑似：不稳定性心绞痛|"), "{dg1}");
    check(&with(REFERRAL, dg1), &json!({"/body/clinical/diagnoses/0/certainty": "provisional"}));
}

#[test]
fn a_second_code_is_kept_and_the_national_one_comes_first() {
    check(
        &with(REFERRAL, "DG1|1||25064002^Headache^SCT^R51^头痛^I10||20260310|W"),
        &json!({"/body/clinical/diagnoses/0/what": {
            "code": "R51", "system": "ICD-10", "text": "Headache",
            "translations": [{"code": "25064002", "system": "SNOMED CT", "text": "Headache"}],
        }}),
    );
}

#[test]
fn a_wrong_identity_number_in_pid_19_is_kept_as_what_it_is() {
    let text = referral_with("PID", 3, "MZ0100^^^QS^PI");
    let pid = text.split('\r').find(|line| line.starts_with("PID|")).unwrap();
    let text = with(&text, &format!("{pid}||||||990101195001010019"));
    let notes = check(
        &text,
        &json!({
            "/body/patient/document": null,
            "/body/patient/identifiers/1": {"kind": "other", "value": "990101195001010019", "label": "PID-19"},
        }),
    );
    noted(&notes, "D045 PID-19");
    arrives(&taken(&text).0, "990101195001010019^^^^PID-19");
}

#[test]
fn that_a_patient_has_died_or_is_unknown_is_read() {
    let died = |day: &str, dead: &str| change(&referral_with("PID", 29, day), "PID", 30, dead);
    check(
        &died("20260309", "Y"),
        &json!({"/body/patient/deceased": true, "/body/patient/deceased_on": "2026-03-09"}),
    );
    check(&died("20260309", ""), &json!({"/body/patient/deceased": true}));
    check(&died("", "N"), &json!({"/body/patient/deceased": null}));
    refused(&died("", "maybe"), "D029", "PID-30");
    let unknown = change(&with(REFERRAL, "PID|1||MZ0100^^^QS^PI|||||M"), "PID", 31, "Y")
        .replacen("RF1|P|R", "RF1|P|S", 1);
    check(&unknown, &json!({"/body/patient/identity": "unknown"}));
}

#[test]
fn a_value_that_is_too_long_is_refused_by_its_field_and_others_are_whole() {
    let obx = |chars: usize| format!("OBX|2|TX|24627-2^胸部CT^LN||{}||||||F", "结".repeat(chars));

    check(
        &referral_and(&[&obx(6_700)]),
        &json!({"/body/clinical/observations/0/value": "结".repeat(6_700)}),
    );
    check(
        &referral_and(&[&obx(20_000)]),
        &json!({"/body/clinical/observations/0/value": "结".repeat(20_000)}),
    );
    refused(&referral_and(&[&obx(20_001)]), "D015", "OBX[2]-5");
}

#[test]
fn a_transfer_names_the_referral_that_brought_the_patient_up() {
    let down = |rf1_11: &str| {
        REFERRAL
            .replace("|HIS|QS|TIERLINK|XH|", "|HIP|XH|TIERLINK|QS|")
            .replace("^^^QS|0571", "^^^XH|0571")
            .replace("心血管内科^^^XH", "心血管内科^^^QS")
            .replace("QS2026-0100^QS", "XZ2026-0007^XH")
            .replace("UP04^设备条件限制\r", &format!("DN01^病情稳定|{rf1_11}\r"))
    };
    check(
        &down("QS2026-0003^QS"),
        &json!({
            "/kind": "transfer.offer",
            "/body/parent_referral": "QS2026-0003",
            "/case/numbers": [{"organisation": "XH", "number": "XZ2026-0007"}],
        }),
    );
    let notes = check(&down(""), &json!({"/body/no_referral_reason/code": "NR99"}));
    noted(&notes, "D045 RF1-11");

    let (message, _) = taken(&down("QS2026-0003^QS"));
    let mut receiver = profile("QS");
    "2.4".clone_into(&mut receiver.format.version);
    let directory = county();
    let writing = Writing { profile: &receiver, directory: &directory };
    let bytes = Hl7v2.encode(&message, &code("QS"), &writing).unwrap().bytes;
    let rf1 = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(
        rf1.split('\r').any(|line| line.starts_with("RF1|") && line.ends_with("|QS2026-0003")),
        "{rf1}"
    );
}

#[test]
fn what_most_senders_leave_out_is_not_stated_and_not_refused() {
    let text = referral_with("RF1", 10, "");
    noted(&check(&text, &json!({"/body/reason_text": "未说明转诊原因"})), "D045 RF1-10");

    let letter = text.replace("DG1|1||I20.000^不稳定性心绞痛^I10||20260310|W\r", "").replace(
        "OBX|1|TX|DE04.01.119.00^主诉||胸痛2小时||||||F",
        "OBX|1|ED|57133-1^转诊信^LN||HIS^application^pdf^Base64^JVBERi0xLjQK||||||F",
    );
    let notes = check(&letter, &json!({"/body/attachments/0/title": "转诊信"}));
    assert!(notes.iter().any(|note| note.starts_with("D045 OBX")), "{notes:?}");
}

#[test]
fn obr_31_is_the_reason_of_an_order() {
    let order = "MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310090000+0800||OMG^O19^OMG_O19|QS000101|P|2.5.1||||||UNICODE UTF-8\r\
PID|1||MZ0100^^^QS^PI||汪德福||19500101|M\rORC|NW|QS2026-0101^QS\rTQ1|1||||||||A\r\
OBR|1|QS2026-0101^QS||57133-1^Referral note^LN|||||||||||||||||||||||||||^眩晕三天~R42^头晕^I10\r\
DG1|1||R42^头晕^I10|||W\r";
    check(order, &json!({"/body/reasons/0/text": "眩晕三天", "/body/reasons/1/code": "R42"}));
}

#[test]
fn an_amendment_that_deletes_says_so_to_the_next_hospital() {
    let amendment =
        referral_with("PID", 13, "\"\"").replacen("REF^I12^REF_I12", "REF^I13^REF_I12", 1);
    check(&amendment, &json!({"/kind": "referral.amend", "/body/patient/phone": null}));

    let lines = sent_on(&taken(&amendment).0, "2.5.1");
    let pid = lines.iter().find(|line| line.starts_with("PID|")).unwrap();
    assert_eq!(pid.split('|').nth(13), Some("\"\""), "{pid}");
    // A first request has nothing to delete.
    let lines = sent_on(&taken(&referral_with("PID", 13, "\"\"")).0, "2.5.1");
    assert!(!lines.iter().any(|line| line.contains("\"\"")), "{lines:#?}");
}

#[test]
fn an_event_or_a_type_that_is_not_taken_is_told_apart() {
    refused(&referral_with("MSH", 9, "REF^I19"), "D022", "MSH-9.2");
    refused(&referral_with("MSH", 9, "ADT^A40"), "D022", "MSH-9.2");
    refused(&referral_with("MSH", 9, "VXU^V04"), "D022", "MSH-9");
    refused("FHS|^~\\&|HIS|QS|TL\rBHS|^~\\&|HIS|QS\rMSH|^~\\&|HIS|QS", "D018", "FHS");
    assert_eq!(Hl7v2.sender(b"FHS|^~\\&|HIS|QS|TL|XH\rMSH|^~\\&|X|Y").names, ["QS", "HIS"]);
}

#[test]
fn utf_16_is_read_and_answered() {
    let bytes: Vec<u8> =
        [0xFEFF].into_iter().chain(REFERRAL.encode_utf16()).flat_map(u16::to_le_bytes).collect();

    let decoded = decode_with(&bytes, &profile("QS"));

    let (message, _) = decoded.outcome.unwrap();
    assert_eq!(message.patient().unwrap().name.as_deref(), Some("汪德福"));
    assert_eq!(message.kind(), Kind::ReferralSubmit);
    assert!(decoded.deviations.iter().any(|it| it.code.as_str() == "D040"));
}

#[test]
fn an_order_that_says_why_says_what_the_patient_has() {
    let head = "MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310090000+0800||OMG^O19^OMG_O19|QS000102|P|2.5.1||||||UNICODE UTF-8";
    let order = |reason: &str| {
        let obr =
            format!("OBR|1|QS2026-0102^QS||57133-1^Referral note^LN{}{reason}", "|".repeat(27));
        let pid = "PID|1||MZ0100^^^QS^PI||何^秀兰||19620304|F";
        let lines = [head, pid, "ORC|NW|QS2026-0102^QS", "TQ1|1||||||||A", &obr];
        lines.map(|line| format!("{line}\r")).concat()
    };

    let notes = check(
        &order("^头晕三天"),
        &json!({
            "/body/reasons/0/text": "头晕三天",
            "/body/clinical/chief_complaint": "未说明，见转诊原因",
        }),
    );

    assert!(notes.iter().any(|note| note.starts_with("D045 OBX-5") || note.starts_with("D045")));
    let (bare, _) = taken(&order(""));
    let rules = Rules { now: bare.received_at.unwrap(), required: &BTreeSet::new() };
    let problems = check_content(&bare, &rules).problems;
    assert!(problems.iter().any(|problem| problem.code.as_str() == "C001"), "{problems:?}");
}

#[test]
fn who_answers_for_a_report_is_told_with_code_and_name() {
    for (obr_32, code, name) in [
        ("D2&吴静", Some("D2"), Some("吴静")),
        ("D2&吴&静", Some("D2"), Some("吴静")),
        ("D2^吴静", Some("D2"), Some("吴静")),
        ("吴静", None, Some("吴静")),
        ("D2", Some("D2"), None),
    ] {
        let obr = format!(
            "OBR|1|QS2026-0100^QS||11524-6^心电图^LN{}F{}{obr_32}",
            "|".repeat(21),
            "|".repeat(7)
        );
        let text = answer(
            "ORU^R01",
            &["ORC|RE|QS2026-0100^QS", &obr, "OBX|1|NM|8867-4^心率^LN||38|/min|60-100|LL|||F"],
        );

        check(
            &text,
            &json!({
                "/kind": "referral.feedback",
                "/body/by/code": code,
                "/body/by/name": name,
                "/body/observations/0/flag": "LL",
            }),
        );
    }
}

#[test]
fn whether_a_report_is_an_opinion_or_of_a_reading_the_case_says() {
    let text = answer(
        "ORU^R01",
        &["ORC|RE|C2600000222^TIERLINK", "OBR|1|||11524-6^心电图^LN", "OBX|1|TX|||窦性心律||||||F"],
    );

    let (message, family) = decode(&text).outcome.unwrap();

    assert_eq!((message.kind(), family), (Kind::ReferralFeedback, FamilyKnown::ByCase));
}

#[test]
fn a_doctor_whose_opinion_is_asked_for_is_an_expert_of_the_consultation() {
    let prd = "PRD|CP|陈^志远|||0571-99010105||E7";
    let asked = |expert: &str| {
        let refers = change(REFERRAL, "RF1", 4, "SO");
        refers.replacen("\rPID|", &format!("\r{expert}\rPID|"), 1)
    };

    let experts = |organisation: &str| {
        json!({ "/kind": "consultation.request", "/body/experts": [{
            "organisation": organisation,
            "practitioner": { "code": "E7", "name": "陈志远", "phone": "0571-99010105" },
        }] })
    };
    check(&asked(prd), &experts("XH"));
    check(&asked("PRD|CP|陈^志远||^^^QS|0571-99010105||E7"), &experts("QS"));
    refused(&asked("PRD|CP|陈^志远||^^^NOWHERE|0571-99010105||E7"), "D027", "PRD[3]-10");
}
