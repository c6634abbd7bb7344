//! Experts of other counties: what the case says of its patient reaches them only once the lead
//! hospital has let it go.
//!
//! An expert who is asked with the request waits for the reviews of the case itself. One who is
//! added later, by an amendment or with a session, waits for a review of its own, while the case
//! goes on without that expert:
//!
//! ```text
//!   added ──▶ held ──review by the lead hospital──▶ asked: hears the request, restated
//!               └────return by the lead hospital──▶ not asked any more
//! ```

use tierlink_schemas::answer::ExpertRef;
use tierlink_schemas::{OrganisationCode, Priority};

use super::bookings;
use super::draft::Draft;
use super::place;
use super::stated::all_accepted;
use crate::access;
use crate::case::{Case, Held};
use crate::consultation::State;
use crate::rule::Rule;

/// Holds back each expert to whom the case would leave the county, but for those who know it
/// already and in an emergency. Returns whether one of them waits for a review.
pub(super) fn hold_back(draft: &mut Draft<'_>) -> bool {
    let (county, now) = (draft.ask.county, draft.ask.now);
    let author = draft.author().clone();
    let emergency = draft.case.priority == Priority::Emergency;
    let origin = draft.case.origin.clone();
    for asked in draft.case.experts.iter_mut().filter(|asked| asked.held.is_none()) {
        let organisation = &asked.expert.organisation;
        let knows = *organisation == origin
            || draft.before.is_some_and(|before| access::sees_whole(before, organisation));
        // The origin counts too, the lead hospital among them: what it wrote leaves with the case,
        // whoever sends it on, and where it let it go is not where others may send it.
        let leaves =
            [&author, &origin].into_iter().any(|from| place::leads_out(county, from, organisation));
        let lead = county.lead.as_ref().filter(|lead| leaves && !knows && **lead != author);
        if let Some(lead) = lead {
            let waited = draft.before.and_then(|before| held_before(before, &asked.expert));
            let since = waited.map_or(now, |held| held.since);
            asked.held = Some(Held { by: lead.clone(), since });
        }
    }
    if emergency {
        draft.skip_reviews();
    }
    draft.case.experts.iter().any(|asked| asked.held.is_some())
}

fn held_before<'a>(before: &'a Case, expert: &ExpertRef) -> Option<&'a Held> {
    before.experts.iter().find(|asked| asked.expert == *expert)?.held.as_ref()
}

/// Whether experts who were added to a case after its release wait for the review of
/// `organisation`.
pub(super) fn waits_for(case: &Case, organisation: &OrganisationCode) -> bool {
    access::is_released(case) && access::reviewers(case).any(|reviewer| reviewer == organisation)
}

/// Lets the case go to the experts who wait for the review of the author. For those of a session the
/// target has accepted when it set it.
pub(super) fn let_go(draft: &mut Draft<'_>) {
    let author = draft.author().clone();
    let appointment = draft.case.context.appointment.as_ref();
    let session = appointment.map_or(&[][..], |appointment| &appointment.experts);
    for asked in &mut draft.case.experts {
        if asked.held.as_ref().is_some_and(|held| held.by == author) {
            asked.held = None;
            if session.contains(&asked.expert) {
                asked.accepted = Some(true);
            }
        }
    }
}

/// Takes the experts who wait for the review of the author out of the case again, with what is
/// booked for them. Gives the state that the others' answers lead to.
pub(super) fn turn_away(draft: &mut Draft<'_>, state: State) -> State {
    let author = draft.author().clone();
    let waits = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.by == author);
    let (gone, stay): (Vec<_>, Vec<_>) =
        std::mem::take(&mut draft.case.experts).into_iter().partition(|asked| waits(&asked.held));
    draft.case.experts = stay;
    let is_gone = |expert: &ExpertRef| gone.iter().any(|asked| asked.expert == *expert);
    if let Some(appointment) = &mut draft.case.context.appointment {
        appointment.experts.retain(|expert| !is_gone(expert));
    }
    let resources: Vec<String> =
        gone.iter().map(|asked| bookings::of_expert(&asked.expert)).collect();
    draft.case.bookings.retain(|booking| !resources.contains(&booking.resource));
    let others = draft.case.experts.iter();
    let somebody = others.filter(|asked| asked.expert.organisation != draft.case.origin).count();
    if state == State::Dispatched && somebody > 0 && all_accepted(&draft.case.experts) {
        return State::Accepted;
    }
    state
}

/// Whether a review of experts has anything to decide in this state.
pub(super) fn may_still_come(state: State) -> Result<(), Rule> {
    match state {
        State::Dispatched
        | State::Returned
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
        | State::Declined
        | State::NoShow => Ok(()),
        State::InReview => Err(Rule::InReview),
        State::Closed | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}
