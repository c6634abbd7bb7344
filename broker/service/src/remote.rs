//! Reads receipts from adapters that run beside a hospital and deliver by themselves.
//!
//! They read their own lane over RabbitMQ and write what the hospital answered to
//! `tierlink.receipts`: a canonical receipt body as JSON, under the parcel's own id and round.
//!
//! An adapter may speak of its own lane only: of its organisation, and of the system of it for which
//! it reads. `receipts.rs` reads what it says.

use std::sync::Arc;
use std::time::Duration;

use tierlink_bus::{Bus, LaneConsumer, Received};
use tierlink_edge::environment::Environment;
use tierlink_edge::lane::UNREADABLE;
use tierlink_schemas::LaneName;
use tierlink_store::{DeliveryId, Error, Outbox, Settlement};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::receipts;
use crate::report::{Trouble, chain};
use crate::settler::Settler;

/// Receipts to take from the bus at once. They are recorded one after the other, and each may be as
/// long as RabbitMQ lets a message be.
const PREFETCH: u16 = 16;
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
            Taken::NoReceipt(why) => {
                metrics::counter!("tierlink_buried_total").increment(1);
                if let Some(line) = poison.begins_or_goes_on(why) {
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
    /// It is no receipt of its own lane, and why.
    NoReceipt(&'static str),
}

async fn take(
    received: &Received,
    store: &dyn Outbox,
    settler: &Settler,
    environment: &dyn Environment,
) -> Taken {
    let Ok(from) = received.parcel.lane.as_str().parse::<LaneName>() else {
        return Taken::NoReceipt("it comes from no lane");
    };
    let said = match receipts::read(&received.parcel, &from) {
        Ok(said) => said,
        Err(why) => return Taken::NoReceipt(why),
    };
    match is_of(&from, &said.id, received.parcel.round, store).await {
        Ok(true) => {}
        Ok(false) => return Taken::NoReceipt("it is not for a delivery of its lane"),
        Err(error) => {
            debug!(code = %error.code(), "A receipt has to wait: {}.", chain(&error));
            return Taken::NotNow;
        }
    }
    let settlement = Settlement {
        id: said.id,
        round: received.parcel.round,
        outcome: said.outcome,
        attempts: said.attempts,
        silent_since: None,
        losses: Vec::new(),
        code_map: None,
        at: environment.now(),
        receipt_id: environment.id(),
    };
    match settler.settle(settlement).await.await {
        Ok(Ok(())) => Taken::Settled,
        Ok(Err(_)) | Err(_) => Taken::NotNow,
    }
}

/// Whether a delivery goes through this lane, and was in this round. One that the store does not know
/// passes for it: what is said of it changes nothing.
async fn is_of(
    lane: &LaneName,
    id: &DeliveryId,
    round: u32,
    store: &dyn Outbox,
) -> Result<bool, Error> {
    let known = store.on_record(vec![id.clone()]).await?;
    Ok(known.iter().all(|row| row.lane == *lane && round <= row.round))
}
