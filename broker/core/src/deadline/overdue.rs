//! What happens when nobody acted: a report to those who must, then to those above, again and
//! again; or the end of the case.
//!
//! While the clock is in doubt (`doubt.rs`) no case ends; reports go on and say so. What a wrong
//! clock has written is set right once it can be trusted again.

use std::time::Duration;

use jiff::Timestamp;
use tierlink_schemas::{Body, Message, OrganisationCode};
use uuid::Uuid;

use super::limits::MINUTES_MAX;
use super::names::{Deadline, Name};
use super::waits::deadlines_of;
use crate::access;
use crate::case::{Case, State};
use crate::consultation;
use crate::county::County;
use crate::decide::bookings::free_what_is_not_needed;
use crate::decide::change::{Change, Dispatch, Event};
use crate::decide::outgoing;
use crate::routing;

/// Number of reports at the configured interval. After that the interval doubles each time, up to a
/// day, so that a forgotten case is still reported and does not flood a lane.
pub const ESCALATIONS_AT_FULL_PACE: u32 = 12;

/// From this report on, the origin and the lead hospital are told too.
const LEVEL_OF_THOSE_ABOVE: u32 = 2;

/// One day, the longest interval between two reports.
const DAY: Duration = Duration::from_hours(24);

/// Whether the clock that says that a deadline has passed can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// It agrees with every other clock.
    #[default]
    Certain,
    /// It does not, so nothing may end by it.
    InDoubt,
}

/// What the passed deadlines of a case mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Overdue {
    /// The case changes: it is reported, or it ends.
    Changed(Box<Change>),
    /// It would end, and the clock is in doubt.
    Waits,
    /// No deadline has passed.
    Nothing,
}

/// What the most urgent passed deadline of `case` means, if one has passed.
///
/// The end of a case comes before reports: a report on a case that ends now helps nobody.
pub fn overdue(
    case: &Case,
    county: &County,
    now: Timestamp,
    escalation_id: Uuid,
    clock: Clock,
) -> Overdue {
    let passed = || case.deadlines.iter().filter(|deadline| deadline.due <= now);
    let ends = |deadline: &&Deadline| matches!(deadline.name, Name::Expire | Name::Close);
    let end_by = passed().find(ends).zip(ended(&case.state));
    if let Some((deadline, state)) = &end_by
        && clock == Clock::Certain
    {
        let end = end(case, county, now, escalation_id, deadline.name, state.clone());
        return Overdue::Changed(Box::new(end));
    }
    match passed().filter(|d| !ends(d)).min_by_key(|deadline| deadline.due) {
        Some(deadline) => {
            let change = escalate(case, county, now, escalation_id, *deadline, clock);
            Overdue::Changed(Box::new(change))
        }
        None if end_by.is_some() => Overdue::Waits,
        None => Overdue::Nothing,
    }
}

/// `case` without what a clock wrote into it that was ahead; `None` if there is nothing.
///
/// A report is due again after its pause, so none can be due later than that from now. And nothing
/// can have begun after now.
#[must_use]
pub fn set_right(case: &Case, county: &County, now: Timestamp) -> Option<Case> {
    let mut right = case.clone();
    right.changed_at = right.changed_at.min(now);
    right.terms.uploaded_at = right.terms.uploaded_at.map(|at| at.min(now));
    if let Some(alert) = &mut right.critical {
        alert.raised_at = alert.raised_at.min(now);
    }
    for past in &mut right.past_targets {
        past.until = past.until.min(now);
    }
    for held in right.experts.iter_mut().filter_map(|asked| asked.held.as_mut()) {
        held.since = held.since.min(now);
    }
    if right.since > now {
        right.since = now;
        right.deadlines = deadlines_of(&right, county);
    }
    let reported = |deadline: &Deadline| {
        let latest = now.checked_add(pause(case, county, deadline.name, deadline.escalations));
        deadline.due.min(latest.unwrap_or(Timestamp::MAX))
    };
    for deadline in right.deadlines.iter_mut().filter(|deadline| deadline.escalations > 0) {
        deadline.due = reported(deadline);
    }
    (right != *case).then_some(right)
}

/// The state of a case that the broker ends.
fn ended(state: &State) -> Option<State> {
    match state {
        State::Referral(state) => state.expired().map(State::Referral),
        State::Transfer(state) => state.closed_by_itself().map(State::Transfer),
        State::Consultation(state) => {
            // A case that was acknowledged and never closed counts as closed.
            let ended = if *state == consultation::State::Acknowledged {
                Some(consultation::State::Closed)
            } else {
                state.expired()
            };
            ended.map(State::Consultation)
        }
    }
}

fn end(
    case: &Case,
    county: &County,
    now: Timestamp,
    escalation_id: Uuid,
    name: Name,
    state: State,
) -> Change {
    let mut after = next(case, now);
    after.state = state;
    after.since = now;
    free_what_is_not_needed(&mut after);
    after.deadlines = deadlines_of(&after, county);
    let told = routing::route(Some(case), &after, &county.broker);
    let hears: Vec<OrganisationCode> = told.into_iter().map(|told| told.to).collect();
    let (message, _) = outgoing::report(&after, &county.broker, escalation_id, now);
    let note = if name == Name::Close { "closed_by_itself" } else { "expired" };
    change(county, case, after, message, hears, note.to_owned(), now)
}

