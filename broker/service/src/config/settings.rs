//! The settings in the broker's file, with their defaults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tierlink_core::deadline::TimeLimits;
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::calendar::OpeningHours;

/// All settings of the broker's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name, lead hospital and rules of the county.
    pub county: CountySettings,
    /// Address and connections of the database.
    pub store: StoreSettings,
    /// The message bus that carries deliveries to their lanes.
    #[serde(default)]
    pub bus: BusSettings,
    /// The HTTP listener. Without this table, no HTTP is served.
    #[serde(default)]
    pub http: Option<HttpSettings>,
    /// The MLLP listeners.
    #[serde(default)]
    pub mllp: Vec<MllpSettings>,
    /// Limits on sizes, connections, batches and waits.
    #[serde(default)]
    pub limits: LoadLimits,
    /// Time limits of the steps of a case.
    #[serde(default)]
    pub deadlines: TimeLimits,
    /// Opening hours, holidays and swapped working days.
    #[serde(default)]
    pub calendar: CalendarSettings,
    /// Folder with the profiles, relative to this file.
    #[serde(default = "default_profiles")]
    pub profiles: PathBuf,
    /// Format and level of the log.
    #[serde(default)]
    pub log: LogSettings,
    /// What is refused unless it is named here.
    #[serde(default)]
    pub allow: BTreeSet<Allowed>,
}

/// Ways to servers that are refused off this machine unless the configuration names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// A PostgreSQL that asks for no password.
    PostgresWithoutPassword,
    /// A PostgreSQL whose certificate is not checked.
    PostgresUnchecked,
    /// RabbitMQ's user `guest`.
    RabbitmqGuest,
}

fn default_profiles() -> PathBuf {
    PathBuf::from("profiles")
}

/// `[county]`: the county and its rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountySettings {
    /// Chinese name of the county, for display.
    pub name: String,
    /// Code of the lead hospital (牵头医院), which reviews cases that leave the county.
    #[serde(default)]
    pub lead: Option<OrganisationCode>,
    /// Code that the broker uses as source of its own messages.
    #[serde(default = "default_broker")]
    pub broker: OrganisationCode,
    /// Whether one person may both write and audit a reading in an emergency.
    #[serde(default)]
    pub one_person_emergency_reading: bool,
}

fn default_broker() -> OrganisationCode {
    OrganisationCode::new("TIERLINK").unwrap_or_else(|_| unreachable!("eight letters are a code"))
}

/// `[store]`: the database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://…`. `TIERLINK_STORE` replaces it.
    pub url: String,
    /// Most connections to PostgreSQL.
    #[serde(default = "default_connections")]
    pub connections: u32,
}

fn default_connections() -> u32 {
    10
}

/// `[bus]`: the message bus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSettings {
    /// `in-process`, `amqp://…` or `amqps://…`. `TIERLINK_BUS` replaces it.
    pub url: String,
    /// Publish every case event to the topic exchange `tierlink.events`.
    pub announce: bool,
    /// PEM file with the certificate authorities to trust for RabbitMQ.
    pub authorities: Option<PathBuf>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { url: "in-process".to_owned(), announce: true, authorities: None }
    }
}

/// Certificates of a TLS listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file with the certificate and intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file with the authorities of client certificates. If set, clients must present one.
    #[serde(default)]
    pub client_authorities: Option<PathBuf>,
}

/// `[http]`: the HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Load balancers that say whose each connection is (PROXY protocol).
    #[serde(default)]
    pub proxies: Vec<ipnet::IpNet>,
    /// With it, HTTPS.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// `[[mllp]]`: one MLLP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpSettings {
    /// Name of the listener, which a profile can refer to in `inbound.listener`.
    #[serde(default = "default_listener")]
    pub name: String,
    /// Address and port.
    pub listen: SocketAddr,
    /// Load balancers that say whose each connection is (PROXY protocol).
    #[serde(default)]
    pub proxies: Vec<ipnet::IpNet>,
    /// With it, MLLP over TLS.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

fn default_listener() -> String {
    "mllp".to_owned()
}

/// `[limits]`: sizes, connections, batches and waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadLimits {
    /// Largest message, in bytes.
    pub message_bytes_max: usize,
    /// Bytes of all messages that are being received or are not answered yet, over all listeners.
    pub receiving_bytes_max: usize,
    /// Connections per listener.
    pub connections_max: usize,
    /// Most connections per listener and peer address.
    pub connections_per_peer_max: usize,
    /// Seconds without traffic after which a connection is closed between messages.
    pub idle_seconds: u32,
    /// Most seconds for one message to arrive completely.
    pub frame_seconds: u32,
    /// Requests and messages of one address in a minute.
    pub per_minute_and_address: u32,
    /// Requests with one token in a minute.
    pub per_minute_and_token: u32,
    /// Messages of one organisation in a minute.
    pub per_minute_and_organisation: u32,
    /// Bytes of messages of one organisation in a minute.
    pub bytes_per_minute_and_organisation: u64,
    /// Messages that share one transaction.
    pub batch_max: usize,
    /// Messages waiting for a transaction; beyond this number, senders are told to try again.
    pub waiting_max: usize,
    /// Most transactions at the same time.
    pub committers: usize,
    /// Most deliveries that the relay publishes at once.
    pub relay_batch: u32,
    /// Most deliveries that a lane takes from the bus at once.
    pub lane_prefetch: u16,
    /// Seconds that a stopping process may take to finish what has begun.
    pub drain_seconds: u32,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 12 * 1024 * 1024,
            receiving_bytes_max: 256 * 1024 * 1024,
            connections_max: 1_024,
            connections_per_peer_max: 128,
            idle_seconds: 3_600,
            frame_seconds: 30,
            per_minute_and_address: 30_000,
            per_minute_and_token: 6_000,
            per_minute_and_organisation: 6_000,
            bytes_per_minute_and_organisation: 512 * 1024 * 1024,
            batch_max: 200,
            waiting_max: 5_000,
            committers: 2,
            relay_batch: 500,
            lane_prefetch: 64,
            drain_seconds: 20,
        }
    }
}

/// `[calendar]`: opening hours, holidays and swapped working days.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSettings {
    /// Opening hours for each weekday; the default office hours if absent.
    pub hours: Option<OpeningHours>,
    /// CSV file with the county's own holidays and swapped working days.
    pub days: Option<PathBuf>,
}

/// `[log]`: format and level of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `text` for people, or `json` for programs.
    pub format: LogFormat,
    /// Filter in the syntax of `tracing`, such as `info` or `tierlink=debug`.
    pub filter: String,
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Readable text, one line per event.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}
