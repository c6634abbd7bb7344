//! A county for a test: seven organisations, their configuration on disk, a broker of its own.
//!
//! ```text
//!   CITY  330100001  city, outside    FHIR
//!   LEAD  330199001  county, lead     HL7 v2.4, UTF-8, a listener of its own
//!   SECOND 330199002 county           FHIR
//!   QINGSHI 330199101 township        HL7 v2.4, GB 18030
//!   BAIMA 330199102  township         FHIR
//!   FENGQIAO 330199103 township       JSON
//!   LIUWAN 330199201 village          JSON, below QINGSHI
//! ```
//!
//! The broker is the real program in a process of its own. What an operator does in these tests
//! (tokens, replays, pauses) is done through the program's command line, as an operator would.

mod command;
mod elsewhere;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tierlink_simulator::county::{CountyFile, CountyFolder};

pub use command::{Ran, run_program};
pub use elsewhere::Elsewhere;
pub use tierlink_simulator::county::Profile;

use crate::eventually::eventually;
use crate::hospitals::{self, Answer, Hospital, HttpSender, Line, MllpSender, Speaks};
use crate::servers::{
    Broker, RabbitNode, free_port, fresh_database, shared_postgres, shared_rabbit,
};

/// 临江市第一人民医院, outside the county.
pub const CITY: &str = "330100001";
/// 龙溪县人民医院, the lead hospital.
pub const LEAD: &str = "330199001";
/// 龙溪县中医院, the second county hospital.
pub const SECOND: &str = "330199002";
/// 青石镇中心卫生院, a township health centre.
pub const QINGSHI: &str = "330199101";
/// 白马乡卫生院, a township health centre.
pub const BAIMA: &str = "330199102";
/// 枫桥镇卫生院, a township health centre.
pub const FENGQIAO: &str = "330199103";
/// 柳湾村卫生室, a village clinic.
pub const LIUWAN: &str = "330199201";

/// All of them.
pub const EVERYBODY: [&str; 7] = [CITY, LEAD, SECOND, QINGSHI, BAIMA, FENGQIAO, LIUWAN];

/// MSH-4 of the township that speaks HL7 v2.
pub const QINGSHI_FACILITY: &str = "QSWSY";

// So much of the log is shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;
/// Operators wait longer than hospitals: what they ask for may be long.
const OPERATOR_PATIENCE: Duration = Duration::from_secs(30);

/// The two modes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// SQLite and the in-process bus.
    Embedded,
    /// PostgreSQL and RabbitMQ.
    Production,
}

/// Makes a test in each mode of every `async fn name(mode: Mode)`.
#[macro_export]
macro_rules! for_both_modes {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::county::Mode::Embedded).await;
            })+
        }
        mod production {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::county::Mode::Production).await;
            })+
        }
    };
}

/// A county. Dropping it ends its broker and closes its hospitals.
#[derive(Debug)]
pub struct County {
    mode: Mode,
    folder: TempDir,
    http: u16,
    mllp: u16,
    lead_mllp: u16,
    store: String,
    bus: String,
    rabbit: Option<RabbitNode>,
    profiles: BTreeMap<String, Profile>,
    hospitals: BTreeMap<String, Hospital>,
    tokens: BTreeMap<String, String>,
    broker: Option<Broker>,
    /// Ports that hospitals use in place of the broker's own.
    detours: BTreeMap<u16, u16>,
    /// How long a hospital waits for the broker's answer.
    pub patience: Duration,
    /// Further tables of `county.toml`, such as `[limits]`.
    pub settings: String,
    /// Environment variables of the broker.
    pub environment: Vec<(String, String)>,
}

impl County {
    /// Opens the hospitals and chooses store, bus and ports. Nothing is written and no broker runs.
    pub async fn plan(mode: Mode) -> Result<Self> {
        let folder = TempDir::with_prefix("tierlink-county.")?;
        let (store, bus, rabbit) = match mode {
            Mode::Embedded => ("sqlite:tierlink.db".to_owned(), "in-process".to_owned(), None),
            Mode::Production => {
                let store = fresh_database(&shared_postgres().await?).await?;
                let rabbit = shared_rabbit().await?;
                (store, rabbit.fresh_vhost().await?, Some(rabbit))
            }
        };
        let (mut profiles, mut hospitals) = (BTreeMap::new(), BTreeMap::new());
        for code in EVERYBODY {
            let (identity, format, speaks) = described(code);
            let hospital = Hospital::open(code, speaks).await?;
            let mut profile = Profile::new(identity, format, hospital.address());
            profile.token_secret = Some(format!("inbox-{code}"));
            if code == LEAD {
                profile.inbound.push("listener = \"lead\"".to_owned());
            }
            profiles.insert(code.to_owned(), profile);
            hospitals.insert(code.to_owned(), hospital);
        }
        Ok(Self {
            mode,
            folder,
            http: free_port()?,
            mllp: free_port()?,
            lead_mllp: free_port()?,
            store,
            bus,
            rabbit,
            profiles,
            hospitals,
            tokens: BTreeMap::new(),
            broker: None,
            detours: BTreeMap::new(),
            patience: Duration::from_secs(30),
            settings: String::new(),
            environment: Vec::new(),
        })
    }

