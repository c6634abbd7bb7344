//! Counters for case numbers, reserved from the store in blocks so that most cases cost
//! no round trip.

use std::sync::Arc;

use tierlink_schemas::Problem;
use tierlink_store::Arrivals;
use tokio::sync::Mutex;
use tracing::error;

use crate::committer::NOT_STORED;
use crate::report::{Trouble, chain};

/// Returns each counter once. The unused ones of a block are lost when the process ends.
pub struct Counters {
    store: Arc<dyn Arrivals>,
    block: Mutex<(u64, u64)>,
    trouble: Trouble,
}

impl Counters {
    /// Reserves counters from this store.
    #[must_use]
    pub fn new(store: Arc<dyn Arrivals>) -> Self {
        let trouble = Trouble::new("No case numbers can be had");
        Self { store, block: Mutex::new((0, 0)), trouble }
    }

    /// The next counter.
    pub async fn next(&self) -> Result<u64, Problem> {
        let mut block = self.block.lock().await;
        if block.1 == 0 {
            // In a task of its own, so that a dropped caller does not drop the transaction.
            let store = Arc::clone(&self.store);
            let taken = tokio::spawn(async move { store.take_counters().await }).await;
            *block = match taken {
                Ok(Ok(taken)) => {
                    self.trouble.is_over();
                    taken
                }
                Ok(Err(error)) => {
                    // Only the first failure is logged: every message that arrives
                    // meanwhile tries again.
                    if let Some(line) = self.trouble.begins_or_goes_on(&chain(&error).to_string()) {
                        error!(code = %error.code(), "{line}");
                    }
                    return Err(unavailable());
                }
                Err(_) => return Err(unavailable()),
            };
        }
        let next = block.0;
        *block = (block.0 + 1, block.1 - 1);
        Ok(next)
    }
}

fn unavailable() -> Problem {
    Problem::new(NOT_STORED, "message", "no case number could be had; send it again in a moment")
}
