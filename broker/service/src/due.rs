//! Group reading of what is due: lanes ask at the same time, and those that wait share one question
//! to the store.
//!
//! After a restart of a large county ten thousand lanes ask for a delivery each. One question for
//! each would keep PostgreSQL busier than the deliveries themselves. Without a queue a question goes
//! out at once and alone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::Problem;
use tierlink_schemas::delivery::DeliveryId;
use tierlink_store::{DueRow, Error, Outbox};
use tokio::sync::{Semaphore, oneshot};

use crate::report::chain;

/// Deliveries that share one question, about.
const ASKED_TOGETHER_MAX: usize = 500;
/// Questions on their way at the same time: while one is answered the next gathers.
const QUESTIONS_AT_ONCE: usize = 2;

/// Who waits for a turn, in the order of their numbers.
#[derive(Default)]
struct Waiting {
    last_number: u64,
    asks: VecDeque<Ask>,
}

type Answer = Result<Vec<DueRow>, Problem>;

struct Ask {
    number: u64,
    asked: Vec<(DeliveryId, u32)>,
    answer: oneshot::Sender<Answer>,
}

/// What a lane hears when the store does not answer.
pub(crate) fn failed(error: &Error) -> Problem {
    Problem::new(error.code(), "store", chain(error).to_string())
}

/// Asks the store for all lanes.
pub(crate) struct DueRows {
    store: Arc<dyn Outbox>,
    waiting: Mutex<Waiting>,
    turns: Semaphore,
}

impl DueRows {
    /// Asks this store.
    pub(crate) fn new(store: Arc<dyn Outbox>) -> Self {
        let turns = Semaphore::new(QUESTIONS_AT_ONCE);
        Self { store, waiting: Mutex::default(), turns }
    }

    /// Those of these deliveries and rounds that still wait for an answer.
    ///
    /// Whoever gets a turn asks for all who wait. If it is dropped meanwhile, the others ask again.
    pub(crate) async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Answer {
        loop {
            let (answer, mut hears) = oneshot::channel();
            let number = self.wait_in_line(asked.clone(), answer);
            let heard = tokio::select! {
                biased;
                heard = &mut hears => heard,
                // Never closed; an error would only mean that nobody limits us.
                turn = self.turns.acquire() => {
                    while self.still_waits(number) {
                        self.ask_for_all().await;
                    }
                    drop(turn);
                    hears.await
                }
            };
            if let Ok(answer) = heard {
                return answer;
            }
        }
    }

    fn wait_in_line(&self, asked: Vec<(DeliveryId, u32)>, answer: oneshot::Sender<Answer>) -> u64 {
        let mut waiting = self.waiting();
        waiting.last_number += 1;
        let number = waiting.last_number;
        waiting.asks.push_back(Ask { number, asked, answer });
        number
    }

    /// Whether nobody has asked for this one yet.
    fn still_waits(&self, number: u64) -> bool {
        self.waiting().asks.front().is_some_and(|first| first.number <= number)
    }

    /// Asks for those who have waited longest.
    async fn ask_for_all(&self) {
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        while let Some(ask) = self.next(asked.len()) {
            answers.push((ask.answer, asked.len()..asked.len() + ask.asked.len()));
            asked.extend(ask.asked);
        }
        if answers.is_empty() {
            return;
        }
        let rows = match self.store.still_due(asked.clone()).await {
            Ok(rows) => rows,
            Err(error) => {
                let problem = failed(&error);
                for (answer, _) in answers {
                    let _gone = answer.send(Err(problem.clone()));
                }
                return;
            }
        };
        let rows: HashMap<(DeliveryId, u32), DueRow> =
            rows.into_iter().map(|due| ((due.row.id.clone(), due.row.round), due)).collect();
        for (answer, places) in answers {
            let its = asked[places].iter().filter_map(|key| rows.get(key).cloned()).collect();
            let _gone = answer.send(Ok(its));
        }
    }

    /// The next who waits, unless enough is asked already.
    fn next(&self, asked: usize) -> Option<Ask> {
        let asks = &mut self.waiting().asks;
        // Who hung up needs no answer.
        while asks.front().is_some_and(|ask| ask.answer.is_closed()) {
            asks.pop_front();
        }
        if asked >= ASKED_TOGETHER_MAX { None } else { asks.pop_front() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}
