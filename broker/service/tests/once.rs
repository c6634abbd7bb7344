//! What is read once: the head of an arriving message, a message on its way out, and each answer.
//!
//! A codec that counts stands around the real one, between the real door, intake and store, and
//! between a real lane and a hospital that is played over TCP.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tierlink::committer::Committer;
use tierlink::config::Config;
use tierlink::counters::Counters;
use tierlink::current_config::CurrentConfig;
use tierlink::intake::Intake;
use tierlink_bus::{Bus, InProcessBus, Lane as Queue, Parcel, Published};
use tierlink_codec::{
    Answer, Answered, Codec, CodecRegistry, Decoded, Encoded, OrganisationProfile, Reading, Reply,
    Sender, Transport, Writing,
};
use tierlink_edge::deliveries::{AfterTry, Due, DueDelivery, Outcomes, Recorded, Try};
use tierlink_edge::doors::mllp::MllpDoor;
use tierlink_edge::environment::SystemEnvironment;
use tierlink_edge::figures::LaneFigures;
use tierlink_edge::idle::IdleConnections;
use tierlink_edge::lane::{JOINING_MAX, LaneRunner, Troubles, parcel_id};
use tierlink_edge::network::Network;
use tierlink_edge::rates::{PerMinute, Rates};
use tierlink_hl7v2::Hl7v2;
use tierlink_mllp::server::{Answer as Frames, Door, Peer};
use tierlink_schemas::delivery::{BodyHash, DeliveryId, Outcome};
use tierlink_schemas::message::{from_slice, to_vec};
use tierlink_schemas::{LaneName, Message, OrganisationCode, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const TOWNSHIP: &str = "330199101";
const HOSPITAL: &str = "330199001";

/// How often the real codec was asked.
#[derive(Default)]
struct Counted {
    heads: AtomicUsize,
    decoded: AtomicUsize,
    answered: AtomicUsize,
    encoded: AtomicUsize,
    answers_read: AtomicUsize,
    /// Decoding and answers that were not given what the door had read.
    without_head: AtomicUsize,
}

fn add(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

impl Counted {
    fn look_at_head(&self, with: &Reading<'_>) {
        if with.head.is_none_or(tierlink_codec::Head::is_empty) {
            add(&self.without_head);
        }
    }
}

impl Codec for Counted {
    fn name(&self) -> &'static str {
        Hl7v2.name()
    }

    fn transports(&self) -> &'static [Transport] {
        Hl7v2.transports()
    }

    fn has_receipts(&self) -> bool {
        Hl7v2.has_receipts()
    }

    fn sender(&self, bytes: &[u8]) -> Sender {
        add(&self.heads);
        Hl7v2.sender(bytes)
    }

    fn decode(&self, bytes: &[u8], with: &Reading<'_>) -> Decoded {
        add(&self.decoded);
        self.look_at_head(with);
        Hl7v2.decode(bytes, with)
    }

    fn encode(
        &self,
        message: &Message,
        to: &OrganisationCode,
        with: &Writing<'_>,
    ) -> Result<Encoded, Vec<Problem>> {
        add(&self.encoded);
        Hl7v2.encode(message, to, with)
    }

    fn answer(&self, arrived: &[u8], reply: &Reply<'_>, with: &Reading<'_>) -> Answer {
        add(&self.answered);
        self.look_at_head(with);
        Hl7v2.answer(arrived, reply, with)
    }

    fn read_answer(
        &self,
        control_id: &str,
        answer: &[u8],
        status: Option<u16>,
        with: &Writing<'_>,
    ) -> Answered {
        add(&self.answers_read);
        Hl7v2.read_answer(control_id, answer, status, with)
    }
}

fn config(hospital: &str) -> Config {
    let profile = |code: &str, tier: &str, more: &str| {
        let text = format!(
            "[organisation]\ncode = \"{code}\"\nname = \"{code}\"\ntier = \"{tier}\"\n\
             [format]\nname = \"hl7v2\"\n{more}"
        );
        (format!("{code}.toml"), OrganisationProfile::from_toml(&text).unwrap())
    };
    let outbound = format!("[outbound]\naddress = \"{hospital}\"\n");
    let profiles = vec![profile(TOWNSHIP, "township", ""), profile(HOSPITAL, "county", &outbound)];
    let county = "[county]\nname = \"Once\"\n[store]\nurl = \"sqlite:opened-below\"\n";
    Config::build(toml::from_str(county).unwrap(), PathBuf::new(), profiles, Vec::new()).unwrap()
}

