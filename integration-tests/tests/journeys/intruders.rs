//! Somebody who may write to RabbitMQ changes, copies, invents and repeats parcels. No hospital gets
//! anything but what is stored, and nothing is lost.

use std::time::Duration;

use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, LIUWAN, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::intruder::{Intruder, Parcel, changed};
use uuid::Uuid;

use super::rabbit::{answer, next as read_parcel, read_lane};
use super::{kinds_about, refer};

const WAIT_MAX: Duration = Duration::from_secs(30);

/// A patient whom nobody referred.
const FORGED: &str = "贾冒";

async fn stand_before(county: &County, lane: &str) -> Intruder {
    // A broker that binds the lane only now would lead around whoever stands there already.
    let vhost = county.bus().rsplit('/').next().unwrap();
    let words = ["list_bindings", "-p", vhost, "source_name", "destination_name"];
    let bound = format!("tierlink.deliver\ttierlink.to.{lane}");
    eventually("the lane is bound", async || {
        let told = county.rabbit()?.administer(&words).await?;
        Ok(told.lines().any(|line| line.trim() == bound).then_some(()))
    })
    .await
    .unwrap();
    Intruder::before(county.bus(), lane).await.unwrap()
}

async fn next(intruder: &mut Intruder) -> Parcel {
    intruder.next(WAIT_MAX).await.unwrap().expect("the broker publishes it")
}

/// Hands on what the broker publishes until the hospital has the case.
async fn hand_on_until(
    intruder: &mut Intruder,
    county: &County,
    lane: &str,
    kind: &str,
    case: &str,
) {
    eventually("the hospital has it", async || {
        while let Some(parcel) = intruder.next(Duration::from_millis(100)).await? {
            intruder.put(&parcel).await?;
        }
        let taken = county.hospital(lane).taken();
        Ok((kinds_about(&taken, case).contains(&kind.to_owned())).then_some(()))
    })
    .await
    .unwrap();
}

