//! A fresh store for each test, gone afterwards.

use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use tierlink_store::{Store, open, open_to_migrate};
use uuid::Uuid;

/// Connections of each process that a test plays.
const CONNECTIONS: u32 = 4;

/// Where one test keeps everything.
pub struct Place {
    pub store: Arc<dyn Store>,
    pub url: String,
    server: Option<(String, String)>,
    _folder: Option<TempDir>,
}

impl Place {
    /// The same database, as another process has it.
    pub async fn another(&self) -> Arc<dyn Store> {
        open(&self.url, CONNECTIONS).await.unwrap()
    }

    /// Leaves nothing behind.
    pub async fn clear(self) {
        self.store.close().await;
        if let Some((server, name)) = self.server {
            run(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

pub async fn sqlite() -> Place {
    let place = empty_sqlite();
    place.store.migrate().await.unwrap();
    place
}

pub async fn postgres() -> Place {
    let place = empty_postgres().await;
    place.store.migrate().await.unwrap();
    place
}

/// A database without tables.
pub async fn empty_postgres() -> Place {
    postgres_made_with("ENCODING 'UTF8' TEMPLATE template0").await
}

/// A database without tables that is made with these options.
pub async fn postgres_made_with(options: &str) -> Place {
    let server = server();
    let name = format!("tierlink_store_test_{}", Uuid::now_v7().simple());
    run(&server, &format!("CREATE DATABASE {name} {options}")).await;
    let options: PgConnectOptions = server.parse().unwrap();
    let host = options.get_host();
    let mut url =
        format!("postgres://{}@{host}:{}/{name}", options.get_username(), options.get_port());
    if let Some((_, query)) = server.split_once('?') {
        url = format!("{url}?{query}");
    }
    let store = open_to_migrate(&url, CONNECTIONS).unwrap();
    Place { store, url, server: Some((server, name)), _folder: None }
}

/// A file without tables.
pub fn empty_sqlite() -> Place {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("tierlink.db").display());
    let store = open_to_migrate(&url, CONNECTIONS).unwrap();
    Place { store, url, server: None, _folder: Some(folder) }
}

fn server() -> String {
    let Ok(server) = std::env::var("TIERLINK_TEST_POSTGRES") else {
        panic!(
            "TIERLINK_TEST_POSTGRES is not set: give the address of a PostgreSQL server on which \
             databases may be made, such as postgres://postgres@127.0.0.1:5432/postgres"
        );
    };
    server
}

async fn run(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
