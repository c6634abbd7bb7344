//! The bus of a world: real in-process lanes on a bad road.
//!
//! Parcels are lost, doubled, overtaken and late although the bus called them safe; lanes are
//! deleted; publishers are blocked; consumers are cut off with parcels in their hands.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tierlink_bus::{
    Announcement, Bus, BusError, InProcessBus, Lane, LaneConsumer, LaneDepth, LaneTrouble, Parcel,
    Published, QueueTrouble, Received, Tag,
};

use crate::dice::Dice;
use crate::faults::Faults;
use crate::power::{Mode, Power};

/// What all processes share. Each lane is a bus of its own, so that it can be deleted.
#[derive(Default)]
pub struct Lanes {
    open: BTreeMap<Lane, InProcessBus>,
    /// Copies that are still under way somewhere.
    late: Vec<Parcel>,
    pub blocked: bool,
}

impl Lanes {
    /// Deletes a lane with all that it holds.
    pub fn delete(&mut self, lane: &Lane) -> Option<InProcessBus> {
        self.open.remove(lane)
    }

    /// Forgets everything, as a bus in memory does with its process.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The bus as one process reaches it.
#[derive(Clone)]
pub struct Road {
    pub lanes: Arc<Mutex<Lanes>>,
    pub power: Power,
    pub dice: Dice,
    pub faults: Faults,
    pub remembers: bool,
}

impl Road {
    fn lane(&self, lane: &Lane) -> Option<InProcessBus> {
        self.lanes.lock().open.get(lane).cloned()
    }

    fn away<T>(doing: &'static str) -> Result<T, BusError> {
        Err(BusError::Unavailable { doing, source: "the world says no".into() })
    }

    /// What is really put into lanes, and what the publisher hears.
    fn fate(&self, parcel: &Parcel, put: &mut Vec<Parcel>) -> Published {
        if self.lane(&parcel.lane).is_none() {
            return Published::Unroutable;
        }
        let happens = |percent| self.faults.happens(&self.dice, percent);
        if happens(4) {
            return Published::NotSafe;
        }
        if happens(2) {
            return Published::Safe;
        }
        put.push(parcel.clone());
        if happens(6) {
            put.push(parcel.clone());
        }
        if happens(6) {
            self.lanes.lock().late.push(parcel.clone());
        }
        if happens(4) { Published::NotSafe } else { Published::Safe }
    }
}

#[async_trait]
impl Bus for Road {
    async fn open_lanes(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError> {
        self.power.on().await;
        if self.faults.happens(&self.dice, 5) {
            return Self::away("open lanes");
        }
        for lane in lanes {
            let bus = {
                let mut known = self.lanes.lock();
                known.open.entry(lane.clone()).or_default().clone()
            };
            bus.open_lanes(std::slice::from_ref(lane)).await?;
        }
        Ok(Vec::new())
    }

    fn is_open(&self, lane: &Lane) -> bool {
        self.lanes.lock().open.contains_key(lane)
    }

    fn lanes_in_trouble(&self) -> Vec<LaneTrouble> {
        Vec::new()
    }

    fn queues_in_trouble(&self) -> Vec<QueueTrouble> {
        Vec::new()
    }

    async fn receipts_waiting(&self) -> Result<u64, BusError> {
        Ok(0)
    }

    async fn publish(&self, parcels: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        self.power.on().await;
        if self.lanes.lock().blocked {
            return Err(BusError::Blocked);
        }
        if self.faults.happens(&self.dice, 5) {
            return Self::away("publish");
        }
        let mut put = std::mem::take(&mut self.lanes.lock().late);
        let fates = parcels.iter().map(|parcel| self.fate(parcel, &mut put)).collect();
        if self.faults.happens(&self.dice, 30) {
            let length = put.len();
            for at in 0..length {
                put.swap(at, self.dice.at(length));
            }
        }
        for parcel in put {
            if let Some(bus) = self.lane(&parcel.lane) {
                let _fates = bus.publish(vec![parcel]).await?;
            }
        }
        if self.faults.happens(&self.dice, 20) {
            self.dice.wait(50).await;
        }
        self.power.on().await;
        Ok(fates)
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        self.power.on().await;
        let mut consumer =
            Consumer { road: self.clone(), lane: lane.clone(), prefetch, hand: Arc::default() };
        consumer.join().await?;
        tokio::spawn(cut_off(self.power.clone(), Arc::downgrade(&consumer.hand)));
        Ok(Box::new(consumer))
    }

    async fn announce(&self, _: Vec<Announcement>) -> Result<(), BusError> {
        Ok(())
    }

    async fn receipts(&self, _: u16) -> Result<Box<dyn LaneConsumer>, BusError> {
        Self::away("read receipts")
    }

    async fn send_receipts(&self, _: Vec<Parcel>) -> Result<Vec<Published>, BusError> {
        Self::away("send receipts")
    }

    async fn depth(&self, _: &Lane) -> Result<LaneDepth, BusError> {
        Ok(LaneDepth::default())
    }

    async fn dead(&self) -> Result<u64, BusError> {
        Ok(0)
    }

    async fn healthy(&self) -> Result<(), BusError> {
        Ok(())
    }

    fn remembers(&self) -> bool {
        self.remembers
    }

    async fn close(&self) {}
}

/// The consumer that the bus knows, if it still knows one.
type Hand = Mutex<Option<Box<dyn LaneConsumer>>>;

struct Consumer {
    road: Road,
    lane: Lane,
    prefetch: u16,
    hand: Arc<Hand>,
}

/// Gives back what a consumer holds when the bus loses its process, wherever that stands.
async fn cut_off(power: Power, hand: std::sync::Weak<Hand>) {
    loop {
        power.lost().await;
        let Some(hand) = hand.upgrade() else { return };
        drop(hand.lock().take());
        drop(hand);
        if power.mode() == Mode::Off {
            return;
        }
        power.on().await;
    }
}

impl Consumer {
    async fn join(&mut self) -> Result<(), BusError> {
        // RabbitMQ's consumers open a missing lane themselves, so that nobody hears of the loss.
        if self.road.dice.percent(70) {
            self.road.open_lanes(std::slice::from_ref(&self.lane)).await?;
        }
        let Some(bus) = self.road.lane(&self.lane) else {
            return Err(BusError::Missing { doing: "join a lane", name: self.lane.to_string() });
        };
        let inner = bus.consume(&self.lane, self.prefetch).await?;
        *self.hand.lock() = Some(inner);
        Ok(())
    }

