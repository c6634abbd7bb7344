//! Keeps the exchanges and queues in place, and asks RabbitMQ about them.
//!
//! A queue that someone deletes, or a RabbitMQ that comes back empty, is noticed where it hurts: a
//! parcel returns, a window breaks, a consumer is cut off. They report it here, and what is missing
//! is declared again before the next try.

use std::collections::BTreeSet;
use std::sync::Arc;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use tokio::sync::Mutex;

use super::link::{Link, within};
use super::trouble::Trouble;
use super::wire::{arguments, short};
use crate::topology::{Exchange, Queue, Topology};
use crate::{BusError, Lane};

pub(super) struct Keeper {
    link: Arc<Link>,
    topology: Topology,
    /// An adapter beside a hospital has no right to declare, and must not try.
    declares: bool,
    state: Mutex<State>,
    trouble: Trouble,
}

#[derive(Default)]
struct State {
    channel: Option<Channel>,
    /// The exchanges and the shared queues are in place, as far as we know.
    grounded: bool,
    opened: BTreeSet<Lane>,
    lost: BTreeSet<Lane>,
}

impl State {
    /// Gives the channel up after an error: RabbitMQ has closed it, or an answer may still come
    /// that the next question must not get.
    fn after<T>(&mut self, answer: Result<T, BusError>) -> Result<T, BusError> {
        if answer.is_err() {
            self.channel = None;
        }
        answer
    }
}

impl Keeper {
    pub(super) fn new(link: Arc<Link>, topology: Topology, declares: bool) -> Self {
        let trouble = Trouble::with("Declaring queues in RabbitMQ");
        Self { link, topology, declares, state: Mutex::default(), trouble }
    }

    /// Declares what is not known to be there.
    pub(super) async fn open(&self, lanes: &[Lane]) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        if !self.declares {
            return Ok(());
        }
        self.ground(&mut state).await?;
        for lane in lanes {
            if state.lost.contains(lane) || !state.opened.contains(lane) {
                self.declare_queue(&mut state, &self.topology.lane(lane)).await?;
                state.lost.remove(lane);
                state.opened.insert(lane.clone());
            }
        }
        Ok(())
    }

    /// Declares again what was reported missing. If that fails, publishing will say so in its turn.
    pub(super) async fn mend(&self) {
        let state = self.state.lock().await;
        let nothing_to_do = state.grounded && state.lost.is_empty();
        let lost: Vec<Lane> = state.lost.iter().cloned().collect();
        drop(state);
        if nothing_to_do {
            return;
        }
        match self.open(&lost).await {
            Ok(()) => self.trouble.ends(),
            Err(error) => self.trouble.begins(&error),
        }
    }

    /// Reports that a lane's queue is gone.
    pub(super) async fn lost(&self, lane: &Lane) {
        let mut state = self.state.lock().await;
        if state.opened.contains(lane) {
            state.lost.insert(lane.clone());
        }
    }

    /// Reports that a channel broke, which is what happens when an exchange is gone.
    pub(super) async fn doubt(&self) {
        self.state.lock().await.grounded = false;
    }

    /// How many messages wait in a queue.
    pub(super) async fn count(&self, queue: &str) -> Result<u64, BusError> {
        let mut state = self.state.lock().await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel(&mut state).await?;
        let asking = channel.queue_declare(short(queue)?, options, FieldTable::default());
        let answer = within("count what waits in a queue", asking).await;
        Ok(u64::from(state.after(named(answer, queue))?.message_count()))
    }

    /// Whether RabbitMQ answers and our exchange is there.
    pub(super) async fn check(&self) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        let name = self.topology.deliver();
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let channel = self.channel(&mut state).await?;
        let (exchange, kind) = (short(&name)?, ExchangeKind::Direct);
        let asking = channel.exchange_declare(exchange, kind, options, FieldTable::default());
        let answer = within("look for our exchange", asking).await;
        state.after(named(answer, &name))
    }

    async fn ground(&self, state: &mut State) -> Result<(), BusError> {
        if state.grounded {
            return Ok(());
        }
        for exchange in self.topology.exchanges() {
            self.declare_exchange(state, &exchange).await?;
        }
        for queue in self.topology.queues() {
            self.declare_queue(state, &queue).await?;
        }
        state.grounded = true;
        Ok(())
    }

    async fn declare_exchange(&self, state: &mut State, it: &Exchange) -> Result<(), BusError> {
        let channel = self.channel(state).await?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = ExchangeKind::Custom(it.kind.as_str().to_owned());
        let declaring =
            channel.exchange_declare(short(&it.name)?, kind, options, FieldTable::default());
        state.after(within("declare an exchange", declaring).await)
    }

    async fn declare_queue(&self, state: &mut State, it: &Queue) -> Result<(), BusError> {
        let channel = self.channel(state).await?;
        let name = short(&it.name)?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declaring = channel.queue_declare(name.clone(), options, arguments(it));
        state.after(within("declare a queue", declaring).await)?;
        let (exchange, key) = (short(&it.fed_by)?, short(&it.key)?);
        let options = QueueBindOptions::default();
        let binding = channel.queue_bind(name, exchange, key, options, FieldTable::default());
        state.after(within("bind a queue to its exchange", binding).await)
    }

    /// The channel for questions. RabbitMQ closes it with each refusal, so it is often a new one.
    async fn channel(&self, state: &mut State) -> Result<Channel, BusError> {
        if let Some(channel) = state.channel.as_ref().filter(|channel| channel.status().connected())
        {
            return Ok(channel.clone());
        }
        let channel = self.link.channel().await?;
        state.channel = Some(channel.clone());
        Ok(channel)
    }
}

/// Says which queue or exchange it was that is missing.
fn named<T>(answer: Result<T, BusError>, queue: &str) -> Result<T, BusError> {
    answer.map_err(|error| match error {
        BusError::Missing { doing, .. } => BusError::Missing { doing, name: queue.to_owned() },
        other => other,
    })
}
