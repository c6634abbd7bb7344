//! The entry point of the core: decides what a message means for its case.
//!
//! ```text
//!   sender known? ─▶ sees the case? ─▶ same patient? ─▶ its role may say it?
//!        R001             R002             R018               R020–R029
//!                    ─▶ the state allows it? ─▶ content fits?
//!                            R030–R059            R060–R079
//! ```
//!
//! The caller has looked everything up; this only decides. Access is checked before role and state,
//! so a stranger learns nothing from the order of refusals: each case of others looks like one that
//! does not exist.
//!
//! Not checked here: reason codes and the form of fields. `tierlink_schemas::check` has done that.

mod ask;
pub(crate) mod bookings;
pub(crate) mod change;
mod consultation;
mod draft;
mod experts;
mod moves;
mod open;
pub(crate) mod outgoing;
mod place;
mod referral;
mod stated;
mod transfer;

use tierlink_schemas::answer::StatusReport;
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Family, Kind, Message};

use crate::access::{self, Asker, Part, part_of, role_of};
use crate::bodies::{consultation_later, no_request, referral_later, transfer_later};
use crate::case::{Booking, Case, State};
use crate::routing;
use crate::rule::Rule;
use crate::subject::{self, Stated};

pub use crate::rule::Refused;
pub use ask::{Ask, Decision, SlotUse};
pub use bookings::SESSION_LASTS_MAX;
pub use change::{Change, Dispatch, Event};
pub use consultation::act as consultation_act;
pub use draft::{EVENTS_MAX, NUMBERS_MAX, TARGETS_MAX};
pub use referral::act as referral_act;
pub use stated::EXPERTS_MAX;
pub use transfer::act as transfer_act;

/// Whether deciding on this kind may need [`Ask::request`], because an organisation without
/// knowledge of the case may have to be told.
#[must_use]
pub const fn needs_request(kind: Kind) -> bool {
    match kind {
        Kind::ReferralReview
        | Kind::ConsultationReview
        | Kind::ReferralRedirect
        | Kind::TransferRedirect
        | Kind::ReferralSchedule
        | Kind::ConsultationSchedule => true,
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => false,
    }
}

/// The experts and rooms that `message` would book. The store finds which of them another case has
/// booked, for [`Ask::taken`]. `case` is the case that the message names, if there is one.
#[must_use]
pub fn wanted_bookings(message: &Message, case: Option<&Case>) -> Vec<Booking> {
    let family = case.map_or(message.kind().family(), |case| case.state.family());
    if family != Family::Consultation {
        return Vec::new();
    }
    let author = &message.source.organisation;
    let session =
        message.body.appointment().and_then(|given| Some((given, bookings::session(given)?)));
    session.map_or_else(Vec::new, |(given, times)| bookings::wanted(given, &times, author, case))
}

/// Decides what a message means for its case.
#[must_use]
pub fn decide(ask: &Ask<'_>) -> Decision {
    judge(ask).unwrap_or_else(Decision::Refused)
}

fn judge(ask: &Ask<'_>) -> Result<Decision, Refused> {
    let message = ask.message;
    let author = &message.source.organisation;
    if ask.county.member(author).is_none() {
        return Err(Rule::UnknownSender.refuse());
    }
    // From here on, a case that the author may not see is the same as no case.
    let case = ask.case.filter(|case| access::sees(case, author));
    may_give(ask, case)?;
    same_patient(message, case)?;
    match &message.body {
        Body::SlotPublish(_) | Body::SlotWithdraw(_) => Ok(Decision::Noted),
        Body::StatusReport(_) | Body::Receipt(_) => Err(Rule::NotForSenders.refuse()),
        Body::StatusQuery(_) => {
            let case = case.ok_or_else(|| Rule::NoSuchCase.refuse())?;
            Ok(Decision::Answered(Box::new(answer(ask, case))))
        }
        Body::ReferralSubmit(_) | Body::TransferOffer(_) | Body::ConsultationRequest(_) => {
            match case {
                None => Ok(changed(open::open(ask, message.clone())?)),
                Some(case) => reopened(ask, case),
            }
        }
        Body::ReferralAmend(_)
        | Body::TransferAmend(_)
        | Body::ConsultationAmend(_)
        | referral_later!()
        | transfer_later!()
        | consultation_later!() => {
            let case = case.ok_or_else(|| Rule::NoSuchCase.refuse())?;
            Ok(changed(existing(ask, case, in_family(ask, case)?)?))
        }
    }
}

/// Refuses what the sending system may not send, if its profile lists what it sends.
fn may_give(ask: &Ask<'_>, case: Option<&Case>) -> Result<(), Refused> {
    let source = &ask.message.source;
    let member = ask.county.member(&source.organisation);
    let system = member.zip(source.system.as_deref()).and_then(|(it, name)| it.system(name));
    let gives = system.is_none_or(|system| {
        routing::gives(system, ask.message.kind(), routing::service_of(ask.message, case))
    });
    if gives { Ok(()) } else { Err(Rule::NotGiven.refuse()) }
}

