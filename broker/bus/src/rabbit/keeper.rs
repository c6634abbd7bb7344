//! Declares exchanges and queues, declares lost ones again, and asks RabbitMQ about them.
//!
//! If a queue is deleted, or RabbitMQ comes back empty, publishers and consumers notice: a parcel
//! is returned, a channel breaks, a consumer is cut off. They report it here, and what is missing
//! is declared again before the next try. What is known about a queue holds for one connection
//! only, because after a reconnect it may be a RabbitMQ that has lost it.
//!
//! Several queues are declared at a time, each on a channel that nothing else uses meanwhile,
//! because RabbitMQ closes the channel when it refuses.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, ExchangeKind};
use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::problem::Code;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use super::address::ANSWER_WAIT;
use super::link::{Link, said, within};
use super::trouble::Trouble;
use super::unopened::{Step, Unopened};
use super::wire::{arguments, short};
use crate::topology::{Exchange, Queue, Topology};
use crate::{BusError, Lane, LaneDepth, LaneTrouble, QueueTrouble};

/// Queues that are declared or checked at the same time. RabbitMQ carries declarations out one
/// after the other, so more would only wait there.
const DECLARED_AT_ONCE_MAX: usize = 16;

/// Health checks at the same time. They have channels of their own and do not wait behind
/// thousands of declarations.
const ASKED_AT_ONCE_MAX: usize = 2;

/// A single queue may give no answer because the servers that hold it are down. If this many get no
/// answer in one call, RabbitMQ itself does not answer, and the rest are not tried.
const SILENT_MAX: usize = 3;

/// Error code: a queue or exchange exists with other settings.
const OTHER_SETTINGS: Code = Code::new("B004");

/// A routing key that leads nowhere: no lane has a name with a space.
const NOBODY: &str = "is this allowed";

/// Waits before a lane that was refused is declared again: who asks for it does so many times a
/// second, and a person has to mend it.
const REFUSED_WAIT_MIN: Duration = Duration::from_secs(1);
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) struct Keeper {
    topology: Topology,
    /// False for an adapter beside a hospital, which has no permission to declare.
    declares: bool,
    declaring: Questions,
    asking: Questions,
    /// Held while exchanges and shared queues are declared, so that it happens once.
    declaring_shared: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    unopened: Arc<Unopened>,
    trouble: Trouble,
}

#[derive(Default)]
struct State {
    /// The connection that the knowledge below comes from.
    generation: u64,
    /// Whether the exchanges and shared queues are known to exist.
    declared: bool,
    /// Lanes whose queue is known to exist.
    found: HashSet<Lane>,
    /// Lanes that this process was asked to open. Only these are declared again when
    /// they are missing.
    ours: HashSet<Lane>,
    lost: BTreeSet<Lane>,
    /// Lanes that RabbitMQ refused, and when each is tried again.
    refused: HashMap<Lane, Refused>,
    /// Shared queues that have other settings. The names outlast a connection.
    other_settings: BTreeSet<String>,
}

struct Refused {
    trouble: LaneTrouble,
    times: u32,
    not_before: Instant,
}

impl State {
    fn is_there(&self, lane: &Lane) -> bool {
        self.found.contains(lane) && !self.lost.contains(lane)
    }

    fn refuse(&mut self, trouble: LaneTrouble) {
        let times = self.refused.get(&trouble.lane).map_or(0, |refused| refused.times);
        let wait = (REFUSED_WAIT_MIN * 2_u32.saturating_pow(times)).min(REFUSED_WAIT_MAX);
        let not_before = Instant::now() + wait;
        let times = times.saturating_add(1).min(8);
        self.refused.insert(trouble.lane.clone(), Refused { trouble, times, not_before });
    }
}

impl Keeper {
    pub(super) fn new(
        link: &Arc<Link>,
        topology: Topology,
        declares: bool,
        unopened: Arc<Unopened>,
    ) -> Self {
        Self {
            topology,
            declares,
            declaring: Questions::new(Arc::clone(link), DECLARED_AT_ONCE_MAX),
            asking: Questions::new(Arc::clone(link), ASKED_AT_ONCE_MAX),
            declaring_shared: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            unopened,
            trouble: Trouble::with("Declaring queues in RabbitMQ"),
        }
    }

