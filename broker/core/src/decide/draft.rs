//! A change while it is being worked out: the new case, and what is noted with it.
//!
//! ```text
//!   case ──clone──▶ draft ──changed by its family──▶ finish ──▶ case, event, messages, dispatches
//! ```
//!
//! Nothing here decides what is allowed. `finish` does what all changes have in common: case
//! numbers, deadlines, routing, and completing the outgoing messages.

use tierlink_schemas::message::BusinessNumber;
use tierlink_schemas::{Body, Message, OrganisationCode};

use super::ask::Ask;
use super::bookings::free_what_is_not_needed;
use super::change::{Change, Dispatch, Event};
use super::outgoing;
use crate::access;
use crate::bodies::no_case;
use crate::case::{Case, PastTarget};
use crate::deadline::waits::deadlines_of;
use crate::routing;
use crate::rule::{Refused, Rule};

/// How often a case may move to another target. More would be a loop between two systems.
pub const TARGETS_MAX: usize = 20;

/// Events after which only an end of the case is accepted. No real case has nearly as many.
pub const EVENTS_MAX: u32 = 10_000;

/// Own numbers of organisations that one case carries, as in the schema.
pub const NUMBERS_MAX: usize = 20;

/// A change while it is being worked out.
pub(super) struct Draft<'a> {
    /// The message and what was looked up for it.
    pub(super) ask: &'a Ask<'a>,
    /// The case before the change; `None` if the message opens it.
    pub(super) before: Option<&'a Case>,
    /// The case with the changes so far.
    pub(super) case: Case,
    /// The message as it will be sent on.
    pub(super) message: Message,
    /// Whether the deadlines of the state start anew although the state stays.
    pub(super) restart: bool,
    notes: Vec<&'static str>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        ask: &'a Ask<'a>,
        before: Option<&'a Case>,
        case: Case,
        message: Message,
    ) -> Self {
        Self { ask, before, case, message, restart: false, notes: Vec::new() }
    }

    /// The organisation that sent the message.
    pub(super) fn author(&self) -> &OrganisationCode {
        &self.ask.message.source.organisation
    }

    /// Adds a remark to the event.
    pub(super) fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Tells `organisation` of this and every later event.
    pub(super) fn watch(&mut self, organisation: OrganisationCode) {
        if !self.case.watchers.contains(&organisation) {
            self.case.watchers.push(organisation);
        }
    }

    /// Lets the reviews fall, those of the case and those of its experts, because an emergency does
    /// not wait; the reviewers hear of it.
    pub(super) fn skip_reviews(&mut self) {
        let mut skipped = std::mem::take(&mut self.case.reviews);
        let held = self.case.experts.iter_mut().filter_map(|asked| asked.held.take());
        skipped.extend(held.map(|held| held.by));
        if skipped.is_empty() {
            return;
        }
        for reviewer in skipped {
            self.watch(reviewer);
        }
        self.note("reviews_skipped");
    }

    /// Moves the case to another target and records the present one as a past target.
    pub(super) fn move_to(
        &mut self,
        party: tierlink_schemas::person::Party,
        reason: Option<tierlink_schemas::answer::Reason>,
    ) -> Result<(), Refused> {
        if self.case.past_targets.len() >= TARGETS_MAX {
            return Err(Rule::TooManyTargets.refuse());
        }
        let organisation = std::mem::replace(&mut self.case.target, party.organisation.clone());
        self.case.past_targets.push(PastTarget {
            organisation,
            until: self.ask.now,
            reason,
            heard: self.before.is_some_and(access::is_released),
            priority: self.before.map(|before| before.priority),
        });
        self.case.context.to = party;
        Ok(())
    }

    /// Completes the change: what all changes have in common.
    pub(super) fn finish(mut self) -> Result<Change, Refused> {
        let now = self.ask.now;
        if self.case.events >= EVENTS_MAX && !self.case.state.is_terminal() {
            return Err(Rule::TooManyEvents.refuse());
        }
        self.take_number();
        // By name: that the appointment is off while a cancellation is asked for leaves the question,
        // and its deadline, as they were.
        let moved = self.before.is_none_or(|before| {
            before.state.as_str() != self.case.state.as_str()
                || before.target != self.case.target
                || before.reviews.first() != self.case.reviews.first()
        });
        if moved || self.restart {
            self.case.since = now;
        }
        self.case.changed_at = now;
        self.case.events = self.case.events.saturating_add(1);
        free_what_is_not_needed(&mut self.case);
        self.case.deadlines = deadlines_of(&self.case, self.ask.county);
        let event = self.event();
        let (messages, dispatches) = self.told()?;
        Ok(Change { case: self.case, event, messages, dispatches })
    }

    /// Records the author's own number for the case. Only the author may state it.
    fn take_number(&mut self) {
        let author = self.ask.message.source.organisation.clone();
        let Some(number) = self.ask.message.case.number_of(&author) else {
            return;
        };
        let number = number.to_owned();
        let numbers = &mut self.case.numbers;
        if let Some(known) = numbers.iter_mut().find(|known| known.organisation == author) {
            known.number = number;
        } else if numbers.len() < NUMBERS_MAX {
            numbers.push(BusinessNumber { organisation: author, number });
        }
    }

    fn event(&self) -> Event {
        Event {
            number: self.case.events,
            message: self.message.id,
            kind: self.message.kind(),
            by: self.author().clone(),
            from_state: self.before.map(|before| before.state.as_str()),
            to_state: self.case.state.as_str(),
            at: self.ask.now,
            reason: reason(&self.message.body),
            note: (!self.notes.is_empty()).then(|| self.notes.join(",")),
        }
    }

    /// The outgoing messages, and which organisation gets which.
    fn told(&self) -> Result<(Vec<Message>, Vec<Dispatch>), Refused> {
        let told = routing::route(self.before, &self.case, self.author());
        let those = |what: routing::What| -> Vec<OrganisationCode> {
            told.iter().filter(|told| told.what == what).map(|told| told.to.clone()).collect()
        };
        let mut message = self.message.clone();
        let answers = self.before.map(|before| before.request_reply.clone());
        message.caused_by = None;
        let now = self.ask.now;
        outgoing::complete(&mut message, &self.case, answers, those(routing::What::Message), now);
        let newcomers = those(routing::What::Request);
        let mut messages = vec![message];
        if !newcomers.is_empty() {
            messages.push(self.restated(newcomers)?);
        }
        let dispatches = told
            .iter()
            .filter_map(|told| {
                let at = match told.what {
                    routing::What::Message => 0,
                    routing::What::Request => 1,
                };
                messages.get(at).map(|message| Dispatch {
                    to: told.to.clone(),
                    system: routing::system(self.ask.county, &told.to, message, &self.case),
                    message: message.id,
                })
            })
            .collect();
        Ok((messages, dispatches))
    }

    /// The request, restated for organisations that were not told of the case before.
    fn restated(&self, destinations: Vec<OrganisationCode>) -> Result<Message, Refused> {
        let request = if self.message.kind().states_request() {
            Some(&self.message)
        } else {
            self.ask.request
        };
        let mut restated = request
            .and_then(|request| {
                outgoing::restate(request, &self.case, self.message.id, self.ask.second_message_id)
            })
            .ok_or_else(|| Rule::RequestMissing.refuse())?;
        outgoing::complete(&mut restated, &self.case, None, destinations, self.ask.now);
        Ok(restated)
    }
}

