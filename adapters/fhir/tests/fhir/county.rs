//! A small county: a township health centre, county hospitals and a city hospital outside.

use std::collections::BTreeMap;

use tierlink_codec::{Directory, Organisation, Profile, Reading, Writing};
use tierlink_schemas::{Message, OrganisationCode, Tier};
use uuid::Uuid;

pub const TOWNSHIP: &str = "T-01";
pub const HOSPITAL: &str = "H-01";
pub const CITY: &str = "C-01";
/// Another organisation of the same county.
pub const COUNTY: &str = "H-02";

pub struct County {
    pub profiles: BTreeMap<String, Profile>,
    pub directory: Directory,
}

/// The organisations of the tests and those of the example messages, with their tiers.
const ALL: [(&str, Tier); 9] = [
    (TOWNSHIP, Tier::Township),
    (HOSPITAL, Tier::County),
    (COUNTY, Tier::County),
    (CITY, Tier::City),
    ("330199101", Tier::Township),
    ("330199102", Tier::Township),
    ("330199103", Tier::Township),
    ("330199001", Tier::County),
    ("330100001", Tier::City),
];

pub fn open() -> County {
    let organisations = ALL.iter().map(|(code, tier)| Organisation {
        code: OrganisationCode::new(*code).unwrap(),
        name: (*code).to_owned(),
        name_en: None,
        tier: *tier,
        parent: None,
        outside: *tier == Tier::City,
        aliases: vec![format!("https://{code}.example/fhir")],
    });
    let organisations: Vec<Organisation> = organisations.collect();
    let profiles = organisations
        .iter()
        .map(|o| (o.code.to_string(), Profile::bare(o.code.clone(), o.tier, "fhir")))
        .collect();
    County { profiles, directory: Directory::new(organisations, None) }
}

impl County {
    /// The profile of an organisation; a bare one for strangers.
    pub fn profile(&self, code: &str) -> &Profile {
        self.profiles.get(code).unwrap_or_else(|| &self.profiles[HOSPITAL])
    }
}

pub fn reading<'a>(county: &'a County, source: &str) -> Reading<'a> {
    Reading {
        profile: county.profile(source),
        directory: &county.directory,
        id: Uuid::from_u128(0x0192_3c4d_0000_7000_8000_0000_0000_0001),
        received_at: "2026-11-21T08:00:00Z".parse().unwrap(),
        head: None,
    }
}

pub fn writing<'a>(county: &'a County, to: &str) -> Writing<'a> {
    Writing { profile: county.profile(to), directory: &county.directory }
}

/// Where a message would go: its target, or else somebody who is not its source.
pub fn other(message: &Message) -> String {
    if let Some(to) = message.body.to() {
        return to.organisation.to_string();
    }
    let source = message.source.organisation.as_str();
    if source == HOSPITAL { TOWNSHIP.to_owned() } else { HOSPITAL.to_owned() }
}
