//! Attacks on the doors, from other addresses of this machine, while honest hospitals go on: half
//! frames that would fill the memory, connections that drip, bodies that are refused.
//!
//! The broker stays within the memory that its operators are told of, an honest sender is heard about
//! as soon as before, and nothing is lost. Who attacks here knows everything but a token: the address
//! is listed, and the names are right.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use tierlink_integration_tests::county::{
    County, FENGQIAO, LEAD, Mode, QINGSHI, QINGSHI_FACILITY, SECOND,
};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, HttpSender, Person, hl7_referral, new_control_id, new_number, said,
};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow};
use tierlink_integration_tests::servers::Broker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::flood::memory_kib;
use super::label;

for_both_modes! {
    half_frames_do_not_end_the_broker,
    dripping_connections_close_no_door,
    refused_bodies_do_not_fill_the_disk,
}

/// What `ops/security.md` tells operators to give the broker for a room of 256 MiB.
const MEMORY_KIB_MAX: u64 = 1024 * 1024;
/// Half frames: as many, and as large, as ended a broker with 2 GB.
const HALF_FRAMES: usize = 150;
const HALF_FRAME_BYTES: usize = 12_500_000;
/// Connections of each attacking host.
const DRIPPING: usize = 600;
const ATTACKERS: [&str; 2] = ["127.0.0.66", "127.0.0.67"];
/// An attack may slow an honest sender by so much. Below the floor everything is quick.
const SLOWER_AT_MOST: u32 = 5;
const FLOOR: Duration = Duration::from_millis(100);

fn measured() -> usize {
    if long() { 300 } else { 60 }
}

async fn connect_from(from: &str, port: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse()?, 0))?;
    Ok(socket.connect(SocketAddr::new("127.0.0.1".parse()?, port)).await?)
}

