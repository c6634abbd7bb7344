//! One row per message, raw and canonical, in PostgreSQL: group commit with two committers, one
//! statement per batch, no compression.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Line, Waiting, clients, next_batch};
use crate::load::Sent;
use crate::town::Rows;

/// Two beat one and four.
const COMMITTERS: usize = 2;
/// More than any scenario has clients.
const WAITING_MAX: usize = 1_024;

/// The committers, and the way to them.
pub struct Committers {
    /// The way to them.
    pub offers: mpsc::Sender<Waiting>,
    tasks: JoinSet<Result<()>>,
}

impl Committers {
    /// Makes the table anew and starts them.
    pub async fn start(url: &str, rows: &Rows) -> Result<Self> {
        let mut db = PgConnection::connect(url).await?;
        for statement in [
            "DROP TABLE IF EXISTS floor",
            "CREATE TABLE floor (id uuid PRIMARY KEY, raw bytea NOT NULL, canonical bytea NOT NULL)",
            "ALTER TABLE floor ALTER COLUMN raw SET STORAGE EXTERNAL",
            "ALTER TABLE floor ALTER COLUMN canonical SET STORAGE EXTERNAL",
        ] {
            sqlx::query(statement).execute(&mut db).await?;
        }
        let (offers, waiting) = mpsc::channel(WAITING_MAX);
        let line: Line = Arc::new(Mutex::new(waiting));
        let mut tasks = JoinSet::new();
        for _ in 0..COMMITTERS {
            let db = PgConnection::connect(url).await?;
            tasks.spawn(commit_all(db, Arc::clone(&line), rows.clone()));
        }
        Ok(Self { offers, tasks })
    }

    /// Ends them once the way to them is closed.
    pub async fn finish(self) -> Result<()> {
        let Self { offers, mut tasks } = self;
        drop(offers);
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

async fn commit_all(mut db: PgConnection, line: Line, rows: Rows) -> Result<()> {
    const SQL: &str = "INSERT INTO floor (id, raw, canonical) \
         SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[])";
    loop {
        let batch = next_batch(&line).await;
        if batch.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = batch.iter().map(|_| Uuid::now_v7()).collect();
        let raw = vec![rows.raw.as_slice(); batch.len()];
        let canonical = vec![rows.canonical.as_slice(); batch.len()];
        // One statement is one transaction.
        sqlx::query(SQL).bind(ids).bind(raw).bind(canonical).execute(&mut db).await?;
        for waiting in batch {
            let _gone = waiting.send(());
        }
    }
}

/// Commits at full speed.
pub async fn at_full_speed(
    url: &str,
    rows: &Rows,
    connections: usize,
    lasts: Duration,
) -> Result<Sent> {
    let committers = Committers::start(url, rows).await?;
    let sent = clients(committers.offers.clone(), connections, lasts, || ()).await?;
    committers.finish().await?;
    Ok(sent)
}
