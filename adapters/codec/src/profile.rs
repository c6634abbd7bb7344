//! The profile of an organisation and its systems: one TOML file per organisation.
//! `ops/examples/profiles/` has commented examples.
//!
//! ```text
//!   file ─▶ OrganisationProfile ─▶ Profile (one per system) ─▶ codecs, doors, lanes
//! ```
//!
//! A hospital is added by adding such a file. Only the organisation's identity and each system's
//! format are required; unknown settings are errors, so that typing mistakes are found. A file
//! without `[[systems]]` describes an organisation with one system.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tierlink_schemas::{LaneName, OrganisationCode, SystemName, Tier};

use crate::directory::Organisation;

/// The format name of a system that is no program: people who read on a screen.
///
/// It has no codec, no address and no listener. Its deliveries stay in the store, visible in its
/// lane, until people settle them.
pub const PEOPLE: &str = "people";

/// An organisation and its systems, from one file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "File")]
pub struct OrganisationProfile {
    /// Code, names and place of the organisation.
    pub organisation: Identity,
    /// Its systems, in the order of the file. Never empty.
    pub systems: Vec<Profile>,
}

/// One system of an organisation, together with the organisation's identity. Codecs, listeners and
/// lanes work with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Code, names and place of its organisation.
    pub organisation: Identity,
    /// The name of the system; `None` in a file without `[[systems]]`.
    pub name: Option<SystemName>,
    /// Whether it receives what no other system of the organisation takes.
    pub is_default: bool,
    /// Kinds and services of the messages that it sends, such as `ecg` or `referral.submit`.
    /// Empty means all.
    pub gives: BTreeSet<String>,
    /// Kinds and services of the messages that it receives. The default system receives the rest.
    pub takes: BTreeSet<String>,
    /// Its format, with the settings of that format.
    pub format: Format,
    /// How its messages reach the broker.
    pub inbound: Inbound,
    /// How the broker's messages reach it.
    pub outbound: Outbound,
    /// Its codes, each mapped to ours, for both directions. A table that is given must be complete:
    /// a code of a safety field that it does not list refuses the message, or parks the delivery.
    pub codes: Codes,
    /// Paths in the canonical message that its messages must fill, such as `body.patient.phone`.
    pub required: BTreeSet<String>,
    /// Waits between tries, and when to stop trying.
    pub retry: Retry,
    /// Its known deviations from the standard that are read anyway.
    pub quirks: Quirks,
}

/// A profile as it stands in the file: settings of a single system beside `[organisation]`, or a
/// list of `[[systems]]`.
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

/// One entry of `[[systems]]`.
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

/// A setting of a system stands in the wrong place of the file.
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
    /// Reads a profile. An error names the setting and the line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The system that receives what no other one takes; `None` if the file marks no default.
    #[must_use]
    pub fn default_system(&self) -> Option<&Profile> {
        self.systems.iter().find(|system| system.is_default)
    }

    /// Finds a system by its name in lanes and in the store: `None` is the default system.
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

/// An organisation whose only system is this one.
impl From<Profile> for OrganisationProfile {
    fn from(system: Profile) -> Self {
        Self { organisation: system.organisation.clone(), systems: vec![system] }
    }
}

/// Code, names and place of an organisation.
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
    /// Its tier: `village`, `township`, `county`, `city` or `province`.
    pub tier: Tier,
    /// Code of the organisation above it in the consortium (医共体).
    #[serde(default)]
    pub parent: Option<OrganisationCode>,
    /// Whether it is outside the county.
    #[serde(default)]
    pub outside: bool,
    /// Other names that messages use for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whom to call when a delivery to it is stuck: name and telephone of an IT contact.
    #[serde(default)]
    pub contact: Option<String>,
}

/// The format of a system and the settings of that format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The name of the format, such as `hl7v2`, or [`PEOPLE`].
    pub name: String,
    /// Version of HL7 v2 to write, from `2.3.1` to `2.8`.
    #[serde(default = "default_version")]
    pub version: String,
    /// Character set to write, and to read messages whose MSH-18 is empty: `UTF-8`,
    /// `GB18030` or `GBK`.
    #[serde(default)]
    pub charset: Option<String>,
    /// IANA time zone for times that state none, such as `Asia/Shanghai`.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// The acknowledgements to ask for in HL7 v2.
    #[serde(default)]
    pub acknowledgement: Acknowledgement,
    /// Name of the application in MSH-3 and MSH-5. Also distinguishes the systems
    /// of one organisation.
    #[serde(default)]
    pub application: Option<String>,
    /// Name of the facility in MSH-4 and MSH-6, if it is not the organisation's code.
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

/// How messages of a system reach the broker.
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
    /// Name of an MLLP listener for this system alone. All messages on that listener are from it.
    pub listener: Option<String>,
}

impl Inbound {
    /// Whether some address may send for both. An empty list stands for this machine only.
    #[must_use]
    pub fn shares_an_address(&self, other: &Self) -> bool {
        let within = |a: &ipnet::IpNet, b: &ipnet::IpNet| a.contains(b) || b.contains(a);
        (self.peers.is_empty() && other.peers.is_empty())
            || self.peers.iter().any(|a| other.peers.iter().any(|b| within(a, b)))
    }
}