/// The slowest but one in a hundred of so many honest exchanges, each over a connection of its own.
async fn honest_p99(stage: &Stage) -> Result<Duration> {
    let mut took = Vec::new();
    for at in 0..measured() {
        let began = Instant::now();
        let number = new_number("DO");
        if at % 2 == 0 {
            let ids = (new_control_id(), number.clone());
            let person = Person::default();
            let sides = (QINGSHI_FACILITY, LEAD);
            let bytes = hl7_referral(sides, (&ids.0, &ids.1), &person, Charset::Gb18030)?;
            let answer = stage.county.mllp(QINGSHI).await?.exchange(&bytes).await?;
            answer.accepted()?;
            stage.put_down(super::heard(QINGSHI, "referral.submit", (QINGSHI, &number), 1));
        } else {
            let mut message = said(FENGQIAO, "referral.submit", None, Some(SECOND))?;
            let numbers = serde_json::json!([{ "organisation": FENGQIAO, "number": number }]);
            message["case"] = serde_json::json!({ "numbers": numbers });
            stage.county.http(FENGQIAO)?.send(&message).await?.accepted()?;
            stage.put_down(super::heard(FENGQIAO, "referral.submit", (FENGQIAO, &number), 1));
        }
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().context("nothing was measured")
}

async fn set_up(mode: Mode, settings: &str) -> Result<(Arc<Stage>, Broker)> {
    let mut county = County::plan(mode).await?;
    settings.clone_into(&mut county.settings);
    county.begin().await?;
    county.stop().await?;
    let stage = Stage::new(county);
    let broker = stage.county.start_another(&[]).await?;
    Ok((stage, broker))
}

/// Compares the honest sender before and during an attack, and says both.
async fn beside(stage: &Stage, attack: impl AsyncFn() -> Result<()>) -> Result<()> {
    let quiet = honest_p99(stage).await?;
    let attacking = async {
        loop {
            attack().await?;
        }
    };
    let attacked = tokio::select! {
        ended = attacking => return ended,
        attacked = async {
            // The attack has all its connections first.
            tokio::time::sleep(Duration::from_secs(4)).await;
            honest_p99(stage).await
        } => attacked?,
    };
    eprintln!("p99 of an honest sender: {quiet:?} before, {attacked:?} under attack");
    let allowed = SLOWER_AT_MOST * quiet.max(FLOOR);
    ensure!(attacked <= allowed, "{attacked:?} under attack, {quiet:?} before");
    Ok(())
}

/// Seen to fail before: the process was ended for its memory.
async fn half_frames_do_not_end_the_broker(mode: Mode) {
    let trial = Trial::of(&format!("{}: {HALF_FRAMES} half frames", label(mode)));
    let (stage, broker) = set_up(mode, "").await.unwrap();
    let (process, port) = (broker.id().unwrap(), stage.county.mllp_port(QINGSHI));

    let breaking = async {
        flow(&stage, 5).await?;
        let head =
            format!("MSH|^~\\&|HIS|{QINGSHI_FACILITY}|TIERLINK|{LEAD}|2026||REF^I12|1|P|2.4\r");
        let half = Arc::new([b"\x0b", head.as_bytes(), &vec![b'x'; HALF_FRAME_BYTES]].concat());
        let attack = async || -> Result<()> {
            let mut holding = JoinSet::new();
            for _ in 0..HALF_FRAMES {
                let half = Arc::clone(&half);
                holding.spawn(async move {
                    let mut stream = connect_from(ATTACKERS[0], port).await?;
                    stream.write_all(&half).await?;
                    // And never the end.
                    let mut rest = Vec::new();
                    let _closed = stream.read_to_end(&mut rest).await;
                    anyhow::Ok(())
                });
            }
            while holding.join_next().await.is_some() {}
            Ok(())
        };
        let most = tokio::select! {
            most = highest_memory(process) => return most.map(|_| Vec::new()),
            done = beside(&stage, attack) => { done?; memory_kib(process)? }
        };
        eprintln!("{most} KiB in memory at the end");
        flow(&stage, 5).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Looks at the memory until it is too much.
async fn highest_memory(process: u32) -> Result<u64> {
    loop {
        let memory = memory_kib(process)?;
        ensure!(memory <= MEMORY_KIB_MAX, "the broker has {memory} KiB in memory");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Seen to fail before: of ten honest calls nine got no place.
async fn dripping_connections_close_no_door(mode: Mode) {
    let trial = Trial::of(&format!("{}: {} dripping connections", label(mode), 2 * DRIPPING));
    let (stage, broker) = set_up(mode, "").await.unwrap();
    let (http, mllp) = (stage.county.http_port(), stage.county.mllp_port(QINGSHI));

    let breaking = async {
        flow(&stage, 5).await?;
        let body = b"POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n";
        let kinds: [(u16, &[u8]); 3] = [
            (http, b"POST /api/v1/messages HTTP/1.1\r\nX-Drip: "),
            (http, body),
            (mllp, b"\x0bMSH"),
        ];
        let attack = async || -> Result<()> {
            let drips = (0..DRIPPING * ATTACKERS.len()).map(|at| {
                let (port, first) = kinds[at % kinds.len()];
                async move {
                    let Ok(mut stream) = connect_from(ATTACKERS[at % 2], port).await else {
                        return;
                    };
                    let mut sent = stream.write_all(first).await;
                    for _ in 0..5 {
                        if sent.is_err() {
                            break;
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        sent = stream.write_all(b"a").await;
                    }
                }
            });
            join_all(drips).await;
            Ok(())
        };
        beside(&stage, attack).await?;
        flow(&stage, 5).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Seen to fail before: 1,000 bodies of 12 MiB were kept.
async fn refused_bodies_do_not_fill_the_disk(mode: Mode) {
    let trial = Trial::of(&format!("{}: bodies that are refused", label(mode)));
    let (stage, broker) =
        set_up(mode, "[limits]\nbytes_per_minute_and_organisation = 100_000_000").await.unwrap();
    let process = broker.id().unwrap();
    let bodies = if long() { 300 } else { 40 };

    let breaking = async {
        flow(&stage, 5).await?;
        let token = stage.county.token(BAD)?.to_owned();
        let refused = Arc::new(vec![b'{'; 6_000_000]);
        let attack = async {
            let sender = HttpSender::new(stage.county.http_port(), Some(&token))?;
            let mut statuses = std::collections::BTreeMap::new();
            for _ in 0..bodies {
                let answer = sender.send_json(refused.to_vec()).await?;
                *statuses.entry(answer.status).or_insert(0) += 1;
            }
            anyhow::Ok(statuses)
        };
        let statuses = tokio::select! {
            most = highest_memory(process) => return most.map(|_| Vec::new()),
            statuses = attack => statuses?,
        };
        let listed = stage.county.run(&["refusal", "list", "--json"]).await?.json()?;
        let newest = listed["refusals"][0]["id"].as_str().context("nothing was kept")?.to_owned();
        let kept = stage.county.run(&["refusal", "show", &newest, "--raw"]).await?.succeeded()?;
        eprintln!("answers: {statuses:?}; of the newest {} bytes are kept", kept.len());
        ensure!(kept.len() == 64 * 1024, "{} bytes of one refusal were kept", kept.len());
        ensure!(statuses.contains_key(&429), "nobody was told to slow down: {statuses:?}");
        flow(&stage, 5).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Who sends what is refused, again and again.
const BAD: &str = tierlink_integration_tests::county::LIUWAN;
