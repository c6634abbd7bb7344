//! The turns that a referral can take, and who hears of each.

use serde_json::json;
use tierlink_integration_tests::county::{
    CITY, County, FENGQIAO, LEAD, LIUWAN, Mode, QINGSHI, SECOND,
};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Hl7, Hospital, fhir_answer, hl7_answer, new_number, said,
};

use super::{body, kinds_about, must_say, notes, numbered, refer, refused, resource, say};

for_both_modes! {
    a_returned_referral_is_completed_accepted_and_declined_after_all,
    a_redirected_referral_keeps_its_number_and_its_history,
    a_cancellation_after_acceptance_is_confirmed_or_loses_to_an_arrival,
    a_missed_appointment_is_set_anew_and_ends_in_feedback,
    reviews_follow_the_tree_and_an_emergency_skips_them,
}

async fn a_returned_referral_is_completed_accepted_and_declined_after_all(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (second, fengqiao) = (county.hospital(SECOND), county.hospital(FENGQIAO));
    let case = refer(&county, FENGQIAO, SECOND).await;
    second.wait_for_kind("referral.submit", &case).await.unwrap();

    assert_eq!(say(&county, SECOND, "referral.return", &case).await, "returned");
    let back = fengqiao.wait_for_kind("referral.return", &case).await.unwrap();
    assert_eq!(body(&back)["reason"]["code"], "RT01");

    let mut amended = said(FENGQIAO, "referral.amend", Some(&case), Some(SECOND)).unwrap();
    amended["body"]["clinical"]["treatment"] = json!("已复查肌钙蛋白,无动态变化");
    assert_eq!(must_say(&county, &amended).await, "submitted");
    let completed = second.wait_for_kind("referral.amend", &case).await.unwrap();
    assert!(completed.text.contains("已复查肌钙蛋白,无动态变化"));

    let yes = fhir_answer("referral.accept", (SECOND, FENGQIAO), &case).unwrap();
    county.http(SECOND).unwrap().send_fhir(&yes).await.unwrap().accepted().unwrap();
    fengqiao.wait_for_kind("referral.accept", &case).await.unwrap();
    assert_eq!(say(&county, SECOND, "referral.decline", &case).await, "declined");
    let no = fengqiao.wait_for_kind("referral.decline", &case).await.unwrap();
    assert_eq!(body(&no)["reason"]["code"], "RJ01");
    assert_eq!(no.json()["case"]["state"], "declined");
    assert_eq!(no.json()["context"]["patient"]["name"], "汪德福");

    let late = said(SECOND, "referral.accept", Some(&case), None).unwrap();
    assert_eq!(refused(&county, &late).await, "R030", "an ended case stays ended");
    let told = kinds_about(&fengqiao.taken(), &case);
    assert_eq!(told, ["referral.return", "referral.accept", "referral.decline"]);
}

async fn a_redirected_referral_keeps_its_number_and_its_history(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let number = new_number("FQ");
    let submit = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    let case = county.must_send(&numbered(submit, &number)).await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();

    let mut elsewhere = said(SECOND, "referral.redirect", Some(&case), None).unwrap();
    elsewhere["body"]["to"] = json!(LEAD);
    assert_eq!(must_say(&county, &elsewhere).await, "submitted");

    let arrived = county.hospital(LEAD).wait_for_kind("REF^I12", &case).await.unwrap();
    let asked = arrived.hl7();
    assert_eq!(asked.component("RF1", 6, 1), number);
    assert_eq!(asked.component("RF1", 6, 2), FENGQIAO);
    assert!(asked.all("PRD").iter().any(|prd| prd.starts_with("PRD|RT") && prd.contains(LEAD)));
    county.hospital(FENGQIAO).wait_for_kind("referral.redirect", &case).await.unwrap();
    let late = said(SECOND, "referral.accept", Some(&case), None).unwrap();
    assert_eq!(refused(&county, &late).await, "R021", "the case has left this hospital");

    let ids = (asked.field("MSH", 10), number.as_str());
    let yes = hl7_answer((LEAD, FENGQIAO), "A", ids, Charset::Utf8).unwrap();
    let mut line = county.mllp(LEAD).await.unwrap();
    assert_eq!(line.exchange(&yes).await.unwrap().accepted().unwrap(), case);
    let accepted = county.hospital(FENGQIAO).wait_for_kind("referral.accept", &case).await.unwrap();
    assert_eq!(accepted.json()["source"]["organisation"], LEAD);
    let shown = county.case(FENGQIAO, &case).await.unwrap();
    assert_eq!((shown["state"].as_str(), shown["target"].as_str()), (Some("accepted"), Some(LEAD)));
    assert_eq!(shown["past_targets"][0]["organisation"], SECOND);
    assert_eq!(shown["past_targets"][0]["reason"]["code"], "RD02");
}

