//! How one hospital's system writes, as its profile says it.
//!
//! A profile is read here once more, with as little of it as a hospital knows of itself: the broker
//! is not asked what a profile means.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};
use uuid::Uuid;

use crate::{Charset, Doctor, Party, Speaks, new_control_id, new_number};

/// The telephone of a hospital whose profile names none: nobody's.
const PHONE: &str = "0571-99010000";

/// A hospital's system.
#[derive(Clone, Debug)]
pub struct System {
    /// The hospital, as it calls itself in messages.
    pub party: Party,
    /// Its name among the systems of the hospital; `None` where the hospital has one without a
    /// name.
    pub name: Option<String>,
    /// Its format.
    pub speaks: Speaks,
    /// Where its profile has it listen (`outbound.address`).
    pub address: Option<String>,
    /// The name of the secret that the broker shows to it (`outbound.token_secret`); without one it
    /// asks for none.
    pub token_secret: Option<String>,
    /// MSH-12.
    pub version: String,
    /// Its own name, for MSH-3.
    pub application: String,
    /// Its organisation, for MSH-4.
    pub facility: String,
    /// The charset that it really writes.
    pub charset: Charset,
    /// MSH-18, true or not.
    pub charset_stated: &'static str,
    /// Its code maps: per table, its own code on the left and the county's on the right.
    codes: BTreeMap<String, BTreeMap<String, String>>,
}

impl System {
    /// Reads the text of a profile. Of several systems it is the one with this name, or the
    /// default.
    pub fn read(profile: &str, name: Option<&str>) -> Result<Self> {
        let (name, profile) = one_system(profile, name)?;
        let text = |table: &str, key: &str| -> Option<String> {
            Some(profile.get(table)?.get(key)?.as_str()?.to_owned())
        };
        let code = text("organisation", "code").context("the profile has no organisation.code")?;
        let speaks = profile.get("format").and_then(|format| format.get("name"));
        let speaks = speaks.cloned().context("the profile has no format.name")?;
        let Ok(speaks) = speaks.try_into() else {
            bail!("the profile's format.name is none that can be played: hl7v2, fhir or json")
        };
        let charset = match text("format", "charset").as_deref() {
            None | Some("UTF-8") => Charset::Utf8,
            Some("GB18030") => Charset::Gb18030,
            Some("GBK") => Charset::Gbk,
            Some(_) => bail!("the profile's format.charset is none of UTF-8, GB18030 and GBK"),
        };
        let wins = profile.get("quirks").and_then(|quirks| quirks.get("charset_wins"));
        // A profile in which the charset of the profile wins is that of a system that states a
        // wrong one.
        let wrong = wins.and_then(Value::as_bool).unwrap_or(false);
        Ok(Self {
            name,
            speaks,
            address: text("outbound", "address"),
            token_secret: text("outbound", "token_secret"),
            version: text("format", "version").unwrap_or_else(|| "2.5.1".to_owned()),
            application: text("format", "application").unwrap_or_else(|| "HIS".to_owned()),
            facility: text("format", "facility").unwrap_or_else(|| code.clone()),
            charset,
            charset_stated: if wrong { "UNICODE" } else { charset.label() },
            codes: codes(&profile),
            party: Party {
                code,
                name: text("organisation", "name").unwrap_or_default(),
                phone: PHONE.to_owned(),
                doctor: Some(Doctor::default()),
            },
        })
    }

    /// A system without a profile: HL7 v2.4 from a facility of this name, or FHIR or JSON from the
    /// organisation of this code.
    #[must_use]
    pub fn plain(code: &str, speaks: Speaks, charset: Charset) -> Self {
        Self {
            name: None,
            speaks,
            address: None,
            token_secret: None,
            version: "2.4".to_owned(),
            application: "HIS".to_owned(),
            facility: code.to_owned(),
            charset,
            charset_stated: charset.label(),
            codes: BTreeMap::new(),
            party: Party {
                code: code.to_owned(),
                name: String::new(),
                phone: PHONE.to_owned(),
                doctor: Some(Doctor::default()),
            },
        }
    }

