//! PostgreSQL: the store of a county or prefecture.
//!
//! Connections tell the server what we stand for: no statement and no idle transaction outlives
//! its limit, whatever becomes of this process. A connection that lay idle is tried before it is
//! trusted, so that a restarted server costs a moment and not a refused message.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection, PgPool, Postgres, Row, Transaction};

use crate::migrations;
use crate::session::{Engine, Failed, Given, Purpose, Session, Type, Value, with_given};

/// No statement of ours runs longer, migrations apart.
const STATEMENT_TIMEOUT: &str = "30s";
/// Another process that stands still inside a transaction holds its locks this long at most.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5s";
/// Longest wait for a lock; afterwards the sender hears "not stored" and sends again.
const LOCK_TIMEOUT: &str = "5s";
/// A migration waits longer: another process may be migrating.
const MIGRATION_LOCK_TIMEOUT: &str = "60s";
/// Longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that lay idle for longer is tried before use.
const TRUSTED_FOR: Duration = Duration::from_millis(250);
/// Cached statements per connection: more than this crate has.
const STATEMENTS_MAX: usize = 200;

/// A pool of connections.
#[derive(Clone)]
pub(crate) struct PostgresEngine {
    pool: PgPool,
}

impl PostgresEngine {
    /// Prepares connections; none is made before it is needed.
    pub(crate) fn new(url: &str, connections: u32) -> Result<Self, Error> {
        let options = url
            .parse::<PgConnectOptions>()?
            .application_name("tierlink")
            .statement_cache_capacity(STATEMENTS_MAX)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
                ("lock_timeout", LOCK_TIMEOUT),
                // A verdict is a promise, whatever the server's default is.
                ("synchronous_commit", "on"),
                ("default_transaction_isolation", "read committed"),
                // Lists read a page; to start more processes for it takes longer than the page.
                ("max_parallel_workers_per_gather", "0"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    Ok(meta.idle_for < TRUSTED_FOR || connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }
}

/// A connection, inside a transaction or not.
pub(crate) enum PostgresSession {
    Plain(PoolConnection<Postgres>),
    Inside(Transaction<'static, Postgres>),
}

impl PostgresSession {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Plain(connection) => connection,
            Self::Inside(transaction) => transaction,
        }
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    type Session = PostgresSession;
    const NAME: &'static str = "postgres";

    async fn begin(&self, purpose: Purpose) -> Result<PostgresSession, Error> {
        Ok(match purpose {
            Purpose::Look => PostgresSession::Plain(self.pool.acquire().await?),
            Purpose::Snapshot => PostgresSession::Inside(
                self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
            Purpose::Change => PostgresSession::Inside(self.pool.begin().await?),
        })
    }

    fn may_work_again(error: &Error) -> bool {
        match code(error).as_deref() {
            // Lost a race: serialization, deadlock, unique, exclusion. Or the server went down or
            // threw us out, before the commit.
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

    async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        // A connection of its own, because building an index may take longer than a statement may.
        let options = (*self.pool.connect_options())
            .clone()
            .options([("statement_timeout", "0"), ("lock_timeout", MIGRATION_LOCK_TIMEOUT)]);
        let alone = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        let before = applied(&mut *alone.acquire().await?).await?;
        migrations::postgres().run(&alone).await?;
        alone.close().await;
        Ok(migrations::missing(&before))
    }

    async fn applied(&self) -> Result<Vec<i64>, Error> {
        applied(&mut *self.pool.acquire().await?).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
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

    async fn lock_names(&mut self, mut names: Vec<i64>) -> Result<(), Failed> {
        // Everybody takes them in the same order, so nobody waits in a circle.
        names.sort_unstable();
        names.dedup();
        let mut given = Given::new(&[("name", Type::Int)]);
        for name in names {
            given.push(vec![name.into()]);
        }
        self.rows_for(
            "-- lock_names\nSELECT pg_advisory_xact_lock(name) FROM given",
            given,
            vec![],
        )
        .await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Inside(transaction) => transaction.commit().await,
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
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Flag(flag) => query.bind(flag),
        };
    }
    query
}

/// A list travels as one array per column.
fn bound_list(sql: &str, given: Given, values: Vec<Value>) -> Bound {
    let names: Vec<&str> = given.columns.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<String> = given
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, its))| format!("${}::{}[]", at + 1, type_name(*its)))
        .collect();
    let table = format!(
        "WITH given ({}) AS (SELECT * FROM unnest({}))",
        names.join(", "),
        arrays.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(with_given(sql, &table)));
    let mut rows = given.rows;
    for (at, (_, its)) in given.columns.iter().enumerate() {
        let column = rows.iter_mut().map(|row| std::mem::replace(&mut row[at], Value::Flag(false)));
        query = match its {
            Type::Id => query.bind(column.map(id).collect::<Vec<_>>()),
            Type::Int => query.bind(column.map(int).collect::<Vec<_>>()),
            Type::Text => query.bind(column.map(text).collect::<Vec<_>>()),
            Type::Bytes => query.bind(column.map(bytes).collect::<Vec<_>>()),
            Type::Flag => query.bind(column.map(flag).collect::<Vec<_>>()),
        };
    }
    bind(query, values)
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
    bytes: Bytes => Vec<u8>;
    flag: Flag => bool;
}

fn code(error: &Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}
