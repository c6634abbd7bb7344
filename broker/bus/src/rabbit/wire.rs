//! A parcel as an AMQP message.
//!
//! `message_id` is the parcel's id, because RabbitMQ includes it when it returns an unroutable
//! message. The round and the number are headers. The lane is the routing key.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::parcel::can_travel;
use crate::topology::{Queue, Setting};
use crate::{Announcement, BusError, Lane, Parcel};

const ROUND: &str = "x-tierlink-round";
const NUMBER: &str = "x-tierlink-number";

/// AMQP delivery mode: write it to disk.
const PERSISTENT: u8 = 2;

/// Something that can be published.
pub(super) trait Outgoing: Sync {
    fn key(&self) -> &str;
    fn id(&self) -> &str;
    fn body(&self) -> &Bytes;
    fn headers(&self) -> FieldTable;

    fn fits(&self) -> bool {
        can_travel(self.id(), self.body())
    }

    fn properties(&self) -> Result<BasicProperties, BusError> {
        Ok(BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(self.id())?)
            .with_headers(self.headers()))
    }
}

impl Outgoing for Parcel {
    fn key(&self) -> &str {
        self.lane.as_str()
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn body(&self) -> &Bytes {
        &self.body
    }

    fn headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        // A signed 64-bit number is what AMQP libraries in other languages read most reliably.
        headers.insert(ROUND.into(), AMQPValue::LongLongInt(i64::from(self.round)));
        headers.insert(NUMBER.into(), AMQPValue::LongLongInt(self.number.cast_signed()));
        headers
    }
}

impl Outgoing for Announcement {
    fn key(&self) -> &str {
        &self.key
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn body(&self) -> &Bytes {
        &self.body
    }

    fn headers(&self) -> FieldTable {
        FieldTable::default()
    }
}

/// Makes an AMQP short string. Checks the length, because the library panics if it is too long.
pub(super) fn short(text: &str) -> Result<ShortString, BusError> {
    ShortString::try_new(text).map_err(|_| BusError::Unfit {
        what: "a name",
        why: "RabbitMQ takes names of at most 255 bytes",
    })
}

/// Reads a parcel, or names the part that is not as we write it. Never quotes its content.
pub(super) fn read(delivery: &mut Delivery) -> Result<Parcel, &'static str> {
    let properties = &delivery.properties;
    let id = properties.message_id().as_ref().ok_or("message_id is missing")?.to_string();
    let headers = properties.headers().as_ref().ok_or("the headers are missing")?;
    let round = number(headers, ROUND).ok_or("x-tierlink-round is missing or no number")?;
    let round = u32::try_from(round).map_err(|_| "x-tierlink-round is out of range")?;
    let number = number(headers, NUMBER).ok_or("x-tierlink-number is missing or no number")?;
    let lane =
        Lane::new(delivery.routing_key.as_str()).map_err(|_| "the routing key is no lane")?;
    let body = Bytes::from(std::mem::take(&mut delivery.data));
    Ok(Parcel { lane, id, round, number: number.cast_unsigned(), body })
}

/// A header as a number, whichever integer type the writer's library chose.
fn number(headers: &FieldTable, name: &str) -> Option<i64> {
    let (_, value) = headers.into_iter().find(|(key, _)| key.as_str() == name)?;
    match value {
        AMQPValue::ShortShortInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortShortUInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortUInt(n) => Some(i64::from(*n)),
        AMQPValue::LongInt(n) => Some(i64::from(*n)),
        AMQPValue::LongUInt(n) => Some(i64::from(*n)),
        AMQPValue::LongLongInt(n) => Some(*n),
        _ => None,
    }
}

/// A queue's arguments in AMQP form.
pub(super) fn arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, setting) in &queue.arguments {
        let value = match setting {
            Setting::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Setting::Number(number) => AMQPValue::LongLongInt(*number),
            Setting::Switch(on) => AMQPValue::Boolean(*on),
        };
        table.insert((*name).into(), value);
    }
    table
}
