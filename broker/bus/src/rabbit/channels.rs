//! Assigns consumers to channels.
//!
//! ```text
//!   up to `channels_max` lanes   each on a channel of its own
//!   more                         several on one channel, starting with the least used
//!   a lane that broke a channel  on a channel of its own, whatever the count
//! ```
//!
//! A connection has at most 2,047 channels, and each costs RabbitMQ several processes, so a large
//! county cannot have one per lane. Sharing a channel has two consequences. An error of one lane
//! closes the channel for all, so a lane that caused one gets a channel of its own from then on.
//! And delivery tags are numbered over all lanes of the channel, so a multiple acknowledgement
//! ("everything up to here") is allowed only if it holds for all of them; [`Settled`] keeps track.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicQosOptions};
use lapin::{Channel, Consumer};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::address::ANSWER_WAIT;
use super::link::{Link, said, within};
use crate::BusError;

/// Most lanes that have a channel of their own because they broke one. With the shared channels and
/// those for commands this stays below the 2,047 that RabbitMQ allows by default.
const ALONE_MAX: usize = 1_024;

/// All channels on which this process reads.
pub(super) struct Channels {
    link: Arc<Link>,
    shared_max: usize,
    shared: Mutex<Vec<Arc<Shared>>>,
    alone: AtomicUsize,
}

/// A channel and the lanes that read on it.
struct Shared {
    /// Most unfinished parcels per lane. RabbitMQ applies it to consumers that join afterwards.
    prefetch: u16,
    /// Opened by the first lane that needs it, while the others wait for that.
    channel: OnceCell<Channel>,
    /// Number of lanes on this channel.
    places: AtomicUsize,
    settled: Mutex<Settled>,
}

/// Whether other lanes may be on the same channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Shares a channel with other lanes if there are many.
    Allowed,
    /// Gets a channel of its own, because it may break it.
    Alone,
}

/// One lane's use of a channel. Dropping it frees the place.
pub(super) struct Place {
    channels: Arc<Channels>,
    shared: Arc<Shared>,
    sharing: Sharing,
}

impl Channels {
    pub(super) fn new(link: Arc<Link>, shared_max: usize) -> Self {
        Self { link, shared_max, shared: Mutex::default(), alone: AtomicUsize::new(0) }
    }

    /// Assigns a place on an open channel.
    pub(super) async fn place(
        self: &Arc<Self>,
        prefetch: u16,
        sharing: Sharing,
    ) -> Result<Place, BusError> {
        let shared = match sharing {
            Sharing::Allowed => self.find_shared(prefetch),
            Sharing::Alone => self.take_alone(prefetch)?,
        };
        // From here on, dropping `place` frees it even if opening fails.
        let place = Place { channels: Arc::clone(self), shared, sharing };
        place.shared.channel.get_or_try_init(|| self.open(prefetch)).await?;
        Ok(place)
    }

    fn find_shared(&self, prefetch: u16) -> Arc<Shared> {
        let mut all = self.lock();
        all.retain(|shared| shared.is_usable());
        let fewest = all
            .iter()
            .filter(|shared| shared.prefetch == prefetch)
            .min_by_key(|shared| shared.places.load(Ordering::Relaxed));
        if let Some(shared) = fewest
            && (all.len() >= self.shared_max || shared.places.load(Ordering::Relaxed) == 0)
        {
            shared.places.fetch_add(1, Ordering::Relaxed);
            return Arc::clone(shared);
        }
        let shared = Arc::new(Shared::new(prefetch));
        all.push(Arc::clone(&shared));
        shared
    }

    fn take_alone(&self, prefetch: u16) -> Result<Arc<Shared>, BusError> {
        let taken = self.alone.fetch_add(1, Ordering::Relaxed);
        if taken >= ALONE_MAX {
            self.alone.fetch_sub(1, Ordering::Relaxed);
            let source = format!("{ALONE_MAX} lanes have a channel of their own already").into();
            return Err(BusError::Unavailable { doing: "open a channel", source });
        }
        Ok(Arc::new(Shared::new(prefetch)))
    }

    async fn open(&self, prefetch: u16) -> Result<Channel, BusError> {
        let channel = self.link.channel().await?;
        let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
        within("limit what is held", qos).await?;
        Ok(channel)
    }

