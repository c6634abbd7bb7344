//! SQLite: the store of a trial, a test or one small county. One file, one process.
//!
//! One connection writes and a few read. SQLite allows only one writer anyway; waiting for it in
//! our own pool is fair and needs no polling.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Error, Executor, Sqlite, SqliteConnection};

use crate::connections::{Connections, InUse, IsAlive};
use crate::file_locks;
use crate::migrations;
use crate::session::{Engine, Failed, Given, Part, Purpose, Session, Value, with_given};

/// Longest wait for the writing connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for another program that has the file open, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read.
const READERS: u32 = 4;
/// Page cache in KiB (negative by SQLite's convention): one for the writer, a smaller one
/// for each reader.
const WRITER_CACHE: &str = "-65536";
const READER_CACHE: &str = "-16384";
/// Pages in the write-ahead log before they are written into the file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";
/// The log file is truncated to this size, in bytes, after a busy time.
const LOG_BYTES_MAX: &str = "67108864";
/// Rows of a list in one statement. Statements have one row or this many, so that only two
/// forms are prepared.
const ROWS_TOGETHER: usize = 16;
/// SQLITE_ERROR: the code for an order that is not possible now, such as ending a transaction
/// that has ended.
const GENERIC_ERROR: u32 = 1;
/// Prepared statements cached per connection: more than this crate has, in both forms.
const STATEMENTS_MAX: usize = 300;

/// The SQLite engine: connections to one file.
#[derive(Clone)]
pub(crate) struct SqliteEngine {
    path: Arc<str>,
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
}

impl SqliteEngine {
    /// Prepares the file at `path`. It is created on first use.
    pub(crate) fn new(path: &str) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A positive verdict means "on disk", so the log is flushed before each commit returns.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_MAX)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", LOG_BYTES_MAX)
            .pragma("temp_store", "memory");
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1).connect_lazy_with(options.clone().pragma("cache_size", WRITER_CACHE));
        let readers = pool(READERS).connect_lazy_with(
            options.pragma("cache_size", READER_CACHE).pragma("query_only", "on"),
        );
        // A connection to a file does not break while idle; any error appears when it is used.
        let is_alive: IsAlive<Sqlite> = Arc::new(|_, _| Box::pin(std::future::ready(true)));
        Self {
            path: path.into(),
            writer: Connections::of(writer, Arc::clone(&is_alive)),
            readers: Connections::of(readers, is_alive),
        }
    }
}

/// A connection in use, inside a transaction or not.
pub(crate) struct SqliteSession {
    held: InUse<Sqlite>,
    inside: bool,
}

