//! Bad input over real sockets: a clear refusal with a field and a code, never a crash, and nobody
//! else notices.
//!
//! ```text
//!   bad bytes ──▶ refused: code with a page under ops/errors, and a field
//!                 kept:    `tierlink refusal show --raw` gives the same bytes
//!   good one  ──▶ accepted at once, on the same connection where it lives on
//! ```
//!
//! Each case of the tables is judged in this way. What a format refuses in detail is tested in the
//! format's own crate; here it is the whole program that must stay upright.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input {
    pub mod cases;
    pub mod judge;
}

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bad_input::cases::{self, good_hl7};
use bad_input::judge::Judge;
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode, QINGSHI};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, FRAME_BEGINS, FRAME_ENDS, HttpSender, MllpSender, Person, hl7_referral, said,
};
use tierlink_integration_tests::load::chance::{Chance, SEED_VARIABLE};
use tierlink_integration_tests::load::spoil::spoil;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

// Small, so that a slow sender need not be waited for, and a flood is quickly made.
const FRAME_SECONDS: u64 = 2;
const CONNECTIONS_MAX: usize = 150;
const CONNECTIONS_PER_PEER_MAX: usize = 40;
// Beside what the program is (debug build), the messages in hand and a cache.
const MEMORY_KB_MAX: u64 = 300 * 1024;

async fn open(mode: Mode) -> Result<County> {
    let mut county = County::plan(mode).await?;
    county.settings = format!(
        "[limits]\nframe_seconds = {FRAME_SECONDS}\nconnections_max = {CONNECTIONS_MAX}\n\
         connections_per_peer_max = {CONNECTIONS_PER_PEER_MAX}\n"
    );
    county.begin().await?;
    Ok(county)
}

/// What must hold after anything: the process lives, it took no more memory than it may, its log
/// tells of no crash and of no patient, and everything good was delivered.
async fn check_upright(county: &mut County, good: usize) -> Result<()> {
    county.wait_drained().await?;
    let parked = county.operator()?.get("/api/v1/parked").await?.json();
    ensure!(parked["parked"] == json!([]), "something is parked: {parked}");
    let cases = county.operator()?.get("/api/v1/cases?limit=200").await?.json();
    let count = cases["cases"].as_array().map_or(0, Vec::len);
    ensure!(count == good.min(200), "{good} good messages made {count} cases");

    let id = county.broker()?.id().context("the broker has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok()
        })
        .context("the kernel counts memory")?;
    ensure!(peak < MEMORY_KB_MAX, "the broker took {peak} kB");

    let logs = county.logs()?;
    for word in ["panicked", "E008", "E026", "汪德福", "990101195001010010", "13900000001"] {
        ensure!(!logs.contains(word), "the log has `{word}`:\n{logs}");
    }
    Ok(())
}

async fn broken_frames_and_unreadable_hl7_are_refused_and_kept(mode: Mode) {
    let mut county = open(mode).await.unwrap();

    let judge = Judge::new(&county);
    let mut wrong = Vec::new();
    for (sender, cases) in [(QINGSHI, cases::mllp()), (LEAD, cases::lead_mllp())] {
        for case in cases.unwrap() {
            if let Err(error) = judge.mllp(sender, &case).await {
                wrong.push(format!("{}: {error:#}", case.name));
            }
        }
    }

    let good = judge.good();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_upright(&mut county, good).await.unwrap();
}

async fn unreadable_json_and_fhir_are_refused_and_kept(mode: Mode) {
    let mut county = open(mode).await.unwrap();

    let judge = Judge::new(&county);
    let mut wrong = Vec::new();
    for case in cases::json().unwrap().into_iter().chain(cases::fhir().unwrap()) {
        if let Err(error) = judge.http(&case).await {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }

    let good = judge.good();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_upright(&mut county, good).await.unwrap();
}

async fn one_message_a_hundred_times_at_once_is_accepted_once(mode: Mode) {
    let mut county = open(mode).await.unwrap();
    let sender = county.http(FENGQIAO).unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(LEAD)).unwrap();

    let verdicts = at_once(&sender, std::iter::repeat_n(message, 100)).await.unwrap();

    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "accepted").count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "repeated").count(), 99);
    check_upright(&mut county, 1).await.unwrap();
}

