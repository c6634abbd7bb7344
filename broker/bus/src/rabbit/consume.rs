//! Consumers of queues, which reconnect whatever happens to the connection.
//!
//! ```text
//!  RabbitConsumer::next ──▶ parcel, parcel, … ──▶ cut off: Interrupted ──▶ open again ──▶ parcel …
//!                                │
//!                                └──▶ done, give_back, bury: commands on the channel of this session
//! ```
//!
//! An idle lane costs one consumer in the client library: no task and no buffer. Each time a queue
//! is opened a new session begins, with a place of its own (`channels.rs`). Tags of an older
//! session are void, because what they named has returned to the queue.
//!
//! Opening runs in a task of its own, so that a caller may drop `next` at any moment. Otherwise
//! RabbitMQ could add a consumer after we stopped waiting, and give it parcels that nobody reads.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::error;

use super::address::ANSWER_WAIT;
use super::channels::{Channels, Place, Sharing};
use super::keeper::Keeper;
use super::link::{Link, said, with_chance};
use super::trouble::{CommonTrouble, Flood};
use super::unopened::{Step, Unopened};
use super::wire::{read, short};
use crate::{BusError, Lane, LaneConsumer, Received, Tag};

/// Lanes that join at the same time. More would only wait inside RabbitMQ, and each must be
/// answered within a limited time.
const JOINS_MAX: usize = 128;

/// How often a lane tries again at once after another lane closed their shared channel.
const BROKEN_BY_OTHERS_MAX: u32 = 5;

/// Waits between attempts to open a lane again. Thousands of lanes do so while RabbitMQ is away,
/// and all must work again within seconds when it is back.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The queue to read.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) queue: String,
    /// The lane, if the queue belongs to one: then it can be declared again when it is missing.
    pub(super) lane: Option<Lane>,
}

/// What all consumers of a process share.
pub(super) struct Reading {
    link: Arc<Link>,
    keeper: Arc<Keeper>,
    channels: Arc<Channels>,
    unopened: Arc<Unopened>,
    turns: Semaphore,
    /// The generation of a connection, and the queues that broke a channel on it.
    suspects: Mutex<(u64, HashSet<String>)>,
    trouble: CommonTrouble,
}

/// A queue that is being read.
struct Open {
    /// `None` only while the session is being left.
    reading: Option<(Place, Consumer)>,
    /// Delivery tags of parcels given out and not finished.
    held: BTreeSet<u64>,
}

pub(super) struct RabbitConsumer {
    reading: Arc<Reading>,
    source: Source,
    prefetch: u16,
    session: u64,
    open: Option<Open>,
    opening: Option<Opening>,
    /// An interruption that `next_ready` found, to be reported by the next call of `next`.
    interrupted: bool,
    poison: Flood,
}

/// An attempt to open a queue, which goes on until it works or the consumer is dropped.
struct Opening {
    task: JoinHandle<Option<Open>>,
    unwanted: Arc<AtomicBool>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Release);
    }
}

impl Open {
    /// Leaves the queue, and waits until RabbitMQ has done so.
    async fn leave(mut self) {
        if let Some((place, consumer)) = self.reading.take() {
            place.leave(consumer, std::mem::take(&mut self.held)).await;
        }
    }
}

impl Drop for Open {
    /// Leaves in the background. Without a runtime the process is ending, and its connection too.
    fn drop(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some((place, consumer)) = self.reading.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(place.leave(consumer, held));
        }
    }
}

impl Reading {
    pub(super) fn new(
        link: Arc<Link>,
        keeper: Arc<Keeper>,
        unopened: Arc<Unopened>,
        channels_max: usize,
    ) -> Self {
        Self {
            channels: Arc::new(Channels::new(Arc::clone(&link), channels_max)),
            link,
            keeper,
            unopened,
            turns: Semaphore::new(JOINS_MAX),
            suspects: Mutex::default(),
            trouble: CommonTrouble::with("Reading what waits in RabbitMQ"),
        }
    }

    /// Opens the queue once, so that the caller learns at once what is wrong, and keeps it open.
    pub(super) async fn consumer(
        self: &Arc<Self>,
        source: Source,
        prefetch: u16,
    ) -> Result<RabbitConsumer, BusError> {
        // For RabbitMQ a prefetch of 0 means no limit.
        let prefetch = prefetch.max(1);
        let (reading, source_too) = (Arc::clone(self), source.clone());
        let joining = tokio::spawn(async move { reading.join(&source_too, prefetch).await });
        let open = joining.await.unwrap_or_else(|failed| {
            Err(BusError::Unavailable { doing: "join a lane", source: Box::new(failed) })
        })?;
        Ok(RabbitConsumer {
            reading: Arc::clone(self),
            source,
            prefetch,
            session: 1,
            open: Some(open),
            opening: None,
            interrupted: false,
            poison: Flood::default(),
        })
    }

