//! Where a case may go, and which reviews it must pass.
//!
//! ```text
//!   referral  up, lateral, out; never down      reviews: village → township; out → … → lead
//!   transfer  down or to the same tier          none; out of the county only from the lead
//!   consultation  anywhere else                 village → township; out → lead
//!   reading  anywhere else                      out → lead
//! ```
//!
//! "Out" is wherever patient data would leave the county: to the target or to any expert, from the
//! beginning or later.
//!
//! Authority follows the organisation tree, never a level that somebody wrote into a message. The
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
        // A transfer knows no review, so only whoever would review it may send it out.
        Family::Transfer if lead_over(county, origin, target).is_some() => {
            Err(Rule::TransferLeavesCounty)
        }
        Family::Transfer
        | Family::Consultation
        | Family::Slot
        | Family::Status
        | Family::Receipt => Ok(None),
    }
}

/// Whether what `from` sends leaves the county when it comes to `to`.
pub(super) fn leads_out(county: &County, from: &OrganisationCode, to: &OrganisationCode) -> bool {
    county.member(to).is_some_and(|to| to.outside)
        && county.member(from).is_some_and(|from| !from.outside)
}

/// The lead hospital, where it must let pass what `from` sends to `to`. What the lead hospital
/// sends itself it has let pass.
pub(super) fn lead_over<'a>(
    county: &'a County,
    from: &OrganisationCode,
    to: &OrganisationCode,
) -> Option<&'a OrganisationCode> {
    county.lead.as_ref().filter(|lead| *lead != from && leads_out(county, from, to))
}

/// Whose review a case must pass on its way from `origin` to `target`, in order, the priority left
/// aside; it may name whoever sends it. `out`: whether it leaves the county, by its target or by an
/// expert.
pub(super) fn reviews(
    county: &County,
    family: Family,
    form: ConsultationForm,
    origin: &OrganisationCode,
    target: &OrganisationCode,
    out: bool,
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
        Family::Referral | Family::Consultation => true,
        Family::Transfer | Family::Slot | Family::Status | Family::Receipt => false,
    };
    chain.retain(|reviewer| reviewer != origin && reviewer != target);
    // Also where the case itself goes to the lead hospital: its experts may lie outside.
    if let Some(lead) = &county.lead
        && reviewed
        && out
    {
        chain.retain(|reviewer| reviewer != lead);
        chain.push(lead.clone());
    }
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
    let inside = |parent: &OrganisationCode| county.member(parent).is_some_and(|it| !it.outside);
    from.parent.iter().filter(|parent| inside(parent)).cloned().collect()
}
