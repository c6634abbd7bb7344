//! The life of one delivery: one message on its way to one organisation.
//!
//! ```text
//!             Published                 Answered(Taken)
//!   Queued ──────────────▶ Published ───────────────────────▶ Delivered
//!     ▲ ▲                   │   │  └─ Refused, Unsendable, GaveUp ─▶ Parked ──Dropped──▶ Withdrawn
//!     │ └─────Repaired──────┘   └─ NotNow ─▶ Waiting ──too long──────▲ │
//!     └──────────Due, Replayed─────────────────┘ ◀───────Replayed──────┘
//! ```
//!
//! "Not now" is the destination's own word for "this message, later" (a case it does not know yet,
//! a lock). The lane tries such a message [`NOT_NOW_IN_PLACE_MAX`] times in place; then it waits
//! here, with growing waits, so that the lane goes on with other cases. A refusal is never retried
//! blindly: it is parked for a person. Silence concerns the whole lane, which waits as long as the
//! policy says and then gives up this delivery.
//!
//! This file decides. It never sends, stores, sleeps, looks at a clock or throws dice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tierlink_schemas::answer::{Receipt, ReceiptOutcome};
use tierlink_schemas::message::{ReplyTo, Source};
use tierlink_schemas::{Body, CaseNumber, Kind, Message, OrganisationCode, Problem};
use uuid::Uuid;

/// How often a lane tries a message again in place after "not now". Few, because the whole lane
/// stands still meanwhile.
pub const NOT_NOW_IN_PLACE_MAX: u32 = 3;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It may go to the bus. After a crash it simply goes.
    Queued,
    /// The bus has it, or a lane is sending it. After a crash the bus or a repair brings it back.
    Published,
    /// The destination said "not now". Nothing happens before `due`.
    Waiting {
        /// When it is queued again.
        due: Timestamp,
    },
    /// The destination took responsibility. Final.
    Delivered,
    /// A person must act: replay or drop it.
    Parked {
        /// Why.
        why: Why,
    },
    /// A person dropped it. Final.
    Withdrawn,
}

/// Why a delivery is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The destination read it and said no.
    Refused,
    /// Our side could not write it in the destination's format.
    Unsendable,
    /// The destination stayed silent, or said "not now", for too long.
    Silent,
}

/// What happened to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The bus confirmed it.
    Published,
    /// A try came to its end.
    Answered(Outcome),
    /// A person asked for it to be sent again.
    Replayed,
    /// A person dropped it.
    Dropped,
    /// The bus may have lost it.
    Repaired,
    /// Its wait is over.
    Due,
}

/// What came of a try, as the lane saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The destination took responsibility.
    Taken {
        /// Its own number for the message, where it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<String>,
    },
    /// The destination read it and said no.
    Refused {
        /// Why. Names fields, never values.
        problems: Vec<Problem>,
    },
    /// It cannot be written in the destination's format without losing what matters.
    Unsendable {
        /// Why.
        problems: Vec<Problem>,
    },
    /// The destination says: this message, later.
    NotNow {
        /// Why.
        problems: Vec<Problem>,
    },
    /// The destination stayed silent for as long as the policy allows.
    GaveUp {
        /// What the last try said.
        problems: Vec<Problem>,
    },
}

impl Outcome {
    /// Why it is not taken. Empty when it is.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Taken { .. } => &[],
            Self::Refused { problems }
            | Self::Unsendable { problems }
            | Self::NotNow { problems }
            | Self::GaveUp { problems } => problems,
        }
    }
}

/// How long to wait between tries, and for how long at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The wait after the first try.
    pub first_wait: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    /// Each wait in percent of the one before. 200 doubles it; less than 100 counts as 100.
    pub growth_percent: u32,
    /// How long silence, or "not now", lasts before a person must look.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    /// One second first, doubling to five minutes, for three days: a long weekend.
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            wait_max: Duration::from_mins(5),
            growth_percent: 200,
            give_up_after: Duration::from_hours(72),
        }
    }
}

