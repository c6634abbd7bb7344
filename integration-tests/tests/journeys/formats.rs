//! HL7 v2 in GB 18030 to FHIR and back, both ways of a patient.

use serde_json::json;
use tierlink_integration_tests::county::{
    BAIMA, County, FENGQIAO, Mode, QINGSHI, QINGSHI_FACILITY, SECOND,
};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Person, fhir_answer, fhir_transfer, hl7_answer, hl7_referral, hl7_visit,
    new_control_id, new_number, said,
};

use super::resource;

for_both_modes! {
    an_hl7_referral_reaches_a_fhir_hospital_and_its_acceptance_comes_back,
    a_fhir_transfer_hands_the_patient_back_to_an_hl7_township,
    a_repeat_over_hl7_gets_the_same_answer,
    over_mllp_everybody_is_answered_in_hl7,
}

/// Also whoever speaks in the name of an organisation that speaks JSON, or of none.
async fn over_mllp_everybody_is_answered_in_hl7(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let mut line = county.mllp(QINGSHI).await.unwrap();

    for facility in [FENGQIAO, BAIMA, "NOBODY"] {
        let (control_id, number) = (new_control_id(), new_number("QS"));
        let sides = (facility, SECOND);
        let referral = hl7_referral(sides, (&control_id, &number), &rare(), Charset::Utf8).unwrap();

        let answer = line.exchange(&referral).await.unwrap();

        assert_eq!(answer.field("MSA", 2), control_id, "{facility}");
        assert!(["AE", "AR"].contains(&answer.field("MSA", 1)), "{facility}");
        // Before version 2.5 the text stands in MSA-3.
        let told = answer.all("ERR").concat() + answer.field("MSA", 3);
        assert!(told.contains("A003"), "{facility}: {told}");
    }
}

fn rare() -> Person {
    Person {
        name: "阿依古丽·𬭎𠮷".to_owned(),
        number: "990101197811020033".to_owned(),
        born: "1978-11-02".to_owned(),
        ..Person::default()
    }
}

async fn an_hl7_referral_reaches_a_fhir_hospital_and_its_acceptance_comes_back(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (control_id, number) = (new_control_id(), new_number("QS"));
    let sides = (QINGSHI_FACILITY, SECOND);
    let referral = hl7_referral(sides, (&control_id, &number), &rare(), Charset::Gb18030).unwrap();
    assert!(std::str::from_utf8(&referral).is_err(), "these bytes are no UTF-8");

    let mut line = county.mllp(QINGSHI).await.unwrap();
    let answer = line.exchange(&referral).await.unwrap();

    assert_eq!(answer.field("MSA", 1), "AA");
    assert_eq!(answer.field("MSA", 2), control_id);
    assert_eq!(answer.field("MSH", 18), "GB 18030-2000");
    let case_number = answer.accepted().unwrap();

    let arrived = county.hospital(SECOND).wait_for_text(&case_number).await.unwrap();
    assert_eq!(arrived.kind, "referral.submit");
    assert_eq!(arrived.json()["type"], "message");
    assert_eq!(resource(&arrived, "Patient")["name"][0]["text"], "阿依古丽·𬭎𠮷");
    assert_eq!(resource(&arrived, "ServiceRequest")["priority"], "urgent");
    for text in [&number, "990101197811020033", "不稳定型心绞痛", "反复活动后胸闷3月"]
    {
        assert!(arrived.text.contains(text), "{text} did not arrive");
    }

    let accepted = fhir_answer("referral.accept", (SECOND, QINGSHI), &case_number).unwrap();
    let told = county.http(SECOND).unwrap().send_fhir(&accepted).await.unwrap();
    assert_eq!(told.accepted().unwrap(), case_number);

    let reply = county.hospital(QINGSHI).wait_for_kind("RRI^I12", &case_number).await.unwrap();
    assert!(std::str::from_utf8(&reply.raw).is_err(), "the township hears in GB 18030");
    let reply = reply.hl7();
    assert_eq!(reply.field("MSA", 2), control_id);
    assert_eq!(reply.component("RF1", 6, 1), number);
    assert_eq!(reply.component("RF1", 1, 1), "A");
    assert_eq!(reply.component("PID", 5, 1), "阿依古丽·𬭎𠮷");
    assert_eq!(reply.component("MSH", 6, 1), QINGSHI_FACILITY);
    assert_eq!(county.state(&case_number).await.unwrap(), "accepted");
}