/// The example of a referral, from the township to the hospital.
fn referral() -> Message {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/examples/referral.submit.json");
    let text = std::fs::read_to_string(example).unwrap();
    from_slice(text.as_bytes()).unwrap()
}

fn peer() -> Peer {
    let loopback = "127.0.0.1:40000".parse().unwrap();
    Peer { address: loopback, listener: loopback, certificate_names: Vec::new().into() }
}

#[tokio::test]
async fn the_head_of_an_arriving_message_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("t.db").display());
    tierlink_store::open_to_migrate(&url, 1).unwrap().migrate().await.unwrap();
    let store = tierlink_store::open(&url, 1).await.unwrap();
    let current_config = Arc::new(CurrentConfig::new(config("mllp://127.0.0.1:1")));
    let tasks = TaskTracker::new();
    let committer =
        Committer::start(store.clone(), &current_config, &Arc::new(Notify::new()), &tasks);
    let counted = Arc::new(Counted::default());
    let codecs = CodecRegistry::new(vec![Arc::<Counted>::clone(&counted)]);
    let intake = Arc::new(Intake::new(
        Arc::clone(&current_config),
        codecs.clone(),
        committer,
        Counters::new(store.clone()),
        Arc::new(SystemEnvironment),
    ));
    let organisations = Arc::<CurrentConfig>::clone(&current_config);
    let rates = Arc::new(Rates::new(PerMinute {
        per_address: 1000,
        per_token: 1000,
        per_organisation: 1000,
        bytes_per_organisation: 1 << 30,
    }));
    let door = MllpDoor {
        listener: "mllp".to_owned(),
        organisations,
        codecs,
        intake,
        rates,
        asks_certificates: false,
    };
    let config = current_config.load();
    let to: OrganisationCode = HOSPITAL.parse().unwrap();
    let profile = config.profiles[&TOWNSHIP.parse::<OrganisationCode>().unwrap()].default_system();
    let with = Writing { profile: profile.unwrap(), directory: &config.directory };
    // Written as a hospital would: the sender's names in MSH-3 and MSH-4.
    let bytes = Hl7v2.encode(&referral(), &to, &with).unwrap().bytes;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let text = text.replacen("|TIERLINK|TIERLINK|", &format!("|HIS|{TOWNSHIP}|"), 1);

    let Frames::Reply(frames) = door.receive(peer(), Bytes::from(text.clone())).await else {
        unreachable!("a message is answered")
    };

    let answer = String::from_utf8(frames[0].to_vec()).unwrap();
    assert!(answer.contains("\rMSA|AA|"), "{answer}\n{text}");
    assert_eq!(count(&counted.heads), 1);
    assert_eq!((count(&counted.decoded), count(&counted.answered)), (1, 1));
    assert_eq!(count(&counted.without_head), 0, "what the door read is handed on");
    store.close().await;
}

/// Every delivery is due until the hospital has taken it. Without an answer it is tried again.
struct Deliveries(mpsc::UnboundedSender<Outcome>);

#[async_trait]
impl Due for Deliveries {
    async fn still_due(
        &self,
        lane: &LaneName,
        asked: Vec<(DeliveryId, u32)>,
    ) -> Result<Vec<DueDelivery>, Problem> {
        let due = |(id, round)| DueDelivery {
            id,
            lane: lane.clone(),
            case: None,
            round,
            attempts: 0,
            created_at: Timestamp::UNIX_EPOCH,
            silent_since: None,
            body_hash: BodyHash::of(&to_vec(&referral())),
        };
        Ok(asked.into_iter().map(due).collect())
    }

    async fn on_record(
        &self,
        _lane: &LaneName,
        _asked: Vec<DeliveryId>,
    ) -> Result<Vec<Recorded>, Problem> {
        Ok(Vec::new())
    }

    async fn publish_again(
        &self,
        _lane: &LaneName,
        changed: Vec<(DeliveryId, u32)>,
    ) -> Result<(), Problem> {
        unreachable!("nobody changes what is on the bus: {changed:?}")
    }
}

#[async_trait]
impl Outcomes for Deliveries {
    async fn report(&self, tried: &Try) -> AfterTry {
        self.0.send(tried.outcome.clone()).unwrap();
        if matches!(tried.outcome, Outcome::Unanswered { .. }) {
            return AfterTry::TryAgain { after: Duration::from_millis(1) };
        }
        let (on_disk, hears) = oneshot::channel();
        on_disk.send(Ok(())).unwrap();
        let outcome = tried.outcome.clone();
        AfterTry::Settled { outcome, quiet_for: Duration::ZERO, on_disk: hears }
    }
}

