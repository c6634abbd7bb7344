//! Reads one queue, and goes on reading whatever happens to the connection.
//!
//! ```text
//!  feeder (a task):  open ──▶ Opened, Parcel, Parcel, … ──▶ cut off ──▶ Interrupted ──▶ open …
//!                                      │ a short line
//!  RabbitConsumer:                     ▼ next, next_ready ──▶ done, give_back, bury
//! ```
//!
//! The task owns the connection work, so a caller may drop `next` at any moment and lose nothing.
//! Each opening is a session with its own channel. A tag of an older session means nothing to
//! RabbitMQ any more: what it named has gone back to the queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::error;

use super::ANSWER_WAIT;
use super::keeper::Keeper;
use super::link::{Link, within};
use super::trouble::{CommonTrouble, Flood};
use super::wire::{read, short};
use crate::{BusError, Lane, LaneConsumer, Received, Tag};

/// What to read.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) queue: String,
    /// The lane, if it is one: then a missing queue can be declared again.
    pub(super) lane: Option<Lane>,
}

/// What the feeder tells the consumer.
enum News {
    Opened { session: u64, channel: Channel },
    Parcel(Received),
    Interrupted,
}

pub(super) struct RabbitConsumer {
    name: String,
    news: mpsc::Receiver<News>,
    channel: Channel,
    session: u64,
    /// Given out and not finished, by RabbitMQ's number for it.
    held: BTreeSet<u64>,
    /// An interruption that `next_ready` met and `next` must tell.
    interrupted: bool,
    /// Ends by itself when nobody listens to its news.
    feeder: JoinHandle<()>,
}

struct Feeder {
    link: Arc<Link>,
    keeper: Arc<Keeper>,
    source: Source,
    prefetch: u16,
    news: mpsc::Sender<News>,
    trouble: Arc<CommonTrouble>,
    poison: Flood,
}

impl RabbitConsumer {
    /// Opens the queue once, so that the caller hears at once what is wrong, and keeps it open.
    pub(super) async fn join(
        link: Arc<Link>,
        keeper: Arc<Keeper>,
        source: Source,
        prefetch: u16,
        trouble: Arc<CommonTrouble>,
    ) -> Result<Self, BusError> {
        // RabbitMQ takes 0 as "no limit".
        let prefetch = prefetch.max(1);
        // RabbitMQ never sends more than `prefetch`; the rest is for the two other kinds of news.
        let (tell, news) = mpsc::channel(usize::from(prefetch) + 2);
        let name = source.queue.clone();
        let poison = Flood::default();
        let feeder = Feeder { link, keeper, source, prefetch, news: tell, trouble, poison };
        let (channel, consumer) = feeder.open().await?;
        let feeder = tokio::spawn(feeder.feed(channel.clone(), consumer));
        let held = BTreeSet::new();
        Ok(Self { name, news, channel, session: 1, held, interrupted: false, feeder })
    }

    fn hear(&mut self, news: News) -> Option<Received> {
        match news {
            News::Opened { session, channel } => {
                (self.session, self.channel) = (session, channel);
                None
            }
            News::Parcel(received) => {
                self.held.insert(received.tag.number);
                Some(received)
            }
            News::Interrupted => {
                self.held.clear();
                self.interrupted = true;
                None
            }
        }
    }

    /// Those of the tags that this session still holds.
    fn mine(&self, tags: &[Tag]) -> BTreeSet<u64> {
        let mine = |tag: &&Tag| tag.session == self.session && self.held.contains(&tag.number);
        tags.iter().filter(mine).map(|tag| tag.number).collect()
    }

    fn cut_off(&self) -> BusError {
        BusError::Interrupted { name: self.name.clone() }
    }

    async fn reject(&mut self, tags: &[Tag], requeue: bool) -> Result<(), BusError> {
        // In order: a quorum queue sends what comes back again in the order in which it came back.
        for number in self.mine(tags) {
            let options = BasicNackOptions { multiple: false, requeue };
            let order = self.channel.basic_nack(number, options);
            within("give a parcel back", order).await.map_err(|_| self.cut_off())?;
            self.held.remove(&number);
        }
        Ok(())
    }
}

#[async_trait]
impl LaneConsumer for RabbitConsumer {
    async fn next(&mut self) -> Result<Option<Received>, BusError> {
        loop {
            if std::mem::take(&mut self.interrupted) {
                return Err(self.cut_off());
            }
            let Some(news) = self.news.recv().await else {
                return Ok(None);
            };
            if let Some(received) = self.hear(news) {
                return Ok(Some(received));
            }
        }
    }

