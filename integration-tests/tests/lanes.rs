//! A county with thousands of lanes on one broker: each hospital gets its message, soon after a
//! restart, and the broker stays small.
//!
//! ```text
//!   first start      queues are made; hospitals are down, so each lane tries once and waits
//!   second start     hospitals are up; from here the clock runs: first message, last message, memory
//! ```
//!
//! 2,500 lanes, which is more than a connection to RabbitMQ has channels; 10,000 with
//! `ops/test --faults`. All hospitals are one listener, which knows them by the path they are
//! addressed by.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tierlink_integration_tests::county::run_program;
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::hospitals::{HttpSender, said};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::servers::{
    Broker, Rabbit, free_port, fresh_database, shared_postgres,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

const LANES: usize = 2_500;
/// With the sender's own these are ten thousand, the most that a configuration may name.
const LANES_LONG: usize = 9_999;
/// The sender of all messages.
const LEAD: &str = "330199001";
/// Messages on their way into the broker at the same time.
const SENT_AT_ONCE: usize = 24;
/// Making a quorum queue costs RabbitMQ some milliseconds, one after the other.
const SET_UP_WITHIN: Duration = Duration::from_mins(8);
/// From the start of the process to the first message at a hospital, and to the last, for 10,000
/// lanes and a release build that has the machine to itself.
const FIRST_WITHIN: Duration = Duration::from_secs(2);
const ALL_WITHIN: Duration = Duration::from_secs(15);
/// A build for debugging takes some four times the processor time, and the tests of others run beside
/// it: its bound on time is wider. What was measured is printed.
const SLOWER_IN_DEBUG: u32 = 4;
/// Resident memory that the broker may take, at most: without lanes, and for each of them. A build for
/// debugging; a release build takes less.
const MEMORY_MIB_MAX: u64 = 100;
const MEMORY_KIB_PER_LANE_MAX: u64 = 32;

/// The code of one hospital.
fn code(number: usize) -> String {
    format!("3302{number:05}")
}

/// A county with so many hospitals, on disk.
struct County {
    folder: tempfile::TempDir,
    http: u16,
    hospitals: u16,
    lanes: usize,
}

impl County {
    fn write(lanes: usize, store: &str, bus: &str) -> Result<Self> {
        let folder = tempfile::TempDir::with_prefix("tierlink-lanes.")?;
        let (http, hospitals) = (free_port()?, free_port()?);
        std::fs::create_dir(folder.path().join("profiles"))?;
        let county = format!(
            "[county]\nname = \"龙溪县\"\nlead = \"{LEAD}\"\n\n[store]\nurl = \"{store}\"\n\n\
             [bus]\nurl = \"{bus}\"\n\n[http]\nlisten = \"127.0.0.1:{http}\"\n\n\
             # One hospital writes to all others as quickly as it can.\n[limits]\n\
             per_minute_and_address = 1000000\nper_minute_and_token = 1000000\n\
             per_minute_and_organisation = 1000000\n",
        );
        std::fs::write(folder.path().join("county.toml"), county)?;
        let this = Self { folder, http, hospitals, lanes };
        this.write_profile(LEAD, "")?;
        for number in 0..lanes {
            let code = code(number);
            let address = format!(
                "[outbound]\naddress = \"http://127.0.0.1:{hospitals}/{code}\"\n\n\
                 [retry]\nfirst_wait_ms = 600000\nwait_ms_max = 600000\n"
            );
            this.write_profile(&code, &address)?;
        }
        Ok(this)
    }

    fn write_profile(&self, code: &str, more: &str) -> Result<()> {
        let profile = format!(
            "[organisation]\ncode = \"{code}\"\nname = \"医院{code}\"\ntier = \"county\"\n\n\
             [format]\nname = \"json\"\n\n{more}"
        );
        std::fs::write(self.folder.path().join(format!("profiles/{code}.toml")), profile)?;
        Ok(())
    }

    async fn run(&self, words: &[&str]) -> Result<String> {
        let config = self.folder.path().to_str().context("the folder's path is text")?;
        run_program(&[words, &["--config", config]].concat()).await?.succeeded()
    }

    async fn make_token(&self) -> Result<String> {
        self.run(&["token", "create", "lead", "--organisation", LEAD, "--why", "a test"]).await
    }

    async fn start(&self) -> Result<Broker> {
        Broker::start(self.folder.path(), &[("TIERLINK_LOG", "info")]).await
    }

    async fn wait_ready(&self, broker: &mut Broker) -> Result<()> {
        broker.wait_ready(&format!("http://127.0.0.1:{}/readyz", self.http)).await
    }

    /// Sends one referral to every hospital.
    async fn send_to_all(&self, token: &str) -> Result<()> {
        let sender = HttpSender::new(self.http, Some(token))?;
        stream::iter(0..self.lanes)
            .map(async |number| {
                let to = code(number);
                let message = said(LEAD, "referral.submit", None, Some(&to))?;
                let answer = sender.send(&message).await?;
                answer.accepted().with_context(|| format!("the referral to {to}"))
            })
            .buffer_unordered(SENT_AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await
    }

    /// Waits until every lane has tried its message and was not answered.
    async fn wait_until_all_were_tried(&self) -> Result<()> {
        let sender = HttpSender::new(self.http, None)?;
        eventually_within(SET_UP_WITHIN, "every lane has tried", async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let figures = sender.get("/metrics").await?.body;
            let silent = figures
                .lines()
                .filter(|line| line.starts_with("tierlink_lane_silent{") && line.ends_with(" 1"))
                .count();
            Ok((silent == self.lanes).then_some(()))
        })
        .await
    }

    async fn lanes_as_told(&self) -> Result<String> {
        let ready = HttpSender::new(self.http, None)?.get("/readyz").await?;
        Ok(ready.json()["lanes"].as_str().unwrap_or_default().to_owned())
    }
}

/// All hospitals behind one listener: what came for whom, and when.
#[derive(Clone, Default)]
struct Hospitals {
    came: Arc<Mutex<BTreeMap<String, Vec<Instant>>>>,
}

impl Hospitals {
    async fn open(port: u16) -> Result<Self> {
        let this = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let all = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let all = all.clone();
                tokio::spawn(async move { all.attend(stream).await });
            }
        });
        Ok(this)
    }

    /// Takes whatever comes over one connection.
    async fn attend(&self, stream: TcpStream) -> Result<()> {
        let mut stream = BufStream::new(stream);
        let mut request = String::new();
        while stream.read_line(&mut request).await? > 0 {
            let path = request.split(' ').nth(1).unwrap_or_default().trim_matches('/').to_owned();
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await?;
                let Some((name, value)) = line.trim_end().split_once(':') else { break };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse()?;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let to_this_one = String::from_utf8_lossy(&body).contains(&format!("\"{path}\""));
            ensure!(to_this_one, "a message to somebody else came to {path}");
            self.came.lock().entry(path).or_default().push(Instant::now());
            let body = "{\"verdict\":\"accepted\"}";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
            request.clear();
        }
        Ok(())
    }

    fn reached(&self) -> usize {
        self.came.lock().len()
    }

    /// When the first and the last hospital got its first message.
    fn first_and_last(&self, since: Instant) -> (Duration, Duration) {
        let came = self.came.lock();
        let firsts = || came.values().filter_map(|came| came.first());
        let first = firsts().min().map_or(Duration::MAX, |at| at.duration_since(since));
        let last = firsts().max().map_or(Duration::MAX, |at| at.duration_since(since));
        (first, last)
    }
}

