//! Who hears of an event: origin, target, reviewer, watchers, and the target that it left.
//!
//! ```text
//!   heard before   heard after      gets
//!        yes           yes          the message
//!        no            yes          the request, restated: it knows nothing yet
//!        yes           no           the message, once: the case has left it
//! ```
//!
//! The author never hears its own. While a case is in review the target hears nothing: patient
//! data goes no further than the review has let it.
//!
//! This file knows no kinds of message and no states: only who stands where.

use tierlink_schemas::OrganisationCode;

use crate::case::Case;

/// What an organisation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The message itself.
    Message,
    /// The request, restated, because it has heard nothing of the case yet.
    Request,
}

/// Who is told what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub to: OrganisationCode,
    /// What.
    pub what: What,
}

/// Everybody who hears of the case as it stands, each once.
#[must_use]
pub fn audience(case: &Case) -> Vec<OrganisationCode> {
    let mut hears: Vec<OrganisationCode> = Vec::new();
    let mut add = |organisation: &OrganisationCode| {
        if !hears.contains(organisation) {
            hears.push(organisation.clone());
        }
    };
    add(&case.origin);
    if let Some(reviewer) = case.reviews.first() {
        add(reviewer);
    } else {
        add(&case.target);
        case.experts.iter().for_each(|asked| add(&asked.expert.organisation));
    }
    case.watchers.iter().for_each(add);
    hears
}

/// Who is told what when `author` changed a case from `before` to `after`.
///
/// The message that opens a case states the request itself, so nobody needs it restated.
#[must_use]
pub fn route(before: Option<&Case>, after: &Case, author: &OrganisationCode) -> Vec<Told> {
    let hears = audience(after);
    let heard = before.map(audience);
    let mut told: Vec<Told> = Vec::with_capacity(hears.len() + 1);
    for to in &hears {
        let knows = heard.as_ref().is_none_or(|heard| heard.contains(to));
        let what = if knows { What::Message } else { What::Request };
        told.push(Told { to: to.clone(), what });
    }
    for to in heard.into_iter().flatten().filter(|to| !hears.contains(to)) {
        told.push(Told { to, what: What::Message });
    }
    told.retain(|told| told.to != *author);
    told
}
