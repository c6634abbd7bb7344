//! Checks times of appointments, sessions, slots and reservations.
//!
//! Whether two bookings overlap is checked by the core, which knows all of them.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::found::{
    C001_EMPTY, C018_TIME_ORDER, C024_USUALLY_THERE, C028_NAMED_TWICE, C032_APPOINTMENT_PAST,
    Checked, Rules, blank,
};
use crate::answer::{Appointment, Slot};
use crate::kind::Body;
use crate::message::Message;

/// Longest appointment. A session of a whole day fits; more is taken for a mistyped date.
const APPOINTMENT_LASTS_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Longest slot. Beds are offered for weeks.
const SLOT_LASTS_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How far ahead an appointment may be. More is taken for a mistyped year.
const BOOKED_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

/// How long after its start an appointment may still be announced, for systems that send at night.
const TOLD_LATE_MAX: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(message: &Message, with: &Rules<'_>, found: &mut Checked) {
    match &message.body {
        Body::ReferralSchedule(it) => {
            given(&it.appointment, with, found);
            let appointment = &it.appointment;
            let says_when_or_where = appointment.start.is_some()
                || !blank(appointment.bed.as_deref())
                || !blank(appointment.slot.as_deref());
            if !says_when_or_where {
                let fix = "The appointment says neither when nor which bed or slot.";
                found.refuse(C001_EMPTY, "body.appointment.start", fix);
            }
        }
        Body::ReferralBook(it) => asked_for(&it.appointment, with, found),
        Body::ConsultationSchedule(it) => {
            given(&it.appointment, with, found);
            session(&it.appointment, found);
        }
        Body::ReferralSubmit(it) | Body::ReferralAmend(it) => {
            if let Some(wanted) = &it.wanted {
                order("body.wanted", wanted.start, wanted.end, None, found);
            }
            later(message, "body.valid_until", it.valid_until, found);
        }
        Body::ConsultationRequest(it) | Body::ConsultationAmend(it) => {
            for (at, wanted) in it.wanted.iter().enumerate() {
                order(&format!("body.wanted[{at}]"), wanted.start, wanted.end, None, found);
            }
        }
        Body::TransferOffer(it) | Body::TransferAmend(it) => {
            let (start, end) = (it.stay.admitted_at, it.stay.discharged_at);
            if start.zip(end).is_some_and(|(start, end)| end < start) {
                let fix = "The discharge is before the admission; correct the one that is wrong.";
                found.refuse(C018_TIME_ORDER, "body.stay.discharged_at", fix);
            }
        }
        Body::ReferralAccept(it) | Body::TransferAccept(it) | Body::ConsultationAccept(it) => {
            later(message, "body.hold_until", it.hold_until, found);
        }
        Body::SlotPublish(it) => slots(&it.slots, with, found),
        Body::SlotWithdraw(it) => {
            for (at, number) in it.numbers.iter().enumerate() {
                if blank(Some(number)) {
                    let fix = "The number of the slot is empty; fill it in or leave the entry out.";
                    found.refuse(C001_EMPTY, format!("body.numbers[{at}]"), fix);
                }
            }
        }
        _ => {}
    }
}

/// Checks an appointment that is given now.
fn given(appointment: &Appointment, with: &Rules<'_>, found: &mut Checked) {
    const PATH: &str = "body.appointment";
    order(PATH, appointment.start, appointment.end, Some(APPOINTMENT_LASTS_MAX), found);
    if let Some(start) = appointment.start {
        not_too_far(&format!("{PATH}.start"), start, with, found);
        if with.now.duration_since(start) > TOLD_LATE_MAX {
            let fix = "The appointment is in the past; it was accepted anyway. Check the day.";
            found.note(C032_APPOINTMENT_PAST, format!("{PATH}.start"), fix);
        }
    }
    let mut named = HashSet::new();
    for (at, expert) in appointment.experts.iter().enumerate() {
        if blank(Some(&expert.practitioner)) {
            let fix = "The expert's number is empty; the time is booked under it.";
            found.refuse(C001_EMPTY, format!("{PATH}.experts[{at}].practitioner"), fix);
        } else if !named.insert(expert) {
            let fix = "The same expert is booked twice; once is enough.";
            found.note(C028_NAMED_TWICE, format!("{PATH}.experts[{at}]"), fix);
        }
    }
}

