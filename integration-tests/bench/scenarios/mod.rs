//! The scenarios, and what they share: servers, sizes, the store with a million closed cases.

mod codecs;
mod embedded;
mod end_to_end;
mod growth;
mod intake;
mod outage;
mod start;
mod steady;

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::servers::{
    RabbitNode, fresh_database, shared_postgres, shared_rabbit,
};

use self::growth::Filled;
use crate::sizes::Sizes;
use crate::table::Figure;
use crate::town::Ground;

/// Connections of most loads: a county that sends all at once.
const CONNECTIONS: usize = 64;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Messages that arrive.
    Intake,
    /// Taking and delivering them.
    EndToEnd,
    /// A fixed rate.
    Steady,
    /// One organisation is silent.
    Outage,
    /// A million closed cases.
    Growth,
    /// SQLite and the in-process bus.
    Embedded,
    /// From the start of the process to ready.
    Start,
    /// Formats, one core.
    Codecs,
}

impl Scenario {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Intake,
        Self::EndToEnd,
        Self::Steady,
        Self::Outage,
        Self::Growth,
        Self::Embedded,
        Self::Start,
        Self::Codecs,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::EndToEnd => "end-to-end",
            Self::Steady => "steady",
            Self::Outage => "outage",
            Self::Growth => "growth",
            Self::Embedded => "embedded",
            Self::Start => "start",
            Self::Codecs => "codecs",
        }
    }

    /// Reads a name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

/// What stays from one scenario to the next.
pub struct Bench {
    sizes: Sizes,
    filled: Option<Filled>,
}

impl Bench {
    /// Nothing is started yet.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, filled: None }
    }

    /// Measures one scenario once.
    pub async fn measure(&mut self, scenario: Scenario) -> Result<Vec<Figure>> {
        match scenario {
            Scenario::Intake => intake::measure(self.sizes).await,
            Scenario::EndToEnd => end_to_end::measure(self.sizes).await,
            Scenario::Steady => steady::measure(self.sizes).await,
            Scenario::Outage => outage::measure(self.sizes).await,
            Scenario::Growth => {
                let sizes = self.sizes;
                growth::measure(sizes, self.filled().await?).await
            }
            Scenario::Embedded => embedded::measure(self.sizes).await,
            Scenario::Start => {
                let sizes = self.sizes;
                start::measure(sizes, self.filled().await?).await
            }
            Scenario::Codecs => codecs::measure(self.sizes),
        }
    }

    /// The store with closed cases; it is filled when it is first needed.
    async fn filled(&mut self) -> Result<&Filled> {
        if self.filled.is_none() {
            self.filled = Some(Filled::new(self.sizes.cases).await?);
        }
        Ok(self.filled.get_or_insert_with(|| unreachable!("it was filled just now")))
    }
}

/// An empty database and an empty virtual host.
async fn fresh_ground() -> Result<Ground> {
    let store = fresh_database(&shared_postgres().await?).await?;
    Ok(Ground::Production { store, bus: rabbit().await?.fresh_vhost().await? })
}

async fn rabbit() -> Result<RabbitNode> {
    shared_rabbit().await
}

/// An empty database for a floor.
async fn floor_database() -> Result<String> {
    fresh_database(&shared_postgres().await?).await
}

/// Has PostgreSQL write down what it holds back, so that every measurement begins alike.
async fn settle_disk() -> Result<()> {
    let mut db = PgConnection::connect(&shared_postgres().await?).await?;
    sqlx::query("CHECKPOINT").execute(&mut db).await?;
    db.close().await?;
    Ok(())
}

/// Drops a database that is not needed any more: a disk that fills up measures nothing.
async fn drop_database(url: &str) -> Result<()> {
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
async fn clear(ground: &Ground) -> Result<()> {
    if let Ground::Production { store, bus } = ground {
        drop_database(store).await?;
        drop_vhost(bus).await?;
    }
    Ok(())
}

/// Drops a virtual host with its queues.
async fn drop_vhost(url: &str) -> Result<()> {
    if let Some((_, name)) = url.rsplit_once('/') {
        rabbit().await?.administer(&["delete_vhost", name]).await?;
    }
    Ok(())
}
