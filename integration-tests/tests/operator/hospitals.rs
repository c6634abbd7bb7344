//! A hospital is silent, refuses, or cannot be reached as its profile says.

use std::time::{Duration, Instant};

use serde_json::json;
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Manners, said};

use crate::seen::{
    assert_readable, complaints, doctor, doctor_is_content, failures_told, figure_is, page,
};

for_both_modes! {
    a_silent_hospital_is_told_once_and_named_everywhere,
    a_parked_delivery_is_named_everywhere_until_it_is_replayed,
}

/// So many tries in vain, and no line for each.
const TRIES: f64 = 15.0;
/// A lane whose way is not set up tries again every five seconds; this is two tries and more.
const SEVERAL_TRIES: Duration = Duration::from_secs(12);

async fn refer(county: &County, to: &str) -> String {
    let message = said(FENGQIAO, "referral.submit", None, Some(to)).unwrap();
    county.must_send(&message).await.unwrap()
}

async fn a_silent_hospital_is_told_once_and_named_everywhere(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    doctor_is_content(&county).await;
    let before = county.logs().unwrap().len();
    let tries = county.figure("tierlink_attempts_total").await.unwrap();
    county.hospital(SECOND).down().await;

    let case = refer(&county, SECOND).await;
    figure_is(&county, "tierlink_attempts_total", |now| now >= tries + TRIES).await;

    figure_is(&county, "tierlink_lane_silent", |silent| silent == 1.0).await;
    let ready = county.anonymous().unwrap().get("/readyz").await.unwrap();
    assert_eq!(ready.status, 200, "a silent hospital keeps nobody from sending: {}", ready.body);
    let wrong = doctor(&county).await.unwrap();
    let silent = page("TierLinkLaneSilent");
    assert_eq!(wrong.get(&format!("lane {SECOND}")), Some(&silent), "{wrong:?}");
    assert_eq!(wrong.get(&format!("{SECOND} 龙溪县中医院")), Some(&silent), "{wrong:?}");
    assert_eq!(wrong.len(), 2, "nothing else is wrong: {wrong:?}");
    assert_readable(&county.logs().unwrap(), before, 1);

    county.hospital(SECOND).up().await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    doctor_is_content(&county).await;
    figure_is(&county, "tierlink_lane_silent", |silent| silent == 0.0).await;
    let log = county.logs().unwrap();
    assert_readable(&log, before, 1);
    let told = failures_told(&log, &format!("{SECOND} does not answer"));
    assert!(told.is_some_and(|told| told >= 10), "the end is told with a count: {told:?}");
}

async fn a_parked_delivery_is_named_everywhere_until_it_is_replayed(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    let before = county.logs().unwrap().len();
    county.hospital(SECOND).behave(|manners| manners.refuses = Some("坏消息".to_owned()));
    let mut bad = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    bad["body"]["clinical"]["treatment"] = json!("坏消息");
    county.must_send(&bad).await.unwrap();

    let parked = county.wait_parked(1).await.unwrap();

    figure_is(&county, "tierlink_lane_parked", |parked| parked == 1.0).await;
    let wrong = doctor(&county).await.unwrap();
    let expected = (format!("lane {SECOND}"), page("TierLinkDeliveryParked"));
    assert_eq!(wrong.into_iter().collect::<Vec<_>>(), [expected]);
    let log = county.logs().unwrap();
    assert_readable(&log, before, 1);
    let complaints = complaints(&log, before);
    let told = complaints.keys().next().unwrap();
    assert!(told.contains("tierlink parked show "), "the line says what to do: {told}");

    county.hospital(SECOND).behave(Manners::reform);
    let delivery = parked[0]["delivery"].as_str().unwrap();
    let words = ["parked", "replay", delivery, "--because", "已修正对照表"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    county.hospital(SECOND).wait_for_text("坏消息").await.unwrap();
    doctor_is_content(&county).await;
    figure_is(&county, "tierlink_lane_parked", |parked| parked == 0.0).await;
}

/// The lane is joined anew at every try, which must not look like the end of its trouble.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_is_not_set_up_is_told_once_and_its_end_as_well() {
    let mut county = County::plan(Mode::Embedded).await.unwrap();
    let line = format!("authorities = \"secrets/{LEAD}.pem\"");
    county.profile(SECOND).unwrap().outbound.push(line);
    county.begin().await.unwrap();
    let case = refer(&county, SECOND).await;

    let began = Instant::now();
    eventually("several tries have passed", async || {
        Ok((began.elapsed() > SEVERAL_TRIES).then_some(()))
    })
    .await
    .unwrap();

    let log = county.logs().unwrap();
    assert_readable(&log, 0, 1);
    assert_eq!(log.matches("code=E040").count(), 1, "told once:\n{log}");
    let wrong = doctor(&county).await.unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:?}");

    county.profile(SECOND).unwrap().outbound.clear();
    county.reload().await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    doctor_is_content(&county).await;
    let told = failures_told(&county.logs().unwrap(), &format!("Nothing can be sent to {SECOND}"));
    assert!(told.is_some_and(|told| told >= 2), "the end is told with a count: {told:?}");
}
