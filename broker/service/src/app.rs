//! The one file that wires concrete parts together. Every other file knows only the small traits.
//!
//! ```text
//!   listeners ─▶ intake ─▶ committers ─▶ store ─▶ relay ─▶ bus ─▶ lanes ─▶ settler ─▶ store
//!                                          └──── clock (deadlines)
//! ```

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures::FutureExt;
use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tierlink_bus::{Bus, InProcessBus, RabbitBus};
use tierlink_http as http;
use tierlink_mllp as mllp;
use tierlink_schemas::{Code, OrganisationCode};
use tierlink_store::Store;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::api::{self, Api};
use crate::clock::Clock;
use crate::codecs::Codecs;
use crate::committer::Committer;
use crate::config::{Config, TlsSettings};
use crate::counters::Counters;
use crate::current_config::CurrentConfig;
use crate::desk::Desk;
use crate::destination::Network;
use crate::doors::mllp::{Addresses, MllpDoor, peers};
use crate::environment::{Environment, SystemEnvironment};
use crate::health::Health;
use crate::intake::Intake;
use crate::lane::{Lane, Troubles};
use crate::lease::Lease;
use crate::relay::Relay;
use crate::report::{self, chain};
use crate::settler::Settler;
use crate::tokens::Tokens;

/// A part of the program that must never end by itself has crashed.
pub const CRASHED: Code = Code::new("X005");

/// How often paused lanes are looked up.
const LOOK_AT_LANES_EVERY: Duration = Duration::from_secs(2);

/// So many lanes are started before the ones in front get the processor.
const LANES_AT_ONCE: usize = 128;

/// Choices that are not configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Bring the tables up to date first. Embedded stores always do.
    pub migrate: bool,
}

/// A running broker.
pub struct App {
    desk: Arc<Desk>,
    current_config: Arc<CurrentConfig>,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    health: Arc<Health>,
    tokens: Arc<Tokens>,
    http_address: Option<SocketAddr>,
    mllp_addresses: Addresses,
    /// Stops the doors first …
    doors: CancellationToken,
    door_tasks: TaskTracker,
    /// … and then what carries messages on.
    workers: CancellationToken,
    worker_tasks: TaskTracker,
    /// The committers and the settler end by themselves when nobody can reach them any more.
    commit_tasks: TaskTracker,
    /// Cancelled when something that must never end by itself has crashed.
    broken: CancellationToken,
}

/// The formats.
#[must_use]
pub fn codecs() -> Codecs {
    Codecs {
        hl7v2: Arc::new(tierlink_hl7v2::Hl7v2),
        fhir: Arc::new(tierlink_fhir::Fhir),
        json: Arc::new(tierlink_json::Json),
    }
}

/// The store's URL. The path of an SQLite file is relative to the configuration.
#[must_use]
pub fn store_url(config: &Config) -> String {
    let url = &config.settings.store.url;
    match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", config.path(path.as_ref()).display()),
        None => url.clone(),
    }
}

/// Opens the store that the configuration names.
pub async fn open_store(config: &Config, migrate: bool) -> anyhow::Result<Arc<dyn Store>> {
    let url = store_url(config);
    let embedded = url.starts_with("sqlite:");
    let connections = config.settings.store.connections;
    let failed = |error: tierlink_store::Error| anyhow!("{}: {}", error.code(), chain(&error));
    let store = if migrate || embedded {
        let store = tierlink_store::open_to_migrate(&url, connections).map_err(failed)?;
        for name in store.migrate().await.map_err(failed)? {
            info!("Migrated: {name}.");
        }
        store
    } else {
        tierlink_store::open(&url, connections).await.map_err(failed)?
    };
    store.healthy().await.map_err(failed)?;
    if let Some(newer) = report::newer_tables(&*store).await.map_err(failed)? {
        warn!("{newer}");
    }
    Ok(store)
}

/// Opens the bus that the configuration names.
pub fn open_bus(config: &Config) -> anyhow::Result<Arc<dyn Bus>> {
    let settings = &config.settings.bus;
    if settings.url == "in-process" {
        return Ok(Arc::new(InProcessBus::new()));
    }
    let mut rabbit = tierlink_bus::Settings::new(settings.url.as_str());
    if let Some(path) = &settings.authorities {
        let path = config.path(path);
        let pem = std::fs::read_to_string(&path)
            .with_context(|| format!("bus.authorities: {} cannot be read", path.display()))?;
        rabbit.authority_pem = Some(pem);
    }
    let bus =
        RabbitBus::new(&rabbit).map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;
    Ok(Arc::new(bus))
}

