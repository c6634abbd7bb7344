//! Opening a case: which organisations may be asked, whose reviews come first, and the parent case.

use tierlink_schemas::message::Context;
use tierlink_schemas::{Body, CaseNumber, Family, Message, Priority};

use super::ask::Ask;
use super::change::Change;
use super::draft::Draft;
use super::stated::{WholeRequest, whole_request};
use super::{experts, outgoing, place};
use crate::access;
use crate::bodies::no_request;
use crate::case::{Case, State, Terms};
use crate::find;
use crate::routing;
use crate::rule::{Refused, Rule};
use crate::{consultation, referral, transfer};
use tierlink_schemas::request::{ConsultationForm, Direction};

/// Opens the case that `message` requests.
pub(super) fn open(ask: &Ask<'_>, message: Message) -> Result<Change, Refused> {
    let Some(request) = whole_request(&ask.message.body) else {
        return Err(Rule::NoSuchCase.refuse());
    };
    let author = &ask.message.source.organisation;
    let family = message.kind().family();
    let priority = message.priority.ok_or_else(|| Rule::NoPriority.refuse())?;
    if request.from.organisation != *author {
        return Err(Rule::OtherName.refuse());
    }
    let direction = direction(ask, &request, family)?;
    let parent = parent(ask, family)?;
    let experts = request.experts(ask.county)?;

    let case = blank(ask, &request, family, priority, direction, parent)?;
    let mut draft = Draft::new(ask, None, case, message);
    request.take_over(&mut draft);
    draft.case.experts = experts;
    let held = experts::hold_back(&mut draft);
    set_direction(&mut draft.message.body, direction);
    let target = &request.to.organisation;
    let out = held || place::leads_out(ask.county, author, target);
    draft.case.reviews = place::reviews(ask.county, family, request.form(), author, target, out);
    draft.case.reviews.retain(|reviewer| reviewer != author);
    if priority == Priority::Emergency {
        draft.skip_reviews();
    }
    draft.case.state = first_state(&draft.case, family);
    draft.finish()
}

/// Checks that the case may go to its target, and returns the direction of a referral. A stated
/// direction that contradicts the tiers is refused, because one of the two is wrong and only the
/// sender knows which.
pub(super) fn direction(
    ask: &Ask<'_>,
    request: &WholeRequest<'_>,
    family: Family,
) -> Result<Option<Direction>, Refused> {
    let origin = &request.from.organisation;
    let derived = place::may_go(ask.county, family, origin, &request.to.organisation)?;
    match (request.direction, derived) {
        (Some(stated), Some(derived)) if stated != derived => {
            Err(Rule::DirectionContradicts.refuse())
        }
        (stated, derived) => Ok(derived.or(stated)),
    }
}

/// Writes the direction into a referral that did not state one.
pub(super) fn set_direction(body: &mut Body, direction: Option<Direction>) {
    match body {
        Body::ReferralSubmit(b) | Body::ReferralAmend(b) => b.direction = direction,
        Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | no_request!() => {}
    }
}

/// The parent case. The author must have a part in it; otherwise the answer would reveal that
/// somebody else's case exists.
fn parent(ask: &Ask<'_>, family: Family) -> Result<Option<CaseNumber>, Refused> {
    let author = &ask.message.source.organisation;
    let named = !find::parent_keys(ask.message).is_empty();
    if !named {
        return match &ask.message.body {
            Body::TransferOffer(offer) if offer.no_referral_reason.is_none() => {
                Err(Rule::NoParentNamed.refuse())
            }
            Body::TransferOffer(_)
            | Body::ReferralSubmit(_)
            | Body::ReferralAmend(_)
            | Body::TransferAmend(_)
            | Body::ConsultationRequest(_)
            | Body::ConsultationAmend(_)
            | no_request!() => Ok(None),
        };
    }
    let parent = ask
        .parent
        .filter(|parent| access::sees(parent, author))
        .ok_or_else(|| Rule::NoSuchParent.refuse_at(parent_field(ask.message)))?;
    if family == Family::Transfer && parent.state.family() != Family::Referral {
        return Err(Rule::ParentNotReferral.refuse());
    }
    Ok(Some(parent.number.clone()))
}

/// The field in which the message names its parent.
fn parent_field(message: &Message) -> &'static str {
    match &message.body {
        Body::TransferOffer(offer) if offer.parent_referral.is_some() => "body.parent_referral",
        Body::ConsultationRequest(request) if request.parent.is_some() => "body.parent",
        Body::TransferOffer(_)
        | Body::ConsultationRequest(_)
        | Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::TransferAmend(_)
        | Body::ConsultationAmend(_)
        | no_request!() => "case.parent",
    }
}

/// The new case, before anything is decided about it.
fn blank(
    ask: &Ask<'_>,
    request: &WholeRequest<'_>,
    family: Family,
    priority: Priority,
    direction: Option<Direction>,
    parent: Option<CaseNumber>,
) -> Result<Case, Refused> {
    let message = ask.message;
    let letter = family.letter().ok_or_else(|| Rule::NoSuchCase.refuse())?;
    let year = ask.county.calendar.date(ask.now).year();
    let patient = message.body.patient().cloned().unwrap_or_default();
    Ok(Case {
        id: message.id,
        number: CaseNumber::build(letter, year, ask.counter),
        state: State::Referral(referral::State::Submitted),
        origin: request.from.organisation.clone(),
        target: request.to.organisation.clone(),
        reviews: Vec::new(),
        watchers: Vec::new(),
        past_targets: Vec::new(),
        priority,
        context: Context {
            patient,
            from: request.from.clone(),
            to: request.to.clone(),
            diagnoses: Vec::new(),
            appointment: None,
            direction,
        },
        numbers: Vec::new(),
        request: message.id,
        request_reply: outgoing::reply_to(message),
        request_system: routing::system_of_source(ask.county, &message.source),
        parent,
        terms: Terms::default(),
        experts: Vec::new(),
        bookings: Vec::new(),
        writer: None,
        critical: None,
        deadlines: Vec::new(),
        opened_at: ask.now,
        changed_at: ask.now,
        since: ask.now,
        events: 0,
    })
}

fn first_state(case: &Case, family: Family) -> State {
    let in_review = !case.reviews.is_empty();
    match family {
        Family::Transfer => State::Transfer(transfer::State::Offered),
        Family::Consultation if in_review => State::Consultation(consultation::State::InReview),
        Family::Consultation => State::Consultation(match case.terms.form {
            ConsultationForm::Reading => consultation::State::Uploaded,
            ConsultationForm::Interactive | ConsultationForm::Offline => {
                consultation::State::Dispatched
            }
        }),
        Family::Referral | Family::Slot | Family::Status | Family::Receipt => {
            State::Referral(if in_review {
                referral::State::InReview
            } else {
                referral::State::Submitted
            })
        }
    }
}
