//! PostgreSQL or RabbitMQ is away for a while, and the broker says what it must meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, QINGSHI, QINGSHI_FACILITY};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::hospitals::{Charset, HttpSender, Person, hl7_referral, said};
use tierlink_integration_tests::load::chaos::check_log;
use tierlink_integration_tests::load::trial::{drain, set_the_stage};
use tierlink_integration_tests::servers::{Postgres, Rabbit};

/// How long RabbitMQ stays away.
const AWAY: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_go_away_cost_time_and_nothing_else() {
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let database = postgres.fresh_database().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let without_rabbit = rabbit_goes_away(&stage.county, &rabbit).await.unwrap();
    let without_postgres = postgres_goes_away(&stage.county, &postgres).await.unwrap();

    for case in without_rabbit.iter().chain(&without_postgres) {
        stage.county.hospital(LEAD).wait_for_kind("REF^I12", case).await.unwrap();
    }
    drain(&stage).await.unwrap();
    // What was on its way when PostgreSQL went may come twice, under the same id.
    let taken = stage.county.hospital(LEAD).taken();
    let ids: HashSet<&str> = taken.iter().map(|one| one.control_id.as_str()).collect();
    assert_eq!(ids.len(), without_rabbit.len() + without_postgres.len());
    check_log(&broker).unwrap();
}

/// While RabbitMQ is away messages are taken all the same, and the broker calls itself ready.
async fn rabbit_goes_away(county: &County, rabbit: &Rabbit) -> Result<Vec<String>> {
    let sender = county.http(FENGQIAO)?;
    rabbit.stop_app().await?;

    let began = Instant::now();
    let mut cases = Vec::new();
    eventually_within(AWAY * 2, "RabbitMQ has been away for long enough", async || {
        let message = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
        cases.push(sender.send(&message).await?.accepted()?);
        Ok((began.elapsed() >= AWAY && cases.len() >= 10).then_some(()))
    })
    .await?;
    let ready = sender.get("/readyz").await?;
    ensure!(ready.status == 200, "not ready: {}", ready.body);
    ensure!(ready.json()["bus"] != "ok", "the bus is not known to be away: {}", ready.body);
    let arrived = county.hospital(LEAD).received().len();
    ensure!(arrived == 0, "{arrived} messages passed a RabbitMQ that was away");

    rabbit.start_app().await?;
    Ok(cases)
}

/// While PostgreSQL is away nobody is told that a message was taken; afterwards the same process
/// goes on.
async fn postgres_goes_away(county: &County, postgres: &Postgres) -> Result<Vec<String>> {
    let sender = county.http(FENGQIAO)?;
    let mut line = county.mllp(QINGSHI).await?;
    let json = said(FENGQIAO, "referral.submit", None, Some(LEAD))?;
    let hl7 = hl7_referral(
        (QINGSHI_FACILITY, LEAD),
        ("AWAY0001", "QS-AWAY"),
        &Person::default(),
        Charset::Gb18030,
    )?;
    postgres.stop().await?;

    let (by_http, by_mllp) = futures::join!(sender.send(&json), line.exchange(&hl7));
    let (by_http, by_mllp) = (by_http?, by_mllp?);
    ensure!(by_http.status == 503, "HTTP {}: {}", by_http.status, by_http.body);
    ensure!(by_mllp.field("MSA", 1) == "AE", "MLLP: {by_mllp:?}");
    ensure!(by_mllp.all("ERR").concat().contains("207"), "MLLP: {by_mllp:?}");
    let ready = HttpSender::new(county.http_port(), None)?.get("/readyz").await?;
    ensure!(ready.status == 503, "ready without a store: {}", ready.body);

    postgres.restart().await?;
    eventually_within(Duration::from_secs(30), "the broker goes on", async || {
        let answer = sender.send(&json).await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    let again = line.exchange(&hl7).await?;
    ensure!(again.field("MSA", 3).starts_with("accepted;"), "it had been stored: {again:?}");
    Ok(vec![sender.send(&json).await?.accepted()?, again.accepted()?])
}
