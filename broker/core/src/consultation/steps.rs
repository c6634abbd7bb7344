//! The result of each act of a consultation in each state. `consultation.rs` draws the states.

use tierlink_schemas::request::ConsultationForm;

use super::state::{Act, State};
use crate::rule::{Role, Rule};

/// Decides what `act` by an organisation in `role` does to a case in `state`. Returns the next
/// state, or the rule that refuses the act. No `_` arm over states.
pub fn step(state: State, act: Act, role: Role, form: ConsultationForm) -> Result<State, Rule> {
    may_say(act, role)?;
    fits(state, act, form)?;
    match act {
        Act::Amend { reviews_left } => amend(state, form, reviews_left),
        Act::Review { reviews_left } => review(state, form, reviews_left),
        Act::Return => give_back(state, role),
        Act::Accept { all } => accept(state, all),
        Act::Decline => decline(state),
        Act::Schedule => schedule(state, form),
        Act::Start => start(state, form),
        Act::Opinion => opinion(state, form),
        Act::Acknowledge { critical: true } | Act::Critical => critical(state, act),
        Act::Acknowledge { critical: false } => acknowledge(state),
        Act::NoShow => no_show(state),
        Act::Cancel => cancel(state),
        Act::Close => close(state, role),
        Act::Claim => claim(state),
        Act::Recollect => recollect(state),
        Act::Report => report(state),
        Act::Audit { passed } => audit(state, passed),
    }
}

/// Whether the role may perform the act in any state at all.
fn may_say(act: Act, role: Role) -> Result<(), Rule> {
    let (allowed, rule): (&[Role], Rule) = match act {
        Act::Amend { .. } | Act::Acknowledge { .. } | Act::Cancel => {
            (&[Role::Origin], Rule::OnlyOrigin)
        }
        Act::Review { .. } => (&[Role::Reviewer], Rule::OnlyReviewer),
        Act::Return => (&[Role::Target, Role::Reviewer], Rule::OnlyTargetOrReviewer),
        Act::Accept { .. } | Act::Decline | Act::Opinion => {
            (&[Role::Target, Role::Expert], Rule::OnlyAsked)
        }
        Act::Schedule
        | Act::Start
        | Act::Claim
        | Act::Recollect
        | Act::Report
        | Act::Audit { .. }
        | Act::Critical => (&[Role::Target], Rule::OnlyTarget),
        Act::NoShow | Act::Close => (&[Role::Origin, Role::Target], Rule::OnlyOriginOrTarget),
    };
    if allowed.contains(&role) { Ok(()) } else { Err(rule) }
}

/// Whether the form of the case knows the act at all. A reading is reviewed only on its way out of
/// the county, so it knows the acts of a reviewer only before it is uploaded to its centre.
fn fits(state: State, act: Act, form: ConsultationForm) -> Result<(), Rule> {
    let reading = form == ConsultationForm::Reading;
    match act {
        Act::Claim | Act::Recollect | Act::Report | Act::Audit { .. } | Act::Critical => {
            if reading { Ok(()) } else { Err(Rule::OnlyForReadings) }
        }
        Act::Review { .. } | Act::Return => {
            if reading && is_with_its_centre(state) {
                Err(Rule::NotForReadings)
            } else {
                Ok(())
            }
        }
        Act::Accept { .. } | Act::Schedule | Act::Start | Act::Opinion | Act::NoShow => {
            if reading {
                Err(Rule::NotForReadings)
            } else {
                Ok(())
            }
        }
        Act::Amend { .. } | Act::Decline | Act::Acknowledge { .. } | Act::Cancel | Act::Close => {
            Ok(())
        }
    }
}

/// Whether a reading has come to its centre and is neither on its way nor at an end.
const fn is_with_its_centre(state: State) -> bool {
    match state {
        State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Dispatched
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::NoShow => true,
        State::InReview
        | State::Returned
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => false,
    }
}

/// Where a consultation goes that is on its way to a target.
fn on_its_way(form: ConsultationForm, reviews_left: bool) -> State {
    if reviews_left {
        return State::InReview;
    }
    match form {
        ConsultationForm::Reading => State::Uploaded,
        ConsultationForm::Interactive | ConsultationForm::Offline => State::Dispatched,
    }
}

