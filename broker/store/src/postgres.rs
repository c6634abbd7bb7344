//! PostgreSQL: the store of a county or prefecture.
//!
//! The server enforces our limits on statements and idle transactions, whatever becomes of this
//! process. An idle connection is tested before reuse, so that a restarted server costs a moment
//! and not a refused message. A connection that stops answering, as behind a cut cable, is closed
//! together with every other that was idle at that moment.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Error, Executor, PgConnection, Postgres, Row};
use tokio::time::timeout;

use crate::connections::{Connections, InUse, IsAlive};
use crate::migrations;
use crate::postgres_address;
use crate::session::{Engine, Failed, Given, Part, Purpose, Session, Type, Value, with_given};

/// Longest run of one statement, migrations apart. A little shorter than `ANSWERS_WITHIN`, so that
/// the server stops its work before we stop waiting for it.
const STATEMENT_TIMEOUT: &str = "9s";
/// Longest run of a transaction. A hospital must be told "send it again" before it gives up
/// waiting, often after 30 s, and the message may have waited behind another transaction first.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Longest time that a process which hangs inside a transaction keeps its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5s";
/// Longest wait for a lock. Afterwards the sender is told "not stored" and sends again.
const LOCK_TIMEOUT: &str = "5s";
/// A migration waits longer for a lock, because another process may be migrating.
const MIGRATION_LOCK_TIMEOUT: &str = "60s";
/// Longest wait for a free connection, and for a new one to be made.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for an idle connection to answer a ping.
const PING_WITHIN: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is pinged before reuse.
const TRUSTED_FOR: Duration = Duration::from_millis(250);
/// Locks taken by one statement, from left to right. A PostgreSQL result has at most 1,664 columns.
const LOCKS_TOGETHER: usize = 100;
/// Prepared statements cached per connection: more than this crate has.
const STATEMENTS_MAX: usize = 200;

/// The PostgreSQL engine: connections to one database.
#[derive(Clone)]
pub(crate) struct PostgresEngine {
    connections: Connections<Postgres>,
    last_timeout: Arc<LastTimeout>,
}

/// When the server last failed to answer within its time.
///
/// Every connection that was idle at that moment is closed: testing each of them in turn could
/// block intake for seconds.
#[derive(Default)]
struct LastTimeout(Mutex<Option<Instant>>);

