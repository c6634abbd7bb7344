//! `tierlink simulate`: one scripted hospital against a running broker.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_simulator::play::{Event, Player, Summary};
use tierlink_simulator::{Broker, Hospital, Line, Script, Speaks, System, Told};

use super::BearerToken;
use super::print;

/// How long to wait for an answer of the broker.
const ANSWER_LASTS: Duration = Duration::from_secs(30);

/// Play one hospital.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Profile of the hospital, the same file that the broker has
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,

    /// System to simulate, for a hospital with several; the default system if absent
    #[arg(long, value_name = "NAME")]
    system: Option<String>,

    /// Address to listen on; the port of the profile's outbound.address on this machine if absent
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,

    /// Address of the broker: mllp://HOST:PORT for HL7 v2, http://HOST:PORT for FHIR and JSON
    #[arg(long, value_name = "URL")]
    broker: Option<String>,

    #[command(flatten)]
    token: BearerToken,

    /// Script as in ops/examples/simulate; without one, everything is accepted
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// Stop after this many seconds instead of at Ctrl-C or after the last step of the script
    #[arg(long)]
    seconds: Option<u64>,

    /// Print one JSON object per line, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the simulation. Exit code 1 if a sent message was refused, or an expected one not received.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let system = System::read(&read(&options.profile)?, options.system.as_deref())
        .with_context(|| options.profile.display().to_string())?;
    let script = match &options.script {
        Some(path) => Script::read(&read(path)?).with_context(|| path.display().to_string())?,
        None => Script::default(),
    };
    let line = line(&options, &system, &script)?;
    let listen = listen(&options, &system)?;
    let code = system.party.code.clone();
    let hospital = Hospital::open_at(listen, &code, system.speaks, None).await?;
    let as_json = options.json;
    let listening = json!({
        "event": "listens", "organisation": code, "format": system.speaks.as_str(),
        "address": hospital.address(),
    });
    let words = format!("{code} listens on {} ({})", hospital.address(), system.speaks.as_str());
    tell(as_json, &listening, &words);
    let player = Player::new(system, hospital, line, script, move |event| show(as_json, &event));
    let summary = player.play(stopped(options.seconds)).await?;
    end(as_json, &summary);
    Ok(if summary.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The connection to the broker; `None` for a hospital that only listens.
fn line(options: &Options, system: &System, script: &Script) -> anyhow::Result<Option<Line>> {
    let Some(url) = &options.broker else {
        if script.speaks() {
            bail!("the script says something: --broker is needed");
        }
        return Ok(None);
    };
    let (mllp, http) = match (system.speaks, url.strip_prefix("mllp://")) {
        (Speaks::Hl7v2, Some(address)) => (address.to_owned(), "http://localhost".to_owned()),
        (Speaks::Hl7v2, None) => bail!("this hospital speaks HL7 v2: --broker mllp://HOST:PORT"),
        (Speaks::Fhir | Speaks::Json, None) if url.starts_with("http") => {
            (String::new(), url.clone())
        }
        (Speaks::Fhir | Speaks::Json, _) => {
            bail!("this hospital speaks over HTTP: --broker http://HOST:PORT")
        }
    };
    let broker = Broker { mllp, http, token: options.token.read()? };
    Ok(Some(Line::new(broker, ANSWER_LASTS)?))
}

/// The address that the hospital listens on.
fn listen(options: &Options, system: &System) -> anyhow::Result<SocketAddr> {
    let Some(address) = &options.listen else {
        let url = system.address.as_deref().unwrap_or_default();
        let authority = url.split("://").nth(1).unwrap_or_default().split('/').next();
        let port = authority.and_then(|it| it.rsplit_once(':')).and_then(|(_, it)| it.parse().ok());
        let port: u16 =
            port.ok_or_else(|| anyhow!("outbound.address names no port: --listen ADDR"))?;
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    };
    let found = address.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| anyhow!("--listen must be an address with a port, such as 0.0.0.0:6661"))
}

async fn stopped(seconds: Option<u64>) {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => {}
        _interrupted = tokio::signal::ctrl_c() => {}
    }
}

fn tell(as_json: bool, json: &Value, words: &str) {
    if as_json {
        print::line(&json.to_string());
    } else {
        print::line(words);
    }
}

fn show(as_json: bool, event: &Event) {
    let at = SystemEnvironment.now();
    let (mut json, words) = match event {
        Event::Heard { kind, case, id, again, turn } => (
            json!({
                "event": "heard", "kind": kind, "case": case, "id": id, "again": again,
                "turn": turn.as_str(),
            }),
            format!(
                "heard {kind} {} ({id}){} -> {}",
                case.as_deref().unwrap_or("-"),
                if *again { " again" } else { "" },
                turn.as_str()
            ),
        ),
        Event::Said { kind, id, told } => {
            let (what, detail) = match told {
                Told::Taken(case) => ("taken", case.as_str()),
                Told::Refused(refusal) => ("refused", refusal.codes.as_str()),
                Told::Again(why) => ("not answered", why.as_str()),
            };
            (
                json!({ "event": "said", "kind": kind, "id": id, "outcome": what, "detail": detail }),
                format!("said {kind} ({id}) -> {what}: {detail}"),
            )
        }
        Event::Waits { hears } => {
            (json!({ "event": "waits", "kind": hears }), format!("waits for {hears}"))
        }
        Event::Missed { hears } => (
            json!({ "event": "missed", "kind": hears }),
            format!("{hears} was not received in time"),
        ),
    };
    json["at"] = json!(at.to_string());
    tell(as_json, &json, &format!("{} {words}", print::time(at)));
}

fn end(as_json: bool, summary: &Summary) {
    let Summary { said, taken, heard, kept, missed } = summary;
    let json = json!({
        "event": "ends", "said": said, "taken_by_broker": taken, "heard": heard,
        "taken_here": kept, "missed": missed, "well": summary.is_well(),
    });
    let words = format!(
        "said {said}, of these the broker took {taken}; heard {heard}, of these took {kept}; \
         waited in vain {missed} times"
    );
    tell(as_json, &json, &words);
}
