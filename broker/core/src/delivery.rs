//! The states of one delivery: one message on its way to one organisation.
//!
//! ```text
//!             Published                 Answered(Taken)
//!   Queued ──────────────▶ Published ───────────────────────▶ Delivered
//!     ▲ ▲                   │   │  └─ Refused, Unsendable ─────▶ Parked ──Drop──▶ Withdrawn
//!     │ └─────Repaired──────┘   └─ NotNow, Unanswered, ─▶ Waiting ─too long──▲ │
//!     │                            TurnedAway, Held          │                │
//!     └──────────Due, Replay─────────────────────────────────┘ ◀──────Replay──┘
//! ```
//!
//! Events ([`step`]) are what happens to deliveries; acts ([`act`]) are what operators do with them.
//!
//! "Not now" is a destination's answer that means "this message, later" (a case it does not know
//! yet, a lock). The lane tries such a message a few times in place; then the delivery waits here,
//! with growing waits, while the lane goes on with other cases. A refusal is never retried blindly:
//! the delivery is parked for a person. No answer at all concerns the whole lane: it tries the same
//! delivery in place for as long as the policy says, and then the delivery is parked. [`after_try`]
//! decides between these. Whether an answer that is not the destination's own is about the message
//! or about the lane is for [`crate::lane`] to say; a delivery of a lane that is held waits for as
//! long as that takes.
//!
//! Architecture Invariant: this file sends, stores and logs nothing, and reads no clock
//! or random number.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tierlink_schemas::answer::{Receipt, ReceiptOutcome};
use tierlink_schemas::message::{ReplyTo, Source};
use tierlink_schemas::{Body, CaseNumber, Kind, Message, OrganisationCode};
use uuid::Uuid;

pub use tierlink_schemas::delivery::{InPlace, Outcome};

/// How often a lane retries in place after "not now". Few, because the lane's other
/// deliveries wait meanwhile.
pub(crate) const NOT_NOW_IN_PLACE_MAX: u32 = 3;

/// State of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Ready for the bus. A crash changes nothing.
    Queued,
    /// On the bus, or being sent by a lane. After a crash the bus or a repair brings it back.
    Published,
    /// The destination answered "not now". Nothing happens before `due`.
    Waiting {
        /// When it is queued again.
        due: Timestamp,
    },
    /// The destination accepted responsibility. Final.
    Delivered,
    /// A person must act: replay or drop it.
    Parked {
        /// What has to be solved first.
        why: Why,
    },
    /// A person dropped it. Final.
    Withdrawn,
}

/// Why a delivery is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The destination refused the message.
    Refused,
    /// The message could not be written in the destination's format.
    Unsendable,
    /// The destination gave no answer, or "not now", for longer than the policy allows.
    Silent,
}

/// What happened to a delivery.
///
/// What an operator does is an [`Act`] and no event; the types keep them apart:
///
/// ```compile_fail,E0308
/// use tierlink_core::delivery::{Event, State, act};
///
/// let _ = act(&State::Queued, Event::Published);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The bus confirmed that it has the delivery.
    Published,
    /// A lane has finished with it: its last try ended with this outcome.
    Answered(Outcome),
    /// The bus may have lost it.
    Repaired,
    /// The store checks whether its wait is over.
    Due {
        /// When the wait began, by the clock of the process that published it. A start in the
        /// future was measured by a clock that has been set back since; the wait is then over,
        /// because nobody can say how much of it is left.
        waits_since: Option<Timestamp>,
    },
}

/// What an operator does with a parked delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Send it again, in a new round.
    Replay,
    /// Give it up: it is never sent.
    Drop,
}

/// Waits between tries, and when to stop trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The wait after the first try.
    pub first_wait: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    /// Each wait in percent of the one before: 200 doubles it. Less than 100 counts as 100.
    pub growth_percent: u32,
    /// How long a destination may give no answer, or "not now", before the delivery is parked.
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

/// What the next step depends on, beside state and event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// The present time, by the clock of the process that asks.
    pub now: Timestamp,
    /// Tries in this round, the last one included.
    pub attempts: u32,
    /// When the first unanswered try of this round was made; `None` if none was.
    pub silent_since: Option<Timestamp>,
    /// A random number in [0, 1], so that waits do not all end together.
    pub jitter: f64,
}

/// Result of an event or act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// The delivery gets this state.
    Move(State),
    /// The state stays. Normal, because events may come late or twice.
    Ignore,
}

/// Decides what `event` does to a delivery in `state`.
pub fn step(state: &State, event: &Event, at: &Circumstances, policy: &RetryPolicy) -> Step {
    match event {
        Event::Published => published(state),
        Event::Answered(outcome) => answered(state, outcome, at, policy),
        Event::Repaired => repaired(state),
        Event::Due { waits_since } => due(state, *waits_since, at.now),
    }
}

/// Decides what an operator's act does to a delivery in `state`.
pub fn act(state: &State, act: Act) -> Step {
    match act {
        Act::Replay => replay(state),
        Act::Drop => drop_for_good(state),
    }
}

/// What a lane does after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum AfterTry {
    /// The lane is done with the delivery and reports [`Event::Answered`].
    Settle,
    /// The lane keeps the delivery and tries it again.
    TryAgain {
        /// The wait before the next try.
        after: Duration,
    },
}