impl LastTimeout {
    fn note(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    fn is_after(&self, moment: Option<Instant>) -> bool {
        let timed_out_at = *self.0.lock();
        timed_out_at.is_some_and(|at| moment.is_none_or(|moment| moment <= at))
    }
}

/// Whether an idle connection still works.
async fn is_alive(
    connection: &mut PgConnection,
    idle_for: Duration,
    last_timeout: &LastTimeout,
) -> bool {
    if last_timeout.is_after(Instant::now().checked_sub(idle_for)) {
        return false;
    }
    if idle_for < TRUSTED_FOR {
        return true;
    }
    match timeout(PING_WITHIN, connection.ping()).await {
        Ok(answer) => answer.is_ok(),
        Err(_) => {
            last_timeout.note();
            false
        }
    }
}

impl PostgresEngine {
    /// Prepares the pool. Connections are made when they are needed.
    pub(crate) fn new(url: &str, connections: u32) -> Result<Self, Error> {
        let options: PgConnectOptions = url.parse()?;
        let ssl_mode = postgres_address::checked(&options);
        let options = options
            .ssl_mode(ssl_mode)
            .application_name("tierlink")
            .statement_cache_capacity(STATEMENTS_MAX)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
                ("lock_timeout", LOCK_TIMEOUT),
                // A positive verdict means "on disk", whatever the server's default is.
                ("synchronous_commit", "on"),
                ("default_transaction_isolation", "read committed"),
                // Lists read one page; starting parallel workers takes longer than reading it.
                ("max_parallel_workers_per_gather", "0"),
                // Every statement has an index for what it looks up, and every list is short, so
                // one generic plan is right for all values. Left alone, the planner trusts its
                // statistics: a plan made while the tables were empty scans them from end to end
                // for as long as the connection lives, which is a thousand times slower once
                // they are full.
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                // On a small table without an index, the settings above make the plan look
                // so expensive that PostgreSQL would compile it first, which takes a quarter
                // of a second.
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        let last_timeout = Arc::new(LastTimeout::default());
        let known = Arc::clone(&last_timeout);
        let is_alive: IsAlive<Postgres> = Arc::new(move |connection, idle_for| {
            let known = Arc::clone(&known);
            Box::pin(async move { is_alive(connection, idle_for, &known).await })
        });
        Ok(Self { connections: Connections::of(pool, is_alive), last_timeout })
    }
}

/// A connection in use, inside a transaction or not.
pub(crate) struct PostgresSession {
    held: InUse<Postgres>,
    inside: bool,
}

impl PostgresSession {
    fn connection(&mut self) -> &mut PgConnection {
        self.held.connection()
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    type Session = PostgresSession;
    const NAME: &'static str = "postgres";
    const HAS_CLOCK: bool = true;

    async fn begin(&self, purpose: Purpose) -> Result<PostgresSession, Error> {
        let mut held = self.connections.take().await?;
        let begin = match purpose {
            // Without `BEGIN`, the server makes each statement a transaction of its own.
            Purpose::Look | Purpose::Statement => {
                return Ok(PostgresSession { held, inside: false });
            }
            Purpose::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            Purpose::Change => "BEGIN".to_owned(),
            Purpose::Open(names) => begin_and_lock(names),
        };
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(held.connection()).await?;
        Ok(PostgresSession { held, inside: true })
    }

    fn answers_within() -> Option<Duration> {
        Some(ANSWERS_WITHIN)
    }

    fn fell_silent(&self) {
        self.last_timeout.note();
    }

    fn may_work_again(error: &Error) -> bool {
        match code(error).as_deref() {
            // The transaction lost a race (serialization, deadlock, unique, exclusion), or the
            // server shut down or ended the session before the commit.
            Some("40001" | "40P01" | "23505" | "23P01" | "57P01" | "57P02" | "57P03") => true,
            Some(_) => false,
            None => matches!(error, Error::Io(_)),
        }
    }

    fn is_silence(error: &Error) -> bool {
        match code(error).as_deref() {
            // Out of connections, memory or disk; shutting down; too slow; locked; a standby.
            Some(code) => {
                ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class))
                    || ["55P03", "25006", "25P03"].contains(&code)
            }
            None => !matches!(
                error,
                Error::RowNotFound
                    | Error::ColumnNotFound(_)
                    | Error::ColumnDecode { .. }
                    | Error::Decode(_)
                    | Error::Encode(_)
                    | Error::Configuration(_)
            ),
        }
    }

    async fn foreign_encoding(&self) -> Result<Option<String>, Error> {
        let mut held = self.connections.take().await.map_err(name_pooler)?;
        let found: String =
            sqlx::query_scalar("-- foreign_encoding\nSELECT current_setting('server_encoding')")
                .fetch_one(held.connection())
                .await
                .map_err(name_pooler)?;
        held.give_back();
        Ok((found != "UTF8").then_some(found))
    }

    async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        // A connection with limits of its own, because building an index may take longer than the
        // usual statement limit.
        let options = (*self.connections.pool().connect_options())
            .clone()
            .options([("statement_timeout", "0"), ("lock_timeout", MIGRATION_LOCK_TIMEOUT)]);
        let alone = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        let before = applied(&mut *alone.acquire().await.map_err(name_pooler)?).await?;
        migrations::postgres().run(&alone).await?;
        alone.close().await;
        Ok(migrations::missing(&before))
    }

    async fn applied(&self) -> Result<Vec<i64>, Error> {
        let mut held = self.connections.take().await.map_err(name_pooler)?;
        expect_settings(held.connection()).await.map_err(name_pooler)?;
        let options = self.connections.pool().connect_options();
        expect_sessions(held.connection(), &options).await.map_err(name_pooler)?;
        let versions = applied(held.connection()).await?;
        held.give_back();
        Ok(versions)
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}

/// A pooler that drops what we set would let a statement run for ever, and acknowledge messages
/// that are not on disk.
const POOLER: &str = "the settings of our sessions do not reach PostgreSQL: a pooler such as PgBouncer \
                      stands in between; connect to PostgreSQL itself, see ops/README.md";

/// A pooler that refuses our settings, or gives us another session for each statement, says so in
/// words that nobody would understand.
fn name_pooler(error: Error) -> Error {
    // A prepared statement that is not there, and one that is there already.
    let mixed_up = matches!(code(&error).as_deref(), Some("26000" | "42P05"));
    let refuses = error
        .as_database_error()
        .is_some_and(|error| error.message().contains("unsupported startup parameter"));
    if mixed_up || refuses { Error::Configuration(POOLER.into()) } else { error }
}

