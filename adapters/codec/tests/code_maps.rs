//! One code map means the same in every format, in and out.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tierlink_codec::{CodeMaps, Codec, Decoded, Directory, Encoded, Organisation, Profile};
use tierlink_codec::{Reading, Writing};
use tierlink_fhir::Fhir;
use tierlink_hl7v2::Hl7v2;
use tierlink_json::Json;
use tierlink_schemas::message::{Context, from_slice};
use tierlink_schemas::{Body, Kind, Message, OrganisationCode, Tier, examples};
use uuid::Uuid;

/// The organisations of the examples, with the codes by which the mapped hospital calls them.
const COUNTY: [(&str, &str, Tier); 5] = [
    ("330199001", "JG01", Tier::County),
    ("330199101", "JG02", Tier::Township),
    ("330199102", "JG03", Tier::Township),
    ("330199103", "JG04", Tier::Village),
    ("330100001", "JG05", Tier::City),
];

fn formats() -> [(&'static str, &'static dyn Codec); 3] {
    [("hl7v2", &Hl7v2), ("fhir", &Fhir), ("json", &Json)]
}

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn directory() -> Directory {
    let organisations = COUNTY.map(|(name, _, tier)| Organisation {
        code: code(name),
        name: name.to_owned(),
        name_en: None,
        tier,
        parent: None,
        outside: tier == Tier::City,
        aliases: Vec::new(),
    });
    Directory::new(organisations.into(), Some(code("330199001")))
}

/// A hospital with a code of its own for everything that a map can hold.
fn profile(organisation: &OrganisationCode, format: &str) -> Profile {
    let tier = directory().tier(organisation).unwrap();
    let mut profile = Profile::bare(organisation.clone(), tier, format);
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect()
    };
    profile.codes.sex = map(&[("XB1", "male"), ("XB2", "female")]);
    profile.codes.priority = map(&[("JJ1", "emergency"), ("JJ2", "urgent"), ("JJ3", "routine")]);
    profile.codes.department = map(&[("KS3", "03"), ("KS34", "03.04")]);
    profile.codes.reason = map(&[("YY2", "CN02"), ("YY1", "RJ01"), ("YY4", "RD01")]);
    profile.codes.organisation =
        COUNTY.iter().map(|it| (it.1.to_owned(), it.0.to_owned())).collect();
    profile.codes.version = Some("2026-03".to_owned());
    profile
}

/// The example of a kind, with the patient and the sides that the broker adds.
fn example(kind: Kind) -> Message {
    let mut message = from_slice(examples::of(kind).as_bytes()).unwrap();
    let submit = from_slice(examples::of(Kind::ReferralSubmit).as_bytes()).unwrap();
    let Body::ReferralSubmit(request) = submit.body else { panic!("the example is a referral") };
    if message.body.patient().is_none() {
        message.context = Some(Context {
            patient: request.patient,
            from: request.from,
            to: request.to,
            diagnoses: Vec::new(),
            appointment: None,
            direction: None,
        });
    }
    message.extras.clear();
    message
}

/// Writes a message as its own source would write it, with the source's own codes.
fn encode(codec: &dyn Codec, message: &Message, profile: &Profile) -> Encoded {
    let sides = [message.to(), message.from()].into_iter().flatten();
    let mut others = sides.map(|side| &side.organisation);
    let other = others.find(|other| **other != message.source.organisation).unwrap();
    let with = Writing { profile, directory: &directory() };
    codec.encode(message, other, &with).unwrap()
}

fn decode(codec: &dyn Codec, bytes: &[u8], profile: &Profile) -> Decoded {
    let directory = directory();
    let received_at = "2026-03-10T02:00:00Z".parse().unwrap();
    let with =
        Reading { profile, directory: &directory, id: Uuid::from_u128(7), received_at, head: None };
    codec.decode(bytes, &with)
}

/// What a message says, without what depends on its transmission.
fn meaning(message: &Message) -> Value {
    json!({
        "kind": message.kind(),
        "priority": message.priority,
        "numbers": message.case.numbers,
        "body": message.body,
    })
}

