//! No element of a message changes in silence.
//!
//! Each value of each natural message is left out, replaced by rubbish and changed into something
//! of its own kind. If neither the canonical message nor the report changes, the element means
//! nothing to us, and must be listed here with the reason. Extras and raw bytes do not count: what
//! only lies there reaches nobody.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use tierlink_codec::{Codec, Directory, Organisation, Profile, Reading};
use tierlink_hl7v2::Hl7v2;
use tierlink_schemas::{OrganisationCode, Tier};
use uuid::Uuid;

fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

fn county() -> Directory {
    let organisation = |text: &str, tier, name: &str| Organisation {
        code: code(text),
        name: name.to_owned(),
        name_en: None,
        tier,
        parent: None,
        outside: false,
        aliases: vec![name.to_owned()],
    };
    let all = vec![
        organisation("QS", Tier::Township, "青石镇中心卫生院"),
        organisation("XH", Tier::County, "龙溪县人民医院"),
    ];
    Directory::new(all, Some(code("XH")))
}

/// The natural messages, by name.
fn messages() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/natural");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// What anybody sees of a message: the canonical message without extras, or why it is refused, and
/// the report.
fn seen(text: &str, sender: &str, directory: &Directory) -> String {
    let tier = directory.tier(&code(sender)).unwrap();
    let profile = Profile::bare(code(sender), tier, "hl7v2");
    let received_at: Timestamp = "2026-03-21T01:00:05Z".parse().unwrap();
    let reading =
        Reading { profile: &profile, directory, id: Uuid::from_u128(7), received_at, head: None };
    let decoded = Hl7v2.decode(text.as_bytes(), &reading);
    let outcome = match decoded.outcome {
        Ok((mut message, _)) => {
            message.extras.clear();
            serde_json::to_string(&message).unwrap()
        }
        Err(problems) => format!("{problems:?}"),
    };
    format!("{outcome} {:?}", decoded.deviations)
}

/// Where a value stands: `PID-3[2].4`, and its bytes in the message.
struct Leaf {
    segment: String,
    field: usize,
    component: usize,
    subcomponent: usize,
    begin: usize,
    end: usize,
}

impl Leaf {
    fn place(&self) -> String {
        let sub =
            if self.subcomponent > 1 { format!(".{}", self.subcomponent) } else { String::new() };
        format!("{}-{}.{}{sub}", self.segment, self.field, self.component)
    }
}

/// Every value of a message with the usual delimiters.
fn leaves(text: &str) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut at = 0;
    for line in text.split('\r') {
        let mut begin = at;
        let name = line.get(..3).unwrap_or_default().to_owned();
        let first = usize::from(name == "MSH");
        for (nth, field) in line.split('|').enumerate() {
            let number = nth + first;
            let is_text = nth > 0 && !(name == "MSH" && number == 2);
            let mut from = begin;
            for repetition in field.split('~').filter(|_| is_text) {
                for (component, part) in repetition.split('^').enumerate() {
                    for (subcomponent, value) in part.split('&').enumerate() {
                        if !value.is_empty() {
                            leaves.push(Leaf {
                                segment: name.clone(),
                                field: number,
                                component: component + 1,
                                subcomponent: subcomponent + 1,
                                begin: from,
                                end: from + value.len(),
                            });
                        }
                        from += value.len() + 1;
                    }
                }
            }
            begin += field.len() + 1;
        }
        at += line.len() + 1;
    }
    leaves
}

/// Something else of the same kind: another digit, another letter, another word.
fn changed(value: &str) -> String {
    let mut chars: Vec<char> = value.chars().collect();
    let last = chars.len() - 1;
    chars[last] = match chars[last] {
        '9' => '8',
        digit @ '0'..='8' => char::from(u8::try_from(digit).unwrap() + 1),
        'Z' => 'Y',
        letter @ 'A'..='Y' => char::from(u8::try_from(letter).unwrap() + 1),
        letter if letter.is_ascii() => 'q',
        _ => '改',
    };
    chars.into_iter().collect()
}

/// What was done to a value.
const WAYS: [&str; 3] = ["left out", "rubbish", "changed"];

fn mutant(value: &str, way: &str) -> String {
    match way {
        "left out" => String::new(),
        "rubbish" => "ZZ?!".to_owned(),
        _ => changed(value),
    }
}

