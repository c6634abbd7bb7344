//! Kills the broker while messages flow, makes hospitals fall silent, and starts the broker again,
//! as systemd would.
//!
//! Chance decides when. What is waited for is progress, never time: a kill that meets an idle
//! broker shows nothing. The pauses in here are the chaos itself.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::chance::Chance;
use super::teller::Stage;
use crate::county::{BAIMA, FENGQIAO, LEAD, QINGSHI, SECOND};
use crate::eventually::eventually_within;
use crate::hospitals::Turn;
use crate::servers::Broker;

// A kill comes after at most so many further acknowledgements …
const PROGRESS_MAX: usize = 12;
// … and one in so many only after as many further deliveries. The others may come before the new
// process has taken over the lease of the killed one, and find nothing delivered yet.
const DELIVERED_ONE_IN: usize = 4;
// And so much later at most, so that it meets any moment of a transaction.
const JITTER_MS_MAX: usize = 40;
// Messages must flow again this soon after anything.
const FLOW_WITHIN: Duration = Duration::from_secs(45);
// One start in so many is killed before it is done.
const KILLED_WHILE_STARTING_ONE_IN: usize = 4;
const STARTING_MS_MAX: usize = 400;
// The database may be away when the broker starts. Then it ends and is started again.
const START_WITHIN: Duration = Duration::from_mins(1);

/// The broker of a run, dead or alive.
#[derive(Debug)]
pub struct Chaos<'a> {
    stage: &'a Stage,
    chance: Chance,
    broker: Broker,
    kills: &'a AtomicUsize,
}

impl<'a> Chaos<'a> {
    /// Starts the broker. `kills` counts, for whoever breaks other things in between.
    pub async fn start(stage: &'a Stage, chance: Chance, kills: &'a AtomicUsize) -> Result<Self> {
        let broker = stage.county.start_another(&[]).await?;
        Ok(Self { stage, chance, broker, kills })
    }

    /// Kills so many times, and leaves a running broker.
    pub async fn kill(mut self, times: usize) -> Result<Broker> {
        while self.kills.load(Ordering::Relaxed) < times {
            self.wait_for_flow().await?;
            self.upset_a_hospital();
            self.pause(JITTER_MS_MAX).await;
            self.kill_once().await?;
            if self.chance.once_in(KILLED_WHILE_STARTING_ONE_IN)
                && self.kills.load(Ordering::Relaxed) < times
            {
                self.broker = Broker::start(self.stage.county.folder(), &[]).await?;
                self.pause(STARTING_MS_MAX).await;
                self.kill_once().await?;
            }
            self.start_again().await?;
        }
        Ok(self.broker)
    }

    async fn wait_for_flow(&mut self) -> Result<()> {
        let deliveries = self.chance.once_in(DELIVERED_ONE_IN);
        let progress = self.chance.between(1, PROGRESS_MAX);
        let flowed = || if deliveries { self.stage.taken() } else { self.stage.acknowledged() };
        let wanted = flowed() + progress;
        eventually_within(FLOW_WITHIN, "messages flow again", async || {
            Ok((flowed() >= wanted).then_some(()))
        })
        .await
        .with_context(|| self.broker.logs().unwrap_or_default())
    }

    /// The next message at some hospital gets no answer, or "not now".
    fn upset_a_hospital(&mut self) {
        let hospital = *self.chance.pick(&[LEAD, SECOND, QINGSHI, BAIMA, FENGQIAO]);
        let turn = *self.chance.pick(&[Turn::Mute, Turn::Mute, Turn::NotNow]);
        self.stage.county.hospital(hospital).behave(|manners| {
            manners.next(turn, 1);
        });
    }

    async fn pause(&mut self, ms_max: usize) {
        let ms = u64::try_from(self.chance.between(0, ms_max)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn kill_once(&mut self) -> Result<()> {
        // It may have ended by itself if its database was away when it started.
        let killed = self.broker.kill9().await.is_ok_and(|status| status.signal() == Some(9));
        self.kills.fetch_add(usize::from(killed), Ordering::Relaxed);
        check_log(&self.broker)
    }

    async fn start_again(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.stage.county.start_another(&[]).await {
                Ok(broker) => {
                    self.broker = broker;
                    return Ok(());
                }
                Err(error) if began.elapsed() > START_WITHIN => return Err(error),
                Err(_) => {}
            }
        }
    }
}

/// Whatever breaks, the broker neither panics nor finds anything that it cannot explain.
pub fn check_log(broker: &Broker) -> Result<()> {
    let logs = broker.logs()?;
    for word in ["panicked", "ALARM"] {
        ensure!(!logs.contains(word), "the log has a {word}:\n{logs}");
    }
    Ok(())
}
