//! The folder with a county's configuration: `county.toml`, a profile for each organisation, and
//! the secrets that the broker shows to hospitals.
//!
//! Everybody is on this machine. Waits are short and answers are expected soon, so that a test with
//! a silent hospital is quick. A test in which hospitals think for long says so.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Only the owner reads and writes a secret.
const OWNER_ONLY: u32 = 0o600;

/// What `county.toml` says.
#[derive(Clone, Debug)]
pub struct CountyFile {
    /// Chinese name of the county.
    pub name: String,
    /// The code of the lead hospital.
    pub lead: String,
    /// Address of the store (`store.url`).
    pub store: String,
    /// Address of the bus (`bus.url`).
    pub bus: String,
    /// The port of HTTP.
    pub http: u16,
    /// Name and port of each MLLP listener.
    pub mllp: Vec<(String, u16)>,
    /// Further tables, such as `[limits]`.
    pub settings: String,
}

impl CountyFile {
    /// The file's text.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut toml = format!(
            "[county]\nname = \"{}\"\nlead = \"{}\"\n\n[store]\nurl = \"{}\"\n\n\
             [bus]\nurl = \"{}\"\n\n[http]\nlisten = \"127.0.0.1:{}\"\n\n",
            self.name, self.lead, self.store, self.bus, self.http,
        );
        for (name, port) in &self.mllp {
            // Writing to a text cannot fail.
            let _written =
                write!(toml, "[[mllp]]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\n\n");
        }
        toml + &self.settings + "\n"
    }
}

/// The profile of one organisation, to be changed before or between writes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The lines of `[organisation]` behind its code.
    pub identity: String,
    /// The lines of `[format]`.
    pub format: &'static str,
    /// Where our messages go. `None`: nowhere yet.
    pub address: Option<String>,
    /// Further lines under `[inbound]`.
    pub inbound: Vec<String>,
    /// Name of the secret that the broker shows to it.
    pub token_secret: Option<String>,
    /// So many seconds an answer may take.
    pub answer_seconds: u32,
    /// Further lines under `[outbound]`.
    pub outbound: Vec<String>,
    /// The wait before the second try, in milliseconds.
    pub first_wait_ms: u32,
    /// The longest wait between two tries, in milliseconds.
    pub wait_ms_max: u32,
    /// Further lines under `[retry]`.
    pub retry: Vec<String>,
    /// Further tables, at the end.
    pub more: String,
    /// `[[systems]]`, in place of everything but the identity.
    pub systems: Option<String>,
    /// Further lines before every table, such as `required = […]`.
    pub before: String,
}

impl Profile {
    /// An organisation with this identity and format, whose messages go to `address`.
    #[must_use]
    pub fn new(identity: &str, format: &'static str, address: String) -> Self {
        Self {
            identity: identity.to_owned(),
            format,
            address: Some(address),
            inbound: Vec::new(),
            token_secret: None,
            answer_seconds: 2,
            outbound: Vec::new(),
            first_wait_ms: 50,
            wait_ms_max: 300,
            retry: Vec::new(),
            more: String::new(),
            systems: None,
            before: String::new(),
        }
    }

    /// The text of the profile of `code`.
    #[must_use]
    pub fn toml(&self, code: &str) -> String {
        if let Some(systems) = &self.systems {
            let identity = &self.identity;
            return format!("[organisation]\ncode = \"{code}\"\n{identity}\n\n{systems}");
        }
        let line = |name: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |it| format!("{name} = \"{it}\"\n"))
        };
        format!(
            "{}\n[organisation]\ncode = \"{code}\"\n{}\n\n[format]\n{}\n\n[inbound]\n{}\n\n\
             [outbound]\n{}{}answer_seconds = {}\n{}\n\n\
             [retry]\nfirst_wait_ms = {}\nwait_ms_max = {}\n{}\n\n{}\n",
            self.before,
            self.identity,
            self.format,
            self.inbound.join("\n"),
            line("address", &self.address),
            line("token_secret", &self.token_secret),
            self.answer_seconds,
            self.outbound.join("\n"),
            self.first_wait_ms,
            self.wait_ms_max,
            self.retry.join("\n"),
            self.more,
        )
    }
}

/// A county's configuration, file by file.
#[derive(Clone, Debug, Default)]
pub struct CountyFolder {
    /// The text of `county.toml`.
    pub county: String,
    /// Name and text of each file in `profiles`.
    pub profiles: Vec<(String, String)>,
    /// Name and content of each file in `secrets`.
    pub secrets: Vec<(String, String)>,
}

impl CountyFolder {
    /// Writes all of it into this folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = |path: &str, text: &str| {
            std::fs::write(folder.join(path), text)
                .with_context(|| format!("{path} cannot be written"))
        };
        for inner in ["profiles", "secrets"] {
            std::fs::create_dir_all(folder.join(inner))
                .with_context(|| format!("the folder {inner} cannot be made"))?;
        }
        write("county.toml", &self.county)?;
        for (name, text) in &self.profiles {
            write(&format!("profiles/{name}"), text)?;
        }
        for (name, secret) in &self.secrets {
            let path = format!("secrets/{name}");
            write(&path, secret)?;
            std::fs::set_permissions(folder.join(&path), Permissions::from_mode(OWNER_ONLY))
                .with_context(|| format!("{path} cannot be kept for its owner"))?;
        }
        Ok(())
    }
}
