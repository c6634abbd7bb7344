//! A server that says nothing: whoever waits for it hears so in time, and hospitals hear
//! "try again" before they give up.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, QINGSHI, QINGSHI_FACILITY};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::hospitals::{
    Answer, Charset, Person, hl7_referral, new_control_id, said,
};
use tierlink_integration_tests::load::chaos::check_log;
use tierlink_integration_tests::load::trial::drain;
use tierlink_integration_tests::proxy::Manner;

use super::{Link, set_with};

/// A transaction is given up after 10 s, and the next, without a connection, after 5 s more. Hospitals
/// often wait for 30 s.
const HEARS_WITHIN: Duration = Duration::from_secs(20);
/// A worthless connection is given up, and work goes on, this soon after the network is back.
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// RabbitMQ and we say something every 10 s; after twice that without a word
/// the connection is given up, and another takes 5 s to fail.
const NOTICED_WITHIN: Duration = Duration::from_secs(40);
/// Hospitals that ask at the same moment, more than there are connections.
const HOSPITALS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_silent_hospitals_hear_try_again() {
    let (stage, proxies) = set_with(Link::PostgreSql).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();
    // Connections that lie idle afterwards, as they do in earnest.
    ask(&stage.county, true).await.unwrap();

    proxies[0].set_both(Manner::BlackHole);
    let first = ask(&stage.county, false).await.unwrap();
    let second = ask(&stage.county, false).await.unwrap();
    let ready = county_health(&stage.county).await.unwrap();
    proxies[0].pass();
    let began = Instant::now();
    eventually_within(GOES_ON_WITHIN, "messages are taken again", async || {
        let message = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
        Ok((stage.county.send(&message).await.is_ok_and(|answer| answer.status == 200))
            .then_some(()))
    })
    .await
    .unwrap();
    let back = began.elapsed();

    eprintln!("silent PostgreSQL: told after {first:.1?}, {second:.1?}; back after {back:.1?}");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("S001"), "{}", ready.body);
    drain(&stage).await.unwrap();
    check_log(&broker).unwrap();
}

async fn county_health(county: &County) -> Result<Answer> {
    county.anonymous()?.patient_for(HEARS_WITHIN).get("/readyz").await
}

/// Everybody sends at once. Gives how long the slowest answer took.
async fn ask(county: &County, is_taken: bool) -> Result<Duration> {
    let began = Instant::now();
    let asking = (0..HOSPITALS).map(async |number| {
        if number % 2 == 0 {
            let message = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
            let sender = county.http(FENGQIAO)?.patient_for(HEARS_WITHIN * 2);
            let answer = sender.send(&message).await?;
            let wanted = if is_taken { 200 } else { 503 };
            ensure!(answer.status == wanted, "HTTP {}: {}", answer.status, answer.body);
        } else {
            let referral = hl7_referral(
                (QINGSHI_FACILITY, LEAD),
                (&new_control_id(), &format!("S-{number}")),
                &Person::default(),
                Charset::Gb18030,
            )?;
            let mut line = county.mllp(QINGSHI).await?.patient_for(HEARS_WITHIN * 2);
            let answer = line.exchange(&referral).await?;
            let again =
                answer.field("MSA", 1) == "AE" && answer.all("ERR").concat().contains("207");
            ensure!(if is_taken { answer.accepted().is_ok() } else { again }, "{answer:?}");
        }
        Ok(())
    });
    try_join_all(asking).await?;
    let slowest = began.elapsed();
    ensure!(slowest <= HEARS_WITHIN, "the slowest answer took {slowest:.1?}");
    Ok(slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_rabbitmq_is_noticed_and_holds_up_no_sender() {
    let (stage, proxies) = set_with(Link::RabbitMq).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();
    let sender = stage.county.http(FENGQIAO).unwrap().patient_for(HEARS_WITHIN);
    let send = async || -> Result<String> {
        sender.send(&said(FENGQIAO, "referral.submit", None, Some(LEAD))?).await?.accepted()
    };
    let first = send().await.unwrap();
    stage.county.hospital(LEAD).wait_for_kind("REF^I12", &first).await.unwrap();

    proxies[0].set_both(Manner::BlackHole);
    let began = Instant::now();
    let mut cases = Vec::new();
    eventually_within(NOTICED_WITHIN, "the silence is noticed", async || {
        cases.push(send().await?);
        let ready = county_health(&stage.county).await?;
        ensure!(ready.status == 200, "not ready: {}", ready.body);
        // The consumers' connection too, which nobody asks anything.
        let noticed = broker.logs()?.contains("Reading what waits in RabbitMQ");
        Ok((noticed && ready.json()["bus"] != "ok").then_some(()))
    })
    .await
    .unwrap();
    let noticed = began.elapsed();
    proxies[0].pass();
    let began = Instant::now();
    for case in &cases {
        stage.county.hospital(LEAD).wait_for_kind("REF^I12", case).await.unwrap();
    }
    let back = began.elapsed();

    let sent = cases.len();
    eprintln!("silent RabbitMQ: noticed after {noticed:.1?}, {sent} sent, back after {back:.1?}");
    assert!(back <= GOES_ON_WITHIN, "deliveries went on only after {back:.1?}");
    drain(&stage).await.unwrap();
    check_log(&broker).unwrap();
}
