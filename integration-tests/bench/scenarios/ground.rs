//! What every scenario stands on: empty databases and virtual hosts, and how they are cleared away.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::servers::{
    RabbitNode, fresh_database, shared_postgres, shared_rabbit,
};

use crate::town::Ground;

/// Connections of most loads: a county that sends all at once.
pub const CONNECTIONS: usize = 64;

/// An empty database and an empty virtual host.
pub async fn fresh_ground() -> Result<Ground> {
    let store = fresh_database(&shared_postgres().await?).await?;
    Ok(Ground::Production { store, bus: rabbit().await?.fresh_vhost().await? })
}

/// The RabbitMQ of all scenarios.
pub async fn rabbit() -> Result<RabbitNode> {
    shared_rabbit().await
}

/// An empty database for a floor.
pub async fn floor_database() -> Result<String> {
    fresh_database(&shared_postgres().await?).await
}

/// Has PostgreSQL write down what it holds back, so that every measurement begins alike.
pub async fn settle_disk() -> Result<()> {
    let mut db = PgConnection::connect(&shared_postgres().await?).await?;
    sqlx::query("CHECKPOINT").execute(&mut db).await?;
    db.close().await?;
    Ok(())
}

/// Drops a database that is not needed any more: a disk that fills up measures nothing.
pub async fn drop_database(url: &str) -> Result<()> {
    let Some((_, name)) = url.rsplit_once('/') else { return Ok(()) };
    let mut db = PgConnection::connect(&shared_postgres().await?).await?;
    // The name is ours, letters and digits only, and cannot be sent as a parameter.
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
        .execute(&mut db)
        .await?;
    db.close().await?;
    Ok(())
}

/// The same for the whole ground of a town, its queues included.
pub async fn clear(ground: &Ground) -> Result<()> {
    if let Ground::Production { store, bus } = ground {
        drop_database(store).await?;
        drop_vhost(bus).await?;
    }
    Ok(())
}

/// Drops a virtual host with its queues.
pub async fn drop_vhost(url: &str) -> Result<()> {
    if let Some((_, name)) = url.rsplit_once('/') {
        rabbit().await?.administer(&["delete_vhost", name]).await?;
    }
    Ok(())
}
