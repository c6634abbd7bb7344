//! The states of a discharge-back transfer (下转, 回转).
//!
//! ```text
//!   offered ──accept──▶ accepted ──discharge──▶ discharged ──receive──▶ received ──follow-up──▶ following
//!     │ ▲  ▲               │  └────────receive─────────────────────────▶   │                      │
//!  decline │ redirect    decline                                           └───────close──────────┤
//!     ▼    │ amend         ▼                                                                      ▼
//!   declined ◀─────────────┘ ──close──▶ closed ◀────────────────────────────────────────────── closed
//! ```
//!
//! `declined` is not final: the patient still needs care, so the origin redirects, amends, cancels
//! or closes. A reception without a discharge message is accepted, because discharge messages get
//! lost and patients do not wait. Only `received` counts in statistics. The last planned follow-up
//! does not close the case: a person does.

use serde::{Deserialize, Serialize};

use crate::rule::{Role, Rule};

/// State of a transfer. Each line says what is missing and which acts leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The target must answer. Left by accept, decline, redirect, receive, cancel.
    Offered,
    /// The target takes over. Left by discharge, receive, decline, redirect, cancel.
    Accepted,
    /// The patient is on the way. Left by receive, decline, redirect, cancel.
    Discharged,
    /// The patient is with the target. Left by follow-up, close.
    Received,
    /// Follow-up has begun. Left by close.
    Following,
    /// The case has ended. Final.
    Closed,
    /// The target does not take over. Left by redirect, amend, cancel, close.
    Declined,
    /// The origin withdrew. Final.
    Cancelled,
}

impl State {
    /// Every state, in the order of its life.
    pub const ALL: [Self; 8] = [
        Self::Offered,
        Self::Accepted,
        Self::Discharged,
        Self::Received,
        Self::Following,
        Self::Closed,
        Self::Declined,
        Self::Cancelled,
    ];

    /// The name of the state in the store, in JSON and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Discharged => "discharged",
            Self::Received => "received",
            Self::Following => "following",
            Self::Closed => "closed",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the state is final: no message changes it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Closed | Self::Cancelled => true,
            Self::Offered
            | Self::Accepted
            | Self::Discharged
            | Self::Received
            | Self::Following
            | Self::Declined => false,
        }
    }

    /// The state it gets when nothing happened for long; `None` while a patient is on the way.
    #[must_use]
    pub const fn closed_by_itself(self) -> Option<Self> {
        match self {
            Self::Following | Self::Declined => Some(Self::Closed),
            Self::Offered
            | Self::Accepted
            | Self::Discharged
            | Self::Received
            | Self::Closed
            | Self::Cancelled => None,
        }
    }
}

/// What a message does to a transfer, as far as it decides the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The origin states the offer again.
    Amend,
    /// The target takes over.
    Accept,
    /// The target does not take over.
    Decline,
    /// The offer goes to another organisation.
    Redirect,
    /// The patient left the origin.
    Discharge,
    /// The patient has arrived at the target.
    Receive,
    /// A follow-up took place, by the target or by the doctor who treated the patient before.
    FollowUp,
    /// The origin withdraws.
    Cancel,
    /// The case is closed.
    Close,
}

/// Decides what `act` by an organisation in `role` does to a transfer in `state`. Returns the next
/// state, or the rule that refuses the act. No `_` arm.
pub fn step(state: State, act: Act, role: Role) -> Result<State, Rule> {
    may_say(act, role)?;
    match act {
        Act::Amend => amend(state),
        Act::Accept => accept(state),
        Act::Decline => decline(state),
        Act::Redirect => redirect(state),
        Act::Discharge => discharge(state),
        Act::Receive => receive(state),
        Act::FollowUp => follow_up(state),
        Act::Cancel => cancel(state),
        Act::Close => close(state, role),
    }
}

/// Whether the role may perform the act in any state at all.
fn may_say(act: Act, role: Role) -> Result<(), Rule> {
    let (allowed, rule): (&[Role], Rule) = match act {
        Act::Amend | Act::Redirect | Act::Discharge | Act::Cancel => {
            (&[Role::Origin], Rule::OnlyOrigin)
        }
        Act::Accept | Act::Decline | Act::Receive => (&[Role::Target], Rule::OnlyTarget),
        Act::FollowUp | Act::Close => (&[Role::Origin, Role::Target], Rule::OnlyOriginOrTarget),
    };
    if allowed.contains(&role) { Ok(()) } else { Err(rule) }
}

/// Amends the plan in any open state, because corrections matter most once the patient has arrived.
fn amend(state: State) -> Result<State, Rule> {
    match state {
        State::Offered | State::Declined => Ok(State::Offered),
        State::Accepted | State::Discharged | State::Received | State::Following => Ok(state),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn accept(state: State) -> Result<State, Rule> {
    match state {
        State::Offered => Ok(State::Accepted),
        State::Accepted | State::Discharged => Err(Rule::AlreadyAccepted),
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Declined => Err(Rule::Declined),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn decline(state: State) -> Result<State, Rule> {
    match state {
        State::Offered | State::Accepted | State::Discharged => Ok(State::Declined),
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Declined => Err(Rule::Declined),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn redirect(state: State) -> Result<State, Rule> {
    match state {
        State::Offered | State::Accepted | State::Discharged | State::Declined => {
            Ok(State::Offered)
        }
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn discharge(state: State) -> Result<State, Rule> {
    match state {
        State::Accepted => Ok(State::Discharged),
        State::Offered => Err(Rule::NotAccepted),
        State::Discharged => Err(Rule::AlreadyDischarged),
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Declined => Err(Rule::Declined),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn receive(state: State) -> Result<State, Rule> {
    match state {
        State::Offered | State::Accepted | State::Discharged => Ok(State::Received),
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Declined => Err(Rule::Declined),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn follow_up(state: State) -> Result<State, Rule> {
    match state {
        State::Received | State::Following => Ok(State::Following),
        State::Offered | State::Accepted | State::Discharged => Err(Rule::NotReceived),
        State::Declined => Err(Rule::Declined),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn cancel(state: State) -> Result<State, Rule> {
    match state {
        State::Offered | State::Accepted | State::Discharged | State::Declined => {
            Ok(State::Cancelled)
        }
        State::Received | State::Following => Err(Rule::AlreadyReceived),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}

fn close(state: State, role: Role) -> Result<State, Rule> {
    match state {
        State::Received | State::Following => Ok(State::Closed),
        State::Declined if role == Role::Origin => Ok(State::Closed),
        State::Declined => Err(Rule::OnlyOrigin),
        State::Offered | State::Accepted | State::Discharged => Err(Rule::NotReceived),
        State::Closed | State::Cancelled => Err(Rule::Ended),
    }
}
