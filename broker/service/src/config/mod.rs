//! The configuration: one TOML file for the broker and one per organisation, checked together.
//!
//! All problems are reported at once, each with the setting's name and an example, so that an
//! operator need not start the program once for each mistake.
//!
//! `ops/examples/county.toml` documents every setting; the demo runs on that very file.
//!
//! `settings.rs` lists the settings, `validate.rs` checks that settings and profiles fit
//! together, `systems.rs` checks the systems of each organisation, and `policy.rs` derives
//! the judge's policy.

mod codes;
mod neighbours;
mod policy;
mod settings;
mod systems;
mod trust;
mod validate;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tierlink_codec::{Directory, OrganisationProfile, Profile};
use tierlink_core::county::{County, Member, System};
use tierlink_core::traffic::Traffic;
use tierlink_edge::organisations::Organisations;
use tierlink_judge::Policy;
use tierlink_schemas::calendar::{Calendar, OpeningHours, days};
use tierlink_schemas::{LaneName, OrganisationCode, Problem};
use tierlink_store::ConfigFingerprint;

pub use codes::{INVALID, UNREADABLE};
pub(crate) use policy::retry_policy;
pub use settings::{
    Allowed, BusSettings, CalendarSettings, CountySettings, HttpSettings, LoadLimits, LogFormat,
    LogSettings, MllpSettings, Settings, StoreSettings, TlsSettings,
};

/// Most organisations of one broker. A prefecture of eight counties has about 1,800 endpoints.
pub const ORGANISATIONS_MAX: usize = 10_000;

/// The configuration, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Settings from the broker's file.
    pub settings: Settings,
    /// Folder of that file. Paths in the settings are relative to it.
    pub folder: PathBuf,
    /// The profile of each organisation.
    pub profiles: HashMap<OrganisationCode, OrganisationProfile>,
    /// The organisations, as codecs need them.
    pub directory: Directory,
    /// Organisations, calendar and limits, as the core needs them.
    pub county: Arc<County>,
    /// What the judge's decisions depend on.
    pub policy: Arc<Policy>,
    /// SHA-256 of the files that it was read from: the broker's, the profiles sorted by name, the
    /// holidays. Distinguishes configurations in the record of a reload.
    pub fingerprint: ConfigFingerprint,
}

/// The configuration cannot be used. Contains every problem.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} problem(s); `tierlink check` lists them", .0.len())]
pub struct ConfigError(pub Vec<Problem>);

