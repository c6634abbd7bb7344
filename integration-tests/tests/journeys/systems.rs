//! A hospital with three systems: a HIS over HL7 v2, an ECG system in JSON, and people.

use std::time::Duration;

use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Hl7, Hospital, Received, Speaks, hl7_answer, said,
};
use tierlink_integration_tests::servers::MovedClock;

use super::{kinds_about, must_say, refer, refused};

for_both_modes! {
    a_dead_system_of_a_hospital_holds_no_other,
    each_system_speaks_for_itself,
}

/// The profile of the lead hospital, after its identity.
fn three_systems(his: &str, ecg: &str) -> String {
    let waits = "[systems.retry]\nfirst_wait_ms = 50\nwait_ms_max = 300\n";
    format!(
        "[[systems]]\nname = \"his\"\ndefault = true\n[systems.format]\nname = \"hl7v2\"\n\
         version = \"2.4\"\ncharset = \"UTF-8\"\napplication = \"HIP\"\n\
         [systems.inbound]\nlistener = \"lead\"\n\
         [systems.outbound]\naddress = \"{his}\"\nanswer_seconds = 2\n{waits}\n\
         [[systems]]\nname = \"ecg\"\ngives = [\"ecg\"]\ntakes = [\"ecg\"]\n\
         [systems.format]\nname = \"json\"\n\
         [systems.outbound]\naddress = \"{ecg}\"\nanswer_seconds = 2\n{waits}\n\
         [[systems]]\nname = \"desk\"\ntakes = [\"referral.cancel\"]\n\
         [systems.format]\nname = \"people\"\n"
    )
}

async fn open(mode: Mode) -> (County, Hospital) {
    let (mut county, ecg) = plan(mode).await;
    county.begin().await.unwrap();
    (county, ecg)
}

async fn plan(mode: Mode) -> (County, Hospital) {
    let mut county = County::plan(mode).await.unwrap();
    let ecg = Hospital::open(LEAD, Speaks::Json).await.unwrap();
    let his = county.hospital(LEAD).address();
    county.profile(LEAD).unwrap().systems = Some(three_systems(&his, &ecg.address()));
    (county, ecg)
}

async fn reading(county: &County) -> String {
    let request = said(FENGQIAO, "consultation.request", None, Some(LEAD)).unwrap();
    county.must_send(&request).await.unwrap()
}

/// A further word of the origin on a case, with a mark by which it is known.
async fn amend(county: &County, case: &str, mark: &str) {
    let mut message = said(FENGQIAO, "referral.amend", Some(case), Some(LEAD)).unwrap();
    message["body"]["clinical"]["treatment"] = json!(mark);
    must_say(county, &message).await;
}

async fn cancel(county: &County, case: &str, kind: &str) {
    must_say(county, &said(FENGQIAO, kind, Some(case), None).unwrap()).await;
}

/// The lane of this name, once it looks as wanted.
async fn lane(county: &County, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let operator = county.operator().unwrap();
    eventually(name, async || {
        let lanes = operator.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        Ok(lanes.into_iter().find(|lane| lane["lane"] == name && wanted(lane)))
    })
    .await
    .unwrap()
}

fn texts(received: &[Received]) -> Vec<&str> {
    received.iter().map(|one| one.text.as_str()).collect()
}

