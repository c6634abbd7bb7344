//! Messages that others wrote, and our own odd ones, through `tierlink translate --report`.
//!
//! Each is taken, with every deviation listed and no text lost, or refused with the field named.
//!
//! `TIERLINK_SAMPLES` names a folder with `hl7v2/*.hl7` and `fhir/*request.json` in it. The fixtures
//! of our own formats are tried in any case, so that this never tests nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tierlink_integration_tests::county::run_program;
use tierlink_integration_tests::hospitals::Charset;

/// Exit codes of `translate`: taken, refused.
const TAKEN: i32 = 0;
const REFUSED: i32 = 2;

/// Messages of others that speak one format.
fn samples(format: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![fixtures(format)];
    if let Some(folder) = std::env::var_os("TIERLINK_SAMPLES") {
        folders.push(PathBuf::from(folder).join(format));
    }
    let mut found = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            panic!("{} cannot be read", folder.display())
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        found.extend(paths.filter(|path| path.to_str().unwrap().ends_with(ending)));
    }
    found.sort();
    found
}

fn fixtures(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../adapters/{format}/fixtures"))
}

/// Runs `translate --report` and checks its exit code against what it says.
async fn report(format: &str, path: &Path) -> Value {
    let path = path.to_str().unwrap();
    let words = ["translate", "--from", format, "--to", "json", "--report", path];
    let ran = run_program(&words).await.unwrap();
    let code = ran.status.code().unwrap_or(-1);
    assert!(matches!(code, TAKEN | REFUSED), "{path} ended with {code}: {}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{path}: the report is no JSON: {error}"));
    let expected = if code == TAKEN { "accepted" } else { "refused" };
    assert_eq!(report["outcome"], expected, "{path}");
    report
}

/// The shape that programs rely on, whatever the outcome.
fn check_shape(path: &Path, report: &Value) {
    let name = path.display();
    let members: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        BTreeSet::from(["deviations", "losses", "message", "outcome", "output", "problems"]);
    assert_eq!(members, expected, "{name}");
    for list in ["deviations", "problems"] {
        for one in report[list].as_array().unwrap() {
            let code = one["code"].as_str().unwrap();
            let page = format!("{}/../ops/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
            assert!(Path::new(&page).exists(), "{name}: {code} has no page");
            assert!(!one["field"].as_str().unwrap().is_empty(), "{name}: {code} names no field");
            assert!(!one["text"].as_str().unwrap().is_empty(), "{name}: {code} says nothing");
        }
    }
    let problems = report["problems"].as_array().unwrap();
    match report["outcome"].as_str().unwrap() {
        "accepted" => {
            assert!(problems.is_empty() && report["message"].is_object(), "{name}");
            assert!(report["output"].is_string(), "{name}");
        }
        _ => assert!(!problems.is_empty(), "{name} is refused for no reason"),
    }
}

#[tokio::test]
async fn every_hl7_sample_is_taken_whole_or_refused_with_a_field() {
    let all = samples("hl7v2", ".hl7");
    assert!(all.len() >= 20, "only {} messages to try", all.len());
    let (mut taken, mut refused) = (0, 0);
    for path in &all {
        let report = report("hl7v2", path).await;
        check_shape(path, &report);
        if report["message"].is_null() {
            refused += 1;
            continue;
        }
        taken += 1;
        let text = Charset::read(&std::fs::read(path).unwrap());
        let lost = lost(&hl7_texts(&text), &report["message"]);
        assert!(lost.is_empty(), "{} loses {lost:?}", path.display());
    }
    assert!(taken >= 10 && refused >= 3, "{taken} taken and {refused} refused");
}

#[tokio::test]
async fn every_fhir_sample_is_taken_whole_or_refused_with_a_field() {
    let mut all = samples("fhir", "request.json");
    all.extend(samples("fhir", "referral.json"));
    all.extend(samples("fhir", "rejected.json"));
    assert!(all.len() >= 2, "only {} messages to try", all.len());
    let mut taken = 0;
    for path in &all {
        let report = report("fhir", path).await;
        check_shape(path, &report);
        if report["message"].is_null() {
            continue;
        }
        taken += 1;
        let bundle: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut texts = Vec::new();
        fhir_texts("", &bundle, &mut texts);
        let lost = lost(&texts, &report["message"]);
        assert!(lost.is_empty(), "{} loses {lost:?}", path.display());
    }
    assert!(taken >= 1, "nothing was taken");
}

/// What stands in a message for people to read, unescaped.
fn hl7_texts(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.starts_with("MSH")) {
        // A line without a segment's name goes on with the text of the line before.
        let fields = line.split_once('|').map_or(line, |(_, fields)| fields);
        for piece in fields.split(['|', '^', '~', '&']) {
            let piece = piece.replace("\\T\\", "&").replace("\\S\\", "^").replace("\\R\\", "~");
            let piece = piece.replace("\\F\\", "|").replace("\\E\\", "\\");
            let parts = piece.split("\\.br\\").map(|part| part.trim().to_owned());
            texts.extend(parts.filter(|part| is_text(part)));
        }
    }
    texts
}

