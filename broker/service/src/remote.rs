//! Reads receipts from adapters that run beside a hospital and deliver by themselves.
//!
//! They read their own lane over RabbitMQ and write what the hospital answered to
//! `tierlink.receipts`: a canonical receipt body as JSON, under the parcel's own id and round.
//!
//! An adapter may speak of its own lane only: of its organisation, and of the system of it for which
//! it reads.

use std::sync::Arc;
use std::time::Duration;

use tierlink_bus::{Bus, LaneConsumer, Received};
use tierlink_core::delivery::Outcome;
use tierlink_edge::environment::Environment;
use tierlink_edge::lane::UNREADABLE;
use tierlink_schemas::LaneName;
use tierlink_schemas::answer::{Receipt, ReceiptOutcome};
use tierlink_store::{DeliveryId, Error, Outbox, Settlement};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::report::{Trouble, chain};
use crate::settler::Settler;

/// Receipts to take from the bus at once.
const PREFETCH: u16 = 128;
/// Wait after a failure of the bus.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Records receipts until told to stop.
pub async fn run(
    bus: Arc<dyn Bus>,
    store: Arc<dyn Outbox>,
    settler: Settler,
    environment: Arc<dyn Environment>,
    stop: CancellationToken,
) {
    let trouble = Trouble::new("Receipts of remote adapters cannot be read");
    let poison = Trouble::new("ALARM: receipts are among the dead parcels now");
    while !stop.is_cancelled() {
        match bus.receipts(PREFETCH).await {
            Ok(consumer) => {
                trouble.is_over();
                consume(consumer, &*store, &settler, &*environment, &poison, &stop).await;
            }
            Err(error) => {
                if let Some(line) = trouble.begins_or_goes_on(&chain(&error).to_string()) {
                    error!(code = %error.code(), "{line}");
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(WAIT_AFTER_FAILURE) => {}
                }
            }
        }
    }
}

async fn consume(
    mut consumer: Box<dyn LaneConsumer>,
    store: &dyn Outbox,
    settler: &Settler,
    environment: &dyn Environment,
    poison: &Trouble,
    stop: &CancellationToken,
) {
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => break,
            received = consumer.next() => received,
        };
        let received = match received {
            Ok(Some(received)) => received,
            Ok(None) => break,
            Err(error) => {
                // The bus itself logs when it is cut off and when it works again.
                debug!(code = %error.code(), "Reading receipts was cut off: {}.", chain(&error));
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(WAIT_AFTER_FAILURE) => continue,
                }
            }
        };
        let answer = match take(&received, store, settler, environment).await {
            Taken::Settled => consumer.done(&[received.tag]).await,
            Taken::NotNow => {
                tokio::time::sleep(WAIT_AFTER_FAILURE).await;
                consumer.give_back(&[received.tag]).await
            }
            Taken::NoReceipt => {
                metrics::counter!("tierlink_buried_total").increment(1);
                if let Some(line) = poison.begins_or_goes_on("not a receipt of its own lane") {
                    error!(from = %received.parcel.lane, code = %UNREADABLE, "{line}");
                }
                consumer.bury(&[received.tag]).await
            }
        };
        if let Err(error) = answer {
            info!(code = %error.code(), "A receipt will come again: {}.", chain(&error));
        }
    }
    consumer.close().await;
}

/// What became of a parcel among the receipts.
enum Taken {
    /// Its outcome is on disk, or changes nothing.
    Settled,
    /// The store does not answer.
    NotNow,
    /// It is no receipt of its own lane.
    NoReceipt,
}

async fn take(
    received: &Received,
    store: &dyn Outbox,
    settler: &Settler,
    environment: &dyn Environment,
) -> Taken {
    let Ok(from) = received.parcel.lane.as_str().parse::<LaneName>() else {
        return Taken::NoReceipt;
    };
    let Some(settlement) = read(received, &from, environment) else { return Taken::NoReceipt };
    match is_of(&from, &settlement.id, store).await {
        Ok(true) => {}
        Ok(false) => return Taken::NoReceipt,
        Err(error) => {
            debug!(code = %error.code(), "A receipt has to wait: {}.", chain(&error));
            return Taken::NotNow;
        }
    }
    match settler.settle(settlement).await.await {
        Ok(Ok(())) => Taken::Settled,
        Ok(Err(_)) | Err(_) => Taken::NotNow,
    }
}

/// Whether a delivery goes through this lane. One that the store does not know passes for it: what is
/// said of it changes nothing.
async fn is_of(lane: &LaneName, id: &DeliveryId, store: &dyn Outbox) -> Result<bool, Error> {
    let known = store.lanes_of(vec![id.clone()]).await?;
    Ok(known.iter().all(|(_, its)| its == lane))
}

/// Reads a receipt. Its sender may speak only of its own organisation.
fn read(received: &Received, from: &LaneName, environment: &dyn Environment) -> Option<Settlement> {
    let receipt: Receipt = serde_json::from_slice(&received.parcel.body).ok()?;
    if receipt.destination != *from.organisation() {
        return None;
    }
    let problems = receipt.problems;
    let outcome = match receipt.outcome {
        ReceiptOutcome::Delivered => Outcome::Taken { number: receipt.number },
        ReceiptOutcome::Refused => Outcome::Refused { problems },
        ReceiptOutcome::Unsendable => Outcome::Unsendable { problems },
        ReceiptOutcome::Silent => Outcome::GaveUp { problems },
        // Only a person at the broker can withdraw a delivery.
        ReceiptOutcome::Withdrawn => return None,
    };
    Some(Settlement {
        id: DeliveryId { message: receipt.of, to: receipt.destination },
        round: received.parcel.round,
        outcome,
        attempts: receipt.attempts,
        silent_since: None,
        losses: Vec::new(),
        code_map: None,
        at: environment.now(),
        receipt_id: environment.id(),
    })
}
