//! Whether a case had been let go to whoever hears or reads of it: told from its history and from
//! the county alone, without asking the code that decides it.
//!
//! The rule: the organisations above a village stand between it and where its case goes, and the
//! lead hospital stands between the county and everything outside. Each must have let the case go
//! since it was named, unless the case is an emergency. Whoever knows a case never unlearns it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tierlink_core::Change;
use tierlink_core::access::{Asker, View, view};
use tierlink_core::county::County;
use tierlink_core::decide::Event;
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Family, Kind, OrganisationCode, Priority, Tier};

use crate::world::*;

/// What the history of a case says about who was let hear of it.
#[derive(Default)]
struct Told {
    /// Who may know of the case.
    may: BTreeSet<OrganisationCode>,
    /// Whoever is named as target or expert, with who named it and in which event.
    named: BTreeMap<OrganisationCode, (OrganisationCode, u32)>,
    /// When each organisation last let the case go on.
    let_go: BTreeMap<OrganisationCode, u32>,
}

impl Told {
    fn follow(&mut self, county: &County, change: &Change) {
        let (case, event) = (&change.case, &change.event);
        let author = event.by.clone();
        self.may.insert(case.origin.clone());
        self.may.extend(case.reviews.first().cloned());
        if case.reviews.is_empty() {
            self.may.extend(case.experts.iter().filter_map(|e| Some(e.held.as_ref()?.by.clone())));
        }
        if lets_go(event) || author == case.origin {
            self.let_go.insert(author.clone(), event.number);
        }
        let experts = case.experts.iter().map(|asked| &asked.expert.organisation);
        let now: BTreeSet<OrganisationCode> = experts.chain([&case.target]).cloned().collect();
        self.named.retain(|who, _| now.contains(who));
        for who in &now {
            self.named.entry(who.clone()).or_insert_with(|| (author.clone(), event.number));
        }
        for who in &now {
            if self.is_let_go(county, change, who) {
                self.may.insert(who.clone());
            }
        }
        // Those who were passed over in an emergency, and the lead hospital that is called for help
        // with a case that others know already.
        if case.priority == Priority::Emergency {
            self.may.extend(case.watchers.iter().cloned());
        }
        if event.kind == Kind::StatusReport && self.may.contains(&case.target) {
            self.may.extend(county.lead.clone());
        }
    }

    fn is_let_go(&self, county: &County, change: &Change, who: &OrganisationCode) -> bool {
        let case = &change.case;
        if case.priority == Priority::Emergency || *who == case.origin {
            return true;
        }
        let Some((by, since)) = self.named.get(who) else { return false };
        let outside = |who: &OrganisationCode| county.member(who).unwrap().outside;
        let lead = county.lead.as_ref().unwrap();
        if outside(who) && !(outside(&case.origin) && outside(by)) {
            return by == lead || self.let_go.get(lead).is_some_and(|at| at >= since);
        }
        if *by != case.origin {
            return true;
        }
        let above = county.above(&case.origin);
        let target = county.member(&case.target).unwrap();
        let mut between = above.iter().filter(|it| match case.state.family() {
            Family::Referral => county.member(it).unwrap().tier < target.tier,
            Family::Consultation => {
                case.terms.form != ConsultationForm::Reading
                    && county.member(&case.origin).unwrap().tier == Tier::Village
                    && county.member(it).unwrap().tier == Tier::Township
            }
            Family::Transfer | Family::Slot | Family::Status | Family::Receipt => false,
        });
        between.all(|it| it == who || *it == case.target || self.let_go.contains_key(it))
    }
}

/// Whether the event is a reviewer's that lets the case go on. Giving it back does not.
fn lets_go(event: &Event) -> bool {
    [
        Kind::ReferralReview,
        Kind::ReferralRedirect,
        Kind::ConsultationReview,
        Kind::ConsultationSchedule,
    ]
    .contains(&event.kind)
}

/// Follows the case of `change`, which is the last of its changes, and asks who hears and reads.
pub fn nobody_hears_or_reads_before_the_review_let_it_go(
    world: &World,
    change: &Change,
) -> Result<(), TestCaseError> {
    let mut told = Told::default();
    for earlier in world.history.iter().filter(|earlier| earlier.case.id == change.case.id) {
        if earlier.event.number <= change.event.number {
            told.follow(&world.county, earlier);
        }
    }
    for dispatch in &change.dispatches {
        prop_assert!(told.may.contains(&dispatch.to), "{} hears of it too early", dispatch.to);
    }
    for who in EVERYBODY.map(org) {
        let sees = view(&change.case, Asker::Organisation(&who)) != View::Nothing;
        prop_assert!(!sees || told.may.contains(&who), "{who} sees it too early");
    }
    Ok(())
}
