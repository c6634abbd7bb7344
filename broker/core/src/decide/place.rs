//! Where a case may go, and which reviews it must pass.
//!
//! ```text
//!   referral  up, lateral, out; never down      reviews: village → township; out → … → lead
//!   transfer  down or to the same tier          none
//!   consultation  anywhere else                 village → township; out → lead; readings none
//! ```
//!
//! Reviewers follow from the organisation tree, never from a level stated in a message. The
//! direction is a safety field: one that contradicts the tiers is refused, not corrected.

use tierlink_schemas::request::{ConsultationForm, Direction};
use tierlink_schemas::{Family, OrganisationCode, Tier};

use crate::county::County;
use crate::rule::Rule;

/// The direction of a referral from `origin` to `target`; `None` if the origin is no longer a
/// member of the county.
pub(super) fn direction(
    county: &County,
    origin: &OrganisationCode,
    target: &OrganisationCode,
) -> Result<Option<Direction>, Rule> {
    let to = county.member(target).ok_or(Rule::UnknownTarget)?;
    let Some(from) = county.member(origin) else {
        return Ok(None);
    };
    if to.tier < from.tier {
        return Err(Rule::Downwards);
    }
    Ok(Some(if to.outside && !from.outside {
        Direction::Out
    } else if to.tier > from.tier {
        Direction::Up
    } else {
        Direction::Lateral
    }))
}

/// Whether a case of `family` may go from `origin` to `target`; returns the direction
/// of a referral.
pub(super) fn may_go(
    county: &County,
    family: Family,
    origin: &OrganisationCode,
    target: &OrganisationCode,
) -> Result<Option<Direction>, Rule> {
    let to = county.member(target).ok_or(Rule::UnknownTarget)?;
    if target == origin {
        return Err(Rule::TargetIsOrigin);
    }
    match family {
        Family::Referral => direction(county, origin, target),
        Family::Transfer if county.member(origin).is_some_and(|from| to.tier > from.tier) => {
            Err(Rule::Upwards)
        }
        Family::Transfer
        | Family::Consultation
        | Family::Slot
        | Family::Status
        | Family::Receipt => Ok(None),
    }
}

/// Whether the target is outside the county, so that the lead hospital must review the case.
pub(super) fn leads_out(
    county: &County,
    origin: &OrganisationCode,
    target: &OrganisationCode,
) -> bool {
    county.member(target).is_some_and(|to| to.outside)
        && county.member(origin).is_some_and(|from| !from.outside)
}

/// The organisations that must review a case from `origin` to `target`, in order,
/// whatever its priority.
pub(super) fn reviews(
    county: &County,
    family: Family,
    form: ConsultationForm,
    origin: &OrganisationCode,
    target: &OrganisationCode,
) -> Vec<OrganisationCode> {
    let mut chain = match family {
        Family::Referral => below_target(county, origin, target),
        Family::Consultation if form != ConsultationForm::Reading => township(county, origin),
        Family::Consultation
        | Family::Transfer
        | Family::Slot
        | Family::Status
        | Family::Receipt => Vec::new(),
    };
    let reviewed = match family {
        Family::Referral => true,
        Family::Consultation => form != ConsultationForm::Reading,
        Family::Transfer | Family::Slot | Family::Status | Family::Receipt => false,
    };
    if let Some(lead) = &county.lead
        && reviewed
        && leads_out(county, origin, target)
    {
        chain.retain(|reviewer| reviewer != lead);
        chain.push(lead.clone());
    }
    chain.retain(|reviewer| reviewer != origin && reviewer != target);
    chain
}

/// The organisations above the origin and below the target.
fn below_target(
    county: &County,
    origin: &OrganisationCode,
    target: &OrganisationCode,
) -> Vec<OrganisationCode> {
    let Some(to) = county.member(target) else {
        return Vec::new();
    };
    let mut chain = county.above(origin);
    chain.retain(|code| {
        county.member(code).is_some_and(|above| above.tier < to.tier && !above.outside)
    });
    chain
}

/// The township health centre above a village clinic.
fn township(county: &County, origin: &OrganisationCode) -> Vec<OrganisationCode> {
    let Some(from) = county.member(origin).filter(|from| from.tier == Tier::Village) else {
        return Vec::new();
    };
    from.parent.iter().filter(|parent| county.member(parent).is_some()).cloned().collect()
}
