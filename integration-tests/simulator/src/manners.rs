//! How a hospital treats what it gets: well, unless it was told otherwise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::desk::Reply;
use crate::{Received, Turn};

/// Longer than the two seconds that the profiles of tests give an answer.
const LATE: Duration = Duration::from_secs(3);

/// Messages of one kind about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// The canonical kind.
    pub kind: String,
    /// A number of the case, the broker's or a hospital's.
    pub number: String,
}

impl Which {
    fn fits(&self, received: &Received) -> bool {
        self.kind == received.says && received.names(&self.number)
    }
}

/// Messages that are treated in a way of their own.
#[derive(Clone, Debug)]
struct Exception {
    which: Which,
    turn: Turn,
    /// `None`: every time.
    times: Option<usize>,
}

/// Something that stands before a hospital and answers in its place: a gateway, a proxy, a login page.
/// The hospital never learns of what it turns away. Over HTTP only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The HTTP status of its answer.
    pub status: u16,
    /// Its body, a page for people.
    pub page: &'static str,
    /// The wait that it asks for, in seconds.
    pub retry_after: Option<u32>,
    /// It lets through what is not longer than this, in bytes.
    pub lets_through_bytes: usize,
}

impl Gateway {
    /// A gateway that answers everything with this status and a page in HTML.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        let page = "<html><head><title>Sign in</title></head><body>No.</body></html>";
        Self { status, page, retry_after: None, lets_through_bytes: 0 }
    }
}

/// A hospital's behaviour.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    turns: VecDeque<Turn>,
    exceptions: Vec<Exception>,
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
    /// What stands before it.
    pub gateway: Option<Gateway>,
    /// How often that has turned something away.
    pub turned_away: usize,
    /// It closes the connection after every answer.
    pub closes_after_each: bool,
}

impl Manners {
    /// The next `count` messages are treated like this.
    pub fn next(&mut self, turn: Turn, count: usize) -> &mut Self {
        self.turns.extend(std::iter::repeat_n(turn, count));
        self
    }

    /// From now on these messages are treated like this: so many times, or always.
    pub fn except(&mut self, which: Which, turn: Turn, times: Option<usize>) {
        self.exceptions.push(Exception { which, turn, times });
    }

    /// Treats every message well again.
    pub fn reform(&mut self) {
        *self = Self::default();
    }

    /// `is_first` says whether this message never came before.
    pub(crate) fn next_turn(
        &mut self,
        received: &Received,
        is_first: impl FnOnce() -> bool,
    ) -> Turn {
        if self.refuses.as_ref().is_some_and(|refused| received.text.contains(refused)) {
            return Turn::Refuse;
        }
        let exception =
            self.exceptions.iter_mut().find(|one| one.times != Some(0) && one.which.fits(received));
        if let Some(exception) = exception {
            exception.times = exception.times.map(|times| times - 1);
            return exception.turn;
        }
        let named = self.turns.pop_front();
        let first = self.first_time.filter(|_| named.is_none() && is_first());
        named.or(first).or(self.always).unwrap_or(Turn::Take)
    }

    /// What stands before the hospital turns this away, or lets it through.
    pub(crate) fn turns_away(&mut self, message: &[u8]) -> Option<Reply> {
        let gateway = self.gateway.as_ref()?;
        if message.len() <= gateway.lets_through_bytes {
            return None;
        }
        self.turned_away += 1;
        Some(Reply {
            status: gateway.status,
            media_type: "text/html",
            body: gateway.page.as_bytes().to_vec(),
            retry_after: gateway.retry_after,
        })
    }

    /// Thinks, for as long as these manners want before this turn.
    pub(crate) async fn think(&self, turn: Turn) {
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
