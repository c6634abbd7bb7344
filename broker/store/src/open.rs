//! Opening a store by its address.

use std::sync::Arc;

use crate::postgres::PostgresEngine;
use crate::session::Engine;
use crate::sqlite::SqliteEngine;
use crate::transactions::Transactions;
use crate::{Error, Store};

/// The PostgreSQL store.
#[derive(Clone, Copy, Debug)]
pub struct Postgres;

impl Postgres {
    /// Opens the database at `url`, with up to `connections` connections. Fails with
    /// [`Error::NotMigrated`] if its tables are missing or old.
    pub async fn open(url: &str, connections: u32) -> Result<Arc<dyn Store>, Error> {
        checked(Self::engine(url, connections)?).await
    }

    fn engine(url: &str, connections: u32) -> Result<PostgresEngine, Error> {
        PostgresEngine::new(url, connections)
            .map_err(|source| Error::Refused { what: "read the address of the store", source })
    }
}

/// The SQLite store.
#[derive(Clone, Copy, Debug)]
pub struct Sqlite;

impl Sqlite {
    /// Opens the file at `path`. Fails with [`Error::NotMigrated`] if its tables are
    /// missing or old.
    pub async fn open(path: &str) -> Result<Arc<dyn Store>, Error> {
        checked(SqliteEngine::new(path)).await
    }
}

/// Opens a store by its address, `sqlite:PATH` or `postgres://user@host/database`. `connections`
/// counts for PostgreSQL only. Fails with [`Error::NotMigrated`] if the tables are missing or old.
pub async fn open(url: &str, connections: u32) -> Result<Arc<dyn Store>, Error> {
    match sqlite_path(url) {
        Some(path) => Sqlite::open(path).await,
        None => Postgres::open(url, connections).await,
    }
}

/// Opens a store whose tables may be missing or old, to call [`Store::migrate`] on it.
pub fn open_to_migrate(url: &str, connections: u32) -> Result<Arc<dyn Store>, Error> {
    Ok(match sqlite_path(url) {
        Some(path) => Arc::new(Transactions::new(SqliteEngine::new(path))),
        None => Arc::new(Transactions::new(Postgres::engine(url, connections)?)),
    })
}

/// The path of the file if `url` is the address of an SQLite store.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

async fn checked<E: Engine>(engine: E) -> Result<Arc<dyn Store>, Error> {
    let store = Transactions::new(engine);
    store.expect_tables().await?;
    Ok(Arc::new(store))
}
