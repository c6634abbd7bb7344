//! The county of the demo: the very files of `ops/examples`, with other addresses.
//!
//! Exchanged are only what cannot be the same on every machine: where the broker and the hospitals
//! listen, where the store is, who may knock, and the secrets. The waits between two tries are
//! shortened, because nobody watches a demo for an hour.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tierlink_codec::Profile;
use tierlink_codec::profile::Retry;

use super::cast::Org;
use super::hospital::Hospital;
use crate::config::{Config, Settings};

/// `ops/examples/county.toml`.
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

/// The MLLP listener on which an organisation sends, as the profiles say.
#[must_use]
pub fn listener_of(org: Org) -> &'static str {
    if org == Org::Lead { "lead" } else { "mllp" }
}

/// Waits between two tries: short, so that a hospital that comes back is found at once.
const FIRST_WAIT_MS: u64 = 200;
/// The longest of them.
const WAIT_MS_MAX: u64 = 800;

/// A folder that is removed when the demo ends.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder of our own.
    pub fn new() -> anyhow::Result<Self> {
        let name = format!("tierlink-demo-{}", uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("secrets"))
            .with_context(|| format!("the folder {} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files anyway.
        let _stays = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens every hospital, each with the secret that the broker must show.
pub async fn open_hospitals(folder: &Folder) -> anyhow::Result<BTreeMap<Org, Arc<Hospital>>> {
    let mut hospitals = BTreeMap::new();
    for (org, profile) in profiles()? {
        let secret = crate::tokens::create(org.code(), None, None).0;
        if let Some(name) = &profile.outbound.token_secret {
            std::fs::write(folder.path().join("secrets").join(name), &secret)
                .with_context(|| format!("the secret {name} cannot be written"))?;
        }
        let hospital = Hospital::open(org, secret)
            .await
            .with_context(|| format!("{} cannot listen on this machine", org.code()))?;
        hospitals.insert(org, hospital);
    }
    Ok(hospitals)
}

fn profiles() -> anyhow::Result<Vec<(Org, Profile)>> {
    PROFILES
        .iter()
        .map(|(name, text)| {
            let profile = Profile::from_toml(text).with_context(|| format!("profiles/{name}"))?;
            let code = profile.organisation.code.as_str();
            let org = Org::of(code).ok_or_else(|| anyhow!("nobody plays {code}"))?;
            Ok((org, profile))
        })
        .collect()
}

/// The configuration of the example county, for this machine.
pub fn config(folder: &Folder, hospitals: &BTreeMap<Org, Arc<Hospital>>) -> anyhow::Result<Config> {
    let mut settings: Settings = toml::from_str(COUNTY).context("county.toml")?;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    "sqlite:demo.db".clone_into(&mut settings.store.url);
    if let Some(http) = &mut settings.http {
        http.listen = anywhere;
    }
    for listener in &mut settings.mllp {
        listener.listen = anywhere;
    }
    let mut all = Vec::with_capacity(PROFILES.len());
    for ((org, mut profile), (name, _)) in profiles()?.into_iter().zip(PROFILES) {
        let url = hospitals.get(&org).map(|hospital| hospital.url());
        profile.outbound.address = url;
        // Everybody is on this machine now.
        profile.inbound.peers.clear();
        profile.retry =
            Retry { first_wait_ms: FIRST_WAIT_MS, wait_ms_max: WAIT_MS_MAX, ..profile.retry };
        all.push((name.to_owned(), profile));
    }
    Config::build(settings, folder.path().to_path_buf(), all, Vec::new()).map_err(|error| {
        let problems: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        anyhow!("ops/examples cannot be used: {}", problems.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_example_county_is_a_valid_configuration_and_everybody_plays() {
        let folder = Folder::new().unwrap();
        let hospitals = open_hospitals(&folder).await.unwrap();

        let config = config(&folder, &hospitals).unwrap();

        assert_eq!(config.profiles.len(), Org::ALL.len());
        assert_eq!(config.settings.county.lead, Some(Org::Lead.organisation()));
        for org in Org::ALL {
            let profile = &config.profiles[&org.organisation()];
            assert_eq!(profile.organisation.name, org.name());
            assert_eq!(profile.outbound.address, Some(hospitals[&org].url()));
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