impl App {
    /// Starts everything. When it returns, the doors are open.
    pub async fn start(config: Config, options: Options) -> anyhow::Result<Self> {
        let store = open_store(&config, options.migrate).await?;
        let bus = open_bus(&config)?;
        let current_config = Arc::new(CurrentConfig::new(config));
        let (doors, workers) = (CancellationToken::new(), CancellationToken::new());
        let (door_tasks, worker_tasks) = (TaskTracker::new(), TaskTracker::new());
        let commit_tasks = TaskTracker::new();
        let broken = CancellationToken::new();
        let wake = Arc::new(Notify::new());

        let committer = Committer::start(&store, &current_config, &wake, &commit_tasks);
        let settler = Settler::start(&store, &current_config, &wake, &commit_tasks);
        let counters = Counters::new(Arc::clone(&store));
        let last_failure = committer.last_failure();
        let environment = Arc::new(SystemEnvironment);
        let intake =
            Intake::new(Arc::clone(&current_config), codecs(), committer, counters, environment);
        let intake = Arc::new(intake);
        let (store_too, bus_too) = (Arc::clone(&store), Arc::clone(&bus));
        let health = Arc::new(Health::new(store_too, bus_too, Some(prometheus()?), last_failure));
        let tokens = Arc::new(Tokens::new(Arc::clone(&store)));
        // Before the doors open: a sender must not hear that its token is wrong because we have
        // only just begun.
        tokens.read().await.map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;

        let desk = Arc::new(Desk::new(
            Arc::clone(&store),
            Arc::clone(&current_config),
            Arc::new(SystemEnvironment),
            Arc::clone(&wake),
        ));

        let mut app = Self {
            desk,
            current_config,
            store,
            bus,
            health,
            tokens,
            http_address: None,
            mllp_addresses: HashMap::new(),
            doors,
            door_tasks,
            workers,
            worker_tasks,
            commit_tasks,
            broken,
        };
        app.start_workers(&settler, &wake);
        app.open_mllp(&intake).await?;
        app.open_http(intake).await?;
        Ok(app)
    }

    fn start_workers(&self, settler: &Settler, wake: &Arc<Notify>) {
        let holder = Uuid::now_v7();
        let (store, current_config) = (&self.store, &self.current_config);
        let environment = || -> Arc<dyn Environment> { Arc::new(SystemEnvironment) };
        let relay = Relay {
            store: Arc::clone(store),
            bus: Arc::clone(&self.bus),
            current_config: Arc::clone(current_config),
            environment: environment(),
            wake: Arc::clone(wake),
            lease: Lease::new(Arc::clone(store), environment(), "relay", holder),
            passed_over: 0,
        };
        let clock = Clock {
            store: Arc::clone(store),
            current_config: Arc::clone(current_config),
            environment: environment(),
            wake: Arc::clone(wake),
            lease: Lease::new(Arc::clone(store), environment(), "clock", holder),
        };
        let stop = || self.workers.clone();
        let broken = &self.broken;
        self.worker_tasks.spawn(watched("relay", relay.run(stop()), broken));
        self.worker_tasks.spawn(watched("clock", clock.run(stop()), broken));
        let receipts = crate::remote::run(Arc::clone(&self.bus), settler.clone(), stop());
        self.worker_tasks.spawn(watched("receipts", receipts, broken));
        self.worker_tasks.spawn(Arc::clone(&self.health).measure(stop()));
        self.worker_tasks.spawn(Arc::clone(&self.tokens).keep_fresh(stop()));
        let (paused, seen) = watch::channel(Arc::new(HashSet::new()));
        self.worker_tasks.spawn(watch_paused(Arc::clone(store), paused, stop()));
        self.worker_tasks.spawn(run_lanes(
            Lanes {
                store: Arc::clone(store),
                bus: Arc::clone(&self.bus),
                current_config: Arc::clone(current_config),
                settler: settler.clone(),
                paused: seen,
            },
            self.worker_tasks.clone(),
            stop(),
            broken.clone(),
        ));
    }

