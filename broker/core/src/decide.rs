//! The one entrance: what a message means for its case.
//!
//! ```text
//!   sender known? ─▶ sees the case? ─▶ same patient? ─▶ its role may say it?
//!        R001             R002             R018               R020–R029
//!                    ─▶ the state allows it? ─▶ content fits?
//!                            R030–R059            R060–R079
//! ```
//!
//! The shell has looked everything up; this only decides. Ownership is checked before state, so a
//! stranger learns nothing from the order of refusals: for it every case is one that does not
//! exist.
//!
//! Reason codes and the form of fields are not checked here: `tierlink_schemas::check` did that.

mod bookings;
mod consultation;
pub(crate) mod draft;
mod moves;
mod open;
pub(crate) mod outgoing;
mod place;
mod referral;
mod stated;
mod transfer;

use jiff::Timestamp;
use tierlink_schemas::answer::StatusReport;
use tierlink_schemas::{Body, Family, Kind, Message, OrganisationCode, Problem, Refusal};
use uuid::Uuid;

use crate::case::{Booking, Case, State};
use crate::county::County;
use crate::rule::{Role, Rule};
use crate::subject::{self, Stated};

pub use bookings::SESSION_LASTS_MAX;
pub use consultation::act as consultation_act;
pub use draft::{EVENTS_MAX, NUMBERS_MAX, TARGETS_MAX};
pub use referral::act as referral_act;
pub use stated::EXPERTS_MAX;
pub use transfer::act as transfer_act;

/// What a message asks, with everything that was looked up for it.
pub struct Ask<'a> {
    /// The message. Its source is authenticated.
    pub message: &'a Message,
    /// Whether the format said what family of case it speaks of (else the case's family counts).
    pub family_stated: bool,
    /// The case that it names, if there is one (see `find`). It may be one that the sender must
    /// not see.
    pub case: Option<&'a Case>,
    /// The case that an opening message names as its parent, if there is one.
    pub parent: Option<&'a Case>,
    /// The message that last stated the case's request, for kinds that hand it on
    /// ([`needs_request`]).
    pub request: Option<&'a Message>,
    /// Of the bookings that [`wanted_bookings`] named, those that another case holds.
    pub taken: &'a [Booking],
    /// The slot that the appointment names at its sender, if it was published.
    pub slot: Option<SlotUse>,
    /// The county.
    pub county: &'a County,
    /// Now.
    pub now: Timestamp,
    /// The counter for the number of a new case.
    pub counter: u64,
    /// The id for one further message that the decision may write.
    pub spare: Uuid,
}

/// How far a slot is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotUse {
    /// How many cases may use it.
    pub places: u16,
    /// How many do.
    pub used: u16,
}

/// What the core says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The case changes.
    Changed(Box<Change>),
    /// A query: nothing changes, an answer is written for the asker.
    Answered(Box<Message>),
    /// Slots are remembered or taken back, as the message says. Nobody is told.
    Noted,
    /// It does not.
    Refused(Refused),
}

/// Why not: the rule, its code and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose mistake.
    pub refusal: Refusal,
    /// The code (`R…`), the field and the fix.
    pub problem: Problem,
}

/// Who shall hear of it, and which message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The destination.
    pub to: OrganisationCode,
    /// Which of [`Change::messages`].
    pub message: Uuid,
}

/// What changed, to be written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The case afterwards.
    pub case: Case,
    /// The event.
    pub event: Event,
    /// The messages to remember and to send, complete with case, context and reply: the first is
    /// the message itself, a second one may restate the request for a new target.
    pub messages: Vec<Message>,
    /// Who hears what. Never the author.
    pub dispatches: Vec<Dispatch>,
}

