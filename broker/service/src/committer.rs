//! Group commit: messages that arrive together share a transaction, each gets its own verdict.
//!
//! ```text
//!   connections ──offer──▶ bounded queue ──▶ 2 committers ──▶ store.commit(batch)
//!        ▲                                        │
//!        └────────────── verdict ◀────────────────┘
//! ```
//!
//! A committer takes whatever is in the queue without waiting for more: when idle a batch is one
//! message, and under load batches grow by themselves. Committers are tasks that nobody drops,
//! because a cancelled transaction would leave its connection unusable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tierlink_judge::CoreJudge;
use tierlink_schemas::{Code, Problem};
use tierlink_store::{Arrivals, Judge, Judged, Work};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tracing::{debug, error, instrument};

use crate::current_config::CurrentConfig;
use crate::report::{Trouble, chain};

/// Error code: too many messages wait for the store.
pub const BUSY: Code = Code::new("A001");
/// Error code: the store could not write.
pub const NOT_STORED: Code = Code::new("A002");

/// How long one failure makes the process unready. Then it becomes ready again, because an unready
/// process gets no messages, and only messages show that the store works again.
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(10);

struct Offer {
    work: Work,
    answer: oneshot::Sender<Result<Judged, Problem>>,
}

/// When the store last failed to write messages; empty once it has written some again.
///
/// With a full disk the store still passes its health check, so readiness depends on the results
/// of real messages.
#[derive(Debug, Default)]
pub struct LastFailure(parking_lot::Mutex<Option<Instant>>);

impl LastFailure {
    fn set(&self, at: Option<Instant>) {
        *self.0.lock() = at;
    }

    /// Whether a write failed less than `FAILURE_COUNTS_FOR` ago, and none has succeeded since.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        let at = *self.0.lock();
        at.is_some_and(|at| at.elapsed() < FAILURE_COUNTS_FOR)
    }
}

/// Reports failures of the store once for all committers, to the log and to readiness.
struct StoreTrouble {
    log: Trouble,
    last_failure: Arc<LastFailure>,
}

/// Passes messages to the committers. Cheap to clone.
#[derive(Clone)]
pub struct Committer {
    offers: mpsc::Sender<Offer>,
    last_failure: Arc<LastFailure>,
}

impl Committer {
    /// Starts `count` committers. `wake` is notified when a batch created deliveries.
    #[must_use]
    pub fn start(
        store: Arc<dyn Arrivals>,
        current_config: &Arc<CurrentConfig>,
        wake: &Arc<Notify>,
        tasks: &tokio_util::task::TaskTracker,
    ) -> Self {
        let limits = current_config.load().settings.limits.clone();
        let (offers, waiting) = mpsc::channel(limits.waiting_max);
        let waiting = Arc::new(Mutex::new(waiting));
        let last_failure = Arc::new(LastFailure::default());
        let trouble = Arc::new(StoreTrouble {
            log: Trouble::new("The store does not take messages"),
            last_failure: Arc::clone(&last_failure),
        });
        for store in std::iter::repeat_n(store, limits.committers) {
            tasks.spawn(commit_all(
                Arc::clone(&waiting),
                store,
                Arc::clone(current_config),
                Arc::clone(wake),
                Arc::clone(&trouble),
                limits.batch_max,
            ));
        }
        Self { offers, last_failure }
    }

    /// When the store last failed, for readiness.
    #[must_use]
    pub fn last_failure(&self) -> Arc<LastFailure> {
        Arc::clone(&self.last_failure)
    }

    /// Has one arrival judged and written. Returns once it is on disk, or certainly not stored.
    pub async fn commit(&self, work: Work) -> Result<Judged, Problem> {
        let (answer, verdict) = oneshot::channel();
        self.offers.try_send(Offer { work, answer }).map_err(|_| {
            Problem::new(BUSY, "message", "too many messages wait; send it again in a moment")
        })?;
        verdict.await.unwrap_or_else(|_| Err(not_stored()))
    }
}

fn not_stored() -> Problem {
    Problem::new(NOT_STORED, "message", "it was not stored; send it again in a moment")
}

async fn commit_all(
    waiting: Arc<Mutex<mpsc::Receiver<Offer>>>,
    store: Arc<dyn Arrivals>,
    current_config: Arc<CurrentConfig>,
    wake: Arc<Notify>,
    trouble: Arc<StoreTrouble>,
    batch_max: usize,
) {
    loop {
        let mut batch = Vec::new();
        if waiting.lock().await.recv_many(&mut batch, batch_max).await == 0 {
            return;
        }
        metrics::histogram!("tierlink_commit_batch_messages").record(count(batch.len()));
        let judge: Arc<dyn Judge> =
            Arc::new(CoreJudge::new(Arc::clone(&current_config.load().policy)));
        let (works, answers): (Vec<Work>, Vec<_>) =
            batch.into_iter().map(|offer| (offer.work, offer.answer)).unzip();
        let begun = Instant::now();
        let outcomes = commit_batch(&*store, works, judge, &trouble).await;
        metrics::histogram!("tierlink_commit_seconds").record(begun.elapsed().as_secs_f64());
        if outcomes.iter().any(|o| o.as_ref().is_ok_and(|judged| judged.deliveries > 0)) {
            wake.notify_one();
        }
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // If the sender is gone, it will send again and get the same verdict.
            let _gone = answer.send(outcome);
        }
    }
}

/// Commits a batch. If the store refuses it as a whole, commits each message alone, so that one
/// message that cannot be written does not affect the others.
#[instrument(level = "debug", name = "commit", skip_all, fields(messages = works.len()))]
async fn commit_batch(
    store: &dyn Arrivals,
    works: Vec<Work>,
    judge: Arc<dyn Judge>,
    trouble: &StoreTrouble,
) -> Vec<Result<Judged, Problem>> {
    let length = works.len();
    let works: Arc<[Work]> = works.into();
    match store.commit(Arc::clone(&works), Arc::clone(&judge)).await {
        Ok(judged) => {
            trouble.log.is_over();
            trouble.last_failure.set(None);
            for work in &*works {
                debug!(message.id = %work.id, "On disk.");
            }
            judged.into_iter().map(Ok).collect()
        }
        Err(error) if length == 1 => {
            note(trouble, &error);
            vec![Err(not_stored())]
        }
        Err(error @ tierlink_store::Error::Unavailable { .. }) => {
            note(trouble, &error);
            (0..length).map(|_| Err(not_stored())).collect()
        }
        Err(error) => {
            error!(error = %chain(&error), "A batch was refused; its messages go one by one.");
            let mut outcomes = Vec::with_capacity(length);
            for work in &*works {
                let outcome = store.commit([work.clone()].into(), Arc::clone(&judge)).await;
                outcomes.push(match outcome {
                    Ok(mut judged) => {
                        debug!(message.id = %work.id, "On disk.");
                        judged.pop().ok_or_else(not_stored)
                    }
                    Err(error) => {
                        note(trouble, &error);
                        Err(not_stored())
                    }
                });
            }
            outcomes
        }
    }
}

fn note(trouble: &StoreTrouble, error: &tierlink_store::Error) {
    if matches!(error, tierlink_store::Error::Unavailable { .. }) {
        trouble.last_failure.set(Some(Instant::now()));
    }
    metrics::counter!("tierlink_commit_failures_total", "code" => error.code().as_str().to_owned())
        .increment(1);
    if let Some(line) = trouble.log.begins_or_goes_on(&chain(error).to_string()) {
        error!(code = %error.code(), "{line}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "batch sizes are far below 2^52")]
pub(crate) fn count(length: usize) -> f64 {
    length as f64
}