    /// Declares the lanes not known to exist. Returns those that could not be declared.
    pub(super) async fn open(&self, lanes: &[Lane]) -> Result<Vec<LaneTrouble>, BusError> {
        if !self.declares {
            return Ok(Vec::new());
        }
        self.ground().await?;
        let (mut unknown, mut troubles) = (Vec::new(), Vec::new());
        {
            let mut state = self.state();
            for lane in lanes {
                if !state.ours.contains(lane) {
                    state.ours.insert(lane.clone());
                }
            }
            for lane in lanes.iter().filter(|lane| !state.is_there(lane)) {
                match state.refused.get(lane).filter(|it| Instant::now() < it.not_before) {
                    Some(refused) => troubles.push(refused.trouble.clone()),
                    None => unknown.push(lane.clone()),
                }
            }
        }
        let mut declaring = stream::iter(unknown)
            .map(async |lane| {
                let declared = self.declare_lane(&lane).await;
                (lane, declared)
            })
            .buffer_unordered(DECLARED_AT_ONCE_MAX);
        let mut silent = 0;
        while let Some((lane, declared)) = declaring.next().await {
            self.unopened.note(&lane, Step::Declaring, &declared);
            match declared {
                Ok(()) => {
                    let mut state = self.state();
                    state.lost.remove(&lane);
                    state.refused.remove(&lane);
                    state.found.insert(lane);
                }
                Err(error) if error.is_of_one_lane() && silent < SILENT_MAX => {
                    silent += usize::from(matches!(error, BusError::Silent { .. }));
                    let trouble = LaneTrouble::new(lane, &error);
                    self.state().refuse(trouble.clone());
                    troubles.push(trouble);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(troubles)
    }

    /// Whether a lane's queue is there, as far as is known from this connection.
    pub(super) fn is_open(&self, lane: &Lane) -> bool {
        self.state().is_there(lane)
    }

    /// Makes sure that a lane's queue is there before somebody joins it.
    pub(super) async fn find(&self, lane: &Lane) -> Result<(), BusError> {
        if self.state().found.contains(lane) {
            return Ok(());
        }
        if self.declares && self.state().ours.contains(lane) {
            // It was known on an earlier connection, so it may have been lost.
            let declared = self.declare_lane(lane).await;
            self.unopened.note(lane, Step::Declaring, &declared);
            declared?;
        } else {
            self.depth(&self.topology.queue_of(lane)).await?;
        }
        self.state().found.insert(lane.clone());
        Ok(())
    }

    /// Declares again what was reported missing. A failure is not returned, because
    /// publishing reports it.
    pub(super) async fn mend(&self) {
        let lost: Vec<Lane> = {
            let state = self.state();
            if state.declared && state.lost.is_empty() {
                return;
            }
            state.lost.iter().cloned().collect()
        };
        match self.open(&lost).await {
            Ok(_) => self.trouble.ends(),
            Err(error) => self.trouble.begins(&error),
        }
    }

    /// Reports that a lane's queue is missing.
    pub(super) fn lost(&self, lane: &Lane) {
        let mut state = self.state();
        state.found.remove(lane);
        if state.ours.contains(lane) {
            state.lost.insert(lane.clone());
        }
    }

    /// Reports that a channel broke, as happens when an exchange is missing.
    pub(super) fn doubt(&self) {
        self.state().declared = false;
    }

    /// How many parcels wait in a queue, and how many consumers it has.
    pub(super) async fn depth(&self, queue: &str) -> Result<LaneDepth, BusError> {
        self.look_at(&self.declaring, queue).await
    }

    /// How many parcels wait in a queue that belongs to no lane.
    pub(super) async fn count(&self, queue: &str) -> Result<u64, BusError> {
        Ok(self.look_at(&self.asking, queue).await?.ready)
    }

    async fn look_at(&self, questions: &Questions, queue: &str) -> Result<LaneDepth, BusError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = short(queue)?;
        let answer = questions
            .ask("count what waits in a queue", async |channel| {
                channel.queue_declare(name, options, FieldTable::default()).await
            })
            .await;
        let answer = named(answer, queue)?;
        let (ready, readers) = (answer.message_count(), answer.consumer_count());
        Ok(LaneDepth { ready: ready.into(), held: None, readers: Some(readers.into()) })
    }

    /// Checks that RabbitMQ answers and that our exchange exists.
    pub(super) async fn check(&self) -> Result<(), BusError> {
        let name = self.topology.deliver();
        let exchange = short(&name)?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let answer = self
            .asking
            .ask("look for our exchange", async |channel| {
                let (kind, arguments) = (ExchangeKind::Direct, FieldTable::default());
                channel.exchange_declare(exchange, kind, options, arguments).await
            })
            .await;
        named(answer, &name)?;
        if self.declares { self.check_rights().await } else { Ok(()) }
    }

    /// Whether we may still write and read. RabbitMQ remembers for each channel what was allowed
    /// when it was asked first, so this asks on a new one.
    ///
    /// The message goes to no queue, and the binding is there already.
    async fn check_rights(&self) -> Result<(), BusError> {
        let (deliver, dead) = (self.topology.deliver(), self.topology.dead());
        let (to, key) = (short(&deliver)?, short(NOBODY)?);
        let (queue, exchange, dead_key) = (short(&dead)?, short(&dead)?, short("")?);
        self.asking
            .ask_anew("try to write and to read", async |channel| {
                let (options, properties) =
                    (BasicPublishOptions::default(), BasicProperties::default());
                let _unconfirmed =
                    channel.basic_publish(to, key, options, b"", properties).await?.await?;
                let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(queue, exchange, dead_key, options, arguments).await
            })
            .await
    }

    async fn ground(&self) -> Result<(), BusError> {
        if self.state().declared {
            return Ok(());
        }
        let _only_one = self.declaring_shared.lock().await;
        if self.state().declared {
            return Ok(());
        }
        for exchange in self.topology.exchanges() {
            self.declare_exchange(&exchange).await?;
        }
        for queue in self.topology.queues() {
            self.declare_shared(queue).await?;
        }
        self.state().declared = true;
        Ok(())
    }

    /// Declares a queue that belongs to no lane. One with other settings, which an older release or a
    /// person made, is used as it is: no lane must wait for it.
    async fn declare_shared(&self, queue: Queue) -> Result<(), BusError> {
        let declared = self.declare_queue(queue.clone()).await;
        if let Err(BusError::OtherSettings { .. }) = &declared {
            self.bind(&queue).await?;
            if self.state().other_settings.insert(queue.name.clone()) {
                error!(
                    code = %OTHER_SETTINGS,
                    "{} has other settings than it should have, so its limits do not hold. It is \
                     used as it is; ops/errors/{OTHER_SETTINGS}.md says how to mend it.",
                    queue.name
                );
            }
            return Ok(());
        }
        declared?;
        self.state().other_settings.remove(&queue.name);
        Ok(())
    }

    /// Shared queues that have other settings.
    pub(super) fn queues_in_trouble(&self) -> Vec<QueueTrouble> {
        let state = self.state();
        let trouble = |queue: &String| QueueTrouble { queue: queue.clone(), code: OTHER_SETTINGS };
        state.other_settings.iter().map(trouble).collect()
    }

    async fn declare_exchange(&self, it: &Exchange) -> Result<(), BusError> {
        let name = short(&it.name)?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = ExchangeKind::Custom(it.kind.as_str().to_owned());
        self.declaring
            .ask("declare an exchange", async |channel| {
                channel.exchange_declare(name, kind, options, FieldTable::default()).await
            })
            .await
    }

    /// Declares a lane's queue, or checks that the existing one has our settings.
    ///
    /// Binding costs RabbitMQ a transaction even when nothing changes, so a queue that has a
    /// consumer or a parcel is taken as bound. If it is not, the next parcel is returned as
    /// unroutable and the queue is reported as lost.
    async fn declare_lane(&self, lane: &Lane) -> Result<(), BusError> {
        let queue = self.topology.lane(lane);
        if self.state().lost.contains(lane) {
            return self.declare_queue(queue).await;
        }
        let (name, name_too) = (short(&queue.name)?, short(&queue.name)?);
        let (exchange, key) = (short(&queue.fed_by)?, short(&queue.key)?);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let arguments = arguments(&queue);
        self.declaring
            .ask("declare a queue", async |channel| {
                let found = channel.queue_declare(name, options, arguments).await?;
                if found.message_count() > 0 || found.consumer_count() > 0 {
                    return Ok(());
                }
                let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(name_too, exchange, key, options, arguments).await
            })
            .await
    }

    /// Binds a queue that exists.
    async fn bind(&self, it: &Queue) -> Result<(), BusError> {
        let (name, exchange, key) = (short(&it.name)?, short(&it.fed_by)?, short(&it.key)?);
        self.declaring
            .ask("bind a queue", async |channel| {
                let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(name, exchange, key, options, arguments).await
            })
            .await
    }

    async fn declare_queue(&self, it: Queue) -> Result<(), BusError> {
        let (name, name_too) = (short(&it.name)?, short(&it.name)?);
        let (exchange, key) = (short(&it.fed_by)?, short(&it.key)?);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let arguments = arguments(&it);
        self.declaring
            .ask("declare a queue", async |channel| {
                channel.queue_declare(name, options, arguments).await?;
                let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(name_too, exchange, key, options, arguments).await
            })
            .await
    }

    /// The knowledge from the current connection; reset if there is a new one.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let generation = self.declaring.link.generation();
        if state.generation != generation {
            state.generation = generation;
            state.declared = false;
            state.found.clear();
            state.refused.clear();
        }
        state
    }
}

/// Questions after which a channel is closed. The client library remembers every queue that a channel
/// declared, with its settings: some 1.5 KiB for each lane, for ever.
const QUESTIONS_PER_CHANNEL_MAX: u32 = 200;

/// Channels for questions, each used by one at a time.
struct Questions {
    link: Arc<Link>,
    turns: Semaphore,
    /// Channels whose last question was answered, and how many each was asked.
    clean: Mutex<Vec<(Channel, u32)>>,
}

impl Questions {
    fn new(link: Arc<Link>, at_once: usize) -> Self {
        Self { link, turns: Semaphore::new(at_once), clean: Mutex::default() }
    }

