//! What referrals, transfers and consultations share: amending, redirecting, reviewing,
//! appointments.

use tierlink_schemas::answer::{Appointment, Redirect, Unschedule};
use tierlink_schemas::person::{Coded, Party};
use tierlink_schemas::{Body, OrganisationCode, Priority};

use super::draft::Draft;
use super::open::set_direction;
use super::stated::whole_request;
use super::{experts, outgoing, place};
use crate::bodies::no_request;
use crate::routing;
use crate::rule::{Refused, Rule};
use crate::subject::{self, Stated};

/// Applies an amended request. `movable`: whether it may name another target now.
///
/// After a redirect the origin's system keeps naming the target that it knows. That is no request
/// to move the case back, so a past target is read as the present one.
pub(super) fn amend(draft: &mut Draft<'_>, movable: bool) -> Result<(), Refused> {
    let mut body = draft.message.body.clone();
    let Some(request) = whole_request(&body) else {
        return Err(Rule::WrongFamily.refuse());
    };
    if request.from.organisation != draft.case.origin {
        return Err(Rule::OtherName.refuse());
    }
    let by = &draft.case.origin;
    let before = Stated { patient: &draft.case.context.patient, by };
    if subject::becomes_another(before, Stated { patient: request.patient, by }) {
        return Err(Rule::AnotherPatient.refuse_at("body.patient"));
    }
    let named = request.to.organisation.clone();
    let stale = draft.case.past_targets.iter().any(|past| past.organisation == named);
    if named == draft.case.target {
        let derived = place_of(draft, &named)?;
        check_direction(request.direction, derived)?;
        draft.case.context.to = request.to.clone();
    } else if stale {
        draft.note("target_kept");
    } else if movable {
        let derived = place_of(draft, &named)?;
        check_direction(request.direction, derived)?;
        draft.move_to(request.to.clone(), None)?;
        draft.case.context.direction = derived;
        let chain = chain(draft, request.form());
        draft.case.reviews = chain;
    } else {
        return Err(Rule::AmendMovesTarget.refuse());
    }
    request.take_over(draft);
    draft.case.priority = draft.ask.message.priority.unwrap_or(draft.case.priority);
    draft.case.request = draft.message.id;
    draft.case.request_reply = outgoing::reply_to(&draft.message);
    draft.case.request_system = routing::system_of_source(draft.ask.county, &draft.message.source);
    set_direction(&mut body, draft.case.context.direction);
    set_target(&mut body, &draft.case.context.to);
    draft.message.set_body(body);
    if draft.case.priority == Priority::Emergency {
        draft.skip_reviews();
    }
    Ok(())
}

fn check_direction<T: PartialEq>(stated: Option<T>, derived: Option<T>) -> Result<(), Refused> {
    match stated.zip(derived) {
        Some((stated, derived)) if stated != derived => Err(Rule::DirectionContradicts.refuse()),
        Some(_) | None => Ok(()),
    }
}

/// The direction in which the case would go to `target`, or a refusal if it may not go there.
fn place_of(
    draft: &Draft<'_>,
    target: &OrganisationCode,
) -> Result<Option<tierlink_schemas::request::Direction>, Rule> {
    place::may_go(draft.ask.county, draft.case.state.family(), &draft.case.origin, target)
}

/// The reviews that remain: without the author's own, and each reviewer once.
fn chain(
    draft: &Draft<'_>,
    form: tierlink_schemas::request::ConsultationForm,
) -> Vec<OrganisationCode> {
    let (case, county) = (&draft.case, draft.ask.county);
    // Whoever sends it on counts beside the origin: a case from outside may not leave unseen either.
    let out = [&case.origin, draft.author()]
        .into_iter()
        .any(|from| place::leads_out(county, from, &case.target))
        || case.experts.iter().any(|asked| asked.held.is_some());
    let family = case.state.family();
    let mut chain = place::reviews(county, family, form, &case.origin, &case.target, out);
    let lead = county.lead.as_ref();
    chain.retain(|reviewer| {
        // Each way out of the county must be reviewed anew by the lead hospital.
        let anew = out && Some(reviewer) == lead;
        reviewer != draft.author() && (anew || !case.watchers.contains(reviewer))
    });
    chain
}

/// Has the lead hospital review a case that is in review already, for an expert outside the county.
pub(super) fn lead_reviews_last(draft: &mut Draft<'_>) {
    let lead = draft.ask.county.lead.as_ref();
    if let Some(lead) = lead.filter(|lead| !draft.case.reviews.contains(lead)) {
        draft.case.reviews.push(lead.clone());
    }
}