async fn one_id_with_many_contents_at_once_is_accepted_once(mode: Mode) {
    let mut county = open(mode).await.unwrap();
    let sender = county.http(FENGQIAO).unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(LEAD)).unwrap();
    let others = (0..100).map(|number| {
        let mut message = message.clone();
        message["body"]["reason_text"] = json!(format!("说法{}", number / 2));
        message
    });

    let verdicts = at_once(&sender, others).await.unwrap();

    // Each content came twice: the accepted one is repeated once, all others contradict it.
    let accepted = verdicts.iter().filter(|verdict| *verdict == "accepted").count();
    let repeated = verdicts.iter().filter(|verdict| *verdict == "repeated").count();
    let refused = verdicts.iter().filter(|verdict| *verdict == "409 S010").count();
    assert_eq!((accepted, repeated, refused), (1, 1, 98), "{verdicts:?}");
    check_upright(&mut county, 1).await.unwrap();
}

async fn one_hl7_message_on_twenty_connections_at_once_is_accepted_once(mode: Mode) {
    let mut county = open(mode).await.unwrap();
    let message = good_hl7("SAMEID", "QS-SAME").unwrap();
    let lines = try_join_all((0..20).map(|_| county.mllp(QINGSHI))).await.unwrap();

    let answers = lines.into_iter().map(|mut line| {
        let message = message.clone();
        async move { line.exchange(&message).await }
    });
    let answers = try_join_all(answers).await.unwrap();

    let says = |text: &str| {
        let texts = answers.iter().map(|answer| answer.field("MSA", 3));
        texts.filter(|it| it.starts_with(text)).count()
    };
    assert_eq!((says("accepted;"), says("accepted before;")), (1, 19));
    check_upright(&mut county, 1).await.unwrap();
}

for_both_modes!(
    broken_frames_and_unreadable_hl7_are_refused_and_kept,
    unreadable_json_and_fhir_are_refused_and_kept,
    one_message_a_hundred_times_at_once_is_accepted_once,
    one_id_with_many_contents_at_once_is_accepted_once,
    one_hl7_message_on_twenty_connections_at_once_is_accepted_once,
);

