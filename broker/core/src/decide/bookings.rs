//! Experts and rooms for a time: one expert, one room, one case at a time.

use std::time::Duration;

use jiff::Timestamp;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::answer::{Appointment, ExpertRef};

use crate::case::{Booking, Case};

/// The longest session. A mistyped year must not block a room for good.
pub const SESSION_LASTS_MAX: Duration = Duration::from_hours(24);

/// From when until when a session lasts.
pub(super) struct Session {
    start: Timestamp,
    end: Timestamp,
}

/// The times of a session, if the appointment has sound ones.
pub(super) fn session(appointment: &Appointment) -> Option<Session> {
    let (start, end) = (appointment.start?, appointment.end?);
    let lasts = Duration::try_from(end.duration_since(start)).ok()?;
    (!lasts.is_zero() && lasts <= SESSION_LASTS_MAX).then_some(Session { start, end })
}

/// What the session would occupy: its experts, or those who were asked where it names none, and
/// its room.
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
    let experts = experts
        .iter()
        .map(|expert| format!("expert/{}/{}", expert.organisation, expert.practitioner.trim()));
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

/// Whether another case holds something of it at the time. An end is not part of its booking, so
/// one session may begin as another ends.
pub(super) fn clash(wanted: &[Booking], taken: &[Booking]) -> bool {
    wanted.iter().any(|want| {
        taken.iter().any(|held| {
            held.resource == want.resource && held.start < want.end && want.start < held.end
        })
    })
}