    fn interrupted<T>(&self) -> Result<T, BusError> {
        drop(self.hand.lock().take());
        Err(BusError::Interrupted { name: self.lane.to_string() })
    }

    /// Takes the consumer for one call, if the bus still knows it.
    async fn taken(&self) -> Option<Box<dyn LaneConsumer>> {
        self.road.power.on().await;
        self.hand.lock().take()
    }

    fn put_back(&self, inner: Box<dyn LaneConsumer>) {
        *self.hand.lock() = Some(inner);
    }
}

#[async_trait]
impl LaneConsumer for Consumer {
    async fn next(&mut self) -> Result<Option<Received>, BusError> {
        let Some(mut inner) = self.taken().await else {
            self.join().await?;
            return Err(BusError::Interrupted { name: self.lane.to_string() });
        };
        let next = tokio::select! {
            biased;
            () = self.road.power.lost() => return self.interrupted(),
            next = inner.next() => next,
        };
        match next {
            Ok(Some(received)) if !self.road.faults.happens(&self.road.dice, 3) => {
                self.put_back(inner);
                Ok(Some(received))
            }
            // Cut off, or the lane was deleted.
            Ok(_) => self.interrupted(),
            Err(error) => Err(error),
        }
    }

    async fn next_ready(&mut self) -> Option<Received> {
        let mut inner = self.taken().await?;
        let next = inner.next_ready().await;
        self.put_back(inner);
        next
    }

    async fn done(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        let Some(mut inner) = self.taken().await else { return self.interrupted() };
        if self.road.faults.happens(&self.road.dice, 5) {
            return self.interrupted();
        }
        let done = inner.done(tags).await;
        self.put_back(inner);
        done
    }

    async fn give_back(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        let Some(mut inner) = self.taken().await else { return self.interrupted() };
        let done = inner.give_back(tags).await;
        self.put_back(inner);
        done
    }

    async fn bury(&mut self, tags: &[Tag]) -> Result<(), BusError> {
        let Some(mut inner) = self.taken().await else { return self.interrupted() };
        let done = inner.bury(tags).await;
        self.put_back(inner);
        done
    }

    async fn close(self: Box<Self>) {}
}
