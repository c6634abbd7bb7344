//! How a hospital treats what it gets: well, unless it was told otherwise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Longer than the two seconds that the county's profiles give an answer.
const LATE: Duration = Duration::from_secs(3);

/// How one message is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Taken, with a correct answer.
    Take,
    /// Refused for good: AE with ERR, or HTTP 422. The answer quotes the patient, as bad systems do.
    Refuse,
    /// Not now: AR with error 207, or HTTP 503.
    NotNow,
    /// Answered in the name of another message.
    OtherId,
    /// Answered with something that is no answer.
    Garbage,
    /// The connection is closed without an answer.
    Mute,
    /// The connection stays open, and no answer ever comes.
    Silent,
    /// Taken; but the answer comes when the broker waits for it no more, on the old connection.
    Late,
    /// Refused, and then called taken, which it is not: two answers to one message, and the end of
    /// the connection.
    TwoMinds,
}

impl Turn {
    /// The answers that go out, one behind the other.
    pub(super) fn answers(self) -> Vec<Self> {
        match self {
            Self::TwoMinds => vec![Self::Refuse, Self::Take],
            Self::Late => vec![Self::Take],
            other => vec![other],
        }
    }

    /// Whether the hospital has the message now, and says so.
    pub(super) fn takes(self) -> bool {
        matches!(self, Self::Take | Self::Late)
    }
}

/// A hospital's behaviour.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    turns: VecDeque<Turn>,
    /// Every message is treated like this, unless its turn was named.
    pub always: Option<Turn>,
    /// Every message is treated like this when it comes for the first time.
    pub first_time: Option<Turn>,
    /// Messages in which this text stands are refused.
    pub refuses: Option<String>,
    /// It answers only when somebody adds a permit: one for each answer.
    pub gate: Option<Arc<Semaphore>>,
    /// How long it thinks before it answers.
    pub slow: Duration,
    /// It closes the connection after every answer.
    pub closes_after_each: bool,
}

impl Manners {
    /// The next `count` messages are treated like this.
    pub fn next(&mut self, turn: Turn, count: usize) -> &mut Self {
        self.turns.extend(std::iter::repeat_n(turn, count));
        self
    }

    /// Good again.
    pub fn reform(&mut self) {
        *self = Self::default();
    }

    /// `is_first` says whether this message never came before.
    pub(super) fn next_turn(&mut self, text: &str, is_first: impl FnOnce() -> bool) -> Turn {
        if self.refuses.as_ref().is_some_and(|refused| text.contains(refused)) {
            return Turn::Refuse;
        }
        let named = self.turns.pop_front();
        let first = self.first_time.filter(|_| named.is_none() && is_first());
        named.or(first).or(self.always).unwrap_or(Turn::Take)
    }

    /// Thinks, for as long as these manners want before this turn.
    pub(super) async fn think(&self, turn: Turn) {
        tokio::time::sleep(self.slow).await;
        if turn == Turn::Late {
            tokio::time::sleep(LATE).await;
        }
        if let Some(gate) = &self.gate
            && let Ok(permit) = gate.acquire().await
        {
            permit.forget();
        }
    }
}
