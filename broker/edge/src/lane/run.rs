//! Runs a lane: joins the bus, takes batches of parcels, and leaves the bus on a pause, a new
//! configuration or the end of the process.

use tierlink_bus::{BusError, Lane as QueueName, LaneConsumer};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::batch::Batch;
use super::parts::{LaneRunner, Next, WAIT_AFTER_FAILURE, pause};
use crate::trouble::{Trouble, chain};

/// The wait grows by one second with each failure to join the bus, up to this many seconds.
const FAILURES_COUNTED_MAX: u32 = 30;

/// Failures of one lane. Kept outside of the consumer, because the lane joins the bus repeatedly
/// while a failure goes on.
struct Own {
    /// The connection to the hospital cannot be set up.
    not_set_up: Trouble,
    /// The hospital does not answer.
    silence: Trouble,
    /// The lane contains parcels that must not be sent (poison messages).
    poison: Trouble,
}

impl LaneRunner {
    /// Delivers until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let own = Own {
            not_set_up: Trouble::new(format!("Nothing can be sent to {}", self.name)),
            silence: Trouble::new(format!("{} does not answer", self.name)),
            poison: Trouble::new(format!(
                "ALARM: parcels in the lane of {} are among the dead parcels now",
                self.name
            )),
        };
        let Ok(queue) = QueueName::new(self.name.to_string()) else {
            error!(lane = %self.name, "The lane's name does not fit the bus.");
            return;
        };
        let mut failures = 0;
        while !stop.is_cancelled() {
            // Also for lanes that an adapter beside a hospital reads, because it may
            // not declare queues.
            if !self.open(&queue).await {
                pause(WAIT_AFTER_FAILURE, &stop).await;
                continue;
            }
            if !self.may_run(&stop).await {
                continue;
            }
            let prefetch = self.organisations.load().lane_prefetch();
            match self.bus.consume(&queue, prefetch).await {
                Ok(consumer) => {
                    self.troubles.bus.is_over_for(&self.name.to_string());
                    failures = 0;
                    // Boxed, like the batch below, so that an idle or paused lane, as most of ten
                    // thousand are, uses no memory for what only a busy one needs.
                    Box::pin(self.consume(consumer, &own, &stop)).await;
                }
                Err(error) => {
                    self.bus_fails(&error);
                    failures = (failures + 1).min(FAILURES_COUNTED_MAX);
                    pause(WAIT_AFTER_FAILURE * failures, &stop).await;
                }
            }
        }
    }

    /// Makes sure that the lane's queue exists.
    async fn open(&self, queue: &QueueName) -> bool {
        match self.bus.open_lanes(std::slice::from_ref(queue)).await {
            // The broker's health check reports lanes that are not open, all in one line.
            Ok(in_trouble) => in_trouble.is_empty(),
            Err(error) => {
                self.bus_fails(&error);
                false
            }
        }
    }

    fn bus_fails(&self, error: &BusError) {
        let (lane, why) = (self.name.to_string(), chain(error).to_string());
        if let Some(line) = self.troubles.bus.begins_or_goes_on(&lane, &why) {
            error!(%lane, code = %error.code(), "{line}");
        }
    }

    /// Waits while the lane is paused, has no address, or is read beside the hospital.
    async fn may_run(&mut self, stop: &CancellationToken) -> bool {
        let organisations = self.organisations.load();
        let ready = organisations
            .system(&self.name)
            .is_some_and(|profile| profile.outbound.address.is_some() && !profile.outbound.remote);
        let paused = self.paused.borrow_and_update().contains(&self.name);
        if ready && !paused {
            return true;
        }
        let mut changes = self.organisations.changes();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.paused.changed() => {}
            _ = changes.changed() => {}
        }
        false
    }

    async fn consume(
        &mut self,
        mut consumer: Box<dyn LaneConsumer>,
        own: &Own,
        stop: &CancellationToken,
    ) {
        let organisations = self.organisations.load();
        let mut changes = self.organisations.changes();
        let Some(profile) = organisations.system(&self.name) else { return };
        let Some(codec) = self.codecs.get(&profile.format.name).cloned() else { return };
        let mut destination = match self.destinations.open(&*organisations, profile) {
            Ok(Some(destination)) => destination,
            Ok(None) => return consumer.close().await,
            Err(problem) => {
                if let Some(line) = own.not_set_up.begins_or_goes_on(&problem.to_string()) {
                    error!(lane = %self.name, code = %problem.code, "{line}");
                }
                consumer.close().await;
                return pause(WAIT_AFTER_FAILURE * 5, stop).await;
            }
        };
        own.not_set_up.is_over();
        let prefetch = usize::from(organisations.lane_prefetch());
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => break,
                _ = self.paused.changed() => {
                    if self.paused.borrow_and_update().contains(&self.name) {
                        break;
                    }
                    continue;
                }
                _ = changes.changed() => break,
                next = consumer.next() => next,
            };
            let first = match first {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(error) => {
                    // The bus itself logs when it is cut off and when it works again.
                    debug!(lane = %self.name, "The lane was cut off: {}.", chain(&error));
                    pause(WAIT_AFTER_FAILURE, stop).await;
                    continue;
                }
            };
            let mut batch = vec![first];
            while batch.len() < prefetch
                && let Some(more) = consumer.next_ready().await
            {
                batch.push(more);
            }
            let (silence, poison) = (&own.silence, &own.poison);
            let directory = organisations.directory();
            let codec = &*codec;
            let work = Batch { lane: self, directory, profile, codec, silence, poison, stop };
            match Box::pin(work.deliver(batch, &mut *consumer, &mut *destination)).await {
                Next::GoOn => {}
                Next::Rejoin | Next::Stop => break,
            }
        }
        consumer.close().await;
    }
}
