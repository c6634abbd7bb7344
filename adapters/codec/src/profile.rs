//! How an organisation and its systems speak: one TOML file per organisation, documented by
//! `ops/examples/profiles/`.
//!
//! ```text
//!   file ─▶ OrganisationProfile ─▶ Profile (one per system) ─▶ codecs, doors, lanes
//! ```
//!
//! Adding a hospital is adding such a file. Everything has a default but who the organisation is
//! and which format each system speaks; unknown settings are errors, so that a typing mistake is
//! seen. A file without `[[systems]]` describes an organisation with one system.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tierlink_schemas::{LaneName, OrganisationCode, SystemName, Tier};

use crate::directory::Organisation;

/// The format of a system that is no program: people who read at a screen.
///
/// It has no codec, no address and no door. What it must receive stays in the store, visible in its
/// lane, until people settle it.
pub const PEOPLE: &str = "people";

/// An organisation and its systems: one file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "File")]
pub struct OrganisationProfile {
    /// Who it is.
    pub organisation: Identity,
    /// Its systems, at least one, in the order of the file.
    pub systems: Vec<Profile>,
}

/// One system of an organisation, with the organisation's identity: what codecs, doors and lanes
/// go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who it is.
    pub organisation: Identity,
    /// The name of the system; none in a file without `[[systems]]`.
    pub name: Option<SystemName>,
    /// Whether it receives what no other system of the organisation takes.
    pub is_default: bool,
    /// Kinds and services of the messages that it sends, such as `ecg` or `referral.submit`.
    /// Empty: all.
    pub gives: BTreeSet<String>,
    /// Kinds and services of the messages that it receives. The default system receives the rest.
    pub takes: BTreeSet<String>,
    /// Which format, and how.
    pub format: Format,
    /// How its messages reach us.
    pub inbound: Inbound,
    /// How our messages reach it.
    pub outbound: Outbound,
    /// Its codes, each mapped to ours, in both directions. A table that is given is complete: a code
    /// of a safety field that it does not list refuses the message, or parks the delivery.
    pub codes: Codes,
    /// Canonical paths that its messages must fill, such as `body.patient.phone`.
    pub required: BTreeSet<String>,
    /// How long and how often we try.
    pub retry: Retry,
    /// Known habits that the standard does not allow.
    pub quirks: Quirks,
}

/// A profile as it is written: either the settings of the one system beside `[organisation]`, or
/// `[[systems]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    organisation: Identity,
    #[serde(default)]
    systems: Vec<SystemSettings>,
    format: Option<Format>,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
    codes: Option<Codes>,
    required: Option<BTreeSet<String>>,
    retry: Option<Retry>,
    quirks: Option<Quirks>,
}

/// One of `[[systems]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemSettings {
    name: SystemName,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    gives: BTreeSet<String>,
    #[serde(default)]
    takes: BTreeSet<String>,
    format: Format,
    #[serde(default)]
    inbound: Inbound,
    #[serde(default)]
    outbound: Outbound,
    #[serde(default)]
    codes: Codes,
    #[serde(default)]
    required: BTreeSet<String>,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    quirks: Quirks,
}

/// The file has the settings of a system in the wrong place.
#[derive(Debug, thiserror::Error)]
enum Misplaced {
    #[error(
        "{}: with [[systems]] these belong to a system; move each below the system that it is about",
        .0.join(", ")
    )]
    BesideSystems(Vec<&'static str>),
    #[error("missing field `format`; write [format] with a name, or [[systems]]")]
    NoFormat,
}

impl TryFrom<File> for OrganisationProfile {
    type Error = Misplaced;

    fn try_from(file: File) -> Result<Self, Misplaced> {
        let File {
            organisation,
            systems,
            format,
            inbound,
            outbound,
            codes,
            required,
            retry,
            quirks,
        } = file;
        if systems.is_empty() {
            let only = Profile {
                organisation: organisation.clone(),
                name: None,
                is_default: true,
                gives: BTreeSet::new(),
                takes: BTreeSet::new(),
                format: format.ok_or(Misplaced::NoFormat)?,
                inbound: inbound.unwrap_or_default(),
                outbound: outbound.unwrap_or_default(),
                codes: codes.unwrap_or_default(),
                required: required.unwrap_or_default(),
                retry: retry.unwrap_or_default(),
                quirks: quirks.unwrap_or_default(),
            };
            return Ok(Self { organisation, systems: vec![only] });
        }
        let given = [
            ("format", format.is_some()),
            ("inbound", inbound.is_some()),
            ("outbound", outbound.is_some()),
            ("codes", codes.is_some()),
            ("required", required.is_some()),
            ("retry", retry.is_some()),
            ("quirks", quirks.is_some()),
        ];
        let misplaced: Vec<&str> =
            given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect();
        if !misplaced.is_empty() {
            return Err(Misplaced::BesideSystems(misplaced));
        }
        let systems = systems
            .into_iter()
            .map(|system| Profile {
                organisation: organisation.clone(),
                name: Some(system.name),
                is_default: system.default,
                gives: system.gives,
                takes: system.takes,
                format: system.format,
                inbound: system.inbound,
                outbound: system.outbound,
                codes: system.codes,
                required: system.required,
                retry: system.retry,
                quirks: system.quirks,
            })
            .collect();
        Ok(Self { organisation, systems })
    }
}