    async fn open_mllp(&mut self, intake: &Arc<Intake>) -> anyhow::Result<()> {
        let config = self.current_config.load();
        for settings in &config.settings.mllp {
            let limits = &config.settings.limits;
            let mut listen = mllp::server::Settings::new(settings.listen);
            listen.peers = peers(&config);
            listen.limits.frame_bytes_max = limits.message_bytes_max;
            listen.limits.connections_max = limits.connections_max;
            listen.limits.connections_per_peer_max = limits.connections_per_peer_max;
            listen.limits.idle_lasts = Duration::from_secs(u64::from(limits.idle_seconds));
            listen.limits.frame_lasts = Duration::from_secs(u64::from(limits.frame_seconds));
            listen.limits.stop_lasts = Duration::from_secs(u64::from(limits.drain_seconds));
            if let Some(tls) = &settings.tls {
                let pem = TlsFiles::read(&config, tls)?;
                let clients = match pem.clients.as_deref() {
                    Some(roots) => mllp::tls::ClientCertificates::Required { roots },
                    None => mllp::tls::ClientCertificates::NotAsked,
                };
                let identity = mllp::tls::Identity { chain: &pem.certificate, key: &pem.key };
                listen.tls = Some(
                    mllp::tls::server(identity, clients)
                        .map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?,
                );
            }
            let door = MllpDoor { listener: settings.name.clone(), intake: Arc::clone(intake) };
            let server = mllp::Server::bind(listen, Arc::new(door))
                .await
                .map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;
            self.mllp_addresses.insert(settings.name.clone(), server.address());
            self.door_tasks.spawn(server.run(self.doors.clone()));
        }
        Ok(())
    }

    async fn open_http(&mut self, intake: Arc<Intake>) -> anyhow::Result<()> {
        let config = self.current_config.load();
        let Some(settings) = &config.settings.http else { return Ok(()) };
        let limits = &config.settings.limits;
        let http_limits = http::HttpLimits {
            body_bytes_max: limits.message_bytes_max,
            connections_max: limits.connections_max,
            connections_per_peer_max: limits.connections_per_peer_max,
            body_lasts: Duration::from_secs(u64::from(limits.frame_seconds)),
            stop_lasts: Duration::from_secs(u64::from(limits.drain_seconds)),
            ..http::HttpLimits::default()
        };
        let tls = match &settings.tls {
            None => None,
            Some(tls) => {
                let pem = TlsFiles::read(&config, tls)?;
                let clients = match pem.clients.as_deref() {
                    Some(roots) => http::tls::ClientCertificates::Required { roots },
                    None => http::tls::ClientCertificates::NotAsked,
                };
                let identity = http::tls::Identity { chain: &pem.certificate, key: &pem.key };
                Some(
                    http::tls::server(identity, clients)
                        .map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?,
                )
            }
        };
        let server = http::Server::bind(settings.listen, tls, http_limits)
            .await
            .map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;
        self.http_address = Some(server.address());
        let router = api::router(Api {
            intake,
            store: Arc::clone(&self.store),
            desk: Arc::clone(&self.desk),
            tokens: Arc::clone(&self.tokens),
            health: Arc::clone(&self.health),
        });
        self.door_tasks.spawn(server.serve(router, self.doors.clone()));
        Ok(())
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Where the MLLP listener `name` is served.
    #[must_use]
    pub fn mllp_address(&self, name: &str) -> Option<SocketAddr> {
        self.mllp_addresses.get(name).copied()
    }

    /// The memory.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// What people do goes through here.
    #[must_use]
    pub fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// The configuration in force.
    #[must_use]
    pub fn current_config(&self) -> Arc<CurrentConfig> {
        Arc::clone(&self.current_config)
    }

    /// The API tokens, for whoever adds one and will not wait for the next reading.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens)
    }

    /// Ends when something that must never end by itself has crashed. The process should then
    /// stop and be started anew: nothing that it acknowledged is lost, and a half-dead broker
    /// would keep patients waiting unnoticed.
    pub async fn broke(&self) {
        self.broken.cancelled().await;
    }

    /// Stops: no new messages, what is in hand is finished, nothing is dropped.
    pub async fn stop(self) {
        let lasts = Duration::from_secs(u64::from(
            self.current_config.load().settings.limits.drain_seconds,
        ));
        info!("Stopping: no new messages are taken, what is in hand is finished.");
        self.health.stop();
        self.doors.cancel();
        self.door_tasks.close();
        wait(&self.door_tasks, lasts, "Connections").await;
        self.workers.cancel();
        self.worker_tasks.close();
        wait(&self.worker_tasks, lasts, "Lanes").await;
        self.bus.close().await;
        self.commit_tasks.close();
        wait(&self.commit_tasks, lasts, "Transactions").await;
        self.store.close().await;
        info!("Stopped.");
    }
}

