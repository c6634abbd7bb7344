//! The floor: the least that any durable broker must do, as bare programs.
//!
//! They read no format, know no case, answer nobody over a socket and keep no outbox. What is left
//! is a durable write before each positive answer and a durable hand-over to each receiver, both
//! batched as well as they can be.

pub mod postgres;
pub mod rabbit;
pub mod sqlite;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::load::Sent;
use crate::timing::Times;

/// Messages that share one transaction, as with the broker.
const BATCH_MAX: usize = 200;

/// Whoever waits for a commit.
pub type Waiting = oneshot::Sender<()>;

/// The line in front of the committers.
pub type Line = Arc<Mutex<mpsc::Receiver<Waiting>>>;

/// The next ones that share a transaction; empty when nobody comes any more.
pub async fn next_batch(line: &Line) -> Vec<Waiting> {
    let mut batch = Vec::new();
    line.lock().await.recv_many(&mut batch, BATCH_MAX).await;
    batch
}

/// So many clients, each with its next message after the commit of the one before.
///
/// `committed` is called after each commit, before the next message.
pub async fn clients<F>(
    offers: mpsc::Sender<Waiting>,
    connections: usize,
    lasts: Duration,
    committed: F,
) -> Result<Sent>
where
    F: Fn() + Clone + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (offers, committed) = (offers.clone(), committed.clone());
        tasks.spawn(async move {
            let mut times = Times::default();
            while began.elapsed() < lasts {
                let at = Instant::now();
                let (done, on_disk) = oneshot::channel();
                offers.send(done).await.context("the committers are gone")?;
                on_disk.await.context("a commit failed")?;
                times.note(at.elapsed());
                committed();
            }
            anyhow::Ok(times)
        });
    }
    drop(offers);
    let mut sent = Sent::default();
    while let Some(times) = tasks.join_next().await {
        sent.answers.append(times??);
    }
    sent.lasted = began.elapsed();
    Ok(sent)
}