/// Sends the case to another target, for a reason.
pub(super) fn redirect(draft: &mut Draft<'_>, to: &Redirect) -> Result<(), Refused> {
    let party = party(&to.to, to.department.clone());
    let by_target = *draft.author() == draft.case.target;
    go_to(draft, party, Some(to.reason.clone()), "body.to")?;
    if by_target {
        // The reviews inside the county are done; only a way out needs another.
        let lead = draft.ask.county.lead.clone();
        draft.case.reviews.retain(|reviewer| Some(reviewer) == lead.as_ref());
    }
    emergency_skips(draft);
    Ok(())
}

/// Passes the review, and sends the case to another target if the reviewer names one.
pub(super) fn pass(draft: &mut Draft<'_>, to: Option<&OrganisationCode>) -> Result<(), Refused> {
    let author = draft.author().clone();
    draft.case.reviews.retain(|reviewer| *reviewer != author);
    experts::let_go(draft);
    draft.watch(author.clone());
    draft.case.terms.dispatcher = Some(author);
    if let Some(to) = to.filter(|to| **to != draft.case.target) {
        go_to(draft, party(to, None), None, "body.to")?;
    }
    emergency_skips(draft);
    Ok(())
}

fn emergency_skips(draft: &mut Draft<'_>) {
    if draft.case.priority == Priority::Emergency {
        draft.skip_reviews();
    }
}

fn go_to(
    draft: &mut Draft<'_>,
    party: Party,
    reason: Option<tierlink_schemas::answer::Reason>,
    field: &str,
) -> Result<(), Refused> {
    if party.organisation == draft.case.target {
        return Err(Rule::SameTarget.refuse());
    }
    let direction = place_of(draft, &party.organisation).map_err(|rule| rule.refuse_at(field))?;
    draft.move_to(party, reason)?;
    draft.case.context.direction = direction;
    let form = draft.case.terms.form;
    draft.case.reviews = chain(draft, form);
    Ok(())
}

fn party(organisation: &OrganisationCode, department: Option<Coded>) -> Party {
    Party { department, ..Party::of(organisation.clone()) }
}

/// Writes the target into a restated request, so that its reader is named in it.
fn set_target(body: &mut Body, to: &Party) {
    match body {
        Body::ReferralSubmit(b) | Body::ReferralAmend(b) => b.to.clone_from(to),
        Body::TransferOffer(b) | Body::TransferAmend(b) => b.to.clone_from(to),
        Body::ConsultationRequest(b) | Body::ConsultationAmend(b) => b.to.clone_from(to),
        no_request!() => {}
    }
}

/// Gives the case its appointment, if the slot that it names is not full.
pub(super) fn appoint(draft: &mut Draft<'_>, appointment: &Appointment) -> Result<(), Refused> {
    let before = draft.case.context.appointment.as_ref();
    let holds_it =
        appointment.slot.is_some() && before.is_some_and(|before| before.slot == appointment.slot);
    if let Some(slot) = draft.ask.slot
        && appointment.slot.is_some()
    {
        let others = slot.used.saturating_sub(u16::from(holds_it));
        if others >= slot.places {
            return Err(Rule::SlotFull.refuse());
        }
    }
    draft.case.context.appointment = Some(appointment.clone());
    draft.case.terms.time_asked_at = None;
    // The deadlines count from the new appointment.
    draft.restart = true;
    Ok(())
}

/// Cancels the appointment of the case, if it is the one that the message means. A system that
/// moves an appointment may give the new one first and cancel the old one then.
pub(super) fn take_back(draft: &mut Draft<'_>, cancelled: &Unschedule) -> Result<(), Refused> {
    let present = draft.case.context.appointment.clone().unwrap_or_default();
    let named = cancelled.appointment.clone().unwrap_or_default();
    let (differs, field) = match (&named.number, &present.number) {
        (Some(named), Some(present)) => (named.trim() != present.trim(), "body.appointment.number"),
        (Some(_), None) | (None, Some(_) | None) => {
            let starts = named.start.zip(present.start);
            (starts.is_some_and(|(named, present)| named != present), "body.appointment.start")
        }
    };
    if differs {
        return Err(Rule::AnotherAppointment.refuse_at(field));
    }
    // Whoever is told must see which time is free again, also where its sender named none.
    let told = if named == Appointment::default() {
        present
    } else {
        Appointment {
            number: named.number.or(present.number),
            start: present.start.or(named.start),
            end: present.end.or(named.end),
            ..named
        }
    };
    let mut body = cancelled.clone();
    body.appointment = Some(told);
    draft.message.set_body(Body::ReferralUnschedule(body));
    Ok(())
}