/// Refuses a message whose patient is certainly another one than the case's.
///
/// Not for a message that opens a case, or that reuses the number of an ended one: those state the
/// patient of the new case.
fn same_patient(message: &Message, case: Option<&Case>) -> Result<(), Refused> {
    let Some(patient) = &message.subject else {
        return Ok(());
    };
    let author = &message.source.organisation;
    let opens = message.kind().opens();
    let ours = match case.filter(|case| !opens || !case.state.is_terminal()) {
        Some(case) => Some(Stated { patient: &case.context.patient, by: &case.origin }),
        None => message.body.patient().map(|patient| Stated { patient, by: author }),
    };
    let theirs = Stated { patient, by: author };
    if ours.is_some_and(|ours| subject::contradict(ours, theirs)) {
        return Err(Rule::AnotherPatient.refuse());
    }
    Ok(())
}

fn changed(change: Change) -> Decision {
    Decision::Changed(Box::new(change))
}

/// Handles an opening message that names an existing case: the origin submits again what was
/// returned. The number of any other open case is refused; that of an ended case may be reused.
fn reopened(ask: &Ask<'_>, case: &Case) -> Result<Decision, Refused> {
    if case.state.is_terminal() {
        return Ok(changed(open::open(ask, ask.message.clone())?));
    }
    let same = ask.message.kind().family() == case.state.family();
    let returned = match &case.state {
        State::Referral(state) => *state == crate::referral::State::Returned,
        State::Consultation(state) => *state == crate::consultation::State::Returned,
        State::Transfer(state) => *state == crate::transfer::State::Declined,
    };
    if !(same && returned && case.origin == ask.message.source.organisation) {
        return Err(Rule::AlreadyOpen.refuse());
    }
    let mut message = ask.message.clone();
    let body = match message.body.clone() {
        Body::ReferralSubmit(b) => Body::ReferralAmend(b),
        Body::TransferOffer(b) => Body::TransferAmend(b),
        Body::ConsultationRequest(b) => Body::ConsultationAmend(b),
        body @ (Body::ReferralAmend(_)
        | Body::TransferAmend(_)
        | Body::ConsultationAmend(_)
        | no_request!()) => body,
    };
    message.set_body(body);
    Ok(changed(existing(ask, case, message)?))
}

/// Reads the message as one of the case's family. Only if its format does not state the family: a
/// stated family that differs is a mistake by one of the two sides and is refused.
fn in_family(ask: &Ask<'_>, case: &Case) -> Result<Message, Refused> {
    let family = case.state.family();
    let message = ask.message.clone();
    if message.kind().family() == family {
        return Ok(message);
    }
    if ask.family_stated {
        return Err(Rule::WrongFamily.refuse());
    }
    let reads = case.terms.form == ConsultationForm::Reading;
    if let (true, Family::Consultation, Body::ReferralFeedback(told)) =
        (reads, family, message.body.clone())
    {
        let mut message = message;
        message.set_body(Body::ConsultationReport(told.into()));
        return Ok(message);
    }
    message.adapted(family).map_err(|_| Rule::WrongFamily.refuse())
}

fn existing(ask: &Ask<'_>, case: &Case, message: Message) -> Result<Change, Refused> {
    let role = role_of(case, &ask.message.source.organisation, message.kind());
    let mut draft = draft::Draft::new(ask, Some(case), case.clone(), message);
    match &case.state {
        State::Referral(state) => referral::apply(&mut draft, *state, role)?,
        State::Transfer(state) => transfer::apply(&mut draft, *state, role)?,
        State::Consultation(state) => consultation::apply(&mut draft, *state, role)?,
    }
    draft.finish()
}

/// Answers a status query. A target that the case has left is told only that.
fn answer(ask: &Ask<'_>, case: &Case) -> Message {
    let asker = &ask.message.source.organisation;
    let (mut message, mut report) =
        outgoing::report(case, &ask.county.broker, ask.second_message_id, ask.now);
    let answers = Some(outgoing::reply_to(ask.message));
    outgoing::complete(&mut message, case, answers, vec![asker.clone()], ask.now);
    message.caused_by = Some(ask.message.id);
    message.priority = Some(access::priority(case, Asker::Organisation(asker)));
    if let Part::PastTarget { until } = part_of(case, asker) {
        report = StatusReport {
            state: "redirected".to_owned(),
            with: None,
            since: Some(until),
            appointment: None,
            ..report
        };
        message.case.state = Some(report.state.clone());
        message.case.numbers.retain(|number| number.organisation == *asker);
        message.case.parent = None;
        message.context = None;
        message.set_body(Body::StatusReport(report));
    }
    message
}