fn escalate(
    case: &Case,
    county: &County,
    now: Timestamp,
    escalation_id: Uuid,
    passed: Deadline,
    clock: Clock,
) -> Change {
    let mut after = next(case, now);
    let level = passed.escalations.saturating_add(1);
    let pause = pause(case, county, passed.name, level);
    for deadline in &mut after.deadlines {
        if deadline.name == passed.name && deadline.since == passed.since {
            deadline.escalations = level;
            deadline.due = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        }
    }
    let mut hears = must_act(case, passed.name);
    if level >= LEVEL_OF_THOSE_ABOVE {
        hears.push(case.origin.clone());
        if let Some(lead) = county.lead.as_ref().filter(|lead| county.member(lead).is_some()) {
            // Whoever is told of a case must be able to look it up, and nobody may before the
            // reviews have let it go.
            if access::is_released(&after) && !access::sees_whole(&after, lead) {
                after.watchers.push(lead.clone());
            }
            if access::sees_whole(&after, lead) {
                hears.push(lead.clone());
            }
        }
    }
    let mut once: Vec<OrganisationCode> = Vec::new();
    for to in hears {
        if !once.contains(&to) {
            once.push(to);
        }
    }
    let (mut message, mut report) = outgoing::report(&after, &county.broker, escalation_id, now);
    report.overdue = Some(passed.name.as_str().to_owned());
    report.escalation = Some(level);
    let mut note = format!("overdue:{}", passed.name.as_str());
    match clock {
        Clock::Certain => {}
        Clock::InDoubt => {
            report.clock_in_doubt = Some(true);
            note.push_str(",clock_in_doubt");
        }
    }
    message.set_body(Body::StatusReport(report));
    change(county, case, after, message, once, note, now)
}

/// A copy of the case with one more event.
fn next(case: &Case, now: Timestamp) -> Case {
    let mut after = case.clone();
    after.events = after.events.saturating_add(1);
    after.changed_at = now;
    after
}

fn change(
    county: &County,
    before: &Case,
    after: Case,
    mut message: Message,
    hears: Vec<OrganisationCode>,
    note: String,
    now: Timestamp,
) -> Change {
    let answers = Some(after.request_reply.clone());
    outgoing::complete(&mut message, &after, answers, hears.clone(), now);
    let event = Event {
        number: after.events,
        message: message.id,
        kind: message.kind(),
        by: message.source.organisation.clone(),
        from_state: Some(before.state.as_str()),
        to_state: after.state.as_str(),
        at: now,
        reason: None,
        note: Some(note),
    };
    let dispatches = hears
        .into_iter()
        .map(|to| {
            let system = routing::system(county, &to, &message, &after);
            Dispatch { to, system, message: message.id }
        })
        .collect();
    Change { case: after, event, messages: vec![message], dispatches }
}

/// Time until the next report.
fn pause(case: &Case, county: &County, name: Name, level: u32) -> Duration {
    let limits = &county.limits;
    let minutes = match name {
        Name::Critical => limits.critical_escalate_minutes,
        Name::Review | Name::Accept | Name::Schedule | Name::Write | Name::Audit => {
            limits.escalate(case.priority)
        }
        Name::Resubmit
        | Name::Arrive
        | Name::Rebook
        | Name::AnswerCancel
        | Name::Feedback
        | Name::Discharge
        | Name::Receive
        | Name::FollowUp
        | Name::Contact
        | Name::FindAnother
        | Name::Start
        | Name::Opinion
        | Name::Acknowledge
        | Name::Recollect
        | Name::Close
        | Name::Expire => limits.escalate_minutes,
    };
    let pace = Duration::from_mins(u64::from(minutes.clamp(1, MINUTES_MAX)));
    let doublings = level.saturating_sub(ESCALATIONS_AT_FULL_PACE).min(u64::BITS);
    let slower = 2_u32.checked_pow(doublings).map_or(DAY, |times| pace.saturating_mul(times));
    slower.min(DAY.max(pace))
}

/// The organisations that must act on the deadline.
fn must_act(case: &Case, name: Name) -> Vec<OrganisationCode> {
    match name {
        Name::Review => access::reviewers(case).cloned().collect(),
        Name::Resubmit
        | Name::Discharge
        | Name::Contact
        | Name::Acknowledge
        | Name::Recollect
        | Name::Critical
        | Name::Close
        | Name::Expire => vec![case.origin.clone()],
        Name::FindAnother => {
            vec![case.terms.dispatcher.as_ref().unwrap_or(&case.origin).clone()]
        }
        Name::Accept => {
            let waits = access::asked_experts(case).filter(|asked| asked.accepted.is_none());
            std::iter::once(case.target.clone())
                .chain(waits.map(|asked| asked.expert.organisation.clone()))
                .collect()
        }
        Name::Schedule
        | Name::Arrive
        | Name::Rebook
        | Name::AnswerCancel
        | Name::Feedback
        | Name::Receive
        | Name::FollowUp
        | Name::Start
        | Name::Opinion
        | Name::Write
        | Name::Audit => vec![case.target.clone()],
    }
}