/// Words and numbers of people, not codes that stand for something: those have a letter or more
/// than a few digits.
fn is_text(piece: &str) -> bool {
    let foreign = piece.chars().any(|c| !c.is_ascii() && c.is_alphabetic());
    let words = piece.contains(' ') && piece.chars().any(|c| c.is_ascii_alphabetic());
    let long_number = piece.len() >= 9 && piece.chars().all(|c| c.is_ascii_digit() || c == '-');
    // HL7 writes times without separators; the canonical message writes them differently.
    let time = piece.len() >= 8 && piece.starts_with(['1', '2']) && long_number;
    foreign || words || (long_number && !time) || (long_number && piece.len() == 18)
}

/// The same for FHIR: the elements that hold words.
fn fhir_texts(name: &str, value: &Value, texts: &mut Vec<String>) {
    const WORDS: [&str; 12] = [
        "text",
        "display",
        "name",
        "family",
        "given",
        "line",
        "description",
        "title",
        "contentString",
        "valueString",
        "diagnostics",
        "patientInstruction",
    ];
    match value {
        Value::String(text) if WORDS.contains(&name) && is_text(text) => {
            texts.push(text.trim().to_owned());
        }
        Value::Array(items) => items.iter().for_each(|item| fhir_texts(name, item, texts)),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| fhir_texts(name, member, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Words that say in words what a code beside them says, or that are read as a code themselves.
const UNDERSTOOD: [&str; 9] = [
    "Referring Provider",
    "Referred to Provider",
    "Second opinion",
    "Discharge summary",
    "Referral note",
    "主诉",
    "会诊意见",
    "男",
    "女",
];

/// The texts that neither the message nor its extras hold.
fn lost(texts: &[String], message: &Value) -> Vec<String> {
    let mut held = String::new();
    each_text(message, &mut |text| {
        held.push_str(text);
        held.push('\n');
    });
    let lost = texts.iter().filter(|text| {
        let is_there = held.contains(text.as_str()) || held.contains(&in_full(text));
        !is_there && !UNDERSTOOD.contains(&text.as_str())
    });
    lost.cloned().collect()
}

/// An identity number of 15 digits from before 1999 is read as the 18 that it has now.
fn in_full(text: &str) -> String {
    let old = text.len() == 15 && text.bytes().all(|b| b.is_ascii_digit());
    if old { format!("{}19{}", &text[..6], &text[6..]) } else { text.to_owned() }
}

fn each_text(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Number(number) => visit(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, visit)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[tokio::test]
async fn the_search_for_lost_text_can_fail() {
    let path = fixtures("hl7v2").join("ref_i12_down.hl7");
    let mut report = report("hl7v2", &path).await;
    let texts = hl7_texts(&Charset::read(&std::fs::read(&path).unwrap()));
    assert!(texts.iter().any(|text| text == "汪德福"), "{texts:?}");

    report["message"]["body"]["patient"]["name"] = Value::Null;

    assert_eq!(lost(&texts, &report["message"]), ["汪德福"]);
}
