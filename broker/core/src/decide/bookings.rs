//! Bookings of experts and rooms: each serves one case at a time, and a case gives them back when
//! it no longer needs them.

use std::time::Duration;

use jiff::Timestamp;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::answer::{Appointment, ExpertRef};

use crate::case::{Booking, Case, State};
use crate::{consultation, referral};

/// The longest session. Without a limit, a mistyped year would block a room for good.
pub const SESSION_LASTS_MAX: Duration = Duration::from_hours(24);

/// Start and end of a session.
pub(super) struct Session {
    start: Timestamp,
    end: Timestamp,
}

/// The session of an appointment; `None` unless it has a start, a later end, and an allowed length.
pub(super) fn session(appointment: &Appointment) -> Option<Session> {
    let (start, end) = (appointment.start?, appointment.end?);
    let lasts = Duration::try_from(end.duration_since(start)).ok()?;
    (!lasts.is_zero() && lasts <= SESSION_LASTS_MAX).then_some(Session { start, end })
}

/// The resources that a session would book: its room, and its experts or, if it names none, those
/// who were asked.
pub(super) fn wanted(
    appointment: &Appointment,
    session: &Session,
    author: &OrganisationCode,
    case: Option<&Case>,
) -> Vec<Booking> {
    let asked = case.into_iter().flat_map(|case| &case.experts).map(|asked| &asked.expert);
    let experts: Vec<&ExpertRef> = if appointment.experts.is_empty() {
        asked.collect()
    } else {
        appointment.experts.iter().collect()
    };
    let experts = experts.into_iter().map(of_expert);
    let room = appointment.room.as_deref().map(str::trim).filter(|room| !room.is_empty());
    let room = room.map(|room| format!("room/{author}/{room}"));
    let mut wanted: Vec<Booking> = Vec::new();
    for resource in experts.chain(room) {
        if !wanted.iter().any(|booking| booking.resource == resource) {
            wanted.push(Booking { resource, start: session.start, end: session.end });
        }
    }
    wanted
}

/// The expert as a resource.
pub(super) fn of_expert(expert: &ExpertRef) -> String {
    format!("expert/{}/{}", expert.organisation, expert.practitioner.trim())
}

/// Whether another case holds something of it at the time. An end is not part of its booking, so
/// one session may begin as another ends.
pub(super) fn clash(wanted: &[Booking], taken: &[Booking]) -> bool {
    wanted.iter().any(|want| {
        taken.iter().any(|held| {
            held.resource == want.resource && held.start < want.end && want.start < held.end
        })
    })
}

/// Removes the appointment, a wish to move it, and the bookings of a case that no longer needs them.
pub(crate) fn free_what_is_not_needed(case: &mut Case) {
    let (appointment, bookings) = match &case.state {
        State::Referral(state) => match state {
            referral::State::Scheduled
            | referral::State::Arrived
            | referral::State::InCare
            | referral::State::Completed
            | referral::State::CancelRequested { before: referral::Before::Scheduled } => {
                (true, false)
            }
            referral::State::InReview
            | referral::State::Submitted
            | referral::State::Returned
            | referral::State::Accepted
            | referral::State::Declined
            | referral::State::CancelRequested {
                before: referral::Before::Accepted | referral::Before::NoShow,
            }
            | referral::State::Cancelled
            | referral::State::NoShow
            | referral::State::Expired => (false, false),
        },
        State::Transfer(_) => (false, false),
        State::Consultation(state) => match state {
            consultation::State::Scheduled | consultation::State::InSession => (true, true),
            consultation::State::OpinionIssued
            | consultation::State::Acknowledged
            | consultation::State::Closed => (true, false),
            consultation::State::InReview
            | consultation::State::Dispatched
            | consultation::State::Returned
            | consultation::State::Accepted
            | consultation::State::Uploaded
            | consultation::State::Claimed
            | consultation::State::Written
            | consultation::State::Reported
            | consultation::State::Recollect
            | consultation::State::Declined
            | consultation::State::NoShow
            | consultation::State::Cancelled
            | consultation::State::Expired => (false, false),
        },
    };
    if !appointment {
        case.context.appointment = None;
    }
    let may_move = match &case.state {
        State::Referral(state) => match state {
            referral::State::Scheduled
            | referral::State::CancelRequested { before: referral::Before::Scheduled } => true,
            referral::State::InReview
            | referral::State::Submitted
            | referral::State::Returned
            | referral::State::Accepted
            | referral::State::Arrived
            | referral::State::InCare
            | referral::State::Completed
            | referral::State::Declined
            | referral::State::CancelRequested {
                before: referral::Before::Accepted | referral::Before::NoShow,
            }
            | referral::State::Cancelled
            | referral::State::NoShow
            | referral::State::Expired => false,
        },
        State::Transfer(_) | State::Consultation(_) => false,
    };
    if !may_move {
        case.terms.time_asked_at = None;
    }
    if !bookings {
        case.bookings.clear();
    }
}
