//! The two small traits that the rest of the broker knows of the bus.

use async_trait::async_trait;

use crate::{
    Announcement, BusError, Lane, LaneDepth, LaneTrouble, Parcel, Published, Received, Tag,
};

/// The road between the outbox and the lanes.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes sure that the lanes exist, many at a time and in about this order. Costs nothing for
    /// those that are known to, so it may be called before every round.
    ///
    /// Gives those that cannot be opened; the others are open. An error means that no lane can be,
    /// because the bus is away.
    async fn open_lanes(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError>;

    /// Whether the lane is known to be open. Asks nobody.
    fn is_open(&self, lane: &Lane) -> bool;

    /// Lanes that this process could not open or join at its last try, which was less than a minute
    /// ago. In the order of their names.
    fn lanes_in_trouble(&self) -> Vec<LaneTrouble>;

    /// Publishes the parcels, many at once, and returns when the fate of each is known.
    ///
    /// The answer has one entry for each parcel, in the same order. Within one call the order per
    /// lane is kept; two calls at the same time may overtake each other. An error means that
    /// nothing was sent.
    async fn publish(&self, parcels: Vec<Parcel>) -> Result<Vec<Published>, BusError>;

    /// Joins the consumers of a lane. One of them is active at a time, over all processes; the
    /// others wait, and one takes over when it goes. `prefetch` limits what is held unfinished.
    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError>;

    /// Tells whoever listens how cases go on. Nobody listening is no error.
    async fn announce(&self, announcements: Vec<Announcement>) -> Result<(), BusError>;

    /// Joins the readers of the receipts that adapters beside a hospital send back. All readers
    /// share them. `lane` of such a parcel is the organisation whose adapter sent it.
    async fn receipts(&self, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError>;

    /// Sends receipts back to the broker, with the same promises as `publish`.
    async fn send_receipts(&self, receipts: Vec<Parcel>) -> Result<Vec<Published>, BusError>;

    /// How much waits in a lane.
    async fn depth(&self, lane: &Lane) -> Result<LaneDepth, BusError>;

    /// How many parcels no consumer could read. More than none is an alarm.
    async fn dead(&self) -> Result<u64, BusError>;

    /// Whether the bus can carry something right now.
    async fn healthy(&self) -> Result<(), BusError>;

    /// Whether parcels outlive this process. If not, the store feeds them again at start-up.
    fn remembers(&self) -> bool;

    /// Ends all consumers and connections. Consumers then yield `None`.
    async fn close(&self);
}

/// One reader of one lane.
///
/// What it was given and has not finished goes back to the lane when it is dropped. Parcels come in
/// the order in which they were published; one that comes again may come behind later ones, so the
/// reader goes by its number.
#[async_trait]
pub trait LaneConsumer: Send {
    /// Waits for the next parcel. `None` means that the bus was closed.
    ///
    /// `BusError::Interrupted` means that everything given out before and not finished will come
    /// again, perhaps to another process. Ask again to go on: the consumer reconnects by itself.
    /// Safe to cancel: a parcel is given out or stays.
    async fn next(&mut self) -> Result<Option<Received>, BusError>;

    /// The next parcel, if one is here already. Never waits.
    async fn next_ready(&mut self) -> Option<Received>;

    /// These are finished and never come again. Name many at once: it costs one order to RabbitMQ
    /// where they follow each other. Tags from before an interruption are passed over.
    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Returns these to the lane: they come again soon, here or elsewhere.
    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Nobody can read these: they go to the dead parcels, where a person looks at them.
    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError>;

    /// Leaves the lane and waits until the bus knows. What was not finished comes again.
    async fn close(self: Box<Self>);
}