    async fn join(&self, source: &Source, prefetch: u16) -> Result<Open, BusError> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(BusError::Unavailable { doing: "join a lane", source: "no turn".into() });
        };
        let joined = self.join_in_turn(source, prefetch).await;
        if let Some(lane) = &source.lane {
            self.unopened.note(lane, Step::Joining, &joined);
        }
        joined
    }

    async fn join_in_turn(&self, source: &Source, prefetch: u16) -> Result<Open, BusError> {
        // Consuming from a missing queue closes the channel for every lane on it.
        if let Some(lane) = &source.lane {
            self.keeper.find(lane).await?;
        }
        for _ in 0..BROKEN_BY_OTHERS_MAX {
            let sharing = match source.lane {
                Some(_) if !self.is_suspect(&source.queue) => Sharing::Allowed,
                Some(_) | None => Sharing::Alone,
            };
            match self.join_beside(sharing, source, prefetch).await? {
                Some(open) => return Ok(open),
                None if self.link.is_closed() => break,
                None => {}
            }
        }
        self.suspect(&source.queue);
        let alone = self.join_beside(Sharing::Alone, source, prefetch).await?;
        alone.ok_or_else(|| BusError::Unavailable {
            doing: "join a lane",
            source: "its channel was closed at once".into(),
        })
    }

    /// Joins on one channel. `None` if it was shared and another lane closed it meanwhile.
    async fn join_beside(
        &self,
        sharing: Sharing,
        source: &Source,
        prefetch: u16,
    ) -> Result<Option<Open>, BusError> {
        let place = self.channels.place(prefetch, sharing).await?;
        let channel = place.channel()?.clone();
        let (queue, tag) = (short(&source.queue)?, short("")?);
        let options = BasicConsumeOptions::default();
        let joining = channel.basic_consume(queue, tag, options, FieldTable::default());
        let error = match timeout(ANSWER_WAIT, joining).await {
            Ok(Ok(consumer)) => {
                self.trust(&source.queue);
                let reading = Some((place, consumer));
                return Ok(Some(Open { reading, held: BTreeSet::new() }));
            }
            Ok(Err(error)) => error,
            Err(_) => {
                // RabbitMQ may still add the consumer later.
                self.suspect(&source.queue);
                place.break_off().await;
                return Err(BusError::Silent { doing: "join a lane", waited: ANSWER_WAIT });
            }
        };
        // Everybody on a closed channel gets the same error. RabbitMQ names the queue
        // that caused it.
        let ours = error.to_string().contains(&format!("'{}'", source.queue));
        let error = match said("join a lane", error) {
            BusError::Missing { doing, .. } if ours => {
                if let Some(lane) = &source.lane {
                    self.keeper.lost(lane);
                }
                BusError::Missing { doing, name: source.queue.clone() }
            }
            other => other,
        };
        if ours {
            self.suspect(&source.queue);
        } else if sharing == Sharing::Allowed && self.link.is_up().await {
            return Ok(None);
        }
        Err(error)
    }

    /// Tries until it works. `None` if the consumer was dropped meanwhile.
    async fn open_again(
        self: Arc<Self>,
        source: Source,
        prefetch: u16,
        unwanted: Arc<AtomicBool>,
    ) -> Option<Open> {
        let mut pause = PAUSE_MIN;
        loop {
            if self.link.is_closed() || unwanted.load(Ordering::Acquire) {
                return None;
            }
            match self.join(&source, prefetch).await {
                Ok(open) => {
                    self.trouble.ends(&source.queue);
                    return Some(open);
                }
                Err(_) if unwanted.load(Ordering::Acquire) => return None,
                Err(error) => {
                    self.trouble.begins(&source.queue, &error);
                    if let (BusError::Missing { .. }, Some(lane)) = (&error, &source.lane) {
                        self.keeper.lost(lane);
                    }
                    self.keeper.mend().await;
                    sleep(with_chance(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn is_suspect(&self, queue: &str) -> bool {
        let suspects = self.suspects.lock();
        suspects.0 == self.link.generation() && suspects.1.contains(queue)
    }

    fn suspect(&self, queue: &str) {
        let mut suspects = self.suspects.lock();
        let generation = self.link.generation();
        if suspects.0 != generation {
            *suspects = (generation, HashSet::new());
        }
        suspects.1.insert(queue.to_owned());
    }

    fn trust(&self, queue: &str) {
        self.suspects.lock().1.remove(queue);
    }
}

impl RabbitConsumer {
    fn cut_off(&mut self) -> BusError {
        self.open = None;
        BusError::Interrupted { name: self.source.queue.clone() }
    }

    /// Opens the queue again. Returns false if the bus was closed.
    async fn reopen(&mut self) -> bool {
        let opening = self.opening.get_or_insert_with(|| {
            let unwanted = Arc::new(AtomicBool::new(false));
            let (reading, source) = (Arc::clone(&self.reading), self.source.clone());
            let opening = reading.open_again(source, self.prefetch, Arc::clone(&unwanted));
            Opening { task: tokio::spawn(opening), unwanted }
        });
        // A panic of the task is treated like a lost connection: the next call tries again.
        let opened = (&mut opening.task).await.unwrap_or_default();
        self.opening = None;
        self.session += 1;
        self.open = opened;
        self.open.is_some() || !self.reading.link.is_closed()
    }

    /// Reads what arrived. `None` if it is no parcel of ours; it is then dead-lettered.
    async fn take(&mut self, mut delivery: Delivery) -> Result<Option<Received>, BusError> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let number = delivery.delivery_tag;
        let again = delivery.redelivered;
        match read(&mut delivery) {
            Ok(parcel) => {
                open.held.insert(number);
                let tag = Tag { session: self.session, number };
                Ok(Some(Received { parcel, tag, again }))
            }
            Err(why) => {
                if let Some(count) = self.poison.counts() {
                    let queue = &self.source.queue;
                    error!(code = "B010", "Set {count} message(s) in {queue} aside: {why}.");
                }
                if let Some((place, _)) = &open.reading {
                    place.reject(&BTreeSet::from([number]), false).await?;
                }
                Ok(None)
            }
        }
    }

    /// Delivery tags among `tags` that this session gave out and that are not finished.
    fn mine(&self, tags: &[Tag]) -> BTreeSet<u64> {
        let Some(open) = &self.open else { return BTreeSet::new() };
        let mine = |tag: &&Tag| tag.session == self.session && open.held.contains(&tag.number);
        tags.iter().filter(mine).map(|tag| tag.number).collect()
    }

    async fn settle(&mut self, tags: &[Tag], how: How) -> Result<(), BusError> {
        let numbers = self.mine(tags);
        let Some(open) = &mut self.open else { return Ok(()) };
        let Some((place, _)) = &open.reading else { return Ok(()) };
        if numbers.is_empty() {
            return Ok(());
        }
        // Forget them now: even if this future is dropped below, the commands have been sent.
        open.held.retain(|number| !numbers.contains(number));
        let settled = match how {
            How::Done => place.acknowledge(&numbers).await,
            How::GiveBack => place.reject(&numbers, true).await,
            How::Bury => place.reject(&numbers, false).await,
        };
        if settled.is_err() {
            self.interrupted = true;
            return Err(self.cut_off());
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum How {
    Done,
    GiveBack,
    Bury,
}

#[async_trait]
impl LaneConsumer for RabbitConsumer {
    async fn next(&mut self) -> Result<Option<Received>, BusError> {
        loop {
            if std::mem::take(&mut self.interrupted) {
                return Err(self.cut_off());
            }
            let Some((_, consumer)) = self.open.as_mut().and_then(|open| open.reading.as_mut())
            else {
                if !self.reopen().await {
                    return Ok(None);
                }
                continue;
            };
            let taken = match consumer.next().await {
                Some(Ok(delivery)) => self.take(delivery).await,
                Some(Err(_)) | None if self.reading.link.is_closed() => return Ok(None),
                Some(Err(_)) | None => return Err(self.cut_off()),
            };
            match taken {
                Ok(Some(received)) => return Ok(Some(received)),
                Ok(None) => {}
                Err(_) => return Err(self.cut_off()),
            }
        }
    }

    async fn next_ready(&mut self) -> Option<Received> {
        while !self.interrupted {
            let (_, consumer) = self.open.as_mut()?.reading.as_mut()?;
            match consumer.next().now_or_never()? {
                Some(Ok(delivery)) => match self.take(delivery).await {
                    Ok(Some(received)) => return Some(received),
                    Ok(None) => {}
                    Err(_) => self.interrupted = true,
                },
                Some(Err(_)) | None => self.interrupted = true,
            }
        }
        None
    }

    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.settle(tags, How::Done).await
    }

    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.settle(tags, How::GiveBack).await
    }

    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.settle(tags, How::Bury).await
    }

    async fn close(mut self: Box<Self>) {
        self.opening = None;
        if let Some(open) = self.open.take() {
            open.leave().await;
        }
    }
}

impl Drop for RabbitConsumer {
    /// A queue that is no longer read is not reported as unopened.
    fn drop(&mut self) {
        self.reading.trouble.ends(&self.source.queue);
    }
}
