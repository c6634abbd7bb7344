//! Nothing of a body reaches a log, whatever goes wrong, once the filter has our directive.
//!
//! Alone in its file because it listens to everything that this process logs.
#[expect(dead_code, reason = "most of it is for tests/rabbit.rs")]
#[path = "rabbitmq/mod.rs"]
mod fixture;

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use fixture::Corner;
use parking_lot::Mutex;
use tierlink_bus::{Bus, LOG_DIRECTIVE, Lane, Parcel, Published};
use tracing_subscriber::EnvFilter;

const SECRET: &str = "张三 110000199901010010";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_returned_a_lost_and_a_buried_parcel_leave_no_body_in_the_log() {
    let written = Written::default();
    let writer = written.clone();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("trace,{LOG_DIRECTIVE}")))
        .with_writer(move || writer.clone())
        .init();
    let corner = Corner::new();
    let bus = corner.bus();
    let lane = |name: &str| Lane::new(name).unwrap();
    let parcel = |to: &str| Parcel {
        lane: lane(to),
        id: format!("id@{to}"),
        round: 1,
        number: 1,
        body: Bytes::from_static(SECRET.as_bytes()),
    };

    bus.open_lanes(&[lane("A")]).await.unwrap();
    let fates = bus.publish(vec![parcel("A"), parcel("D")]).await.unwrap();
    assert_eq!(fates, [Published::Safe, Published::Unroutable]);
    let mut consumer = bus.consume(&lane("A"), 1).await.unwrap();
    let received = consumer.next().await.unwrap().unwrap();
    tracing::info!("{received:?} {:?}", parcel("A"));
    consumer.bury(&[received.tag]).await.unwrap();
    consumer.close().await;
    corner.clear().await;

    let log = String::from_utf8(written.0.lock().clone()).unwrap();
    let as_numbers = format!("{:?}", &SECRET.as_bytes()[..8]);
    assert!(log.contains("id@A"), "the log was not heard: {log}");
    assert!(log.contains("route messages"), "the return was not logged: {log}");
    assert!(!log.contains("110000199901010010"), "{log}");
    assert!(!log.contains(as_numbers.trim_matches(['[', ']'])), "{log}");
}
