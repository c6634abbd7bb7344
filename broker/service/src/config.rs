//! The configuration: one TOML file for the broker, one per organisation, checked as a whole.
//!
//! Every problem is reported at once, each with the setting's name and an example, because an
//! operator who must start the program five times to find five mistakes stops reading.
//!
//! `ops/examples/county.toml` documents every setting; the demo runs on that very file.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tierlink_codec::profile::{FormatName, Receipts};
use tierlink_codec::{Directory, Profile};
use tierlink_core::county::{County, Member};
use tierlink_core::deadline::Limits as DeadlineLimits;
use tierlink_schemas::calendar::{Calendar, OpeningHours, days};
use tierlink_schemas::{Code, OrganisationCode, Problem};

/// Largest number of organisations that one broker serves. A prefecture of eight counties has
/// about 1,800 endpoints.
pub const ORGANISATIONS_MAX: usize = 5_000;

/// The broker's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The county.
    pub county: CountySettings,
    /// Where the truth lives.
    pub store: StoreSettings,
    /// The road to the lanes.
    #[serde(default)]
    pub bus: BusSettings,
    /// Where HTTP is served.
    #[serde(default)]
    pub http: Option<HttpSettings>,
    /// Where MLLP is served.
    #[serde(default)]
    pub mllp: Vec<MllpSettings>,
    /// How much at once.
    #[serde(default)]
    pub limits: Limits,
    /// How long each step of a case may take.
    #[serde(default)]
    pub deadlines: DeadlineLimits,
    /// Opening hours and days off.
    #[serde(default)]
    pub calendar: CalendarSettings,
    /// The folder of the profiles, beside this file.
    #[serde(default = "default_profiles")]
    pub profiles: PathBuf,
    /// How the program writes its log.
    #[serde(default)]
    pub log: LogSettings,
}

fn default_profiles() -> PathBuf {
    PathBuf::from("profiles")
}

/// The county.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountySettings {
    /// Its name, for screens.
    pub name: String,
    /// The lead hospital (牵头医院).
    #[serde(default)]
    pub lead: Option<OrganisationCode>,
    /// The name under which the broker itself speaks.
    #[serde(default = "default_broker")]
    pub broker: OrganisationCode,
    /// Whether one person may write and audit a reading in an emergency.
    #[serde(default)]
    pub one_person_emergency_reading: bool,
}

fn default_broker() -> OrganisationCode {
    OrganisationCode::new("TIERLINK").unwrap_or_else(|_| unreachable!("eight letters are a code"))
}

/// Where the truth lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://…`. `TIERLINK_STORE` replaces it.
    pub url: String,
    /// Connections to PostgreSQL.
    #[serde(default = "default_connections")]
    pub connections: u32,
}

fn default_connections() -> u32 {
    10
}

/// The road to the lanes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSettings {
    /// `in-process`, `amqp://…` or `amqps://…`. `TIERLINK_BUS` replaces it.
    pub url: String,
    /// Publish every case event to the topic exchange `tierlink.events`.
    pub announce: bool,
    /// PEM file with the authorities that RabbitMQ's certificate may come from.
    pub authorities: Option<PathBuf>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { url: "in-process".to_owned(), announce: true, authorities: None }
    }
}

/// Certificates of a listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the key.
    pub key: PathBuf,
    /// PEM file with the authorities of client certificates; with it, a client must show one.
    #[serde(default)]
    pub client_authorities: Option<PathBuf>,
}

/// Where HTTP is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// With it, HTTPS.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// Where MLLP is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpSettings {
    /// A name, so that a profile can say "my messages come here".
    #[serde(default = "default_listener")]
    pub name: String,
    /// Address and port.
    pub listen: SocketAddr,
    /// With it, MLLP over TLS.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

fn default_listener() -> String {
    "mllp".to_owned()
}

/// How much at once. Everything has a limit with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest message, in bytes.
    pub message_bytes_max: usize,
    /// Connections per listener.
    pub connections_max: usize,
    /// Connections per listener and peer address.
    pub connections_per_peer_max: usize,
    /// Seconds that a connection may stay silent between messages.
    pub idle_seconds: u32,
    /// Seconds that one message may take to arrive.
    pub frame_seconds: u32,
    /// Messages that share one transaction.
    pub batch_max: usize,
    /// Messages that wait for a transaction before new ones are told to try again.
    pub waiting_max: usize,
    /// Transactions at once.
    pub committers: usize,
    /// Deliveries that the relay hands over at once.
    pub relay_batch: u32,
    /// Deliveries that a lane takes from the bus at once.
    pub lane_prefetch: u16,
    /// Seconds in which a stopping process finishes what is in hand.
    pub drain_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 12 * 1024 * 1024,
            connections_max: 1_024,
            connections_per_peer_max: 512,
            idle_seconds: 3_600,
            frame_seconds: 30,
            batch_max: 200,
            waiting_max: 5_000,
            committers: 2,
            relay_batch: 500,
            lane_prefetch: 64,
            drain_seconds: 20,
        }
    }
}

