//! What each state waits for, from when, and how long.
//!
//! Every state that is not final has a deadline, and a final state has none, except for a critical
//! value: it must be acknowledged however the case ended.

use jiff::Timestamp;
use tierlink_schemas::request::ConsultationForm;

use super::limits::Limit;
use super::names::{Deadline, Name};
use crate::access;
use crate::case::{Case, State};
use crate::county::County;
use crate::{consultation, referral, transfer};

/// The deadlines of `case` in its present state, earliest first.
///
/// A deadline that ran before and still runs keeps its number of escalations, so that a message
/// about something else does not stop the alarm.
#[must_use]
pub fn deadlines_of(case: &Case, county: &County) -> Vec<Deadline> {
    let mut waits = Waits { case, county, list: Vec::new() };
    waits.alert();
    match &case.state {
        State::Referral(state) => waits.referral(*state),
        State::Transfer(state) => waits.transfer(*state),
        State::Consultation(state) => waits.consultation(*state),
    }
    let mut list = waits.list;
    list.sort_by_key(|deadline| (deadline.due, deadline.name));
    list
}

/// Collects the deadlines of one case.
struct Waits<'a> {
    case: &'a Case,
    county: &'a County,
    list: Vec<Deadline>,
}

impl Waits<'_> {
    fn add(&mut self, name: Name, since: Timestamp, limit: Limit) {
        let due = limit.after(since, &self.county.calendar);
        self.add_due(name, since, due);
    }

    /// Adds a deadline, or keeps the same one from before if it was escalated already.
    fn add_due(&mut self, name: Name, since: Timestamp, due: Timestamp) {
        let before = self
            .case
            .deadlines
            .iter()
            .find(|old| old.name == name && old.since == since && old.escalations > 0);
        self.list.push(before.copied().unwrap_or(Deadline { name, since, due, escalations: 0 }));
    }

    /// Adds a deadline that counts from when the case came into its state.
    fn now(&mut self, name: Name, limit: Limit) {
        self.add(name, self.case.since, limit);
    }

    /// Keeps a deadline that began in an earlier state.
    fn carry(&mut self, name: Name) {
        self.list.extend(self.case.deadlines.iter().find(|old| old.name == name).copied());
    }

    fn alert(&mut self) {
        if let Some(alert) = &self.case.critical
            && alert.acknowledged_at.is_none()
        {
            self.add(Name::Critical, alert.raised_at, self.county.limits.critical);
        }
    }

    /// Adds the time at which the broker ends the case, unless a critical value is unacknowledged.
    fn end(&mut self, name: Name, since: Timestamp, limit: Limit) {
        if self.list.iter().all(|deadline| deadline.name != Name::Critical) {
            self.add(name, since, limit);
        }
    }

    /// The start (or `end`) of the appointment, but not before the state began.
    fn appointed(&self, end: bool) -> Timestamp {
        let appointment = self.case.context.appointment.as_ref();
        let at =
            appointment.and_then(|given| if end { given.end.or(given.start) } else { given.start });
        at.map_or(self.case.since, |at| at.max(self.case.since))
    }

    /// Adds the expiry of a request that is not accepted yet: at the time that its origin set, or
    /// after the county's limit.
    fn expire_unaccepted(&mut self) {
        match self.case.terms.valid_until {
            Some(until) if self.list.iter().all(|d| d.name != Name::Critical) => {
                self.add_due(Name::Expire, self.case.since, until);
            }
            Some(_) => {}
            None => self.end(Name::Expire, self.case.since, self.county.limits.expire),
        }
    }

    fn referral(&mut self, state: referral::State) {
        use referral::State;
        let limits = &self.county.limits;
        let priority = self.case.priority;
        match state {
            State::InReview => self.now(Name::Review, limits.review(priority)),
            State::Submitted => self.now(Name::Accept, limits.accept(priority)),
            State::Returned => self.now(Name::Resubmit, limits.resubmit),
            State::Accepted => self.now(Name::Schedule, limits.schedule(priority)),
            State::Scheduled => {
                self.add(Name::Arrive, self.appointed(false), limits.arrive);
                if let Some(asked) = self.case.terms.time_asked_at {
                    self.add(Name::Schedule, asked, limits.schedule(priority));
                }
            }
            State::Arrived => self.now(Name::Feedback, limits.feedback),
            State::InCare => self.now(Name::Feedback, limits.in_care),
            State::CancelRequested { .. } => self.now(Name::AnswerCancel, limits.answer_cancel),
            State::NoShow => self.now(Name::Rebook, limits.rebook),
            State::Completed | State::Declined | State::Cancelled | State::Expired => {}
        }
        if state.expired().is_none() {
            return;
        }
        match state {
            State::InReview | State::Submitted | State::Returned => self.expire_unaccepted(),
            State::Accepted
            | State::Scheduled
            | State::CancelRequested { .. }
            | State::NoShow
            | State::Arrived
            | State::InCare
            | State::Completed
            | State::Declined
            | State::Cancelled
            | State::Expired => self.end(Name::Expire, self.appointed(true), limits.expire),
        }
    }

    fn transfer(&mut self, state: transfer::State) {
        use transfer::State;
        let limits = &self.county.limits;
        match state {
            State::Offered => self.now(Name::Accept, limits.accept(self.case.priority)),
            State::Accepted => self.now(Name::Discharge, limits.discharge),
            State::Discharged => self.now(Name::Receive, limits.receive),
            State::Received => {
                self.now(Name::FollowUp, limits.follow_up);
                self.now(Name::Contact, limits.contact);
            }
            State::Following => {
                if !self.case.terms.followed_up {
                    self.carry(Name::FollowUp);
                }
                if !self.case.terms.contacted {
                    self.carry(Name::Contact);
                }
            }
            State::Declined => self.now(Name::FindAnother, limits.find_another),
            State::Closed | State::Cancelled => {}
        }
        if state.closed_by_itself().is_some() {
            self.end(Name::Close, self.case.since, limits.close);
        }
    }

    fn consultation(&mut self, state: consultation::State) {
        use consultation::State;
        let limits = &self.county.limits;
        let priority = self.case.priority;
        let service = self.case.terms.service.as_deref();
        match state {
            State::InReview => self.now(Name::Review, limits.review(priority)),
            State::Dispatched => self.now(Name::Accept, limits.answer(priority, service)),
            State::Returned => self.now(Name::Resubmit, limits.resubmit),
            State::Accepted if self.case.terms.form == ConsultationForm::Offline => {
                self.now(Name::Opinion, limits.opinion(priority, service));
            }
            State::Accepted => self.now(Name::Schedule, limits.schedule(priority)),
            State::Scheduled => self.add(Name::Start, self.appointed(false), limits.start),
            State::InSession => {
                let opinion = limits.opinion(priority, service);
                self.add(Name::Opinion, self.appointed(true), opinion);
            }
            State::OpinionIssued | State::Reported => {
                self.now(Name::Acknowledge, limits.acknowledge);
            }
            State::Uploaded | State::Claimed | State::Written => self.reading(state),
            State::Recollect => self.now(Name::Recollect, limits.recollect),
            State::Acknowledged => self.end(Name::Close, self.case.since, limits.close),
            State::Declined => self.now(Name::FindAnother, limits.find_another),
            State::NoShow => self.now(Name::Rebook, limits.rebook),
            State::Closed | State::Cancelled | State::Expired => {}
        }
        self.experts(state);
        if state.expired().is_some() {
            self.end(Name::Expire, self.appointed(true), limits.expire);
        }
    }

    /// Experts who were added after the release of the case wait for a review of their own.
    fn experts(&mut self, state: consultation::State) {
        if state.is_terminal() || !access::is_released(self.case) {
            return;
        }
        let held = self.case.experts.iter().filter_map(|asked| asked.held.as_ref());
        if let Some(since) = held.map(|held| held.since).min() {
            self.add(Name::Review, since, self.county.limits.review(self.case.priority));
        }
    }

    /// Both times of a reading count from the upload, whoever has it meanwhile.
    fn reading(&mut self, state: consultation::State) {
        let service = self.case.terms.service.as_deref();
        let (write, audit) = self.county.limits.reading(self.case.priority, service);
        let uploaded = self.case.terms.uploaded_at.unwrap_or(self.case.since);
        if state != consultation::State::Written {
            self.add(Name::Write, uploaded, write);
        }
        self.add(Name::Audit, uploaded, audit);
    }
}
