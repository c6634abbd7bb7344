//! Whether what a lane heard is about one message or about the whole way to a system.
//!
//! ```text
//!                 the system's own word ◀──────────────────┐
//!            ┌───────────────────────────────────────────┐ │
//!            ▼                                           │ │
//!   Open ── turned away ─▶ Doubted ── several in a row ─▶ Held ◀─ 401, 407, a page instead of an
//!                            │                                     answer
//!                            └─ another passes, and it is turned away again ─▶ that one is parked
//! ```
//!
//! Between the broker and a hospital stand gateways, proxies and login pages, and what they answer
//! looks like the hospital's word. If each such answer were a refusal, a gateway that hiccups for two
//! seconds would park everything that came along; if none were, one document too large for a proxy
//! would stop a hospital.
//!
//! - **401 and 407**, whatever their body: nobody gets through, so the lane is held. The same delivery
//!   is tried in place with growing waits, nothing is parked, and the order stays.
//! - **A page instead of an answer** (2xx and 3xx that the format does not know): the same, for a
//!   while; then another delivery is tried in its place, in case only this message is answered so.
//! - **Turned away** (4xx): it may be this message or all. It is put aside and the next case is tried.
//!   If that one passes, this one is tried once more, and parked alone if it is turned away again. If
//!   [`SEVERAL`] are turned away with nothing taken in between, the lane is held: each further try is
//!   a probe with another delivery, with growing waits.
//! - **No word at all** (a frame that is no acknowledgement): the same, but it is never parked as
//!   refused, because nobody said no and the system may have taken it. While others pass, it waits
//!   like silence, for as long as the policy says. So does a message that alone is answered by a page.
//! - **Busy** (408, 425, 429, 5xx without the system's own word): never a refusal. Tried in place a few
//!   times and put aside; [`SEVERAL`] in a row hold the lane as well.
//!
//! A wrong guess costs little: a held lane goes on probing, and the first own word of the system
//! opens it. What is remembered here may be lost at any time; the next tries find it out again.
//!
//! Architecture Invariant: this file sends, stores and logs nothing, and reads no clock or random
//! number.

use std::time::Duration;

use crate::delivery::{
    self, AfterTry, Circumstances, InPlace, NOT_NOW_IN_PLACE_MAX, Outcome, RetryPolicy, wait_after,
};
use tierlink_schemas::Problem;

/// So many deliveries of different cases, turned away with nothing taken in between, hold the lane.
///
/// Two may well be two large documents of one afternoon; three unlike cases in a row are a gateway.
/// More would only hand more messages to a gateway that takes none before somebody is told.
pub const SEVERAL: usize = 3;

/// Tries in place that meet a page instead of an answer, before another delivery is tried. With the
/// default waits half a minute, the time that a login or a gateway takes to come back.
const PAGES_IN_PLACE_MAX: u32 = 5;

/// Longest wait that a destination may ask for with `Retry-After`.
///
/// An emergency may be among what waits. It is also well within the half hour after which RabbitMQ
/// takes a delivery away from a lane that holds it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// Most deliveries to remember as doubted. The oldest is forgotten, and doubted anew at its next try.
const DOUBTED_MAX: usize = 256;

/// What a lane heard about one delivery.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a, Id> {
    /// The delivery that was tried.
    pub id: &'a Id,
    /// How the try ended.
    pub outcome: &'a Outcome,
    /// The tries that were made without giving the delivery back.
    pub in_place: InPlace,
    /// The wait that the other side asked for (`Retry-After`); `None` if it asked for none.
    pub retry_after: Option<Duration>,
}

/// What the lane does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// It is done with the delivery for now.
    Settle {
        /// The outcome to record, which is not always what was heard.
        outcome: Outcome,
        /// How long nothing at all may be sent on the lane.
        quiet_for: Duration,
    },
    /// It keeps the delivery and tries it again.
    TryAgain {
        /// The wait before the next try.
        after: Duration,
    },
}

/// What is known about the way to one system. `Id` names a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane<Id> {
    doubted: Vec<Doubted<Id>>,
    /// Probes that failed since the lane is held; `None` while it is not.
    held: Option<u32>,
}

/// A delivery that was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Doubted<Id> {
    id: Id,
    /// Whether the system has taken another one since.
    another_passed: bool,
}

/// Whose word a try heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The system's own.
    Own,
    /// Nobody's: no answer, or nothing was sent.
    Nobodys,
    /// Somebody does not let us in, whatever the message.
    NoEntry,
    /// A page or a redirect instead of an answer.
    Page,
    /// A status that only the system itself gives, though without its words.
    Refusal,
    /// Somebody is busy.
    Busy,
    /// Somebody turned away this message, or all.
    Either,
    /// Something came that says neither yes nor no.
    Garbage,
}

