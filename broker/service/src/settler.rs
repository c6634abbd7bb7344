//! Group commit for outcomes: lanes report what destinations answered, several outcomes share a
//! transaction, and each lane is told when its own is on disk.
//!
//! With one transaction per outcome, all lanes together would deliver much less.

use std::sync::Arc;

use tierlink_judge::CoreJudge;
use tierlink_schemas::Problem;
use tierlink_store::{DeliveryId, Judge, Outbox, Settlement};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, enabled, error, instrument};

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
        let outcome = settle_batch(&*store, settlements, judge, &trouble).await;
        if outcome.is_ok() {
            wake.notify_one();
        }
        for answer in answers {
            let _gone = answer.send(outcome.clone());
        }
    }
}

#[instrument(level = "debug", name = "settle", skip_all, fields(outcomes = settlements.len()))]
async fn settle_batch(
    store: &dyn Outbox,
    settlements: Vec<Settlement>,
    judge: Arc<dyn Judge>,
    trouble: &Trouble,
) -> Result<(), Problem> {
    // `settle` takes the settlements by value, so the ids for the log are copied first.
    let ids: Vec<DeliveryId> = if enabled!(tracing::Level::DEBUG) {
        settlements.iter().map(|settlement| settlement.id.clone()).collect()
    } else {
        Vec::new()
    };
    match store.settle(settlements, judge).await {
        Ok(()) => {
            trouble.is_over();
            for id in &ids {
                debug!(
                    message.id = %id.message, lane = %id.to,
                    delivery = format_args!("{}@{}", id.message, id.to),
                    "Its outcome is on disk."
                );
            }
            Ok(())
        }
        Err(error) => {
            if let Some(line) = trouble.begins_or_goes_on(&chain(&error).to_string()) {
                error!(code = %error.code(), "{line}");
            }
            Err(Problem::new(NOT_STORED, "delivery", "its outcome was not stored"))
        }
    }
}