/// How the broker's messages reach a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// `mllp://host:port`, `mllps://host:port`, `http://…` or `https://…`. Without an address,
    /// deliveries wait in the lane.
    pub address: Option<String>,
    /// Name of the secret (a file, or `TIERLINK_SECRET_<NAME>`) to send as bearer token.
    pub token_secret: Option<String>,
    /// Path of a PEM file with the certificate authorities to trust for it.
    pub authorities: Option<String>,
    /// Path of a PEM file with the broker's client certificate and private key.
    pub identity: Option<String>,
    /// How long to wait for an answer, in seconds.
    pub answer_seconds: Option<u32>,
    /// Which further answers over HTTP mean that it has taken a message. Only for systems that
    /// answer in no format that we know.
    pub taken: Taken,
    /// Which receipts it wants for its own messages.
    pub receipts: Receipts,
    /// Whether an adapter beside the hospital consumes its lane from RabbitMQ, and not the broker.
    pub remote: bool,
}

/// Answers with a 2xx status that mean "taken" although the format does not know them.
///
/// Without this setting such an answer counts as no answer: a gateway or a login page says 200 too,
/// and the message would be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Taken {
    /// A body in which one of these texts stands, such as `"code":0`.
    pub texts: BTreeSet<String>,
    /// A body with nothing in it.
    pub empty: bool,
}

impl Taken {
    /// Whether this body of a 2xx answer means that the message was taken.
    #[must_use]
    pub fn says(&self, body: &[u8]) -> bool {
        let stands = |text: &String| {
            !text.is_empty() && body.windows(text.len()).any(|part| part == text.as_bytes())
        };
        (self.empty && body.iter().all(u8::is_ascii_whitespace)) || self.texts.iter().any(stands)
    }
}

/// Which receipts a system wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receipts {
    /// None: it asks for the state of its messages when it needs to know.
    #[default]
    None,
    /// Only when a person must act or the message was withdrawn.
    Problems,
    /// It wants every receipt.
    All,
}

/// Code maps of one system: its own code on the left, ours on the right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Codes {
    /// Sex: to `male`, `female`, `unknown`, `unspecified`.
    pub sex: BTreeMap<String, String>,
    /// Priority: to `emergency`, `urgent`, `routine`, `chronic`.
    pub priority: BTreeMap<String, String>,
    /// Departments: to codes of `codes/department.csv`.
    pub department: BTreeMap<String, String>,
    /// Reasons for return, decline, redirect and cancel: to our reason codes.
    pub reason: BTreeMap<String, String>,
    /// Organisations: to codes of this county.
    pub organisation: BTreeMap<String, String>,
    /// A label for this version of the maps. Every message that the maps translated shows it,
    /// together with a hash of their content.
    pub version: Option<String>,
}

/// Waits between tries while a destination does not answer, and when to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first wait, in milliseconds.
    pub first_wait_ms: u64,
    /// The longest wait, in milliseconds.
    pub wait_ms_max: u64,
    /// Each wait is this many times the one before, in hundredths (200 doubles).
    pub growth_percent: u32,
    /// Hours without an answer after which the delivery is parked for a person.
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

/// Known deviations of a system from its standard that are read anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Use the profile's character set even where MSH-18 states another, because MSH-18 is wrong.
    pub charset_wins: bool,
    /// PID-5 holds the name as `pinyin^汉字`.
    pub pinyin_first: bool,
    /// PID-19 holds the resident identity number.
    pub identity_in_pid19: bool,
    /// A second REF^I12 with the same RF1-6 amends the referral and opens no new
    /// one (HL7 Australia).
    pub resend_amends: bool,
    /// Apply the decision table of BaRS strictly, where its published examples differ from it.
    pub bars_strict: bool,
    /// Its AE means "not now": try again, and do not park the delivery.
    pub application_error_is_transient: bool,
    /// Its answers carry no usable MSA-2: take the next answer as the one to our message.
    /// Dangerous, because a late answer is then taken for another message's.
    pub ignores_msa2: bool,
    /// Write a line feed after each segment's carriage return.
    pub line_feeds: bool,
}

impl Profile {
    /// Reads the default system of a profile. An error names the setting and the line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let organisation = OrganisationProfile::from_toml(text)?;
        organisation.default_system().cloned().ok_or_else(|| {
            serde::de::Error::custom(
                "no system has `default = true`; give it to one of [[systems]]",
            )
        })
    }

    /// A profile with defaults only, for offline translation without a configuration.
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

    /// The name of a further system; `None` for the default system, as in lanes and in the store.
    #[must_use]
    pub fn further(&self) -> Option<&SystemName> {
        self.name.as_ref().filter(|_| !self.is_default)
    }

    /// The lane of the messages that this system must receive.
    #[must_use]
    pub fn lane(&self) -> LaneName {
        LaneName::new(self.organisation.code.clone(), self.further().cloned())
    }

    /// Whether people read its messages, and no program.
    #[must_use]
    pub fn is_people(&self) -> bool {
        self.format.name == PEOPLE
    }

    /// Whether a message that names `system` as its source means this one: by its name or its
    /// application (MSH-3), without regard to ASCII case.
    #[must_use]
    pub fn is_called(&self, system: &str) -> bool {
        let system = system.trim();
        let name = self.name.as_ref().map(SystemName::as_str);
        let application = self.format.application.as_deref();
        [name, application].into_iter().flatten().any(|it| it.eq_ignore_ascii_case(system))
    }

    /// The entry of its organisation in the directory.
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