    /// Sends RabbitMQ a command that it may refuse.
    async fn ask<T>(
        &self,
        doing: &'static str,
        question: impl AsyncFnOnce(&Channel) -> lapin::Result<T>,
    ) -> Result<T, BusError> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(BusError::Unavailable { doing, source: "no turn".into() });
        };
        let (channel, asked) = self.channel().await?;
        let answer = match timeout(ANSWER_WAIT, question(&channel)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(said(doing, error)),
            Err(_) => Err(BusError::Silent { doing, waited: ANSWER_WAIT }),
        };
        if answer.is_ok() && asked < QUESTIONS_PER_CHANNEL_MAX {
            self.clean().push((channel, asked + 1));
        } else if channel.status().connected() {
            // An answer may still come, which the next command on this channel must not get. Close
            // it here: dropping a channel while RabbitMQ closes it breaks the whole connection.
            let _closed = within("close a channel", channel.close(200, "giving up".into())).await;
        }
        answer
    }

    /// Asks something on a channel of its own, which is closed afterwards.
    async fn ask_anew<T>(
        &self,
        doing: &'static str,
        question: impl AsyncFnOnce(&Channel) -> lapin::Result<T>,
    ) -> Result<T, BusError> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(BusError::Unavailable { doing, source: "no turn".into() });
        };
        let channel = self.link.channel().await?;
        let answer = match timeout(ANSWER_WAIT, question(&channel)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(said(doing, error)),
            Err(_) => Err(BusError::Silent { doing, waited: ANSWER_WAIT }),
        };
        if channel.status().connected() {
            let _closed = within("close a channel", channel.close(200, "asked".into())).await;
        }
        answer
    }

    async fn channel(&self) -> Result<(Channel, u32), BusError> {
        loop {
            let Some((channel, asked)) = self.clean().pop() else { break };
            if channel.status().connected() {
                return Ok((channel, asked));
            }
        }
        Ok((self.link.channel().await?, 0))
    }

    fn clean(&self) -> MutexGuard<'_, Vec<(Channel, u32)>> {
        self.clean.lock()
    }
}

/// Adds the name of the missing queue or exchange to the error.
fn named<T>(answer: Result<T, BusError>, queue: &str) -> Result<T, BusError> {
    answer.map_err(|error| match error {
        BusError::Missing { doing, .. } => BusError::Missing { doing, name: queue.to_owned() },
        other => other,
    })
}