#[test]
fn the_same_message_with_the_same_map_is_the_same_in_every_format() {
    let cases = [
        (Kind::ReferralSubmit, &["XB1", "JJ2", "KS3", "KS34", "JG01", "JG02"][..]),
        (Kind::ReferralCancel, &["YY2", "JG02"]),
        (Kind::ReferralDecline, &["YY1", "JG05"]),
    ];
    for (kind, own_codes) in cases {
        let message = example(kind);
        for (format, codec) in formats() {
            let profile = profile(&message.source.organisation, format);
            let version = CodeMaps::of(&profile).version();

            let encoded = encode(codec, &message, &profile);
            let decoded = decode(codec, &encoded.bytes, &profile);

            assert_eq!(encoded.losses, [], "{kind} in {format:?}");
            let text = String::from_utf8(encoded.bytes.into()).unwrap();
            for own in own_codes {
                assert!(text.contains(own), "{kind} in {format:?} lacks {own}: {text}");
            }
            assert_eq!((encoded.code_maps, decoded.code_maps), (version.clone(), version));
            let (read, _) = decoded.outcome.unwrap_or_else(|problems| panic!("{problems:?}"));
            assert_eq!(meaning(&read), meaning(&message), "{kind} in {format:?}");
        }
    }
}

#[test]
fn case_blanks_and_width_of_a_code_count_in_no_format() {
    let message = example(Kind::ReferralSubmit);
    for (format, codec) in formats() {
        let profile = profile(&message.source.organisation, format);
        let encoded = encode(codec, &message, &profile);
        let mut text = String::from_utf8(encoded.bytes.into()).unwrap();
        for (written, otherwise) in [("XB1", "ｘｂ１"), ("JJ2", " jj2 "), ("KS34", "ks34 ")] {
            text = text.replace(written, otherwise);
        }

        let decoded = decode(codec, text.as_bytes(), &profile);

        let (read, _) = decoded.outcome.unwrap_or_else(|it| panic!("{format:?}: {it:?}"));
        assert_eq!(meaning(&read), meaning(&message), "{format:?}");
    }
}

#[test]
fn what_a_map_does_not_list_is_the_same_loss_in_every_format() {
    let message = example(Kind::ReferralSubmit);
    for (format, codec) in formats() {
        let mut profile = profile(&message.source.organisation, format);
        profile.codes.sex.remove("XB1");
        profile.codes.priority.remove("JJ2");
        profile.codes.department.remove("KS34");
        profile.codes.organisation.remove("JG01");

        let encoded = encode(codec, &message, &profile);

        let mut losses: Vec<_> =
            encoded.losses.iter().map(|loss| (loss.field.as_str(), loss.safety)).collect();
        losses.sort_unstable();
        assert_eq!(
            losses,
            [
                ("body.patient.sex", true),
                ("body.to.department.code", false),
                ("body.to.organisation", true),
                ("body.wanted.department.code", false),
                ("priority", true),
            ],
            "{format:?}"
        );
        let text = String::from_utf8(encoded.bytes.into()).unwrap();
        assert!(text.contains("心血管内科"), "the words stay in {format:?}");
    }
}

#[test]
fn a_safety_code_that_a_map_does_not_list_is_refused_in_every_format() {
    let message = example(Kind::ReferralSubmit);
    for (format, codec) in formats() {
        let whole = profile(&message.source.organisation, format);
        for (table, own) in [("sex", "XB1"), ("priority", "JJ2"), ("organisation", "JG01")] {
            let encoded = encode(codec, &message, &whole);
            // FHIR states our code of an organisation beside theirs; here only theirs is left.
            let text =
                String::from_utf8(encoded.bytes.into()).unwrap().replace("330199001", "JG01");
            let mut profile = whole.clone();
            match table {
                "sex" => profile.codes.sex.remove(own),
                "priority" => profile.codes.priority.remove(own),
                _ => profile.codes.organisation.remove(own),
            };

            let decoded = decode(codec, text.as_bytes(), &profile);

            assert!(decoded.outcome.is_err(), "{table} in {format:?}");
        }
    }
}