impl Config {
    /// Reads the file and all profiles beside it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with(file, |name| std::env::var(name).ok())
    }

    /// Like [`Self::load`], with `variables` in place of the environment variables.
    pub fn load_with(
        file: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut print = Sha256::new();
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let Some(mut settings) = read_toml::<Settings>(file, &mut print, &mut problems) else {
            return Err(ConfigError(problems));
        };
        if let Some(url) = variable("TIERLINK_STORE") {
            settings.store.url = url;
        }
        if let Some(url) = variable("TIERLINK_BUS") {
            settings.bus.url = url;
        }
        trust::check(&settings, &variable, &mut problems);
        let profiles = read_profiles(&folder.join(&settings.profiles), &mut print, &mut problems);
        if let Some(days) = &settings.calendar.days
            && let Ok(text) = std::fs::read(folder.join(days))
        {
            add_file(&mut print, days, &text);
        }
        let mut config = Self::build(settings, folder, profiles, problems)?;
        config.fingerprint = ConfigFingerprint(print.finalize().into());
        Ok(config)
    }

    /// Checks settings and profiles against each other. The fingerprint is that of no files.
    pub fn build(
        settings: Settings,
        folder: PathBuf,
        profiles: Vec<(String, impl Into<OrganisationProfile>)>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, ConfigError> {
        let profiles = by_code(profiles, &mut problems);
        validate::check(&settings, &profiles, &mut problems);
        let calendar = read_calendar(&settings.calendar, &folder, &mut problems);
        let Some(calendar) = calendar.filter(|_| problems.is_empty()) else {
            return Err(ConfigError(problems));
        };
        let directory = Directory::new(
            profiles.values().map(OrganisationProfile::directory_entry).collect(),
            settings.county.lead.clone(),
        );
        let county = Arc::new(County {
            members: profiles
                .iter()
                .map(|(code, profile)| (code.clone(), member(profile)))
                .collect(),
            lead: settings.county.lead.clone(),
            broker: settings.county.broker.clone(),
            calendar,
            limits: settings.deadlines.clone(),
            one_person_emergency_reading: settings.county.one_person_emergency_reading,
        });
        let policy = Arc::new(policy::policy(&county, &profiles));
        let fingerprint = ConfigFingerprint(Sha256::new().finalize().into());
        Ok(Self { settings, folder, profiles, directory, county, policy, fingerprint })
    }

    /// The system that receives the deliveries of `lane`.
    #[must_use]
    pub fn system(&self, lane: &LaneName) -> Option<&Profile> {
        self.profiles.get(lane.organisation())?.system(lane.system())
    }

    /// The systems of all organisations, in no particular order.
    pub fn systems(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values().flat_map(|organisation| &organisation.systems)
    }

    /// Resolves a path of the settings, relative to the file.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

impl Organisations for Config {
    fn profiles(&self) -> &HashMap<OrganisationCode, OrganisationProfile> {
        &self.profiles
    }

    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn lane_prefetch(&self) -> u16 {
        self.settings.limits.lane_prefetch
    }
}

fn member(profile: &OrganisationProfile) -> Member {
    Member {
        tier: profile.organisation.tier,
        parent: profile.organisation.parent.clone(),
        outside: profile.organisation.outside,
        systems: profile.systems.iter().filter_map(system).collect(),
    }
}

/// A named system as the core needs it. Invalid traffic names were refused before.
fn system(profile: &Profile) -> Option<System> {
    let traffic = |words: &BTreeSet<String>| {
        words.iter().filter_map(|word| Traffic::read(word)).collect::<BTreeSet<Traffic>>()
    };
    Some(System {
        name: profile.name.clone()?,
        is_default: profile.is_default,
        gives: traffic(&profile.gives),
        takes: traffic(&profile.takes),
    })
}

/// Adds a file to a fingerprint, with name and length, so that different sets of files
/// never hash equally.
fn add_file(print: &mut Sha256, file: &Path, bytes: &[u8]) {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    for part in [name, bytes] {
        print.update(part.len().to_be_bytes());
        print.update(part);
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(
    file: &Path,
    print: &mut Sha256,
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
    add_file(print, file, text.as_bytes());
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

fn read_profiles(
    folder: &Path,
    print: &mut Sha256,
    problems: &mut Vec<Problem>,
) -> Vec<(String, OrganisationProfile)> {
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
            let profile = read_toml::<OrganisationProfile>(&file, print, problems)?;
            Some((file.display().to_string(), profile))
        })
        .collect()
}

fn by_code(
    profiles: Vec<(String, impl Into<OrganisationProfile>)>,
    problems: &mut Vec<Problem>,
) -> HashMap<OrganisationCode, OrganisationProfile> {
    let mut by_code = HashMap::new();
    for (file, profile) in profiles {
        let profile = profile.into();
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
    use tierlink_codec::profile::Receipts;

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
        lead.1.format.name = "hl7v2".to_owned();
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

        lead.1.format.name = "hl7v2".to_owned();

        assert_eq!(check(COUNTY, vec![lead]), ["330199001: outbound.receipts"]);
    }

    #[test]
    fn a_changed_profile_gives_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = folder.path().join("profiles");
        std::fs::create_dir(&profiles).unwrap();
        let text = "[organisation]\ncode = \"330199001\"\nname = \"A\"\ntier = \"county\"\n\
                    [format]\nname = \"json\"\n";
        let (file, profile) = (folder.path().join("county.toml"), profiles.join("a.toml"));
        std::fs::write(&file, COUNTY).unwrap();
        std::fs::write(&profile, text).unwrap();

        let before = Config::load(&file).unwrap().fingerprint;
        let same = Config::load(&file).unwrap().fingerprint;
        std::fs::write(&profile, text.replace("\"A\"", "\"B\"")).unwrap();
        let after = Config::load(&file).unwrap().fingerprint;

        assert_eq!(before, same);
        assert_ne!(before, after);
        assert_eq!(before.to_string().len(), 64);
    }

    #[test]
    fn a_setting_that_does_not_exist_is_an_error() {
        let typo = COUNTY.replace("[http]\n", "[http]\nlissten = 1\n");

        assert!(toml::from_str::<Settings>(&typo).is_err());
    }
}
