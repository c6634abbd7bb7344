//! The bus of a production broker: RabbitMQ.
//!
//! ```text
//!  publish, announce, send_receipts ──▶ publisher ─────────▶ link "publishing" ─┐
//!  open_lanes, depth, dead, healthy ──▶ keeper ────────────▶ link "asking" ─────┼─▶ RabbitMQ
//!  consume, receipts ─────────────────▶ reading, channels ─▶ link "consuming" ──┘
//! ```
//!
//! There are three connections. While an alarm is on, RabbitMQ stops reading from a connection that
//! publishes, and acknowledgements must still get through. And commands that RabbitMQ may refuse
//! use up the channel numbers of their connection (`link.rs`), which must not cut off consumers.
//!
//! The client library can reconnect by itself, but it neither reopens a channel that RabbitMQ
//! closed nor says which parcels were lost. So that is switched off, and each part reopens what it
//! needs: `link.rs` the connection, `publish.rs` the channels for publishing, `channels.rs` those
//! for reading, `consume.rs` the consumers, `keeper.rs` the queues. `unopened.rs` lists the lanes
//! that are not open.

mod address;
mod channels;
mod consume;
mod keeper;
mod link;
mod publish;
mod trouble;
mod unopened;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use crate::parcel::check_announcement;
use crate::topology::Topology;
use crate::{
    Announcement, Bus, BusError, Lane, LaneConsumer, LaneDepth, LaneTrouble, Parcel, Published,
    QueueTrouble,
};

pub use address::{Identity, Settings};
use consume::{Reading, Source};
use keeper::Keeper;
use link::Link;
use publish::{Publisher, Routing};
use unopened::Unopened;

/// Log directive that every process using RabbitMQ must add to its filter.
///
/// The client library logs a returned message with its whole body, which may be about a patient,
/// and every failed reconnect. This crate logs both in its own words, without bodies.
pub const LOG_DIRECTIVE: &str = "lapin=off";

/// The RabbitMQ bus.
pub struct RabbitBus {
    topology: Topology,
    publishing: Arc<Link>,
    consuming: Arc<Link>,
    asking: Arc<Link>,
    keeper: Arc<Keeper>,
    publisher: Publisher,
    reading: Arc<Reading>,
    unopened: Arc<Unopened>,
}

impl RabbitBus {
    /// Checks the settings. Connects at first use, so RabbitMQ may start later.
    pub fn new(settings: &Settings) -> Result<Self, BusError> {
        let topology = Topology::named(&settings.prefix);
        let publishing = Arc::new(Link::new(settings, "publishing")?);
        let consuming = Arc::new(Link::new(settings, "consuming")?);
        let asking = Arc::new(Link::new(settings, "asking")?);
        let unopened = Arc::new(Unopened::default());
        let declares = settings.declares;
        let keeper = Keeper::new(&asking, topology.clone(), declares, Arc::clone(&unopened));
        let keeper = Arc::new(keeper);
        let publisher =
            Publisher::new(Arc::clone(&publishing), Arc::clone(&keeper), settings.confirm_wait);
        let (link, keeper_too) = (Arc::clone(&consuming), Arc::clone(&keeper));
        let reading =
            Arc::new(Reading::new(link, keeper_too, Arc::clone(&unopened), settings.channels_max));
        Ok(Self { topology, publishing, consuming, asking, keeper, publisher, reading, unopened })
    }

    async fn join(&self, source: Source, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        let consumer = self.reading.consumer(source, prefetch).await?;
        Ok(Box::new(consumer))
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn open_lanes(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError> {
        self.keeper.open(lanes).await
    }

    fn is_open(&self, lane: &Lane) -> bool {
        self.keeper.is_open(lane)
    }

    fn lanes_in_trouble(&self) -> Vec<LaneTrouble> {
        self.unopened.list()
    }

    fn queues_in_trouble(&self) -> Vec<QueueTrouble> {
        self.keeper.queues_in_trouble()
    }

    async fn publish(&self, parcels: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        let fates =
            self.publisher.send(&self.topology.deliver(), Routing::Mandatory, &parcels).await?;
        for (parcel, fate) in parcels.iter().zip(&fates) {
            if *fate == Published::Unroutable {
                self.keeper.lost(&parcel.lane);
            }
        }
        Ok(fates)
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        let queue = self.topology.queue_of(lane);
        self.join(Source { queue, lane: Some(lane.clone()) }, prefetch).await
    }

    async fn announce(&self, announcements: Vec<Announcement>) -> Result<(), BusError> {
        announcements.iter().try_for_each(check_announcement)?;
        let sent = announcements.len();
        let fates =
            self.publisher.send(&self.topology.events(), Routing::Optional, &announcements).await?;
        let safe = fates.iter().filter(|fate| **fate == Published::Safe).count();
        if safe == sent {
            return Ok(());
        }
        let source = format!("{safe} of {sent} were confirmed").into();
        Err(BusError::Unavailable { doing: "announce events", source })
    }

    async fn receipts(&self, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        self.keeper.open(&[]).await?;
        self.join(Source { queue: self.topology.receipts(), lane: None }, prefetch).await
    }

    async fn send_receipts(&self, receipts: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        self.publisher.send(&self.topology.receipts(), Routing::Mandatory, &receipts).await
    }

    async fn depth(&self, lane: &Lane) -> Result<LaneDepth, BusError> {
        self.keeper.depth(&self.topology.queue_of(lane)).await
    }

    async fn dead(&self) -> Result<u64, BusError> {
        self.keeper.count(&self.topology.dead()).await
    }

    async fn receipts_waiting(&self) -> Result<u64, BusError> {
        self.keeper.count(&self.topology.receipts()).await
    }

    async fn healthy(&self) -> Result<(), BusError> {
        self.publishing.open_to_publishers().await?;
        self.keeper.check().await
    }

    fn remembers(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.consuming.close().await;
        self.asking.close().await;
        self.publishing.close().await;
    }
}
