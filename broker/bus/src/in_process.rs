//! The in-process bus, for a broker that runs alone: each lane is a queue in memory.
//!
//! It loses everything when the process ends, and says so (`remembers`): the store's outbox still
//! has each parcel, and publishes it again at start-up.
//!
//! Lanes behave as in RabbitMQ, because the same tests run on both: one consumer is active, the
//! next takes over when it goes, and gets its unfinished parcels first.
//!
//! Deliberately absent: dead parcels are counted and not kept, because the store
//! has their messages.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast};
use tracing::error;

use crate::parcel::{can_travel, check_announcement};
use crate::{
    Announcement, Bus, BusError, Lane, LaneConsumer, LaneDepth, LaneTrouble, Parcel, Published,
    QueueTrouble, Received, Tag,
};

/// Most parcels in one lane. They take memory, so the limit is far below RabbitMQ's; further ones
/// wait in the outbox.
pub const IN_PROCESS_DEPTH_MAX: usize = 100_000;

/// How many announcements a listener may fall behind before it misses some.
const ANNOUNCEMENTS_KEPT: usize = 1_024;

/// The in-process bus.
#[derive(Clone)]
pub struct InProcessBus {
    lanes: Arc<Lanes>,
}

struct Lanes {
    state: Mutex<State>,
    announcements: broadcast::Sender<Announcement>,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Lane, Queue>,
    receipts: Queue,
    dead: u64,
    consumers: u64,
    closed: bool,
}

/// The queue of one lane, or of the receipts.
#[derive(Default)]
struct Queue {
    /// Parcels by arrival number. One that is returned gets its old place.
    waiting: BTreeMap<u64, Waiting>,
    /// Parcels given out and not finished, by arrival number, each with the consumer that has it.
    held: BTreeMap<u64, (u64, Parcel)>,
    /// Ids of consumers, in the order in which they joined. The first one is active.
    consumers: VecDeque<u64>,
    arrivals: u64,
    changed: Arc<Notify>,
}

struct Waiting {
    parcel: Parcel,
    again: bool,
}

/// The queue that a consumer reads.
#[derive(Clone)]
enum Source {
    Lane(Lane),
    Receipts,
}

impl Default for InProcessBus {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcessBus {
    /// Makes a bus without lanes.
    #[must_use]
    pub fn new() -> Self {
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS_KEPT);
        Self { lanes: Arc::new(Lanes { state: Mutex::default(), announcements }) }
    }

    /// Receives every announcement from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Announcement> {
        self.lanes.announcements.subscribe()
    }

    fn join(&self, source: Source, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        let mut state = self.lanes.lock();
        state.consumers += 1;
        let id = state.consumers;
        let queue = state.queue(&source).ok_or_else(|| missing("join a lane", &source))?;
        queue.consumers.push_back(id);
        let changed = Arc::clone(&queue.changed);
        drop(state);
        let lanes = Arc::clone(&self.lanes);
        Ok(Box::new(InProcessConsumer { lanes, source, id, prefetch: prefetch.max(1), changed }))
    }
}

impl Lanes {
    /// A poisoned lock is safe to use: every change is one step, so the queues are whole even
    /// after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn queue(&mut self, source: &Source) -> Option<&mut Queue> {
        match source {
            Source::Lane(lane) => self.lanes.get_mut(lane),
            Source::Receipts => Some(&mut self.receipts),
        }
    }
}

impl Queue {
    fn put(&mut self, parcel: Parcel) -> Published {
        if !can_travel(&parcel.id, &parcel.body) {
            return Published::TooLong;
        }
        if self.waiting.len() + self.held.len() >= IN_PROCESS_DEPTH_MAX {
            return Published::Full;
        }
        self.arrivals += 1;
        self.waiting.insert(self.arrivals, Waiting { parcel, again: false });
        self.changed.notify_waiters();
        Published::Safe
    }

    fn take(&mut self, consumer: u64, prefetch: u16) -> Option<Received> {
        let holds = self.held.values().filter(|(holder, _)| *holder == consumer).count();
        if holds >= usize::from(prefetch) {
            return None;
        }
        let (number, Waiting { parcel, again }) = self.waiting.pop_first()?;
        self.held.insert(number, (consumer, parcel.clone()));
        Some(Received { parcel, tag: Tag { session: consumer, number }, again })
    }

    fn finish(&mut self, tag: Tag) -> bool {
        let mine = self.held.get(&tag.number).is_some_and(|(holder, _)| *holder == tag.session);
        if mine {
            self.held.remove(&tag.number);
            self.changed.notify_waiters();
        }
        mine
    }

    fn give_back(&mut self, tag: Tag) {
        let mine = self.held.get(&tag.number).is_some_and(|(holder, _)| *holder == tag.session);
        if let Some((_, parcel)) = mine.then(|| self.held.remove(&tag.number)).flatten() {
            self.waiting.insert(tag.number, Waiting { parcel, again: true });
            self.changed.notify_waiters();
        }
    }

    fn leave(&mut self, consumer: u64) {
        self.consumers.retain(|id| *id != consumer);
        let held = |(number, (holder, _)): (&u64, &(u64, Parcel))| {
            (*holder == consumer).then_some(Tag { session: consumer, number: *number })
        };
        let tags: Vec<Tag> = self.held.iter().filter_map(held).collect();
        for tag in tags {
            self.give_back(tag);
        }
        self.changed.notify_waiters();
    }
}

