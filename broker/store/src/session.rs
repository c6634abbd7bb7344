//! A session with a database, and the few places in which the two databases differ.
//!
//! ```text
//!   shared SQL + values ──Session──▶ PostgreSQL: lists are bound as arrays, one round trip
//!                                └─▶ SQLite: lists are bound as rows of VALUES, no round trips
//! ```
//!
//! Every SQL text in this crate is written once. Its first line is `-- <rust function>`, which an
//! operator sees in `pg_stat_activity`. A text that works on a list joins the table `given`, which
//! the session puts in front; the parameters `$n` count its columns first. Lines that begin with
//! `FOR UPDATE` lock rows in PostgreSQL; SQLite has only one writer, so they are left out there.
//!
//! Architecture Invariant: nothing in this file knows what a case or a delivery is.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::fields::Fields;

pub(crate) use crate::failed::Failed;

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Id(Option<Uuid>),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Bytes),
    Flag(bool),
}

impl Value {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            Self::Id(_) | Self::Int(_) | Self::Bytes(_) | Self::Flag(_) => None,
        }
    }
}

/// The type of a column of `given`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Id,
    Int,
    Text,
    Bytes,
    Flag,
}

/// A list of rows that a statement works on, as the table `given`.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) columns: &'static [(&'static str, Type)],
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Given {
    /// A list without rows.
    pub(crate) fn new(columns: &'static [(&'static str, Type)]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// A list with the single column `id`.
    pub(crate) fn ids(ids: impl IntoIterator<Item = Uuid>) -> Self {
        let mut given = Self::new(&[("id", Type::Id)]);
        for id in ids {
            given.push(vec![id.into()]);
        }
        given
    }

    /// Adds a row, in the order of the columns.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        assert!(row.len() == self.columns.len(), "a row of `given` fits its columns");
        self.rows.push(row);
    }

    /// Whether the list has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A statement for a list, to be run together with others. Its text has no other parameters.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) sql: &'static str,
    pub(crate) given: Given,
}

impl Part {
    /// Pairs a statement with its list.
    pub(crate) fn new(sql: &'static str, given: Given) -> Self {
        Self { sql, given }
    }
}

/// A session: one transaction, or single statements.
#[async_trait]
pub(crate) trait Session: Send + Sized + 'static {
    /// A row of this database.
    type Row: Fields + Send;

    /// Runs a query.
    async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Self::Row>, Failed>;

    /// Runs a query for a list. `values` are numbered after the columns of the list. An empty list
    /// returns no rows without asking the database.
    async fn rows_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<Vec<Self::Row>, Failed>;

    /// Runs a statement. Returns the number of rows it changed.
    async fn run(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Failed>;

    /// Runs a statement for a list. Returns the number of rows it changed.
    async fn run_for(&mut self, sql: &str, given: Given, values: Vec<Value>)
    -> Result<u64, Failed>;

    /// Keeps all other transactions from booking until this one ends.
    async fn lock_bookings(&mut self) -> Result<(), Failed>;

    /// Whether we may write every table that messages need, also those that no statement of this
    /// transaction touches.
    async fn expect_rights(&mut self) -> Result<(), Failed>;

    /// Runs statements for lists that do not depend on each other and touch different rows: in
    /// PostgreSQL one round trip for all of them.
    async fn run_together(&mut self, parts: Vec<Part>) -> Result<(), Failed>;

    /// Commits. Nothing is written before.
    async fn commit(self) -> Result<(), sqlx::Error>;

    /// Rolls back after a failure. A session that is dropped instead has no effect either, but its
    /// connection may be closed.
    async fn abandon(self) {}
}

/// What a session will do; decides whether it needs a transaction, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Single statements that write nothing.
    Look,
    /// Several statements that write nothing and see one snapshot.
    Snapshot,
    /// One statement that writes and may safely be run twice.
    Statement,
    /// Several statements that write, all or none.
    Change,
    /// Like `Change`, for changes that open cases: locks these names first (see
    /// `lock_names` in `batch.rs`).
    Open(Vec<i64>),
}

/// A database engine.
#[async_trait]
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    /// The session type of this engine.
    type Session: Session;
    /// Its name, as people read it.
    const NAME: &'static str;
    /// Whether it is a server, with a clock that may be another machine's.
    const HAS_CLOCK: bool;

    /// Begins a session.
    async fn begin(&self, purpose: Purpose) -> Result<Self::Session, sqlx::Error>;

    /// How long a transaction may take before it is abandoned; `None` where it cannot
    /// be abandoned safely.
    fn answers_within() -> Option<Duration>;

    /// Called when a transaction took longer than that.
    fn fell_silent(&self);

    /// Whether the same transaction may succeed if it runs again from the start, because it lost a
    /// race or its connection. Never called after the commit was sent.
    fn may_work_again(error: &sqlx::Error) -> bool;

    /// Whether the error means that the database did not answer, and not that it refused.
    fn is_silence(error: &sqlx::Error) -> bool;

    /// The encoding in which it keeps texts, if that is one that cannot hold every character.
    async fn foreign_encoding(&self) -> Result<Option<String>, sqlx::Error>;

    /// Applies missing migrations. Returns the names of those that were missing.
    async fn migrate(&self) -> Result<Vec<String>, sqlx::migrate::MigrateError>;

    /// Versions of the applied migrations; empty if the database has no tables.
    async fn applied(&self) -> Result<Vec<i64>, sqlx::Error>;

    /// Waits for connections in use and closes all.
    async fn close(&self);
}

/// Puts the list into a statement: its comment line, the table `given`, the rest.
pub(crate) fn with_given(sql: &str, given: &str) -> String {
    let (name, rest) = sql.split_once('\n').unwrap_or(("", sql));
    format!("{name}\n{given}\n{rest}")
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(crate::session::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self { $made }
        })*
    };
}

from! {
    Uuid => |id| Self::Id(Some(id));
    Option<Uuid> => |id| Self::Id(id);
    i64 => |number| Self::Int(Some(number));
    Option<i64> => |number| Self::Int(number);
    u32 => |number| Self::Int(Some(i64::from(number)));
    u16 => |number| Self::Int(Some(i64::from(number)));
    Timestamp => |at| Self::Int(Some(at.as_microsecond()));
    Option<Timestamp> => |at| Self::Int(at.map(Timestamp::as_microsecond));
    &str => |text| Self::Text(Some(text.to_owned()));
    String => |text| Self::Text(Some(text));
    Option<String> => |text| Self::Text(text);
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    Vec<u8> => |bytes| Self::Bytes(bytes.into());
    Bytes => |bytes| Self::Bytes(bytes);
    bool => |flag| Self::Flag(flag);
}

impl From<&tierlink_schemas::OrganisationCode> for Value {
    fn from(code: &tierlink_schemas::OrganisationCode) -> Self {
        Self::from(code.as_str())
    }
}

impl From<Option<&tierlink_schemas::OrganisationCode>> for Value {
    fn from(code: Option<&tierlink_schemas::OrganisationCode>) -> Self {
        Self::from(code.map(tierlink_schemas::OrganisationCode::as_str))
    }
}
