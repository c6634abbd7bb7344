//! The clock of the broker's machine is set forward and back by an hour, while it runs and between
//! its lives; and two processes do not agree on the time.
//!
//! Seen to fail with the program as it was before it watched leases and looked at when a wait began:
//! nothing was delivered for as long as the clock had been ahead.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{FENGQIAO, LEAD, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Manners, Turn, new_number, said};
use tierlink_integration_tests::load::chaos::check_log;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage_in};
use tierlink_integration_tests::servers::{Broker, MovedClock};

use super::super::hospitals::{heard, label};
use super::start;

for_both_modes! {
    a_clock_set_forward_and_back_costs_nothing,
    a_lease_from_a_clock_that_was_ahead_blocks_nobody,
    a_clock_a_month_ahead_for_four_seconds_ends_no_case,
}

const HOUR_SECONDS: i64 = 3_600;

/// As after any death of a process: the lease lasts five seconds, the rest is slack for the start.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

async fn a_clock_set_forward_and_back_costs_nothing(mode: Mode) {
    let trial = Trial::of(&format!("{}: clock an hour forward and back", label(mode)));
    let stage = set_the_stage_in(mode).await.unwrap();
    let clock = MovedClock::new().await.unwrap();
    let broker = start(&stage, &clock).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        clock.move_by(HOUR_SECONDS)?;
        flow(&stage, 10).await?;
        // What is put aside now is due in an hour and a bit, once the clock is right again.
        put_aside(&stage).await?;
        clock.move_by(0)?;
        for code in [LEAD, SECOND] {
            stage.county.hospital(code).behave(Manners::reform);
        }
        flow(&stage, 20).await?;
        clock.move_by(-HOUR_SECONDS)?;
        flow(&stage, 20).await?;
        clock.move_by(0)?;
        flow(&stage, 10).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Lets two hospitals say "not now" until something waits for its next try.
async fn put_aside(stage: &Stage) -> Result<()> {
    for code in [LEAD, SECOND] {
        stage.county.hospital(code).behave(|manners| manners.always = Some(Turn::NotNow));
    }
    let operator = stage.county.operator()?;
    for code in [LEAD, SECOND] {
        eventually("something is put aside", async || {
            let cases = operator.get("/api/v1/cases?limit=200").await?.json();
            for row in cases["cases"].as_array().into_iter().flatten() {
                let number = row["number"].as_str().unwrap_or_default();
                let case = stage.county.case("operator", number).await?;
                let custody = case["custody"].as_array().cloned().unwrap_or_default();
                let waits = |row: &serde_json::Value| {
                    row["to"] == code && row["state"]["state"] == "waiting"
                };
                if custody.iter().any(waits) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await?;
    }
    Ok(())
}

async fn a_lease_from_a_clock_that_was_ahead_blocks_nobody(mode: Mode) {
    let trial = Trial::of(&format!("{}: killed while its clock was ahead", label(mode)));
    let stage = set_the_stage_in(mode).await.unwrap();
    let clock = MovedClock::new().await.unwrap();
    clock.move_by(HOUR_SECONDS).unwrap();
    let mut ahead = start(&stage, &clock).await.unwrap();

    let breaking = async {
        flow(&stage, 10).await?;
        ahead.kill9().await?;
        check_log(&ahead)?;
        let right = stage.county.start_another(&[]).await?;
        flow_soon(&stage).await?;
        Ok(vec![right])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Deliveries go on within the time that any takeover takes.
async fn flow_soon(stage: &Stage) -> Result<()> {
    let since = Instant::now();
    flow(stage, 1).await?;
    let took = since.elapsed();
    ensure!(took < TAKEN_OVER_WITHIN, "nothing was delivered for {} s", took.as_secs());
    flow(stage, 10).await
}

/// Longer than any case waits for anybody.
const MONTH_SECONDS: i64 = 31 * 86_400;

/// Four looks of the broker's clock.
const AHEAD_FOR: Duration = Duration::from_secs(4);

/// Cases that wait for their target when the clock jumps.
const WAITING: usize = 12;

async fn a_clock_a_month_ahead_for_four_seconds_ends_no_case(mode: Mode) {
    let trial = Trial::of(&format!("{}: clock a month ahead for 4 s", label(mode)));
    let stage = set_the_stage_in(mode).await.unwrap();
    let clock = MovedClock::new().await.unwrap();
    let broker = start(&stage, &clock).await.unwrap();
    let county = &stage.county;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        let number = new_number("DL");
        let mut message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
        message["case"] = json!({ "numbers": [{ "organisation": FENGQIAO, "number": number }] });
        let case = county.must_send(&message).await.unwrap();
        stage.put_down(heard(FENGQIAO, "referral.submit", (FENGQIAO, &number), 1));
        waiting.push((case, number));
    }

    clock.move_by(MONTH_SECONDS).unwrap();
    tokio::time::sleep(AHEAD_FOR).await;
    clock.move_by(0).unwrap();

    let (mut ended, mut reported) = (0, 0);
    for (case, _) in &waiting {
        let case = county.case("operator", case).await.unwrap();
        ended += usize::from(case["state"] != "submitted");
        let says_so = |event: &Value| {
            event["note"].as_str().is_some_and(|note| note.ends_with("clock_in_doubt"))
        };
        reported += usize::from(case["events"].as_array().unwrap().iter().any(says_so));
    }
    eprintln!("cases {WAITING}, ended {ended}, reported as of a clock in doubt {reported}");
    assert_eq!(ended, 0);
    assert!(reported > 0, "reports go on");
    assert!((county.figure("tierlink_clock_in_doubt").await.unwrap() - 1.0).abs() < 0.1);
    let ready = county.anonymous().unwrap().get("/readyz").await.unwrap();
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("in doubt"), "{}", ready.body);
    for (case, number) in &waiting {
        let yes = said(SECOND, "referral.accept", Some(case), None).unwrap();
        assert_eq!(county.send(&yes).await.unwrap().status, 200, "accepting afterwards is taken");
        stage.put_down(heard(SECOND, "referral.accept", (FENGQIAO, number), 1));
    }
    let why = ["clock", "vouch", "--why", "compared with my watch"];
    county.run(&why).await.unwrap().succeeded().unwrap();
    eventually("the doubt is over", async || {
        Ok((county.figure("tierlink_clock_in_doubt").await? < 0.5).then_some(()))
    })
    .await
    .unwrap();
    let acts = county.run(&["acts", "list", "--act", "clock-vouch", "--json"]).await.unwrap();
    assert_eq!(acts.json().unwrap()["acts"][0]["why"], "compared with my watch");
    trial.judge_with_reports(&stage, &[broker]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_an_hour_apart_do_not_take_turns() {
    let trial = Trial::of("production: two processes an hour apart, one killed");
    let stage = set_the_stage_in(Mode::Production).await.unwrap();
    let clock = MovedClock::new().await.unwrap();
    clock.move_by(HOUR_SECONDS).unwrap();
    let elsewhere = stage.county.elsewhere().unwrap();
    let environment = clock.environment().unwrap();
    let environment = environment.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    // The one with the right clock holds the leases first; hospitals talk to it all the time.
    let right = stage.county.start_another(&[]).await.unwrap();
    let mut ahead = elsewhere.start_in(&environment).await.unwrap();

    let breaking = async {
        flow(&stage, 60).await?;
        let taken = leases_taken(&right)? + leases_taken(&ahead)?;
        ensure!(taken <= LEASES_TAKEN_MAX, "two leases changed hands {taken} times");
        ahead.kill9().await?;
        check_log(&ahead)?;
        flow_soon(&stage).await?;
        Ok(vec![right])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// Each of the two leases is taken by the one process, and then perhaps by the one that is ahead.
const LEASES_TAKEN_MAX: usize = 4;

fn leases_taken(broker: &Broker) -> Result<usize> {
    let logs = broker.logs()?;
    Ok(logs.lines().filter(|line| line.contains("This process has the lease")).count())
}
