//! The organisations of the county: tiers, parents, and the names that messages use for them.

use std::collections::HashMap;

use tierlink_schemas::{OrganisationCode, Tier};

/// An organisation, from the county's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its code in this county.
    pub code: OrganisationCode,
    /// Its Chinese name.
    pub name: String,
    /// Its English name, if any.
    pub name_en: Option<String>,
    /// Its tier: village, township, county, city or province.
    pub tier: Tier,
    /// The organisation above it in the consortium (医共体); `None` at the top.
    pub parent: Option<OrganisationCode>,
    /// Whether it is outside the county. Cases to it are reviewed by the lead hospital first.
    pub outside: bool,
    /// Other names that messages use for it: MSH-4 facilities, FHIR identifiers, old codes.
    pub aliases: Vec<String>,
}

/// All organisations of the configuration. Empty without one, as in offline translation.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    by_code: HashMap<OrganisationCode, Organisation>,
    by_name: HashMap<String, OrganisationCode>,
    lead: Option<OrganisationCode>,
}

impl Directory {
    /// Builds the directory. `lead` is the lead hospital (牵头医院) of the county.
    ///
    /// Names are compared without regard to ASCII case. An alias that two organisations share finds
    /// neither, because the recipient must never be guessed.
    #[must_use]
    pub fn new(organisations: Vec<Organisation>, lead: Option<OrganisationCode>) -> Self {
        let mut by_name: HashMap<String, Option<OrganisationCode>> = HashMap::new();
        for organisation in &organisations {
            let names = std::iter::once(organisation.code.as_str())
                .chain(organisation.aliases.iter().map(String::as_str));
            for name in names {
                by_name
                    .entry(name.to_ascii_lowercase())
                    .and_modify(|held| {
                        if held.as_ref() != Some(&organisation.code) {
                            *held = None;
                        }
                    })
                    .or_insert_with(|| Some(organisation.code.clone()));
            }
        }
        let by_name =
            by_name.into_iter().filter_map(|(name, code)| code.map(|code| (name, code))).collect();
        let by_code = organisations.into_iter().map(|o| (o.code.clone(), o)).collect();
        Self { by_code, by_name, lead }
    }

    /// Whether there is no configuration. Unknown organisations are then reported and not refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }

    /// Finds an organisation by its code.
    #[must_use]
    pub fn get(&self, code: &OrganisationCode) -> Option<&Organisation> {
        self.by_code.get(code)
    }

    /// Finds the organisation that a message calls `name`, by code or alias.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&Organisation> {
        self.by_name.get(&name.trim().to_ascii_lowercase()).and_then(|code| self.by_code.get(code))
    }

    /// The code of the lead hospital.
    #[must_use]
    pub fn lead(&self) -> Option<&OrganisationCode> {
        self.lead.as_ref()
    }

    /// The tier of an organisation; `None` if it is unknown.
    #[must_use]
    pub fn tier(&self, code: &OrganisationCode) -> Option<Tier> {
        self.get(code).map(|o| o.tier)
    }

    /// All organisations, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Organisation> {
        self.by_code.values()
    }
}
