//! A corner of a real RabbitMQ for one test, and a line to it that can be cut.
//!
//! Every test names its exchanges and queues after a prefix of its own and deletes them at the end,
//! so tests run side by side. The server's address comes from `TIERLINK_TEST_AMQP`; without it the
//! tests fail, because a promise that was not tried is not kept.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be set up fails its test")]
#![expect(clippy::panic, reason = "a fixture that cannot be set up fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use parking_lot::Mutex;
use tierlink_bus::topology::Topology;
use tierlink_bus::{Bus, Lane, RabbitBus, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Every lane that a test may open.
pub const LANES: [&str; 4] = ["A", "B", "C", "D"];

/// The address of the RabbitMQ to test with.
pub fn address() -> String {
    std::env::var("TIERLINK_TEST_AMQP").unwrap_or_else(|_| {
        panic!(
            "TIERLINK_TEST_AMQP is not set. These tests need a RabbitMQ: start them with ops/test, \
             or set it to an address such as amqp://guest:guest@127.0.0.1:5672/%2f"
        )
    })
}

/// A corner of RabbitMQ that belongs to one test.
pub struct Corner {
    pub settings: Settings,
    pub topology: Topology,
    made: Mutex<Vec<Arc<RabbitBus>>>,
}

impl Corner {
    pub fn new() -> Self {
        let prefix = format!("tierlink-test-{}", Uuid::now_v7().simple());
        let topology = Topology::named(&prefix);
        Self {
            settings: Settings { prefix, ..Settings::new(address()) },
            topology,
            made: Mutex::default(),
        }
    }

    /// Another process on the same lanes.
    pub fn bus(&self) -> Arc<RabbitBus> {
        self.bus_with(&self.settings)
    }

    /// The same, over a line that can be cut.
    pub fn bus_over(&self, line: &Line) -> Arc<RabbitBus> {
        self.bus_with(&Settings { address: line.address.clone(), ..self.settings.clone() })
    }

    /// The same, with other settings.
    pub fn bus_with(&self, settings: &Settings) -> Arc<RabbitBus> {
        let bus = Arc::new(RabbitBus::new(settings).unwrap());
        self.made.lock().push(Arc::clone(&bus));
        bus
    }

    /// RabbitMQ without our bus in between.
    pub async fn raw(&self) -> Channel {
        let connection =
            Connection::connect(&address(), ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    pub fn queue(&self, lane: &str) -> String {
        self.topology.queue_of(&Lane::new(lane).unwrap())
    }

    pub async fn delete_queue(&self, lane: &str) {
        let options = QueueDeleteOptions::default();
        self.raw().await.queue_delete(self.queue(lane).into(), options).await.unwrap();
    }

    pub async fn bind_listener(&self, channel: &Channel, key: &str) -> String {
        let options = lapin::options::QueueDeclareOptions {
            exclusive: true,
            ..lapin::options::QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
        let name = queue.name().to_string();
        let (exchange, options) =
            (self.topology.events(), lapin::options::QueueBindOptions::default());
        let arguments = FieldTable::default();
        let binding = channel.queue_bind(
            name.as_str().into(),
            exchange.into(),
            key.into(),
            options,
            arguments,
        );
        binding.await.unwrap();
        name
    }

    /// Leaves RabbitMQ as it was. The buses go first, or they would repair what we delete.
    pub async fn clear(&self) {
        let made = std::mem::take(&mut *self.made.lock());
        for bus in made {
            bus.close().await;
        }
        self.delete_everything().await;
    }

    /// Deletes all queues and exchanges, as if RabbitMQ had lost its disk.
    pub async fn delete_everything(&self) {
        let channel = self.raw().await;
        let lanes = LANES.iter().map(|lane| self.queue(lane));
        let shared = self.topology.queues().map(|queue| queue.name);
        for queue in lanes.chain(shared) {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in self.topology.exchanges() {
            let options = ExchangeDeleteOptions::default();
            channel.exchange_delete(exchange.name.into(), options).await.unwrap();
        }
    }
}

/// A line to RabbitMQ that can be cut, taken down, silenced, or spoken into.
pub struct Line {
    pub address: String,
    orders: broadcast::Sender<Order>,
    down: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Order {
    Cut,
    Silence,
    /// On this connection only, counted from 0 in the order in which they were made.
    Say(usize, Vec<u8>),
}

impl Line {
    pub async fn lay() -> Self {
        let mut uri: AMQPUri = address().parse().unwrap();
        let target = format!("{}:{}", uri.authority.host, uri.authority.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        "127.0.0.1".clone_into(&mut uri.authority.host);
        uri.authority.port = listener.local_addr().unwrap().port();
        let (orders, _) = broadcast::channel(64);
        let down = Arc::new(AtomicBool::new(false));
        let line = Self { address: uri.to_string(), orders, down };
        let (orders, down) = (line.orders.clone(), Arc::clone(&line.down));
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((near, _)) = listener.accept().await {
                if down.load(Ordering::Acquire) {
                    continue;
                }
                let far = TcpStream::connect(&target).await.unwrap();
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, orders.subscribe(), None));
                tokio::spawn(carry(far_in, near_out, orders.subscribe(), Some(connection)));
                connection += 1;
            }
        });
        line
    }

    /// Breaks every connection. New ones work.
    pub fn cut(&self) {
        self.orders.send(Order::Cut).ok();
    }

    /// Breaks every connection, and no new one works until `up`.
    pub fn take_down(&self) {
        self.down.store(true, Ordering::Release);
        self.cut();
    }

    pub fn bring_up(&self) {
        self.down.store(false, Ordering::Release);
    }

    /// Every connection stays open and carries nothing any more.
    pub fn silence(&self) {
        self.orders.send(Order::Silence).ok();
    }

    /// Makes RabbitMQ seem to say that an alarm is on (`connection.blocked`). It says so only to
    /// connections that publish.
    pub fn raise_alarm(&self, connection: usize) {
        self.orders.send(Order::Say(connection, frame(&[0, 10, 0, 60, 3, b'l', b'o', b'w']))).ok();
    }

    /// And that it is over (`connection.unblocked`).
    pub fn end_alarm(&self, connection: usize) {
        self.orders.send(Order::Say(connection, frame(&[0, 10, 0, 61]))).ok();
    }
}

/// An AMQP method frame on channel 0.
fn frame(method: &[u8]) -> Vec<u8> {
    let size = u32::try_from(method.len()).unwrap().to_be_bytes();
    [&[1, 0, 0], size.as_slice(), method, &[0xCE]].concat()
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut orders: broadcast::Receiver<Order>,
    towards_us: Option<usize>,
) {
    let mut bytes = vec![0; 64 * 1024];
    let mut silent = false;
    loop {
        tokio::select! {
            read = from.read(&mut bytes) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if silent => {}
                Ok(length) => if to.write_all(&bytes[..length]).await.is_err() { return },
            },
            order = orders.recv() => match order {
                Ok(Order::Silence) => silent = true,
                Ok(Order::Say(who, frame)) if Some(who) == towards_us => to.write_all(&frame).await.unwrap(),
                Ok(Order::Say(..)) => {}
                Ok(Order::Cut) | Err(_) => return,
            },
        }
    }
}
