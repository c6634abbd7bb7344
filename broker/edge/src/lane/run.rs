//! Runs a lane: joins the bus, takes batches of parcels, and leaves the bus on a pause, a new
//! configuration or the end of the process.

use std::sync::Arc;

use tierlink_bus::{BusError, Lane as QueueName, LaneConsumer};
use tierlink_codec::Profile;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::batch::Batch;
use super::parts::{LaneRunner, Next, WAIT_AFTER_FAILURE, pause, reads_files};
use super::poison::Poison;
use crate::destination::Destination;
use crate::idle::IdleConnection;
use crate::organisations::Organisations;
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
    poison: Poison,
}

impl LaneRunner {
    /// Delivers until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let own = Own {
            not_set_up: Trouble::new(format!("Nothing can be sent to {}", self.name)),
            silence: Trouble::new(format!("{} does not answer", self.name)),
            poison: Poison::new(&self.name),
        };
        let Ok(queue) = QueueName::new(self.name.to_string()) else {
            error!(lane = %self.name, "The lane's name does not fit the bus.");
            return;
        };
        let mut failures = 0;
        while !stop.is_cancelled() {
            let joining = Arc::clone(&self.joining);
            let turn = tokio::select! {
                () = stop.cancelled() => return,
                turn = joining.acquire() => turn,
            };
            // Also when somebody else reads it: an adapter beside a hospital may not declare.
            if !self.open(&queue).await {
                drop(turn);
                pause(WAIT_AFTER_FAILURE, &stop).await;
                continue;
            }
            if !self.may_run() {
                drop(turn);
                self.wait_until_it_may(&stop).await;
                continue;
            }
            let prefetch = self.organisations.load().lane_prefetch();
            let joined = self.bus.consume(&queue, prefetch).await;
            drop(turn);
            match joined {
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

    /// Whether the lane is neither paused, nor without an address, nor served beside the hospital.
    fn may_run(&mut self) -> bool {
        let organisations = self.organisations.load();
        let ready = organisations
            .system(&self.name)
            .is_some_and(|profile| profile.outbound.address.is_some() && !profile.outbound.remote);
        let paused = self.paused.borrow_and_update().contains(&self.name);
        ready && !paused
    }

    /// Waits until that may have changed.
    async fn wait_until_it_may(&mut self, stop: &CancellationToken) {
        let mut changes = self.organisations.changes();
        // What changed before we listened is seen here.
        if self.may_run() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.paused.changed() => {}
            _ = changes.changed() => {}
        }
    }

    /// Delivers what comes until the lane must leave the bus.
    async fn consume(
        &mut self,
        mut consumer: Box<dyn LaneConsumer>,
        own: &Own,
        stop: &CancellationToken,
    ) {
        let mut changes = self.organisations.changes();
        let mut organisations = self.organisations.load();
        let mut destination = match self.open_destination(&*organisations, own) {
            Ok(Some(destination)) => destination,
            Ok(None) => return consumer.close().await,
            Err(NotSetUp) => {
                consumer.close().await;
                return pause(WAIT_AFTER_FAILURE * 5, stop).await;
            }
        };
        let mut idle = None;
        loop {
            let work = Work { organisations: &*organisations, own, stop };
            let (consumer, current) = (&mut *consumer, &mut *destination);
            match self.serve(&work, consumer, current, &mut changes, &mut idle).await {
                After::Changed => {}
                After::Leave => break,
            }
            // Of ten thousand lanes a reload changes one or two: the others stay where they are.
            let now = self.organisations.load();
            let Some(profile) = self.unchanged(&*organisations, &*now) else { break };
            if reads_files(profile) {
                match self.open_destination(&*now, own) {
                    Ok(Some(opened)) => destination = opened,
                    Ok(None) | Err(NotSetUp) => break,
                }
            }
            organisations = now;
        }
        consumer.close().await;
    }

    /// Opens the way to the organisation. `None` when it has no address yet.
    fn open_destination(
        &self,
        organisations: &dyn Organisations,
        own: &Own,
    ) -> Result<Option<Box<dyn Destination>>, NotSetUp> {
        let Some(profile) = organisations.system(&self.name) else { return Ok(None) };
        match self.destinations.open(organisations, profile) {
            Ok(destination) => {
                if destination.is_some() {
                    own.not_set_up.is_over();
                }
                Ok(destination)
            }
            Err(problem) => {
                if let Some(line) = own.not_set_up.begins_or_goes_on(&problem.to_string()) {
                    error!(lane = %self.name, code = %problem.code, "{line}");
                }
                Err(NotSetUp)
            }
        }
    }

    /// The lane's profile, if it is the same in both configurations and so is all else that the
    /// lane goes by from one batch to the next.
    fn unchanged<'a>(
        &self,
        before: &dyn Organisations,
        now: &'a dyn Organisations,
    ) -> Option<&'a Profile> {
        let same = before.lane_prefetch() == now.lane_prefetch()
            && before.folder() == now.folder()
            && before.system(&self.name) == now.system(&self.name);
        now.system(&self.name).filter(|_| same)
    }

    /// Delivers batch after batch with one configuration.
    async fn serve(
        &mut self,
        work: &Work<'_>,
        consumer: &mut dyn LaneConsumer,
        destination: &mut dyn Destination,
        changes: &mut watch::Receiver<u64>,
        idle: &mut Option<IdleConnection>,
    ) -> After {
        let Work { organisations, own, stop } = *work;
        let Some(profile) = organisations.system(&self.name) else { return After::Leave };
        let Some(codec) = self.codecs.get(&profile.format.name).cloned() else {
            return After::Leave;
        };
        let prefetch = usize::from(organisations.lane_prefetch());
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => return After::Leave,
                _ = self.paused.changed() => {
                    if self.paused.borrow_and_update().contains(&self.name) {
                        return After::Leave;
                    }
                    continue;
                }
                _ = changes.changed() => return After::Changed,
                () = evicted(idle) => {
                    *idle = None;
                    destination.rest().await;
                    continue;
                }
                next = consumer.next() => next,
            };
            let first = match first {
                Ok(Some(first)) => first,
                Ok(None) => return After::Leave,
                Err(error) => {
                    // The bus itself logs when it is cut off and when it works again.
                    debug!(lane = %self.name, "The lane was cut off: {}.", chain(&error));
                    pause(WAIT_AFTER_FAILURE, stop).await;
                    continue;
                }
            };
            *idle = None;
            let mut batch = vec![first];
            while batch.len() < prefetch
                && let Some(more) = consumer.next_ready().await
            {
                batch.push(more);
            }
            let (silence, poison) = (&own.silence, &own.poison);
            let directory = organisations.directory();
            let codec = &*codec;
            let changes = &*changes;
            let work =
                Batch { lane: self, directory, profile, codec, silence, poison, stop, changes };
            match Box::pin(work.deliver(batch, consumer, destination)).await {
                Next::GoOn => *idle = Some(self.idle_connections.add()),
                Next::Rejoin | Next::Stop => return After::Leave,
            }
        }
    }
}

/// What a lane goes by from one batch to the next.
#[derive(Clone, Copy)]
struct Work<'a> {
    organisations: &'a dyn Organisations,
    own: &'a Own,
    stop: &'a CancellationToken,
}

/// Why no further batch is taken.
enum After {
    /// Another configuration is in force.
    Changed,
    /// The lane leaves the bus.
    Leave,
}

/// The way to the organisation cannot be opened as its profile says. It was told.
struct NotSetUp;

/// Ends when the connection is to be closed; never, if none is kept.
async fn evicted(idle: &mut Option<IdleConnection>) {
    match idle {
        Some(idle) => idle.evicted().await,
        None => std::future::pending().await,
    }
}