/// The circumstances of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// Now.
    pub now: Timestamp,
    /// Tries in this round, the last one included.
    pub attempts: u32,
    /// When the first try of this round that brought no answer was.
    pub silent_since: Option<Timestamp>,
    /// Chance, from 0 to 1, so that lanes do not all wake together.
    pub jitter: f64,
}

/// The answer to "this happened; what now?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// It goes on.
    Move(State),
    /// Nothing changes. Normal under at-least-once delivery, so it is no error.
    Ignore,
}

/// Decides what `event` does to a delivery in `state`.
pub fn step(state: &State, event: &Event, at: &Circumstances, policy: &RetryPolicy) -> Step {
    match event {
        Event::Published => published(state),
        Event::Answered(outcome) => answered(state, outcome, at, policy),
        Event::Replayed => replayed(state),
        Event::Dropped => dropped(state),
        Event::Repaired => repaired(state),
        Event::Due => due(state, at.now),
    }
}

fn published(state: &State) -> Step {
    match state {
        State::Queued => Step::Move(State::Published),
        // An answer may overtake the bus's own confirmation.
        State::Published
        | State::Waiting { .. }
        | State::Delivered
        | State::Parked { .. }
        | State::Withdrawn => Step::Ignore,
    }
}

fn answered(state: &State, outcome: &Outcome, at: &Circumstances, policy: &RetryPolicy) -> Step {
    let next = match outcome {
        Outcome::Taken { .. } => State::Delivered,
        Outcome::Refused { .. } => State::Parked { why: Why::Refused },
        Outcome::Unsendable { .. } => State::Parked { why: Why::Unsendable },
        Outcome::GaveUp { .. } => State::Parked { why: Why::Silent },
        Outcome::NotNow { .. } => after_not_now(at, policy),
    };
    match state {
        State::Queued | State::Published | State::Waiting { .. } => Step::Move(next),
        // An acceptance is true however late it is heard; a late "no" adds nothing.
        State::Parked { .. } if next == State::Delivered => Step::Move(next),
        State::Parked { .. } | State::Delivered | State::Withdrawn => Step::Ignore,
    }
}

fn after_not_now(at: &Circumstances, policy: &RetryPolicy) -> State {
    let since = at.silent_since.unwrap_or(at.now);
    let waited = Duration::try_from(at.now.duration_since(since)).unwrap_or_default();
    if waited >= policy.give_up_after {
        return State::Parked { why: Why::Silent };
    }
    let wait = wait_after(at.attempts, policy, at.jitter);
    State::Waiting { due: at.now.checked_add(wait).unwrap_or(Timestamp::MAX) }
}

fn replayed(state: &State) -> Step {
    match state {
        State::Parked { .. } | State::Waiting { .. } => Step::Move(State::Queued),
        State::Queued | State::Published | State::Delivered | State::Withdrawn => Step::Ignore,
    }
}

fn dropped(state: &State) -> Step {
    match state {
        State::Parked { .. } | State::Waiting { .. } => Step::Move(State::Withdrawn),
        // On the road nobody can call it back.
        State::Queued | State::Published | State::Delivered | State::Withdrawn => Step::Ignore,
    }
}

fn repaired(state: &State) -> Step {
    match state {
        State::Published => Step::Move(State::Queued),
        State::Queued
        | State::Waiting { .. }
        | State::Delivered
        | State::Parked { .. }
        | State::Withdrawn => Step::Ignore,
    }
}

fn due(state: &State, now: Timestamp) -> Step {
    match state {
        State::Waiting { due } if *due <= now => Step::Move(State::Queued),
        State::Waiting { .. }
        | State::Queued
        | State::Published
        | State::Delivered
        | State::Parked { .. }
        | State::Withdrawn => Step::Ignore,
    }
}

