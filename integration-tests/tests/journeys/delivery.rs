//! Deliveries to hospitals that are silent, that refuse, or that misbehave.

use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode, SECOND, inbox_secret};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Hospital, Received, Turn, new_number, said};

use super::acts::execute;
use super::{kinds_about, must_say, refer, say};

for_both_modes! {
    a_silent_hospital_gets_everything_in_order_once_it_is_back,
    a_refusal_is_parked_and_holds_only_its_own_case,
    a_misbehaving_hospital_gets_each_message_under_one_id,
    an_origin_that_wants_receipts_hears_how_each_message_fared,
    the_same_message_twice_is_one_case_and_other_content_is_a_conflict,
    an_outcome_that_cannot_be_stored_has_nobody_elses_message_sent_again,
}

/// Messages for each of two hospitals, so that their outcomes share transactions.
const EACH: usize = 25;

/// The database refuses every outcome of one hospital, as it would one character that it cannot
/// hold.
async fn an_outcome_that_cannot_be_stored_has_nobody_elses_message_sent_again(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (lead, second) = (county.hospital(LEAD), county.hospital(SECOND));
    lead.down().await;
    second.down().await;
    for _ in 0..EACH {
        refer(&county, FENGQIAO, LEAD).await;
        refer(&county, FENGQIAO, SECOND).await;
    }
    let refuses = match mode {
        Mode::Production => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'refused for a test'; END $$;
             CREATE TRIGGER refuses BEFORE UPDATE ON deliveries FOR EACH ROW
                 WHEN (NEW.destination = '{SECOND}' AND NEW.state = 'delivered')
                 EXECUTE FUNCTION refuse();"
        ),
        Mode::Embedded => format!(
            "CREATE TRIGGER refuses BEFORE UPDATE ON deliveries
                 WHEN NEW.destination = '{SECOND}' AND NEW.state = 'delivered'
                 BEGIN SELECT RAISE(ABORT, 'refused for a test'); END;"
        ),
    };
    execute(&county, &refuses).await.unwrap();

    second.up().await.unwrap();
    lead.up().await.unwrap();
    lead.wait_for_count(EACH).await.unwrap();
    eventually("the outcomes of the other hospital are stored", async || {
        let lanes = county.operator()?.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let lane = lanes.into_iter().find(|lane| lane["lane"] == LEAD);
        Ok(lane.filter(|lane| lane["waiting"] == 0))
    })
    .await
    .unwrap();

    assert_eq!(lead.received().len(), EACH, "nothing came twice");
    let drop = match mode {
        Mode::Production => "DROP TRIGGER refuses ON deliveries",
        Mode::Embedded => "DROP TRIGGER refuses",
    };
    execute(&county, drop).await.unwrap();
    county.wait_drained().await.unwrap();
}

/// An amendment in which `mark` stands.
async fn amend(county: &County, case: &str, mark: &str) {
    let mut message = said(FENGQIAO, "referral.amend", Some(case), Some(SECOND)).unwrap();
    message["body"]["clinical"]["treatment"] = json!(mark);
    must_say(county, &message).await;
}

async fn a_silent_hospital_gets_everything_in_order_once_it_is_back(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let second = county.hospital(SECOND);
    second.down().await;
    let mut cases = Vec::new();
    for _ in 0..5 {
        cases.push(refer(&county, FENGQIAO, SECOND).await);
    }
    amend(&county, &cases[0], "第一次补充").await;
    amend(&county, &cases[0], "第二次补充").await;
    let elsewhere = refer(&county, FENGQIAO, LEAD).await;
    county.hospital(LEAD).wait_for_kind("REF^I12", &elsewhere).await.unwrap();
    let operator = county.operator().unwrap();
    let lane = eventually("the silence is shown", async || {
        let lanes = operator.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let lane = lanes.into_iter().find(|lane| lane["lane"] == SECOND);
        Ok(lane.filter(|lane| !lane["trouble"].is_null()))
    });
    assert_eq!(lane.await.unwrap()["waiting"], 7);

    second.up().await.unwrap();

    let taken = second.wait_for_count(7).await.unwrap();
    let told: Vec<&str> = taken.iter().map(|one| one.case_numbers[0].as_str()).collect();
    let firsts: Vec<&str> = told.iter().copied().take(5).collect();
    assert_eq!(firsts, cases, "the order in which they were decided");
    let amended: Vec<&Received> = taken.iter().filter(|one| one.is_about(&cases[0])).collect();
    assert!(amended[1].text.contains("第一次补充") && amended[2].text.contains("第二次补充"));
    assert_eq!(second.received().len(), 7, "nothing came twice");
    assert_eq!(taken[0].token.as_deref(), Some(inbox_secret(SECOND).as_str()));
    county.wait_drained().await.unwrap();
}

