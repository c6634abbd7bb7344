//! Which organisations are told of an event: origin, target, reviewer, watchers, and the target
//! that the case has just left.
//!
//! ```text
//!   told before    told after       gets
//!        yes           yes          the message
//!        no            yes          the request, restated: it knows nothing yet
//!        yes           no           the message, once: the case has left it
//! ```
//!
//! The author never hears its own. While a case is in review its target and its experts hear
//! nothing, and neither does an expert of another county who was added later, until a review of its
//! own: patient data goes no further than the review has let it (`access`).
//!
//! The system of an organisation is chosen here too: the one that takes the message's kind, else
//! the one that takes its service, else the default one. So everything about one case goes to one
//! system, unless a profile names single kinds.
//!
//! `audience` and `route` look at neither kinds nor states: only at the parts
//! that organisations have.

use tierlink_schemas::message::Source;
use tierlink_schemas::{Body, Family, Kind, Message, OrganisationCode, SystemName};

use crate::access;
use crate::case::{Case, State};
use crate::county::{County, Member, System};
use crate::traffic::{Service, Traffic};

/// What an organisation is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The message itself.
    Message,
    /// The request, restated, because the organisation was not told of the case before.
    Request,
}

/// An organisation and what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The organisation that is told.
    pub to: OrganisationCode,
    /// What it is sent.
    pub what: What,
}

/// Every organisation that is told of the case in its present state, each once.
#[must_use]
pub fn audience(case: &Case) -> Vec<OrganisationCode> {
    let mut hears: Vec<OrganisationCode> = Vec::new();
    let mut add = |organisation: &OrganisationCode| {
        if !hears.contains(organisation) {
            hears.push(organisation.clone());
        }
    };
    add(&case.origin);
    if access::is_released(case) {
        add(&case.target);
    }
    access::asked_experts(case).for_each(|asked| add(&asked.expert.organisation));
    access::reviewers(case).for_each(&mut add);
    case.watchers.iter().for_each(add);
    hears
}

/// Who is sent what when `author` changed a case from `before` to `after`.
///
/// A message that opens a case is the request itself, so nothing is restated then.
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

/// The system of `to` that receives `message` about `case`; `None` is its default system.
#[must_use]
pub fn system(
    county: &County,
    to: &OrganisationCode,
    message: &Message,
    case: &Case,
) -> Option<SystemName> {
    system_of(county.member(to)?, message.kind(), service_of_case(case))
}

/// The system of `member` that takes messages of `kind` about `service`; `None` is
/// its default system.
#[must_use]
pub fn system_of(member: &Member, kind: Kind, service: Service) -> Option<SystemName> {
    let takes = |traffic| member.systems.iter().find(|system| system.takes.contains(&traffic));
    let system = takes(Traffic::Kind(kind))
        .or_else(|| takes(Traffic::Service(service)))
        .or_else(|| takes(Traffic::Service(service.wider()?)))?;
    (!system.is_default).then(|| system.name.clone())
}

/// The system that sent a message; `None` is the default system of its organisation.
#[must_use]
pub fn system_of_source(county: &County, source: &Source) -> Option<SystemName> {
    let system = county.member(&source.organisation)?.system(source.system.as_deref()?)?;
    (!system.is_default).then(|| system.name.clone())
}

/// Whether `system` may send messages of `kind` about `service`.
#[must_use]
pub fn gives(system: &System, kind: Kind, service: Option<Service>) -> bool {
    let Some(service) = service else { return true };
    let wider = service.wider().map(Traffic::Service);
    let named = [Some(Traffic::Kind(kind)), Some(Traffic::Service(service)), wider];
    system.gives.is_empty() || named.iter().flatten().any(|it| system.gives.contains(it))
}

/// The service that a case belongs to.
#[must_use]
pub const fn service_of_case(case: &Case) -> Service {
    match case.state {
        State::Referral(_) => Service::Referral,
        State::Transfer(_) => Service::Transfer,
        State::Consultation(_) => Service::of_reading(case.terms.modality),
    }
}

/// The service of a message about `case`; `None` for a query or a receipt without a case.
#[must_use]
pub fn service_of(message: &Message, case: Option<&Case>) -> Option<Service> {
    if let Some(case) = case.filter(|_| !message.kind().opens()) {
        return Some(service_of_case(case));
    }
    match message.kind().family() {
        Family::Referral => Some(Service::Referral),
        Family::Transfer => Some(Service::Transfer),
        Family::Consultation => {
            let request = if let Body::ConsultationRequest(request) = &message.body {
                request.reading.as_ref()
            } else {
                None
            };
            Some(Service::of_reading(request.map(|reading| reading.modality)))
        }
        Family::Slot => Some(Service::Slot),
        Family::Status | Family::Receipt => None,
    }
}