    /// A county whose broker runs, with the usual profiles.
    pub async fn open(mode: Mode) -> Result<Self> {
        let mut county = Self::plan(mode).await?;
        county.begin().await?;
        Ok(county)
    }

    /// Writes the configuration, migrates, makes a token for everybody and starts the broker.
    pub async fn begin(&mut self) -> Result<()> {
        self.write()?;
        self.run(&["migrate"]).await?.succeeded()?;
        for code in self.profiles.keys().cloned().collect::<Vec<_>>() {
            let made = self.create_token(&code, &["--organisation", &code]).await?;
            self.tokens.insert(code, made.succeeded()?.trim().to_owned());
        }
        let made = self.create_token("operator", &["--operator"]).await?;
        self.tokens.insert("operator".to_owned(), made.succeeded()?.trim().to_owned());
        self.start().await
    }

    /// Writes the configuration to disk, as it is now.
    pub fn write(&self) -> Result<()> {
        let county = CountyFile {
            name: "龙溪县".to_owned(),
            lead: LEAD.to_owned(),
            store: self.store.clone(),
            bus: self.bus.clone(),
            http: self.http,
            mllp: vec![("mllp".to_owned(), self.mllp), ("lead".to_owned(), self.lead_mllp)],
            settings: self.settings.clone(),
        };
        let profiles = self.profiles.iter();
        let secret = |code: &String| (format!("inbox-{code}"), inbox_secret(code));
        CountyFolder {
            county: county.toml(),
            profiles: profiles
                .map(|(code, profile)| (format!("{code}.toml"), profile.toml(code)))
                .collect(),
            secrets: self.profiles.keys().map(secret).collect(),
        }
        .write(self.folder.path())
    }