/// Posts all at the same time, and gives what each was told.
async fn at_once(
    sender: &HttpSender,
    messages: impl Iterator<Item = Value>,
) -> Result<Vec<String>> {
    // As many as connections are allowed, and again: the client keeps its connections.
    let messages: Vec<Value> = messages.collect();
    let gate = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_PER_PEER_MAX - 5));
    let all = messages.into_iter().map(|message| {
        let gate = Arc::clone(&gate);
        async move {
            let _place = gate.acquire().await?;
            let answer = sender.send(&message).await?;
            if answer.status == 200 {
                let verdict = answer.json()["verdict"].as_str().map(str::to_owned);
                return verdict.context("a verdict");
            }
            Ok(format!("{} {}", answer.status, answer.refused()?.0))
        }
    });
    try_join_all(all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_of_a_byte_a_second_is_cut_off_and_holds_up_nobody() {
    let mut county = open(Mode::Embedded).await.unwrap();
    let mut slow = county.mllp(QINGSHI).await.unwrap();
    let mut others = county.mllp(QINGSHI).await.unwrap();
    let began = Instant::now();

    let slowly = async {
        slow.write(&[FRAME_BEGINS]).await?;
        for byte in b"MSH|^~\\&|" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if slow.write(&[*byte]).await.is_err() {
                break;
            }
        }
        slow.answer().await
    };
    let meanwhile = good_hl7("MEANWHILE", "QS-1").unwrap();
    let meanwhile = others.exchange(&meanwhile);
    let (slowly, meanwhile) = futures::join!(slowly, meanwhile);

    assert_eq!(meanwhile.unwrap().field("MSA", 1), "AA");
    let answer = slowly.ok().flatten().map(|answer| Charset::read(&answer)).unwrap_or_default();
    assert!(answer.is_empty() || answer.contains("E017"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(FRAME_SECONDS * 10));
    let judge = Judge::new(&county);
    let refusal = judge.newest().await.unwrap().unwrap();
    assert_eq!(refusal["problems"][0]["code"], "E017");
    check_upright(&mut county, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_leaves_others_served() {
    let mut county = open(Mode::Embedded).await.unwrap();
    let mut early = county.mllp(QINGSHI).await.unwrap();
    early.exchange(&good_hl7("EARLY1", "QS-1").unwrap()).await.unwrap().accepted().unwrap();

    // One address takes more than its share: the others of it are turned away, nobody else is.
    let one = flood(county.mllp_port(QINGSHI), 9, 120).await;
    let one_kept = kept(one).await;
    let mut late = county.mllp(QINGSHI).await.unwrap();
    late.exchange(&good_hl7("LATE1", "QS-2").unwrap()).await.unwrap().accepted().unwrap();

    // Many addresses take all that strangers may have, also from those strangers that were there
    // before: whoever is known stays served, and is let in anew.
    let mut many = Vec::new();
    for host in 10..16 {
        many.extend(flood(county.mllp_port(QINGSHI), host, 40).await);
    }
    early.exchange(&good_hl7("EARLY2", "QS-3").unwrap()).await.unwrap().accepted().unwrap();
    let mut anew = county.mllp(QINGSHI).await.unwrap();
    anew.exchange(&good_hl7("ANEW", "QS-5").unwrap()).await.unwrap().accepted().unwrap();
    let many_kept = kept(many).await;

    // The flood ebbs away, and newcomers are served again.
    let kept_count = (one_kept.len(), many_kept.len());
    drop((one_kept, many_kept));
    eventually("a newcomer is served", async || {
        let Ok(mut line) = county.mllp(QINGSHI).await else { return Ok(None) };
        let answer = line.exchange(&good_hl7("NEW1", "QS-4")?).await;
        Ok(answer.ok().filter(|answer| answer.field("MSA", 1) == "AA").map(|_| ()))
    })
    .await
    .unwrap();
    assert_eq!(kept_count, (CONNECTIONS_PER_PEER_MAX, CONNECTIONS_MAX - CONNECTIONS_MAX / 4));
    check_upright(&mut county, 5).await.unwrap();
}

/// Opens connections from 127.0.0.`host`.
async fn flood(port: u16, host: u8, count: usize) -> Vec<TcpStream> {
    let connect = || async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
        socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
    };
    let all = join_all((0..count).map(|_| connect())).await;
    all.into_iter().filter_map(Result::ok).collect()
}

/// Those of the connections that were not closed by the other side.
async fn kept(streams: Vec<TcpStream>) -> Vec<TcpStream> {
    const CLOSED_WITHIN: Duration = Duration::from_secs(2);
    let looks = streams.into_iter().map(|mut stream| async {
        let mut byte = [0];
        match tokio::time::timeout(CLOSED_WITHIN, stream.read(&mut byte)).await {
            Err(_still_open) => Some(stream),
            Ok(_closed) => None,
        }
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// Spoiled messages of each format that are sent. There are three formats.
const FUZZED_EACH: usize = 200;
const FUZZ_LINES: usize = 4;
const FUZZ_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_spoiled_messages_all_get_an_answer_in_their_format() {
    let mut county = open(Mode::Embedded).await.unwrap();
    let seed = Chance::seed();
    let chance = Chance::new(seed);
    let began = Instant::now();

    let lines = (0..FUZZ_LINES).map(|line| {
        let chance = chance.apart(u64::try_from(line).unwrap());
        fuzz(&county, chance, FUZZED_EACH / FUZZ_LINES)
    });
    let answered = try_join_all(lines).await.with_context(|| format!("{SEED_VARIABLE}={seed}"));

    let answered: HashSet<String> = answered.unwrap().into_iter().flatten().collect();
    assert!(began.elapsed() < FUZZ_WITHIN, "it took {} s", began.elapsed().as_secs());
    assert!(answered.len() > 10, "the spoiling is too much of one kind: {answered:?}");
    let mut line = county.mllp(QINGSHI).await.unwrap();
    line.exchange(&good_hl7("AFTER", "QS-AFTER").unwrap()).await.unwrap().accepted().unwrap();
    let cases = county.operator().unwrap().get("/api/v1/cases?limit=200").await.unwrap().json();
    let cases = cases["cases"].as_array().unwrap().len();
    check_upright(&mut county, cases).await.unwrap();
}

/// Sends spoiled messages of all formats. Gives the different answers.
async fn fuzz(county: &County, mut chance: Chance, count: usize) -> Result<HashSet<String>> {
    let http = county.http(FENGQIAO)?;
    let mut line = county.mllp(QINGSHI).await?;
    let mut answers = HashSet::new();
    for number in 0..count {
        let name = format!("F{}", chance.draw() % 1_000_000_000);
        let hl7 = spoil(&mut chance, &good_hl7(&name, &format!("QS-{name}"))?);
        answers.insert(fuzz_mllp(&mut line, &hl7, number).await?);

        let json = said(FENGQIAO, "referral.submit", None, Some(LEAD))?.to_string();
        let json = spoil(&mut chance, json.as_bytes());
        answers.insert(fuzz_http(&http, "/api/v1/messages", "application/json", json).await?);

        let fhir = cases::good_fhir(&format!("FQ-{name}"))?.to_string();
        let fhir = spoil(&mut chance, fhir.as_bytes());
        let media_type = "application/fhir+json";
        answers.insert(fuzz_http(&http, "/fhir/$process-message", media_type, fhir).await?);
    }
    Ok(answers)
}

/// A message whose MSH-15 and MSH-16 got filled may ask for silence; the good one behind it tells.
async fn fuzz_mllp(line: &mut MllpSender, spoiled: &[u8], number: usize) -> Result<String> {
    let framed = |message: &[u8]| [&[FRAME_BEGINS], message, &FRAME_ENDS].concat();
    // Frames have their own table; here each frame holds one message.
    let spoiled: Vec<u8> = spoiled
        .iter()
        .copied()
        .filter(|byte| ![FRAME_BEGINS, FRAME_ENDS[0]].contains(byte))
        .collect();
    let control_id = format!("PROBE{number}");
    let probe = hl7_referral(
        ("NOBODY", LEAD),
        (&control_id, "QS-PROBE"),
        &Person::default(),
        Charset::Utf8,
    )?;
    line.write(&[framed(&spoiled), framed(&probe)].concat()).await?;
    let mut said = String::from("nothing");
    loop {
        let answer = line.answer().await?.context("the connection was closed")?;
        let answer = tierlink_integration_tests::hospitals::Hl7::parse(&Charset::read(&answer));
        let code = answer.field("MSA", 1);
        ensure!(["AA", "AE", "AR", "CA", "CE", "CR"].contains(&code), "no answer: {answer:?}");
        if answer.field("MSA", 2) == control_id {
            return Ok(said);
        }
        let first = answer.field("MSA", 3).split(' ').next().unwrap_or_default();
        said = format!("{code} {first}");
    }
}

async fn fuzz_http(
    http: &HttpSender,
    path: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<String> {
    let answer = http.post(path, media_type, body).await?;
    let form = answer.media_type.split(';').next().unwrap_or_default();
    let expected = ["application/json", "application/problem+json", "application/fhir+json"];
    ensure!(expected.contains(&form), "{} {form}: {}", answer.status, answer.body);
    ensure!(answer.json().is_object(), "no object in {}", answer.body);
    match answer.status {
        200..=299 => Ok(answer.status.to_string()),
        400..=499 => {
            let (code, _) = answer.refused()?;
            Ok(format!("{} {code}", answer.status))
        }
        status => bail!("HTTP {status}: {}", answer.body),
    }
}