/// The control id of the next message.
async fn next_message(stream: &mut TcpStream) -> String {
    let mut frame = Vec::new();
    while !frame.ends_with(b"\x1c\r") {
        frame.push(stream.read_u8().await.unwrap());
    }
    let text = String::from_utf8(frame).unwrap();
    text.split('|').nth(9).unwrap().to_owned()
}

async fn acknowledge(stream: &mut TcpStream, of: &str) {
    let answer = format!(
        "\x0bMSH|^~\\&|HIS|{HOSPITAL}|TIERLINK|TIERLINK|20260310090000||ACK|1|P|2.5.1\rMSA|AA|{of}\r\
         \x1c\r"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A lane to the hospital, running, with the example of a referral in it.
struct Running {
    config: Arc<CurrentConfig>,
    counted: Arc<Counted>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    stop: CancellationToken,
    lane: tokio::task::JoinHandle<()>,
    _paused: watch::Sender<Arc<HashSet<LaneName>>>,
}

impl Running {
    async fn start(address: &str) -> Self {
        let config = Arc::new(CurrentConfig::new(config(address)));
        let counted = Arc::new(Counted::default());
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new());
        let (sender, outcomes) = mpsc::unbounded_channel();
        let deliveries = Arc::new(Deliveries(sender));
        let to: OrganisationCode = HOSPITAL.parse().unwrap();
        let (keep, paused) = watch::channel(Arc::new(HashSet::new()));
        let lane = LaneRunner {
            name: to.clone().into(),
            due: Arc::<Deliveries>::clone(&deliveries),
            outcomes: deliveries,
            bus: Arc::clone(&bus),
            organisations: Arc::<CurrentConfig>::clone(&config),
            environment: Arc::new(SystemEnvironment),
            destinations: Arc::new(Network),
            codecs: CodecRegistry::new(vec![Arc::<Counted>::clone(&counted)]),
            paused,
            troubles: Arc::new(Troubles::default()),
            idle_connections: Arc::new(IdleConnections::default()),
            figures: Arc::new(LaneFigures::default()),
            joining: Arc::new(Semaphore::new(JOINING_MAX)),
        };
        let stop = CancellationToken::new();
        let lane = tokio::spawn(lane.run(stop.clone()));
        let message = referral();
        let queue = Queue::new(HOSPITAL).unwrap();
        bus.open_lanes(std::slice::from_ref(&queue)).await.unwrap();
        let id = parcel_id(&DeliveryId { message: message.id, to });
        let body = Bytes::from(to_vec(&message));
        let parcel = Parcel { lane: queue, id, round: 1, number: 1, body };
        assert_eq!(bus.publish(vec![parcel]).await.unwrap(), [Published::Safe]);
        Self { config, counted, outcomes, stop, lane, _paused: keep }
    }

    async fn end(self) {
        self.stop.cancel();
        self.lane.await.unwrap();
    }
}

/// A hospital that listens, and its address.
async fn hospital() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("mllp://{}", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test]
async fn a_message_is_written_once_for_all_tries_and_each_answer_is_read_once() {
    let (hospital, address) = hospital().await;
    let mut running = Running::start(&address).await;

    // The first try gets no answer. The second gets somebody else's, and then its own.
    let (mut first, _) = hospital.accept().await.unwrap();
    next_message(&mut first).await;
    drop(first);
    let (mut second, _) = hospital.accept().await.unwrap();
    let control_id = next_message(&mut second).await;
    acknowledge(&mut second, "ANOTHER").await;
    acknowledge(&mut second, &control_id).await;

    assert!(matches!(running.outcomes.recv().await.unwrap(), Outcome::Unanswered { .. }));
    assert!(matches!(running.outcomes.recv().await.unwrap(), Outcome::Taken { .. }));
    assert_eq!(count(&running.counted.encoded), 1);
    assert_eq!(count(&running.counted.answers_read), 2, "one for each frame that came");
    running.end().await;
}

/// Seen to fail: each wait looked only for changes after it had begun, so a corrected address or a
/// renewed certificate that came during a try was not taken in until the delivery was given back.
#[tokio::test]
async fn a_reload_during_a_try_is_taken_in_before_the_next() {
    let ((wrong, at_first), (right, corrected)) = (hospital().await, hospital().await);
    let running = Running::start(&at_first).await;
    let (mut first, _) = wrong.accept().await.unwrap();
    next_message(&mut first).await;

    running.config.exchange(config(&corrected));
    drop(first);

    let accepted = tokio::time::timeout(Duration::from_secs(10), right.accept()).await;
    let (mut second, _) = accepted.unwrap().unwrap();
    next_message(&mut second).await;
    running.end().await;
}
