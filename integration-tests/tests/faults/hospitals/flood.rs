//! A sender without measure: thousands of messages as fast as they go, on connections that wait
//! for each answer and on connections that do not. The broker says "again" where it must, keeps
//! its memory bounded, and goes on for everybody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use tierlink_integration_tests::county::{County, LEAD, Mode, QINGSHI, QINGSHI_FACILITY};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Hl7, MllpSender, Person, hl7_referral, new_control_id, new_number,
};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow};

use super::{heard, label};

for_both_modes! { a_flood_is_taken_or_told_to_come_again }

const HASTY: usize = 4;
const PATIENT: usize = 32;
/// So many messages are on their way at once on a hasty connection.
const WINDOW: usize = 100;

fn hasty_messages() -> usize {
    if long() { 500 } else { 100 }
}

fn patient_messages() -> usize {
    if long() { 50 } else { 8 }
}

/// What the broker may need in all, as the county's operators are told.
const MEMORY_KIB_MAX: u64 = 200 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const AGAIN_AFTER: Duration = Duration::from_millis(40);

/// Little may wait, so that the flood meets the limit.
const LIMITS: &str = "[limits]\nwaiting_max = 12";

async fn a_flood_is_taken_or_told_to_come_again(mode: Mode) {
    let trial = Trial::of(&format!("{}: a flood on {} connections", label(mode), HASTY + PATIENT));
    let mut county = County::plan(mode).await.unwrap();
    LIMITS.clone_into(&mut county.settings);
    county.begin().await.unwrap();
    county.stop().await.unwrap();
    let stage = Stage::new(county);
    let broker = stage.county.start_another(&[]).await.unwrap();
    let process = broker.id().unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        let acknowledged = stage.acknowledged();
        let (again, memory) = tokio::select! {
            again = flood(&stage) => (again?, memory_kib(process)?),
            broken = watch(process) => return Err(broken),
        };
        let own = HASTY * hasty_messages() + PATIENT * patient_messages();
        let others = stage.acknowledged() - acknowledged - own;
        eprintln!("\"again\" {again} times, {memory} KiB, {others} messages of others meanwhile");
        ensure!(again > 0, "nobody was told to come again: the flood never met the limit");
        ensure!(others > 0, "nobody else was heard during the flood");
        flow(&stage, 10).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Looks at the broker's memory for as long as it is within bounds.
async fn watch(process: u32) -> anyhow::Error {
    loop {
        match memory_kib(process) {
            Ok(memory) if memory <= MEMORY_KIB_MAX => {}
            Ok(memory) => return anyhow::anyhow!("the broker has {memory} KiB in memory"),
            Err(error) => return error,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a process has in memory now.
pub(super) fn memory_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Sends everything at once. Returns how often "again" was answered.
async fn flood(stage: &Arc<Stage>) -> Result<usize> {
    let lines = [vec![WINDOW; HASTY], vec![1; PATIENT]].concat();
    let sending = lines.into_iter().map(|window| {
        let stage = Arc::clone(stage);
        let count = if window == 1 { patient_messages() } else { hasty_messages() };
        let task = tokio::spawn(async move { insist(&stage, window, count).await });
        async move { task.await? }
    });
    Ok(try_join_all(sending).await?.into_iter().sum())
}

/// Sends so many referrals on one connection, `window` of them without waiting for an answer, until
/// each is taken.
async fn insist(stage: &Stage, window: usize, count: usize) -> Result<usize> {
    let mut line = stage.county.mllp(QINGSHI).await?;
    let mut again = 0;
    let mut left = count;
    while left > 0 {
        let sending = window.min(left);
        left -= sending;
        let mut open: HashMap<String, (String, Vec<u8>)> = HashMap::new();
        for _ in 0..sending {
            let (id, number) = (new_control_id(), new_number("FL"));
            let sides = (QINGSHI_FACILITY, LEAD);
            let person = Person::default();
            let bytes = hl7_referral(sides, (&id, &number), &person, Charset::Gb18030)?;
            open.insert(id, (number, bytes));
        }
        while !open.is_empty() {
            again += send_once(stage, &mut line, &mut open).await?;
            if !open.is_empty() {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }
    Ok(again)
}

/// Sends all that is open and reads as many answers. What is taken is open no more.
async fn send_once(
    stage: &Stage,
    line: &mut MllpSender,
    open: &mut HashMap<String, (String, Vec<u8>)>,
) -> Result<usize> {
    for (_, bytes) in open.values() {
        line.send(bytes).await?;
    }
    let mut again = 0;
    for _ in 0..open.len() {
        let answer = line.answer().await?.context("the connection ended")?;
        let answer = Hl7::parse(&Charset::read(&answer));
        let id = answer.field("MSA", 2);
        match answer.verdict()? {
            (code, Some(_)) if code == "AA" => {
                let (number, _) = open.remove(id).context("an answer to nothing")?;
                stage.put_down(heard(QINGSHI, "referral.submit", (QINGSHI, &number), 1));
            }
            (_, _) if answer.all("ERR").concat().contains("207") => again += 1,
            refused => bail!("refused: {refused:?} {:?}", answer.all("ERR")),
        }
    }
    Ok(again)
}
