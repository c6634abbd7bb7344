//! Forty organisations, their configuration on disk, the broker in a process of its own, and
//! receivers for everything that it delivers.
//!
//! Every organisation is a county hospital, so referrals go straight from one to the other. Those
//! with an even place speak HL7 v2 and send; the others speak FHIR; all receive.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tierlink_integration_tests::servers::{Broker, free_port, program};
use tierlink_simulator::Speaks;
use tierlink_simulator::county::{CountyFile, CountyFolder, Profile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::letters::Letter;
use crate::load::Route;
use crate::receivers::Receiver;

/// How many organisations there are.
pub const ORGANISATIONS: usize = 40;
/// Longest wait for a process to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How often a starting process is asked.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// A lease that nobody gets while it is renewed.
const FAR_FUTURE_AT: i64 = 4_000_000_000_000_000;
/// How often it is renewed. One that stands still is taken after five seconds.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// What is measured is how fast the broker is, and not how fast it lets one address be.
const SETTINGS: &str = "[log]\nfilter = \"warn\"\n[limits]\nconnections_per_peer_max = 1_024\n\
    per_minute_and_address = 4_000_000_000\nper_minute_and_token = 4_000_000_000\n\
    per_minute_and_organisation = 4_000_000_000\n\
    bytes_per_minute_and_organisation = 1_000_000_000_000\n";

/// Lines of a broker's log that are shown.
const LOG_LINES_MAX: usize = 5;

#[expect(clippy::print_stderr, reason = "what the broker complains of belongs beside its figures")]
fn tell(line: &str) {
    eprintln!("broker: {line}");
}

/// Where a town keeps its memory and sends its messages.
#[derive(Clone, Debug)]
pub enum Ground {
    /// PostgreSQL and RabbitMQ, by their addresses.
    Production {
        /// Address of the database.
        store: String,
        /// The virtual host.
        bus: String,
    },
    /// SQLite and the in-process bus.
    Embedded,
}

/// Who relays what the measured process takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It does so itself.
    Here,
    /// Another process holds the lease, as when roles are split. So taking is measured alone.
    Elsewhere,
}

/// A broker with receivers, for one measurement.
pub struct Town {
    folder: TempDir,
    ground: Ground,
    http: u16,
    mllp: u16,
    /// Receivers, by their index.
    pub receivers: Vec<Receiver>,
    /// What was sent and received.
    pub ledger: Arc<Ledger>,
    broker: Option<Broker>,
    /// Stands for a process that relays, where this one does not.
    elsewhere: JoinSet<()>,
}

/// The code of the organisation at this place.
pub fn code(place: usize) -> String {
    format!("3301993{place:02}")
}

fn speaks(place: usize) -> Speaks {
    if place.is_multiple_of(2) { Speaks::Hl7v2 } else { Speaks::Fhir }
}

/// The relay's lease, in the hands of a process that relays nothing.
struct Lease {
    ground: Ground,
    store: PathBuf,
    holder: Uuid,
}

impl Lease {
    async fn renew(self) {
        for until_at in FAR_FUTURE_AT + 1.. {
            tokio::time::sleep(RENEW_EVERY).await;
            // Once the measurement is over there is no store any more.
            let _gone = self.hold(until_at).await;
        }
    }

    async fn hold(&self, until_at: i64) -> Result<()> {
        const SQLITE: &str = "INSERT INTO leases (name, holder, until_at) VALUES ('relay', ?, ?) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at";
        const POSTGRES: &str = "INSERT INTO leases (name, holder, until_at) \
             VALUES ('relay', $1, $2) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at";
        match &self.ground {
            Ground::Production { store, .. } => {
                let mut db = PgConnection::connect(store).await?;
                sqlx::query(POSTGRES).bind(self.holder).bind(until_at).execute(&mut db).await?;
                db.close().await?;
            }
            Ground::Embedded => {
                let mut db = sqlite(&self.store).await?;
                sqlx::query(SQLITE).bind(self.holder).bind(until_at).execute(&mut db).await?;
                db.close().await?;
            }
        }
        Ok(())
    }
}

async fn sqlite(store: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnection::connect(&format!("sqlite:{}", store.display())).await?)
}

impl Town {
    /// Opens the receivers, writes the configuration and brings the tables up to date.
    pub async fn plan(ground: Ground, relay: Relay) -> Result<Self> {
        let ledger = Arc::new(Ledger::new());
        let mut receivers = Vec::with_capacity(ORGANISATIONS);
        for place in 0..ORGANISATIONS {
            receivers.push(Receiver::open(speaks(place), Arc::clone(&ledger)).await?);
        }
        let folder = TempDir::with_prefix("tierlink-bench.")?;
        let (http, mllp) = (free_port()?, free_port()?);
        let (broker, elsewhere) = (None, JoinSet::new());
        let mut town = Self { folder, ground, http, mllp, receivers, ledger, broker, elsewhere };
        town.write()?;
        town.run(&["migrate"]).await?;
        if relay == Relay::Elsewhere {
            let (ground, store) = (town.ground.clone(), town.folder.path().join("tierlink.db"));
            let lease = Lease { ground, store, holder: Uuid::now_v7() };
            lease.hold(FAR_FUTURE_AT).await?;
            town.elsewhere.spawn(lease.renew());
        }
        Ok(town)
    }

