//! Runs a whole county on this machine, without any server or network.
//!
//! ```text
//!   ops/examples ─▶ broker (embedded) ◀─sockets─▶ six simulated hospitals
//!                        │                               │
//!                     deliveries ───── compared ──────── arrivals ─▶ table, exit code
//! ```
//!
//! The broker is the real one, started by [`crate::app`], with an SQLite file in a temporary
//! folder. The hospitals ([`tierlink_simulator`]) share no code with it: they write and read their
//! formats by themselves. The flows ([`flows`]) are data. At the end, the broker's record and the
//! hospitals' are compared ([`tierlink_simulator::ledger`]).
//!
//! Tests use these parts too, with hospitals that misbehave on request.

pub mod actor;
pub mod cast;
pub mod county;
pub mod flows;
pub mod play;
pub mod progress;
pub mod story;
pub mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow};
use tierlink_schemas::OrganisationCode;
use tierlink_simulator::Broker;
use tracing_subscriber::EnvFilter;

use self::actor::Actor;
use self::cast::Org;
use self::county::Folder;
use self::play::Play;
use self::progress::Board;
use self::table::Table;
use crate::app::{self, App};
use crate::cli::print;
use crate::tokens::Wanted;

/// Options of the demo.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Options {
    /// Stop after the table instead of serving on until Ctrl-C
    #[arg(long)]
    pub exit: bool,
    /// Print the table as JSON
    #[arg(long)]
    pub json: bool,
}

/// A running county: the broker and its hospitals.
pub struct Stage {
    /// The broker, running in this process.
    pub app: App,
    /// The hospitals, by organisation.
    pub actors: BTreeMap<Org, Arc<Actor>>,
    folder: Folder,
}

impl Stage {
    /// Starts the hospitals and the broker, and connects them.
    pub async fn set() -> anyhow::Result<Self> {
        // HTTP clients need a crypto provider even without TLS. An installed one is kept.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let folder = Folder::new()?;
        let actors = county::open_hospitals().await?;
        let config = county::config(&folder, &actors)?;
        let app = App::start(config, app::Options { migrate: true }).await?;
        let stage = Self { app, actors, folder };
        stage.introduce().await?;
        Ok(stage)
    }

    async fn introduce(&self) -> anyhow::Result<()> {
        let http = self.app.http_address().ok_or_else(|| anyhow!("HTTP is not served"))?;
        for (org, actor) in &self.actors {
            let token = self.create_token(org.code(), Some(org.organisation())).await?;
            let listener = county::listener_of(*org);
            let mllp = self.app.mllp_address(listener);
            let mllp = mllp.ok_or_else(|| anyhow!("the listener `{listener}` is not served"))?;
            actor
                .meet(Broker {
                    mllp: mllp.to_string(),
                    http: format!("http://{http}"),
                    token: Some(token),
                })
                .await?;
        }
        self.read_tokens().await
    }

    async fn create_token(
        &self,
        name: &str,
        organisation: Option<OrganisationCode>,
    ) -> anyhow::Result<String> {
        let (person, why) = play::operator("for the demo")?;
        let made =
            self.app.desk().create_token(Wanted::of(name, organisation), &person, &why).await;
        made.context("a token cannot be stored")
    }

    /// Reads the tokens now, instead of waiting for the next regular reading.
    async fn read_tokens(&self) -> anyhow::Result<()> {
        self.app.tokens().read().await.context("the tokens cannot be read")
    }

    /// A token for an operator, to look around with.
    async fn operator_token(&self) -> anyhow::Result<String> {
        let token = self.create_token("demo-operator", None).await?;
        self.read_tokens().await?;
        Ok(token)
    }

    /// Stops the broker, then the hospitals, and removes the folder.
    pub async fn clear(self) {
        self.app.stop().await;
        for actor in self.actors.values() {
            actor.down().await;
        }
        drop(self.folder);
    }
}

/// Runs the demo. Exit code 1 if a message was lost, doubled or reordered, or a flow did not
/// end as planned.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    log();
    let stage = Stage::set().await?;
    let begun = Instant::now();
    let play = Play::new(stage.actors.clone(), &stage.app, Board::new());
    let stuck = tokio::select! {
        stuck = play.run() => stuck,
        _interrupted = tokio::signal::ctrl_c() => {
            stage.clear().await;
            return Ok(ExitCode::FAILURE);
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let table = Table::collect(&play, &stage.actors, stuck, seconds).await;
    if options.json {
        print::json(&table.json());
    } else {
        table.print();
    }
    if !options.exit {
        serve_on(&stage).await?;
    }
    stage.clear().await;
    Ok(if table.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Keeps the county running until Ctrl-C, and prints where to look.
async fn serve_on(stage: &Stage) -> anyhow::Result<()> {
    let token = stage.operator_token().await?;
    if let Some(http) = stage.app.http_address() {
        print::error("");
        print::error("仍在服务,Ctrl-C 结束 / still serving until Ctrl-C:");
        print::error(&format!(
            "  curl -H 'Authorization: Bearer {token}' http://{http}/api/v1/cases"
        ));
        print::error(&format!("  curl http://{http}/openapi.json"));
        print::error(&format!("  curl http://{http}/metrics"));
    }
    tokio::signal::ctrl_c().await.context("Ctrl-C cannot be waited for")
}

/// Turns the log off unless `RUST_LOG` asks for it, because it would disturb the progress lines.
fn log() {
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).finish();
        // A second demo in one process keeps the log of the first.
        let _set_already = tracing::subscriber::set_global_default(subscriber);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_whole_county_plays_as_told() {
        let stage = Stage::set().await.unwrap();
        let play = Play::new(stage.actors.clone(), &stage.app, Board::silent());

        let stuck = play.run().await;

        let table = Table::collect(&play, &stage.actors, stuck, 0.0).await;
        let told = table.json();
        assert!(table.is_clean(), "{told:#}");
        assert!(told["retries"].as_u64() > Some(0), "{told:#}");
        assert_eq!(told["replayed"], 1);
        assert!(told["repeats"].as_u64() > Some(0), "{told:#}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hospital_that_never_comes_back_stops_its_flows_and_no_others() {
        let stage = Stage::set().await.unwrap();
        stage.actors[&Org::City].down().await;
        let play = Play::new(stage.actors.clone(), &stage.app, Board::silent())
            .impatient(Duration::from_secs(8));

        let stuck = play.run().await;

        let flows: Vec<&str> = stuck.iter().map(|stuck| stuck.flow).collect();
        assert_eq!(flows, ["out-of-county", "consultation"]);
        let table = Table::collect(&play, &stage.actors, stuck, 0.0).await;
        assert!(!table.is_clean());
        let complaints = table.json()["complaints"].to_string();
        assert!(complaints.contains("市医院 ← referral.submit"), "{complaints}");
        assert!(complaints.contains("→ 330100001: E030"), "{complaints}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hospital_that_forgets_what_it_took_is_noticed() {
        let stage = Stage::set().await.unwrap();
        let play = Play::new(stage.actors.clone(), &stage.app, Board::silent());
        let stuck = play.run().await;
        let forgetful = county::open(Org::City).await.unwrap();
        let mut actors = stage.actors.clone();
        actors.insert(Org::City, Arc::new(forgetful));

        let table = Table::collect(&play, &actors, stuck, 0.0).await;

        assert!(!table.is_clean());
        assert!(table.json()["lost"].as_u64() > Some(0));
        stage.clear().await;
    }
}
