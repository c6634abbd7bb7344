//! PostgreSQL or RabbitMQ is away.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually_within;
use tierlink_integration_tests::hospitals::said;
use tierlink_integration_tests::servers::{Postgres, Rabbit};

use crate::seen::{assert_readable, doctor, doctor_is_content, failures_told, figure_is, page};

/// How long a server may take to be away, or to be back, for everybody.
const CHANGES_WITHIN: Duration = Duration::from_mins(1);
/// So many messages are offered meanwhile, each of which asks for what is away.
const OFFERED: usize = 40;
/// Each part of the program that needs the store says so once: two leases, tokens, messages, case
/// numbers, lanes, outcomes, deadlines, and three of the relay.
const PARTS_OF_THE_STORE: usize = 11;
/// Reading, publishing, declaring, the relay, announcements and lanes that join.
const PARTS_OF_THE_BUS: usize = 6;

async fn ready(county: &County) -> Result<(u16, Value)> {
    let answer = county.anonymous()?.get("/readyz").await?;
    Ok((answer.status, answer.json()))
}

async fn refer(county: &County, to: &str) -> Result<Option<String>> {
    let message = said(FENGQIAO, "referral.submit", None, Some(to))?;
    Ok(county.send(&message).await?.accepted().ok())
}

/// Seen to fail with the database pool's own line for each connection that broke or was late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_named_everywhere_until_it_is_back() {
    let (postgres, rabbit) = futures::try_join!(Postgres::start(), Rabbit::start()).unwrap();
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.set_store(&postgres.fresh_database().await.unwrap());
    county.set_bus(&rabbit.fresh_vhost().await.unwrap());
    county.begin().await.unwrap();
    doctor_is_content(&county).await;
    figure_is(&county, "tierlink_store_up", |up| up == 1.0).await;
    figure_is(&county, "tierlink_bus_up", |up| up == 1.0).await;

    rabbit_is_away(&mut county, &rabbit).await;
    postgres_is_away(&mut county, &postgres).await;
}

async fn rabbit_is_away(county: &mut County, rabbit: &Rabbit) {
    let before = county.logs().unwrap().len();
    rabbit.stop_app().await.unwrap();

    figure_is(county, "tierlink_bus_up", |up| up == 0.0).await;
    let mut cases = Vec::new();
    for _ in 0..OFFERED {
        cases.push(refer(county, LEAD).await.unwrap().unwrap());
    }
    figure_is(county, "tierlink_outbox_stands_seconds", |stands| stands > 5.0).await;
    let (status, said) = ready(county).await.unwrap();
    assert_eq!((status, &said["store"]), (200, &Value::from("ok")), "{said}");
    assert!(said["bus"].as_str().unwrap().starts_with("B00"), "{said}");
    let wrong = doctor(county).await.unwrap();
    assert_eq!(wrong.into_iter().collect::<Vec<_>>(), [("bus".into(), page("TierLinkBusAway"))]);
    assert_readable(&county.logs().unwrap(), before, PARTS_OF_THE_BUS);

    rabbit.start_app().await.unwrap();
    for case in &cases {
        county.hospital(LEAD).wait_for_kind("REF^I12", case).await.unwrap();
    }
    figure_is(county, "tierlink_bus_up", |up| up == 1.0).await;
    figure_is(county, "tierlink_outbox_stands_seconds", |stands| stands == 0.0).await;
    doctor_is_content(county).await;
    let log = county.logs().unwrap();
    assert_readable(&log, before, PARTS_OF_THE_BUS);
    let told = failures_told(&log, "Deliveries do not get to the bus");
    assert!(told.is_some_and(|told| told > 1), "the end is told with a count: {told:?}");
    assert_eq!(log[before..].matches("Reading what waits in RabbitMQ works again").count(), 1);
}

async fn postgres_is_away(county: &mut County, postgres: &Postgres) {
    // A silent hospital, so that its lane has something to note at every try.
    county.hospital(SECOND).down().await;
    let waits = refer(county, SECOND).await.unwrap().unwrap();
    figure_is(county, "tierlink_lane_silent", |silent| silent == 1.0).await;
    let before = county.logs().unwrap().len();
    let tries = county.figure("tierlink_attempts_total").await.unwrap();
    postgres.stop().await.unwrap();

    // At once, because each of them takes as long as a question may wait for a connection.
    let looked = async {
        figure_is(county, "tierlink_store_up", |up| up == 0.0).await;
        doctor(county).await
    };
    let (wrong, (), offered) = futures::join!(
        looked,
        figure_is(county, "tierlink_attempts_total", |now| now >= tries + 2.0),
        futures::future::join_all((0..OFFERED).map(|_| refer(county, LEAD))),
    );
    for taken in offered {
        assert_eq!(taken.unwrap(), None, "taken without a store");
    }
    let (status, said) = ready(county).await.unwrap();
    assert_eq!((status, &said["bus"]), (503, &Value::from("ok")), "{said}");
    assert!(said["store"].as_str().unwrap().starts_with("S001"), "{said}");
    let wrong = wrong.unwrap();
    assert_eq!(wrong.get("store"), Some(&page("TierLinkStoreAway")), "{wrong:?}");
    assert!(!wrong.contains_key("bus"), "{wrong:?}");
    assert_readable(&county.logs().unwrap(), before, PARTS_OF_THE_STORE);

    postgres.restart().await.unwrap();
    county.hospital(SECOND).up().await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &waits).await.unwrap();
    eventually_within(CHANGES_WITHIN, "messages are taken again", async || {
        refer(county, LEAD).await
    })
    .await
    .unwrap();
    figure_is(county, "tierlink_store_up", |up| up == 1.0).await;
    doctor_is_content(county).await;
    let log = county.logs().unwrap();
    assert_readable(&log, before, PARTS_OF_THE_STORE);
    let told = failures_told(&log, "The store does not take messages");
    let told = told.or_else(|| failures_told(&log, "No case numbers can be had"));
    assert!(told.is_some_and(|told| told > 1), "the end is told with a count: {told:?}");
}
