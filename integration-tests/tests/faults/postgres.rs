//! PostgreSQL breaks: restarted, killed, without connections, too slow, full, moved to a standby.
//!
//! Whatever it is, hospitals hear "send it again" and never "no", and nothing is acknowledged that
//! is not kept. That each fault really meets the broker shows in its own count of failed commits.

mod disk;
mod failover;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tierlink_integration_tests::eventually::{WAIT_MAX, eventually, eventually_within};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::servers::{Postgres, shared_rabbit};

/// So many deliveries arrive before and after everything that breaks.
const FLOWS: usize = 5;
/// How often a quick fault comes.
const TIMES: usize = 2;
const TIMES_LONG: usize = 12;
/// How long one lasts that goes on. The short one is longer than the broker waits for a lock.
const LASTS: Duration = Duration::from_secs(7);
const LASTS_LONG: Duration = Duration::from_mins(2);
/// So many batches at least are not written, or the fault met nobody.
const COMMITS_FAILED_MIN: f64 = 2.0;

const COMMITS_FAILED: &str = "tierlink_commit_failures_total";

fn times() -> usize {
    if long() { TIMES_LONG } else { TIMES }
}

fn lasts() -> Duration {
    if long() { LASTS_LONG } else { LASTS }
}

/// A stage on a database of this server.
async fn stage_on(postgres: &Postgres) -> Result<(Arc<Stage>, String)> {
    let database = postgres.fresh_database().await?;
    let vhost = shared_rabbit().await?.fresh_vhost().await?;
    Ok((set_the_stage(Some(&database), Some(&vhost)).await?, database))
}

/// Waits until the fault has lasted, and commits have failed for it.
async fn last_and_fail(stage: &Stage, before: f64, lasts: Duration) -> Result<()> {
    let began = Instant::now();
    eventually_within(lasts + WAIT_MAX, "commits fail", async || {
        let failed = stage.county.figure(COMMITS_FAILED).await? - before;
        Ok((began.elapsed() >= lasts && failed >= COMMITS_FAILED_MIN).then_some(()))
    })
    .await
}

/// What `/readyz` says: its status, and what it knows of the store.
async fn readiness(stage: &Stage) -> Result<(u16, String)> {
    let answer = stage.county.anonymous()?.get("/readyz").await?;
    Ok((answer.status, answer.json()["store"].as_str().unwrap_or_default().to_owned()))
}

/// Waits until `/readyz` says that the store is in trouble, or no longer.
async fn wait_ready(stage: &Stage, ready: bool) -> Result<()> {
    let (wanted, what) = if ready { (200, "ready again") } else { (503, "not ready") };
    eventually(what, async || {
        let (status, store) = readiness(stage).await?;
        ensure!(status == 200 || store.starts_with("S0"), "not ready for another reason: {store}");
        Ok((status == wanted).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarts_and_dies_as_in_a_power_cut() {
    for (name, immediately) in [("restart", false), ("immediate shutdown", true)] {
        let trial = Trial::of(&format!("postgresql: {name}, {} times", times()));
        let postgres = Postgres::start().await.unwrap();
        let (stage, _) = stage_on(&postgres).await.unwrap();
        let broker = stage.county.start_another(&[]).await.unwrap();

        let breaking = async {
            for _ in 0..times() {
                flow(&stage, FLOWS).await?;
                if immediately {
                    postgres.kill_immediately().await?;
                    wait_ready(&stage, false).await?;
                }
                postgres.restart().await?;
                wait_ready(&stage, true).await?;
            }
            flow(&stage, FLOWS).await?;
            Ok(vec![broker])
        };
        trial.run(&stage, breaking).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_takes_all_connections() {
    let trial = Trial::of("postgresql: connection limit reached");
    let postgres = Postgres::start_with(&["max_connections = 40"]).await.unwrap();
    let (stage, _) = stage_on(&postgres).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        let taken = take_all(&postgres).await?;
        wait_ready(&stage, false).await?;
        last_and_fail(&stage, before, lasts()).await?;
        let (status, store) = readiness(&stage).await?;
        ensure!(status == 503 && store.starts_with("S001"), "HTTP {status}: {store}");
        for connection in taken {
            connection.close().await?;
        }
        wait_ready(&stage, true).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Throws the broker out again and again, until every connection belongs to us.
async fn take_all(postgres: &Postgres) -> Result<Vec<PgConnection>> {
    let mut taken = vec![PgConnection::connect(postgres.url()).await?];
    eventually("all connections are taken", async || {
        let thrown_out = taken[0]
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'tierlink'",
            )
            .await?
            .rows_affected();
        while let Ok(connection) = PgConnection::connect(postgres.url()).await {
            taken.push(connection);
        }
        Ok((thrown_out == 0).then_some(()))
    })
    .await?;
    Ok(taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_runs_into_the_statement_timeout() {
    let trial = Trial::of("postgresql: statement timeout");
    let postgres = Postgres::start().await.unwrap();
    let (stage, database) = stage_on(&postgres).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        let mut admin = PgConnection::connect(&database).await?;
        let slow = "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$; \
                    CREATE TRIGGER doze BEFORE INSERT ON messages \
                    FOR EACH STATEMENT EXECUTE FUNCTION doze()";
        sqlx::raw_sql(slow).execute(&mut admin).await?;
        last_and_fail(&stage, before, lasts()).await?;
        sqlx::raw_sql("DROP TRIGGER doze ON messages").execute(&mut admin).await?;
        let met = postgres.logs()?.contains("canceling statement due to statement timeout");
        ensure!(met, "no statement ran into the timeout");
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_locks_a_table() {
    let trial = Trial::of("postgresql: a table locked by somebody else");
    let postgres = Postgres::start().await.unwrap();
    let (stage, database) = stage_on(&postgres).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        for table in ["messages", "deliveries"] {
            flow(&stage, FLOWS).await?;
            let before = stage.county.figure(COMMITS_FAILED).await?;
            let mut other = PgConnection::connect(&database).await?;
            let mut holding = other.begin().await?;
            let lock = AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
            sqlx::raw_sql(lock).execute(&mut *holding).await?;
            last_and_fail(&stage, before, lasts() / 2).await?;
            holding.rollback().await?;
        }
        let met = postgres.logs()?.contains("canceling statement due to lock timeout");
        ensure!(met, "nobody waited for the lock for too long");
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}
