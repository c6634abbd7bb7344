//! One conversation with a database, and the few places in which the two databases differ.
//!
//! ```text
//!   shared SQL + values ──Session──▶ PostgreSQL: lists travel as arrays, one round trip
//!                                └─▶ SQLite: lists travel as rows of VALUES, there is no trip
//! ```
//!
//! Every SQL text in this crate is written once. Its first line is `-- <rust function>`, which is
//! what an operator sees in `pg_stat_activity`. A text that works on a list joins the table
//! `given`, which the session puts in front; `$n` counts its columns first. Lines that begin with
//! `FOR UPDATE` lock rows in PostgreSQL; SQLite has one writer and leaves them out.
//!
//! Architecture Invariant: nothing in here knows what a case or a delivery is.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::fields::Fields;

pub(crate) use crate::failed::Failed;

/// A value on its way into a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Id(Option<Uuid>),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Bytes),
    Flag(bool),
}

impl Value {
    /// What it holds, if it is a text.
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

/// A list of rows that a statement works on: the table `given`.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) columns: &'static [(&'static str, Type)],
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Given {
    /// No rows yet.
    pub(crate) fn new(columns: &'static [(&'static str, Type)]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// One column of ids.
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

    /// Whether there is nothing to work on.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A statement for a list, to be run together with others. Its text has no values of its own.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) sql: &'static str,
    pub(crate) given: Given,
}

impl Part {
    /// A part.
    pub(crate) fn new(sql: &'static str, given: Given) -> Self {
        Self { sql, given }
    }
}

/// One conversation: a transaction, or single statements.
#[async_trait]
pub(crate) trait Session: Send + Sized + 'static {
    /// What it gives back.
    type Row: Fields + Send;

    /// Runs a query.
    async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Self::Row>, Failed>;

    /// Runs a query for a list. `values` come after the columns of the list. Nothing given, nothing
    /// asked.
    async fn rows_for(
        &mut self,
        sql: &str,
        given: Given,
        values: Vec<Value>,
    ) -> Result<Vec<Self::Row>, Failed>;

    /// Runs a statement. Returns how many rows it touched.
    async fn run(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Failed>;

    /// Runs a statement for a list.
    async fn run_for(&mut self, sql: &str, given: Given, values: Vec<Value>)
    -> Result<u64, Failed>;

    /// Lets nobody else take bookings until the transaction ends.
    async fn lock_bookings(&mut self) -> Result<(), Failed>;

    /// Whether we may write every table that messages need, also those that no statement of this
    /// transaction touches.
    async fn expect_rights(&mut self) -> Result<(), Failed>;

    /// Runs statements for lists that do not depend on each other and touch different rows: in
    /// PostgreSQL one round trip for all of them.
    async fn run_together(&mut self, parts: Vec<Part>) -> Result<(), Failed>;

    /// Ends it well. Only now is anything written.
    async fn commit(self) -> Result<(), sqlx::Error>;

    /// Ends it without effect, after a failure. A session that is dropped instead has no effect
    /// either, but may take its connection along.
    async fn abandon(self) {}
}

/// What a conversation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Single statements that write nothing.
    Look,
    /// Several statements that see the same moment and write nothing.
    Snapshot,
    /// One statement that changes something and may be run twice.
    Statement,
    /// Changes, together or not at all.
    Change,
    /// Changes that open cases. Nobody else opens one under these names until they are done.
    Open(Vec<i64>),
}

/// A database.
#[async_trait]
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    /// Its conversations.
    type Session: Session;
    /// Its name, for people.
    const NAME: &'static str;
    /// Whether it is a server, with a clock that may be another machine's.
    const HAS_CLOCK: bool;

    /// Begins a conversation.
    async fn begin(&self, purpose: Purpose) -> Result<Self::Session, sqlx::Error>;

    /// How long a transaction may take, where one that takes longer can be dropped unharmed.
    fn answers_within() -> Option<Duration>;

    /// A transaction took longer than that.
    fn fell_silent(&self);

    /// Whether the same transaction, run again from the start, may go through: it lost a race or
    /// its connection. Never asked after the commit was sent.
    fn may_work_again(error: &sqlx::Error) -> bool;

    /// Whether the database did not answer, as opposed to answering no.
    fn is_silence(error: &sqlx::Error) -> bool;

    /// The encoding in which it keeps texts, if that is one that cannot hold every character.
    async fn foreign_encoding(&self) -> Result<Option<String>, sqlx::Error>;

    /// Applies missing migrations. Returns the names of those that were missing.
    async fn migrate(&self) -> Result<Vec<String>, sqlx::migrate::MigrateError>;

    /// The versions of the migrations that were applied; none if there are no tables at all.
    async fn applied(&self) -> Result<Vec<i64>, sqlx::Error>;

    /// Closes connections after what is in hand.
    async fn close(&self);
}

/// The text of a statement for a list: its comment line, `given`, the rest.
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