async fn a_refusal_is_parked_and_holds_only_its_own_case(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    county.profile(FENGQIAO).unwrap().outbound.push("receipts = \"problems\"".to_owned());
    county.begin().await.unwrap();
    let second = county.hospital(SECOND);
    second.behave(|manners| manners.refuses = Some("坏消息".to_owned()));
    let mut bad = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    bad["body"]["clinical"]["treatment"] = json!("坏消息");
    let bad_case = county.must_send(&bad).await.unwrap();
    amend(&county, &bad_case, "好消息甲").await;
    let good_case = refer(&county, FENGQIAO, SECOND).await;

    second.wait_for_kind("referral.submit", &good_case).await.unwrap();
    let parked = county.wait_parked(1).await.unwrap();
    assert_eq!(parked[0]["case_number"], bad_case.as_str());
    assert_eq!(parked[0]["behind"], 1, "the amendment waits behind it");
    assert_eq!(kinds_about(&second.taken(), &bad_case), Vec::<String>::new());
    let listed = county.run(&["parked", "list", "--json"]).await.unwrap().json().unwrap();
    assert_eq!(listed["parked"][0]["delivery"], parked[0]["delivery"]);
    let refused = county.hospital(FENGQIAO).wait_for_kind("receipt", &bad_case).await.unwrap();
    assert_eq!(refused.json()["body"]["outcome"], "refused");
    assert!(!refused.text.contains("汪德福"), "a receipt has nothing of the patient");

    second.behave(tierlink_integration_tests::hospitals::Manners::reform);
    let delivery = parked[0]["delivery"].as_str().unwrap();
    let words = ["parked", "replay", delivery, "--because", "已修正对照表"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    second.wait_for_text("好消息甲").await.unwrap();
    assert_eq!(kinds_about(&second.taken(), &bad_case), ["referral.submit", "referral.amend"]);
    let tries: Vec<String> = same_message(second, "坏消息");
    assert!(tries.iter().all(|id| *id == tries[0]), "a replay keeps the message's id");
    let again = county.run(&words).await.unwrap();
    assert!(!again.status.success(), "what is not parked cannot be replayed");

    second.behave(|manners| manners.refuses = Some("再次补充".to_owned()));
    amend(&county, &bad_case, "再次补充").await;
    let parked = county.wait_parked(1).await.unwrap();
    let delivery = parked[0]["delivery"].as_str().unwrap();
    amend(&county, &bad_case, "最后补充").await;
    let words = ["parked", "drop", delivery, "--because", "电话已告知"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    second.wait_for_text("最后补充").await.unwrap();
    assert!(same_message(second, "再次补充").len() == 1, "what was dropped is not sent again");
    let withdrawn = county.hospital(FENGQIAO).wait_for("a receipt of the withdrawal", |all| {
        all.iter().find(|one| one.json()["body"]["outcome"] == "withdrawn").cloned()
    });
    assert!(withdrawn.await.unwrap().is_about(&bad_case));
}

/// The control ids of every arrival of the message in which this text stands.
fn same_message(hospital: &Hospital, text: &str) -> Vec<String> {
    let all = hospital.received();
    all.into_iter().filter(|one| one.text.contains(text)).map(|one| one.control_id).collect()
}

async fn a_misbehaving_hospital_gets_each_message_under_one_id(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    for (code, turns) in [
        (LEAD, [Turn::OtherId, Turn::Garbage, Turn::Mute, Turn::NotNow].as_slice()),
        (SECOND, &[Turn::OtherId, Turn::Garbage, Turn::Mute, Turn::NotNow]),
    ] {
        let hospital = county.hospital(code);
        for turn in turns {
            hospital.behave(|manners| {
                manners.next(*turn, 1);
                manners.closes_after_each = true;
            });
            let number = new_number("FQ");
            let submit = said(FENGQIAO, "referral.submit", None, Some(code)).unwrap();
            let case = county.must_send(&super::numbered(submit, &number)).await.unwrap();

            let taken = hospital.wait_for_text(&number).await.unwrap();

            assert!(taken.is_about(&case));
            let ids = same_message(hospital, &number);
            assert_eq!(ids.len(), 2, "{turn:?} at {code} is tried once more");
            assert_eq!(ids[0], ids[1], "{turn:?} at {code}");
        }
    }
    county.wait_drained().await.unwrap();
    county.wait_parked(0).await.unwrap();
}

async fn an_origin_that_wants_receipts_hears_how_each_message_fared(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    county.profile(FENGQIAO).unwrap().outbound.push("receipts = \"all\"".to_owned());
    county.begin().await.unwrap();

    let case = refer(&county, FENGQIAO, SECOND).await;

    let delivered = county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    let receipt = county.hospital(FENGQIAO).wait_for_kind("receipt", &case).await.unwrap().json();
    assert_eq!(receipt["body"]["of"], delivered.control_id.as_str());
    assert_eq!(receipt["body"]["outcome"], "delivered");
    assert_eq!(receipt["body"]["destination"], SECOND);
    assert_eq!(receipt["in_reply_to"]["organisation"], FENGQIAO);
    assert!(receipt["context"].is_null() && receipt["body"]["patient"].is_null());
    // SECOND wants none, and nobody gets a receipt for a receipt.
    say(&county, SECOND, "referral.accept", &case).await;
    county.hospital(FENGQIAO).wait_for_kind("referral.accept", &case).await.unwrap();
    county.wait_drained().await.unwrap();
    assert_eq!(kinds_about(&county.hospital(SECOND).received(), &case), ["referral.submit"]);
    let custody = county.case(FENGQIAO, &case).await.unwrap()["custody"].clone();
    let shown = |kind: &str| -> Vec<Value> {
        let rows = custody.as_array().unwrap().iter();
        rows.filter(|row| row["kind"] == kind).cloned().collect()
    };
    assert_eq!(shown("referral.submit")[0]["state"]["state"], "delivered");
    assert_eq!(shown("referral.submit")[0]["attempts"], 1);
}

async fn the_same_message_twice_is_one_case_and_other_content_is_a_conflict(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();

    let first = county.send(&message).await.unwrap().json();
    let mut repeated = message.clone();
    repeated["occurred_at"] = json!("2026-01-01T00:00:00Z");
    let second = county.send(&repeated).await.unwrap().json();
    let mut other = message;
    other["body"]["reason_text"] = json!("另一个理由");
    let conflict = county.send(&other).await.unwrap();

    assert_eq!((&first["verdict"], &second["verdict"]), (&json!("accepted"), &json!("repeated")));
    assert_eq!(first["case_number"], second["case_number"]);
    assert_eq!(conflict.status, 409, "{}", conflict.body);
    assert_eq!(conflict.refused().unwrap().0, "S010");
    assert!((county.figure("tierlink_conflicts_total").await.unwrap() - 1.0).abs() < 0.1);
    assert!(county.logs().unwrap().contains("ALARM"), "a conflict is an alarm");
    let case = first["case_number"].as_str().unwrap();
    county.wait_drained().await.unwrap();
    assert_eq!(kinds_about(&county.hospital(SECOND).received(), case), ["referral.submit"]);
    let shown = county.case("operator", case).await.unwrap();
    assert_eq!(shown["events"].as_array().unwrap().len(), 1);
}
