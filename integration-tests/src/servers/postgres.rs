//! A PostgreSQL server of one's own, which may be stopped, killed and started again.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::folder::Folder;

// Copying the template is quick, but a crash recovery or a checkpoint may stand in front of it.
const CREATE_WITHIN: Duration = Duration::from_mins(1);

/// A private PostgreSQL server with production's promises: it syncs before it confirms.
#[derive(Debug)]
pub struct Postgres {
    folder: Folder,
    url: String,
}

impl Postgres {
    /// Starts a new, empty server.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a new, empty server with these settings, each as `name = value`.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        Self::start_in(Folder::new().await?, settings).await
    }

    /// Starts a new, empty server whose files lie on a disk of its own with so many MiB. `None`
    /// where nobody may mount one.
    pub async fn start_on_disk(mib: u32, settings: &[&str]) -> Result<Option<Self>> {
        let folder = Folder::new().await?;
        if folder.call("make_disk", &["postgres", &mib.to_string()]).await.is_err() {
            return Ok(None);
        }
        Self::start_in(folder, settings).await.map(Some)
    }

    async fn start_in(folder: Folder, settings: &[&str]) -> Result<Self> {
        folder.call("start_postgres", settings).await?;
        let url = folder.call("read_postgres_url", &[]).await?;
        Ok(Self { folder, url })
    }

    /// Starts a standby that follows this server, which confirms nothing from now on that the
    /// standby has not written.
    pub async fn start_standby(&self) -> Result<Self> {
        let folder = Folder::new().await?;
        let primary = self.folder.path().to_str().context("the folder's path is not text")?;
        folder.call("start_postgres_standby", &[primary]).await?;
        let url = folder.call("read_postgres_url", &[]).await?;
        Ok(Self { folder, url })
    }

    /// Makes a server of its own of a standby whose primary is gone.
    pub async fn promote(&self) -> Result<()> {
        self.folder.call("promote_postgres", &[]).await?;
        Ok(())
    }

    /// The folder that holds the server's files, and is its disk if it has one of its own.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("postgres")
    }

    /// The address of its database `postgres`. Stays the same over restarts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database and returns its address.
    pub async fn fresh_database(&self) -> Result<String> {
        fresh_database(&self.url).await
    }

    /// Stops the server if it runs, as an administrator would, and starts it with the same data.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.folder.call("start_postgres", &[]).await?;
        Ok(())
    }

    /// Ends the server as a power cut would. [`restart`](Self::restart) brings it back.
    pub async fn kill_immediately(&self) -> Result<()> {
        self.folder.call("kill_postgres", &[]).await?;
        Ok(())
    }

    /// Stops the server and keeps its data. [`restart`](Self::restart) brings it back.
    pub async fn stop(&self) -> Result<()> {
        self.folder.call("stop_postgres", &[]).await?;
        Ok(())
    }

    /// What the server wrote into its log.
    pub fn logs(&self) -> Result<String> {
        let path = self.folder.path().join("logs/postgres.log");
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    }
}

/// Creates an empty database on the server at `url`, and returns the address of the new database.
pub async fn fresh_database(url: &str) -> Result<String> {
    let name = format!("tierlink_test_{}", Uuid::now_v7().simple());
    let create = async {
        let mut connection = PgConnection::connect(url).await?;
        // The name is ours, letters and digits only, and cannot be sent as a parameter.
        let statement = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        sqlx::query(statement).execute(&mut connection).await?;
        connection.close().await
    };
    tokio::time::timeout(CREATE_WITHIN, create)
        .await
        .context("PostgreSQL did not answer in time")?
        .context("could not create a database for the test")?;
    Ok(with_database(url, &name))
}

/// `url` with another database name, and with its parameters kept.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let server_begins = address.find("://").map_or(0, |at| at + "://".len());
    let server_ends =
        address[server_begins..].find('/').map_or(address.len(), |at| server_begins + at);
    format!("{}/{name}{parameters}", &address[..server_ends])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_of_an_address_is_exchanged_and_its_parameters_stay() {
        let exchanged = [
            "postgres://a@h:1/old",
            "postgres://a@h:1",
            "postgres://a@h:1/",
            "postgres://a@h:1/old?sslmode=disable",
        ]
        .map(|url| with_database(url, "new"));

        assert_eq!(
            exchanged,
            [
                "postgres://a@h:1/new",
                "postgres://a@h:1/new",
                "postgres://a@h:1/new",
                "postgres://a@h:1/new?sslmode=disable",
            ]
        );
    }
}