    /// What it calls itself in messages, where the format has a place for that.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or("HIS")
    }

    /// This hospital's own code for one of the county's, where its profile maps the table.
    #[must_use]
    pub fn own_code(&self, table: &str, ours: &str) -> Option<&str> {
        let known = self.codes.get(table)?;
        known.iter().find(|(_, mapped)| *mapped == ours).map(|(own, _)| own.as_str())
    }

    /// What this hospital calls an organisation: itself by its MSH-4.
    #[must_use]
    pub fn calls<'a>(&'a self, organisation: &'a str) -> &'a str {
        if organisation == self.party.code {
            return &self.facility;
        }
        self.own_code("organisation", organisation).unwrap_or(organisation)
    }

    /// An id for a message that this system sends.
    #[must_use]
    pub fn new_message_id(&self) -> String {
        match self.speaks {
            Speaks::Hl7v2 => new_control_id(),
            Speaks::Fhir => Uuid::now_v7().to_string(),
            Speaks::Json => new_number(&self.party.code),
        }
    }

    /// Who signs its messages.
    #[must_use]
    pub fn doctor(&self) -> Doctor {
        self.party.doctor.unwrap_or_default()
    }
}

/// A profile in the shape that one system has: `[organisation]` beside `[format]` and the rest; with
/// the name of the system.
///
/// Of several `[[systems]]` it is the one with this name, or the default.
fn one_system(profile: &str, name: Option<&str>) -> Result<(Option<String>, Table)> {
    let mut profile: Table = profile.parse().context("the profile is no TOML")?;
    let Some(systems) = profile.remove("systems") else { return Ok((None, profile)) };
    let wanted = |system: &&Value| match name {
        Some(name) => system.get("name").and_then(Value::as_str) == Some(name),
        None => system.get("default").and_then(Value::as_bool) == Some(true),
    };
    let found = systems.as_array().and_then(|all| all.iter().find(wanted));
    let Some(system) = found.and_then(Value::as_table) else {
        bail!("the profile has no system {}", name.unwrap_or("that is the default"))
    };
    for (key, value) in system {
        if !["name", "default", "gives", "takes"].contains(&key.as_str()) {
            profile.insert(key.clone(), value.clone());
        }
    }
    Ok((system.get("name").and_then(Value::as_str).map(str::to_owned), profile))
}

/// The further systems that a profile names, beside the default one.
pub fn further_systems(profile: &str) -> Result<Vec<String>> {
    let profile: Table = profile.parse().context("the profile is no TOML")?;
    let systems = profile.get("systems").and_then(Value::as_array).into_iter().flatten();
    let further = systems.filter(|it| it.get("default").and_then(Value::as_bool) != Some(true));
    let names = further.filter_map(|it| it.get("name")?.as_str().map(str::to_owned));
    Ok(names.collect())
}

fn codes(profile: &Table) -> BTreeMap<String, BTreeMap<String, String>> {
    let tables = profile.get("codes").and_then(Value::as_table).into_iter().flatten();
    tables
        .filter_map(|(name, table)| {
            let codes = table.as_table()?.iter();
            let codes = codes.filter_map(|(own, ours)| Some((own.clone(), ours.as_str()?.into())));
            Some((name.clone(), codes.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
        [organisation]
        code = "330199101"
        name = "青石镇"
        [format]
        name = "hl7v2"
        charset = "GBK"
        facility = "QSWSY"
        [codes]
        version = "2026-03"
        [codes.sex]
        1 = "male"
        [codes.organisation]
        01 = "330199001"
        [quirks]
        charset_wins = true
    "#;

    #[test]
    fn a_system_speaks_as_its_profile_says() {
        let system = System::read(OLD, None).unwrap();

        assert_eq!((system.speaks, system.charset), (Speaks::Hl7v2, Charset::Gbk));
        assert_eq!(system.charset_stated, "UNICODE");
        assert_eq!(system.calls("330199101"), "QSWSY");
        assert_eq!(system.calls("330199001"), "01");
        assert_eq!(system.calls("330199102"), "330199102");
        assert_eq!(system.own_code("sex", "male"), Some("1"));
        assert_eq!(system.own_code("sex", "female"), None);
    }

    #[test]
    fn of_several_systems_one_is_played() {
        let profile = r#"
            [organisation]
            code = "330199001"
            [[systems]]
            name = "his"
            default = true
            [systems.format]
            name = "hl7v2"
            [[systems]]
            name = "ecg"
            [systems.format]
            name = "json"
            [[systems]]
            name = "desk"
            [systems.format]
            name = "people"
        "#;
        let speaks = |name| System::read(profile, name).map(|system| system.speaks);

        assert_eq!(further_systems(profile).unwrap(), ["ecg", "desk"]);
        assert_eq!(System::read(profile, None).unwrap().called(), "his");
        assert_eq!(speaks(None).unwrap(), Speaks::Hl7v2);
        assert_eq!(speaks(Some("ecg")).unwrap(), Speaks::Json);
        assert!(speaks(Some("desk")).is_err(), "people read at a screen");
        assert!(speaks(Some("pacs")).is_err());
    }
}
