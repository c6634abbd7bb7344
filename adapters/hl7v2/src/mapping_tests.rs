//! MAPPING.md says what the code does: every field that is looked for has its row, and every row has
//! a message under `fixtures/` that shows it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tierlink_codec::{Directory, Organisation, Profile, Reading};
use tierlink_schemas::{OrganisationCode, Tier};
use uuid::Uuid;

use crate::charset::Wish;
use crate::header::Header;
use crate::notes::Notes;
use crate::read::asked;

const MAPPING: &str = include_str!("../MAPPING.md");

fn county() -> Directory {
    let organisation = |code: &str, tier, name: &str| Organisation {
        code: OrganisationCode::new(code).unwrap(),
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
    Directory::new(all, None)
}

fn fixtures(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "hl7"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A field as MAPPING.md writes it.
fn name((segment, field): &(String, u16)) -> String {
    format!("{segment}-{field}")
}

/// The fields that are looked for, and those of them that hold something in a fixture.
fn fields() -> (BTreeSet<String>, BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let directory = county();
    let received_at: Timestamp = "2026-03-21T01:00:05Z".parse().unwrap();
    let (mut all, mut shown) = (BTreeSet::new(), BTreeSet::new());
    let messages = fixtures(&folder).into_iter().chain(fixtures(&folder.join("natural")));
    for bytes in messages {
        let header = Header::read(&bytes, Wish::default());
        let sender = header.and_then(|header| header.sender_names().into_iter().next());
        let sender = sender.unwrap_or_default();
        let code = OrganisationCode::new(&sender).unwrap();
        let profile = Profile::bare(code.clone(), directory.tier(&code).unwrap(), "hl7v2");
        let reading = Reading {
            profile: &profile,
            directory: &directory,
            id: Uuid::from_u128(7),
            received_at,
            head: None,
        };
        asked::take();
        let _ = crate::decode::decode(&bytes, &reading);
        let asked: BTreeSet<String> = asked::take().iter().map(name).collect();
        let tree = crate::decode::open(&bytes, Wish::default(), &mut Notes::default());
        let Ok(tree) = tree else { continue };
        let holds: BTreeSet<String> = tree
            .segments()
            .flat_map(|seg| seg.fields().map(move |field| format!("{}-{field}", seg.name())))
            .collect();
        shown.extend(asked.intersection(&holds).cloned());
        all.extend(asked);
    }
    (all, shown)
}

/// The fields in the first cells of the tables.
fn rows() -> BTreeSet<String> {
    let lines = MAPPING.lines().filter(|line| line.starts_with("| "));
    let cells = lines.filter_map(|line| line.split('|').nth(1));
    let words = cells.flat_map(|cell| cell.split([',', ' ', '`']));
    let is_field = |word: &&str| {
        word.split_once('-').is_some_and(|(segment, field)| {
            segment.len() == 3
                && segment.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
                && field.parse::<u16>().is_ok()
        })
    };
    words.filter(is_field).map(str::to_owned).collect()
}

#[test]
fn every_field_that_is_read_has_its_row_and_every_row_a_message_that_shows_it() {
    let (asked, shown) = fields();
    let rows = rows();

    let unnamed: Vec<&String> = asked.difference(&rows).collect();
    assert!(unnamed.is_empty(), "MAPPING.md has no row for {unnamed:?}");
    let unread: Vec<&String> = rows.difference(&asked).collect();
    assert!(unread.is_empty(), "MAPPING.md names what nothing reads: {unread:?}");
    let unshown: Vec<&String> = rows.difference(&shown).collect();
    assert!(unshown.is_empty(), "no message under fixtures/ shows {unshown:?}");
}
