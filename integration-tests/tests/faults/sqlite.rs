//! The embedded store breaks: its disk is full, its file is locked, it dies in mid-checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tierlink_integration_tests::eventually::{WAIT_MAX, eventually, eventually_within};
use tierlink_integration_tests::load::chaos::check_log;
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::servers::{Broker, Disk, fill_disk, make_room, program};
use tokio::process::Command;

/// So many deliveries arrive before and after everything that breaks.
const FLOWS: usize = 5;
/// How long something lasts. The short one is longer than the broker waits for a locked file.
const LASTS: Duration = Duration::from_secs(7);
const LASTS_LONG: Duration = Duration::from_mins(2);
/// So many batches at least are not written, or the fault met nobody.
const COMMITS_FAILED_MIN: f64 = 2.0;
const COMMITS_FAILED: &str = "tierlink_commit_failures_total";
/// Room for the file, its log and a trial.
const DISK_MIB: u32 = 48;
const KILLS: usize = 10;
const KILLS_LONG: usize = 100;
/// A kill comes within this time after the order to end, in which the last checkpoint is made.
const ENDING_MS_MAX: usize = 60;

fn lasts() -> Duration {
    if long() { LASTS_LONG } else { LASTS }
}

/// Waits until the fault has lasted, commits have failed for it, and `/readyz` says so.
async fn last_and_fail(stage: &Stage, before: f64) -> Result<()> {
    let (began, mut unready) = (Instant::now(), false);
    eventually_within(lasts() + WAIT_MAX, "commits fail and /readyz says so", async || {
        let failed = stage.county.figure(COMMITS_FAILED).await? - before;
        let ready = stage.county.anonymous()?.get("/readyz").await?;
        unready |= ready.status == 503 && ready.body.contains("S001");
        Ok((unready && failed >= COMMITS_FAILED_MIN && began.elapsed() >= lasts()).then_some(()))
    })
    .await
}

async fn wait_ready(stage: &Stage) -> Result<()> {
    eventually("it is ready again", async || {
        Ok((stage.county.anonymous()?.get("/readyz").await?.status == 200).then_some(()))
    })
    .await
}

/// The store of a county, opened by somebody else.
async fn open(file: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnectOptions::new().filename(file).busy_timeout(WAIT_MAX).connect().await?)
}

fn file_of(stage: &Stage) -> PathBuf {
    stage.county.store().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_an_embedded_store_is_full() {
    // Where nobody may mount, the next trial meets the same wall: writes that fail.
    let Some(disk) = Disk::mount(DISK_MIB).await.unwrap() else {
        return every_write_fails("sqlite: full disk (as a limit of files: nobody may mount here)")
            .await
            .unwrap();
    };
    let trial = Trial::of("sqlite: full disk");
    let file = disk.path().join("tierlink.db");
    let stage = set_the_stage(Some(&format!("sqlite:{}", file.display())), None).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        fill_disk(disk.path())?;
        last_and_fail(&stage, before).await?;
        make_room(disk.path())?;
        wait_ready(&stage).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_an_embedded_store_may_not_grow() {
    every_write_fails("sqlite: every write fails").await.unwrap();
}

/// The kernel lets no file of the broker grow for a while. Seen to fail as long as a connection was
/// worth nothing after a failed write: the broker took no message again until it was restarted.
async fn every_write_fails(name: &str) -> Result<()> {
    let trial = Trial::of(name);
    let stage = set_the_stage(None, None).await?;
    // Whoever writes too far gets a signal that kills, unless it is ignored from the beginning.
    let words = ["-c", "trap '' XFSZ; exec \"$@\"", "bash", text(program().await?)?, "serve"];
    let words = [&words[..], &["--config", text(stage.county.folder())?]].concat();
    let mut broker = Broker::run(Path::new("bash"), &words, &[])?;
    broker.wait_ready(&format!("http://127.0.0.1:{}/readyz", stage.county.http_port())).await?;
    let id = broker.id().context("it runs")?.to_string();
    let limit_files = async |bytes: &str| -> Result<()> {
        let limit = format!("--fsize={bytes}:");
        let done = Command::new("prlimit").args(["--pid", &id, &limit]).status().await?;
        ensure!(done.success(), "prlimit failed");
        Ok(())
    };

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        let log = file_of(&stage).with_extension("db-wal");
        limit_files(&std::fs::metadata(log)?.len().to_string()).await?;
        last_and_fail(&stage, before).await?;
        limit_files("unlimited").await?;
        wait_ready(&stage).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await?;
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_locks_the_file() {
    let trial = Trial::of("sqlite: file locked by somebody else");
    let stage = set_the_stage(None, None).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        let mut other = open(&file_of(&stage)).await?;
        other.execute("BEGIN EXCLUSIVE").await?;
        last_and_fail(&stage, before).await?;
        other.execute("ROLLBACK").await?;
        wait_ready(&stage).await?;
        flow(&stage, FLOWS).await?;
        other.close().await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Somebody else carries the log over into the file, again and again, until told to stop. Counts.
async fn checkpoint(file: PathBuf, over: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Result<()> {
    let mut connection = open(&file).await?;
    while !over.load(Ordering::Relaxed) {
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    connection.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_mid_checkpoint() {
    let kills = if long() { KILLS_LONG } else { KILLS };
    let trial = Trial::of(&format!("sqlite: {kills} kills in mid-checkpoint"));
    let stage = set_the_stage(None, None).await.unwrap();
    let file = file_of(&stage);
    let mut chance = trial.chance.apart(1_000);

    let breaking = async {
        let mut broker = stage.county.start_another(&[]).await?;
        for number in 0..kills {
            let (over, done) = (Arc::default(), Arc::default());
            let others = checkpoint(file.clone(), Arc::clone(&over), Arc::clone(&done));
            // Every second time the broker itself makes the checkpoint, its last.
            let is_last = number % 2 == 1;
            let others = (!is_last).then(|| tokio::spawn(others));
            flow(&stage, 2).await?;
            if is_last {
                let id = broker.id().context("it runs")?.to_string();
                ensure!(Command::new("kill").args(["-TERM", &id]).status().await?.success());
                let ms = u64::try_from(chance.between(0, ENDING_MS_MAX))?;
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            // It may have ended by itself.
            let _ended = broker.kill9().await;
            check_log(&broker)?;
            over.store(true, Ordering::Relaxed);
            if let Some(others) = others {
                others.await??;
                ensure!(done.load(Ordering::Relaxed) > 0, "no checkpoint was made");
            }
            broker = stage.county.start_another(&[]).await?;
        }
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();

    let mut store = open(&file).await.unwrap();
    let sound: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut store).await.unwrap();
    assert_eq!(sound, "ok");
}