/// Opening hours and days off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSettings {
    /// Opening hours per weekday; the office hours of the code when absent.
    pub hours: Option<OpeningHours>,
    /// A CSV file with the county's own list of holidays and swapped working days.
    pub days: Option<PathBuf>,
}

/// How the program writes its log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `text` for people, `json` for programs.
    pub format: LogFormat,
    /// A filter as `tracing` reads it, such as `info` or `tierlink=debug`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Everything that the configuration says, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The broker's file.
    pub settings: Settings,
    /// The folder of the file; paths in it are relative to this.
    pub folder: PathBuf,
    /// One profile per organisation.
    pub profiles: HashMap<OrganisationCode, Profile>,
    /// The organisations as formats see them.
    pub directory: Directory,
    /// The organisations as the core sees them.
    pub county: County,
}

/// The configuration cannot be used. Holds every problem.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} problem(s); `tierlink check` lists them", .0.len())]
pub struct ConfigError(pub Vec<Problem>);

/// The file or a profile cannot be read, or is no TOML.
pub const UNREADABLE: Code = Code::new("X001");
/// A setting contradicts another one or makes no sense.
pub const INVALID: Code = Code::new("X002");

impl Config {
    /// Reads the file and all profiles beside it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let Some(mut settings) = read_toml::<Settings>(file, &mut problems) else {
            return Err(ConfigError(problems));
        };
        if let Ok(url) = std::env::var("TIERLINK_STORE") {
            settings.store.url = url;
        }
        if let Ok(url) = std::env::var("TIERLINK_BUS") {
            settings.bus.url = url;
        }
        let profiles = read_profiles(&folder.join(&settings.profiles), &mut problems);
        Self::build(settings, folder, profiles, problems)
    }

    /// Checks settings and profiles against each other.
    pub fn build(
        settings: Settings,
        folder: PathBuf,
        profiles: Vec<(String, Profile)>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, ConfigError> {
        let profiles = by_code(profiles, &mut problems);
        check_settings(&settings, &mut problems);
        check_tree(&settings, &profiles, &mut problems);
        check_transports(&settings, &profiles, &mut problems);
        let calendar = read_calendar(&settings.calendar, &folder, &mut problems);
        let Some(calendar) = calendar.filter(|_| problems.is_empty()) else {
            return Err(ConfigError(problems));
        };
        let directory = Directory::new(
            profiles.values().map(Profile::directory_entry).collect(),
            settings.county.lead.clone(),
        );
        let county = County {
            members: profiles
                .iter()
                .map(|(code, profile)| (code.clone(), member(profile)))
                .collect(),
            lead: settings.county.lead.clone(),
            broker: settings.county.broker.clone(),
            calendar,
            limits: settings.deadlines.clone(),
            one_person_emergency_reading: settings.county.one_person_emergency_reading,
        };
        Ok(Self { settings, folder, profiles, directory, county })
    }

    /// A path of the configuration, relative to its file.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

fn member(profile: &Profile) -> Member {
    Member {
        tier: profile.organisation.tier,
        parent: profile.organisation.parent.clone(),
        outside: profile.organisation.outside,
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(
    file: &Path,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::new(
                UNREADABLE,
                file.display().to_string(),
                format!("cannot be read ({}); give the path of a TOML file", error.kind()),
            ));
            return None;
        }
    };
    match toml::from_str(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            let line = error.span().map_or(0, |span| line_of(&text, span.start));
            problems.push(Problem::new(
                UNREADABLE,
                format!("{}:{line}", file.display()),
                format!("{}; ops/examples/ shows every setting", error.message()),
            ));
            None
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

fn read_profiles(folder: &Path, problems: &mut Vec<Problem>) -> Vec<(String, Profile)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::new(
                UNREADABLE,
                "profiles",
                format!(
                    "the folder {} cannot be read ({}); it holds one TOML file per organisation",
                    folder.display(),
                    error.kind()
                ),
            ));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
        .into_iter()
        .filter_map(|file| {
            let profile = read_toml::<Profile>(&file, problems)?;
            Some((file.display().to_string(), profile))
        })
        .collect()
}

