//! What each message changes in a consultation or a reading, beside the state.

use tierlink_schemas::answer::{Accept, Appointment, Audit, Recommendation, Report};
use tierlink_schemas::clinical::Observation;
use tierlink_schemas::request::ConsultationForm;
use tierlink_schemas::{Body, Priority};

use super::bookings;
use super::draft::Draft;
use super::experts;
use super::moves;
use super::stated::{EXPERTS_MAX, all_accepted, whole_request};
use crate::access;
use crate::bodies::{no_case, referral_later, transfer_later};
use crate::case::{self, AskedExpert, CriticalAlert};
use crate::consultation::{Act, State, step};
use crate::rule::{Refused, Role, Rule};

/// Applies the draft's message to a consultation in `state`.
///
/// Role and state are checked first, with a guess about reviews and other experts. That is enough,
/// because those decide only the next state and never whether the message is allowed.
pub(super) fn apply(draft: &mut Draft<'_>, state: State, role: Role) -> Result<(), Refused> {
    let form = draft.case.terms.form;
    let body = draft.message.body.clone();
    if let Some(next) = experts_reviewed(draft, state, role, &body)? {
        draft.case.state = case::State::Consultation(next);
        return Ok(());
    }
    let act = act(&body, true, false).ok_or_else(|| Rule::WrongFamily.refuse())?;
    step(state, act, role, form)?;
    change(draft, state, role, &body)?;
    let reviews_left = !draft.case.reviews.is_empty();
    let all = all_accepted(&draft.case.experts);
    let act = self::act(&body, reviews_left, all).ok_or_else(|| Rule::WrongFamily.refuse())?;
    let next = step(state, act, role, form)?;
    if next.is_terminal() && !state.is_terminal() && critical_waits(draft) {
        return Err(Rule::CriticalWaits.refuse());
    }
    draft.case.state = case::State::Consultation(next);
    Ok(())
}

