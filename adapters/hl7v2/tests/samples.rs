//! Messages written by others: taken with their deviations, or refused with a field named.
//!
//! `TIERLINK_SAMPLES` names a folder with `hl7v2/*.hl7` in it. Without it there is nothing to do.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

use jiff::Timestamp;
use tierlink_codec::Profile;
use tierlink_codec::{Codec, Directory, Reading};
use tierlink_hl7v2::{Hl7v2, time};
use tierlink_schemas::{Message, OrganisationCode, Tier};
use uuid::Uuid;

fn samples() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("TIERLINK_SAMPLES") else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(PathBuf::from(folder).join("hl7v2"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

/// Words that stand for themselves in the canonical message, or only repeat a code.
const UNDERSTOOD: [&str; 22] = [
    "2.8",
    "2.5.1",
    "REF_I12",
    "SIU_S12",
    "ADT_A01",
    "ADT_A03",
    "ORU_R01",
    "MDM_T02",
    "REF_I14",
    "SIU_S13",
    "Referring Provider",
    "Referred to Provider",
    "Routine",
    "HL70280",
    "HL70283",
    "HL70284",
    "HL70286",
    "Base64",
    "I10",
    "SCT",
    "LN",
    "MTH",
];

/// Every text of the message that the canonical message does not hold.
fn lost(text: &str, message: &Message) -> Vec<String> {
    let kept = serde_json::to_string(message).unwrap().to_lowercase();
    let mut lost = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        for token in line.split(['|', '^', '~', '&']).skip(2).map(str::trim) {
            let plain = token.replace("\\T\\", "&");
            let quoted = serde_json::to_string(&plain).unwrap().to_lowercase();
            let quoted = quoted.trim_matches('"');
            let trivial = token.len() < 3
                || token.chars().all(|c| c.is_ascii_digit() && token.len() < 4)
                || time::read(token).is_some()
                || UNDERSTOOD.contains(&token)
                || (line.starts_with("MSH") && token.len() == 3)
                || (token.starts_with("\"\""));
            if !trivial && !kept.contains(quoted) {
                lost.push(format!("{} {token}", &line[..3.min(line.len())]));
            }
        }
    }
    lost
}

#[test]
fn every_sample_is_taken_whole_or_refused_with_a_field_named() {
    for (name, bytes) in samples() {
        let sender = Hl7v2.sender(&bytes);
        assert!(!sender.names.is_empty(), "{name} says who sent it");
        let organisation = OrganisationCode::new("SENDER").unwrap();
        let profile = Profile::bare(organisation, Tier::Township, "hl7v2");
        let directory = Directory::default();
        let received_at: Timestamp = "2026-03-10T01:00:05Z".parse().unwrap();
        let reading = Reading {
            profile: &profile,
            directory: &directory,
            id: Uuid::from_u128(7),
            received_at,
            head: Some(&sender.head),
        };

        let decoded = Hl7v2.decode(&bytes, &reading);

        assert!(!decoded.deviations.is_empty(), "{name} breaks its standard somewhere");
        match decoded.outcome {
            Ok((message, _)) => {
                let text = String::from_utf8(bytes).unwrap();
                assert_eq!(lost(&text, &message), Vec::<String>::new(), "{name}");
            }
            Err(problems) => assert!(
                problems.iter().all(|p| p.code.as_str().starts_with('D') && !p.field.is_empty()),
                "{name}: {problems:?}"
            ),
        }
    }
}