impl OrganisationProfile {
    /// Reads a profile. The error names the setting and the line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The system that receives what no other one takes. None if the file names no default.
    #[must_use]
    pub fn default_system(&self) -> Option<&Profile> {
        self.systems.iter().find(|system| system.is_default)
    }

    /// The system as lanes and the store name it: `None` is the default system.
    #[must_use]
    pub fn system(&self, name: Option<&SystemName>) -> Option<&Profile> {
        match name {
            None => self.default_system(),
            Some(name) => self.systems.iter().find(|system| system.further() == Some(name)),
        }
    }

    /// The entry of this organisation in the directory.
    #[must_use]
    pub fn directory_entry(&self) -> Organisation {
        let Identity { code, name, name_en, tier, parent, outside, aliases, contact: _ } =
            &self.organisation;
        let mut aliases = aliases.clone();
        aliases.extend(self.systems.iter().filter_map(|system| system.format.facility.clone()));
        Organisation {
            code: code.clone(),
            name: name.clone(),
            name_en: name_en.clone(),
            tier: *tier,
            parent: parent.clone(),
            outside: *outside,
            aliases,
        }
    }
}

/// An organisation with this one system.
impl From<Profile> for OrganisationProfile {
    fn from(system: Profile) -> Self {
        Self { organisation: system.organisation.clone(), systems: vec![system] }
    }
}

/// Who an organisation is and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its code in this county.
    pub code: OrganisationCode,
    /// Its Chinese name.
    pub name: String,
    /// Its English name.
    #[serde(default)]
    pub name_en: Option<String>,
    /// Where it stands.
    pub tier: Tier,
    /// The organisation above it.
    #[serde(default)]
    pub parent: Option<OrganisationCode>,
    /// Whether it lies outside the county.
    #[serde(default)]
    pub outside: bool,
    /// Other names that messages call it by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whom to call when something is stuck.
    #[serde(default)]
    pub contact: Option<String>,
}

/// Which format a system speaks, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The name of the format, such as `hl7v2`, or [`PEOPLE`].
    pub name: String,
    /// HL7 v2 version that we write, `2.3.1` to `2.8`.
    #[serde(default = "default_version")]
    pub version: String,
    /// Charset that we write, and read when MSH-18 is silent: `UTF-8`, `GB18030`, `GBK`.
    #[serde(default)]
    pub charset: Option<String>,
    /// Time zone of times without one.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// Which acknowledgements we ask for in HL7 v2.
    #[serde(default)]
    pub acknowledgement: Acknowledgement,
    /// MSH-3 and MSH-5 of this system; also tells it from other systems of the organisation.
    #[serde(default)]
    pub application: Option<String>,
    /// MSH-4 and MSH-6 of this organisation, if not its code.
    #[serde(default)]
    pub facility: Option<String>,
}

fn default_version() -> String {
    "2.5.1".to_owned()
}

fn default_zone() -> String {
    "Asia/Shanghai".to_owned()
}

/// Which acknowledgements a destination gives (HL7 v2 chapter 2, MSH-15 and MSH-16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    /// Original mode: one application acknowledgement (AA, AE, AR).
    #[default]
    Original,
    /// Enhanced mode: a commit acknowledgement (CA, CE, CR) is enough.
    Commit,
    /// Enhanced mode: a commit acknowledgement, then an application acknowledgement.
    CommitAndApplication,
}

/// How messages of an organisation reach us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inbound {
    /// Addresses that may speak in its name. Empty: over MLLP only this machine, over HTTP whoever
    /// has its token.
    pub peers: Vec<ipnet::IpNet>,
    /// Organisations that send from the same addresses, such as through one gateway. Over MLLP only
    /// what they say of themselves (MSH-4) tells them apart, so both must know of it.
    pub shared_with: BTreeSet<OrganisationCode>,
    /// Name in the client certificate that it must show where a listener asks for one.
    pub certificate_name: Option<String>,
    /// MLLP listener by name, when it has one of its own. Messages on that listener are its own.
    pub listener: Option<String>,
}