/// How long to wait after the `attempt`th try, counting from 1.
///
/// `jitter` from 0 to 1 takes up to half of the wait away, so that endpoints that went silent
/// together are not asked again together.
#[must_use]
pub fn wait_after(attempt: u32, policy: &RetryPolicy, jitter: f64) -> Duration {
    let growth = policy.growth_percent.max(100);
    let mut wait = policy.first_wait.min(policy.wait_max);
    for _ in 1..attempt {
        let grown = wait.saturating_mul(growth) / 100;
        if growth == 100 || grown >= policy.wait_max {
            wait = if growth == 100 { wait } else { policy.wait_max };
            break;
        }
        // A wait of zero never grows.
        if grown == wait {
            break;
        }
        wait = grown;
    }
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    wait.mul_f64(1.0 - jitter / 2.0)
}

/// Which receipts an organisation wants to hear about its own messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// None.
    None,
    /// Only when a person must act, or somebody dropped the message.
    #[default]
    Problems,
    /// All.
    All,
}

/// A delivery as its receipt needs it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The message that was delivered.
    pub message: Uuid,
    /// What it says.
    pub kind: Kind,
    /// Who said it.
    pub source: &'a OrganisationCode,
    /// The id it has at its source.
    pub source_message_id: &'a str,
    /// Its destination.
    pub to: &'a OrganisationCode,
    /// Its case.
    pub case: Option<Uuid>,
    /// The number of the case.
    pub case_number: Option<&'a CaseNumber>,
    /// Tries so far.
    pub attempts: u32,
}

/// The receipt for whoever said it, if they want one; `next` is the state that `step` gave.
///
/// Never for receipts themselves, nor for what the broker wrote: nobody waits to hear of those.
#[must_use]
pub fn receipt_for(
    sent: &Sent<'_>,
    next: &State,
    outcome: Option<&Outcome>,
    wants: Wants,
    broker: &OrganisationCode,
    at: Timestamp,
    spare: Uuid,
) -> Option<Message> {
    if sent.kind == Kind::Receipt || sent.source == broker {
        return None;
    }
    let heard = match next {
        State::Delivered => ReceiptOutcome::Delivered,
        State::Parked { why: Why::Refused } => ReceiptOutcome::Refused,
        State::Parked { why: Why::Unsendable } => ReceiptOutcome::Unsendable,
        State::Parked { why: Why::Silent } => ReceiptOutcome::Silent,
        State::Withdrawn => ReceiptOutcome::Withdrawn,
        State::Queued | State::Published | State::Waiting { .. } => return None,
    };
    let wanted = match wants {
        Wants::None => false,
        Wants::Problems => heard != ReceiptOutcome::Delivered,
        Wants::All => true,
    };
    wanted.then(|| receipt(sent, heard, outcome, broker, at, spare))
}

fn receipt(
    sent: &Sent<'_>,
    heard: ReceiptOutcome,
    outcome: Option<&Outcome>,
    broker: &OrganisationCode,
    at: Timestamp,
    spare: Uuid,
) -> Message {
    let number = match outcome {
        Some(Outcome::Taken { number }) => number.clone(),
        Some(
            Outcome::Refused { .. }
            | Outcome::Unsendable { .. }
            | Outcome::NotNow { .. }
            | Outcome::GaveUp { .. },
        )
        | None => None,
    };
    let body = Body::Receipt(Receipt {
        of: sent.message,
        destination: sent.to.clone(),
        outcome: heard,
        number,
        problems: outcome.map(|outcome| outcome.problems().to_vec()).unwrap_or_default(),
        attempts: sent.attempts,
        at: Some(at),
        case_number: sent.case_number.cloned(),
    });
    let source =
        Source { organisation: broker.clone(), system: None, message_id: spare.to_string() };
    let mut message = Message::new(spare, source, at, body);
    message.received_at = Some(at);
    message.destinations = vec![sent.source.clone()];
    message.case.id = sent.case;
    message.case.number = sent.case_number.cloned();
    message.in_reply_to = Some(ReplyTo {
        id: Some(sent.message),
        organisation: Some(sent.source.clone()),
        message_id: Some(sent.source_message_id.to_owned()),
    });
    message.caused_by = Some(sent.message);
    message
}
