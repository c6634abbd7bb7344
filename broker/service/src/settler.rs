//! Group commit for outcomes: lanes report what destinations answered, several outcomes share a
//! transaction, and each lane is told when its own is on disk.
//!
//! With one transaction per outcome, all lanes together would deliver much less.

use std::sync::Arc;

use tierlink_judge::CoreJudge;
use tierlink_schemas::Problem;
use tierlink_store::{DeliveryId, Error, Judge, Outbox, Settlement};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, error, instrument};

use crate::committer::NOT_STORED;
use crate::current_config::CurrentConfig;
use crate::report::{Trouble, chain};

/// Outcomes that share one transaction.
const BATCH_MAX: usize = 256;
/// Outcomes waiting for a transaction before lanes must wait too.
const WAITING_MAX: usize = 4_096;

struct Offer {
    settlement: Settlement,
    done: oneshot::Sender<Result<(), Problem>>,
}

/// Passes outcomes to the settler. Cheap to clone.
#[derive(Clone)]
pub struct Settler {
    offers: mpsc::Sender<Offer>,
}

impl Settler {
    /// Starts the settler. `wake` is notified after each batch, because deliveries behind the
    /// settled ones and receipts can be sent then.
    #[must_use]
    pub fn start(
        store: Arc<dyn Outbox>,
        current_config: &Arc<CurrentConfig>,
        wake: &Arc<Notify>,
        tasks: &tokio_util::task::TaskTracker,
    ) -> Self {
        let (offers, waiting) = mpsc::channel(WAITING_MAX);
        let (current_config, wake) = (Arc::clone(current_config), Arc::clone(wake));
        tasks.spawn(settle_all(waiting, store, current_config, wake));
        Self { offers }
    }

    /// Passes one outcome on. The returned receiver is answered when it is on disk.
    pub async fn settle(&self, settlement: Settlement) -> oneshot::Receiver<Result<(), Problem>> {
        let (done, heard) = oneshot::channel();
        // A closed settler drops the sender, which the lane reads as "not on disk".
        let _closed = self.offers.send(Offer { settlement, done }).await;
        heard
    }
}

async fn settle_all(
    mut waiting: mpsc::Receiver<Offer>,
    store: Arc<dyn Outbox>,
    current_config: Arc<CurrentConfig>,
    wake: Arc<Notify>,
) {
    let trouble = Trouble::new("The store does not take outcomes of deliveries");
    loop {
        let mut batch = Vec::new();
        if waiting.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let judge: Arc<dyn Judge> =
            Arc::new(CoreJudge::new(Arc::clone(&current_config.load().policy)));
        let (settlements, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|offer| (offer.settlement, offer.done)).unzip();
        let outcomes = settle_batch(&*store, settlements, judge, &trouble).await;
        if outcomes.iter().any(Result::is_ok) {
            wake.notify_one();
        }
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _gone = answer.send(outcome);
        }
    }
}

/// Records a batch; if the store refuses it as a whole, each outcome on its own, so that one that
/// cannot be written does not have its neighbours sent to their hospitals again and again.
#[instrument(level = "debug", name = "settle", skip_all, fields(outcomes = settlements.len()))]
async fn settle_batch(
    store: &dyn Outbox,
    settlements: Vec<Settlement>,
    judge: Arc<dyn Judge>,
    trouble: &Trouble,
) -> Vec<Result<(), Problem>> {
    let length = settlements.len();
    match store.settle(settlements.clone(), Arc::clone(&judge)).await {
        Ok(()) => {
            trouble.is_over();
            for settlement in &settlements {
                tell_written(&settlement.id);
            }
            vec![Ok(()); length]
        }
        Err(error) if length == 1 || matches!(error, Error::Unavailable { .. }) => {
            note(trouble, &error);
            vec![Err(not_stored()); length]
        }
        Err(error) => {
            error!(error = %chain(&error), "Outcomes were refused together; they go one by one.");
            let mut outcomes = Vec::with_capacity(length);
            for settlement in settlements {
                let id = settlement.id.clone();
                let outcome = store.settle(vec![settlement], Arc::clone(&judge)).await;
                outcomes.push(outcome.map(|()| tell_written(&id)).map_err(|error| {
                    note(trouble, &error);
                    not_stored()
                }));
            }
            outcomes
        }
    }
}

fn tell_written(id: &DeliveryId) {
    debug!(
        message.id = %id.message, lane = %id.to,
        delivery = format_args!("{}@{}", id.message, id.to),
        "Its outcome is on disk."
    );
}

fn note(trouble: &Trouble, error: &Error) {
    if let Some(line) = trouble.begins_or_goes_on(&chain(error).to_string()) {
        error!(code = %error.code(), "{line}");
    }
}

fn not_stored() -> Problem {
    Problem::new(NOT_STORED, "delivery", "its outcome was not stored")
}