async fn wait_for_dead(county: &County, count: f64) {
    eventually("what is not the broker's is among the dead parcels", async || {
        let dead = county.figure("tierlink_bus_dead").await?;
        Ok((dead >= count).then_some(()))
    })
    .await
    .unwrap();
    let dead = county.figure("tierlink_bus_dead").await.unwrap();
    assert!((dead - count).abs() < 0.5, "{dead} dead parcels instead of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_that_somebody_changed_is_not_sent_and_the_true_one_is() {
    let mut county = County::open(Mode::Production).await.unwrap();
    let mut intruder = stand_before(&county, SECOND).await;
    let case = refer(&county, FENGQIAO, SECOND).await;

    let parcel = next(&mut intruder).await;
    intruder.put(&changed(&parcel, FORGED).unwrap()).await.unwrap();

    let again = next(&mut intruder).await;
    assert_eq!((&again.id, again.round), (&parcel.id, parcel.round + 1));
    assert_eq!(again.body, parcel.body, "published again as it is stored");
    intruder.put(&again).await.unwrap();
    let received = county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    assert!(received.text.contains("汪德福"), "{}", received.text);
    intruder.leave().await.unwrap();
    county.wait_drained().await.unwrap();
    let taken = county.hospital(SECOND).taken();
    assert!(!taken.iter().any(|one| one.text.contains(FORGED)), "the forged patient arrived");
    assert_eq!(kinds_about(&taken, &case), ["referral.submit"]);
    wait_for_dead(&county, 1.0).await;
    assert!(county.figure("tierlink_changed_parcels_total").await.unwrap() > 0.5);
    let doctor = county.run(&["doctor"]).await.unwrap();
    assert!(doctor.stdout.contains("1 dead parcel(s)"), "{}", doctor.stdout);
    let logs = county.logs().unwrap();
    let told: Vec<&str> = logs.lines().filter(|line| line.contains("B012")).collect();
    assert!(told.len() == 1 && told[0].contains("ALARM"), "{told:?}");
    for patient in [FORGED, "汪德福", "990101"] {
        assert!(!logs.contains(patient), "{patient} is in the log");
    }
}

/// One that was changed with the true one right behind it: the hospital gets the true one, and nothing
/// has to be published again. Both wait while the lane is busy with another case, so it takes them
/// together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_true_parcel_behind_a_changed_one_is_sent_once() {
    let county = County::open(Mode::Production).await.unwrap();
    let mut intruder = stand_before(&county, SECOND).await;
    county.hospital(SECOND).down().await;
    let before = refer(&county, FENGQIAO, SECOND).await;
    let parcel = next(&mut intruder).await;
    intruder.put(&parcel).await.unwrap();
    let lanes = county.operator().unwrap();
    eventually("the lane is busy", async || {
        let lanes = lanes.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let busy = |lane: &Value| lane["lane"] == SECOND && !lane["trouble"].is_null();
        Ok(lanes.iter().any(busy).then_some(()))
    })
    .await
    .unwrap();
    let case = refer(&county, FENGQIAO, SECOND).await;
    let parcel = next(&mut intruder).await;

    intruder.put(&changed(&parcel, FORGED).unwrap()).await.unwrap();
    intruder.put(&parcel).await.unwrap();
    county.hospital(SECOND).up().await.unwrap();

    for case in [&before, &case] {
        county.hospital(SECOND).wait_for_kind("referral.submit", case).await.unwrap();
    }
    county.wait_drained().await.unwrap();
    let again = intruder.next(Duration::from_secs(2)).await.unwrap();
    assert!(again.is_none(), "what was sent is published again");
    intruder.leave().await.unwrap();
    wait_for_dead(&county, 1.0).await;
    let taken = county.hospital(SECOND).taken();
    assert_eq!(kinds_about(&taken, &case), ["referral.submit"]);
    assert!(!taken.iter().any(|one| one.text.contains(FORGED)), "the forged patient arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_up_copied_or_put_back_reaches_nobody() {
    let county = County::open(Mode::Production).await.unwrap();
    let mut beside = stand_before(&county, LEAD).await;
    let mut intruder = stand_before(&county, SECOND).await;
    let for_the_lead = refer(&county, FENGQIAO, LEAD).await;
    let of_the_lead = next(&mut beside).await;
    let case = refer(&county, FENGQIAO, SECOND).await;
    let parcel = next(&mut intruder).await;
    let renamed = |id: String| Parcel { id, ..of_the_lead.clone() };
    let message = |parcel: &Parcel| -> Value { serde_json::from_slice(&parcel.body).unwrap() };
    let made_up = {
        let id = Uuid::now_v7();
        let mut body = message(&parcel);
        body["id"] = json!(id);
        let body = serde_json::to_vec(&body).unwrap();
        Parcel { id: format!("{id}@{SECOND}"), body, ..parcel.clone() }
    };
    let foreign = [
        made_up,
        // The lead hospital's, under its own name and under one of this lane.
        of_the_lead.clone(),
        renamed(of_the_lead.id.replace(LEAD, SECOND)),
        // Its content under the name of this lane's delivery.
        Parcel { body: of_the_lead.body.clone(), ..parcel.clone() },
        // A round that never was.
        Parcel { round: parcel.round + 7, ..parcel.clone() },
    ];

    for one in &foreign {
        intruder.put(one).await.unwrap();
    }
    intruder.put(&parcel).await.unwrap();
    beside.put(&of_the_lead).await.unwrap();

    hand_on_until(&mut intruder, &county, SECOND, "referral.submit", &case).await;
    county.hospital(LEAD).wait_for_kind("REF^I12", &for_the_lead).await.unwrap();
    county.wait_drained().await.unwrap();
    // What was delivered, once more: as it was, and with another patient.
    intruder.put(&parcel).await.unwrap();
    intruder.put(&changed(&parcel, FORGED).unwrap()).await.unwrap();
    wait_for_dead(&county, 6.0).await;
    let after = refer(&county, FENGQIAO, SECOND).await;
    hand_on_until(&mut intruder, &county, SECOND, "referral.submit", &after).await;
    let taken = county.hospital(SECOND).taken();
    assert_eq!(kinds_about(&taken, &case), ["referral.submit"], "not a second time");
    assert_eq!(kinds_about(&taken, &for_the_lead), Vec::<String>::new());
    assert_eq!(taken.len(), 2);
    assert!(!taken.iter().any(|one| one.text.contains(FORGED)), "the forged patient arrived");
    beside.leave().await.unwrap();
    intruder.leave().await.unwrap();
}

/// An adapter beside a hospital cannot ask the store what is true. It says which body it read, and
/// what it delivered in place of the true one does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_adapter_was_made_to_deliver_does_not_count() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.profile(FENGQIAO).unwrap().outbound.push("remote = true".to_owned());
    county.begin().await.unwrap();
    let mut intruder = stand_before(&county, FENGQIAO).await;
    let queue = format!("tierlink.to.{FENGQIAO}");
    let (_connection, channel, mut lane) = read_lane(&county, &queue).await;
    let case = refer(&county, LIUWAN, FENGQIAO).await;
    let state = async || {
        let case = county.case("operator", &case).await?;
        anyhow::Ok(case["custody"][0]["state"]["state"].as_str().unwrap_or_default().to_owned())
    };

    let parcel = next(&mut intruder).await;
    intruder.put(&changed(&parcel, FORGED).unwrap()).await.unwrap();
    let forged = read_parcel(&mut lane).await;
    answer(&channel, &forged, &json!(parcel.id.split('@').next()), "delivered").await;

    let again = next(&mut intruder).await;
    assert_eq!((&again.id, again.round), (&parcel.id, parcel.round + 1));
    assert_ne!(state().await.unwrap(), "delivered", "the forged one counts");
    intruder.put(&again).await.unwrap();
    let genuine = read_parcel(&mut lane).await;
    assert_eq!(genuine.data, parcel.body);
    answer(&channel, &genuine, &json!(parcel.id.split('@').next()), "delivered").await;
    eventually("the true one counts", async || Ok((state().await? == "delivered").then_some(())))
        .await
        .unwrap();
    let logs = county.logs().unwrap();
    assert!(logs.lines().any(|line| line.contains("B012") && line.contains("ALARM")), "{logs}");
    assert!(county.figure("tierlink_changed_parcels_total").await.unwrap() > 0.5);
    intruder.leave().await.unwrap();
}
