//! Every bus keeps the same promises. One line per bus, at the end.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![expect(clippy::unwrap_used, reason = "a promise that cannot be tried is broken")]
#![expect(clippy::panic, reason = "a promise that cannot be tried is broken")]

#[expect(dead_code, reason = "the line that can be cut is for tests/rabbit.rs")]
#[path = "rabbitmq/mod.rs"]
mod fixture;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fixture::Corner;
use tierlink_bus::{
    Announcement, BODY_BYTES_MAX, Bus, BusError, InProcessBus, Lane, LaneConsumer, Parcel,
    Published, Received, Tag,
};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const AT_MOST: Duration = Duration::from_secs(30);

/// Long enough for RabbitMQ to send what it is going to send.
const A_MOMENT: Duration = Duration::from_millis(150);

/// A bus as two processes see it.
#[derive(Clone)]
struct Buses {
    one: Arc<dyn Bus>,
    two: Arc<dyn Bus>,
}

fn lane(name: &str) -> Lane {
    Lane::new(name).unwrap()
}

fn parcel(to: &str, number: u64) -> Parcel {
    let body = Bytes::from(format!("body {number} 张三·𠮷"));
    Parcel { lane: lane(to), id: format!("id-{number}@{to}"), round: 3, number, body }
}

fn parcels(to: &str, numbers: std::ops::Range<u64>) -> Vec<Parcel> {
    numbers.map(|number| parcel(to, number)).collect()
}

async fn publish_safely(bus: &dyn Bus, parcels: Vec<Parcel>) {
    let fates = bus.publish(parcels).await.unwrap();
    assert!(fates.iter().all(|fate| *fate == Published::Safe), "{fates:?}");
}

async fn next(consumer: &mut Box<dyn LaneConsumer>) -> Received {
    let next = timeout(AT_MOST, consumer.next()).await;
    next.expect("a parcel should have come").unwrap().expect("the bus should be open")
}

async fn take(consumer: &mut Box<dyn LaneConsumer>, count: usize) -> Vec<Received> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(consumer).await);
    }
    taken
}

async fn nothing_comes(consumer: &mut Box<dyn LaneConsumer>) {
    if let Ok(came) = timeout(A_MOMENT, consumer.next()).await {
        panic!("nothing should have come, but {came:?} did");
    }
}

fn numbers(received: &[Received]) -> Vec<u64> {
    received.iter().map(|received| received.parcel.number).collect()
}

fn tags(received: &[Received]) -> Vec<Tag> {
    received.iter().map(|received| received.tag).collect()
}

/// The promises. Each gets a bus with the lanes A and B, both empty.
mod promise {
    use super::*;

    pub async fn what_is_published_is_what_is_read_in_order(bus: Buses) {
        let sent = parcels("A", 0..1_500);

        publish_safely(&*bus.one, sent.clone()).await;

        let mut consumer = bus.two.consume(&lane("A"), 64).await.unwrap();
        for want in sent {
            let received = next(&mut consumer).await;
            assert_eq!(received.parcel, want);
            assert!(!received.again);
            consumer.done(&[received.tag]).await.unwrap();
        }
        nothing_comes(&mut consumer).await;
    }

    pub async fn a_parcel_without_a_lane_is_unroutable_and_the_others_are_safe(bus: Buses) {
        let window = vec![parcel("A", 1), parcel("D", 2), parcel("B", 3), parcel("D", 4)];

        let fates = bus.one.publish(window).await.unwrap();

        let (safe, unroutable) = (Published::Safe, Published::Unroutable);
        assert_eq!(fates, [safe, unroutable, safe, unroutable]);
    }

    pub async fn a_lane_that_is_opened_later_takes_what_was_unroutable(bus: Buses) {
        assert_eq!(bus.one.publish(parcels("D", 0..1)).await.unwrap(), [Published::Unroutable]);

        bus.one.open_lanes(&[lane("D")]).await.unwrap();

        publish_safely(&*bus.one, parcels("D", 0..1)).await;
    }