/// Whether each connection has a session of its own. Behind a pooler that lends sessions for one
/// transaction each, the next connection finds what the last one left, and statements that were
/// prepared are there or not by chance.
async fn expect_sessions(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), Error> {
    // No two marks are alike: the server's own number of the session, and its time.
    let sql = "-- leave_a_mark
        SELECT set_config('tierlink.session',
            pg_backend_pid()::text || ' ' || clock_timestamp()::text, false)";
    let mine: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
    let mut other = PgConnection::connect_with(options).await?;
    let sql = "-- look_for_marks\nSELECT coalesce(current_setting('tierlink.session', true), '')";
    let found: String = sqlx::query_scalar(sql).fetch_one(&mut other).await?;
    other.close().await?;
    if found == mine { Err(Error::Configuration(POOLER.into())) } else { Ok(()) }
}

/// Whether what we set for our sessions is in force.
async fn expect_settings(connection: &mut PgConnection) -> Result<(), Error> {
    let sql = "-- expect_settings
        SELECT current_setting('statement_timeout') = $1
            AND current_setting('synchronous_commit') = 'on'
            AND current_setting('plan_cache_mode') = 'force_generic_plan'";
    let held: bool = sqlx::query_scalar(sql).bind(STATEMENT_TIMEOUT).fetch_one(connection).await?;
    if held { Ok(()) } else { Err(Error::Configuration(POOLER.into())) }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let table = sqlx::query("-- applied\nSELECT to_regclass('_sqlx_migrations')::text AS name")
        .fetch_one(&mut *connection)
        .await?;
    if table.try_get::<Option<String>, _>("name")?.is_none() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("-- applied\nSELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await
}

#[async_trait]
impl Session for PostgresSession {
    type Row = PgRow;

    async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<PgRow>, Failed> {
        Ok(bound(sql.to_owned(), values).fetch_all(self.connection()).await?)
    }

    async fn rows_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<Vec<PgRow>, Failed> {
        if given.is_empty() {
            return Ok(Vec::new());
        }
        Ok(bound_list(sql, given, values).fetch_all(self.connection()).await?)
    }

    async fn run(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Failed> {
        let done = bound(sql.to_owned(), values).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    async fn run_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<u64, Failed> {
        if given.is_empty() {
            return Ok(0);
        }
        let done = bound_list(sql, given, values).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    async fn lock_bookings(&mut self) -> Result<(), Failed> {
        self.run("-- lock_bookings\nLOCK TABLE bookings IN SHARE ROW EXCLUSIVE MODE", Vec::new())
            .await?;
        Ok(())
    }

    async fn run_together(&mut self, parts: Vec<Part>) -> Result<(), Failed> {
        let mut parts: Vec<Part> =
            parts.into_iter().filter(|part| !part.given.is_empty()).collect();
        let Some(last) = parts.pop() else { return Ok(()) };
        if parts.is_empty() {
            self.run_for(last.sql, last.given, Vec::new()).await?;
            return Ok(());
        }
        bound_together(parts, last).execute(self.connection()).await?;
        Ok(())
    }

    async fn expect_rights(&mut self) -> Result<(), Failed> {
        let sql = "-- expect_rights
            SELECT count(*) AS barred FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
                AND relname <> '_sqlx_migrations'
                AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                    AND (relname NOT IN ('messages', 'cases', 'deliveries', 'counters', 'leases')
                        OR has_table_privilege(oid, 'UPDATE')))";
        let row = sqlx::query(sql).fetch_one(self.connection()).await?;
        if row.try_get::<i64, _>("barred")? == 0 {
            return Ok(());
        }
        let text = "the database user has no right to write some of the tables; grant it SELECT, \
                    INSERT, UPDATE and DELETE on all of them";
        Err(Failed::Sql(Error::Configuration(text.into())))
    }

    async fn commit(mut self) -> Result<(), Error> {
        if self.inside {
            self.connection().execute("COMMIT").await?;
        }
        self.held.give_back();
        Ok(())
    }

    async fn abandon(mut self) {
        // The connection itself may have failed, so it is tested before the next user gets it.
        let is_alive = if self.inside {
            self.connection().execute("ROLLBACK").await.is_ok()
        } else {
            self.connection().ping().await.is_ok()
        };
        if is_alive {
            self.held.give_back();
        }
    }
}

type Bound = Query<'static, Postgres, PgArguments>;

fn bound(sql: String, values: Vec<Value>) -> Bound {
    bind(sqlx::query(AssertSqlSafe(sql)), values)
}

fn bind(mut query: Bound, values: Vec<Value>) -> Bound {
    for value in values {
        query = match value {
            Value::Id(id) => query.bind(id),
            Value::Int(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(&bytes[..]),
            Value::Flag(flag) => query.bind(flag),
        };
    }
    query
}

/// Begins a transaction and locks names in one round trip. All transactions lock in the same order,
/// so they cannot deadlock.
fn begin_and_lock(mut names: Vec<i64>) -> String {
    names.sort_unstable();
    names.dedup();
    let mut text = "BEGIN".to_owned();
    for names in names.chunks(LOCKS_TOGETHER) {
        let locks: Vec<String> =
            names.iter().map(|name| format!("pg_advisory_xact_lock({name})")).collect();
        let _infallible = write!(text, "; SELECT {}", locks.join(", "));
    }
    text
}

/// Binds a list as one array per column.
fn bound_list(sql: &str, given: Given, values: Vec<Value>) -> Bound {
    let table = format!("WITH {}", table_of("given", 1, &given));
    let query = sqlx::query(AssertSqlSafe(with_given(sql, &table)));
    bind(bind_columns(query, given), values)
}

/// Joins several statements into one: each of the parts writes in a `WITH` clause, and `last` is
/// the main statement. All of them see the rows as they were before.
fn bound_together(parts: Vec<Part>, last: Part) -> Bound {
    let mut text = String::from("-- together\nWITH ");
    let mut place = 1;
    let mut lists = Vec::with_capacity(parts.len() + 1);
    for (number, part) in parts.into_iter().enumerate() {
        let name = format!("given_{number}");
        text.push_str(&table_of(&name, place, &part.given));
        let _infallible = write!(text, ", part_{number} AS (\n{}\n), ", renamed(part.sql, &name));
        place += part.given.columns.len();
        lists.push(part.given);
    }
    text.push_str(&table_of("given_last", place, &last.given));
    text.push('\n');
    text.push_str(&renamed(last.sql, "given_last"));
    lists.push(last.given);
    lists.into_iter().fold(sqlx::query(AssertSqlSafe(text)), bind_columns)
}

/// Renames the list `given` in a statement, so that several lists fit into one statement.
fn renamed(sql: &str, name: &str) -> String {
    sql.replace("given.", &format!("{name}.")).replace("FROM given", &format!("FROM {name}"))
}

/// SQL that turns the list into a table. Its arrays are the parameters from `$first` on.
fn table_of(name: &str, first: usize, given: &Given) -> String {
    let names: Vec<&str> = given.columns.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<String> = given
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, its))| format!("${}::{}[]", first + at, type_name(*its)))
        .collect();
    format!("{name} ({}) AS (SELECT * FROM unnest({}))", names.join(", "), arrays.join(", "))
}

fn bind_columns(mut query: Bound, given: Given) -> Bound {
    let mut rows = given.rows;
    for (at, (_, its)) in given.columns.iter().enumerate() {
        let column = rows.iter_mut().map(|row| std::mem::replace(&mut row[at], Value::Flag(false)));
        query = match its {
            Type::Id => query.bind(column.map(id).collect::<Vec<_>>()),
            Type::Int => query.bind(column.map(int).collect::<Vec<_>>()),
            Type::Text => query.bind(column.map(text).collect::<Vec<_>>()),
            Type::Bytes => {
                let column: Vec<Bytes> = column.map(bytes).collect();
                query.bind(column.iter().map(|bytes| &bytes[..]).collect::<Vec<_>>())
            }
            Type::Flag => query.bind(column.map(flag).collect::<Vec<_>>()),
        };
    }
    query
}

const fn type_name(its: Type) -> &'static str {
    match its {
        Type::Id => "uuid",
        Type::Int => "bigint",
        Type::Text => "text",
        Type::Bytes => "bytea",
        Type::Flag => "boolean",
    }
}

macro_rules! taken {
    ($($name:ident: $variant:ident => $type:ty;)*) => {
        $(fn $name(value: Value) -> $type {
            match value {
                Value::$variant(value) => value,
                _ => unreachable!("`given` is filled in the order of its columns"),
            }
        })*
    };
}

taken! {
    id: Id => Option<uuid::Uuid>;
    int: Int => Option<i64>;
    text: Text => Option<String>;
    bytes: Bytes => Bytes;
    flag: Flag => bool;
}

fn code(error: &Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}
