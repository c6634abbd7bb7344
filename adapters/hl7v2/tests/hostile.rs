//! Nothing that arrives makes the codec panic, and nothing that is written can divide a message.
//!
//! Part of the normal test run, so the cases are few and the inputs small; they are built to look
//! enough like HL7 v2 to get past the first check.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::Timestamp;
use proptest::prelude::*;
use tierlink_codec::Profile;
use tierlink_codec::{Codec, Directory, Organisation, Reading, Writing};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::clinical::{Allergy, Clinical, Diagnosis, Observation};
use tierlink_schemas::message::{Message, Source};
use tierlink_schemas::person::{Coded, Party, Patient};
use tierlink_schemas::request::{Direction, ReferralKind, ReferralRequest};
use tierlink_schemas::{Body, OrganisationCode, Tier};
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
    Directory::new(vec![organisation("QS", Tier::Township), organisation("XH", Tier::County)], None)
}

fn profile(organisation: &str, version: &str) -> Profile {
    let tier = county().tier(&code(organisation)).unwrap();
    let mut profile = Profile::bare(code(organisation), tier, "hl7v2");
    version.clone_into(&mut profile.format.version);
    profile
}

fn at() -> Timestamp {
    "2026-03-10T01:00:05Z".parse().unwrap()
}

fn decode(bytes: &[u8]) -> Result<Message, String> {
    let (profile, directory) = (profile("QS", "2.5.1"), county());
    let reading = Reading {
        profile: &profile,
        directory: &directory,
        id: Uuid::from_u128(7),
        received_at: at(),
        head: None,
    };
    let decoded = Hl7v2.decode(bytes, &reading);
    decoded.outcome.map(|(message, _)| message).map_err(|problems| format!("{problems:?}"))
}

fn referral(text: &str, other: &str) -> Message {
    let party = |organisation: &str| Party {
        name: Some(text.to_owned()),
        department: Some(Coded::text(other)),
        ..Party::of(code(organisation))
    };
    let coded = || Coded::code("other", "X1").with_text(text);
    let body = Body::ReferralSubmit(ReferralRequest {
        direction: Some(Direction::Up),
        kind: ReferralKind::Exam,
        purpose: Some(coded()),
        reasons: vec![coded(), Coded::text(other)],
        reason_text: Some(other.to_owned()),
        from: party("QS"),
        to: party("XH"),
        patient: Patient { name: Some(text.to_owned()), ..Patient::default() },
        clinical: Clinical {
            chief_complaint: Some(text.to_owned()),
            diagnoses: vec![Diagnosis { what: Coded::text(other), ..Diagnosis::default() }],
            allergies: vec![Allergy {
                substance: coded(),
                reaction: Some(other.to_owned()),
                ..Allergy::default()
            }],
            observations: vec![Observation {
                what: coded(),
                value: Some(text.to_owned()),
                unit: Some(other.to_owned()),
                ..Observation::default()
            }],
            notes: vec![text.to_owned(), other.to_owned()],
            ..Clinical::default()
        },
        attachments: Vec::new(),
        wanted: None,
        consent: None,
        transport: None,
        policy: None,
        valid_until: None,
    });
    let source = Source { organisation: code("QS"), system: None, message_id: "QS1".to_owned() };
    Message::new(Uuid::from_u128(1 << 100), source, at(), body)
}

/// Bytes that look like HL7 v2 for a while.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "PID", "RF1", "PRD", "OBX", "NTE", "DG1", "SCH", "ARQ", "ORC", "OBR", "PV1", "MSA", "TQ1",
        "ZZZ", "MSH", "EVN", "TXA", "IN1", "NK1", "AL1", "PR1", "AIL", "AIP",
    ]);
    let rest = r"[|^~&\\A-Z0-9王𠮷·.+\-:\n ]{0,60}";
    let lines = prop::collection::vec((name, rest), 0..8);
    let kind = prop::sample::select(vec![
        "REF^I12", "REF^I14", "RRI^I12", "SIU^S12", "SRM^S01", "SRR^S01", "ADT^A01", "ADT^A03",
        "ORU^R01", "MDM^T02", "OMG^O19", "OSU^O51",
    ]);
    let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (kind, lines, noise).prop_map(|(kind, lines, noise)| {
        let mut text = format!("MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310||{kind}|1|P|2.4\r");
        for (name, rest) in lines {
            text.extend([name, "|", &rest, "\r"]);
        }
        let mut bytes = text.into_bytes();
        for (index, byte) in noise {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_hl7_makes_decoding_panic(bytes in nearly()) {
        if let Ok(message) = decode(&bytes) {
            let (profile, directory) = (profile("XH", "2.5.1"), county());
            let writing = Writing { profile: &profile, directory: &directory };
            let _ = Hl7v2.encode(&message, &code("XH"), &writing);
        }
    }

    #[test]
    fn any_text_in_any_field_survives_the_journey(
        text in r#"[a|^~&\\"王𠮷· #\r\n\t\x0b\x1c]{1,24}"#,
        other in r#"[a|^~&\\"王𠮷· #\r\n\t]{1,24}"#,
        version in prop::sample::select(vec!["2.3.1", "2.5.1", "2.8"]),
    ) {
        let message = referral(&text, &other);
        let (profile, directory) = (profile("XH", version), county());
        let writing = Writing { profile: &profile, directory: &directory };

        let encoded = Hl7v2.encode(&message, &code("XH"), &writing).unwrap();

        prop_assert!(!encoded.bytes.contains(&0x1c) && !encoded.bytes.contains(&0x0b));
        let read = decode(&encoded.bytes).unwrap();
        prop_assert_eq!(
            serde_json::to_value(&read.body).unwrap(),
            serde_json::to_value(&message.body).unwrap()
        );
    }
}

#[test]
fn a_message_at_every_limit_is_refused_and_not_built() {
    let header = "MSH|^~\\&|HIS|QS|TIERLINK|XH|20260310||REF^I12|1|P|2.4\r";
    for (body, code) in [
        ("|".repeat(2_000_000), "D015"),
        (format!("PID|{}", "~".repeat(1_000_000)), "D015"),
        (format!("PID|{}", "&^".repeat(500_000)), "D015"),
        (format!("PID|1\rNTE|1||{}", "a~".repeat(4_999).repeat(20)), "D015"),
        ("NTE|1\r".repeat(100_000), "D015"),
        // These are read to the end, which must not take long, and lack a patient.
        (format!("EVN|\r{}", "x\r".repeat(200_000)), "D019"),
        (format!("NTE|1||{}", "\\".repeat(80_000)), "D019"),
        (format!("NTE|1||{}", "\\.sp9999\\".repeat(8_000)), "D019"),
        (format!("NTE|1||{}", "a^b&c~".repeat(4_999)), "D019"),
    ] {
        let refusal = decode(format!("{header}{body}").as_bytes()).unwrap_err();
        assert!(refusal.contains(code), "{refusal}");
    }
    let large = vec![b'x'; tierlink_hl7v2::limits::MESSAGE_BYTES_MAX + 1];
    assert!(decode(&large).unwrap_err().contains("D011"));
}
