//! Counters for case numbers, taken from the store in blocks so that a case costs no round trip.

use std::sync::Arc;

use tierlink_schemas::Problem;
use tierlink_store::Arrivals;
use tokio::sync::Mutex;
use tracing::error;

use crate::committer::NOT_STORED;
use crate::report::{Trouble, chain};

/// Counters that are never given twice. Unused ones of a block are lost when the process ends.
pub struct Counters {
    store: Arc<dyn Arrivals>,
    block: Mutex<(u64, u64)>,
    trouble: Trouble,
}

impl Counters {
    /// Takes counters from this store.
    #[must_use]
    pub fn new(store: Arc<dyn Arrivals>) -> Self {
        let trouble = Trouble::new("No case numbers can be had");
        Self { store, block: Mutex::new((0, 0)), trouble }
    }

    /// The next counter.
    pub async fn next(&self) -> Result<u64, Problem> {
        let mut block = self.block.lock().await;
        if block.1 == 0 {
            // A dropped handler must not drop the transaction with it.
            let store = Arc::clone(&self.store);
            let taken = tokio::spawn(async move { store.take_counters().await }).await;
            *block = match taken {
                Ok(Ok(taken)) => {
                    self.trouble.is_over();
                    taken
                }
                Ok(Err(error)) => {
                    // Every message that arrives meanwhile asks again.
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