/// Runs a task that must never end by itself, and tells when it crashes.
fn watched(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
    broken: &CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let broken = broken.clone();
    async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            error!(code = %CRASHED, "ALARM: a {name} task has crashed; see ops/errors/{CRASHED}.md.");
            broken.cancel();
        }
    }
}

async fn wait(tasks: &TaskTracker, lasts: Duration, what: &str) {
    if tokio::time::timeout(lasts, tasks.wait()).await.is_err() {
        warn!("{what} did not end in {} s; what they hold comes again.", lasts.as_secs());
    }
}

struct TlsFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

impl TlsFiles {
    fn read(config: &Config, settings: &TlsSettings) -> anyhow::Result<Self> {
        let read = |path: &std::path::Path| {
            let path = config.path(path);
            std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            clients: settings.client_authorities.as_deref().map(read).transpose()?,
        })
    }
}

/// The recorder of the process. There can be only one, however many brokers run in it.
fn prometheus() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    const SECONDS: &[f64] = &[
        0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
        600.0,
    ];
    const MESSAGES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
    RECORDER
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
                .and_then(|builder| {
                    builder
                        .set_buckets_for_metric(Matcher::Suffix("_messages".to_owned()), MESSAGES)
                })
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| error.to_string())
        })
        .clone()
        .map_err(|error| anyhow!("X003: figures cannot be recorded: {error}"))
}

async fn watch_paused(
    store: Arc<dyn Store>,
    paused: watch::Sender<Arc<HashSet<OrganisationCode>>>,
    stop: CancellationToken,
) {
    loop {
        if let Ok(lanes) = store.lanes().await {
            let now: HashSet<OrganisationCode> =
                lanes.into_iter().filter(|lane| lane.paused).map(|lane| lane.lane).collect();
            paused.send_if_modified(|known| {
                let changed = **known != now;
                if changed {
                    *known = Arc::new(now);
                }
                changed
            });
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_LANES_EVERY) => {}
        }
    }
}

struct Lanes {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    current_config: Arc<CurrentConfig>,
    settler: Settler,
    paused: watch::Receiver<Arc<HashSet<OrganisationCode>>>,
}

/// Starts a lane for each organisation, also for those that a new configuration adds. Lanes in
/// which something waits come first, and each opens by itself.
async fn run_lanes(
    lanes: Lanes,
    tasks: TaskTracker,
    stop: CancellationToken,
    broken: CancellationToken,
) {
    let mut changes = lanes.current_config.changes();
    let mut running: HashSet<OrganisationCode> = HashSet::new();
    let troubles = Arc::new(Troubles::default());
    loop {
        let config = lanes.current_config.load();
        let fresh = config.profiles.keys().filter(|code| !running.contains(*code)).cloned();
        let fresh = what_waits_first(&*lanes.store, fresh.collect()).await;
        drop(config);
        for (started, organisation) in fresh.into_iter().enumerate() {
            if started % LANES_AT_ONCE == LANES_AT_ONCE - 1 {
                // Those before it ask for their turn on the bus now.
                tokio::task::yield_now().await;
            }
            running.insert(organisation.clone());
            let lane = Lane {
                organisation,
                store: Arc::clone(&lanes.store),
                bus: Arc::clone(&lanes.bus),
                current_config: Arc::clone(&lanes.current_config),
                environment: Arc::new(SystemEnvironment),
                doors: Arc::new(Network),
                codecs: codecs(),
                settler: lanes.settler.clone(),
                paused: lanes.paused.clone(),
                troubles: Arc::clone(&troubles),
            };
            tasks.spawn(watched("lane", lane.run(stop.clone()), &broken));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
        }
    }
}

/// Lanes in which something waits, those that have waited longest in front; then all others.
async fn what_waits_first(
    store: &dyn Store,
    mut lanes: Vec<OrganisationCode>,
) -> Vec<OrganisationCode> {
    if lanes.is_empty() {
        return lanes;
    }
    // Without an answer of the store any order is as good as another.
    let rows = store.lanes().await.unwrap_or_default();
    let waits: HashMap<OrganisationCode, Timestamp> =
        rows.into_iter().filter_map(|row| Some((row.lane, row.oldest_at?))).collect();
    lanes.sort_by(|a, b| {
        let since = |lane| waits.get(lane).copied().unwrap_or(Timestamp::MAX);
        since(a).cmp(&since(b)).then_with(|| a.cmp(b))
    });
    lanes
}
