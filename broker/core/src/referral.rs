//! The states of a referral: upwards (上转), lateral, and out of the county.
//!
//! ```text
//!                                                  ◀─unschedule─
//!   in_review ──review──▶ submitted ──accept──▶ accepted ──schedule──▶ scheduled
//!       │  ▲                │   │  ▲                │  ▲                  │
//!     return amend       return │ amend           cancel refuse-cancel  arrive ◀── also straight from
//!       ▼  │                ▼   │  │                ▼  │                  ▼       accepted, no_show
//!     returned ◀────────────┘   └──┘           cancel_requested        arrived ──▶ in_care
//!                                                │         └─arrive──▶    └─feedback─┤
//!                                             confirm                                ▼
//!                                                ▼                               completed
//!                                            cancelled      declined, no_show, expired
//! ```
//!
//! Before acceptance the origin cancels alone; afterwards its cancel is a request, which an arrival
//! overrides. Declining after acceptance is allowed until the patient has arrived. A target that
//! sets an appointment or reports the arrival has accepted. Feedback after completion is a
//! correction: it is recorded and sent on, and the state stays.
//!
//! Either side cancels an appointment (unschedule), and the referral goes on: the target must find a
//! new time. When the origin asks for a time (book), the state and an appointment that was given
//! stay until the target answers with one.
//!
//! This file knows states only. `decide` knows the reviewers, and `routing` who is told.

use serde::{Deserialize, Serialize};
use tierlink_schemas::answer::FeedbackStage;

use crate::rule::{Role, Rule};

/// The state of an accepted referral before its origin asked to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// Accepted, without an appointment.
    Accepted,
    /// An appointment was set.
    Scheduled,
    /// The patient had missed the appointment.
    NoShow,
}

/// State of a referral. Each line says what is missing and which acts leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A reviewer must let it pass. Left by review, return, redirect, cancel.
    InReview,
    /// The target must answer. Left by accept, decline, return, redirect, cancel.
    Submitted,
    /// The origin must complete it. Left by amend, cancel.
    Returned,
    /// The target takes the patient. Left by schedule, arrive, decline, redirect, cancel.
    Accepted,
    /// There is an appointment. Left by arrive, no-show, unschedule, decline, redirect, cancel.
    Scheduled,
    /// The patient is there. Left by feedback, close.
    Arrived,
    /// The patient is treated. Left by the outcome, close.
    InCare,
    /// The outcome is known. Final.
    Completed,
    /// The target does not take the patient. Final; the origin opens a new case.
    Declined,
    /// The origin asked to cancel. Left by confirm, refuse, arrive, decline.
    CancelRequested {
        /// The state that it returns to if the target refuses the cancellation.
        before: Before,
    },
    /// Ended before the patient was seen. Final.
    Cancelled,
    /// The patient did not come. Left by schedule, arrive, decline, redirect, cancel, close.
    NoShow,
    /// Nobody acted for too long. Final.
    Expired,
}

impl State {
    /// Every state, in the order of its life.
    pub const ALL: [Self; 15] = [
        Self::InReview,
        Self::Submitted,
        Self::Returned,
        Self::Accepted,
        Self::Scheduled,
        Self::Arrived,
        Self::InCare,
        Self::Completed,
        Self::Declined,
        Self::CancelRequested { before: Before::Accepted },
        Self::CancelRequested { before: Before::Scheduled },
        Self::CancelRequested { before: Before::NoShow },
        Self::Cancelled,
        Self::NoShow,
        Self::Expired,
    ];

    /// The name of the state in the store, in JSON and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InReview => "in_review",
            Self::Submitted => "submitted",
            Self::Returned => "returned",
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::Arrived => "arrived",
            Self::InCare => "in_care",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
            Self::Expired => "expired",
        }
    }

    /// Whether the state is final: no message changes it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Declined | Self::Cancelled | Self::Expired => true,
            Self::InReview
            | Self::Submitted
            | Self::Returned
            | Self::Accepted
            | Self::Scheduled
            | Self::Arrived
            | Self::InCare
            | Self::CancelRequested { .. }
            | Self::NoShow => false,
        }
    }

    /// The state it gets when nobody acted until its expiry; `None` where a patient
    /// is being treated.
    #[must_use]
    pub const fn expired(self) -> Option<Self> {
        match self {
            Self::InReview
            | Self::Submitted
            | Self::Returned
            | Self::Accepted
            | Self::Scheduled
            | Self::CancelRequested { .. }
            | Self::NoShow => Some(Self::Expired),
            Self::Arrived
            | Self::InCare
            | Self::Completed
            | Self::Declined
            | Self::Cancelled
            | Self::Expired => None,
        }
    }
}

