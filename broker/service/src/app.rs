//! Wires the concrete parts together; no other file does. All others know only the small traits.
//!
//! ```text
//!   listeners ─▶ intake ─▶ committers ─▶ store ─▶ relay ─▶ bus ─▶ lanes ─▶ settler ─▶ store
//!                                          └──── clock (deadlines)
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tierlink_bus::{Bus, InProcessBus, RabbitBus};
use tierlink_edge::doors::mllp::{Addresses, MllpDoor, peers};
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_edge::figures::LaneFigures;
use tierlink_edge::rates::{PerMinute, Rates};
use tierlink_http as http;
use tierlink_mllp as mllp;
use tierlink_schemas::Code;
use tierlink_socket::ByteBudget;
use tierlink_store::{Queries, ServesAlone, Store};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::{self, Api, ApiDoorkeeper};
use crate::certificate_watch::CertificateWatch;
use crate::clock::Clock;
use crate::clock_watch::ClockWatch;
use crate::codecs::codecs;
use crate::committer::Committer;
use crate::config::{Config, LoadLimits, TlsSettings};
use crate::counters::Counters;
use crate::crash::watched;
use crate::current_config::CurrentConfig;
use crate::deliveries::Deliveries;
use crate::desk::Desk;
use crate::gauges::Gauges;
use crate::health::Health;
use crate::intake::Intake;
use crate::lanes::{self, Lanes};
use crate::lease::Lease;
use crate::recorder::prometheus;
use crate::relay::{Relay, ShutLanes};
use crate::report::{self, chain};
use crate::settler::Settler;
use crate::tls_files::TlsFiles;
use crate::tokens::Tokens;

/// Another process serves from the SQLite file.
const SERVED_ALREADY: Code = Code::new("X006");

/// Choices that are not configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether to apply missing migrations first. SQLite stores always do.
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
    /// Stops the listeners. Cancelled first.
    doors: CancellationToken,
    door_tasks: TaskTracker,
    /// Stops the tasks that carry messages on. Cancelled after the listeners have ended.
    workers: CancellationToken,
    worker_tasks: TaskTracker,
    /// Committers and settler. They end by themselves when nothing can send to them any more.
    commit_tasks: TaskTracker,
    /// Cancelled when a task that must never end has crashed.
    broken: CancellationToken,
    /// While it is held, no other process serves from the same SQLite file.
    _alone: Option<ServesAlone>,
}

/// What all doors share.
struct Shared {
    intake: Arc<Intake>,
    budget: ByteBudget,
    rates: Arc<Rates>,
    environment: Arc<dyn Environment>,
}

/// Whether a listener makes its clients show a certificate.
fn asks_certificates(tls: Option<&TlsSettings>) -> bool {
    tls.is_some_and(|tls| tls.client_authorities.is_some())
}

fn per_minute(limits: &LoadLimits) -> PerMinute {
    PerMinute {
        per_address: limits.per_minute_and_address,
        per_token: limits.per_minute_and_token,
        per_organisation: limits.per_minute_and_organisation,
        bytes_per_organisation: limits.bytes_per_minute_and_organisation,
    }
}

/// The store's address. The path of an SQLite file is relative to the configuration file.
#[must_use]
pub fn store_url(config: &Config) -> String {
    let url = &config.settings.store.url;
    match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", config.path(path.as_ref()).display()),
        None => url.clone(),
    }
}

/// Opens the configured store.
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
    if let Some(newer) = report::newer_tables(&store.newer_tables().await.map_err(failed)?) {
        warn!("{newer}");
    }
    Ok(store)
}

