//! One row per message in SQLite: one writer, whatever waits shares a transaction, the log is on
//! disk before anybody is answered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection};
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::{Line, clients, next_batch};
use crate::load::Sent;
use crate::town::Rows;

const WAITING_MAX: usize = 1_024;
/// Rows of one statement. Two lengths of statement are prepared: this one and one row.
const ROWS_TOGETHER: usize = 16;

/// Commits at full speed into a file in `folder`.
pub async fn at_full_speed(
    folder: &Path,
    rows: &Rows,
    connections: usize,
    lasts: Duration,
) -> Result<Sent> {
    let mut db = SqliteConnectOptions::new()
        .filename(folder.join("floor.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "4096")
        .connect()
        .await?;
    sqlx::query("CREATE TABLE floor (id blob PRIMARY KEY, raw blob, canonical blob) WITHOUT ROWID")
        .execute(&mut db)
        .await?;
    let (offers, waiting) = mpsc::channel(WAITING_MAX);
    let line: Line = Arc::new(Mutex::new(waiting));
    let writer = tokio::spawn(commit_all(db, line, rows.clone()));
    let sent = clients(offers, connections, lasts, || ()).await?;
    writer.await??;
    Ok(sent)
}

async fn commit_all(mut db: SqliteConnection, line: Line, rows: Rows) -> Result<()> {
    loop {
        let batch = next_batch(&line).await;
        if batch.is_empty() {
            return Ok(());
        }
        let mut transaction = db.begin().await?;
        let mut left = batch.len();
        while left > 0 {
            let together = if left >= ROWS_TOGETHER { ROWS_TOGETHER } else { 1 };
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO floor (id, raw, canonical) ");
            insert.push_values(0..together, |mut row, _| {
                row.push_bind(Uuid::now_v7())
                    .push_bind(rows.raw.clone())
                    .push_bind(rows.canonical.clone());
            });
            insert.build().execute(&mut *transaction).await?;
            left -= together;
        }
        transaction.commit().await?;
        for waiting in batch {
            let _gone = waiting.send(());
        }
    }
}