impl Inbound {
    /// Whether messages of both may come from one address. An empty list is this machine only.
    #[must_use]
    pub fn shares_an_address(&self, other: &Self) -> bool {
        let within = |a: &ipnet::IpNet, b: &ipnet::IpNet| a.contains(b) || b.contains(a);
        (self.peers.is_empty() && other.peers.is_empty())
            || self.peers.iter().any(|a| other.peers.iter().any(|b| within(a, b)))
    }
}

/// How our messages reach an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// `mllp://host:port`, `mllps://host:port`, `http://…` or `https://…`. Absent: deliveries wait
    /// in the lane until an address is configured.
    pub address: Option<String>,
    /// Name of the secret (file or `TIERLINK_SECRET_<NAME>`) sent as bearer token.
    pub token_secret: Option<String>,
    /// PEM file with the authorities that its certificate may come from.
    pub authorities: Option<String>,
    /// PEM file with our client certificate and key.
    pub identity: Option<String>,
    /// How long to wait for an answer, in seconds.
    pub answer_seconds: Option<u32>,
    /// Which receipts it wants for its own messages.
    pub receipts: Receipts,
    /// Its lane is consumed by an adapter beside the hospital, not by the broker.
    pub remote: bool,
}

/// Which receipts an organisation wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receipts {
    /// None: it looks custody up when it wants to know.
    #[default]
    None,
    /// Only when a person must act or the message was withdrawn.
    Problems,
    /// Every one.
    All,
}

/// Code maps of one organisation: its code on the left, ours on the right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Codes {
    /// Sex: to `male`, `female`, `unknown`, `unspecified`.
    pub sex: BTreeMap<String, String>,
    /// Priority: to `emergency`, `urgent`, `routine`, `chronic`.
    pub priority: BTreeMap<String, String>,
    /// Departments: to codes of `codes/department.csv`.
    pub department: BTreeMap<String, String>,
    /// Reasons for return, decline, redirect and cancel.
    pub reason: BTreeMap<String, String>,
    /// Organisations: to codes of this county.
    pub organisation: BTreeMap<String, String>,
    /// What people call this version of the maps. It is shown, with a hash of their content, beside
    /// every message that they decided about.
    pub version: Option<String>,
}

/// How long and how often we try while a destination is silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first wait, in milliseconds.
    pub first_wait_ms: u64,
    /// The longest wait, in milliseconds.
    pub wait_ms_max: u64,
    /// Each wait is this many times the one before, in hundredths (200 doubles).
    pub growth_percent: u32,
    /// After this many hours of silence the delivery is parked for a person.
    pub give_up_after_hours: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first_wait_ms: 1_000,
            wait_ms_max: 60_000,
            growth_percent: 200,
            give_up_after_hours: 72,
        }
    }
}

/// Habits of an organisation that the standard does not allow and we read all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// The profile's charset wins over MSH-18, which this system fills in wrongly.
    pub charset_wins: bool,
    /// PID-5 is `pinyin^汉字`.
    pub pinyin_first: bool,
    /// PID-19 holds the resident identity number.
    pub identity_in_pid19: bool,
    /// A second REF^I12 with the same RF1-6 is an amendment, not a new referral (HL7 AU).
    pub resend_amends: bool,
    /// Follow the BaRS decision table strictly instead of the shipped examples.
    pub bars_strict: bool,
    /// Answers AE where it means "not now": try again instead of parking.
    pub application_error_is_transient: bool,
    /// Answers carry no usable MSA-2; take the next answer for ours. Dangerous.
    pub ignores_msa2: bool,
    /// Write line feeds after the segments' carriage returns.
    pub line_feeds: bool,
}

