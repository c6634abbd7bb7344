//! Finds out which system of an organisation sent a message.
//!
//! The organisation is known already. How the message came in (transport, listener, address,
//! certificate, format) says which of its systems can have sent it; the name in the message (MSH-3,
//! `source.system`, `MessageHeader.source.name`) selects one of them.
//!
//! Who sent a message is a safety field: if it is ambiguous the message is refused, never guessed.

use crate::profile::{OrganisationProfile, Profile};

/// Why the sending system cannot be determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The message names a system of the organisation that may not send this way.
    NotHere,
    /// No system of the organisation that may send this way has that name.
    Nobody,
    /// Several systems are possible.
    Several,
}

impl OrganisationProfile {
    /// Finds the sending system among those for which `may` says that they may send this way.
    ///
    /// - An organisation with one system: always that system, whatever the message names.
    /// - A name: the system that has it as its name or its `format.application`.
    /// - No name, or an unknown one: the only system that may send this way; of several, the only
    ///   one without an application.
    pub fn speaker(
        &self,
        stated: Option<&str>,
        may: impl Fn(&Profile) -> bool,
    ) -> Result<&Profile, Unclear> {
        if let [only] = self.systems.as_slice() {
            return if may(only) { Ok(only) } else { Err(Unclear::Nobody) };
        }
        let called = |system: &&Profile| stated.is_some_and(|name| system.is_called(name));
        if self.systems.iter().any(|system| called(&system)) {
            let named = self.systems.iter().filter(called).filter(|system| may(system));
            return only(named, Unclear::NotHere);
        }
        let here = || self.systems.iter().filter(|system| !system.is_people() && may(system));
        if here().count() < 2 {
            return only(here(), Unclear::Nobody);
        }
        let unnamed = here().filter(|system| system.format.application.is_none());
        only(unnamed, Unclear::Several)
    }
}

fn only<'a>(
    mut systems: impl Iterator<Item = &'a Profile>,
    none: Unclear,
) -> Result<&'a Profile, Unclear> {
    match (systems.next(), systems.next()) {
        (Some(system), None) => Ok(system),
        (None, _) => Err(none),
        (Some(_), Some(_)) => Err(Unclear::Several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hospital(systems: &str) -> OrganisationProfile {
        let identity = "[organisation]\ncode = \"A\"\nname = \"A\"\ntier = \"county\"\n";
        OrganisationProfile::from_toml(&format!("{identity}{systems}")).unwrap()
    }

    fn three() -> OrganisationProfile {
        hospital(
            "[[systems]]\nname = \"his\"\ndefault = true\nformat.name = \"hl7v2\"\n\
             [[systems]]\nname = \"lis\"\nformat.name = \"hl7v2\"\nformat.application = \"LAB\"\n\
             [[systems]]\nname = \"ecg\"\nformat.name = \"json\"\n",
        )
    }

    fn hears(
        organisation: &OrganisationProfile,
        stated: Option<&str>,
        format: &str,
    ) -> Result<String, Unclear> {
        organisation
            .speaker(stated, |system| system.format.name == format)
            .map(|system| system.name.as_ref().map_or_else(String::new, ToString::to_string))
    }

    #[test]
    fn one_system_needs_no_name() {
        let flat = hospital("[format]\nname = \"hl7v2\"\napplication = \"HIS\"\n");

        assert_eq!(hears(&flat, Some("anything"), "hl7v2"), Ok(String::new()));
        assert_eq!(hears(&flat, None, "json"), Err(Unclear::Nobody));
    }

    #[test]
    fn a_stated_name_chooses() {
        assert_eq!(hears(&three(), Some("lab"), "hl7v2"), Ok("lis".to_owned()));
        assert_eq!(hears(&three(), Some("LIS"), "hl7v2"), Ok("lis".to_owned()));
        assert_eq!(hears(&three(), Some("HIS"), "hl7v2"), Ok("his".to_owned()));
        assert_eq!(hears(&three(), Some("ecg"), "json"), Ok("ecg".to_owned()));
    }

    #[test]
    fn without_a_known_name_the_only_one_is_meant() {
        assert_eq!(hears(&three(), None, "hl7v2"), Ok("his".to_owned()));
        assert_eq!(hears(&three(), Some("OLD"), "hl7v2"), Ok("his".to_owned()));
        assert_eq!(hears(&three(), Some("OLD"), "json"), Ok("ecg".to_owned()));
    }

    #[test]
    fn a_system_speaks_nowhere_else_than_where_it_may() {
        assert_eq!(hears(&three(), Some("ecg"), "hl7v2"), Err(Unclear::NotHere));
        assert_eq!(hears(&three(), Some("his"), "json"), Err(Unclear::NotHere));
        assert_eq!(hears(&three(), None, "fhir"), Err(Unclear::Nobody));
    }

    #[test]
    fn what_is_ambiguous_is_not_guessed() {
        let twins = hospital(
            "[[systems]]\nname = \"his\"\ndefault = true\nformat.name = \"json\"\n\
             [[systems]]\nname = \"ecg\"\nformat.name = \"json\"\n",
        );

        assert_eq!(hears(&twins, None, "json"), Err(Unclear::Several));
        assert_eq!(hears(&twins, Some("OLD"), "json"), Err(Unclear::Several));
        assert_eq!(hears(&twins, Some("ecg"), "json"), Ok("ecg".to_owned()));
    }
}
