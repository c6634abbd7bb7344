//! End to end, bare: a batched commit, a persistent confirmed publish to a quorum queue, a
//! consumer that acknowledges in groups.

use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::sync::mpsc;

use super::clients;
use super::postgres::Committers;
use crate::load::Sent;
use crate::timing::Times;
use crate::town::Rows;

/// Messages on their way to the queue without a confirm.
const WINDOW: usize = 256;
/// Messages that the consumer may hold.
const PREFETCH: u16 = 256;
/// Messages that are acknowledged together under load.
const TOGETHER: u32 = 32;
const QUEUE: &str = "floor";

/// What came of it.
pub struct Delivered {
    /// From the commit to the acknowledgement by the consumer.
    pub times: Times,
    /// From the first message to the last delivery.
    pub lasted: Duration,
}

impl Delivered {
    /// Messages delivered per second.
    pub fn per_second(&self) -> f64 {
        f64::from(self.times.count()) / self.lasted.as_secs_f64()
    }
}

/// Commits, publishes, consumes and acknowledges at full speed.
pub async fn at_full_speed(
    database: &str,
    vhost: &str,
    rows: &Rows,
    connections: usize,
    lasts: Duration,
) -> Result<Delivered> {
    let (publisher, consumer) = (connect(vhost).await?, connect(vhost).await?);
    let channel = publisher.create_channel().await?;
    declare(&channel).await?;
    let began = Instant::now();
    let committers = Committers::start(database, rows).await?;
    // No limit: what waits here waits in the outbox of a broker.
    let (hand_over, committed) = mpsc::unbounded_channel::<Instant>();
    let publishing = tokio::spawn(publish_all(channel, committed, began, rows.canonical.clone()));
    let consuming = tokio::spawn(consume_all(consumer.create_channel().await?, began));
    let note = move || {
        let _gone = hand_over.send(Instant::now());
    };
    let sent: Sent = clients(committers.offers.clone(), connections, lasts, note).await?;
    committers.finish().await?;
    let published = publishing.await??;
    ensure!(published == sent.answers.count(), "not everything was published");
    // The consumer counts for itself and ends when it has them all.
    let last = format!("end {published}");
    let channel = publisher.create_channel().await?;
    channel
        .basic_publish(
            "".into(),
            QUEUE.into(),
            BasicPublishOptions::default(),
            b"",
            BasicProperties::default().with_message_id(last.into()),
        )
        .await?
        .await?;
    let (times, lasted) = consuming.await??;
    publisher.close(200, "done".into()).await?;
    consumer.close(200, "done".into()).await?;
    Ok(Delivered { times, lasted })
}

async fn connect(vhost: &str) -> Result<Connection> {
    Ok(Connection::connect(vhost, ConnectionProperties::default()).await?)
}

async fn declare(channel: &Channel) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(())
}

type Confirming<'a> = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send + 'a>>;

async fn publish_all(
    channel: Channel,
    mut committed: mpsc::UnboundedReceiver<Instant>,
    began: Instant,
    body: Vec<u8>,
) -> Result<u32> {
    let mut open: FuturesUnordered<Confirming<'_>> = FuturesUnordered::new();
    let mut published = 0;
    while let Some(at) = committed.recv().await {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(at.duration_since(began).as_nanos().to_string().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm =
            channel.basic_publish("".into(), QUEUE.into(), options, &body, properties).await?;
        open.push(Box::pin(confirm));
        published += 1;
        while open.len() >= WINDOW {
            check(open.next().await)?;
        }
        while let Some(Some(confirmed)) = open.next().now_or_never() {
            check(Some(confirmed))?;
        }
    }
    while let Some(confirmed) = open.next().await {
        check(Some(confirmed))?;
    }
    Ok(published)
}

fn check(confirmed: Option<lapin::Result<Confirmation>>) -> Result<()> {
    let confirmed = confirmed.context("no confirm")??;
    ensure!(matches!(confirmed, Confirmation::Ack(None)), "a message was not confirmed");
    Ok(())
}

async fn consume_all(channel: Channel, began: Instant) -> Result<(Times, Duration)> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let mut consumer = channel
        .basic_consume(
            QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let (mut times, mut lasted, mut held, mut expected) =
        (Times::default(), Duration::ZERO, 0, None);
    while let Some(delivery) = consumer.next().await {
        let mut next = Some(delivery?);
        while let Some(delivery) = next.take() {
            let id = delivery.properties.message_id().as_ref().context("no id")?.to_string();
            if let Some(count) = id.strip_prefix("end ") {
                expected = Some(count.parse::<u32>()?);
            } else {
                lasted = began.elapsed();
                times.note(lasted.saturating_sub(Duration::from_nanos(id.parse()?)));
            }
            held += 1;
            let ready = consumer.next().now_or_never().flatten().transpose()?;
            if held >= TOGETHER || ready.is_none() {
                let options = BasicAckOptions { multiple: true };
                channel.basic_ack(delivery.delivery_tag, options).await?;
                held = 0;
            }
            next = ready;
        }
        if expected == Some(times.count()) {
            break;
        }
    }
    Ok((times, lasted))
}
