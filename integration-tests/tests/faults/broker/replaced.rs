//! Processes are replaced while messages flow: one after the other, and after a newer version has
//! changed the tables.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tempfile::TempDir;
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::trial::{Trial, flow};

use super::{end_well, set_a_shared_stage};

const ROUNDS: usize = 3;
const ROUNDS_LONG: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_are_replaced_one_after_the_other() {
    let rounds = if long() { ROUNDS_LONG } else { ROUNDS };
    let trial = Trial::of(&format!("broker: rolling restart of two, {rounds} times"));
    let stage = set_a_shared_stage().await.unwrap();
    let elsewhere = stage.county.elsewhere().unwrap();
    let mut near = stage.county.start_another(&[]).await.unwrap();
    let mut far = elsewhere.start().await.unwrap();

    let breaking = async {
        for _ in 0..rounds {
            flow(&stage, 5).await?;
            end_well(&mut far).await?;
            far = elsewhere.start().await?;
            flow(&stage, 5).await?;
            end_well(&mut near).await?;
            near = stage.county.start_another(&[]).await?;
        }
        flow(&stage, 5).await?;
        Ok(vec![near, far])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// The release before must be able to work with the new tables (`migrations/README.md`), to be
/// started on them, and to say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_version_migrates_while_this_one_runs() {
    let trial = Trial::of("broker: a newer version migrates while this one runs");
    let stage = set_a_shared_stage().await.unwrap();
    let elsewhere = stage.county.elsewhere().unwrap();
    let mut near = stage.county.start_another(&[]).await.unwrap();
    let far = elsewhere.start().await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        let newer = Box::pin(migrate_as_a_newer_version(&stage.county.store())).await?;
        flow(&stage, 20).await?;
        let ran = stage.county.run(&["migrate"]).await?;
        let said = format!("{}{}", ran.stderr, ran.clone().succeeded()?);
        ensure!(said.contains("up to date") && said.contains(&newer), "it said: {said}");
        end_well(&mut near).await?;
        near = stage.county.start_another(&[]).await?;
        ensure!(near.logs()?.contains(&newer), "nothing is said of {newer}: {}", near.logs()?);
        flow(&stage, 10).await?;
        Ok(vec![near, far])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Does what `tierlink migrate` of a release to come would do: the migrations of this one, and
/// after them one more for each table, and a new table. Gives the number of the last.
async fn migrate_as_a_newer_version(store: &str) -> Result<String> {
    let pool = PgPool::connect(store).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables
         WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations' ORDER BY tablename",
    )
    .fetch_all(&pool)
    .await?;
    let folder = TempDir::with_prefix("tierlink-newer.")?;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/postgres");
    for file in std::fs::read_dir(&ours).with_context(|| ours.display().to_string())? {
        let file = file?;
        std::fs::copy(file.path(), folder.path().join(file.file_name()))?;
    }
    let mut later: Vec<String> = tables
        .iter()
        .map(|table| format!("ALTER TABLE {table} ADD COLUMN later bigint NOT NULL DEFAULT 7;"))
        .collect();
    later.push("CREATE TABLE later (id uuid PRIMARY KEY, at bigint NOT NULL);".to_owned());
    let mut number = 9_000;
    for sql in later {
        number += 1;
        std::fs::write(folder.path().join(format!("{number}_later.sql")), sql)?;
    }
    Migrator::new(folder.path()).await?.run(&pool).await?;
    pool.close().await;
    Ok(number.to_string())
}
