//! The county as the core sees it: organisations, their tree, and the rules that are settings.

use std::collections::{BTreeSet, HashMap};

use tierlink_schemas::calendar::Calendar;
use tierlink_schemas::{OrganisationCode, SystemName, Tier};

use crate::deadline::limits::TimeLimits;
use crate::traffic::Traffic;

/// One organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it stands.
    pub tier: Tier,
    /// The organisation above it.
    pub parent: Option<OrganisationCode>,
    /// Whether it lies outside the county.
    pub outside: bool,
    /// Its systems. Empty: it has one, which gives and takes everything.
    pub systems: Vec<System>,
}

impl Member {
    /// The system with this name.
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
    /// Whether it takes what no other system takes. One of them does.
    pub is_default: bool,
    /// What it sends. Empty: everything.
    pub gives: BTreeSet<Traffic>,
    /// What it receives.
    pub takes: BTreeSet<Traffic>,
}

/// Everything about the county that a decision depends on.
#[derive(Clone, Debug)]
pub struct County {
    /// Every organisation.
    pub members: HashMap<OrganisationCode, Member>,
    /// The lead hospital (牵头医院), through which out-of-county cases pass.
    pub lead: Option<OrganisationCode>,
    /// The name under which the broker itself speaks, in status reports and receipts.
    pub broker: OrganisationCode,
    /// Holidays and opening hours.
    pub calendar: Calendar,
    /// How long each step may take.
    pub limits: TimeLimits,
    /// Whether the writer of a reading may audit it too, in an emergency (default: never).
    pub one_person_emergency_reading: bool,
}

impl County {
    /// The organisation with this code.
    #[must_use]
    pub fn member(&self, code: &OrganisationCode) -> Option<&Member> {
        self.members.get(code)
    }

    /// The organisations above `code`, nearest first. A loop in the configuration ends the walk.
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