    /// A town whose broker runs.
    pub async fn open(ground: Ground, relay: Relay) -> Result<Self> {
        let mut town = Self::plan(ground, relay).await?;
        town.start().await?;
        Ok(town)
    }

    fn write(&self) -> Result<()> {
        let (store, bus) = match &self.ground {
            Ground::Production { store, bus } => (store.as_str(), bus.as_str()),
            Ground::Embedded => ("sqlite:tierlink.db", "in-process"),
        };
        let county = CountyFile {
            name: "量测县".to_owned(),
            lead: code(0),
            store: store.to_owned(),
            bus: bus.to_owned(),
            http: self.http,
            mllp: vec![("mllp".to_owned(), self.mllp)],
            settings: SETTINGS.to_owned(),
        };
        let mut folder = CountyFolder { county: county.toml(), ..CountyFolder::default() };
        for (place, receiver) in self.receivers.iter().enumerate() {
            let format = match receiver.speaks() {
                Speaks::Hl7v2 => "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"UTF-8\"",
                Speaks::Fhir => "name = \"fhir\"",
                Speaks::Json => "name = \"json\"",
            };
            let identity = format!("name = \"量测医院{place}\"\ntier = \"county\"");
            let mut profile = Profile::new(&identity, format, receiver.url());
            profile.answer_seconds = 5;
            (profile.first_wait_ms, profile.wait_ms_max) = (100, 1_000);
            let code = code(place);
            folder.profiles.push((format!("{code}.toml"), profile.toml(&code)));
        }
        folder.write(self.folder.path())
    }

    /// Runs a command of the program on this town's configuration and returns what it printed.
    async fn run(&self, words: &[&str]) -> Result<String> {
        let output = tokio::process::Command::new(program().await?)
            .args(words)
            .arg("--config")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .await?;
        if !output.status.success() {
            bail!("tierlink {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A token of the organisation at this place.
    pub async fn token(&self, place: usize) -> Result<String> {
        let name = Uuid::now_v7().to_string();
        let whose = code(place);
        let why = "for a measurement";
        self.run(&["token", "create", &name, "--organisation", &whose, "--why", why]).await
    }

    /// Starts the broker, and says how long that took.
    pub async fn start(&mut self) -> Result<Duration> {
        ensure!(self.broker.is_none(), "the broker runs already");
        let began = Instant::now();
        let broker = Broker::start(self.folder.path(), &[]).await?;
        while !is_ready(self.http).await {
            if began.elapsed() > READY_WITHIN {
                bail!("the broker does not get ready: {}", broker.logs()?);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let lasted = began.elapsed();
        self.broker = Some(broker);
        Ok(lasted)
    }

    /// Ends the broker. What it logged at `warn` or above is shown: it should be no surprise.
    pub async fn stop(&mut self) -> Result<()> {
        let mut broker = self.broker.take().context("no broker runs")?;
        let ended = broker.terminate().await?;
        let logs = broker.logs()?;
        ensure!(ended.success(), "the broker ended with {ended}: {logs}");
        for line in logs.lines().take(LOG_LINES_MAX) {
            tell(line);
        }
        Ok(())
    }

    /// The broker's process.
    pub fn process(&self) -> Result<u32> {
        self.broker.as_ref().and_then(Broker::id).context("no broker runs")
    }

    /// The port of HTTP.
    pub fn http(&self) -> u16 {
        self.http
    }

    /// Everybody who speaks HL7 v2 sends to the lanes that `goes_to` allows.
    pub fn route(&self, goes_to: impl Fn(usize) -> bool) -> Route {
        let senders = (0..ORGANISATIONS).filter(|place| speaks(*place) == Speaks::Hl7v2);
        let letters = senders
            .map(|from| {
                (0..ORGANISATIONS)
                    .filter(|to| *to != from && goes_to(*to))
                    .map(|to| Letter::new(&code(from), &code(to), to))
                    .collect::<Vec<_>>()
            })
            .filter(|own| !own.is_empty());
        Route {
            port: self.mllp,
            letters: Arc::new(letters.collect()),
            ledger: Arc::clone(&self.ledger),
        }
    }

    /// Raw and canonical bytes of a message as the store has them, for the floor.
    pub async fn stored(&self) -> Result<Rows> {
        const SQL: &str = "SELECT raw, canonical FROM messages WHERE inbound LIMIT 1";
        let (raw, canonical): (Vec<u8>, Vec<u8>) = match &self.ground {
            Ground::Production { store, .. } => {
                let mut db = PgConnection::connect(store).await?;
                sqlx::query_as(SQL).fetch_one(&mut db).await?
            }
            Ground::Embedded => {
                let mut db = sqlite(&self.folder.path().join("tierlink.db")).await?;
                sqlx::query_as(SQL).fetch_one(&mut db).await?
            }
        };
        Ok(Rows { raw, canonical })
    }
}

/// What the floor writes for each message.
#[derive(Clone, Debug)]
pub struct Rows {
    /// As it came.
    pub raw: Vec<u8>,
    /// As it goes out.
    pub canonical: Vec<u8>,
}

/// Asks `/readyz` once.
async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}
