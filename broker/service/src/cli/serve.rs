//! `tierlink serve`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_store::LeftBehind;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use super::ConfigFile;
use crate::app::{self, App};
use crate::config::{Config, LogFormat, LogSettings};
use crate::desk::{Performed, Person, Reason, Refusal};
use crate::report::chain;

/// Each broken or slow connection would be logged by the pool; the users of the store log
/// a failure once.
const STORE_LOG_DIRECTIVE: &str = "sqlx_core::pool=error,sqlx::pool=error";

/// Run the broker.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: ConfigFile,

    /// Apply missing migrations to PostgreSQL first (for SQLite this is always done)
    #[arg(long)]
    migrate: bool,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = options.file.load()?;
    start_log(&config.settings.log)?;
    warn_of_calendar(&config);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let app = App::start(config, app::Options { migrate: options.migrate }).await?;
    info!("Ready.");
    let mut code = ExitCode::SUCCESS;
    loop {
        tokio::select! {
            () = app.broke() => {
                code = ExitCode::FAILURE;
                break;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => tokio::select! {
                // Stopping must work even while the store does not answer.
                () = reload(&options.file, &app) => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            },
        }
    }
    app.stop().await;
    Ok(code)
}

/// Reads the configuration again. If it is not valid, or the reload cannot be
/// recorded, nothing changes.
async fn reload(file: &ConfigFile, app: &App) {
    let config = match Config::load(&file.path()) {
        Ok(config) => config,
        Err(error) => {
            for problem in &error.0 {
                error!(code = %problem.code, "{problem}");
            }
            error!("The configuration stays as it was.");
            return;
        }
    };
    warn_of_calendar(&config);
    let organisations = config.profiles.len();
    let changes = changes(&app.current_config().load(), &config);
    match app.desk().reload(config, &Person::with_signal(), &Reason::hang_up()).await {
        Ok(Performed::Recorded(_) | Performed::AsBefore) => {
            for change in changes {
                info!("{change}.");
            }
            info!(
                organisations,
                "The configuration was read again. Listeners, store and bus stay as they are \
                 until a restart."
            );
        }
        Err(ref refusal @ Refusal::WouldLeave(ref left)) => {
            for LeftBehind { lane, open_cases, deliveries, .. } in left {
                error!(
                    code = %refusal.code(), lane = %lane,
                    "The new configuration has no {lane}, which has {open_cases} open case(s) and \
                     {deliveries} message(s) that it has not received. Put its profile back, or \
                     agree with `tierlink lane remove {lane} --why …` and reload again."
                );
            }
            error!(code = %refusal.code(), "The configuration stays as it was: {refusal}.");
        }
        Err(refusal) => error!(
            code = %refusal.code(),
            "The configuration stays as it was, because its reload could not be recorded: {}. \
             Reload again when the store answers.",
            chain(&refusal)
        ),
    }
}

/// What a reload changes about organisations, one by one.
fn changes(before: &Config, after: &Config) -> Vec<String> {
    let codes: BTreeSet<_> = before.profiles.keys().chain(after.profiles.keys()).collect();
    codes
        .into_iter()
        .filter_map(|code| match (before.profiles.get(code), after.profiles.get(code)) {
            (None, Some(_)) => Some(format!("Organisation {code} is new")),
            (Some(_), None) => Some(format!("Organisation {code} has left")),
            (Some(before), Some(after)) if before != after => {
                Some(format!("The profile of organisation {code} has changed"))
            }
            (Some(_), Some(_)) | (None, None) => None,
        })
        .collect()
}

fn warn_of_calendar(config: &Config) {
    let year = config.county.calendar.date(SystemEnvironment.now()).year();
    for year in [year, year + 1] {
        if !config.county.calendar.covers(year) {
            info!(
                "No holidays are known for {year}; deadlines count Monday to Friday. Put the \
                 State Council's list into calendar.days when it is out."
            );
        }
    }
}

/// Starts the log. Libraries that log every broken connection are silenced, because the broker logs
/// a failure once.
pub fn start_log(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = std::env::var("TIERLINK_LOG").unwrap_or_else(|_| settings.filter.clone());
    let quiet = format!("{},{STORE_LOG_DIRECTIVE}", tierlink_bus::LOG_DIRECTIVE);
    let filter = EnvFilter::try_new(format!("{filter},{quiet}"))
        .map_err(|error| anyhow::anyhow!("X002 log.filter: is no filter ({error})"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match settings.format {
        LogFormat::Text => {
            let _already = builder.with_ansi(false).try_init();
        }
        LogFormat::Json => {
            let _already = builder.json().flatten_event(true).try_init();
        }
    }
    Ok(())
}