impl SqliteSession {
    fn connection(&mut self) -> &mut SqliteConnection {
        self.held.connection()
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    type Session = SqliteSession;
    const NAME: &'static str = "sqlite";
    const HAS_CLOCK: bool = false;

    async fn begin(&self, purpose: Purpose) -> Result<SqliteSession, Error> {
        let (pool, begin) = match purpose {
            Purpose::Look => (&self.readers, None),
            Purpose::Snapshot => (&self.readers, Some("BEGIN")),
            // There is only one writer, so names need no lock.
            Purpose::Statement | Purpose::Change | Purpose::Open(_) => {
                (&self.writer, Some("BEGIN IMMEDIATE"))
            }
        };
        let mut held = pool.take().await?;
        let Some(begin) = begin else { return Ok(SqliteSession { held, inside: false }) };
        match held.connection().execute(begin).await {
            Ok(_) => Ok(SqliteSession { held, inside: true }),
            // `BEGIN` failed, so no transaction is open: another program has the file, or it
            // cannot be read.
            Err(error @ Error::Database(_)) => {
                held.give_back();
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// A file always answers, if only with "busy", so no transaction is abandoned for its time.
    fn answers_within() -> Option<Duration> {
        None
    }

    fn fell_silent(&self) {}

    /// There is only one writer, so no race can be lost.
    fn may_work_again(_: &Error) -> bool {
        false
    }

    fn is_silence(error: &Error) -> bool {
        match code_of(error) {
            // Busy, locked, out of memory, interrupted, I/O error, disk full, cannot open.
            Some(code) => [5, 6, 7, 9, 10, 13, 14].contains(&code),
            None => matches!(
                error,
                Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed
            ),
        }
    }

    async fn foreign_encoding(&self) -> Result<Option<String>, Error> {
        // UTF-8 or UTF-16: both hold every character, and it turns the one into the other.
        Ok(None)
    }

    async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        // Many programs may start on a new file at once, and SQLite cannot be made ready by two.
        let path = Arc::clone(&self.path);
        let alone = tokio::task::spawn_blocking(move || {
            file_locks::keep_for_owner(&path)?;
            file_locks::wait_to_migrate(&path)
        });
        let _alone = alone.await.map_err(|_| Error::WorkerCrashed)?.map_err(Error::Io)?;
        let before = self.applied().await?;
        migrations::sqlite().run(self.writer.pool()).await?;
        Ok(migrations::missing(&before))
    }

    async fn applied(&self) -> Result<Vec<i64>, Error> {
        let mut held = self.writer.take().await?;
        let versions = applied(held.connection()).await?;
        held.give_back();
        Ok(versions)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<i64>, Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "-- applied\nSELECT name FROM sqlite_master WHERE type = 'table' \
         AND name = '_sqlx_migrations'",
    )
    .fetch_all(&mut *connection)
    .await?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("-- applied\nSELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await
}

#[async_trait]
impl Session for SqliteSession {
    type Row = SqliteRow;

    async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<SqliteRow>, Failed> {
        Ok(bound(unlocked(sql), values).fetch_all(self.connection()).await?)
    }

    async fn rows_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<Vec<SqliteRow>, Failed> {
        let mut found = Vec::new();
        for (sql, values) in portions(sql, given, &values) {
            found.append(&mut bound(sql, values).fetch_all(self.connection()).await?);
        }
        Ok(found)
    }

    async fn run(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Failed> {
        let done = bound(unlocked(sql), values).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    async fn run_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<u64, Failed> {
        let mut touched = 0;
        for (sql, values) in portions(sql, given, &values) {
            touched += bound(sql, values).execute(self.connection()).await?.rows_affected();
        }
        Ok(touched)
    }

    /// There is only one writer, so bookings need no lock.
    async fn lock_bookings(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    async fn run_together(&mut self, parts: Vec<Part>) -> Result<(), Failed> {
        for part in parts {
            self.run_for(part.sql, part.given, Vec::new()).await?;
        }
        Ok(())
    }

    /// A file that cannot be written says so itself.
    async fn expect_rights(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    async fn commit(mut self) -> Result<(), Error> {
        if self.inside
            && let Err(error) = self.connection().execute("COMMIT").await
        {
            self.abandon().await;
            return Err(error);
        }
        self.held.give_back();
        Ok(())
    }

    async fn abandon(mut self) {
        let ended = !self.inside
            || match self.connection().execute("ROLLBACK").await {
                Ok(_) => true,
                // SQLite rolls back on its own after some failures, and then answers ROLLBACK
                // with this error.
                Err(error) => code_of(&error) == Some(GENERIC_ERROR),
            };
        if ended {
            self.held.give_back();
        }
    }
}

/// SQLite's primary result code, the low byte of the extended one.
fn code_of(error: &Error) -> Option<u32> {
    Some(error.as_database_error()?.code()?.parse::<u32>().ok()? & 0xff)
}

fn bound(sql: String, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = match value {
            Value::Id(id) => query.bind(id),
            Value::Int(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            // sqlx needs its own bytes: they are copied only where somebody else still holds them.
            Value::Bytes(bytes) => query.bind(Vec::from(bytes)),
            Value::Flag(flag) => query.bind(flag),
        };
    }
    query
}

/// Removes the lines that lock rows.
fn unlocked(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("FOR UPDATE"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Splits a list into several statements, each with its rows as VALUES.
fn portions(sql: &str, given: Given, values: &[Value]) -> Vec<(String, Vec<Value>)> {
    let width = given.columns.len();
    let names: Vec<&str> = given.columns.iter().map(|(name, _)| *name).collect();
    let sql = unlocked(sql);
    let text = |rows: usize| {
        // Parameters after the list keep their numbers, whatever the number of rows: the
        // first row has the numbers that the text expects, and further rows are numbered
        // after everything else.
        let first = tuple(1, width);
        let others = (1..rows).map(|row| tuple(width * row + values.len() + 1, width));
        let rows: Vec<String> = std::iter::once(first).chain(others).collect();
        let table = format!("WITH given ({}) AS (VALUES {})", names.join(", "), rows.join(", "));
        with_given(&sql, &table)
    };
    let mut portions = Vec::new();
    let mut rows = given.rows.into_iter().peekable();
    while rows.peek().is_some() {
        let together = if rows.len() >= ROWS_TOGETHER { ROWS_TOGETHER } else { 1 };
        let mut bound: Vec<Value> = rows.next().into_iter().flatten().collect();
        bound.extend(values.iter().cloned());
        for _ in 1..together {
            bound.extend(rows.next().into_iter().flatten());
        }
        portions.push((text(together), bound));
    }
    portions
}

fn tuple(first: usize, width: usize) -> String {
    let places: Vec<String> = (first..first + width).map(|at| format!("${at}")).collect();
    format!("({})", places.join(", "))
}
