//! Somebody who may write to RabbitMQ, and stands between the broker and one of its lanes.
//!
//! ```text
//!   broker ─▶ tierlink.deliver ─▶ the intruder's queue ─▶ intruder ─▶ tierlink.to.<lane> ─▶ broker
//! ```
//!
//! What the broker publishes for the lane comes to the intruder, who hands on what he likes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use uuid::Uuid;

const DELIVER: &str = "tierlink.deliver";
const ROUND: &str = "x-tierlink-round";

/// What the broker published, or what somebody made up.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its name: `message@organisation`.
    pub id: String,
    /// How often the delivery was queued anew.
    pub round: i64,
    /// The number of the delivery in its line.
    pub number: i64,
    /// The message.
    pub body: Vec<u8>,
}

/// The intruder, between the broker and one lane. He leaves with [`leave`](Self::leave).
#[derive(Debug)]
pub struct Intruder {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    lane: String,
    queue: String,
    exchange: String,
}

impl Intruder {
    /// Steps between the broker and a lane that is open.
    ///
    /// # Errors
    ///
    /// If RabbitMQ does not let him.
    pub async fn before(bus: &str, lane: &str) -> Result<Self> {
        let connection = Connection::connect(bus, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let name = format!("intruder-{}", Uuid::now_v7().simple());
        let passing = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), passing, FieldTable::default()).await?;
        let passing =
            ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
        let kind = ExchangeKind::Direct;
        channel
            .exchange_declare(name.as_str().into(), kind, passing, FieldTable::default())
            .await?;
        let queue = format!("tierlink.to.{lane}");
        bind(&channel, &queue, &name, lane).await?;
        bind(&channel, &name, DELIVER, lane).await?;
        unbind(&channel, &queue, DELIVER, lane).await?;
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(name.as_str().into(), "".into(), options, FieldTable::default())
            .await?;
        let lane = lane.to_owned();
        Ok(Self { connection, channel, consumer, lane, queue, exchange: name })
    }

    /// The next parcel that the broker published for the lane; `None` after a while without one.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or it is no parcel of the broker's.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Parcel>> {
        let Ok(next) = tokio::time::timeout(within, self.consumer.next()).await else {
            return Ok(None);
        };
        let delivery = next.context("the intruder was thrown out")??;
        delivery.ack(BasicAckOptions::default()).await?;
        let id = delivery.properties.message_id().as_ref().context("it has no name")?.to_string();
        let headers = delivery.properties.headers().as_ref().context("it has no headers")?;
        let number = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongLongInt(number)) => Ok(*number),
            _ => anyhow::bail!("{name} is no number"),
        };
        let (round, number) = (number(ROUND)?, number("x-tierlink-number")?);
        Ok(Some(Parcel { id, round, number, body: delivery.data }))
    }

    /// Puts a parcel into the lane.
    ///
    /// # Errors
    ///
    /// If RabbitMQ does not take it.
    pub async fn put(&self, parcel: &Parcel) -> Result<()> {
        let mut headers = FieldTable::default();
        headers.insert(ROUND.into(), AMQPValue::LongLongInt(parcel.round));
        headers.insert("x-tierlink-number".into(), AMQPValue::LongLongInt(parcel.number));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(parcel.id.as_str().into())
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (to, key) = (self.exchange.as_str().into(), self.lane.as_str().into());
        let confirm =
            self.channel.basic_publish(to, key, options, &parcel.body, properties).await?.await?;
        ensure!(confirm.is_ack(), "RabbitMQ did not take it");
        Ok(())
    }

    /// Leaves everything as it was, and hands on what came meanwhile: otherwise it would be lost until
    /// the broker misses it, a minute later.
    ///
    /// # Errors
    ///
    /// If RabbitMQ does not answer.
    pub async fn leave(mut self) -> Result<()> {
        bind(&self.channel, &self.queue, DELIVER, &self.lane).await?;
        unbind(&self.channel, &self.exchange, DELIVER, &self.lane).await?;
        while let Some(parcel) = self.next(Duration::from_millis(200)).await? {
            self.put(&parcel).await?;
        }
        self.connection.close(200, "done".into()).await?;
        Ok(())
    }
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let options = QueueBindOptions::default();
    let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
    Ok(channel.queue_bind(queue, exchange, key, options, FieldTable::default()).await?)
}

async fn unbind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
    Ok(channel.queue_unbind(queue, exchange, key, FieldTable::default()).await?)
}

/// The same parcel with another patient, or another remark where there is none: still a message that
/// can be read.
///
/// # Errors
///
/// If the body is no message.
pub fn changed(parcel: &Parcel, to: &str) -> Result<Parcel> {
    let mut message: serde_json::Value = serde_json::from_slice(&parcel.body)?;
    match message.pointer_mut("/body/patient/name") {
        Some(name) => *name = to.into(),
        None => message["extras"] = serde_json::json!([{ "path": "note", "text": to }]),
    }
    Ok(Parcel { body: serde_json::to_vec(&message)?, ..parcel.clone() })
}