/// The review of experts who were added after the release of the case: an axis of its own, so the
/// case goes on meanwhile. `None` where the message says something else.
fn experts_reviewed(
    draft: &mut Draft<'_>,
    state: State,
    role: Role,
    body: &Body,
) -> Result<Option<State>, Refused> {
    let author = draft.author().clone();
    let dispatches = state == State::Declined && role == Role::Reviewer;
    if !experts::waits_for(&draft.case, &author) || dispatches {
        return Ok(None);
    }
    match body {
        Body::ConsultationReview(b) => {
            experts::may_still_come(state)?;
            if b.to.as_ref().is_some_and(|to| *to != draft.case.target) {
                return Err(Rule::NotInReview.refuse_at("body.to"));
            }
            experts::let_go(draft);
            draft.note("experts_let_go");
            draft.watch(author);
            Ok(Some(state))
        }
        // From the target itself it gives the whole case back.
        Body::ConsultationReturn(_) if role != Role::Target => {
            experts::may_still_come(state)?;
            let next = experts::turn_away(draft, state);
            draft.note("experts_turned_away");
            draft.watch(author);
            Ok(Some(next))
        }
        Body::ConsultationReturn(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | Body::ConsultationAccept(_)
        | Body::ConsultationDecline(_)
        | Body::ConsultationSchedule(_)
        | Body::ConsultationStart(_)
        | Body::ConsultationOpinion(_)
        | Body::ConsultationAcknowledge(_)
        | Body::ConsultationNoShow(_)
        | Body::ConsultationCancel(_)
        | Body::ConsultationClose(_)
        | Body::ConsultationClaim(_)
        | Body::ConsultationRecollect(_)
        | Body::ConsultationReport(_)
        | Body::ConsultationAudit(_)
        | Body::ConsultationCritical(_)
        | Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | referral_later!()
        | transfer_later!()
        | no_case!() => Ok(None),
    }
}

/// What a message says, as the machine knows it. `None` for messages about other families.
#[must_use]
pub fn act(body: &Body, reviews_left: bool, all: bool) -> Option<Act> {
    Some(match body {
        Body::ConsultationRequest(_) | Body::ConsultationAmend(_) => Act::Amend { reviews_left },
        Body::ConsultationReview(_) => Act::Review { reviews_left },
        Body::ConsultationReturn(_) => Act::Return,
        Body::ConsultationAccept(_) => Act::Accept { all },
        Body::ConsultationDecline(_) => Act::Decline,
        Body::ConsultationSchedule(_) => Act::Schedule,
        Body::ConsultationStart(_) => Act::Start,
        Body::ConsultationOpinion(_) => Act::Opinion,
        Body::ConsultationAcknowledge(b) => Act::Acknowledge { critical: b.critical },
        Body::ConsultationNoShow(_) => Act::NoShow,
        Body::ConsultationCancel(_) => Act::Cancel,
        Body::ConsultationClose(_) => Act::Close,
        Body::ConsultationClaim(_) => Act::Claim,
        Body::ConsultationRecollect(_) => Act::Recollect,
        Body::ConsultationReport(_) => Act::Report,
        Body::ConsultationAudit(b) => Act::Audit { passed: b.passed },
        Body::ConsultationCritical(_) => Act::Critical,
        Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | referral_later!()
        | transfer_later!()
        | no_case!() => return None,
    })
}

fn change(draft: &mut Draft<'_>, state: State, role: Role, body: &Body) -> Result<(), Refused> {
    match body {
        Body::ConsultationRequest(_) | Body::ConsultationAmend(_) => amend(draft, state)?,
        Body::ConsultationReview(b) => {
            let lead = draft.ask.county.lead.as_ref() == Some(draft.author());
            if b.to.is_some() && !lead && state != State::Declined {
                return Err(Rule::OnlyLead.refuse());
            }
            moves::pass(draft, b.to.as_ref())?;
            if state == State::Declined {
                ask_again(draft);
            }
            let reading = draft.case.terms.form == ConsultationForm::Reading;
            if reading && access::is_released(&draft.case) {
                // The centre hears of the recording only now, so its time begins now.
                draft.case.terms.uploaded_at = Some(draft.ask.now);
            }
        }
        Body::ConsultationAccept(b) => accept(draft, role, b)?,
        Body::ConsultationDecline(_) if role == Role::Expert => {
            answer_for_author(draft, false);
            draft.note("declined_by_expert");
        }
        Body::ConsultationSchedule(b) => schedule(draft, state, &b.appointment)?,
        Body::ConsultationOpinion(b) => {
            if b.recommendation == Some(Recommendation::ReferUp) {
                draft.note("refer_up_recommended");
            }
            note_opinion(draft, state);
        }
        Body::ConsultationAcknowledge(b) if b.critical => {
            let now = draft.ask.now;
            let waits =
                draft.case.critical.as_mut().filter(|alert| alert.acknowledged_at.is_none());
            let alert = waits.ok_or_else(|| Rule::NoCriticalAlert.refuse())?;
            alert.acknowledged_at = Some(now);
            draft.note("critical_read_back");
        }
        Body::ConsultationClaim(b) if state == State::Claimed => {
            draft.restart = b.reader.code.is_some();
        }
        Body::ConsultationReport(b) => report(draft, state, b)?,
        Body::ConsultationAudit(b) => audit(draft, b)?,
        Body::ConsultationCritical(_) => raise_critical(draft),
        Body::ConsultationDecline(_)
        | Body::ConsultationAcknowledge(_)
        | Body::ConsultationClaim(_)
        | Body::ConsultationReturn(_)
        | Body::ConsultationStart(_)
        | Body::ConsultationNoShow(_)
        | Body::ConsultationCancel(_)
        | Body::ConsultationClose(_)
        | Body::ConsultationRecollect(_)
        | Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | referral_later!()
        | transfer_later!()
        | no_case!() => {}
    }
    Ok(())
}

/// Raises a critical value, or adds to one that waits.
fn raise_critical(draft: &mut Draft<'_>) {
    let waits = draft.case.critical.as_ref().filter(|alert| alert.acknowledged_at.is_none());
    let raised_at = waits.map_or(draft.ask.now, |alert| alert.raised_at);
    draft.case.critical = Some(CriticalAlert { raised_at, acknowledged_at: None });
    draft.note("critical_raised");
}

fn critical_waits(draft: &Draft<'_>) -> bool {
    draft.case.critical.as_ref().is_some_and(|alert| alert.acknowledged_at.is_none())
}

/// Whether no one has begun to work on it, so that the request may still be changed.
const fn is_open_to_change(state: State) -> bool {
    match state {
        State::InReview | State::Dispatched | State::Returned | State::Declined => true,
        State::Uploaded
        | State::Recollect
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Acknowledged
        | State::Closed
        | State::NoShow
        | State::Cancelled
        | State::Expired => false,
    }
}

fn amend(draft: &mut Draft<'_>, state: State) -> Result<(), Refused> {
    let body = draft.message.body.clone();
    let Some(request) = whole_request(&body) else {
        return Err(Rule::WrongFamily.refuse());
    };
    let (before, after) = (draft.case.terms.form, request.form());
    let reading = ConsultationForm::Reading;
    let changed = before != after;
    if changed && (before == reading || after == reading || !is_open_to_change(state)) {
        return Err(Rule::FormChanged.refuse());
    }
    let uploaded_at = draft.case.terms.uploaded_at;
    let asked = request.experts(draft.ask.county)?;
    moves::amend(draft, [State::Returned, State::Declined].contains(&state))?;
    if ![State::Recollect, State::Declined].contains(&state) {
        // Additions to a recording give its readers no more time; a new recording does.
        draft.case.terms.uploaded_at = uploaded_at;
    }
    let same = asked.iter().map(|e| &e.expert).eq(draft.case.experts.iter().map(|e| &e.expert));
    if is_open_to_change(state) && (!same || state == State::Declined) {
        draft.case.experts = asked;
    }
    if experts::hold_back(draft) && !access::is_released(&draft.case) {
        moves::lead_reviews_last(draft);
    }
    Ok(())
}

/// Clears the experts' answers, except of experts of the origin, who agreed by asking.
fn ask_again(draft: &mut Draft<'_>) {
    let origin = draft.case.origin.clone();
    for asked in &mut draft.case.experts {
        asked.accepted = (asked.expert.organisation == origin).then_some(true);
    }
}

fn answer_for_author(draft: &mut Draft<'_>, accepted: bool) {
    let author = draft.author().clone();
    for asked in draft.case.experts.iter_mut().filter(|a| a.expert.organisation == author) {
        asked.accepted = Some(accepted);
    }
}

/// Records an acceptance. Each expert who was asked by name must accept; the target may accept for
/// its own experts, and for others only by naming them.
fn accept(draft: &mut Draft<'_>, role: Role, b: &Accept) -> Result<(), Refused> {
    let author = draft.author().clone();
    if let Some(expert) = &b.expert {
        if role != Role::Target && expert.organisation != author {
            return Err(Rule::ExpertNotAsked.refuse());
        }
        let asked = draft.case.experts.iter_mut().find(|asked| asked.expert == *expert);
        let asked = asked.ok_or_else(|| Rule::ExpertNotAsked.refuse())?;
        if asked.held.is_some() {
            return Err(Rule::InReview.refuse_at("body.expert"));
        }
        if asked.accepted == Some(true) {
            return Err(Rule::ExpertAnswered.refuse());
        }
        asked.accepted = Some(true);
        return Ok(());
    }
    let waits = |asked: &&AskedExpert| asked.accepted != Some(true);
    let own = draft.case.experts.iter().filter(waits).any(|a| a.expert.organisation == author);
    let others = draft.case.experts.iter().any(|asked| waits(&asked));
    if own {
        answer_for_author(draft, true);
    } else if others {
        let rule = if role == Role::Target { Rule::NameTheExpert } else { Rule::ExpertAnswered };
        return Err(rule.refuse());
    }
    Ok(())
}

/// Sets a session. It needs a start and an end, and experts and a room that are free.
fn schedule(draft: &mut Draft<'_>, state: State, appointment: &Appointment) -> Result<(), Refused> {
    let session = bookings::session(appointment).ok_or_else(|| Rule::NoTimes.refuse())?;
    for (at, expert) in appointment.experts.iter().enumerate() {
        if draft.ask.county.member(&expert.organisation).is_none() {
            let field = format!("body.appointment.experts[{at}].organisation");
            return Err(Rule::UnknownTarget.refuse_at(&field));
        }
    }
    let author = draft.author().clone();
    let wanted = bookings::wanted(appointment, &session, &author, Some(&draft.case));
    if bookings::clash(&wanted, draft.ask.taken) {
        return Err(Rule::Taken.refuse());
    }
    moves::appoint(draft, appointment)?;
    draft.case.bookings = wanted;
    take_experts(draft, appointment)?;
    match state {
        State::Dispatched => draft.note("accepted_by_scheduling"),
        State::Scheduled => draft.note("rescheduled"),
        State::InReview
        | State::Returned
        | State::Accepted
        | State::InSession
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Closed
        | State::Declined
        | State::NoShow
        | State::Cancelled
        | State::Expired => {}
    }
    Ok(())
}

/// A target that sets a session has accepted for everybody who may know of the case, and may add
/// experts.
fn take_experts(draft: &mut Draft<'_>, appointment: &Appointment) -> Result<(), Refused> {
    for expert in &appointment.experts {
        if !draft.case.experts.iter().any(|asked| asked.expert == *expert) {
            let asked = AskedExpert { expert: expert.clone(), accepted: None, held: None };
            draft.case.experts.push(asked);
        }
    }
    if draft.case.experts.len() > EXPERTS_MAX {
        return Err(Rule::TooManyExperts.refuse_at("body.appointment.experts"));
    }
    experts::hold_back(draft);
    // Whoever would have to review them asks them itself with this session.
    experts::let_go(draft);
    for asked in &mut draft.case.experts {
        asked.accepted = asked.held.is_none().then_some(true);
    }
    Ok(())
}

fn note_opinion(draft: &mut Draft<'_>, state: State) {
    match state {
        State::Scheduled => draft.note("no_start"),
        State::OpinionIssued | State::Acknowledged | State::Closed => draft.note("correction"),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::InSession
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Declined
        | State::NoShow
        | State::Cancelled
        | State::Expired => {}
    }
    // A further opinion must be acknowledged anew.
    draft.restart = !state.is_terminal();
}

fn report(draft: &mut Draft<'_>, state: State, b: &Report) -> Result<(), Refused> {
    let field = "body.writer.code";
    let writer = b.writer.code.as_ref().filter(|code| !code.trim().is_empty());
    let writer = writer.ok_or_else(|| Rule::NoPersonCode.refuse_at(field))?;
    draft.case.writer = Some(writer.trim().to_owned());
    report_critical(draft, state, b);
    if [State::Reported, State::Acknowledged].contains(&state) {
        draft.note("correction");
        // The deadline from the upload has long passed, so the correction gets a start of its own.
        draft.case.terms.uploaded_at = Some(draft.ask.now);
    }
    Ok(())
}

/// A report whose values are flagged raises a critical value, as a message of its own would. One that
/// was read back is raised again only by a new version of the report. A correction that takes the
/// flag back does not end the alert: whoever was alerted must have read that it is off.
fn report_critical(draft: &mut Draft<'_>, state: State, b: &Report) {
    let is_flagged = b.observations.iter().any(Observation::is_critical);
    let is_new_version = [State::Written, State::Reported, State::Acknowledged].contains(&state);
    let alert = draft.case.critical.as_ref();
    let read_back = alert.is_some_and(|alert| alert.acknowledged_at.is_some());
    if is_flagged && (!read_back || is_new_version) {
        raise_critical(draft);
    } else if !is_flagged && is_new_version && alert.is_some() {
        draft.note("critical_taken_back");
    }
}

/// Checks that writer and auditor are different people, by their practitioner codes. One person may
/// do both only in an emergency, and only where the county allows it.
fn audit(draft: &mut Draft<'_>, b: &Audit) -> Result<(), Refused> {
    let code = b.auditor.code.as_deref().map(str::trim).filter(|code| !code.is_empty());
    let auditor = code.ok_or_else(|| Rule::NoPersonCode.refuse_at("body.auditor.code"))?;
    let same = draft.case.writer.as_ref().is_none_or(|writer| writer.eq_ignore_ascii_case(auditor));
    if b.passed && same {
        let emergency = draft.case.priority == Priority::Emergency;
        if !(emergency && draft.ask.county.one_person_emergency_reading) {
            return Err(Rule::WriterAudits.refuse());
        }
        draft.note("one_person_reading");
    }
    if !b.passed {
        draft.note("audit_not_passed");
    }
    Ok(())
}
