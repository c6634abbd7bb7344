//! How a hospital treats what it gets: well, unless it was told otherwise.

use std::collections::VecDeque;
use std::time::Duration;

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
}

/// A hospital's behaviour.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    turns: VecDeque<Turn>,
    /// Messages in which this text stands are refused.
    pub refuses: Option<String>,
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

    pub(super) fn next_turn(&mut self, text: &str) -> Turn {
        if self.refuses.as_ref().is_some_and(|refused| text.contains(refused)) {
            return Turn::Refuse;
        }
        self.turns.pop_front().unwrap_or(Turn::Take)
    }
}