/// What is recorded when a message changed a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number within the case, from 1.
    pub number: u32,
    /// The message.
    pub message: Uuid,
    /// What it said.
    pub kind: Kind,
    /// Who said it.
    pub by: OrganisationCode,
    /// The state before; `None` for the first event.
    pub from_state: Option<&'static str>,
    /// The state after.
    pub to_state: &'static str,
    /// When, by our clock.
    pub at: Timestamp,
    /// Coded reason, if the message gave one.
    pub reason: Option<String>,
    /// What happened beside it: `reviews_skipped`, `overdue:accept`, `rescheduled`.
    pub note: Option<String>,
}

/// Whether the decision on a message of this kind may need [`Ask::request`]: somebody who knows
/// nothing of the case yet may have to hear of it.
#[must_use]
pub const fn needs_request(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ReferralReview
            | Kind::ConsultationReview
            | Kind::ReferralRedirect
            | Kind::TransferRedirect
            | Kind::ReferralSchedule
            | Kind::ConsultationSchedule
    )
}

/// The experts and rooms that `message` would occupy: the store looks up which of them another
/// case holds, for [`Ask::taken`]. `case` is the case that it names, if there is one.
#[must_use]
pub fn wanted_bookings(message: &Message, case: Option<&Case>) -> Vec<Booking> {
    let family = case.map_or(message.kind().family(), |case| case.state.family());
    if family != Family::Consultation {
        return Vec::new();
    }
    let author = &message.source.organisation;
    let session =
        message.body.appointment().and_then(|given| Some((given, bookings::session(given)?)));
    session.map_or_else(Vec::new, |(given, times)| bookings::wanted(given, &times, author, case))
}

/// Decides what a message means for its case.
#[must_use]
pub fn decide(ask: &Ask<'_>) -> Decision {
    judge(ask).unwrap_or_else(Decision::Refused)
}

fn judge(ask: &Ask<'_>) -> Result<Decision, Refused> {
    let message = ask.message;
    let author = &message.source.organisation;
    if ask.county.member(author).is_none() {
        return Err(Rule::UnknownSender.refuse());
    }
    // A case of others is the same as no case, from here on.
    let case = ask.case.filter(|case| case.has_part(author));
    same_patient(message, case)?;
    match (message.kind(), case) {
        (Kind::SlotPublish | Kind::SlotWithdraw, _) => Ok(Decision::Noted),
        (Kind::StatusReport | Kind::Receipt, _) => Err(Rule::NotForSenders.refuse()),
        (Kind::StatusQuery, Some(case)) => Ok(Decision::Answered(Box::new(answer(ask, case)))),
        (kind, None) if kind.opens() => Ok(changed(open::open(ask, message.clone())?)),
        (kind, Some(case)) if kind.opens() => reopened(ask, case),
        (_, Some(case)) => Ok(changed(existing(ask, case, in_family(ask, case)?)?)),
        (_, None) => Err(Rule::NoSuchCase.refuse()),
    }
}

/// Whoever the message says it is about must not be somebody else than whom the case is about.
///
/// A new case, and one that takes over the number of an ended case, is about whom it states.
fn same_patient(message: &Message, case: Option<&Case>) -> Result<(), Refused> {
    let Some(patient) = &message.subject else {
        return Ok(());
    };
    let author = &message.source.organisation;
    let opens = message.kind().opens();
    let ours = match case.filter(|case| !opens || !case.state.is_terminal()) {
        Some(case) => Some(Stated { patient: &case.context.patient, by: &case.origin }),
        None => message.body.patient().map(|patient| Stated { patient, by: author }),
    };
    let theirs = Stated { patient, by: author };
    if ours.is_some_and(|ours| subject::contradict(ours, theirs)) {
        return Err(Rule::AnotherPatient.refuse());
    }
    Ok(())
}

fn changed(change: Change) -> Decision {
    Decision::Changed(Box::new(change))
}

