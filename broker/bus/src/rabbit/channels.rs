//! Hands out places on channels to those who read queues.
//!
//! ```text
//!   up to `channels_max` lanes   each on a channel of its own
//!   more                         on the channel with the fewest, side by side
//!   a lane that broke a channel  on a channel of its own, whatever the count
//! ```
//!
//! A connection has at most 2,047 channels, and each costs RabbitMQ several processes, so a large
//! county cannot have one for each lane. What shares a channel shares two things. An error of one
//! lane closes the channel for all, so a lane that caused one reads alone from then on. And
//! delivery numbers run through all lanes of the channel, so "everything up to here is done" may
//! be said only when it is true of all of them: [`Settled`] knows.

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

/// Most channels of lanes that must read alone. With the ones above and those for questions this
/// stays below the 2,047 that RabbitMQ allows by default.
const ALONE_MAX: usize = 1_024;

/// All channels on which this process reads.
pub(super) struct Channels {
    link: Arc<Link>,
    shared_max: usize,
    shared: Mutex<Vec<Arc<Shared>>>,
    alone: AtomicUsize,
}

/// A channel with the lanes that read on it.
struct Shared {
    /// How much each lane may hold. RabbitMQ applies it to consumers that join later.
    prefetch: u16,
    /// Opened by the first lane that needs it, while the others wait for it.
    channel: OnceCell<Channel>,
    /// How many lanes have a place here.
    places: AtomicUsize,
    settled: Mutex<Settled>,
}

/// Whether others may be on the same channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// Side by side with other lanes, if there are many.
    Others,
    /// Nobody: the lane may break the channel.
    Nobody,
}

/// The place of one lane on a channel.
pub(super) struct Place {
    channels: Arc<Channels>,
    shared: Arc<Shared>,
    company: Company,
}

impl Channels {
    pub(super) fn new(link: Arc<Link>, shared_max: usize) -> Self {
        Self { link, shared_max, shared: Mutex::default(), alone: AtomicUsize::new(0) }
    }

    /// A place on an open channel.
    pub(super) async fn place(
        self: &Arc<Self>,
        prefetch: u16,
        company: Company,
    ) -> Result<Place, BusError> {
        let shared = match company {
            Company::Others => self.find_shared(prefetch),
            Company::Nobody => self.take_alone(prefetch)?,
        };
        // From here on the place is given up whatever happens.
        let place = Place { channels: Arc::clone(self), shared, company };
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

    /// Takes the channel out if this is the only place on it, so that nobody else joins it.
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
    /// With the place of whoever asked for it.
    fn new(prefetch: u16) -> Self {
        Self {
            prefetch,
            channel: OnceCell::new(),
            places: AtomicUsize::new(1),
            settled: Mutex::default(),
        }
    }

    /// Whether a lane may join: the channel works, or its first lane is about to open it.
    fn is_usable(&self) -> bool {
        match self.channel.get() {
            Some(channel) => channel.status().connected(),
            None => self.places.load(Ordering::Relaxed) > 0,
        }
    }
}

impl Place {
    /// The channel.
    pub(super) fn channel(&self) -> Result<&Channel, BusError> {
        self.shared.channel.get().ok_or_else(|| BusError::Unavailable {
            doing: "use a channel",
            source: "it was never opened".into(),
        })
    }

    /// Tells RabbitMQ that these are finished.
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

    /// Gives these back to their queue, or lets RabbitMQ put them with the dead ones.
    ///
    /// In their order: a quorum queue sends what comes back again in the order in which it came.
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

    /// Sends orders about these numbers, which no earlier order may have named.
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
                // The first look hands the order to the library; the answer is waited for below.
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

    /// Stops reading, and returns what was held to its queue. When it ends, RabbitMQ has done so.
    ///
    /// Whoever is alone on the channel closes it: RabbitMQ then takes back at once what was held,
    /// and the next consumer gets it in order. Beside others the consumer is cancelled first, and
    /// what was held follows: a consumer that waits for the queue elsewhere may get what is behind
    /// it before. The outbox keeps the order of each case in both.
    pub(super) async fn leave(self, consumer: Consumer, held: BTreeSet<u64>) {
        let Ok(channel) = self.channel().cloned() else { return };
        if !channel.status().connected() {
            return;
        }
        if self.channels.takes_out(&self) || self.cancel(&channel, consumer, held).await.is_err() {
            // If RabbitMQ does not answer, it takes everything back when the connection ends.
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
        // The library ends the stream behind what had come before RabbitMQ said yes.
        while let Some(Ok(delivery)) = within_stream(consumer.next()).await? {
            held.insert(delivery.delivery_tag);
        }
        self.reject(&held, true).await?;
        // An order that RabbitMQ answers, so that the ones before it are carried out.
        let options = BasicQosOptions::default();
        within("leave a lane", channel.basic_qos(self.shared.prefetch, options)).await
    }

    /// Closes the channel because nobody knows any more how it stands, also for its other lanes.
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
        if self.company == Company::Nobody {
            self.channels.alone.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

async fn within_stream<T>(next: impl Future<Output = T>) -> Result<T, BusError> {
    let silent = |_| BusError::Silent { doing: "leave a lane", waited: ANSWER_WAIT };
    timeout(ANSWER_WAIT, next).await.map_err(silent)
}

type Order = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send>>;

/// Which delivery numbers of a channel are finished, as ranges: RabbitMQ counts them from 1.
struct Settled(BTreeMap<u64, u64>);

/// How to tell RabbitMQ what has just been finished.
#[derive(Debug, PartialEq, Eq)]
struct Finished {
    /// Everything up to here is finished, in all lanes.
    up_to: Option<u64>,
    /// Those behind something that is not.
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
        // Another lane holds 3.
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