fn by_code(
    profiles: Vec<(String, Profile)>,
    problems: &mut Vec<Problem>,
) -> HashMap<OrganisationCode, Profile> {
    let mut by_code = HashMap::new();
    for (file, profile) in profiles {
        let code = profile.organisation.code.clone();
        if by_code.insert(code.clone(), profile).is_some() {
            problems.push(Problem::new(
                INVALID,
                format!("{file}: organisation.code"),
                format!("another profile has the code {code} too; each organisation has one file"),
            ));
        }
    }
    if by_code.len() > ORGANISATIONS_MAX {
        problems.push(Problem::new(
            INVALID,
            "profiles",
            format!("more than {ORGANISATIONS_MAX} organisations; split them over several brokers"),
        ));
    }
    by_code
}

fn check_settings(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut problem = |field: &str, text: &str| {
        problems.push(Problem::new(INVALID, field, text));
    };
    let store = &settings.store.url;
    if !(store.starts_with("sqlite:") || store.starts_with("postgres")) {
        problem("store.url", "must be `sqlite:PATH` or `postgres://user@host/database`");
    }
    let bus = &settings.bus.url;
    if !(bus == "in-process" || bus.starts_with("amqp://") || bus.starts_with("amqps://")) {
        problem("bus.url", "must be `in-process`, `amqp://…` or `amqps://…`");
    }
    let limits = &settings.limits;
    if !(1..=5_000).contains(&limits.batch_max) {
        problem("limits.batch_max", "must be 1 to 5000, such as 200");
    }
    if !(1..=16).contains(&limits.committers) {
        problem("limits.committers", "must be 1 to 16, such as 2");
    }
    if limits.message_bytes_max < 1_024 || limits.message_bytes_max > 14 * 1024 * 1024 {
        problem("limits.message_bytes_max", "must be 1024 to 14680064, such as 12582912");
    }
    if limits.lane_prefetch == 0 || limits.relay_batch == 0 || limits.waiting_max == 0 {
        problem("limits", "relay_batch, lane_prefetch and waiting_max must be at least 1");
    }
}

fn check_tree(
    settings: &Settings,
    profiles: &HashMap<OrganisationCode, Profile>,
    problems: &mut Vec<Problem>,
) {
    if let Some(lead) = settings.county.lead.as_ref().filter(|lead| !profiles.contains_key(*lead)) {
        problems.push(Problem::new(
            INVALID,
            "county.lead",
            format!("no profile has the code {lead}; name the lead hospital's code"),
        ));
    }
    if profiles.contains_key(&settings.county.broker) {
        problems.push(Problem::new(
            INVALID,
            "county.broker",
            "a profile has the same code; the broker needs a name of its own, such as TIERLINK",
        ));
    }
    let mut sorted: Vec<_> = profiles.iter().collect();
    sorted.sort_by_key(|(code, _)| *code);
    for (code, profile) in sorted {
        let Some(parent) = &profile.organisation.parent else { continue };
        let field = format!("{code}: organisation.parent");
        match profiles.get(parent) {
            None => problems.push(Problem::new(
                INVALID,
                field,
                format!("no profile has the code {parent}; name an organisation of this county"),
            )),
            Some(above) if above.organisation.tier < profile.organisation.tier => {
                problems.push(Problem::new(
                    INVALID,
                    field,
                    format!(
                        "{parent} is of a lower tier; a parent stands at the same tier or above"
                    ),
                ));
            }
            Some(_) => {}
        }
        if let Err(error) = jiff::tz::TimeZone::get(&profile.format.zone) {
            problems.push(Problem::new(
                INVALID,
                format!("{code}: format.zone"),
                format!("is no time zone ({error}); write one such as Asia/Shanghai"),
            ));
        }
    }
}

fn check_transports(
    settings: &Settings,
    profiles: &HashMap<OrganisationCode, Profile>,
    problems: &mut Vec<Problem>,
) {
    let mut listeners: BTreeMap<&str, usize> = BTreeMap::new();
    for listener in &settings.mllp {
        *listeners.entry(listener.name.as_str()).or_default() += 1;
    }
    for (name, count) in &listeners {
        if *count > 1 {
            problems.push(Problem::new(
                INVALID,
                "mllp.name",
                format!("two listeners are called {name}; give each a name of its own"),
            ));
        }
    }
    let mut sorted: Vec<_> = profiles.iter().collect();
    sorted.sort_by_key(|(code, _)| *code);
    for (code, profile) in sorted {
        if let Some(name) = &profile.inbound.listener
            && !listeners.contains_key(name.as_str())
        {
            problems.push(Problem::new(
                INVALID,
                format!("{code}: inbound.listener"),
                format!("no [[mllp]] listener is called {name}"),
            ));
        }
        if profile.format.name == FormatName::Hl7v2 && profile.outbound.receipts != Receipts::None {
            problems.push(Problem::new(
                INVALID,
                format!("{code}: outbound.receipts"),
                "must be none: HL7 v2 has no message for a receipt; look custody up instead",
            ));
        }
        if let Some(address) = &profile.outbound.address
            && crate::destination::Address::read(address).is_none()
        {
            problems.push(Problem::new(
                INVALID,
                format!("{code}: outbound.address"),
                "must be mllp://host:port, mllps://host:port, http://… or https://…",
            ));
        }
    }
}