/// An opening message that names a case: the origin submits again what was returned. Any other
/// open case keeps its number to itself; that of an ended one may be used again.
fn reopened(ask: &Ask<'_>, case: &Case) -> Result<Decision, Refused> {
    if case.state.is_terminal() {
        return Ok(changed(open::open(ask, ask.message.clone())?));
    }
    let same = ask.message.kind().family() == case.state.family();
    let returned = match &case.state {
        State::Referral(state) => *state == crate::referral::State::Returned,
        State::Consultation(state) => *state == crate::consultation::State::Returned,
        State::Transfer(state) => *state == crate::transfer::State::Declined,
    };
    if !(same && returned && case.origin == ask.message.source.organisation) {
        return Err(Rule::AlreadyOpen.refuse());
    }
    let mut message = ask.message.clone();
    let body = match message.body.clone() {
        Body::ReferralSubmit(b) => Body::ReferralAmend(b),
        Body::TransferOffer(b) => Body::TransferAmend(b),
        Body::ConsultationRequest(b) => Body::ConsultationAmend(b),
        other => other,
    };
    message.set_body(body);
    Ok(changed(existing(ask, case, message)?))
}

/// The message as one of the case's family. Only a format that does not say the family is read
/// that way: a stated family that differs is a mistake in one of the two.
fn in_family(ask: &Ask<'_>, case: &Case) -> Result<Message, Refused> {
    let family = case.state.family();
    let message = ask.message.clone();
    if message.kind().family() == family {
        return Ok(message);
    }
    if ask.family_stated {
        return Err(Rule::WrongFamily.refuse());
    }
    message.adapted(family).map_err(|_| Rule::WrongFamily.refuse())
}

fn existing(ask: &Ask<'_>, case: &Case, message: Message) -> Result<Change, Refused> {
    let role = role_of(case, &ask.message.source.organisation);
    let mut draft = draft::Draft::new(ask, Some(case), case.clone(), message);
    match &case.state {
        State::Referral(state) => referral::apply(&mut draft, *state, role)?,
        State::Transfer(state) => transfer::apply(&mut draft, *state, role)?,
        State::Consultation(state) => consultation::apply(&mut draft, *state, role)?,
    }
    draft.finish()
}

/// The part that `organisation` has in `case` as it stands. The strongest one counts.
#[must_use]
pub fn role_of(case: &Case, organisation: &OrganisationCode) -> Role {
    let declined = case.state == State::Consultation(crate::consultation::State::Declined);
    let dispatches = declined && case.terms.dispatcher.as_ref() == Some(organisation);
    if case.origin == *organisation {
        Role::Origin
    } else if case.reviews.first() == Some(organisation) || dispatches {
        Role::Reviewer
    } else if case.target == *organisation {
        Role::Target
    } else if case.experts.iter().any(|asked| asked.expert.organisation == *organisation) {
        Role::Expert
    } else {
        Role::Watcher
    }
}

/// Where the case stands, for whoever asked. A target that the case has left hears only that.
fn answer(ask: &Ask<'_>, case: &Case) -> Message {
    let asker = &ask.message.source.organisation;
    let (mut message, mut report) = outgoing::report(case, &ask.county.broker, ask.spare, ask.now);
    let answers = Some(outgoing::reply_to(ask.message));
    outgoing::complete(&mut message, case, answers, vec![asker.clone()], ask.now);
    message.caused_by = Some(ask.message.id);
    if let Some(left) = left_at(case, asker) {
        report = StatusReport {
            state: "redirected".to_owned(),
            with: None,
            since: Some(left),
            appointment: None,
            ..report
        };
        message.case.state = Some(report.state.clone());
        message.case.numbers.retain(|number| number.organisation == *asker);
        message.context = None;
        message.set_body(Body::StatusReport(report));
    }
    message
}

/// When the case left `organisation`, if it has no other part in it any more.
fn left_at(case: &Case, organisation: &OrganisationCode) -> Option<Timestamp> {
    let has_other = [&case.origin, &case.target]
        .into_iter()
        .chain(&case.reviews)
        .chain(&case.watchers)
        .chain(case.experts.iter().map(|asked| &asked.expert.organisation))
        .any(|party| party == organisation);
    let past = case.past_targets.iter().filter(|past| past.organisation == *organisation);
    if has_other { None } else { past.map(|past| past.until).max() }
}
