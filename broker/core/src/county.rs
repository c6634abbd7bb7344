//! The county as the core sees it: organisations, their hierarchy, and the configured rules.

use std::collections::{BTreeSet, HashMap};

use tierlink_schemas::calendar::Calendar;
use tierlink_schemas::{OrganisationCode, SystemName, Tier};

use crate::deadline::limits::TimeLimits;
use crate::traffic::Traffic;

/// An organisation of the county.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its tier: village, township, county, city or province.
    pub tier: Tier,
    /// The organisation above it in the consortium; `None` at the top.
    pub parent: Option<OrganisationCode>,
    /// Whether it is outside the county.
    pub outside: bool,
    /// Its systems. Empty if it has a single one, which sends and receives everything.
    pub systems: Vec<System>,
}

impl Member {
    /// Finds a system by its name.
    #[must_use]
    pub fn system(&self, name: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.name.as_str() == name)
    }
}

/// One of several systems of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name within the organisation.
    pub name: SystemName,
    /// Whether it receives what no other system takes. Exactly one system does.
    pub is_default: bool,
    /// What it sends. Empty means everything.
    pub gives: BTreeSet<Traffic>,
    /// What it receives, apart from what the default system gets.
    pub takes: BTreeSet<Traffic>,
}

/// Everything about the county that decisions depend on.
#[derive(Clone, Debug)]
pub struct County {
    /// Every organisation, by its code.
    pub members: HashMap<OrganisationCode, Member>,
    /// The lead hospital (牵头医院), which reviews cases that leave the county.
    pub lead: Option<OrganisationCode>,
    /// The code that the broker uses as source of its own status reports and receipts.
    pub broker: OrganisationCode,
    /// Holidays and opening hours.
    pub calendar: Calendar,
    /// Time limits of each step.
    pub limits: TimeLimits,
    /// Whether one person may write and audit an emergency reading. Off by default.
    pub one_person_emergency_reading: bool,
}

impl County {
    /// Finds an organisation by its code.
    #[must_use]
    pub fn member(&self, code: &OrganisationCode) -> Option<&Member> {
        self.members.get(code)
    }

    /// The organisations above `code`, nearest first. Stops at a loop in the configuration.
    #[must_use]
    pub fn above(&self, code: &OrganisationCode) -> Vec<OrganisationCode> {
        let mut chain: Vec<OrganisationCode> = Vec::new();
        let mut at = code;
        while let Some(parent) = self.member(at).and_then(|member| member.parent.as_ref()) {
            if parent == code || chain.contains(parent) {
                break;
            }
            chain.push(parent.clone());
            at = parent;
        }
        chain
    }
}