fn read_calendar(
    settings: &CalendarSettings,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Calendar> {
    let hours = settings.hours.clone().unwrap_or_else(OpeningHours::office);
    let calendar = match &settings.days {
        None => Calendar::china(hours).map_err(|error| error.to_string()),
        Some(path) => std::fs::read_to_string(folder.join(path))
            .map_err(|error| format!("{} cannot be read ({})", path.display(), error.kind()))
            .and_then(|text| days::read(&text).map_err(|error| error.to_string()))
            .and_then(|rows| {
                let zone = jiff::tz::TimeZone::get("Asia/Shanghai")
                    .unwrap_or(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
                Calendar::new(rows, hours, zone).map_err(|error| error.to_string())
            }),
    };
    calendar.map_err(|text| problems.push(Problem::new(INVALID, "calendar", text))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTY: &str = r#"
        [county]
        name = "Test county"
        lead = "330199001"
        [store]
        url = "sqlite:data/tierlink.db"
        [http]
        listen = "127.0.0.1:0"
        [[mllp]]
        listen = "127.0.0.1:0"
    "#;

    fn profile(code: &str, more: &str) -> (String, Profile) {
        let text = format!(
            "[organisation]\ncode = \"{code}\"\nname = \"{code}\"\ntier = \"county\"\n{more}\n\
             [format]\nname = \"json\"\n"
        );
        (format!("{code}.toml"), Profile::from_toml(&text).unwrap())
    }

    fn check(county: &str, profiles: Vec<(String, Profile)>) -> Vec<String> {
        let settings = toml::from_str(county).unwrap();
        match Config::build(settings, PathBuf::new(), profiles, Vec::new()) {
            Ok(_) => Vec::new(),
            Err(error) => error.0.into_iter().map(|problem| problem.field).collect(),
        }
    }

    #[test]
    fn a_sound_county_has_no_problems() {
        assert_eq!(check(COUNTY, vec![profile("330199001", "")]), Vec::<String>::new());
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let county = COUNTY
            .replace("sqlite:data/tierlink.db", "mysql://x")
            .replace("[http]", "[bus]\nurl = \"kafka\"\n[limits]\nbatch_max = 0\n[http]");
        let profiles = vec![
            profile("330199002", "parent = \"330199009\""),
            profile("330199002", ""),
            profile("TIERLINK", ""),
        ];

        let fields = check(&county, profiles);

        assert_eq!(
            fields,
            [
                "330199002.toml: organisation.code",
                "store.url",
                "bus.url",
                "limits.batch_max",
                "county.lead",
                "county.broker",
            ]
        );
    }

    #[test]
    fn a_parent_must_stand_above() {
        let mut clinic = profile("330199201", "parent = \"330199001\"");
        clinic.1.organisation.tier = tierlink_schemas::Tier::City;

        let fields = check(COUNTY, vec![profile("330199001", ""), clinic]);

        assert_eq!(fields, ["330199201: organisation.parent"]);
    }

    #[test]
    fn a_listener_that_a_profile_names_must_exist() {
        let mut lead = profile("330199001", "");
        lead.1.inbound.listener = Some("lead".to_owned());
        lead.1.outbound.address = Some("somewhere".to_owned());

        let fields = check(COUNTY, vec![lead]);

        assert_eq!(fields, ["330199001: inbound.listener", "330199001: outbound.address"]);
    }

    #[test]
    fn receipts_need_a_format_that_has_them() {
        let mut lead = profile("330199001", "");
        lead.1.outbound.receipts = Receipts::All;
        assert_eq!(check(COUNTY, vec![lead.clone()]), Vec::<String>::new());

        lead.1.format.name = FormatName::Hl7v2;

        assert_eq!(check(COUNTY, vec![lead]), ["330199001: outbound.receipts"]);
    }

    #[test]
    fn a_setting_that_does_not_exist_is_an_error() {
        let typo = COUNTY.replace("[http]\n", "[http]\nlissten = 1\n");

        assert!(toml::from_str::<Settings>(&typo).is_err());
    }
}
