//! The disk of PostgreSQL is full, and has room again.
//!
//! The disk is a small file system of the server's own. Where nobody may mount one, the server says
//! the same words (53100) at every write without being full, and the trial's line says so.
//!
//! A database with a full disk still answers, and even writes where there is room in a page. That
//! `/readyz` is not taken in by this was seen to fail before it listened to the committers.

use anyhow::{Result, ensure};
use sqlx::{Connection, PgConnection};
use tierlink_integration_tests::load::trial::{Trial, flow};
use tierlink_integration_tests::servers::{Postgres, fill_disk, make_room};

use super::{COMMITS_FAILED, FLOWS, last_and_fail, lasts, readiness, stage_on, wait_ready};

/// Room for an empty server with its log, and for the trial.
const DISK_MIB: u32 = 200;
/// A small log, so that the tables meet the end of the disk and not only the log.
const SETTINGS: [&str; 2] = ["max_wal_size = 48MB", "min_wal_size = 32MB"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_postgresql_is_full() {
    let Some(postgres) = Postgres::start_on_disk(DISK_MIB, &SETTINGS).await.unwrap() else {
        return it_only_says_so().await.unwrap();
    };
    let trial = Trial::of("postgresql: full disk");
    let (stage, _) = stage_on(&postgres).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        fill_disk(&postgres.disk())?;
        last_and_fail(&stage, before, lasts()).await?;
        let met = postgres.logs()?.contains("No space left on device");
        ensure!(met, "the server did not meet the end of its disk");
        let (status, store) = readiness(&stage).await?;
        ensure!(status == 503 && store.starts_with("S001"), "HTTP {status}: {store}");
        make_room(&postgres.disk())?;
        // A server that could not write its log has ended; whoever makes room starts it again.
        postgres.restart().await?;
        wait_ready(&stage, true).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

async fn it_only_says_so() -> Result<()> {
    let trial = Trial::of("postgresql: full disk (only said to be: nobody may mount here)");
    let postgres = Postgres::start().await?;
    let (stage, database) = stage_on(&postgres).await?;
    let broker = stage.county.start_another(&[]).await?;

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        let mut admin = PgConnection::connect(&database).await?;
        let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; \
                    CREATE TRIGGER full_disk BEFORE INSERT ON messages \
                    FOR EACH STATEMENT EXECUTE FUNCTION full_disk()";
        sqlx::raw_sql(full).execute(&mut admin).await?;
        last_and_fail(&stage, before, lasts()).await?;
        sqlx::raw_sql("DROP TRIGGER full_disk ON messages").execute(&mut admin).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await?;
    Ok(())
}