fn missing(doing: &'static str, source: &Source) -> BusError {
    let name = match source {
        Source::Lane(lane) => format!("the lane of {lane}"),
        Source::Receipts => "the queue of receipts".to_owned(),
    };
    BusError::Missing { doing, name }
}

#[async_trait]
impl Bus for InProcessBus {
    async fn open_lanes(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError> {
        let mut state = self.lanes.lock();
        for lane in lanes {
            if !state.lanes.contains_key(lane) {
                state.lanes.insert(lane.clone(), Queue::default());
            }
        }
        Ok(Vec::new())
    }

    fn is_open(&self, lane: &Lane) -> bool {
        self.lanes.lock().lanes.contains_key(lane)
    }

    fn lanes_in_trouble(&self) -> Vec<LaneTrouble> {
        Vec::new()
    }

    fn queues_in_trouble(&self) -> Vec<QueueTrouble> {
        Vec::new()
    }

    async fn publish(&self, parcels: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        let mut state = self.lanes.lock();
        let put = |parcel: Parcel| match state.lanes.get_mut(&parcel.lane) {
            Some(queue) => queue.put(parcel),
            None if can_travel(&parcel.id, &parcel.body) => Published::Unroutable,
            None => Published::TooLong,
        };
        Ok(parcels.into_iter().map(put).collect())
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        self.join(Source::Lane(lane.clone()), prefetch)
    }

    async fn announce(&self, announcements: Vec<Announcement>) -> Result<(), BusError> {
        announcements.iter().try_for_each(check_announcement)?;
        for announcement in announcements {
            // The only possible error is that nobody listens, which is fine here.
            let _nobody_listens = self.lanes.announcements.send(announcement);
        }
        Ok(())
    }

    async fn receipts(&self, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        self.join(Source::Receipts, prefetch)
    }

    async fn send_receipts(&self, receipts: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        let mut state = self.lanes.lock();
        Ok(receipts.into_iter().map(|receipt| state.receipts.put(receipt)).collect())
    }

    async fn depth(&self, lane: &Lane) -> Result<LaneDepth, BusError> {
        let mut state = self.lanes.lock();
        let source = Source::Lane(lane.clone());
        let queue =
            state.queue(&source).ok_or_else(|| missing("measure the depth of a lane", &source))?;
        let ready = queue.waiting.len() as u64;
        let (held, readers) = (queue.held.len() as u64, queue.consumers.len() as u64);
        Ok(LaneDepth { ready, held: Some(held), readers: Some(readers) })
    }

    async fn dead(&self) -> Result<u64, BusError> {
        Ok(self.lanes.lock().dead)
    }

    async fn receipts_waiting(&self) -> Result<u64, BusError> {
        Ok(self.lanes.lock().receipts.waiting.len() as u64)
    }

    async fn healthy(&self) -> Result<(), BusError> {
        Ok(())
    }

    fn remembers(&self) -> bool {
        false
    }

    async fn close(&self) {
        let mut state = self.lanes.lock();
        state.closed = true;
        state.receipts.changed.notify_waiters();
        for queue in state.lanes.values() {
            queue.changed.notify_waiters();
        }
    }
}

struct InProcessConsumer {
    lanes: Arc<Lanes>,
    source: Source,
    id: u64,
    prefetch: u16,
    changed: Arc<Notify>,
}

/// What a consumer finds when it looks for a parcel.
enum Found {
    Parcel(Received),
    Nothing,
    Closed,
}

impl InProcessConsumer {
    fn look(&self) -> Found {
        let mut state = self.lanes.lock();
        if state.closed {
            return Found::Closed;
        }
        let shared = matches!(self.source, Source::Receipts);
        let Some(queue) = state.queue(&self.source) else {
            return Found::Closed;
        };
        let active = shared || queue.consumers.front() == Some(&self.id);
        let taken = if active { queue.take(self.id, self.prefetch) } else { None };
        taken.map_or(Found::Nothing, Found::Parcel)
    }

    fn with_queue(&self, mut act: impl FnMut(&mut Queue)) {
        if let Some(queue) = self.lanes.lock().queue(&self.source) {
            act(queue);
        }
    }
}

#[async_trait]
impl LaneConsumer for InProcessConsumer {
    async fn next(&mut self) -> Result<Option<Received>, BusError> {
        loop {
            let changed = Arc::clone(&self.changed);
            let change = changed.notified();
            tokio::pin!(change);
            // Subscribe before looking, so that a parcel that arrives between the two wakes us.
            change.as_mut().enable();
            match self.look() {
                Found::Parcel(received) => return Ok(Some(received)),
                Found::Closed => return Ok(None),
                Found::Nothing => change.await,
            }
        }
    }

    async fn next_ready(&mut self) -> Option<Received> {
        match self.look() {
            Found::Parcel(received) => Some(received),
            Found::Nothing | Found::Closed => None,
        }
    }

    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.with_queue(|queue| {
            for tag in tags {
                queue.finish(*tag);
            }
        });
        Ok(())
    }

    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.with_queue(|queue| tags.iter().for_each(|tag| queue.give_back(*tag)));
        Ok(())
    }

    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        let mut buried = 0;
        self.with_queue(|queue| {
            buried += tags.iter().filter(|tag| queue.finish(**tag)).count() as u64;
        });
        if buried > 0 {
            self.lanes.lock().dead += buried;
            error!(buried, "Parcels that no consumer could read were set aside.");
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for InProcessConsumer {
    fn drop(&mut self) {
        let id = self.id;
        self.with_queue(|queue| queue.leave(id));
    }
}
