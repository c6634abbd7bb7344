//! What only RabbitMQ can do to us: lose the line, lose a queue, fall silent, refuse.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![expect(clippy::panic, reason = "a test that cannot be set up fails")]

#[path = "rabbitmq/mod.rs"]
mod fixture;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fixture::{Corner, Line};
use futures::StreamExt;
use lapin::BasicProperties;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeleteOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use tierlink_bus::{
    Announcement, Bus, BusError, Lane, LaneConsumer, LaneTrouble, Parcel, Published, RabbitBus,
    Received, Settings,
};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const AT_MOST: Duration = Duration::from_secs(40);

fn lane(name: &str) -> Lane {
    Lane::new(name).unwrap()
}

fn parcel(to: &str, number: u64) -> Parcel {
    let body = Bytes::from(format!("body {number}"));
    Parcel { lane: lane(to), id: format!("id-{number}@{to}"), round: 1, number, body }
}

fn parcels(to: &str, numbers: std::ops::Range<u64>) -> Vec<Parcel> {
    numbers.map(|number| parcel(to, number)).collect()
}

/// Publishes as the relay does: again and again until every parcel is safe.
async fn publish_until_safe(bus: &RabbitBus, mut parcels: Vec<Parcel>) {
    timeout(AT_MOST, async {
        while !parcels.is_empty() {
            let Ok(fates) = bus.publish(parcels.clone()).await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut fates = fates.into_iter();
            parcels.retain(|_| fates.next() != Some(Published::Safe));
        }
    })
    .await
    .expect("publishing should have worked in the end");
}