    /// Removes the channel from the list if this is its only lane, so that no other lane joins it.
    /// Returns whether it was.
    fn takes_out(&self, place: &Place) -> bool {
        let mut all = self.lock();
        let only = place.shared.places.load(Ordering::Relaxed) <= 1;
        if only {
            all.retain(|shared| !Arc::ptr_eq(shared, &place.shared));
        }
        only
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.shared.lock()
    }
}

impl Shared {
    /// A channel with its first lane already counted.
    fn new(prefetch: u16) -> Self {
        Self {
            prefetch,
            channel: OnceCell::new(),
            places: AtomicUsize::new(1),
            settled: Mutex::default(),
        }
    }

    /// Whether another lane may join: the channel is open, or its first lane is opening it.
    fn is_usable(&self) -> bool {
        match self.channel.get() {
            Some(channel) => channel.status().connected(),
            None => self.places.load(Ordering::Relaxed) > 0,
        }
    }
}

impl Place {
    /// The channel. It was open when the place was assigned, and may have broken since.
    pub(super) fn channel(&self) -> Result<&Channel, BusError> {
        self.shared.channel.get().ok_or_else(|| BusError::Unavailable {
            doing: "use a channel",
            source: "it was never opened".into(),
        })
    }

    /// Acknowledges these delivery tags to RabbitMQ.
    pub(super) async fn acknowledge(&self, numbers: &BTreeSet<u64>) -> Result<(), BusError> {
        self.order("acknowledge parcels", numbers, |channel, settled| {
            let Finished { up_to, single } = settled;
            let up_to = up_to.into_iter().map(|number| (number, true));
            let single = single.into_iter().map(|number| (number, false));
            let order = |(number, multiple)| -> Order {
                let channel = channel.clone();
                let options = BasicAckOptions { multiple };
                Box::pin(async move { channel.basic_ack(number, options).await })
            };
            up_to.chain(single).map(order).collect()
        })
        .await
    }

    /// Rejects these delivery tags: requeues them, or lets RabbitMQ dead-letter them.
    ///
    /// In ascending order, because a quorum queue redelivers in the order of the rejections.
    pub(super) async fn reject(
        &self,
        numbers: &BTreeSet<u64>,
        requeue: bool,
    ) -> Result<(), BusError> {
        self.order("give parcels back", numbers, |channel, _settled| {
            let order = |number: &u64| -> Order {
                let (channel, number) = (channel.clone(), *number);
                let options = BasicNackOptions { multiple: false, requeue };
                Box::pin(async move { channel.basic_nack(number, options).await })
            };
            numbers.iter().map(order).collect()
        })
        .await
    }

