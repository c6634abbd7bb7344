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
use tierlink_edge::lane::{CHANGED, UNREADABLE};
use tierlink_schemas::LaneName;
use tierlink_store::{DeliveryId, Outbox, Repair, Settlement};
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
    let changed = Trouble::new(
        "ALARM: an adapter read and perhaps delivered something else than what is stored; call its \
         hospital",
    );
    let told = Told { poison, changed };
    while !stop.is_cancelled() {
        match bus.receipts(PREFETCH).await {
            Ok(consumer) => {
                trouble.is_over();
                consume(consumer, &*store, &settler, &*environment, &told, &stop).await;
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

/// What was told of receipts that do not count.
struct Told {
    /// They are none, or not of their own lane.
    poison: Trouble,
    /// They are of something else than what is stored.
    changed: Trouble,
}

async fn consume(
    mut consumer: Box<dyn LaneConsumer>,
    store: &dyn Outbox,
    settler: &Settler,
    environment: &dyn Environment,
    told: &Told,
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
                if let Some(line) = told.poison.begins_or_goes_on(why) {
                    error!(from = %received.parcel.lane, code = %UNREADABLE, "{line}");
                }
                consumer.bury(&[received.tag]).await
            }
            Taken::OfSomethingElse => {
                metrics::counter!("tierlink_buried_total").increment(1);
                metrics::counter!("tierlink_changed_parcels_total").increment(1);
                let lane = &received.parcel.lane;
                if let Some(line) = told.changed.begins_or_goes_on(&format!("the lane of {lane}")) {
                    error!(%lane, code = %CHANGED, "{line}");
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
    /// It is of a body that is not the stored one. The delivery is published again.
    OfSomethingElse,
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
    let on_record = match store.on_record(vec![said.id.clone()]).await {
        // Whatever is said of a delivery that the store does not know changes nothing.
        Ok(on_record) => on_record.into_iter().next(),
        Err(error) => {
            debug!(code = %error.code(), "A receipt has to wait: {}.", chain(&error));
            return Taken::NotNow;
        }
    };
    let round = received.parcel.round;
    if on_record.as_ref().is_some_and(|row| row.lane != from || round > row.round) {
        return Taken::NoReceipt("it is not for a delivery of its lane");
    }
    if on_record.is_some_and(|row| row.body_hash != said.body_hash) {
        return publish_again(said.id, round, store).await;
    }
    let settlement = Settlement {
        id: said.id,
        round,
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

/// Has a delivery published again, because the adapter read something else in its place. Its hospital
/// may have been sent that.
async fn publish_again(id: DeliveryId, round: u32, store: &dyn Outbox) -> Taken {
    match store.repair(Repair::Changed(vec![(id, round)])).await {
        Ok(_queued) => Taken::OfSomethingElse,
        Err(error) => {
            debug!(code = %error.code(), "A receipt has to wait: {}.", chain(&error));
            Taken::NotNow
        }
    }
}