/// The next parcel, over however many interruptions.
async fn next(consumer: &mut Box<dyn LaneConsumer>) -> Received {
    timeout(AT_MOST, async {
        loop {
            match consumer.next().await {
                Ok(received) => return received.unwrap(),
                Err(BusError::Interrupted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
    .expect("a parcel should have come")
}

/// Runs a test in its own corner, and clears the corner however it ends.
async fn in_a_corner<F>(test: impl FnOnce(&'static Corner) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let corner: &'static Corner = Box::leak(Box::new(Corner::new()));
    let outcome = tokio::spawn(test(corner)).await;
    corner.clear().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_four_thousand_parcels_gets_its_own_fate() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A"), lane("B")]).await.unwrap();
        for round in 0..3 {
            let to = |n: u64| match n * (round + 7) % 11 {
                0 | 3 => "D",
                1..=5 => "A",
                _ => "B",
            };
            let window: Vec<Parcel> = (0..4_000).map(|n| parcel(to(n), n)).collect();

            let fates = bus.publish(window.clone()).await.unwrap();

            assert_eq!(fates.len(), window.len());
            for (parcel, fate) in window.iter().zip(fates) {
                let lost = parcel.lane == lane("D");
                let want = if lost { Published::Unroutable } else { Published::Safe };
                assert_eq!(fate, want, "{parcel:?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cutting_the_line_again_and_again_loses_nothing() {
    in_a_corner(async |corner| {
        let line = Line::lay().await;
        let bus = corner.bus_over(&line);
        bus.open_lanes(&[lane("A")]).await.unwrap();
        let mut consumer = bus.consume(&lane("A"), 64).await.unwrap();
        let cutting = tokio::spawn(async move {
            for cut in 0..12 {
                tokio::time::sleep(Duration::from_millis(60 + cut * 13)).await;
                line.cut();
            }
            line
        });
        let reading = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while seen.len() < 4_000 {
                let received = next(&mut consumer).await;
                seen.insert(received.parcel.number);
                // Cut off here as well; what was not acknowledged comes again.
                consumer.done(&[received.tag]).await.ok();
            }
            seen
        });

        for start in (0..4_000).step_by(200) {
            publish_until_safe(&bus, parcels("A", start..start + 200)).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }

        let seen = timeout(AT_MOST, reading).await.unwrap().unwrap();
        assert!(seen.into_iter().eq(0..4_000));
        drop(cutting.await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_at_once_and_ends_within_seconds() {
    in_a_corner(async |corner| {
        let line = Line::lay().await;
        let bus = corner.bus_over(&line);
        bus.open_lanes(&[lane("A")]).await.unwrap();
        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();
        publish_until_safe(&bus, parcels("A", 0..1)).await;
        let held = next(&mut consumer).await;

        line.take_down();
        let interrupted = timeout(AT_MOST, consumer.next()).await.unwrap().unwrap_err();
        assert_eq!(interrupted.code().as_str(), "B007");
        for _ in 0..30 {
            let started = Instant::now();
            let outcome = bus.publish(parcels("A", 1..2)).await;
            assert!(!matches!(outcome.as_deref(), Ok([Published::Safe])), "{outcome:?}");
            assert!(started.elapsed() < Duration::from_secs(6));
            assert!(bus.healthy().await.is_err());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        line.bring_up();
        let back = Instant::now();

        publish_until_safe(&bus, parcels("A", 1..2)).await;
        let again = next(&mut consumer).await;
        assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
        assert_eq!(again.parcel, held.parcel);
        assert!(again.again);
        assert_eq!(next(&mut consumer).await.parcel.number, 1);
        // A tag from before the outage names nothing now, and must not finish something else.
        consumer.done(&[held.tag]).await.unwrap();
        consumer.close().await;
        // The connection for questions comes back by itself, a moment later than the others.
        timeout(AT_MOST, async {
            while !matches!(bus.depth(&lane("A")).await, Ok(depth) if depth.ready == 2) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("both should be in the lane again");
        assert!(back.elapsed() < Duration::from_secs(15), "{:?}", back.elapsed());
        bus.healthy().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_a_publish_in_time_and_calls_nothing_safe() {
    in_a_corner(async |corner| {
        let line = Line::lay().await;
        let settings = Settings {
            address: line.address.clone(),
            confirm_wait: Duration::from_millis(500),
            ..corner.settings.clone()
        };
        let bus = corner.bus_with(&settings);
        bus.open_lanes(&[lane("A")]).await.unwrap();
        publish_until_safe(&bus, parcels("A", 0..1)).await;

        line.silence();
        let started = Instant::now();
        let fates = bus.publish(parcels("A", 1..300)).await.unwrap();

        assert!(fates.iter().all(|fate| *fate == Published::NotSafe), "{fates:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(bus.healthy().await.unwrap_err().code().as_str(), "B009");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_in_rabbitmq_is_named_and_its_end_is_noticed() {
    in_a_corner(async |corner| {
        let line = Line::lay().await;
        let bus = corner.bus_over(&line);
        bus.open_lanes(&[lane("A")]).await.unwrap();
        publish_until_safe(&bus, parcels("A", 0..1)).await;

        let publishing = 1; // Opening the lanes made connection 0, for questions.
        line.raise_alarm(publishing);
        let blocked = timeout(AT_MOST, async {
            loop {
                if let Err(error) = bus.healthy().await {
                    return error;
                }
            }
        });
        assert_eq!(blocked.await.unwrap().code().as_str(), "B003");
        assert_eq!(bus.publish(parcels("A", 1..2)).await.unwrap_err().code().as_str(), "B003");
        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();
        assert_eq!(next(&mut consumer).await.parcel.number, 0);
        line.end_alarm(publishing);

        publish_until_safe(&bus, parcels("A", 1..2)).await;
        assert_eq!(next(&mut consumer).await.parcel.number, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_lane_is_reported_and_then_repaired() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A"), lane("B")]).await.unwrap();
        corner.delete_queue("A").await;

        let fates = bus.publish(vec![parcel("A", 1), parcel("B", 2)]).await.unwrap();
        assert_eq!(fates, [Published::Unroutable, Published::Safe]);

        let fates = bus.publish(vec![parcel("A", 1)]).await.unwrap();
        assert_eq!(fates, [Published::Safe]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_deleted_under_its_consumer_comes_back_with_it() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A")]).await.unwrap();
        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();

        corner.delete_queue("A").await;
        let interrupted = timeout(AT_MOST, consumer.next()).await.unwrap().unwrap_err();
        assert_eq!(interrupted.code().as_str(), "B007");

        publish_until_safe(&bus, parcels("A", 0..3)).await;
        assert_eq!(next(&mut consumer).await.parcel.number, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rabbitmq_that_lost_everything_is_set_up_again() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A")]).await.unwrap();
        publish_until_safe(&bus, parcels("A", 0..5)).await;
        corner.delete_everything().await;

        publish_until_safe(&bus, parcels("A", 5..6)).await;

        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();
        assert_eq!(next(&mut consumer).await.parcel.number, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_rabbitmq_closes_is_opened_again() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A")]).await.unwrap();
        publish_until_safe(&bus, parcels("A", 0..1)).await;
        let delete = ExchangeDeleteOptions::default();
        let exchange = corner.topology.deliver();
        corner.raw().await.exchange_delete(exchange.into(), delete).await.unwrap();

        // RabbitMQ answers a publish to a missing exchange by closing the channel (404).
        let fates = bus.publish(parcels("A", 1..3)).await.unwrap();
        assert_eq!(fates, [Published::NotSafe; 2]);

        publish_until_safe(&bus, parcels("A", 1..3)).await;
        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();
        for number in 0..3 {
            assert_eq!(next(&mut consumer).await.parcel.number, number);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_parcel_is_set_aside_and_holds_up_nothing() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("A")]).await.unwrap();
        let channel = corner.raw().await;
        let mut wrong_round = FieldTable::default();
        wrong_round.insert("x-tierlink-round".into(), AMQPValue::LongLongInt(-1));
        wrong_round.insert("x-tierlink-number".into(), AMQPValue::LongLongInt(1));
        let strangers = [
            BasicProperties::default(),
            BasicProperties::default().with_message_id("x".into()),
            BasicProperties::default().with_message_id("x".into()).with_headers(wrong_round),
        ];
        for properties in strangers {
            let (exchange, options) = (corner.topology.deliver(), BasicPublishOptions::default());
            channel
                .basic_publish(exchange.into(), "A".into(), options, b"?", properties)
                .await
                .unwrap();
        }
        timeout(AT_MOST, async { while bus.depth(&lane("A")).await.unwrap().ready < 3 {} })
            .await
            .unwrap();
        publish_until_safe(&bus, parcels("A", 7..8)).await;

        let mut consumer = bus.consume(&lane("A"), 1).await.unwrap();

        assert_eq!(next(&mut consumer).await.parcel.number, 7);
        timeout(AT_MOST, async { while bus.dead().await.unwrap() < 3 {} }).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_the_announcements_it_asked_for() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[]).await.unwrap();
        let channel = corner.raw().await;
        let queue = corner.bind_listener(&channel, "referral.*.A").await;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut listener =
            channel.basic_consume(queue.into(), "".into(), options, arguments).await.unwrap();
        let news = |key: &str| Announcement {
            key: key.to_owned(),
            id: "event-1".to_owned(),
            body: Bytes::from_static(b"{}"),
        };

        bus.announce(vec![news("referral.accepted.B"), news("referral.accepted.A")]).await.unwrap();

        let heard = timeout(AT_MOST, listener.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(heard.routing_key.as_str(), "referral.accepted.A");
        assert_eq!(heard.properties.message_id().as_ref().unwrap().as_str(), "event-1");
        assert_eq!(heard.data, b"{}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_settings_is_refused_and_the_bus_goes_on() {
    in_a_corner(async |corner| {
        let bus = corner.bus();
        bus.open_lanes(&[lane("B")]).await.unwrap();
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let arguments = FieldTable::default();
        let queue = corner.queue("A");
        corner.raw().await.queue_declare(queue.into(), options, arguments).await.unwrap();

        let not_open = bus.open_lanes(&[lane("A")]).await.unwrap();

        assert_eq!(named(&not_open), [("A", "B004")]);
        publish_until_safe(&bus, parcels("B", 0..1)).await;
        bus.open_lanes(&[lane("C")]).await.unwrap();
    })
    .await;
}

/// Lanes and codes.
fn named(not_open: &[LaneTrouble]) -> Vec<(&str, &str)> {
    not_open.iter().map(|trouble| (trouble.lane.as_str(), trouble.code.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_cannot_be_opened_stops_only_itself_and_is_named() {
    in_a_corner(async |corner| {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let (queue, arguments) = (corner.queue("B"), FieldTable::default());
        let raw = corner.raw().await;
        raw.queue_declare(queue.into(), options, arguments).await.unwrap();
        let bus = corner.bus();

        let not_open = bus.open_lanes(&[lane("A"), lane("B"), lane("C")]).await.unwrap();

        assert_eq!(named(&not_open), [("B", "B004")]);
        assert_eq!(named(&bus.lanes_in_trouble()), [("B", "B004")]);
        assert!(not_open[0].why.contains("other settings"), "{}", not_open[0].why);
        let mut a = bus.consume(&lane("A"), 8).await.unwrap();
        let mut c = bus.consume(&lane("C"), 8).await.unwrap();
        // Again and again, as its worker does: nobody else is cut off by it.
        for _ in 0..20 {
            assert_eq!(named(&bus.open_lanes(&[lane("B")]).await.unwrap()), [("B", "B004")]);
        }
        publish_until_safe(&bus, parcels("A", 0..1)).await;
        publish_until_safe(&bus, parcels("C", 0..1)).await;
        for consumer in [&mut a, &mut c] {
            let received = timeout(AT_MOST, consumer.next()).await.unwrap().unwrap().unwrap();
            consumer.done(&[received.tag]).await.unwrap();
        }

        // Somebody removes the queue that was in the way.
        corner.delete_queue("B").await;
        timeout(AT_MOST, async {
            while !bus.open_lanes(&[lane("B")]).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(named(&bus.lanes_in_trouble()), []);
        publish_until_safe(&bus, parcels("B", 0..1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_breaks_its_channel_cuts_the_others_off_once_and_then_reads_alone() {
    in_a_corner(async |corner| {
        let settings = Settings { channels_max: 1, ..corner.settings.clone() };
        let bus = corner.bus_with(&settings);
        bus.open_lanes(&[lane("A"), lane("B")]).await.unwrap();
        let mut neighbour = bus.consume(&lane("A"), 8).await.unwrap();
        let mut interruptions = 0;

        for round in 0..8 {
            // The bus believes that the queue is there; reading it closes the channel.
            assert_eq!(named(&bus.open_lanes(&[lane("B")]).await.unwrap()), []);
            corner.delete_queue("B").await;
            assert_eq!(bus.consume(&lane("B"), 8).await.err().unwrap().code().as_str(), "B006");

            publish_until_safe(&bus, parcels("A", round..round + 1)).await;
            timeout(AT_MOST, async {
                loop {
                    match neighbour.next().await {
                        Ok(received) => {
                            let received = received.unwrap();
                            assert_eq!(received.parcel.number, round);
                            return neighbour.done(&[received.tag]).await.unwrap();
                        }
                        Err(BusError::Interrupted { .. }) => interruptions += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
            .await
            .unwrap();
        }

        assert_eq!(interruptions, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_beside_a_hospital_declares_nothing() {
    in_a_corner(async |corner| {
        let broker = corner.bus();
        broker.open_lanes(&[lane("A")]).await.unwrap();
        publish_until_safe(&broker, parcels("A", 0..1)).await;
        let settings = Settings { declares: false, ..corner.settings.clone() };
        let adapter = corner.bus_with(&settings);

        adapter.open_lanes(&[lane("D")]).await.unwrap();

        assert_eq!(adapter.consume(&lane("D"), 1).await.err().unwrap().code().as_str(), "B006");
        let mut consumer = adapter.consume(&lane("A"), 1).await.unwrap();
        assert_eq!(next(&mut consumer).await.parcel.number, 0);
        let fates = adapter.send_receipts(parcels("A", 0..1)).await.unwrap();
        assert_eq!(fates, [Published::Safe]);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let mut uri: lapin::uri::AMQPUri = fixture::address().parse().unwrap();
    uri.authority.userinfo.password = "n0t-the-password".to_owned();
    let bus = RabbitBus::new(&Settings::new(uri.to_string())).unwrap();

    let error = bus.healthy().await.unwrap_err();

    assert_eq!(error.code().as_str(), "B005", "{error:?}");
    assert!(!format!("{error:?}").contains("n0t-the-password"));
}

#[tokio::test]
async fn nobody_at_the_address_is_told_at_once() {
    let bus = RabbitBus::new(&Settings::new("amqp://a:s3cret@127.0.0.1:1/%2f")).unwrap();

    for _ in 0..50 {
        let error = bus.publish(parcels("A", 0..1)).await.unwrap_err();
        assert_eq!(error.code().as_str(), "B002", "{error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
}

/// As an older release made them, or a person: without limits, and of another type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_queue_with_other_settings_stops_nobody_and_is_named() {
    in_a_corner(async |corner| {
        let channel = corner.raw().await;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for queue in corner.topology.queues() {
            let declared =
                channel.queue_declare(queue.name.into(), durable, FieldTable::default()).await;
            declared.unwrap();
        }
        let bus = corner.bus();

        let not_open = bus.open_lanes(&[lane("A")]).await.unwrap();

        assert_eq!(not_open, []);
        let named: Vec<String> = bus
            .queues_in_trouble()
            .into_iter()
            .map(|trouble| format!("{} {}", trouble.queue, trouble.code))
            .collect();
        let (dead, receipts) = (corner.topology.dead(), corner.topology.receipts());
        assert_eq!(named, [format!("{dead} B004"), format!("{receipts} B004")]);
        // They are used all the same.
        publish_until_safe(&bus, parcels("A", 0..1)).await;
        let mut consumer = bus.consume(&lane("A"), 8).await.unwrap();
        let tag = next(&mut consumer).await.tag;
        consumer.bury(&[tag]).await.unwrap();
        timeout(AT_MOST, async { while bus.dead().await.unwrap() != 1 {} }).await.unwrap();
        let fates = bus.send_receipts(parcels("A", 1..2)).await.unwrap();
        assert_eq!(fates, [Published::Safe]);
        assert_eq!(bus.receipts_waiting().await.unwrap(), 1);
        let mut reader = bus.receipts(8).await.unwrap();
        assert_eq!(next(&mut reader).await.parcel.number, 1);

        corner.clear().await;
        let bus = corner.bus();
        bus.open_lanes(&[lane("A")]).await.unwrap();
        assert_eq!(bus.queues_in_trouble(), [], "made anew, they have our settings");
    })
    .await;
}