/// Makes sure that no other process serves from the same SQLite file: each would think that it
/// alone relays, and the queue of one is not the other's.
fn serve_alone(config: &Config) -> anyhow::Result<Option<ServesAlone>> {
    let url = store_url(config);
    let Some(path) = tierlink_store::sqlite_path(&url) else { return Ok(None) };
    let taken = ServesAlone::take(path).with_context(|| format!("{path} cannot be locked"))?;
    taken.map(Some).ok_or_else(|| {
        anyhow!(
            "{SERVED_ALREADY}: another process serves from {path}; stop it first, or use PostgreSQL \
             and RabbitMQ, which several processes can share"
        )
    })
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
    /// Starts everything. On return, the listeners accept connections.
    pub async fn start(config: Config, options: Options) -> anyhow::Result<Self> {
        let alone = serve_alone(&config)?;
        let store = open_store(&config, options.migrate).await?;
        let bus = open_bus(&config)?;
        let current_config = Arc::new(CurrentConfig::new(config));
        let (doors, workers) = (CancellationToken::new(), CancellationToken::new());
        let (door_tasks, worker_tasks) = (TaskTracker::new(), TaskTracker::new());
        let commit_tasks = TaskTracker::new();
        let broken = CancellationToken::new();
        let wake = Arc::new(Notify::new());
        let environment: Arc<dyn Environment> = Arc::new(SystemEnvironment);

        let committer = Committer::start(store.clone(), &current_config, &wake, &commit_tasks);
        let settler = Settler::start(store.clone(), &current_config, &wake, &commit_tasks);
        let counters = Counters::new(store.clone());
        let last_failure = committer.last_failure();
        let intake = Arc::new(Intake::new(
            Arc::clone(&current_config),
            codecs(),
            committer,
            counters,
            Arc::clone(&environment),
        ));
        let prometheus = Some(prometheus()?);
        let figures = Arc::new(LaneFigures::default());
        let health = Arc::new(Health::new(
            store.clone(),
            Arc::clone(&bus),
            prometheus,
            Arc::clone(&figures),
            last_failure,
        ));
        let tokens = Arc::new(Tokens::new(store.clone(), store.clone(), Arc::clone(&environment)));
        // Before the doors open: a sender must not hear that its token is wrong because we have
        // only just begun.
        tokens.read().await.map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;

        let desk = Arc::new(Desk::new(
            store.clone(),
            Arc::clone(&current_config),
            Arc::clone(&environment),
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
            _alone: alone,
        };
        app.start_workers(&settler, &wake, &environment, &figures);
        app.open_doors(intake, environment).await?;
        Ok(app)
    }

    async fn open_doors(
        &mut self,
        intake: Arc<Intake>,
        environment: Arc<dyn Environment>,
    ) -> anyhow::Result<()> {
        let limits = self.current_config.load().settings.limits.clone();
        let shared = Shared {
            intake,
            budget: ByteBudget::new(limits.receiving_bytes_max),
            rates: Arc::new(Rates::new(per_minute(&limits))),
            environment,
        };
        self.open_mllp(&shared).await?;
        self.open_http(shared).await
    }

    fn start_workers(
        &self,
        settler: &Settler,
        wake: &Arc<Notify>,
        environment: &Arc<dyn Environment>,
        figures: &Arc<LaneFigures>,
    ) {
        let (store, current_config) = (&self.store, &self.current_config);
        let environment = || Arc::clone(environment);
        let holder = environment().id();
        let relay = Relay {
            store: store.clone(),
            bus: Arc::clone(&self.bus),
            current_config: Arc::clone(current_config),
            environment: environment(),
            wake: Arc::clone(wake),
            lease: Lease::new(store.clone(), environment(), "relay", holder),
            shut: ShutLanes::default(),
        };
        let clock = Clock {
            store: store.clone(),
            current_config: Arc::clone(current_config),
            environment: environment(),
            wake: Arc::clone(wake),
            lease: Lease::new(store.clone(), environment(), "clock", holder),
            watch: ClockWatch::new(self.health.clock()),
        };
        let stop = || self.workers.clone();
        let broken = &self.broken;
        self.worker_tasks.spawn(watched("relay", relay.run(stop()), broken));
        self.worker_tasks.spawn(watched("clock", clock.run(stop()), broken));
        let receipts = crate::remote::run(
            Arc::clone(&self.bus),
            store.clone(),
            settler.clone(),
            environment(),
            stop(),
        );
        self.worker_tasks.spawn(watched("receipts", receipts, broken));
        let gauges = Gauges::new(
            store.clone(),
            store.clone(),
            Arc::clone(&self.bus),
            Arc::clone(current_config),
            environment(),
            Arc::clone(figures),
        );
        self.worker_tasks.spawn(Arc::clone(&self.health).measure(gauges, stop()));
        self.worker_tasks.spawn(Arc::clone(&self.tokens).keep_fresh(stop()));
        let certificates =
            CertificateWatch::new(Arc::clone(current_config), Arc::clone(figures), environment());
        self.worker_tasks.spawn(certificates.run(stop()));
        let (paused, seen) = watch::channel(Arc::default());
        self.worker_tasks.spawn(lanes::watch_paused(store.clone(), paused, stop()));
        let deliveries = Deliveries::new(
            store.clone(),
            settler.clone(),
            Arc::clone(current_config),
            environment(),
            Arc::clone(wake),
            Arc::clone(figures),
        );
        self.worker_tasks.spawn(lanes::run(
            Lanes {
                store: store.clone(),
                bus: Arc::clone(&self.bus),
                current_config: Arc::clone(current_config),
                environment: environment(),
                codecs: codecs(),
                deliveries: Arc::new(deliveries),
                figures: Arc::clone(figures),
                paused: seen,
            },
            self.worker_tasks.clone(),
            stop(),
            broken.clone(),
        ));
    }

    async fn open_mllp(&mut self, shared: &Shared) -> anyhow::Result<()> {
        let config = self.current_config.load();
        for settings in &config.settings.mllp {
            let limits = &config.settings.limits;
            let mut listen = mllp::server::Settings::new(settings.listen);
            listen.peers = peers(&*config);
            listen.proxies.clone_from(&settings.proxies);
            listen.budget = shared.budget.clone();
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
            let door = MllpDoor {
                listener: settings.name.clone(),
                organisations: Arc::<CurrentConfig>::clone(&self.current_config),
                codecs: codecs(),
                intake: Arc::<Intake>::clone(&shared.intake),
                rates: Arc::clone(&shared.rates),
                asks_certificates: asks_certificates(settings.tls.as_ref()),
            };
            let server = mllp::Server::bind(listen, Arc::new(door))
                .await
                .map_err(|error| anyhow!("{}: {}", error.code(), chain(&error)))?;
            self.mllp_addresses.insert(settings.name.clone(), server.address());
            self.door_tasks.spawn(server.run(self.doors.clone()));
        }
        Ok(())
    }

    async fn open_http(&mut self, shared: Shared) -> anyhow::Result<()> {
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
        let Shared { intake, budget, rates, environment } = shared;
        let doorkeeper = ApiDoorkeeper::new(
            Arc::clone(&self.tokens),
            Arc::clone(&rates),
            Arc::clone(&self.current_config),
            asks_certificates(settings.tls.as_ref()),
        );
        let server = server
            .behind(settings.proxies.clone())
            .with_budget(budget)
            .with_doorkeeper(Arc::new(doorkeeper));
        let router = api::router(Api {
            intake,
            store: self.store.clone(),
            desk: Arc::clone(&self.desk),
            rates,
            health: Arc::clone(&self.health),
            environment,
        });
        self.door_tasks.spawn(server.serve(router, self.doors.clone()));
        Ok(())
    }

    /// The address of the HTTP listener.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// The address of the MLLP listener `name`.
    #[must_use]
    pub fn mllp_address(&self, name: &str) -> Option<SocketAddr> {
        self.mllp_addresses.get(name).copied()
    }

    /// Queries of the store.
    #[must_use]
    pub fn queries(&self) -> Arc<dyn Queries> {
        self.store.clone()
    }

    /// Performs acts of people.
    #[must_use]
    pub fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// The configuration in force.
    #[must_use]
    pub fn current_config(&self) -> Arc<CurrentConfig> {
        Arc::clone(&self.current_config)
    }

    /// The valid tokens, for callers who add one and must not wait until they are read again.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens)
    }

    /// Returns when a task that must never end has crashed. The process should then be
    /// restarted: no acknowledged message is lost, whereas a broker without that task would
    /// delay patients unnoticed.
    pub async fn broke(&self) {
        self.broken.cancelled().await;
    }

    /// Shuts down: accepts no new messages and finishes what has begun.
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

async fn wait(tasks: &TaskTracker, lasts: Duration, what: &str) {
    if tokio::time::timeout(lasts, tasks.wait()).await.is_err() {
        warn!("{what} did not end in {} s; what they hold comes again.", lasts.as_secs());
    }
}