/// What a message does to a referral, as far as it decides the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The origin states the request again.
    Amend {
        /// Whether a reviewer has not passed it yet.
        reviews_left: bool,
    },
    /// A reviewer passes it.
    Review {
        /// Whether a further reviewer must pass it.
        reviews_left: bool,
    },
    /// The reviewer, or the target, asks the origin to complete the request.
    Return,
    /// The target takes the patient.
    Accept,
    /// The target does not take the patient.
    Decline,
    /// The case moves to another target.
    Redirect {
        /// Whether a review must pass before the new target is told.
        reviews_left: bool,
    },
    /// The target sets or moves an appointment.
    Schedule,
    /// The origin asks for a time.
    Book,
    /// The appointment is cancelled; the referral goes on.
    Unschedule,
    /// The patient has arrived.
    Arrive {
        /// Whether treatment begins at once.
        admitted: bool,
    },
    /// The patient did not come.
    NoShow,
    /// The target reports findings and treatment.
    Feedback(FeedbackStage),
    /// The origin cancels, or asks to.
    Cancel,
    /// The target agrees to the cancellation.
    ConfirmCancel,
    /// The target refuses the cancellation.
    RefuseCancel,
    /// The case is closed.
    Close,
}

/// Decides what `act` by an organisation in `role` does to a referral in `state`. Returns the next
/// state, or the rule that refuses the act.
///
/// There is no `_` arm: a new state or act does not compile until somebody has said what
/// each pair means.
pub fn step(state: State, act: Act, role: Role) -> Result<State, Rule> {
    may_say(act, role)?;
    match act {
        Act::Amend { reviews_left } => amend(state, reviews_left),
        Act::Review { reviews_left } => review(state, reviews_left),
        Act::Return => give_back(state, role),
        Act::Accept => accept(state),
        Act::Decline => decline(state),
        Act::Redirect { reviews_left } => redirect(state, role, reviews_left),
        Act::Schedule => schedule(state),
        Act::Book => book(state),
        Act::Unschedule => unschedule(state),
        Act::Arrive { admitted } => arrive(state, admitted),
        Act::NoShow => no_show(state),
        Act::Feedback(stage) => feedback(state, stage),
        Act::Cancel => cancel(state),
        Act::ConfirmCancel => answer_cancel(state, true),
        Act::RefuseCancel => answer_cancel(state, false),
        Act::Close => close(state, role),
    }
}

/// Whether the role may perform the act in any state at all.
fn may_say(act: Act, role: Role) -> Result<(), Rule> {
    let (allowed, rule): (&[Role], Rule) = match act {
        Act::Amend { .. } | Act::Book | Act::Cancel => (&[Role::Origin], Rule::OnlyOrigin),
        Act::Review { .. } => (&[Role::Reviewer], Rule::OnlyReviewer),
        Act::Return | Act::Redirect { .. } => {
            (&[Role::Target, Role::Reviewer], Rule::OnlyTargetOrReviewer)
        }
        Act::Accept
        | Act::Decline
        | Act::Schedule
        | Act::Arrive { .. }
        | Act::NoShow
        | Act::Feedback(_)
        | Act::ConfirmCancel
        | Act::RefuseCancel => (&[Role::Target], Rule::OnlyTarget),
        Act::Unschedule | Act::Close => (&[Role::Origin, Role::Target], Rule::OnlyOriginOrTarget),
    };
    if allowed.contains(&role) { Ok(()) } else { Err(rule) }
}

/// The state of a referral that was sent to a target.
const fn on_its_way(reviews_left: bool) -> State {
    if reviews_left { State::InReview } else { State::Submitted }
}