async fn a_cancellation_after_acceptance_is_confirmed_or_loses_to_an_arrival(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let mut cases = Vec::new();
    for _ in 0..3 {
        let case = refer(&county, FENGQIAO, SECOND).await;
        assert_eq!(say(&county, SECOND, "referral.accept", &case).await, "accepted");
        assert_eq!(say(&county, FENGQIAO, "referral.cancel", &case).await, "cancel_requested");
        county.hospital(SECOND).wait_for_kind("referral.cancel", &case).await.unwrap();
        cases.push(case);
    }

    assert_eq!(say(&county, SECOND, "referral.confirm-cancel", &cases[0]).await, "cancelled");
    assert_eq!(say(&county, SECOND, "referral.arrive", &cases[1]).await, "in_care");
    assert_eq!(say(&county, SECOND, "referral.refuse-cancel", &cases[2]).await, "accepted");

    let fengqiao = county.hospital(FENGQIAO);
    fengqiao.wait_for_kind("referral.confirm-cancel", &cases[0]).await.unwrap();
    let arrived = fengqiao.wait_for_kind("referral.arrive", &cases[1]).await.unwrap();
    assert_eq!(body(&arrived)["encounter"], "ZY2603100201");
    fengqiao.wait_for_kind("referral.refuse-cancel", &cases[2]).await.unwrap();
    assert!(notes(&county, &cases[1]).await.contains(&"cancel_lost_to_arrival".to_owned()));
    let too_late = said(SECOND, "referral.confirm-cancel", Some(&cases[1]), None).unwrap();
    assert_eq!(refused(&county, &too_late).await, "R035");

    let alone = refer(&county, FENGQIAO, SECOND).await;
    assert_eq!(say(&county, FENGQIAO, "referral.cancel", &alone).await, "cancelled");
}

async fn a_missed_appointment_is_set_anew_and_ends_in_feedback(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let submit = said(QINGSHI, "referral.submit", None, Some(SECOND)).unwrap();
    let case = county.must_send(&numbered(submit, &new_number("QS"))).await.unwrap();

    let booking = said(SECOND, "referral.schedule", Some(&case), None).unwrap();
    assert_eq!(must_say(&county, &booking).await, "scheduled");
    let qingshi = county.hospital(QINGSHI);
    let booked = qingshi.wait_for_kind("SIU^S12", &case).await.unwrap();
    assert!(booked.text.contains("YY26031000088"), "the appointment's number travels");
    assert_eq!(say(&county, SECOND, "referral.no-show", &case).await, "no_show");
    qingshi.wait_for_kind("SIU^S26", &case).await.unwrap();
    let mut moved = said(SECOND, "referral.schedule", Some(&case), None).unwrap();
    moved["body"]["appointment"]["number"] = json!("YY-MOVED");
    assert_eq!(must_say(&county, &moved).await, "scheduled");
    qingshi.wait_for_text("YY-MOVED").await.unwrap();
    assert_eq!(say(&county, SECOND, "referral.arrive", &case).await, "in_care");
    qingshi.wait_for_kind("ADT^A01", &case).await.unwrap();
    assert_eq!(say(&county, SECOND, "referral.feedback", &case).await, "completed");

    let report = qingshi.wait_for_kind("ORU^R01", &case).await.unwrap();
    assert!(report.text.contains("植入支架1枚"), "{}", report.text);
    let told = kinds_about(&qingshi.taken(), &case);
    assert_eq!(told, ["SIU^S12", "SIU^S26", "SIU^S12", "ADT^A01", "ORU^R01"]);
}

async fn reviews_follow_the_tree_and_an_emergency_skips_them(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (city, second) = (county.hospital(CITY), county.hospital(SECOND));

    // Village → township → county.
    let case = refer(&county, LIUWAN, SECOND).await;
    assert_eq!(county.state(&case).await.unwrap(), "in_review");
    county.hospital(QINGSHI).wait_for_kind("REF^I12", &case).await.unwrap();
    assert!(kinds_about(&second.received(), &case).is_empty(), "not before the review");
    let early = said(SECOND, "referral.accept", Some(&case), None).unwrap();
    assert_eq!(refused(&county, &early).await, "R002", "for its target it is not there yet");
    assert_eq!(say(&county, QINGSHI, "referral.review", &case).await, "submitted");
    let asked = second.wait_for_kind("referral.submit", &case).await.unwrap();
    assert_eq!(resource(&asked, "Patient")["name"][0]["text"], "汪德福");
    county.hospital(LIUWAN).wait_for_kind("referral.review", &case).await.unwrap();
    assert_eq!(say(&county, SECOND, "referral.accept", &case).await, "accepted");
    county.hospital(LIUWAN).wait_for_kind("referral.accept", &case).await.unwrap();
    county.hospital(QINGSHI).wait_for_kind("RRI^I12", &case).await.unwrap();

    // Out of the county: the lead hospital must let it pass.
    let out = refer(&county, FENGQIAO, CITY).await;
    let asked = reviewed_by_lead(&county, county.hospital(LEAD), &out).await;
    assert!(asked.all("PRD").iter().any(|prd| prd.contains(CITY)), "the wish is shown");
    let arrived = city.wait_for_kind("referral.submit", &out).await.unwrap();
    assert!(arrived.text.contains(&out));

    // An emergency goes straight through, and the skipped reviewers hear of it.
    let mut urgent = said(LIUWAN, "referral.submit", None, Some(CITY)).unwrap();
    urgent["priority"] = json!("emergency");
    let urgent = county.must_send(&urgent).await.unwrap();
    city.wait_for_kind("referral.submit", &urgent).await.unwrap();
    county.hospital(QINGSHI).wait_for_kind("REF^I12", &urgent).await.unwrap();
    county.hospital(LEAD).wait_for_kind("REF^I12", &urgent).await.unwrap();
    assert_eq!(notes(&county, &urgent).await, ["reviews_skipped"]);
    assert_eq!(county.state(&urgent).await.unwrap(), "submitted");
}

/// The lead hospital lets a case pass, and gives the request as it saw it.
async fn reviewed_by_lead(county: &County, lead: &Hospital, case: &str) -> Hl7 {
    let asked = lead.wait_for_kind("REF^I12", case).await.unwrap().hl7();
    assert_eq!(county.state(case).await.unwrap(), "in_review");
    assert_eq!(say(county, LEAD, "referral.review", case).await, "submitted");
    asked
}
