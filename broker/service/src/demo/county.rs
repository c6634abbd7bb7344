//! The county of the demo: the very files of `ops/examples`, with other addresses.
//!
//! Replaced is only what differs between machines: the addresses of the broker and the
//! hospitals, the store, the permitted peers, and the secrets. Waits between tries are shortened
//! to keep the demo short.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_simulator::county::CountyFolder;
use toml::{Table, Value};

use super::actor::{Actor, Played};
use super::cast::Org;
use crate::config::Config;
use crate::tokens::Wanted;

/// The configuration, from `ops/examples/county.toml`.
const COUNTY: &str = include_str!("../../../../ops/examples/county.toml");

/// The profiles beside it.
const PROFILES: [(&str, &str); 6] = [
    (
        "330199001-county-hospital.toml",
        include_str!("../../../../ops/examples/profiles/330199001-county-hospital.toml"),
    ),
    (
        "330199101-qingshi-township.toml",
        include_str!("../../../../ops/examples/profiles/330199101-qingshi-township.toml"),
    ),
    (
        "330199102-baima-township.toml",
        include_str!("../../../../ops/examples/profiles/330199102-baima-township.toml"),
    ),
    (
        "330199103-fengqiao-township.toml",
        include_str!("../../../../ops/examples/profiles/330199103-fengqiao-township.toml"),
    ),
    (
        "330199201-liuwan-village.toml",
        include_str!("../../../../ops/examples/profiles/330199201-liuwan-village.toml"),
    ),
    (
        "330100001-city-hospital.toml",
        include_str!("../../../../ops/examples/profiles/330100001-city-hospital.toml"),
    ),
];

/// Name of the MLLP listener that an organisation sends to, as in its profile.
#[must_use]
pub fn listener_of(org: Org) -> &'static str {
    if org == Org::Lead { "lead" } else { "mllp" }
}

/// First wait between tries, in milliseconds. Short, so that a hospital that is up again is
/// found at once.
const FIRST_WAIT_MS: i64 = 200;
/// Longest wait between tries, in milliseconds.
const WAIT_MS_MAX: i64 = 800;

/// A temporary folder, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates the folder, with a name of its own.
    pub fn new() -> anyhow::Result<Self> {
        let name = format!("tierlink-demo-{}", SystemEnvironment.id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("the folder {} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If it cannot be removed, it stays in the system's folder for temporary files.
        let _stays = std::fs::remove_dir_all(&self.0);
    }
}

/// Any free port of this machine.
const ANYWHERE: &str = "127.0.0.1:0";

/// Starts every hospital, each with the secret that the broker must send.
pub async fn open_hospitals() -> anyhow::Result<BTreeMap<Org, Arc<Actor>>> {
    let mut actors = BTreeMap::new();
    for org in Org::ALL {
        actors.insert(org, Arc::new(open(org).await?));
    }
    Ok(actors)
}

/// Starts one hospital.
pub async fn open(org: Org) -> anyhow::Result<Actor> {
    let found = PROFILES.iter().find(|(name, _)| name.starts_with(org.code()));
    let (name, profile) = found.ok_or_else(|| anyhow!("{} has no profile", org.code()))?;
    let secret = crate::tokens::create(Wanted::of(org.code(), None), SystemEnvironment.now()).0;
    let opened = Actor::open(org, profile, secret).await;
    opened.with_context(|| format!("{name}: its hospital cannot be played"))
}

/// Writes the configuration of the example county for this machine, and reads it.
pub fn config(folder: &Folder, actors: &BTreeMap<Org, Arc<Actor>>) -> anyhow::Result<Config> {
    let mut written = CountyFolder { county: county()?, ..CountyFolder::default() };
    for (name, text) in PROFILES {
        let actor = actors.values().find(|actor| name.starts_with(actor.org.code()));
        let actor = actor.ok_or_else(|| anyhow!("nobody plays {name}"))?;
        let profile = profile(text, actor).with_context(|| format!("profiles/{name}"))?;
        for secret in secrets(&profile) {
            written.secrets.push((secret, actor.secret.clone()));
        }
        written.profiles.push((name.to_owned(), profile.to_string()));
    }
    written.write(folder.path())?;
    // Environment variables are ignored, so that the demo never uses a real store.
    Config::load_with(&folder.path().join("county.toml"), |_| None).map_err(|error| {
        let problems: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        anyhow!("ops/examples cannot be used: {}", problems.join("; "))
    })
}

fn county() -> anyhow::Result<String> {
    let mut county: Table = COUNTY.parse().context("county.toml")?;
    set(&mut county, "store", "url", "sqlite:demo.db");
    set(&mut county, "http", "listen", ANYWHERE);
    let listeners = county.get_mut("mllp").and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten().filter_map(Value::as_table_mut) {
        listener.insert("listen".to_owned(), ANYWHERE.into());
    }
    Ok(county.to_string())
}

fn profile(text: &str, actor: &Actor) -> anyhow::Result<Table> {
    let mut profile: Table = text.parse().context("the profile is no TOML")?;
    let Some(systems) = profile.get_mut("systems").and_then(Value::as_array_mut) else {
        place(&mut profile, actor.default_system()?);
        return Ok(profile);
    };
    for system in systems.iter_mut().filter_map(Value::as_table_mut) {
        let name = system.get("name").and_then(Value::as_str).map(str::to_owned);
        // People have no address.
        if let Some(played) = actor.systems.iter().find(|it| it.system.name == name) {
            place(system, played);
        }
    }
    Ok(profile)
}

/// Puts a system where it is played.
fn place(settings: &mut Table, played: &Played) {
    set(settings, "outbound", "address", played.hospital.address());
    set(settings, "retry", "first_wait_ms", FIRST_WAIT_MS);
    set(settings, "retry", "wait_ms_max", WAIT_MS_MAX);
    // Everybody is on this machine now.
    if let Some(inbound) = settings.get_mut("inbound").and_then(Value::as_table_mut) {
        inbound.remove("peers");
    }
}

/// The names of the secrets that a profile mentions.
fn secrets(profile: &Table) -> Vec<String> {
    let systems = profile.get("systems").and_then(Value::as_array).into_iter().flatten();
    let each = std::iter::once(profile).chain(systems.filter_map(Value::as_table));
    let named = each.filter_map(|it| it.get("outbound")?.get("token_secret")?.as_str());
    named.map(str::to_owned).collect()
}

/// Sets one setting, in a table that may be absent.
fn set(toml: &mut Table, table: &str, key: &str, value: impl Into<Value>) {
    let table = toml.entry(table).or_insert_with(|| Table::new().into());
    if let Some(table) = table.as_table_mut() {
        table.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_example_county_is_a_valid_configuration_and_everybody_plays() {
        let folder = Folder::new().unwrap();
        let actors = open_hospitals().await.unwrap();

        let config = config(&folder, &actors).unwrap();

        assert_eq!(config.profiles.len(), Org::ALL.len());
        assert_eq!((actors[&Org::Lead].systems.len(), actors[&Org::Lead].people.len()), (2, 1));
        assert_eq!(config.settings.county.lead, Some(Org::Lead.organisation()));
        for org in Org::ALL {
            let profile = &config.profiles[&org.organisation()];
            assert_eq!(profile.organisation.name, org.name());
            for played in &actors[&org].systems {
                let system = config.system(&played.lane).unwrap();
                assert_eq!(system.outbound.address, Some(played.hospital.address()));
            }
        }
    }

    #[test]
    fn every_example_profile_is_in_the_demo() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/examples/profiles");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut known: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();

        assert_eq!(files, known);
    }
}
