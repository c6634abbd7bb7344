//! Names of systems and lanes. An organisation has one or more systems, and each has a lane.
//!
//! ```text
//!   330199001        the default system of the organisation 330199001
//!   330199001:ecg    its further system `ecg`
//! ```
//!
//! Neither organisation codes nor system names contain a colon, so a lane name can be read in only
//! one way. Organisation codes may contain dots, so a dot would be ambiguous.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::OrganisationCode;

/// Longest system name, in characters.
pub const SYSTEM_NAME_LENGTH_MAX: usize = 32;

/// Separates organisation and system in a lane name.
const SEPARATOR: char = ':';

/// The name of one system of an organisation, such as `his`, `lis` or `ecg`.
///
/// 1 to 32 lower-case letters, digits and `-`. Unique within its organisation only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct SystemName(
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]{1,32}$"))] String,
);

/// The text is not a system name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a system name has 1 to 32 characters: lower-case letters, digits and '-', such as `his`")]
pub struct NotASystemName;

impl SystemName {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, NotASystemName> {
        let name = name.into();
        let fits = (1..=SYSTEM_NAME_LENGTH_MAX).contains(&name.len());
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && plain { Ok(Self(name)) } else { Err(NotASystemName) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SystemName {
    type Err = NotASystemName;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl<'de> Deserialize<'de> for SystemName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Name of the lane of one system: the ordered queue of the messages that it must receive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneName {
    organisation: OrganisationCode,
    system: Option<SystemName>,
}

/// The text is not a lane name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lane is named `organisation`, or `organisation:system` for a further system")]
pub struct NotALaneName;

impl LaneName {
    /// The lane of `system`; `None` is the organisation's default system.
    #[must_use]
    pub const fn new(organisation: OrganisationCode, system: Option<SystemName>) -> Self {
        Self { organisation, system }
    }

    /// The organisation that receives.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationCode {
        &self.organisation
    }

    /// The system that receives; `None` is the organisation's default system.
    #[must_use]
    pub const fn system(&self) -> Option<&SystemName> {
        self.system.as_ref()
    }

    /// The system as stored in the database: empty for the default system.
    #[must_use]
    pub fn system_text(&self) -> &str {
        self.system.as_ref().map_or("", SystemName::as_str)
    }
}

/// The lane of an organisation's default system.
impl From<OrganisationCode> for LaneName {
    fn from(organisation: OrganisationCode) -> Self {
        Self::new(organisation, None)
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.organisation, f)?;
        match &self.system {
            None => Ok(()),
            Some(system) => write!(f, "{SEPARATOR}{system}"),
        }
    }
}

impl fmt::Debug for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LaneName {
    type Err = NotALaneName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (organisation, system) = match text.split_once(SEPARATOR) {
            None => (text, None),
            Some((organisation, system)) => (organisation, Some(system)),
        };
        let organisation = OrganisationCode::new(organisation).map_err(|_| NotALaneName)?;
        let system = system.map(SystemName::new).transpose().map_err(|_| NotALaneName)?;
        Ok(Self { organisation, system })
    }
}

impl JsonSchema for LaneName {
    fn schema_name() -> Cow<'static, str> {
        "LaneName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An organisation's code, or `CODE:SYSTEM` for a further system.",
            "pattern": "^[A-Za-z0-9._-]{1,40}(:[a-z0-9-]{1,32})?$",
        })
    }
}

impl Serialize for LaneName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LaneName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn system_names_are_short_and_lower_case() {
        for good in ["his", "ecg-2", "a", "0", &"x".repeat(32)] {
            assert!(SystemName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "HIS", "e.c", "e:c", "e_c", "心电", " his", &"x".repeat(33)] {
            assert!(SystemName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dot_in_an_organisation_code_is_no_system() {
        let lane: LaneName = "a.ecg".parse().unwrap();

        assert_eq!(lane.organisation().as_str(), "a.ecg");
        assert_eq!(lane.system(), None);
        assert_eq!(lane.system_text(), "");
    }

    #[test]
    fn what_is_no_lane_name_is_refused() {
        for text in ["", ":", ":ecg", "330199001:", "330199001:ECG", "a:b:c", "a b"] {
            assert!(text.parse::<LaneName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_lane_name_reads_back_as_it_was(
            organisation in "[A-Za-z0-9._-]{1,40}",
            system in proptest::option::of("[a-z0-9-]{1,32}"),
        ) {
            let lane = LaneName::new(
                OrganisationCode::new(organisation).unwrap(),
                system.map(|name| SystemName::new(name).unwrap()),
            );

            prop_assert_eq!(lane.to_string().parse::<LaneName>(), Ok(lane.clone()));
            let json = serde_json::to_string(&lane).unwrap();
            prop_assert_eq!(serde_json::from_str::<LaneName>(&json).unwrap(), lane);
        }
    }
}