    async fn next_ready(&mut self) -> Option<Received> {
        while !self.interrupted {
            let news = self.news.try_recv().ok()?;
            if let Some(received) = self.hear(news) {
                return Some(received);
            }
        }
        None
    }

    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        let mut finished = self.mine(tags);
        let unbroken = |number: &&u64| finished.contains(*number);
        let last_of_row = self.held.iter().take_while(unbroken).last().copied();
        if let Some(last) = last_of_row {
            let order = self.channel.basic_ack(last, BasicAckOptions { multiple: true });
            within("acknowledge parcels", order).await.map_err(|_| self.cut_off())?;
            self.held.retain(|number| *number > last);
            finished.retain(|number| *number > last);
        }
        for number in finished {
            let order = self.channel.basic_ack(number, BasicAckOptions { multiple: false });
            within("acknowledge a parcel", order).await.map_err(|_| self.cut_off())?;
            self.held.remove(&number);
        }
        Ok(())
    }

    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.reject(tags, true).await
    }

    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        self.reject(tags, false).await
    }

    async fn close(self: Box<Self>) {
        let Self { news, feeder, .. } = *self;
        drop(news);
        // If RabbitMQ does not answer, it takes everything back when the connection ends.
        let _left = timeout(ANSWER_WAIT, feeder).await;
    }
}

impl Drop for Feeder {
    /// A queue that nobody reads any more is in no trouble.
    fn drop(&mut self) {
        self.trouble.ends(&self.source.queue);
    }
}

impl Feeder {
    async fn feed(self, mut channel: Channel, mut consumer: Consumer) {
        for session in 1.. {
            if session > 1 {
                let Some(opened) = self.open_again().await else {
                    return;
                };
                (channel, consumer) = opened;
                let channel = channel.clone();
                let _heard = self.news.send(News::Opened { session, channel }).await;
            }
            self.pass_on(session, &channel, &mut consumer).await;
            if self.news.is_closed() {
                leave(&channel, consumer).await;
                return;
            }
            if self.link.is_closed() || self.news.send(News::Interrupted).await.is_err() {
                return;
            }
        }
    }

    /// Passes parcels on until the connection breaks, the queue goes, or nobody wants them.
    async fn pass_on(&self, session: u64, channel: &Channel, consumer: &mut Consumer) {
        loop {
            let arrived = tokio::select! {
                arrived = consumer.next() => arrived,
                () = self.news.closed() => return,
            };
            let Some(Ok(mut delivery)) = arrived else {
                return;
            };
            let number = delivery.delivery_tag;
            let again = delivery.redelivered;
            let received = match read(&mut delivery) {
                Ok(parcel) => Received { parcel, tag: Tag { session, number }, again },
                Err(why) => {
                    if let Some(count) = self.poison.counts() {
                        let queue = &self.source.queue;
                        error!(code = "B010", "Set {count} message(s) in {queue} aside: {why}.");
                    }
                    let options = BasicNackOptions { multiple: false, requeue: false };
                    if within("set a message aside", channel.basic_nack(number, options))
                        .await
                        .is_err()
                    {
                        return;
                    }
                    continue;
                }
            };
            if self.news.send(News::Parcel(received)).await.is_err() {
                return;
            }
        }
    }

    /// Tries until it works. `None` means that nobody waits for it any more.
    async fn open_again(&self) -> Option<(Channel, Consumer)> {
        loop {
            if self.link.is_closed() || self.news.is_closed() {
                return None;
            }
            match self.open().await {
                Ok(opened) => {
                    self.trouble.ends(&self.source.queue);
                    return Some(opened);
                }
                Err(error) => {
                    self.trouble.begins(&self.source.queue, &error);
                    if let (BusError::Missing { .. }, Some(lane)) = (&error, &self.source.lane) {
                        self.keeper.lost(lane).await;
                    }
                    self.keeper.mend().await;
                    sleep(Link::pause()).await;
                }
            }
        }
    }

    async fn open(&self) -> Result<(Channel, Consumer), BusError> {
        let channel = self.link.channel().await?;
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        within("limit what is held", qos).await?;
        let (queue, tag) = (short(&self.source.queue)?, short("")?);
        let options = BasicConsumeOptions::default();
        let joining = channel.basic_consume(queue, tag, options, FieldTable::default());
        let consumer = within("join a lane", joining).await.map_err(|error| match error {
            BusError::Missing { doing, .. } => {
                BusError::Missing { doing, name: self.source.queue.clone() }
            }
            other => other,
        })?;
        Ok((channel, consumer))
    }
}

/// Closes the channel before the library cancels the consumer.
///
/// The other way round, RabbitMQ would start the next consumer with what waits and only then hand
/// out what we held: out of order.
async fn leave(channel: &Channel, consumer: Consumer) {
    let _left = timeout(ANSWER_WAIT, channel.close(200, "leaving".into())).await;
    drop(consumer);
}