/// The reason code in the message.
fn reason(body: &Body) -> Option<String> {
    let reason = match body {
        Body::ReferralReturn(b) | Body::ConsultationReturn(b) => &b.reason,
        Body::ReferralDecline(b) | Body::TransferDecline(b) | Body::ConsultationDecline(b) => {
            &b.reason
        }
        Body::ReferralRedirect(b) | Body::TransferRedirect(b) => &b.reason,
        Body::ReferralCancel(b) | Body::TransferCancel(b) | Body::ConsultationCancel(b) => {
            &b.reason
        }
        Body::ReferralUnschedule(b) => &b.reason,
        Body::ConsultationRecollect(b) => &b.reason,
        Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::ReferralReview(_)
        | Body::ReferralAccept(_)
        | Body::ReferralSchedule(_)
        | Body::ReferralBook(_)
        | Body::ReferralArrive(_)
        | Body::ReferralNoShow(_)
        | Body::ReferralFeedback(_)
        | Body::ReferralConfirmCancel(_)
        | Body::ReferralRefuseCancel(_)
        | Body::ReferralClose(_)
        | Body::TransferOffer(_)
        | Body::TransferAmend(_)
        | Body::TransferAccept(_)
        | Body::TransferDischarge(_)
        | Body::TransferReceive(_)
        | Body::TransferFollowUp(_)
        | Body::TransferClose(_)
        | Body::ConsultationRequest(_)
        | Body::ConsultationAmend(_)
        | Body::ConsultationReview(_)
        | Body::ConsultationAccept(_)
        | Body::ConsultationSchedule(_)
        | Body::ConsultationStart(_)
        | Body::ConsultationOpinion(_)
        | Body::ConsultationAcknowledge(_)
        | Body::ConsultationNoShow(_)
        | Body::ConsultationClose(_)
        | Body::ConsultationClaim(_)
        | Body::ConsultationReport(_)
        | Body::ConsultationAudit(_)
        | Body::ConsultationCritical(_)
        | no_case!() => return None,
    };
    Some(reason.code.clone())
}
