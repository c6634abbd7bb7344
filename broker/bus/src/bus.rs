//! The two traits through which the rest of the broker uses the bus.

use async_trait::async_trait;

use crate::{
    Announcement, BusError, Lane, LaneDepth, LaneTrouble, Parcel, Published, QueueTrouble,
    Received, Tag,
};

/// Carries parcels from the outbox to the lanes.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes sure that the queues of these lanes exist, several at a time and roughly in this
    /// order. Lanes already known to exist cost nothing, so it may be called before every round.
    ///
    /// Returns the lanes that cannot be opened; all others are open. An error means that the bus
    /// cannot be reached, so no lane can be opened.
    async fn open_lanes(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError>;

    /// Whether the lane is known to be open. Asks nobody.
    fn is_open(&self, lane: &Lane) -> bool;

    /// Lanes that this process could not open or join at its last try, which was less than a minute
    /// ago. In the order of their names.
    fn lanes_in_trouble(&self) -> Vec<LaneTrouble>;

    /// Shared queues that were found with other settings than they should have, so that their limits
    /// may not hold. In the order of their names. Asks nobody.
    fn queues_in_trouble(&self) -> Vec<QueueTrouble>;

    /// Publishes the parcels together. Returns once the result of each is known.
    ///
    /// The results are in the order of the parcels. Within one call, the order per lane is kept;
    /// two concurrent calls may overtake each other. An error means that nothing was sent.
    async fn publish(&self, parcels: Vec<Parcel>) -> Result<Vec<Published>, BusError>;

    /// Adds a consumer to a lane. Over all processes one consumer of a lane is active, the others
    /// wait, and one of them takes over when it goes. `prefetch` limits the parcels given out and
    /// not yet finished.
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError>;

    /// Publishes what happened to cases, for any listener. It is no error if nobody listens.
    async fn announce(&self, announcements: Vec<Announcement>) -> Result<(), BusError>;

    /// Adds a reader of the receipts that adapters beside a hospital send back. All readers share
    /// them. The `lane` of such a parcel is the organisation whose adapter sent it.
    async fn receipts(&self, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError>;

    /// Sends receipts back to the broker, with the same guarantees as `publish`.
    async fn send_receipts(&self, receipts: Vec<Parcel>) -> Result<Vec<Published>, BusError>;

    /// How many parcels wait in a lane.
    async fn depth(&self, lane: &Lane) -> Result<LaneDepth, BusError>;

    /// How many parcels no consumer could read. More than zero is an alarm.
    async fn dead(&self) -> Result<u64, BusError>;

    /// How many receipts wait for a reader.
    async fn receipts_waiting(&self) -> Result<u64, BusError>;

    /// Fails unless the bus accepts parcels now.
    async fn healthy(&self) -> Result<(), BusError>;

    /// Whether parcels survive this process. If not, the store publishes them again at start-up.
    fn remembers(&self) -> bool;

    /// Ends all consumers and connections. `LaneConsumer::next` then returns `None`.
    async fn close(&self);
}

/// A consumer of one lane.
///
/// Parcels that were given out and not finished return to the lane when it is dropped. Parcels come
/// in the order in which they were published; one that comes again may come after later ones, so
/// the reader must order by [`Parcel::number`].
#[async_trait]
pub trait LaneConsumer: Send {
    /// Waits for the next parcel. `None` means that the bus was closed.
    ///
    /// `BusError::Interrupted` means that everything given out and not finished will come again,
    /// perhaps to another process. Call it again to go on: the consumer reconnects by itself. Safe
    /// to cancel: no parcel is lost.
    async fn next(&mut self) -> Result<Option<Received>, BusError>;

    /// Returns the next parcel if one has arrived. Never waits.
    async fn next_ready(&mut self) -> Option<Received>;

    /// Acknowledges these: they never come again. Pass many at once, because a consecutive run
    /// costs RabbitMQ one command. Tags from before an interruption are ignored.
    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Returns these to the lane: they come again soon, here or in another process.
    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Moves these to the dead-letter queue, because nobody can read them. A person looks
    /// at them there.
    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Leaves the lane and waits until the bus confirms it. Unfinished parcels come again.
    async fn close(self: Box<Self>);
}