async fn a_dead_system_of_a_hospital_holds_no_other(mode: Mode) {
    let (county, ecg) = open(mode).await;
    let his = county.hospital(LEAD);
    ecg.down().await;

    let read = reading(&county).await;
    cancel(&county, &read, "consultation.cancel").await;
    let referral = refer(&county, FENGQIAO, LEAD).await;
    amend(&county, &referral, "第一次补充").await;

    his.wait_for_text("第一次补充").await.unwrap();
    let heard = his.wait_for_count(2).await.unwrap();
    assert!(heard.iter().all(|one| one.is_about(&referral)), "{:?}", texts(&heard));
    assert!(!heard[0].text.contains("第一次补充"), "the referral itself comes first");
    let custody = county.case("operator", &read).await.unwrap()["custody"].clone();
    assert_eq!((&custody[0]["lane"], &custody[0]["to"]), (&json!("330199001:ecg"), &json!(LEAD)));
    let shown = county.run(&["case", "show", &read]).await.unwrap();
    assert!(shown.stdout.contains("330199001:ecg"), "{}", shown.stdout);
    let silent = lane(&county, "330199001:ecg", |lane| !lane["trouble"].is_null()).await;
    assert_eq!(silent["waiting"], 2);
    let well = lane(&county, LEAD, |lane| lane["waiting"] == 0).await;
    assert!(well["trouble"].is_null());

    ecg.up().await.unwrap();
    let wanted = ["consultation.request", "consultation.cancel"];
    ecg.wait_for_kind(wanted[1], &read).await.unwrap();
    assert_eq!(kinds_about(&ecg.taken(), &read), wanted);

    his.down().await;
    amend(&county, &referral, "第二次补充").await;
    amend(&county, &referral, "第三次补充").await;
    let other = reading(&county).await;
    ecg.wait_for_kind("consultation.request", &other).await.unwrap();
    his.up().await.unwrap();
    his.wait_for_text("第三次补充").await.unwrap();
    let heard = his.taken();
    let place = |mark: &str| heard.iter().position(|one| one.text.contains(mark)).unwrap();
    assert!(place("第二次补充") < place("第三次补充"));
    assert!(his.received().iter().all(|one| !one.is_about(&read) && !one.is_about(&other)));
    assert!(ecg.received().iter().all(|one| !one.is_about(&referral)));

    cancel(&county, &referral, "referral.cancel").await;
    let people = lane(&county, "330199001:desk", |lane| lane["waiting"] == 1).await;
    assert!(people["trouble"].is_null() && people["parked"] == 0);
    let doctor = county.run(&["doctor", "--json"]).await.unwrap();
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let findings = doctor["findings"].as_array().cloned().unwrap_or_default();
    let people: Vec<&Value> =
        findings.iter().filter(|it| it["what"] == "lane 330199001:desk").collect();
    assert_eq!((people.len(), &people[0]["ok"]), (1, &json!(true)), "{findings:?}");
    assert_eq!(people[0]["text"], "1 with people");
}

/// People answer when they have time. Seen to fail while only lanes with trouble were looked at: a
/// minute later everything that waited for people was sent again, with an alarm about RabbitMQ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_people_is_not_taken_for_lost() {
    let (mut county, _ecg) = plan(Mode::Production).await;
    let clock = MovedClock::new().await.unwrap();
    county.environment.extend(clock.environment().unwrap());
    county.begin().await.unwrap();
    let case = refer(&county, FENGQIAO, LEAD).await;
    cancel(&county, &case, "referral.cancel").await;
    lane(&county, "330199001:desk", |it| it["waiting"] == 1).await;

    clock.move_by(120).unwrap();
    // What is lost is looked for every 15 seconds.
    tokio::time::sleep(Duration::from_secs(20)).await;

    assert!(county.figure("tierlink_repaired_total").await.unwrap().abs() < 0.5);
}

async fn each_system_speaks_for_itself(mode: Mode) {
    let (county, ecg) = open(mode).await;
    let read = reading(&county).await;
    ecg.wait_for_kind("consultation.request", &read).await.unwrap();
    let referral = refer(&county, FENGQIAO, LEAD).await;
    let asked = county.hospital(LEAD).wait_for_kind("REF^I12", &referral).await.unwrap();
    let asked = asked.hl7();
    let ids = (asked.field("MSH", 10), asked.component("RF1", 6, 1));
    let yes = hl7_answer((LEAD, "TIERLINK"), "A", ids, Charset::Utf8).unwrap();
    let control_id = Hl7::parse(&Charset::read(&yes)).field("MSH", 10).to_owned();

    // The ECG system uses the very id that the HIS uses afterwards: each counts for itself.
    let mut claim = said(LEAD, "consultation.claim", Some(&read), None).unwrap();
    claim["source"] = json!({ "organisation": LEAD, "message_id": control_id });
    assert_eq!(must_say(&county, &claim).await, "claimed");
    let mut line = county.mllp(LEAD).await.unwrap();
    assert_eq!(line.exchange(&yes).await.unwrap().accepted().unwrap(), referral);
    assert_eq!(county.state(&referral).await.unwrap(), "accepted");

    let claimed = county.hospital(FENGQIAO).wait_for_kind("consultation.claim", &read).await;
    assert_eq!(claimed.unwrap().json()["source"]["system"], "ecg");
    let accepted = county.hospital(FENGQIAO).wait_for_kind("referral.accept", &referral).await;
    assert_eq!(accepted.unwrap().json()["source"]["system"], "his");

    let mut more = said(LEAD, "referral.schedule", Some(&referral), None).unwrap();
    assert_eq!(refused(&county, &more).await, "R019", "the ECG system gives readings only");
    more["source"]["system"] = json!("his");
    assert_eq!(refused(&county, &more).await, "A003", "the HIS does not speak JSON");
}
