//! What each message changes in a transfer, beside the state.

use tierlink_schemas::Body;

use super::draft::Draft;
use super::moves;
use crate::bodies::{consultation_later, no_case, referral_later};
use crate::case;
use crate::rule::{Refused, Role, Rule};
use crate::transfer::{Act, State, step};

/// Applies the draft's message to a transfer in `state`. Role and state are checked first.
pub(super) fn apply(draft: &mut Draft<'_>, state: State, role: Role) -> Result<(), Refused> {
    let body = draft.message.body.clone();
    let act = act(&body).ok_or_else(|| Rule::WrongFamily.refuse())?;
    let next = step(state, act, role)?;
    change(draft, state, role, &body)?;
    draft.case.state = case::State::Transfer(next);
    Ok(())
}

/// The act that a message stands for; `None` for messages about other families.
#[must_use]
pub fn act(body: &Body) -> Option<Act> {
    Some(match body {
        Body::TransferOffer(_) | Body::TransferAmend(_) => Act::Amend,
        Body::TransferAccept(_) => Act::Accept,
        Body::TransferDecline(_) => Act::Decline,
        Body::TransferRedirect(_) => Act::Redirect,
        Body::TransferDischarge(_) => Act::Discharge,
        Body::TransferReceive(_) => Act::Receive,
        Body::TransferFollowUp(_) => Act::FollowUp,
        Body::TransferCancel(_) => Act::Cancel,
        Body::TransferClose(_) => Act::Close,
        Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | referral_later!()
        | consultation_later!()
        | no_case!() => return None,
    })
}

fn change(draft: &mut Draft<'_>, state: State, role: Role, body: &Body) -> Result<(), Refused> {
    match body {
        Body::TransferOffer(_) | Body::TransferAmend(_) => {
            moves::amend(draft, state == State::Declined)?;
        }
        Body::TransferRedirect(b) => moves::redirect(draft, b)?,
        Body::TransferAccept(b) => {
            if let Some(department) = &b.department {
                draft.case.context.to.department = Some(department.clone());
            }
        }
        Body::TransferReceive(b) => {
            draft.case.context.to.encounter.clone_from(&b.encounter);
            match state {
                State::Offered => draft.note("accepted_by_arrival"),
                State::Accepted => draft.note("no_discharge"),
                State::Discharged
                | State::Received
                | State::Following
                | State::Closed
                | State::Declined
                | State::Cancelled => {}
            }
        }
        Body::TransferFollowUp(b) => {
            let terms = &mut draft.case.terms;
            let first =
                if role == Role::Origin { &mut terms.contacted } else { &mut terms.followed_up };
            *first = true;
            if b.red_flag {
                draft.note("red_flag");
            }
            if b.last {
                draft.note("last_follow_up");
            }
            draft.restart = true;
        }
        Body::TransferDecline(_)
        | Body::TransferDischarge(_)
        | Body::TransferCancel(_)
        | Body::TransferClose(_)
        | Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | referral_later!()
        | consultation_later!()
        | no_case!() => {}
    }
    Ok(())
}