impl Profile {
    /// Reads the default system of a profile. The error names the setting and the line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let organisation = OrganisationProfile::from_toml(text)?;
        organisation.default_system().cloned().ok_or_else(|| {
            serde::de::Error::custom(
                "no system has `default = true`; give it to one of [[systems]]",
            )
        })
    }

    /// The only system of an organisation of which nothing is known, for offline translation.
    #[must_use]
    pub fn bare(code: OrganisationCode, tier: Tier, format: &str) -> Self {
        Self {
            organisation: Identity {
                name: code.as_str().to_owned(),
                code,
                name_en: None,
                tier,
                parent: None,
                outside: false,
                aliases: Vec::new(),
                contact: None,
            },
            name: None,
            is_default: true,
            gives: BTreeSet::new(),
            takes: BTreeSet::new(),
            format: Format {
                name: format.to_owned(),
                version: default_version(),
                charset: None,
                zone: default_zone(),
                acknowledgement: Acknowledgement::default(),
                application: None,
                facility: None,
            },
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            codes: Codes::default(),
            required: BTreeSet::new(),
            retry: Retry::default(),
            quirks: Quirks::default(),
        }
    }

    /// The name of a further system; `None` for the default system, as lanes and the store have it.
    #[must_use]
    pub fn further(&self) -> Option<&SystemName> {
        self.name.as_ref().filter(|_| !self.is_default)
    }

    /// The lane of what this system must receive.
    #[must_use]
    pub fn lane(&self) -> LaneName {
        LaneName::new(self.organisation.code.clone(), self.further().cloned())
    }

    /// Whether people read what it receives, and no program.
    #[must_use]
    pub fn is_people(&self) -> bool {
        self.format.name == PEOPLE
    }

    /// Whether a message that states `system` as its source states this one: by its name or by its
    /// application (MSH-3), without regard to ASCII case.
    #[must_use]
    pub fn is_called(&self, system: &str) -> bool {
        let system = system.trim();
        let name = self.name.as_ref().map(SystemName::as_str);
        let application = self.format.application.as_deref();
        [name, application].into_iter().flatten().any(|it| it.eq_ignore_ascii_case(system))
    }

    /// The entry of this system's organisation in the directory.
    #[must_use]
    pub fn directory_entry(&self) -> Organisation {
        OrganisationProfile::from(self.clone()).directory_entry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str =
        "[organisation]\ncode = \"330199001\"\nname = \"县医院\"\ntier = \"county\"\n";

    fn read(systems: &str) -> Result<OrganisationProfile, String> {
        OrganisationProfile::from_toml(&format!("{IDENTITY}{systems}"))
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_flat_profile_is_one_default_system() {
        let profile = read("[format]\nname = \"hl7v2\"\n[outbound]\naddress = \"mllp://a:1\"\n");

        let profile = profile.unwrap();
        assert_eq!(profile.systems.len(), 1);
        let system = profile.default_system().unwrap();
        assert_eq!((system.name.as_ref(), system.further()), (None, None));
        assert_eq!(system.lane().to_string(), "330199001");
        assert_eq!(system.outbound.address.as_deref(), Some("mllp://a:1"));
    }

    #[test]
    fn each_system_has_settings_of_its_own() {
        let profile = read(
            "[[systems]]\nname = \"his\"\ndefault = true\nformat.name = \"hl7v2\"\n\
             [[systems]]\nname = \"ecg\"\ntakes = [\"ecg\"]\nrequired = [\"body.to\"]\n\
             [systems.format]\nname = \"json\"\n[systems.retry]\nfirst_wait_ms = 5\n",
        )
        .unwrap();

        let his = profile.default_system().unwrap();
        assert_eq!(his.lane().to_string(), "330199001");
        let ecg = profile.system(Some(&SystemName::new("ecg").unwrap())).unwrap();
        assert_eq!(ecg.lane().to_string(), "330199001:ecg");
        assert_eq!(ecg.format.name, "json");
        assert_eq!((his.retry.first_wait_ms, ecg.retry.first_wait_ms), (1_000, 5));
        assert!(his.required.is_empty() && !ecg.required.is_empty());
        assert!(profile.system(Some(&SystemName::new("his").unwrap())).is_none());
    }

    #[test]
    fn settings_beside_systems_are_named() {
        let error = read(
            "[[systems]]\nname = \"his\"\nformat.name = \"hl7v2\"\n\
             [codes.sex]\nM = \"male\"\n[retry]\nfirst_wait_ms = 5\n",
        );

        assert!(error.unwrap_err().starts_with("codes, retry: "));
        assert!(read("").unwrap_err().contains("format"));
        assert!(read("[[systems]]\nname = \"ecg\"\nfromat.name = \"json\"\n").is_err());
    }

    #[test]
    fn a_system_is_called_by_its_name_or_its_application() {
        let mut ecg = Profile::bare(OrganisationCode::new("A").unwrap(), Tier::County, "json");
        ecg.name = Some(SystemName::new("ecg").unwrap());
        ecg.format.application = Some("MAC-5".to_owned());

        assert!(ecg.is_called("ECG") && ecg.is_called(" mac-5 "));
        assert!(!ecg.is_called("his") && !ecg.is_called(""));
    }
}