fn amend(state: State, form: ConsultationForm, reviews_left: bool) -> Result<State, Rule> {
    match state {
        State::InReview | State::Dispatched | State::Returned | State::Declined => {
            Ok(on_its_way(form, reviews_left))
        }
        State::Uploaded | State::Recollect => Ok(State::Uploaded),
        State::Accepted
        | State::Scheduled
        | State::InSession
        | State::NoShow
        | State::Claimed
        | State::Written => Ok(state),
        State::OpinionIssued | State::Reported | State::Acknowledged => Err(Rule::OpinionIssued),
        State::Closed | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn review(state: State, form: ConsultationForm, reviews_left: bool) -> Result<State, Rule> {
    match state {
        State::InReview | State::Declined => Ok(on_its_way(form, reviews_left)),
        State::Returned => Err(Rule::Returned),
        State::Dispatched
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::NoShow => Err(Rule::NotInReview),
        State::Closed | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn give_back(state: State, role: Role) -> Result<State, Rule> {
    match state {
        State::InReview if role == Role::Reviewer => Ok(State::Returned),
        State::Dispatched if role == Role::Target => Ok(State::Returned),
        State::Dispatched => Err(Rule::OnlyTarget),
        State::Accepted | State::Scheduled | State::InSession | State::NoShow => {
            Err(Rule::AlreadyAccepted)
        }
        State::InReview
        | State::Returned
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn accept(state: State, all: bool) -> Result<State, Rule> {
    match state {
        State::Dispatched if all => Ok(State::Accepted),
        State::Dispatched => Ok(State::Dispatched),
        State::Accepted | State::Scheduled | State::InSession | State::NoShow => {
            Err(Rule::AlreadyAccepted)
        }
        State::InReview
        | State::Returned
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn decline(state: State) -> Result<State, Rule> {
    match state {
        State::Dispatched
        | State::Accepted
        | State::Scheduled
        | State::NoShow
        | State::Uploaded
        | State::Claimed => Ok(State::Declined),
        State::InReview
        | State::Returned
        | State::InSession
        | State::OpinionIssued
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn schedule(state: State, form: ConsultationForm) -> Result<State, Rule> {
    if form == ConsultationForm::Offline {
        return Err(if state.is_terminal() { Rule::Ended } else { Rule::NoSession });
    }
    match state {
        State::Dispatched | State::Accepted | State::Scheduled | State::NoShow => {
            Ok(State::Scheduled)
        }
        State::InReview
        | State::Returned
        | State::InSession
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn start(state: State, form: ConsultationForm) -> Result<State, Rule> {
    match state {
        State::Scheduled => Ok(State::InSession),
        State::Dispatched | State::Accepted if form == ConsultationForm::Offline => {
            Err(Rule::NoSession)
        }
        State::Dispatched | State::Accepted => Err(Rule::NotScheduled),
        State::NoShow => Err(Rule::Missed),
        State::InReview
        | State::Returned
        | State::InSession
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

/// An opinion counts although no start of the session was reported. A corrected opinion must be
/// acknowledged again; after the case is closed, a correction is recorded and the state stays.
fn opinion(state: State, form: ConsultationForm) -> Result<State, Rule> {
    match state {
        State::InSession | State::Scheduled | State::OpinionIssued | State::Acknowledged => {
            Ok(State::OpinionIssued)
        }
        State::Accepted if form == ConsultationForm::Offline => Ok(State::OpinionIssued),
        State::Accepted => Err(Rule::NotScheduled),
        State::Closed => Ok(State::Closed),
        State::Dispatched => Err(Rule::NotAccepted),
        State::NoShow => Err(Rule::Missed),
        State::InReview
        | State::Returned
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Declined
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn acknowledge(state: State) -> Result<State, Rule> {
    match state {
        State::OpinionIssued | State::Reported => Ok(State::Acknowledged),
        State::Acknowledged => Err(Rule::OpinionIssued),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Recollect
        | State::Declined
        | State::NoShow => Err(Rule::NoOpinion),
        State::Closed | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

/// The critical value is independent of the state, which stays. `decide` checks whether
/// one is open.
fn critical(state: State, act: Act) -> Result<State, Rule> {
    match state {
        State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Closed => Ok(state),
        State::Uploaded if act == Act::Critical => Err(Rule::NotClaimed),
        State::Cancelled | State::Expired if act == Act::Critical => Err(Rule::Ended),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Uploaded
        | State::Declined
        | State::NoShow
        | State::Cancelled
        | State::Expired => {
            // A recording may be declined or uploaded anew while its critical value
            // is still unconfirmed.
            if act == Act::Critical { Err(too_early_or_late(state)) } else { Ok(state) }
        }
    }
}

fn no_show(state: State) -> Result<State, Rule> {
    match state {
        State::Scheduled | State::InSession => Ok(State::NoShow),
        State::Dispatched | State::Accepted => Err(Rule::NotScheduled),
        State::NoShow => Err(Rule::Missed),
        State::InReview
        | State::Returned
        | State::OpinionIssued
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn cancel(state: State) -> Result<State, Rule> {
    match state {
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::NoShow
        | State::Declined
        | State::Uploaded
        | State::Claimed
        | State::Recollect => Ok(State::Cancelled),
        State::InSession
        | State::OpinionIssued
        | State::Written
        | State::Reported
        | State::Acknowledged
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

/// Only the origin closes after an opinion or report, which says that it has read it; either side
/// closes what did not take place.
fn close(state: State, role: Role) -> Result<State, Rule> {
    match state {
        State::Acknowledged | State::NoShow => Ok(State::Closed),
        State::OpinionIssued | State::Reported | State::Declined if role == Role::Origin => {
            Ok(State::Closed)
        }
        State::OpinionIssued | State::Reported | State::Declined => Err(Rule::OnlyOrigin),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::Uploaded
        | State::Claimed
        | State::Written
        | State::Recollect => Err(Rule::NoOpinion),
        State::Closed | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn claim(state: State) -> Result<State, Rule> {
    match state {
        State::Uploaded | State::Claimed => Ok(State::Claimed),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Written
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::NoShow
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn recollect(state: State) -> Result<State, Rule> {
    match state {
        State::Uploaded | State::Claimed | State::Written => Ok(State::Recollect),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::NoShow
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

/// A report counts although nobody claimed the recording: its writer has taken it.
fn report(state: State) -> Result<State, Rule> {
    match state {
        State::Uploaded
        | State::Claimed
        | State::Written
        | State::Reported
        | State::Acknowledged => Ok(State::Written),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Recollect
        | State::Declined
        | State::NoShow
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

fn audit(state: State, passed: bool) -> Result<State, Rule> {
    match state {
        State::Written if passed => Ok(State::Reported),
        State::Written => Ok(State::Claimed),
        State::Uploaded | State::Claimed => Err(Rule::NotWritten),
        State::InReview
        | State::Dispatched
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::InSession
        | State::OpinionIssued
        | State::Reported
        | State::Recollect
        | State::Acknowledged
        | State::Declined
        | State::NoShow
        | State::Closed
        | State::Cancelled
        | State::Expired => Err(too_early_or_late(state)),
    }
}

/// The rule that refuses an act which comes too early or too late for this state.
const fn too_early_or_late(state: State) -> Rule {
    match state {
        State::InReview => Rule::InReview,
        State::Dispatched => Rule::NotAccepted,
        State::Returned => Rule::Returned,
        State::Accepted | State::Scheduled => Rule::AlreadyAccepted,
        State::InSession => Rule::SessionOn,
        State::OpinionIssued | State::Written | State::Reported | State::Acknowledged => {
            Rule::OpinionIssued
        }
        State::Uploaded | State::Claimed => Rule::NotClaimed,
        State::Recollect => Rule::RecollectAsked,
        State::Declined => Rule::Declined,
        State::NoShow => Rule::Missed,
        State::Closed | State::Cancelled | State::Expired => Rule::Ended,
    }
}