async fn a_fhir_transfer_hands_the_patient_back_to_an_hl7_township(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let second = county.http(SECOND).unwrap();
    let mut line = county.mllp(QINGSHI).await.unwrap();
    let sides = (QINGSHI_FACILITY, SECOND);
    let ids = (new_control_id(), new_number("QS"));
    let referral = hl7_referral(sides, (&ids.0, &ids.1), &rare(), Charset::Gb18030).unwrap();
    let parent = line.exchange(&referral).await.unwrap().accepted().unwrap();
    county.hospital(SECOND).wait_for_text(&parent).await.unwrap();

    let number = new_number("XZ");
    let offer = fhir_transfer((SECOND, QINGSHI), &number, &rare(), &parent).unwrap();
    let case_number = second.send_fhir(&offer).await.unwrap().accepted().unwrap();

    assert!(case_number.starts_with('T'), "{case_number}");
    let arrived = county.hospital(QINGSHI).wait_for_kind("REF^I12", &case_number).await.unwrap();
    let offered = arrived.hl7();
    assert_eq!(offered.component("RF1", 6, 1), number);
    assert_eq!(offered.component("PID", 5, 1), "阿依古丽·𬭎𠮷");
    assert!(arrived.is_about(&parent), "the referral that it follows from is named");

    let ids = (offered.field("MSH", 10), number.as_str());
    let yes = hl7_answer(sides, "A", ids, Charset::Gb18030).unwrap();
    let told = line.exchange(&yes).await.unwrap();
    assert_eq!(told.accepted().unwrap(), case_number);
    let reply =
        county.hospital(SECOND).wait_for_kind("transfer.accept", &case_number).await.unwrap();
    let header = resource(&reply, "MessageHeader");
    assert_eq!(header["response"]["identifier"], offer["entry"][0]["resource"]["id"]);

    let left = fhir_answer("transfer.discharge", (SECOND, QINGSHI), &case_number).unwrap();
    assert_eq!(second.send_fhir(&left).await.unwrap().accepted().unwrap(), case_number);
    let left = county.hospital(QINGSHI).wait_for_kind("ADT^A03", &case_number).await.unwrap();
    assert_eq!(left.hl7().component("PID", 5, 1), "阿依古丽·𬭎𠮷");

    let here = hl7_visit(sides, &case_number, &rare(), Charset::Gb18030).unwrap();
    assert_eq!(line.exchange(&here).await.unwrap().accepted().unwrap(), case_number);
    county.hospital(SECOND).wait_for_kind("transfer.receive", &case_number).await.unwrap();
    assert_eq!(county.state(&case_number).await.unwrap(), "received");

    let visited = said(QINGSHI, "transfer.follow-up", Some(&case_number), None).unwrap();
    county.must_send(&visited).await.unwrap();
    let visited =
        county.hospital(SECOND).wait_for_kind("transfer.follow-up", &case_number).await.unwrap();
    assert!(visited.text.contains("可独立行走20米"), "the findings travel");
    let done = fhir_answer("transfer.close", (SECOND, QINGSHI), &case_number).unwrap();
    assert_eq!(second.send_fhir(&done).await.unwrap().accepted().unwrap(), case_number);
    assert_eq!(county.state(&case_number).await.unwrap(), "closed");
    let family = county.case(QINGSHI, &parent).await.unwrap();
    assert_eq!(family["children"], json!([case_number]));
}

async fn a_repeat_over_hl7_gets_the_same_answer(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (control_id, number) = (new_control_id(), new_number("QS"));
    let sides = (QINGSHI_FACILITY, SECOND);
    let referral = hl7_referral(sides, (&control_id, &number), &rare(), Charset::Gb18030).unwrap();

    let mut line = county.mllp(QINGSHI).await.unwrap();
    let first = line.exchange(&referral).await.unwrap().accepted().unwrap();
    let mut other_line = county.mllp(QINGSHI).await.unwrap();
    let again = other_line.exchange(&referral).await.unwrap().accepted().unwrap();

    assert_eq!(first, again);
    // A second referral behind the repeat: once it is there, a repeated delivery would be too.
    let ids = (new_control_id(), new_number("QS"));
    let next = hl7_referral(sides, (&ids.0, &ids.1), &rare(), Charset::Gb18030).unwrap();
    let next = line.exchange(&next).await.unwrap().accepted().unwrap();
    county.hospital(SECOND).wait_for_text(&next).await.unwrap();
    let arrived = county.hospital(SECOND).received();
    assert_eq!(arrived.iter().filter(|one| one.is_about(&first)).count(), 1);
}