/// Checks a time that is asked for. It may be a period of several days.
fn asked_for(appointment: &Appointment, with: &Rules<'_>, found: &mut Checked) {
    const PATH: &str = "body.appointment";
    order(PATH, appointment.start, appointment.end, None, found);
    if let Some(start) = appointment.start {
        not_too_far(&format!("{PATH}.start"), start, with, found);
    }
    if appointment.start.is_none() && blank(appointment.slot.as_deref()) {
        let fix = "The request names neither a time nor a slot; any time will be offered.";
        found.note(C024_USUALLY_THERE, format!("{PATH}.start"), fix);
    }
    if appointment.end.or(appointment.start).is_some_and(|latest| latest < with.now) {
        let fix = "The time that is asked for is in the past; it was taken anyway. Check the day.";
        found.note(C032_APPOINTMENT_PAST, format!("{PATH}.start"), fix);
    }
}

/// Experts and rooms are booked for a time, so a session needs start and end.
fn session(appointment: &Appointment, found: &mut Checked) {
    if appointment.start.is_none() {
        let fix = "The session needs its start.";
        found.refuse(C001_EMPTY, "body.appointment.start", fix);
    }
    if appointment.end.is_none() {
        let fix = "The session has no end, so experts and room cannot be booked; add it.";
        found.note(C024_USUALLY_THERE, "body.appointment.end", fix);
    }
}

fn slots(slots: &[Slot], with: &Rules<'_>, found: &mut Checked) {
    let mut numbers = HashSet::new();
    for (at, slot) in slots.iter().enumerate() {
        let path = format!("body.slots[{at}]");
        order(&path, Some(slot.start), Some(slot.end), Some(SLOT_LASTS_MAX), found);
        not_too_far(&format!("{path}.start"), slot.start, with, found);
        if blank(Some(&slot.number)) {
            let fix = "The number of the slot is empty; it is booked under it.";
            found.refuse(C001_EMPTY, format!("{path}.number"), fix);
        } else if !numbers.insert(slot.number.as_str()) {
            let fix = "Two slots of this message have the same number; each needs its own.";
            found.refuse(C028_NAMED_TWICE, format!("{path}.number"), fix);
        }
    }
}

/// Checks that the end is after the start, and not too long after.
fn order(
    path: &str,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    lasts_max: Option<SignedDuration>,
    found: &mut Checked,
) {
    let Some((start, end)) = start.zip(end) else {
        return;
    };
    let lasts = end.duration_since(start);
    if lasts <= SignedDuration::ZERO {
        let fix = "The end does not lie after the start; correct the one that is wrong.";
        found.refuse(C018_TIME_ORDER, format!("{path}.end"), fix);
    } else if lasts_max.is_some_and(|most| lasts > most) {
        let fix = "So long a time cannot be meant; check the day of the end.";
        found.refuse(C018_TIME_ORDER, format!("{path}.end"), fix);
    }
}

fn not_too_far(path: &str, start: Timestamp, with: &Rules<'_>, found: &mut Checked) {
    if start.duration_since(with.now) > BOOKED_AHEAD_MAX {
        let fix = "The time is more than two years ahead; check the year.";
        found.refuse(C018_TIME_ORDER, path, fix);
    }
}

/// Checks that a time until which something is valid is not past.
fn later(message: &Message, path: &str, until: Option<Timestamp>, found: &mut Checked) {
    if until.is_some_and(|until| until <= message.occurred_at) {
        let fix = "The time is before the time of the message; correct it or leave it out.";
        found.refuse(C018_TIME_ORDER, path, fix);
    }
}