    pub async fn opening_a_lane_again_keeps_what_waits_in_it(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..3)).await;

        bus.one.open_lanes(&[lane("A")]).await.unwrap();
        bus.two.open_lanes(&[lane("A"), lane("A")]).await.unwrap();

        let mut consumer = bus.one.consume(&lane("A"), 8).await.unwrap();
        assert_eq!(numbers(&take(&mut consumer, 3).await), [0, 1, 2]);
    }

    pub async fn a_parcel_that_can_never_travel_does_not_hold_up_the_others(bus: Buses) {
        let mut window = parcels("A", 0..4);
        window[0].id = "x".repeat(256);
        window[1].body = Bytes::from(vec![0; BODY_BYTES_MAX + 1]);
        window[2].id = "x".repeat(255);

        let fates = bus.one.publish(window).await.unwrap();

        let (safe, too_long) = (Published::Safe, Published::TooLong);
        assert_eq!(fates, [too_long, too_long, safe, safe]);
    }

    pub async fn the_largest_body_arrives_whole(bus: Buses) {
        let mut large = parcel("A", 1);
        large.body = (0..BODY_BYTES_MAX).map(|n| u8::try_from(n % 251).unwrap()).collect();

        publish_safely(&*bus.one, vec![large.clone(), parcel("A", 2)]).await;

        let mut consumer = bus.one.consume(&lane("A"), 8).await.unwrap();
        assert!(next(&mut consumer).await.parcel.body == large.body);
        assert_eq!(next(&mut consumer).await.parcel.number, 2);
    }

    pub async fn an_empty_body_and_an_empty_window_are_fine(bus: Buses) {
        let mut empty = parcel("A", 1);
        empty.body = Bytes::new();

        assert_eq!(bus.one.publish(Vec::new()).await.unwrap(), []);
        publish_safely(&*bus.one, vec![empty.clone()]).await;

        let mut consumer = bus.one.consume(&lane("A"), 8).await.unwrap();
        assert_eq!(next(&mut consumer).await.parcel, empty);
    }

    pub async fn what_is_done_never_comes_again_and_the_rest_does_in_order(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..12)).await;
        let mut consumer = bus.one.consume(&lane("A"), 20).await.unwrap();
        let held = tags(&take(&mut consumer, 12).await);

        // A row from the start, a row behind a gap, one alone, and one a second time.
        consumer.done(&[held[0], held[1], held[2]]).await.unwrap();
        consumer.done(&[held[6], held[5]]).await.unwrap();
        consumer.done(&[held[10], held[0]]).await.unwrap();
        consumer.close().await;

        let mut consumer = bus.two.consume(&lane("A"), 20).await.unwrap();
        let rest = take(&mut consumer, 6).await;
        assert_eq!(numbers(&rest), [3, 4, 7, 8, 9, 11]);
        assert!(rest.iter().all(|received| received.again));
        nothing_comes(&mut consumer).await;
    }

    pub async fn dropping_a_consumer_returns_what_it_held(bus: Buses) {
        for _ in 0..20 {
            publish_safely(&*bus.one, parcels("A", 0..10)).await;
            let mut dropped = bus.one.consume(&lane("A"), 4).await.unwrap();
            take(&mut dropped, 3).await;

            drop(dropped);

            let mut consumer = bus.two.consume(&lane("A"), 20).await.unwrap();
            let all = take(&mut consumer, 10).await;
            // Not the order: RabbitMQ may already have given them to the consumer of the round before
            // while it was leaving, and what returns twice returns behind the others.
            let came: std::collections::BTreeSet<u64> = numbers(&all).into_iter().collect();
            assert!(came.into_iter().eq(0..10), "{:?}", numbers(&all));
            consumer.done(&tags(&all)).await.unwrap();
            consumer.close().await;
        }
    }

    pub async fn one_consumer_is_active_and_the_next_takes_over_in_order(bus: Buses) {
        for _ in 0..20 {
            let mut first = bus.one.consume(&lane("A"), 8).await.unwrap();
            let mut second = bus.two.consume(&lane("A"), 8).await.unwrap();
            publish_safely(&*bus.one, parcels("A", 0..6)).await;

            let held = take(&mut first, 4).await;
            assert!(timeout(Duration::from_millis(5), second.next()).await.is_err());
            first.done(&tags(&held[..2])).await.unwrap();
            first.close().await;

            let rest = take(&mut second, 4).await;
            assert_eq!(numbers(&rest), [2, 3, 4, 5]);
            second.done(&tags(&rest)).await.unwrap();
            second.close().await;
        }
    }

    pub async fn a_consumer_holds_no_more_than_its_prefetch(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..10)).await;
        let mut consumer = bus.one.consume(&lane("A"), 3).await.unwrap();

        let held = take(&mut consumer, 3).await;
        nothing_comes(&mut consumer).await;
        consumer.done(&[held[1].tag]).await.unwrap();

        assert_eq!(next(&mut consumer).await.parcel.number, 3);
        nothing_comes(&mut consumer).await;
    }

    pub async fn what_is_given_back_comes_again_in_order(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..3)).await;
        let mut consumer = bus.one.consume(&lane("A"), 3).await.unwrap();
        let held = take(&mut consumer, 3).await;

        consumer.give_back(&tags(&held[1..])).await.unwrap();

        let again = take(&mut consumer, 2).await;
        assert_eq!(numbers(&again), [1, 2]);
        assert!(again.iter().all(|received| received.again));
        consumer.done(&tags(&again)).await.unwrap();
        nothing_comes(&mut consumer).await;
    }

    pub async fn what_is_buried_never_comes_again_and_is_counted(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..3)).await;
        let mut consumer = bus.one.consume(&lane("A"), 3).await.unwrap();
        let held = take(&mut consumer, 3).await;
        assert_eq!(bus.one.dead().await.unwrap(), 0);

        consumer.bury(&[held[0].tag, held[2].tag]).await.unwrap();
        consumer.done(&[held[1].tag]).await.unwrap();
        consumer.close().await;

        timeout(AT_MOST, async {
            while bus.two.dead().await.unwrap() != 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        let mut consumer = bus.two.consume(&lane("A"), 3).await.unwrap();
        nothing_comes(&mut consumer).await;
    }

    pub async fn a_lane_that_stands_still_holds_up_no_other(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..50)).await;
        let mut stuck = bus.one.consume(&lane("A"), 1).await.unwrap();
        let mut moving = bus.one.consume(&lane("B"), 1).await.unwrap();
        next(&mut stuck).await;

        for number in 0..50 {
            publish_safely(&*bus.one, parcels("B", number..number + 1)).await;
            let received = next(&mut moving).await;
            moving.done(&[received.tag]).await.unwrap();
        }
    }

    pub async fn the_depth_counts_what_waits(bus: Buses) {
        publish_safely(&*bus.one, parcels("A", 0..5)).await;
        assert_eq!(bus.two.depth(&lane("A")).await.unwrap().ready, 5);
        assert_eq!(bus.two.depth(&lane("B")).await.unwrap().ready, 0);

        let mut consumer = bus.one.consume(&lane("A"), 2).await.unwrap();
        take(&mut consumer, 2).await;

        let depth = bus.one.depth(&lane("A")).await.unwrap();
        assert_eq!(depth.ready, 3);
        assert!(depth.held.is_none_or(|held| held == 2));
    }

    pub async fn a_lane_that_does_not_exist_is_named(bus: Buses) {
        let depth = bus.one.depth(&lane("D")).await.unwrap_err();
        let consume = bus.one.consume(&lane("D"), 1).await.err().unwrap();

        for error in [depth, consume] {
            assert!(matches!(error, BusError::Missing { .. }), "{error:?}");
            assert!(error.to_string().contains('D'), "{error}");
            assert_eq!(error.code().as_str(), "B006");
        }
        publish_safely(&*bus.one, parcels("A", 0..1)).await;
        assert_eq!(bus.one.depth(&lane("A")).await.unwrap().ready, 1);
    }

    pub async fn next_ready_never_waits_and_misses_nothing(bus: Buses) {
        let mut consumer = bus.one.consume(&lane("A"), 8).await.unwrap();
        assert!(consumer.next_ready().await.is_none());
        publish_safely(&*bus.one, parcels("A", 0..5)).await;

        let mut got = vec![next(&mut consumer).await];
        timeout(AT_MOST, async {
            while got.len() < 5 {
                match consumer.next_ready().await {
                    Some(received) => got.push(received),
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await
        .unwrap();

        assert_eq!(numbers(&got), [0, 1, 2, 3, 4]);
        assert!(consumer.next_ready().await.is_none());
    }

    pub async fn a_wait_that_is_cancelled_loses_nothing(bus: Buses) {
        let mut consumer = bus.one.consume(&lane("A"), 16).await.unwrap();
        let publishing = tokio::spawn(async move {
            for number in 0..300 {
                publish_safely(&*bus.two, parcels("A", number..number + 1)).await;
            }
        });

        let mut got = Vec::new();
        timeout(AT_MOST, async {
            while got.len() < 300 {
                let patience = Duration::from_micros(got.len() as u64 % 700);
                if let Ok(received) = timeout(patience, consumer.next()).await {
                    let received = received.unwrap().unwrap();
                    consumer.done(&[received.tag]).await.unwrap();
                    got.push(received);
                }
            }
        })
        .await
        .unwrap();

        publishing.await.unwrap();
        assert_eq!(numbers(&got), (0..300).collect::<Vec<_>>());
    }

    pub async fn many_publishers_at_once_each_hear_their_own_fate(bus: Buses) {
        let publisher = |publisher: u64, bus: Arc<dyn Bus>| async move {
            for round in 0..10 {
                let number = |n: u64| publisher * 10_000 + round * 100 + n;
                let to = |n: u64| {
                    if (n + publisher).is_multiple_of(7) { "D" } else { "A" }
                };
                let window: Vec<Parcel> = (0..60).map(|n| parcel(to(n), number(n))).collect();
                let fates = bus.publish(window.clone()).await.unwrap();
                for (parcel, fate) in window.iter().zip(fates) {
                    let lost = parcel.lane.as_str() == "D";
                    let want = if lost { Published::Unroutable } else { Published::Safe };
                    assert_eq!(fate, want, "{parcel:?}");
                }
            }
        };
        let running: Vec<_> = (0..8)
            .map(|n| {
                tokio::spawn(publisher(n, Arc::clone(if n % 2 == 0 { &bus.one } else { &bus.two })))
            })
            .collect();
        for publisher in running {
            timeout(AT_MOST, publisher).await.unwrap().unwrap();
        }

        let lost = (0..8 * 60).filter(|n| (n % 60 + n / 60) % 7 == 0).count() * 10;
        let mut consumer = bus.one.consume(&lane("A"), 500).await.unwrap();
        let mut last = [None; 8];
        for _ in 0..8 * 10 * 60 - lost {
            let received = next(&mut consumer).await;
            consumer.done(&[received.tag]).await.unwrap();
            let number = received.parcel.number;
            let last = &mut last[usize::try_from(number / 10_000).unwrap()];
            assert!(*last < Some(number), "{number} came after {last:?}");
            *last = Some(number);
        }
        nothing_comes(&mut consumer).await;
    }

    pub async fn receipts_arrive_with_the_organisation_that_sent_them(bus: Buses) {
        let mut broker = bus.one.receipts(16).await.unwrap();
        let sent = vec![parcel("A", 1), parcel("D", 2), parcel("A", 3)];

        let fates = bus.two.send_receipts(sent.clone()).await.unwrap();

        assert_eq!(fates, [Published::Safe; 3]);
        let received = take(&mut broker, 3).await;
        assert!(received.iter().map(|received| &received.parcel).eq(&sent));
        broker.done(&tags(&received)).await.unwrap();
        broker.close().await;
        nothing_comes(&mut bus.two.receipts(16).await.unwrap()).await;
    }

    pub async fn all_readers_of_receipts_share_them(bus: Buses) {
        let mut one = bus.one.receipts(1).await.unwrap();
        let mut two = bus.two.receipts(1).await.unwrap();

        let fates = bus.one.send_receipts(parcels("A", 0..2)).await.unwrap();

        assert_eq!(fates, [Published::Safe; 2]);
        let mut both = [next(&mut one).await, next(&mut two).await];
        both.sort_by_key(|received| received.parcel.number);
        assert_eq!(numbers(&both), [0, 1]);
    }

    pub async fn an_announcement_needs_no_listener(bus: Buses) {
        let key = "referral.accepted.A".to_owned();
        let news = Announcement { key, id: "event-1".to_owned(), body: Bytes::from_static(b"{}") };

        bus.one.announce(vec![news.clone(), news]).await.unwrap();
        bus.one.announce(Vec::new()).await.unwrap();
    }

    pub async fn an_announcement_under_a_bad_key_is_refused(bus: Buses) {
        for key in ["", "has space", "all.#", &"x".repeat(256)] {
            let news = Announcement { key: key.to_owned(), id: "1".to_owned(), body: Bytes::new() };

            let error = bus.one.announce(vec![news]).await.unwrap_err();

            assert_eq!(error.code().as_str(), "B008");
        }
    }

    pub async fn a_healthy_bus_says_so(bus: Buses) {
        bus.one.healthy().await.unwrap();
        bus.two.healthy().await.unwrap();
        assert_eq!(bus.one.remembers(), bus.two.remembers());
    }

    pub async fn closing_the_bus_ends_its_consumers(bus: Buses) {
        let mut waiting = bus.one.consume(&lane("A"), 8).await.unwrap();
        let mut receipts = bus.one.receipts(8).await.unwrap();
        let waiter = tokio::spawn(async move { waiting.next().await });
        tokio::task::yield_now().await;

        bus.one.close().await;

        assert!(timeout(AT_MOST, waiter).await.unwrap().unwrap().unwrap().is_none());
        assert!(timeout(AT_MOST, receipts.next()).await.unwrap().unwrap().is_none());
    }
}

/// A bus as each promise wants it. Both processes of `in_process` are one, as in the embedded mode.
mod on {
    use super::*;

    pub async fn in_process<F: Future<Output = ()>>(promise: impl FnOnce(Buses) -> F) {
        let one: Arc<dyn Bus> = Arc::new(InProcessBus::new());
        one.open_lanes(&[lane("A"), lane("B")]).await.unwrap();
        assert!(!one.remembers());
        promise(Buses { two: Arc::clone(&one), one }).await;
    }

    pub async fn rabbitmq<F>(promise: impl FnOnce(Buses) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        on_rabbitmq(promise, Corner::new()).await;
    }

    /// As in a county with so many lanes that they share channels: all of them one.
    pub async fn rabbitmq_with_one_channel<F>(promise: impl FnOnce(Buses) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut corner = Corner::new();
        corner.settings.channels_max = 1;
        on_rabbitmq(promise, corner).await;
    }

    async fn on_rabbitmq<F>(promise: impl FnOnce(Buses) -> F, corner: Corner)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let bus = Buses { one: corner.bus(), two: corner.bus() };
        bus.one.open_lanes(&[lane("A"), lane("B")]).await.unwrap();
        assert!(bus.one.remembers());
        let kept = tokio::spawn(promise(bus.clone())).await;
        corner.clear().await;
        if let Err(broken) = kept {
            std::panic::resume_unwind(broken.into_panic());
        }
    }
}

macro_rules! keeps_its_promises {
    ($bus:ident: $($promise:ident)*) => {
        mod $bus {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::on::$bus(super::promise::$promise).await;
            })*
        }
    };
    ($bus:ident) => {
        keeps_its_promises!($bus:
            what_is_published_is_what_is_read_in_order
            a_parcel_without_a_lane_is_unroutable_and_the_others_are_safe
            a_lane_that_is_opened_later_takes_what_was_unroutable
            opening_a_lane_again_keeps_what_waits_in_it
            a_parcel_that_can_never_travel_does_not_hold_up_the_others
            the_largest_body_arrives_whole
            an_empty_body_and_an_empty_window_are_fine
            what_is_done_never_comes_again_and_the_rest_does_in_order
            dropping_a_consumer_returns_what_it_held
            one_consumer_is_active_and_the_next_takes_over_in_order
            a_consumer_holds_no_more_than_its_prefetch
            what_is_given_back_comes_again_in_order
            what_is_buried_never_comes_again_and_is_counted
            a_lane_that_stands_still_holds_up_no_other
            the_depth_counts_what_waits
            a_lane_that_does_not_exist_is_named
            next_ready_never_waits_and_misses_nothing
            a_wait_that_is_cancelled_loses_nothing
            many_publishers_at_once_each_hear_their_own_fate
            receipts_arrive_with_the_organisation_that_sent_them
            all_readers_of_receipts_share_them
            an_announcement_needs_no_listener
            an_announcement_under_a_bad_key_is_refused
            a_healthy_bus_says_so
            closing_the_bus_ends_its_consumers
        );
    };
}

keeps_its_promises!(in_process);
keeps_its_promises!(rabbitmq);
keeps_its_promises!(rabbitmq_with_one_channel);