fn amend(state: State, reviews_left: bool) -> Result<State, Rule> {
    match state {
        State::InReview | State::Submitted | State::Returned => Ok(on_its_way(reviews_left)),
        State::Accepted
        | State::Scheduled
        | State::Arrived
        | State::InCare
        | State::CancelRequested { .. }
        | State::NoShow => Ok(state),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn review(state: State, reviews_left: bool) -> Result<State, Rule> {
    match state {
        State::InReview => Ok(on_its_way(reviews_left)),
        State::Returned => Err(Rule::Returned),
        State::Submitted
        | State::Accepted
        | State::Scheduled
        | State::Arrived
        | State::InCare
        | State::CancelRequested { .. }
        | State::NoShow => Err(Rule::NotInReview),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn give_back(state: State, role: Role) -> Result<State, Rule> {
    match state {
        State::InReview if role == Role::Reviewer => Ok(State::Returned),
        State::InReview => Err(Rule::InReview),
        State::Submitted if role == Role::Target => Ok(State::Returned),
        State::Submitted => Err(Rule::OnlyTarget),
        State::Returned => Err(Rule::Returned),
        State::Accepted | State::Scheduled | State::NoShow => Err(Rule::AlreadyAccepted),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn accept(state: State) -> Result<State, Rule> {
    match state {
        State::Submitted => Ok(State::Accepted),
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::Accepted | State::Scheduled | State::NoShow => Err(Rule::AlreadyAccepted),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn decline(state: State) -> Result<State, Rule> {
    match state {
        State::Submitted
        | State::Accepted
        | State::Scheduled
        | State::NoShow
        | State::CancelRequested { .. } => Ok(State::Declined),
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn redirect(state: State, role: Role, reviews_left: bool) -> Result<State, Rule> {
    match state {
        State::InReview if role == Role::Reviewer => Ok(on_its_way(reviews_left)),
        State::InReview => Err(Rule::InReview),
        State::Submitted | State::Accepted | State::Scheduled | State::NoShow
            if role == Role::Target =>
        {
            Ok(on_its_way(reviews_left))
        }
        State::Submitted | State::Accepted | State::Scheduled | State::NoShow => {
            Err(Rule::OnlyTarget)
        }
        State::Returned => Err(Rule::Returned),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn schedule(state: State) -> Result<State, Rule> {
    match state {
        State::Submitted | State::Accepted | State::Scheduled | State::NoShow => {
            Ok(State::Scheduled)
        }
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

/// The state stays: only the target gives an appointment. While the case is with a reviewer or its
/// origin, the target does not know of it and cannot answer.
fn book(state: State) -> Result<State, Rule> {
    match state {
        State::Submitted | State::Accepted | State::Scheduled | State::NoShow => Ok(state),
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::CancelRequested { .. } => Err(Rule::CancelAskedAlready),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

/// Ends the appointment and nothing else. A cancellation of the referral that was asked for before
/// still waits for its answer.
fn unschedule(state: State) -> Result<State, Rule> {
    match state {
        State::Scheduled => Ok(State::Accepted),
        State::CancelRequested { before: Before::Scheduled } => {
            Ok(State::CancelRequested { before: Before::Accepted })
        }
        State::InReview
        | State::Submitted
        | State::Returned
        | State::Accepted
        | State::CancelRequested { before: Before::Accepted | Before::NoShow } => {
            Err(Rule::NoAppointment)
        }
        State::NoShow => Err(Rule::Missed),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn arrive(state: State, admitted: bool) -> Result<State, Rule> {
    match state {
        State::Submitted
        | State::Accepted
        | State::Scheduled
        | State::NoShow
        | State::CancelRequested { .. } => {
            Ok(if admitted { State::InCare } else { State::Arrived })
        }
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::Arrived if admitted => Ok(State::InCare),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn no_show(state: State) -> Result<State, Rule> {
    match state {
        State::Accepted | State::Scheduled => Ok(State::NoShow),
        State::InReview => Err(Rule::InReview),
        State::Submitted => Err(Rule::NotAccepted),
        State::NoShow => Err(Rule::Missed),
        State::Returned => Err(Rule::Returned),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn feedback(state: State, stage: FeedbackStage) -> Result<State, Rule> {
    let met = match stage {
        FeedbackStage::Admitted => return arrive_by_feedback(state),
        FeedbackStage::Interim => state,
        FeedbackStage::Outcome => State::Completed,
    };
    match state {
        State::Arrived | State::InCare => Ok(met),
        State::Completed => Ok(State::Completed),
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::Submitted
        | State::Accepted
        | State::Scheduled
        | State::NoShow
        | State::CancelRequested { .. } => Err(Rule::NotArrived),
        State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

/// Feedback "admitted" says that the patient has arrived, even if no arrival was reported.
fn arrive_by_feedback(state: State) -> Result<State, Rule> {
    match state {
        State::InCare => Ok(State::InCare),
        State::Completed => Ok(State::Completed),
        State::InReview
        | State::Submitted
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::Arrived
        | State::CancelRequested { .. }
        | State::NoShow
        | State::Declined
        | State::Cancelled
        | State::Expired => arrive(state, true),
    }
}

fn cancel(state: State) -> Result<State, Rule> {
    match state {
        State::InReview | State::Submitted | State::Returned => Ok(State::Cancelled),
        State::Accepted => Ok(State::CancelRequested { before: Before::Accepted }),
        State::Scheduled => Ok(State::CancelRequested { before: Before::Scheduled }),
        State::NoShow => Ok(State::CancelRequested { before: Before::NoShow }),
        State::CancelRequested { .. } => Err(Rule::CancelAskedAlready),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

fn answer_cancel(state: State, agreed: bool) -> Result<State, Rule> {
    match state {
        State::CancelRequested { .. } if agreed => Ok(State::Cancelled),
        State::CancelRequested { before } => Ok(match before {
            Before::Accepted => State::Accepted,
            Before::Scheduled => State::Scheduled,
            Before::NoShow => State::NoShow,
        }),
        State::InReview
        | State::Submitted
        | State::Returned
        | State::Accepted
        | State::Scheduled
        | State::NoShow => Err(Rule::NoCancelAsked),
        State::Arrived | State::InCare => Err(Rule::AlreadyArrived),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}

/// The target closes a case it has treated; either side closes one that did not take place.
fn close(state: State, role: Role) -> Result<State, Rule> {
    match state {
        State::Arrived | State::InCare if role == Role::Target => Ok(State::Completed),
        State::Arrived | State::InCare => Err(Rule::OnlyTarget),
        State::NoShow => Ok(State::Cancelled),
        State::InReview => Err(Rule::InReview),
        State::Returned => Err(Rule::Returned),
        State::Submitted => Err(Rule::NotAccepted),
        State::Accepted | State::Scheduled => Err(Rule::NotArrived),
        State::CancelRequested { .. } => Err(Rule::CancelAsked),
        State::Completed | State::Declined | State::Cancelled | State::Expired => Err(Rule::Ended),
    }
}