fn word(outcome: &Outcome) -> Word {
    match outcome {
        Outcome::Taken { .. } | Outcome::Refused { .. } | Outcome::NotNow { .. } => Word::Own,
        Outcome::Unsendable { .. }
        | Outcome::Unanswered { .. }
        | Outcome::Held { .. }
        | Outcome::GaveUp { .. } => Word::Nobodys,
        Outcome::TurnedAway { status: None, .. } => Word::Garbage,
        Outcome::TurnedAway { status: Some(status), .. } => match status {
            401 | 407 => Word::NoEntry,
            408 | 425 | 429 | 500..=599 => Word::Busy,
            // Gateways know neither conflicts nor content that cannot be processed.
            409 | 422 => Word::Refusal,
            400..=499 => Word::Either,
            0..=399 | 600.. => Word::Page,
        },
    }
}

impl<Id> Default for Lane<Id> {
    fn default() -> Self {
        Self { doubted: Vec::new(), held: None }
    }
}

impl<Id: Clone + PartialEq> Lane<Id> {
    /// Whether nothing gets through: the lane only probes.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.held.is_none() && self.doubted.is_empty()
    }

    /// Decides what follows after a try.
    pub fn hears(
        &mut self,
        heard: &Heard<'_, Id>,
        at: &Circumstances,
        policy: &RetryPolicy,
    ) -> Next {
        let asked = heard.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let problems = || heard.outcome.problems().to_vec();
        match word(heard.outcome) {
            Word::Own => {
                self.opens(heard.id);
                plainly(heard, heard.outcome.clone(), asked, at, policy)
            }
            Word::Nobodys => plainly(heard, heard.outcome.clone(), asked, at, policy),
            Word::Refusal => {
                self.opens(heard.id);
                settle(Outcome::Refused { problems: problems() }, asked)
            }
            Word::NoEntry => Next::TryAgain { after: self.probes(at, policy).max(asked) },
            Word::Page | Word::Garbage if self.is_the_odd_one(heard.id) => {
                settle(heard.outcome.clone(), asked)
            }
            Word::Page if heard.in_place.tries < PAGES_IN_PLACE_MAX => {
                Next::TryAgain { after: self.probes(at, policy).max(asked) }
            }
            Word::Page => {
                self.held.get_or_insert(0);
                self.puts_aside(heard, asked, at, policy)
            }
            Word::Busy if heard.in_place.tries < NOT_NOW_IN_PLACE_MAX => {
                let wait = match self.held {
                    Some(_) => self.probes(at, policy),
                    None => wait_after(heard.in_place.tries, policy, at.jitter),
                };
                Next::TryAgain { after: wait.max(asked) }
            }
            Word::Either if self.is_the_odd_one(heard.id) => self.parks(heard),
            Word::Busy | Word::Either | Word::Garbage => self.puts_aside(heard, asked, at, policy),
        }
    }

    /// The system has spoken itself: whatever was turned away before, it was not the lane.
    fn opens(&mut self, id: &Id) {
        self.held = None;
        self.doubted.retain(|doubted| doubted.id != *id);
        for doubted in &mut self.doubted {
            doubted.another_passed = true;
        }
    }

    /// Whether it was turned away before and another has passed since.
    fn is_the_odd_one(&self, id: &Id) -> bool {
        self.doubted.iter().any(|doubted| doubted.id == *id && doubted.another_passed)
    }

    /// It is this message and no other.
    fn parks(&mut self, heard: &Heard<'_, Id>) -> Next {
        self.doubted.retain(|doubted| doubted.id != *heard.id);
        let problems: Vec<Problem> = heard.outcome.problems().to_vec();
        settle(Outcome::Refused { problems }, Duration::ZERO)
    }

    /// One more probe of a held lane has failed. Gives the wait before the next.
    fn probes(&mut self, at: &Circumstances, policy: &RetryPolicy) -> Duration {
        let probes = self.held.map_or(1, |probes| probes.saturating_add(1));
        self.held = Some(probes);
        wait_after(probes, policy, at.jitter)
    }

    /// Lets another delivery have a try.
    fn puts_aside(
        &mut self,
        heard: &Heard<'_, Id>,
        asked: Duration,
        at: &Circumstances,
        policy: &RetryPolicy,
    ) -> Next {
        self.doubted.retain(|doubted| doubted.id != *heard.id);
        if self.doubted.len() >= DOUBTED_MAX {
            self.doubted.remove(0);
        }
        self.doubted.push(Doubted { id: heard.id.clone(), another_passed: false });
        let in_a_row = self.doubted.iter().filter(|doubted| !doubted.another_passed).count();
        if self.held.is_none() && in_a_row < SEVERAL {
            return settle(heard.outcome.clone(), asked);
        }
        let quiet_for = self.probes(at, policy).max(asked);
        settle(Outcome::Held { problems: heard.outcome.problems().to_vec() }, quiet_for)
    }
}

/// What follows where the lane is not in question.
fn plainly<Id>(
    heard: &Heard<'_, Id>,
    outcome: Outcome,
    asked: Duration,
    at: &Circumstances,
    policy: &RetryPolicy,
) -> Next {
    match delivery::after_try(&outcome, heard.in_place, at, policy) {
        AfterTry::Settle => settle(outcome, asked),
        AfterTry::TryAgain { after } => Next::TryAgain { after: after.max(asked) },
    }
}

fn settle(outcome: Outcome, quiet_for: Duration) -> Next {
    Next::Settle { outcome, quiet_for }
}
