//! A further process on the same store and bus: the county's configuration with other ports.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use super::{County, LEAD, QINGSHI};
use crate::servers::{Broker, free_port};

/// The configuration of a further process.
#[derive(Debug)]
pub struct Elsewhere {
    folder: TempDir,
    http: u16,
}

impl County {
    /// The county's configuration once more, with other ports.
    pub fn elsewhere(&self) -> Result<Elsewhere> {
        let folder = TempDir::with_prefix("tierlink-elsewhere.")?;
        for inner in ["profiles", "secrets"] {
            let (from, to) = (self.folder().join(inner), folder.path().join(inner));
            std::fs::create_dir(&to)?;
            for file in std::fs::read_dir(from)? {
                let file = file?;
                std::fs::copy(file.path(), to.join(file.file_name()))?;
            }
        }
        let mut toml = std::fs::read_to_string(self.folder().join("county.toml"))?;
        let http = free_port()?;
        for (old, new) in [
            (self.http_port(), http),
            (self.mllp_port(QINGSHI), free_port()?),
            (self.mllp_port(LEAD), free_port()?),
        ] {
            toml = toml.replace(&format!("127.0.0.1:{old}\""), &format!("127.0.0.1:{new}\""));
        }
        std::fs::write(folder.path().join("county.toml"), toml)?;
        Ok(Elsewhere { folder, http })
    }
}

impl Elsewhere {
    /// Starts a process and waits until it takes messages.
    pub async fn start(&self) -> Result<Broker> {
        self.start_in(&[]).await
    }

    /// The same with further variables in its environment.
    pub async fn start_in(&self, environment: &[(&str, &str)]) -> Result<Broker> {
        let mut broker = Broker::start(self.folder.path(), environment).await?;
        broker.wait_ready(&format!("http://127.0.0.1:{}/readyz", self.http)).await?;
        Ok(broker)
    }

    /// The folder with the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port of HTTP.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.http
    }
}