    /// Sends commands about these delivery tags. Each tag may be passed only once.
    async fn order(
        &self,
        doing: &'static str,
        numbers: &BTreeSet<u64>,
        orders: impl FnOnce(&Channel, Finished) -> Vec<Order>,
    ) -> Result<(), BusError> {
        let channel = self.channel()?;
        let mut waiting = Vec::new();
        {
            // RabbitMQ closes the channel for a number that an "up to here" has finished already,
            // so orders leave in the order in which they were worked out.
            let mut settled = self.shared.settled.lock();
            for mut order in orders(channel, settled.finish(numbers)) {
                // The first poll hands the command to the client library; its answer
                // is awaited below.
                match order.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Err(said(doing, error)),
                    Poll::Pending => waiting.push(order),
                }
            }
        }
        for order in waiting {
            within(doing, order).await?;
        }
        Ok(())
    }

    /// Stops reading and returns unfinished parcels to the queue. Ends when RabbitMQ has done so.
    ///
    /// The only lane of a channel closes it: RabbitMQ then requeues at once, and the next consumer
    /// gets everything in order. On a shared channel the consumer is cancelled first and its
    /// parcels are rejected after that, so a waiting consumer elsewhere may get later parcels
    /// first. In both cases the outbox keeps the order within each case.
    pub(super) async fn leave(self, consumer: Consumer, held: BTreeSet<u64>) {
        let Ok(channel) = self.channel().cloned() else { return };
        if !channel.status().connected() {
            return;
        }
        if self.channels.takes_out(&self) || self.cancel(&channel, consumer, held).await.is_err() {
            // If RabbitMQ does not answer, it requeues everything when the connection ends.
            let _left = timeout(ANSWER_WAIT, channel.close(200, "leaving".into())).await;
        }
    }

    async fn cancel(
        &self,
        channel: &Channel,
        mut consumer: Consumer,
        mut held: BTreeSet<u64>,
    ) -> Result<(), BusError> {
        let cancelling = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        within("leave a lane", cancelling).await?;
        // The stream ends after what arrived before RabbitMQ confirmed the cancel.
        while let Some(Ok(delivery)) = within_stream(consumer.next()).await? {
            held.insert(delivery.delivery_tag);
        }
        self.reject(&held, true).await?;
        // A command that RabbitMQ answers, which shows that it has carried out those before.
        let options = BasicQosOptions::default();
        within("leave a lane", channel.basic_qos(self.shared.prefetch, options)).await
    }

    /// Closes the channel for all of its lanes, because its state is unknown.
    pub(super) async fn break_off(self) {
        if let Ok(channel) = self.channel()
            && channel.status().connected()
        {
            let _left = timeout(ANSWER_WAIT, channel.close(200, "giving up".into())).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.places.fetch_sub(1, Ordering::Relaxed);
        if self.sharing == Sharing::Alone {
            self.channels.alone.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

async fn within_stream<T>(next: impl Future<Output = T>) -> Result<T, BusError> {
    let silent = |_| BusError::Silent { doing: "leave a lane", waited: ANSWER_WAIT };
    timeout(ANSWER_WAIT, next).await.map_err(silent)
}

type Order = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send>>;

/// Which delivery tags of a channel are finished, as ranges from first to last. RabbitMQ counts
/// tags from 1.
struct Settled(BTreeMap<u64, u64>);

/// What to send to RabbitMQ about tags that were just finished.
#[derive(Debug, PartialEq, Eq)]
struct Finished {
    /// Acknowledge everything up to this tag, because it is finished in all lanes.
    up_to: Option<u64>,
    /// Acknowledge these one by one, because an earlier tag is not finished.
    single: Vec<u64>,
}

impl Default for Settled {
    fn default() -> Self {
        Self(BTreeMap::from([(0, 0)]))
    }
}

impl Settled {
    fn finish(&mut self, numbers: &BTreeSet<u64>) -> Finished {
        for number in numbers {
            self.insert(*number);
        }
        let all_up_to = self.0.first_key_value().map_or(0, |(_, end)| *end);
        Finished {
            up_to: numbers.range(..=all_up_to).next_back().copied(),
            single: numbers.range(all_up_to + 1..).copied().collect(),
        }
    }

    fn insert(&mut self, number: u64) {
        let (mut first, mut last) = (number, number);
        if let Some((start, end)) = self.0.range(..=number).next_back().map(|(s, e)| (*s, *e)) {
            if end >= number {
                return;
            }
            if end + 1 == number {
                first = start;
            }
        }
        if let Some(end) = self.0.remove(&(number + 1)) {
            last = end;
        }
        self.0.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(settled: &mut Settled, numbers: &[u64]) -> (Option<u64>, Vec<u64>) {
        let Finished { up_to, single } = settled.finish(&numbers.iter().copied().collect());
        (up_to, single)
    }

    #[test]
    fn up_to_here_is_said_only_of_what_all_lanes_have_finished() {
        let mut settled = Settled::default();

        assert_eq!(finish(&mut settled, &[1, 2]), (Some(2), vec![]));
        // Another lane has tag 3 and has not finished it.
        assert_eq!(finish(&mut settled, &[4, 5, 7]), (None, vec![4, 5, 7]));
        assert_eq!(finish(&mut settled, &[3]), (Some(3), vec![]));
        assert_eq!(finish(&mut settled, &[6, 8]), (Some(8), vec![]));
        assert_eq!(finish(&mut settled, &[]), (None, vec![]));
    }

    #[test]
    fn a_number_that_is_held_for_long_costs_no_memory() {
        let mut settled = Settled::default();

        for number in 2..100_000 {
            finish(&mut settled, &[number]);
        }

        assert_eq!(settled.0.len(), 2);
        assert_eq!(finish(&mut settled, &[1]), (Some(1), vec![]));
        assert_eq!(settled.0.len(), 1);
    }
}
