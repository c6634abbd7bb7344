//! Senders: raw bytes over MLLP, one message after the answer to the last, or at a fixed rate.
//!
//! Light on purpose: a message is a copy with two numbers written into it, an answer is searched
//! for its end and for `MSA|AA`. What the senders cost is taken from the same two cores.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ledger::Ledger;
use crate::letters::Letter;
use crate::timing::Times;

const ANSWER_BYTES_MAX: usize = 64 * 1024;
const FRAME_END: &[u8] = b"\x1c\r";
const POSITIVE: &[u8] = b"MSA|AA";

/// What came of a load.
#[derive(Debug, Default)]
pub struct Sent {
    /// From the sending of a message to its answer.
    pub answers: Times,
    /// From the first message to the last answer.
    pub lasted: Duration,
}

impl Sent {
    /// Positive answers per second.
    pub fn per_second(&self) -> f64 {
        f64::from(self.answers.count()) / self.lasted.as_secs_f64()
    }
}

/// Where a load goes, and what it is made of.
#[derive(Clone)]
pub struct Route {
    /// Port of the MLLP listener.
    pub port: u16,
    /// Letters by connection: each connection speaks for one organisation.
    pub letters: Arc<Vec<Vec<Letter>>>,
    /// Where messages are noted.
    pub ledger: Arc<Ledger>,
}

struct Sender {
    stream: TcpStream,
    connection: usize,
    route: Route,
    letter: usize,
    out: Vec<u8>,
    back: Vec<u8>,
}

impl Sender {
    async fn connect(route: Route, connection: usize) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, route.port))
            .await
            .with_context(|| format!("nobody listens for MLLP on port {}", route.port))?;
        stream.set_nodelay(true)?;
        let back = vec![0; ANSWER_BYTES_MAX];
        Ok(Self { stream, connection, route, letter: connection, out: Vec::new(), back })
    }

    async fn exchange(&mut self) -> Result<()> {
        let own = &self.route.letters[self.connection % self.route.letters.len()];
        self.letter += 1;
        let letter = &own[self.letter % own.len()];
        let number = self.route.ledger.begin(self.connection, letter.lane)?;
        letter.write(number, &mut self.out);
        self.stream.write_all(&self.out).await?;
        let mut length = 0;
        while !self.back[..length].ends_with(FRAME_END) {
            let count = self.stream.read(&mut self.back[length..]).await?;
            ensure!(count > 0, "the broker closed the connection or answered without an end");
            length += count;
        }
        let answer = &self.back[..length];
        if !answer.windows(POSITIVE.len()).any(|window| window == POSITIVE) {
            bail!("the answer is not AA: {}", String::from_utf8_lossy(answer));
        }
        self.route.ledger.acknowledged(number);
        Ok(())
    }
}

/// Sends on so many connections, each message after the answer to the one before.
pub async fn at_full_speed(route: &Route, connections: usize, lasts: Duration) -> Result<Sent> {
    send(route, connections, move |mut sender, began| async move {
        let mut times = Times::default();
        while began.elapsed() < lasts {
            let at = Instant::now();
            sender.exchange().await?;
            times.note(at.elapsed());
        }
        Ok(times)
    })
    .await
}

/// Sends so many messages in all, as fast as so many connections can.
pub async fn so_many(route: &Route, connections: usize, count: u32) -> Result<Sent> {
    let each = usize::try_from(count)?.div_ceil(connections);
    send(route, connections, move |mut sender, _| async move {
        let mut times = Times::default();
        for _ in 0..each {
            let at = Instant::now();
            sender.exchange().await?;
            times.note(at.elapsed());
        }
        Ok(times)
    })
    .await
}

/// Offers so many messages per second. A message that has to wait for the connection counts from
/// the moment at which it was due: a slow broker must not slow the load down and so look faster.
pub async fn at_rate(
    route: &Route,
    connections: usize,
    per_second: u32,
    lasts: Duration,
) -> Result<Sent> {
    let apart = Duration::from_secs(1) / per_second;
    let every = apart * u32::try_from(connections)?;
    send(route, connections, move |mut sender, began| async move {
        let mut times = Times::default();
        let mut due = began + apart * u32::try_from(sender.connection)?;
        while due < began + lasts {
            let mut from = due;
            if Instant::now() < due {
                tokio::time::sleep_until(due.into()).await;
                // The clock of the load generator wakes up to a millisecond late; that is not the
                // broker's time.
                from = Instant::now();
            }
            sender.exchange().await?;
            times.note(from.elapsed());
            due += every;
        }
        Ok(times)
    })
    .await
}

async fn send<F, W>(route: &Route, connections: usize, work: F) -> Result<Sent>
where
    F: Fn(Sender, Instant) -> W,
    W: Future<Output = Result<Times>> + Send + 'static,
{
    let mut senders = Vec::with_capacity(connections);
    for connection in 0..connections {
        senders.push(Sender::connect(route.clone(), connection).await?);
    }
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for sender in senders {
        tasks.spawn(work(sender, began));
    }
    let mut sent = Sent::default();
    while let Some(times) = tasks.join_next().await {
        sent.answers.append(times??);
    }
    sent.lasted = began.elapsed();
    Ok(sent)
}
