//! How one organisation speaks: one TOML file each, documented by `ops/examples/profiles/`.
//!
//! Adding a hospital is adding such a file. Everything has a default but who the organisation is
//! and which format it speaks; unknown settings are errors, so that a typing mistake is seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tierlink_schemas::{OrganisationCode, Tier};

use crate::directory::Organisation;

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who it is.
    pub organisation: Identity,
    /// Which format, and how.
    pub format: Format,
    /// How its messages reach us.
    #[serde(default)]
    pub inbound: Inbound,
    /// How our messages reach it.
    #[serde(default)]
    pub outbound: Outbound,
    /// Its codes, each mapped to ours, in both directions. A table that is given is complete: a code
    /// of a safety field that it does not list refuses the message, or parks the delivery.
    #[serde(default)]
    pub codes: Codes,
    /// Canonical paths that this organisation must fill, such as `body.patient.phone`.
    #[serde(default)]
    pub required: BTreeSet<String>,
    /// How long and how often we try.
    #[serde(default)]
    pub retry: Retry,
    /// Known habits that the standard does not allow.
    #[serde(default)]
    pub quirks: Quirks,
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

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatName {
    /// HL7 v2.
    Hl7v2,
    /// FHIR R4 messaging.
    Fhir,
    /// Native JSON.
    Json,
}

impl FormatName {
    /// The format as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Fhir => "fhir",
            Self::Json => "json",
        }
    }
}

/// Which format an organisation speaks, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The format.
    pub name: FormatName,
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
    /// MSH-3 and MSH-5 of this organisation.
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
    /// Addresses that may speak in its name over MLLP. Empty: only this machine.
    pub peers: Vec<ipnet::IpNet>,
    /// Name in the client certificate that it must show over MLLP with TLS.
    pub certificate_name: Option<String>,
    /// MLLP listener by name, when it has one of its own. Messages on that listener are its own.
    pub listener: Option<String>,
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
    /// Reads a profile. The error names the setting and the line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// A profile for an organisation of which nothing is known, for offline translation.
    #[must_use]
    pub fn bare(code: OrganisationCode, tier: Tier, format: FormatName) -> Self {
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
            format: Format {
                name: format,
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

    /// The entry of this organisation in the directory.
    #[must_use]
    pub fn directory_entry(&self) -> Organisation {
        let mut aliases = self.organisation.aliases.clone();
        aliases.extend(self.format.facility.clone());
        Organisation {
            code: self.organisation.code.clone(),
            name: self.organisation.name.clone(),
            name_en: self.organisation.name_en.clone(),
            tier: self.organisation.tier,
            parent: self.organisation.parent.clone(),
            outside: self.organisation.outside,
            aliases,
        }
    }
}