    /// Starts the broker and waits until it takes messages.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.broker.is_none(), "a broker runs already");
        let broker = self.start_another(&[]).await?;
        self.broker = Some(broker);
        let operator = self.operator()?;
        // Tokens are read once the doors are open.
        eventually("the tokens work", async || {
            let answer = operator.get("/api/v1/lanes").await?;
            Ok((answer.status == 200).then_some(()))
        })
        .await
    }

    /// Starts a process on the same configuration, with further variables, and leaves it alone.
    ///
    /// A second one beside the first needs other ports: change the configuration in between.
    pub async fn start_another(&self, environment: &[(&str, &str)]) -> Result<Broker> {
        let mut all: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend_from_slice(environment);
        let mut broker = Broker::start(self.folder.path(), &all).await?;
        broker.wait_ready(&format!("http://127.0.0.1:{}/readyz", self.http)).await?;
        Ok(broker)
    }

    /// The running broker.
    pub fn broker(&mut self) -> Result<&mut Broker> {
        self.broker.as_mut().context("no broker runs")
    }

    /// Takes the broker out, for tests that end it. [`start`](Self::start) starts the next.
    pub fn take_broker(&mut self) -> Result<Broker> {
        self.broker.take().context("no broker runs")
    }

    /// Ends the broker as systemd does, and checks that it ended well.
    pub async fn stop(&mut self) -> Result<String> {
        let mut broker = self.take_broker()?;
        let status = broker.terminate().await?;
        let logs = broker.logs()?;
        ensure!(status.success(), "the broker ended with {status}\n{logs}");
        Ok(logs)
    }

    /// Makes the broker read its configuration again (SIGHUP).
    pub async fn reload(&mut self) -> Result<()> {
        self.write()?;
        let id = self.broker()?.id().context("the broker has ended")?;
        let sent =
            tokio::process::Command::new("kill").args(["-HUP", &id.to_string()]).status().await?;
        ensure!(sent.success(), "could not send SIGHUP to the broker");
        Ok(())
    }

    /// What the broker logged until now.
    pub fn logs(&mut self) -> Result<String> {
        self.broker()?.logs()
    }

    /// Runs the program with these words and `--config`.
    pub async fn run(&self, words: &[&str]) -> Result<Ran> {
        let config = self.folder.path().to_str().context("the folder's path is text")?;
        let mut all = words.to_vec();
        all.extend(["--config", config]);
        run_program(&all).await
    }

    /// The mode that the county runs in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The folder with the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's address; for SQLite the path of its file.
    #[must_use]
    pub fn store(&self) -> String {
        match self.store.strip_prefix("sqlite:") {
            Some(file) => self.folder.path().join(file).display().to_string(),
            None => self.store.clone(),
        }
    }

    /// Puts another store in place, before the broker starts.
    pub fn set_store(&mut self, url: &str) {
        url.clone_into(&mut self.store);
    }

    /// The bus's address.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Puts another bus in place, before the broker starts.
    pub fn set_bus(&mut self, url: &str) {
        url.clone_into(&mut self.bus);
    }

    /// The RabbitMQ node, in production.
    pub fn rabbit(&self) -> Result<&RabbitNode> {
        self.rabbit.as_ref().context("this county has no RabbitMQ")
    }

    /// The port of HTTP.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.http
    }

    /// The MLLP port of an organisation: the lead hospital has one of its own.
    #[must_use]
    pub fn mllp_port(&self, code: &str) -> u16 {
        if code == LEAD { self.lead_mllp } else { self.mllp }
    }

    /// From now on hospitals that would connect to `door` connect to another port. Operators do not.
    pub fn lead_by(&mut self, door: u16, other: u16) {
        self.detours.insert(door, other);
    }

    /// The port through which hospitals reach a door of the broker.
    fn way_to(&self, door: u16) -> u16 {
        self.detours.get(&door).copied().unwrap_or(door)
    }

    /// The profile of an organisation, to be changed; [`write`](Self::write) or
    /// [`reload`](Self::reload) makes it count.
    pub fn profile(&mut self, code: &str) -> Result<&mut Profile> {
        self.profiles.get_mut(code).with_context(|| format!("no profile of {code}"))
    }

    /// Leaves an organisation out of the configuration, and gives its profile.
    pub fn remove_profile(&mut self, code: &str) -> Result<Profile> {
        let path: PathBuf = self.folder.path().join(format!("profiles/{code}.toml"));
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        self.profiles.remove(code).with_context(|| format!("no profile of {code}"))
    }

    /// Adds an organisation.
    pub fn add_profile(&mut self, code: &str, profile: Profile) {
        self.profiles.insert(code.to_owned(), profile);
    }

    /// A simulated hospital.
    ///
    /// # Panics
    ///
    /// If the county has no such hospital: the test names one that does not exist.
    #[must_use]
    pub fn hospital(&self, code: &str) -> &Hospital {
        &self.hospitals[code]
    }

    /// The bearer token of an organisation, or of `operator`.
    pub fn token(&self, name: &str) -> Result<&str> {
        let token = self.tokens.get(name).map(String::as_str);
        token.with_context(|| format!("no token was made for {name}"))
    }

    /// Makes a token for an organisation that was added later.
    pub async fn make_token(&mut self, code: &str) -> Result<()> {
        let made = self.create_token(code, &["--organisation", code]).await?;
        self.tokens.insert(code.to_owned(), made.succeeded()?.trim().to_owned());
        Ok(())
    }

    async fn create_token(&self, name: &str, whose: &[&str]) -> Result<Ran> {
        let words = ["token", "create", name, "--why", "for a test"];
        self.run(&[&words[..], whose].concat()).await
    }

    /// An HTTP client with the token of an organisation.
    pub fn http(&self, code: &str) -> Result<HttpSender> {
        let sender = HttpSender::new(self.way_to(self.http), Some(self.token(code)?))?;
        Ok(sender.patient_for(self.patience))
    }

    /// An HTTP client with an operator's token.
    pub fn operator(&self) -> Result<HttpSender> {
        let sender = HttpSender::new(self.http, Some(self.token("operator")?))?;
        Ok(sender.patient_for(OPERATOR_PATIENCE))
    }

    /// An HTTP client without any token.
    pub fn anonymous(&self) -> Result<HttpSender> {
        HttpSender::new(self.http, None)
    }

    /// An MLLP connection, as an organisation would open one.
    pub async fn mllp(&self, code: &str) -> Result<MllpSender> {
        let sender = MllpSender::connect(self.way_to(self.mllp_port(code))).await?;
        Ok(sender.patient_for(self.patience))
    }

    /// The line of an organisation, for messages in every format.
    pub fn line(&self, code: &str) -> Result<Line> {
        let at = |door| format!("127.0.0.1:{}", self.way_to(door));
        let broker = hospitals::Broker {
            mllp: at(self.mllp_port(code)),
            http: format!("http://{}", at(self.http)),
            token: Some(self.token(code)?.to_owned()),
        };
        Line::new(broker, self.patience)
    }

    /// Sends a canonical message in its author's name.
    pub async fn send(&self, message: &Value) -> Result<Answer> {
        let author =
            message["source"]["organisation"].as_str().context("a message has a source")?;
        self.http(author)?.send(message).await
    }

    /// Sends a canonical message that must be accepted, and gives the case number.
    pub async fn must_send(&self, message: &Value) -> Result<String> {
        let answer = self.send(message).await?;
        answer.accepted().with_context(|| format!("{} was not accepted", message["kind"]))
    }

    /// What the API shows a reader of a case.
    pub async fn case(&self, reader: &str, case_number: &str) -> Result<Value> {
        let answer = self.http(reader)?.get(&format!("/api/v1/cases/{case_number}")).await?;
        ensure!(answer.status == 200, "{reader} asks for a case: HTTP {}", answer.status);
        Ok(answer.json())
    }

    /// The state of a case, as an operator sees it.
    pub async fn state(&self, case_number: &str) -> Result<String> {
        let case = self.case("operator", case_number).await?;
        Ok(case["state"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until so many deliveries are parked, and gives them.
    pub async fn wait_parked(&self, count: usize) -> Result<Vec<Value>> {
        let operator = self.operator()?;
        eventually(&format!("{count} deliveries are parked"), async || {
            let parked = operator.get("/api/v1/parked").await?.json();
            let parked = parked["parked"].as_array().cloned().unwrap_or_default();
            Ok((parked.len() == count).then_some(parked))
        })
        .await
    }

    /// Waits until nothing waits in any lane.
    pub async fn wait_drained(&self) -> Result<()> {
        let operator = self.operator()?;
        eventually("nothing waits in any lane", async || {
            let lanes = operator.get("/api/v1/lanes").await?.json();
            let Some(lanes) = lanes["lanes"].as_array() else { bail!("no lanes: {lanes}") };
            Ok(lanes.iter().all(|lane| lane["waiting"] == 0).then_some(()))
        })
        .await
    }

    /// One figure of `/metrics`, summed over all its labels.
    pub async fn figure(&self, name: &str) -> Result<f64> {
        let text = self.anonymous()?.get("/metrics").await?.body;
        let sum = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        Ok(sum)
    }
}

impl Drop for County {
    /// A failed test shows what its broker said.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(logs) = self.broker.as_ref().and_then(|broker| broker.logs().ok())
        {
            let lines: Vec<&str> = logs.lines().filter(|line| !line.contains(" DEBUG ")).collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("The broker's last words:\n{}", shown.join("\n"));
        }
    }
}

/// The token that the broker shows to a hospital.
#[must_use]
pub fn inbox_secret(code: &str) -> String {
    format!("inbox-secret-of-{code}")
}

/// Identity and format of an organisation, as TOML.
const fn described(code: &str) -> (&'static str, &'static str, Speaks) {
    match code.as_bytes() {
        b"330100001" => (
            "name = \"临江市第一人民医院\"\ntier = \"city\"\noutside = true",
            "name = \"fhir\"",
            Speaks::Fhir,
        ),
        b"330199001" => (
            "name = \"龙溪县人民医院\"\ntier = \"county\"\naliases = [\"XRMYY\"]",
            "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"UTF-8\"\napplication = \"HIP\"",
            Speaks::Hl7v2,
        ),
        b"330199002" => {
            ("name = \"龙溪县中医院\"\ntier = \"county\"", "name = \"fhir\"", Speaks::Fhir)
        }
        b"330199101" => (
            "name = \"青石镇中心卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"hl7v2\"\nversion = \"2.4\"\ncharset = \"GB18030\"\napplication = \"HIS\"\n\
             facility = \"QSWSY\"",
            Speaks::Hl7v2,
        ),
        b"330199102" => (
            "name = \"白马乡卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"fhir\"",
            Speaks::Fhir,
        ),
        b"330199103" => (
            "name = \"枫桥镇卫生院\"\ntier = \"township\"\nparent = \"330199001\"",
            "name = \"json\"",
            Speaks::Json,
        ),
        _ => (
            "name = \"柳湾村卫生室\"\ntier = \"village\"\nparent = \"330199101\"",
            "name = \"json\"",
            Speaks::Json,
        ),
    }
}