/// Decides whether a lane retries a delivery in place, after a try that ended with `outcome`.
pub fn after_try(
    outcome: &Outcome,
    in_place: InPlace,
    at: &Circumstances,
    policy: &RetryPolicy,
) -> AfterTry {
    let again = match outcome {
        Outcome::Taken { .. }
        | Outcome::Refused { .. }
        | Outcome::Unsendable { .. }
        | Outcome::GaveUp { .. } => false,
        Outcome::NotNow { .. } => in_place.not_now < NOT_NOW_IN_PLACE_MAX,
        Outcome::Unanswered { .. } | Outcome::TurnedAway { .. } | Outcome::Held { .. } => true,
    };
    let held = matches!(outcome, Outcome::Held { .. });
    if again && (held || !is_too_long(at, policy)) {
        AfterTry::TryAgain { after: wait_after(in_place.tries, policy, at.jitter) }
    } else {
        AfterTry::Settle
    }
}

fn published(state: &State) -> Step {
    match state {
        State::Queued => Step::Move(State::Published),
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
        Outcome::NotNow { .. } | Outcome::Unanswered { .. } | Outcome::TurnedAway { .. } => {
            wait_or_park(at, policy)
        }
        // Whatever is wrong, it is not this message, so it is never parked for it.
        Outcome::Held { .. } => wait(at, policy),
    };
    match state {
        // An answer may arrive before the bus's own confirmation.
        State::Queued | State::Published | State::Waiting { .. } => Step::Move(next),
        // An acceptance counts however late it arrives; a late refusal changes nothing.
        State::Parked { .. } if next == State::Delivered => Step::Move(next),
        State::Parked { .. } | State::Delivered | State::Withdrawn => Step::Ignore,
    }
}

/// Whether the destination gave no answer, or "not now", for longer than the policy allows.
fn is_too_long(at: &Circumstances, policy: &RetryPolicy) -> bool {
    let since = at.silent_since.unwrap_or(at.now);
    Duration::try_from(at.now.duration_since(since)).unwrap_or_default() >= policy.give_up_after
}

fn wait_or_park(at: &Circumstances, policy: &RetryPolicy) -> State {
    if is_too_long(at, policy) {
        return State::Parked { why: Why::Silent };
    }
    wait(at, policy)
}

fn wait(at: &Circumstances, policy: &RetryPolicy) -> State {
    let wait = wait_after(at.attempts, policy, at.jitter);
    State::Waiting { due: at.now.checked_add(wait).unwrap_or(Timestamp::MAX) }
}

fn replay(state: &State) -> Step {
    match state {
        State::Parked { .. } | State::Waiting { .. } => Step::Move(State::Queued),
        State::Queued | State::Published | State::Delivered | State::Withdrawn => Step::Ignore,
    }
}

fn drop_for_good(state: &State) -> Step {
    match state {
        State::Parked { .. } | State::Waiting { .. } => Step::Move(State::Withdrawn),
        // A delivery on the bus cannot be called back.
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

fn due(state: &State, waits_since: Option<Timestamp>, now: Timestamp) -> Step {
    let began_in_the_future = waits_since.is_some_and(|since| since > now);
    match state {
        State::Waiting { due } if *due <= now || began_in_the_future => Step::Move(State::Queued),
        State::Waiting { .. }
        | State::Queued
        | State::Published
        | State::Delivered
        | State::Parked { .. }
        | State::Withdrawn => Step::Ignore,
    }
}

/// The wait after try number `attempt`, counted from 1.
///
/// `jitter` in [0, 1] shortens the wait by up to half, so that destinations that failed together
/// are not tried again together.
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

/// Which receipts an organisation wants for its own messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// It wants no receipts.
    None,
    /// Only when a person must act, or somebody dropped the message.
    #[default]
    Problems,
    /// It wants every receipt.
    All,
}

/// What a receipt says about a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Id of the delivered message.
    pub message: Uuid,
    /// Kind of that message.
    pub kind: Kind,
    /// The organisation that sent it; the receipt is for it.
    pub source: &'a OrganisationCode,
    /// The message's id at its source.
    pub source_message_id: &'a str,
    /// The organisation that it was delivered to.
    pub to: &'a OrganisationCode,
    /// Id of its case; `None` for messages about no case.
    pub case: Option<Uuid>,
    /// Number of its case, as people read it.
    pub case_number: Option<&'a CaseNumber>,
    /// Tries so far, in all rounds.
    pub attempts: u32,
}

/// The receipt for the source of the message, if it wants one. `next` is the state from [`step`].
///
/// Receipts and messages written by the broker get no receipt, because nobody waits for one.
#[must_use]
pub fn receipt_for(
    sent: &Sent<'_>,
    next: &State,
    outcome: Option<&Outcome>,
    wants: Wants,
    broker: &OrganisationCode,
    at: Timestamp,
    receipt_id: Uuid,
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
    wanted.then(|| receipt(sent, heard, outcome, broker, at, receipt_id))
}

fn receipt(
    sent: &Sent<'_>,
    heard: ReceiptOutcome,
    outcome: Option<&Outcome>,
    broker: &OrganisationCode,
    at: Timestamp,
    receipt_id: Uuid,
) -> Message {
    let number = match outcome {
        Some(Outcome::Taken { number }) => number.clone(),
        Some(
            Outcome::Refused { .. }
            | Outcome::Unsendable { .. }
            | Outcome::NotNow { .. }
            | Outcome::Unanswered { .. }
            | Outcome::TurnedAway { .. }
            | Outcome::Held { .. }
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
        Source { organisation: broker.clone(), system: None, message_id: receipt_id.to_string() };
    let mut message = Message::new(receipt_id, source, at, body);
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
