//! Completes outgoing messages with case, context and reply, and restates requests for
//! organisations that were not told of the case before.
//!
//! A receiver must understand a message without asking back, so each one carries the patient and
//! the clinical subject. A restated request keeps the origin as its source: it is still the
//! origin's request, for another target.

use jiff::Timestamp;
use tierlink_schemas::answer::StatusReport;
use tierlink_schemas::message::{CaseRef, ReplyTo, SCHEMA_VERSION, Source};
use tierlink_schemas::{Body, Message, OrganisationCode};
use uuid::Uuid;

use crate::bodies::no_request;
use crate::case::{Case, State};
use crate::{consultation, referral, transfer};

/// The reference by which the sender recognises its message in answers to it.
pub(crate) fn reply_to(message: &Message) -> ReplyTo {
    ReplyTo {
        id: Some(message.id),
        organisation: Some(message.source.organisation.clone()),
        message_id: Some(message.source.message_id.clone()),
    }
}

/// The case reference of outgoing messages, with all known numbers.
fn case_ref(case: &Case) -> CaseRef {
    CaseRef {
        id: Some(case.id),
        number: Some(case.number.clone()),
        numbers: case.numbers.clone(),
        unassigned: Vec::new(),
        state: Some(case.state.as_str().to_owned()),
        parent: case.parent.clone(),
    }
}

/// Completes a message about `case`. `answers` is the request that it answers, as it was before.
pub(crate) fn complete(
    message: &mut Message,
    case: &Case,
    answers: Option<ReplyTo>,
    destinations: Vec<OrganisationCode>,
    now: Timestamp,
) {
    SCHEMA_VERSION.clone_into(&mut message.schema);
    message.case = case_ref(case);
    message.received_at = Some(now);
    message.priority = Some(case.priority);
    message.in_reply_to = answers;
    message.destinations = destinations;
    // The subject served to compare with the case; receivers read the patient from the context.
    message.subject = None;
    // A request states the context itself.
    message.context = (!message.kind().states_request()).then(|| case.context.clone());
}

/// The last request with a new destination; `None` if `request` is none of the case's family.
pub(crate) fn restate(
    request: &Message,
    case: &Case,
    caused_by: Uuid,
    id: Uuid,
) -> Option<Message> {
    if request.kind().family() != case.state.family() {
        return None;
    }
    let body = match request.body.clone() {
        Body::ReferralSubmit(mut b) | Body::ReferralAmend(mut b) => {
            b.to.clone_from(&case.context.to);
            b.direction = case.context.direction;
            Body::ReferralSubmit(b)
        }
        Body::TransferOffer(mut b) | Body::TransferAmend(mut b) => {
            b.to.clone_from(&case.context.to);
            Body::TransferOffer(b)
        }
        Body::ConsultationRequest(mut b) | Body::ConsultationAmend(mut b) => {
            b.to.clone_from(&case.context.to);
            Body::ConsultationRequest(b)
        }
        no_request!() => return None,
    };
    let mut message = Message::new(id, request.source.clone(), request.occurred_at, body);
    message.extras.clone_from(&request.extras);
    message.trace.clone_from(&request.trace);
    message.caused_by = Some(caused_by);
    Some(message)
}

/// The organisation that must act on the case now.
pub(crate) fn holder(case: &Case) -> &OrganisationCode {
    let waits_for_origin = match &case.state {
        State::Referral(state) => *state == referral::State::Returned,
        State::Transfer(state) => *state == transfer::State::Declined,
        State::Consultation(state) => match state {
            consultation::State::Returned
            | consultation::State::Recollect
            | consultation::State::Declined => true,
            consultation::State::InReview
            | consultation::State::Dispatched
            | consultation::State::Accepted
            | consultation::State::Scheduled
            | consultation::State::InSession
            | consultation::State::OpinionIssued
            | consultation::State::Uploaded
            | consultation::State::Claimed
            | consultation::State::Written
            | consultation::State::Reported
            | consultation::State::Acknowledged
            | consultation::State::Closed
            | consultation::State::NoShow
            | consultation::State::Cancelled
            | consultation::State::Expired => false,
        },
    };
    if waits_for_origin {
        return &case.origin;
    }
    case.reviews.first().unwrap_or(&case.target)
}

/// A status report by the broker.
pub(crate) fn report(
    case: &Case,
    broker: &OrganisationCode,
    id: Uuid,
    now: Timestamp,
) -> (Message, StatusReport) {
    let body = StatusReport {
        state: case.state.as_str().to_owned(),
        with: Some(holder(case).clone()),
        since: Some(case.since),
        appointment: case.context.appointment.clone(),
        overdue: None,
        escalation: None,
        clock_in_doubt: None,
    };
    let source = Source { organisation: broker.clone(), system: None, message_id: id.to_string() };
    (Message::new(id, source, now, Body::StatusReport(body.clone())), body)
}