/// A figure of `/proc/<id>/status`, in MiB.
fn memory_mib(process: u32, what: &str) -> Result<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(format!("{process}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context("no such figure")?;
    let kib: u64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?;
    Ok(kib / 1_024)
}

/// Until when the first and the last message must come.
fn within() -> (Duration, Duration) {
    if cfg!(debug_assertions) {
        (FIRST_WITHIN * SLOWER_IN_DEBUG, ALL_WITHIN * SLOWER_IN_DEBUG)
    } else {
        (FIRST_WITHIN, ALL_WITHIN)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lane_of_a_large_county_gets_its_message_soon_after_a_restart() {
    let lanes = if long() { LANES_LONG } else { LANES };
    let rabbit = Rabbit::start().await.unwrap();
    let database = fresh_database(&shared_postgres().await.unwrap()).await.unwrap();
    let county = County::write(lanes, &database, rabbit.amqp_url()).unwrap();
    county.run(&["migrate"]).await.unwrap();
    let token = county.make_token().await.unwrap();

    let began = Instant::now();
    let mut broker = county.start().await.unwrap();
    county.wait_ready(&mut broker).await.unwrap();
    county.send_to_all(token.trim()).await.unwrap();
    county.wait_until_all_were_tried().await.unwrap();
    let set_up = began.elapsed();
    assert_eq!(county.lanes_as_told().await.unwrap(), "ok");
    let status = broker.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", broker.logs().unwrap());

    let hospitals = Hospitals::open(county.hospitals).await.unwrap();
    let began = Instant::now();
    let mut broker = county.start().await.unwrap();
    let delivered = eventually_within(within().1, "every hospital has its message", async || {
        Ok((hospitals.reached() == lanes).then_some(()))
    });
    let outcome = delivered.await;
    let (first, last) = hospitals.first_and_last(began);
    let process = broker.id().unwrap();
    let memory = memory_mib(process, "VmRSS:").unwrap();
    let peak = memory_mib(process, "VmHWM:").unwrap();
    eprintln!(
        "{lanes} lanes: queues made and one try each in {:.1} s; after a restart the first message \
         came after {:.2} s and all after {:.2} s; memory {memory} MiB, at most {peak} MiB",
        set_up.as_secs_f64(),
        first.as_secs_f64(),
        last.as_secs_f64(),
    );

    let logs = broker.logs().unwrap();
    assert!(outcome.is_ok(), "only {} of {lanes}: {logs}", hospitals.reached());
    assert_eq!(county.lanes_as_told().await.unwrap(), "ok");
    let (first_within, all_within) = within();
    assert!(first <= first_within, "the first message came after {first:?}");
    assert!(last <= all_within, "the last message came after {last:?}");
    let memory_max = MEMORY_MIB_MAX + lanes as u64 * MEMORY_KIB_PER_LANE_MAX / 1_024;
    assert!(peak <= memory_max, "the broker took {peak} MiB, more than {memory_max}");
    let status = broker.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", broker.logs().unwrap());
}