/// Elements that may change in silence: place, in which ways, and why.
const MEANINGLESS: &[(&str, &[&str], &str)] = &[
    ("AIG-1.1", &WAYS, "it only counts"),
    ("AIG-2.1", &["left out"], "nothing stated is the usual action, as A is"),
    ("AIG-3.1", &WAYS, "the code and the words name the same; either is enough"),
    ("AIG-8.1", &["left out"], "the same time stands elsewhere in the message"),
    ("AIL-1.1", &WAYS, "it only counts"),
    ("AIL-2.1", &["left out"], "nothing stated is the usual action, as A is"),
    ("AIL-6.1", &["left out"], "the same time stands elsewhere in the message"),
    ("AIP-1.1", &WAYS, "it only counts"),
    ("AIP-2.1", &["left out"], "nothing stated is the usual action, as A is"),
    ("AIP-6.1", &["left out"], "the same time stands elsewhere in the message"),
    ("AIS-1.1", &WAYS, "it only counts"),
    ("AIS-2.1", &WAYS, "nothing stated is the usual action, as A is"),
    ("AIS-4.1", &["left out"], "the same time stands elsewhere in the message"),
    ("AL1-1.1", &WAYS, "it only counts"),
    ("AL1-2.1", &WAYS, "the substance says what it is"),
    ("ARQ-1.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("ARQ-2.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("ARQ-6.1", &["left out"], "the words beside it are in the table, too"),
    ("ARQ-19.1", &WAYS, "who entered it; who asks stands in ARQ-15"),
    ("ARQ-19.2", &WAYS, "who entered it; who asks stands in ARQ-15"),
    ("ARQ-19.6", &WAYS, "who entered it; who asks stands in ARQ-15"),
    ("ARQ-24.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("ARQ-25.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("DG1-1.1", &WAYS, "it only counts"),
    ("DG1-6.1", &["left out"], "nothing stated says as little as W, a working diagnosis"),
    ("DG1-21.1", &["left out"], "nothing stated is the usual action, as A is"),
    ("EVN-1.1", &WAYS, "MSH-9 states the event"),
    ("EVN-2.1", &WAYS, "the same time stands elsewhere in the message"),
    ("IN1-1.1", &WAYS, "it only counts"),
    ("MSA-1.1", &["left out"], "the answer stands in RF1-1"),
    ("MSH-4.1", &WAYS, "the door has found out who sends before the message is read"),
    ("MSH-5.1", &WAYS, "the message has reached us; the recipient stands in PRD"),
    ("MSH-6.1", &WAYS, "the message has reached us; the recipient stands in PRD"),
    ("MSH-9.2", &["changed"], "the next event says the same in this message type"),
    ("MSH-9.3", &["left out"], "the structure follows from the event"),
    ("MSH-11.2", &["left out"], "nothing stated is T, current processing"),
    ("MSH-12.1", &["changed"], "the next version reads the same"),
    ("MSH-13.1", &WAYS, "a resend has another"),
    ("MSH-15.1", &WAYS, "only says which acknowledgements are wanted"),
    ("MSH-16.1", &WAYS, "only says which acknowledgements are wanted"),
    ("MSH-18.1", &["left out"], "Chinese in UTF-8 shows itself"),
    ("NK1-1.1", &WAYS, "it only counts"),
    ("NTE-1.1", &WAYS, "it only counts"),
    ("OBR-1.1", &WAYS, "it only counts"),
    ("OBR-2.1", &WAYS, "the same number stands elsewhere in the message"),
    ("OBR-2.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("OBR-3.1", &["left out"], "the same number stands elsewhere in the message"),
    ("OBR-4.1", &WAYS, "the name of a panel or of a paper; each result has its own"),
    ("OBR-4.2", &WAYS, "the name of a panel or of a paper; each result has its own"),
    ("OBR-4.3", &WAYS, "the name of a panel or of a paper; each result has its own"),
    ("OBR-25.1", &["left out"], "nothing stated is the usual status, or that of the order"),
    ("OBX-1.1", &WAYS, "it only counts"),
    ("OBX-3.1", &WAYS, "the code and the words name the same; either is enough"),
    ("OBX-3.2", &WAYS, "the code and the words name the same; either is enough"),
    ("OBX-3.3", &WAYS, "the table of a code that is read"),
    ("OBX-4.1", &["changed"], "it only counts"),
    ("OBX-5.2", &WAYS, "the document shows its type; its source is a program"),
    ("OBX-5.3", &["left out"], "the document shows its type; its source is a program"),
    ("OBX-11.1", &["left out"], "nothing stated is the usual status, or that of the order"),
    ("ORC-1.1", &["left out"], "ORC-5 says what became of it; a report has RE or nothing"),
    ("ORC-2.1", &["left out"], "the same number stands elsewhere in the message"),
    ("ORC-2.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("ORC-3.1", &["left out"], "the same number stands elsewhere in the message"),
    ("ORC-9.1", &WAYS, "when it was entered, anew with each resend"),
    ("ORC-16.1", &["left out"], "the words beside it are in the table, too"),
    ("PID-1.1", &WAYS, "it only counts"),
    ("PID-3.5", &["left out"], "a number without a type is a number of the patient"),
    ("PID-5.7", &["left out"], "an only name needs no type, and letters show their script"),
    ("PID-5.8", &WAYS, "an only name needs no type, and letters show their script"),
    (
        "PID-9.7",
        &["left out", "changed"],
        "an only name needs no type, and letters show their script",
    ),
    ("PID-13.2", &WAYS, "the one telephone to call has no use in the canonical message"),
    ("PID-13.3", &WAYS, "the one telephone to call has no use in the canonical message"),
    ("PID-30.1", &["left out"], "nothing stated is N, and a date of death is enough"),
    ("PID-31.1", &["left out"], "nothing stated is N, and a date of death is enough"),
    ("PR1-1.1", &WAYS, "it only counts"),
    ("PR1-20.1", &["left out"], "nothing stated is the usual action, as A is"),
    ("PRD-1.2", &WAYS, "words or the table beside a code that is read"),
    ("PRD-1.3", &WAYS, "words or the table beside a code that is read"),
    (
        "PRD-4.4",
        &WAYS,
        "the sender refers, whoever is not named; another name of the organisation is known",
    ),
    ("PRD-5.2", &WAYS, "the one telephone to call has no use in the canonical message"),
    ("PRD-5.3", &WAYS, "the one telephone to call has no use in the canonical message"),
    ("PRD-4.9", &WAYS, "the name of the organisation, whose code beside it is read"),
    ("PRD-10.1", &["left out"], "the name of the organisation, whose code beside it is read"),
    ("PRD-10.10", &WAYS, "another name of the same organisation is known"),
    ("PV1-1.1", &WAYS, "it only counts"),
    ("PV1-2.1", &WAYS, "the event says whether it is an admission"),
    ("PV1-19.1", &WAYS, "the visit that ends is that of the case"),
    (
        "RF1-1.1",
        &["left out"],
        "nothing stated is pending; a cancellation or query states no new status",
    ),
    ("RF1-6.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("RF1-7.1", &["left out"], "a referral holds from the day on which it is sent"),
    ("RF1-9.1", &WAYS, "when the referral process began; the case has its own history"),
    ("RF1-10.1", &["left out"], "the words beside it are in the table, too"),
    ("RF1-11.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("RGS-1.1", &WAYS, "it only counts"),
    ("SCH-2.1", &WAYS, "the appointment that was missed is that of the case"),
    ("SCH-2.2", &WAYS, "whose number it is follows from the field, where it does not say"),
    ("SCH-6.1", &WAYS, "the words beside it are in the table, too"),
    ("SCH-9.1", &["left out"], "the end stands beside it"),
    ("SCH-10.1", &["left out"], "the end stands beside it"),
    ("SCH-11.4", &WAYS, "the same time stands elsewhere in the message"),
    ("SCH-11.5", &["left out"], "the same time stands elsewhere in the message"),
    ("SCH-25.1", &["left out"], "nothing stated is booked"),
    ("TQ1-1.1", &WAYS, "it only counts"),
    ("TQ1-7.1", &["left out"], "the same time stands elsewhere in the message"),
    ("TQ1-8.1", &["left out"], "the same time stands elsewhere in the message"),
    ("TXA-1.1", &WAYS, "it only counts"),
    ("TXA-3.1", &WAYS, "the number, form and date of a document whose text is read"),
    ("TXA-4.1", &WAYS, "the number, form and date of a document whose text is read"),
    ("TXA-12.1", &WAYS, "the number, form and date of a document whose text is read"),
    ("TXA-17.1", &["left out"], "nothing stated is the usual status, or that of the order"),
    ("TXA-19.1", &["left out"], "nothing stated is the usual status, or that of the order"),
];

#[test]
fn no_element_changes_in_silence() {
    let directory = county();
    let mut silent: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    let mut tried = 0;
    for (name, text) in messages() {
        let sender = text.split('|').nth(3).unwrap().to_owned();
        let sound = seen(&text, &sender, &directory);
        assert!(sound.starts_with('{'), "{name}: {sound}");
        for leaf in leaves(&text) {
            for way in WAYS {
                let value = mutant(&text[leaf.begin..leaf.end], way);
                let mutant = format!("{}{value}{}", &text[..leaf.begin], &text[leaf.end..]);
                tried += 1;
                if seen(&mutant, &sender, &directory) == sound {
                    silent.entry((leaf.place(), way)).or_default().push(name.clone());
                }
            }
        }
    }
    assert!(tried > 3_000, "{tried} mutants are too few to show anything");
    let listed = |place: &str, way: &str| {
        MEANINGLESS.iter().any(|(known, ways, _)| *known == place && ways.contains(&way))
    };
    let unlisted: Vec<String> = silent
        .iter()
        .filter(|((place, way), _)| !listed(place, way))
        .map(|((place, way), names)| format!("{place} {way}: {}", names.join(", ")))
        .collect();
    assert!(unlisted.is_empty(), "{} change in silence:\n{}", unlisted.len(), unlisted.join("\n"));
    for (place, ways, reason) in MEANINGLESS {
        assert!(!reason.is_empty(), "{place}");
        let silent = |way: &&str| silent.contains_key(&((*place).to_owned(), *way));
        assert!(
            ways.iter().any(silent),
            "{place} is listed as meaningless, but never changes in silence"
        );
    }
}
