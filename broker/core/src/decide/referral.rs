//! What each message changes in a referral, beside the state.

use tierlink_schemas::Body;
use tierlink_schemas::answer::FeedbackStage;

use super::draft::Draft;
use super::moves;
use crate::bodies::{consultation_later, no_case, transfer_later};
use crate::case;
use crate::referral::{Act, State, step};
use crate::rule::{Refused, Role, Rule};

/// Applies the draft's message to a referral in `state`.
///
/// Role and state are checked first, with a guess about reviews. That is enough, because those
/// decide only the next state and never whether the message is allowed.
pub(super) fn apply(draft: &mut Draft<'_>, state: State, role: Role) -> Result<(), Refused> {
    let body = draft.message.body.clone();
    let act = act(&body, true).ok_or_else(|| Rule::WrongFamily.refuse())?;
    step(state, act, role)?;
    change(draft, state, role, &body)?;
    let reviews_left = !draft.case.reviews.is_empty();
    let act = self::act(&body, reviews_left).ok_or_else(|| Rule::WrongFamily.refuse())?;
    draft.case.state = case::State::Referral(step(state, act, role)?);
    Ok(())
}

/// The act that a message stands for; `None` for messages about other families.
#[must_use]
pub fn act(body: &Body, reviews_left: bool) -> Option<Act> {
    Some(match body {
        Body::ReferralSubmit(_) | Body::ReferralAmend(_) => Act::Amend { reviews_left },
        Body::ReferralReview(_) => Act::Review { reviews_left },
        Body::ReferralReturn(_) => Act::Return,
        Body::ReferralAccept(_) => Act::Accept,
        Body::ReferralDecline(_) => Act::Decline,
        Body::ReferralRedirect(_) => Act::Redirect { reviews_left },
        Body::ReferralSchedule(_) => Act::Schedule,
        Body::ReferralBook(_) => Act::Book,
        Body::ReferralUnschedule(_) => Act::Unschedule,
        Body::ReferralArrive(b) => Act::Arrive { admitted: b.admitted },
        Body::ReferralNoShow(_) => Act::NoShow,
        Body::ReferralFeedback(b) => Act::Feedback(b.stage),
        Body::ReferralCancel(_) => Act::Cancel,
        Body::ReferralConfirmCancel(_) => Act::ConfirmCancel,
        Body::ReferralRefuseCancel(_) => Act::RefuseCancel,
        Body::ReferralClose(_) => Act::Close,
        Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | transfer_later!()
        | consultation_later!()
        | no_case!() => return None,
    })
}

fn change(draft: &mut Draft<'_>, state: State, role: Role, body: &Body) -> Result<(), Refused> {
    match body {
        Body::ReferralSubmit(_) | Body::ReferralAmend(_) => {
            moves::amend(draft, state == State::Returned)?;
        }
        Body::ReferralReview(b) => {
            lead_only(draft, b.to.is_some())?;
            moves::pass(draft, b.to.as_ref())?;
        }
        Body::ReferralRedirect(b) => {
            lead_only(draft, role == Role::Reviewer)?;
            moves::redirect(draft, b)?;
        }
        Body::ReferralAccept(b) => {
            if let Some(department) = &b.department {
                draft.case.context.to.department = Some(department.clone());
            }
        }
        Body::ReferralSchedule(b) => {
            note_acceptance(draft, state, "accepted_by_scheduling");
            if state == State::Scheduled {
                draft.note("rescheduled");
            }
            moves::appoint(draft, &b.appointment)?;
        }
        Body::ReferralBook(_) => {
            // Without an appointment its deadline runs already.
            if state == State::Scheduled {
                draft.case.terms.time_asked_at.get_or_insert(draft.ask.now);
            }
        }
        Body::ReferralUnschedule(b) => moves::take_back(draft, b)?,
        Body::ReferralArrive(b) => {
            note_acceptance(draft, state, "accepted_by_arrival");
            note_lost_cancel(draft, state);
            draft.case.context.to.encounter.clone_from(&b.encounter);
        }
        Body::ReferralFeedback(b) => {
            if b.stage == FeedbackStage::Admitted {
                note_acceptance(draft, state, "accepted_by_arrival");
                note_lost_cancel(draft, state);
            }
            if state == State::Completed {
                draft.note("correction");
            }
            draft.restart = !state.is_terminal();
        }
        Body::ReferralClose(_) if state == State::NoShow => draft.note("closed_after_no_show"),
        Body::ReferralClose(_)
        | Body::ReferralReturn(_)
        | Body::ReferralDecline(_)
        | Body::ReferralNoShow(_)
        | Body::ReferralCancel(_)
        | Body::ReferralConfirmCancel(_)
        | Body::ReferralRefuseCancel(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | transfer_later!()
        | consultation_later!()
        | no_case!() => {}
    }
    Ok(())
}

fn lead_only(draft: &Draft<'_>, asked: bool) -> Result<(), Refused> {
    if asked && draft.ask.county.lead.as_ref() != Some(draft.author()) {
        return Err(Rule::OnlyLead.refuse());
    }
    Ok(())
}

fn note_acceptance(draft: &mut Draft<'_>, state: State, note: &'static str) {
    if state == State::Submitted {
        draft.note(note);
    }
}

fn note_lost_cancel(draft: &mut Draft<'_>, state: State) {
    if matches!(state, State::CancelRequested { .. }) {
        draft.note("cancel_lost_to_arrival");
    }
}
