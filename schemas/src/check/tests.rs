//! One test per rule: an example is broken in one place, and the check names that place.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::found::*;
use super::*;
use crate::kind::Kind;
use crate::{examples, message};

/// What a value looks like that must never be quoted.
const CANARY: &str = "canary-9174";

fn example(kind: Kind) -> Value {
    serde_json::from_str(examples::of(kind)).unwrap()
}

fn check_value(value: Value, required: &[&str]) -> Checked {
    let message = message::from_value(value).unwrap();
    let required = required.iter().map(|path| (*path).to_owned()).collect();
    let now = message.received_at.unwrap_or(message.occurred_at);
    check(&message, &Rules { now, required: &required })
}

/// The example of `kind` after `change`, checked.
fn changed(kind: Kind, change: impl FnOnce(&mut Value)) -> Checked {
    let mut value = example(kind);
    change(&mut value);
    check_value(value, &[])
}

/// What is refused, as `C001 body.purpose`.
fn refused(kind: Kind, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let found = changed(kind, change);
    found.problems.iter().map(|it| format!("{} {}", it.code, it.field)).collect()
}

/// What is noted. Nothing may be refused.
fn noted(kind: Kind, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let found = changed(kind, change);
    assert_eq!(found.problems, []);
    found.deviations.iter().map(|it| format!("{} {}", it.code, it.field)).collect()
}

fn without(value: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
}

fn set(value: &mut Value, path: &str, to: Value) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[name] = to;
}

#[test]
fn a_new_case_needs_its_priority() {
    for kind in [Kind::ReferralSubmit, Kind::TransferOffer, Kind::ConsultationRequest] {
        assert_eq!(refused(kind, |it| without(it, "/priority")), ["C001 priority"]);
    }
    assert!(refused(Kind::ReferralAmend, |it| without(it, "/priority")).is_empty());
}

#[test]
fn a_value_does_not_contradict_its_status_comparator_or_absence() {
    let results = |it: Value| {
        refused(Kind::ReferralFeedback, |message| set(message, "/body/observations", it))
    };
    let field = |name: &str| vec![format!("C033 body.observations[0].{name}")];

    let potassium = json!({ "text": "血钾" });
    let not_obtained = json!([{ "what": potassium, "status": "not_obtained", "value": "4.1" }]);
    assert_eq!(results(not_obtained), field("status"));
    let words = json!([{ "what": potassium, "comparator": "<", "value": "阴性" }]);
    assert_eq!(results(words), field("comparator"));
    let absent =
        json!([{ "what": potassium, "value": "4.1", "absent_reason": { "text": "溶血" } }]);
    assert_eq!(results(absent), field("absent_reason"));
    let part = json!([{ "what": { "text": "血压" },
        "components": [{ "what": { "text": "收缩压" }, "comparator": ">" }] }]);
    assert_eq!(results(part), field("components[0].comparator"));

    let whole = json!([
        { "what": potassium, "status": "not_obtained", "absent_reason": { "text": "溶血" } },
        { "what": { "text": "肌钙蛋白I" }, "comparator": "<", "value": "0.04", "unit": "ng/mL" },
    ]);
    assert!(results(whole).is_empty());
}

#[test]
fn a_referral_says_why() {
    let problems = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/reasons", json!([{}]));
        set(it, "/body/reason_text", json!(" "));
    });
    assert_eq!(problems, ["C001 body.reasons"]);

    assert!(refused(Kind::ReferralSubmit, |it| without(it, "/body/reasons")).is_empty());
    assert!(refused(Kind::ReferralSubmit, |it| without(it, "/body/reason_text")).is_empty());
}

#[test]
fn a_referral_says_what_the_patient_has() {
    let problems = refused(Kind::ReferralSubmit, |it| {
        without(it, "/body/clinical/diagnoses");
        without(it, "/body/clinical/chief_complaint");
    });
    assert_eq!(problems, ["C001 body.clinical.diagnoses"]);

    let empty = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/clinical/diagnoses/1/what", json!({ "system": "ICD-10-CN" }));
    });
    assert_eq!(empty, ["C001 body.clinical.diagnoses[1].what"]);
}

#[test]
fn two_main_diagnoses_are_noted() {
    let notes = noted(Kind::ReferralSubmit, |it| {
        set(it, "/body/clinical/diagnoses/1/main", json!(true));
    });
    assert_eq!(notes, ["C028 body.clinical.diagnoses"]);
}

#[test]
fn a_case_goes_to_another_organisation() {
    for kind in [Kind::ReferralSubmit, Kind::TransferOffer, Kind::ConsultationRequest] {
        let problems = refused(kind, |it| {
            let from = it["body"]["from"]["organisation"].clone();
            set(it, "/body/to/organisation", from);
        });
        assert_eq!(problems, ["C008 body.to.organisation"]);
    }
}

#[test]
fn what_the_paper_slip_asks_for_is_noted_when_missing() {
    let notes = noted(Kind::ReferralSubmit, |it| {
        without(it, "/body/from/practitioner/phone");
        without(it, "/body/from/phone");
        without(it, "/body/consent");
        without(it, "/body/patient/sex");
    });
    assert_eq!(
        notes,
        ["C024 body.from.practitioner.phone", "C024 body.consent", "C024 body.patient.sex"]
    );

    let plan = noted(Kind::TransferOffer, |it| {
        without(it, "/body/plan");
        without(it, "/body/clinical/diagnoses");
    });
    assert_eq!(plan, ["C024 body.clinical.diagnoses", "C024 body.plan"]);
}

#[test]
fn an_emergency_needs_no_consent() {
    let notes = noted(Kind::ReferralSubmit, |it| {
        set(it, "/priority", json!("emergency"));
        without(it, "/body/consent");
    });
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_transfer_names_its_referral_or_says_why_there_is_none() {
    let neither = refused(Kind::TransferOffer, |it| {
        without(it, "/body/no_referral_reason");
    });
    assert_eq!(neither, ["C001 body.parent_referral"]);

    let named = refused(Kind::TransferOffer, |it| {
        without(it, "/body/no_referral_reason");
        set(it, "/body/parent_referral", json!("R2600000011"));
    });
    assert!(named.is_empty());

    let unknown = refused(Kind::TransferOffer, |it| {
        set(it, "/body/no_referral_reason", json!({ "code": "NR77" }));
    });
    assert_eq!(unknown, ["C006 body.no_referral_reason.code"]);

    let wordless = refused(Kind::TransferOffer, |it| {
        set(it, "/body/no_referral_reason", json!({ "code": "NR99" }));
    });
    assert_eq!(wordless, ["C007 body.no_referral_reason.text"]);
}

#[test]
fn a_planned_follow_up_says_what_to_do() {
    let problems = refused(Kind::TransferOffer, |it| {
        set(it, "/body/plan/follow_ups/1/what", json!(" "));
    });
    assert_eq!(problems, ["C001 body.plan.follow_ups[1].what"]);
}

#[test]
fn a_consultation_says_what_it_is_for() {
    let problems = refused(Kind::ConsultationAmend, |it| {
        without(it, "/body/purpose");
        without(it, "/body/reason");
    });
    assert_eq!(problems, ["C001 body.purpose"]);
}

#[test]
fn a_reading_and_its_order_belong_together() {
    let no_order = refused(Kind::ConsultationRequest, |it| without(it, "/body/reading"));
    assert_eq!(no_order, ["C027 body.reading"]);

    let no_reading = refused(Kind::ConsultationRequest, |it| {
        set(it, "/body/form", json!("offline"));
    });
    assert_eq!(no_reading, ["C027 body.form"]);

    let no_exam = refused(Kind::ConsultationRequest, |it| {
        set(it, "/body/reading/exam", json!({}));
    });
    assert_eq!(no_exam, ["C001 body.reading.exam"]);

    let no_recording = noted(Kind::ConsultationRequest, |it| {
        without(it, "/body/attachments");
    });
    assert_eq!(no_recording, ["C024 body.attachments"]);
}

#[test]
fn experts_who_are_asked_for_can_be_booked() {
    let nobody = refused(Kind::ConsultationAmend, |it| {
        set(it, "/body/experts/0/practitioner", json!({ "title": "主任医师" }));
    });
    assert_eq!(nobody, ["C001 body.experts[0].practitioner"]);

    let unbookable = noted(Kind::ConsultationAmend, |it| {
        without(it, "/body/experts/0/practitioner/code");
    });
    assert_eq!(unbookable, ["C024 body.experts[0].practitioner.code"]);

    let twice = noted(Kind::ConsultationAmend, |it| {
        let first = it["body"]["experts"][0].clone();
        it["body"]["experts"][1] = first;
    });
    assert_eq!(twice, ["C028 body.experts[1].practitioner"]);
}

#[test]
fn a_known_patient_has_a_name_and_something_to_tell_apart() {
    let nameless = refused(Kind::ReferralSubmit, |it| without(it, "/body/patient/name"));
    assert_eq!(nameless, ["C010 body.patient.name"]);

    let name_only = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient", json!({ "name": "汪德福", "sex": "male" }));
    });
    assert_eq!(name_only, ["C010 body.patient.document"]);

    for enough in [
        json!({ "name": "汪德福", "sex": "male", "birth_date": "1950-01-01" }),
        json!({ "name": "汪德福", "sex": "male",
                "identifiers": [{ "kind": "health_card", "value": "99" }] }),
    ] {
        assert!(refused(Kind::ReferralSubmit, |it| set(it, "/body/patient", enough)).is_empty());
    }
}

#[test]
fn an_unknown_patient_is_possible_in_an_emergency_only() {
    let unknown = json!({ "identity": "unknown", "sex": "male", "age_text": "约60岁" });

    let routine = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient", unknown.clone());
    });
    assert_eq!(routine, ["C011 body.patient.identity"]);

    let emergency = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient", unknown);
        set(it, "/priority", json!("emergency"));
    });
    assert!(emergency.is_empty());
}

#[test]
fn a_newborn_is_found_through_the_mother() {
    let alone = json!({ "identity": "newborn", "sex": "male", "birth_date": "2026-03-09" });
    let mut mothers = alone.clone();
    mothers["document"] =
        json!({ "kind": "01", "number": "99010119500101001X", "of_mother": true });
    let mut contact = alone.clone();
    contact["contact"] = json!({ "phone": "13900000002" });

    let check = |patient| refused(Kind::ReferralSubmit, |it| set(it, "/body/patient", patient));

    assert_eq!(check(alone), ["C012 body.patient.document"]);
    assert_eq!(check(mothers.clone()), ["C013 body.patient.document.number"]);
    mothers["document"]["number"] = json!("99010120150614002X");
    // Neither the mother's birth date nor her sex are the child's.
    assert!(check(mothers.clone()).is_empty());
    assert!(check(contact).is_empty());

    mothers["identity"] = json!("known");
    mothers["name"] = json!("汪小宝");
    assert_eq!(check(mothers), ["C012 body.patient.document.of_mother"]);
}

#[test]
fn an_identity_number_is_checked_digit_by_digit() {
    let wrong = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient/document/number", json!("990101195001010011"));
    });
    assert_eq!(wrong, ["C013 body.patient.document.number"]);

    let careless = noted(Kind::ReferralSubmit, |it| {
        let number = it["body"]["patient"]["document"]["number"].as_str().unwrap();
        let spaced = format!("{} {}", &number[..6], &number[6..]);
        set(it, "/body/patient/document/number", json!(spaced));
    });
    assert_eq!(careless, ["C031 body.patient.document.number"]);
}

#[test]
fn a_contradiction_to_the_identity_number_names_both_fields() {
    let found = changed(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient/birth_date", json!("1951-01-01"));
        set(it, "/body/patient/sex", json!("female"));
    });

    let fields: Vec<&str> = found.problems.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["body.patient.birth_date", "body.patient.sex"]);
    for problem in &found.problems {
        assert_eq!(problem.code.as_str(), "C014");
        assert!(problem.text.contains("body.patient.document.number"));
    }
}

#[test]
fn other_documents_have_a_known_kind_and_a_likely_shape() {
    let check = |document| {
        changed(Kind::ReferralSubmit, |it| {
            set(it, "/body/patient/document", document);
        })
    };

    let unknown = check(json!({ "kind": "42", "number": "A1" }));
    assert_eq!(unknown.problems[0].field, "body.patient.document.kind");
    assert_eq!(unknown.problems[0].code.as_str(), "C015");

    let odd = check(json!({ "kind": "06", "number": "12345" }));
    assert_eq!(odd.problems, []);
    assert_eq!(odd.deviations[0].code.as_str(), "C016");

    let right = check(json!({ "kind": "06", "number": "h12345678" }));
    assert_eq!((right.problems, right.deviations), (vec![], vec![]));
}

#[test]
fn a_birth_date_can_be_one() {
    for born in ["2026-03-11", "1849-12-31"] {
        let problems = refused(Kind::ReferralSubmit, |it| {
            without(it, "/body/patient/document");
            set(it, "/body/patient/birth_date", json!(born));
        });
        assert_eq!(problems, ["C017 body.patient.birth_date"], "{born}");
    }
}

#[test]
fn today_is_the_day_in_china() {
    let required = BTreeSet::new();
    let rules = Rules { now: "2026-03-09T16:30:00Z".parse().unwrap(), required: &required };

    assert_eq!(rules.today(), jiff::civil::date(2026, 3, 10));
}

#[test]
fn every_coded_reason_is_from_the_table_of_its_kind() {
    let kinds = [
        Kind::ReferralReturn,
        Kind::ReferralDecline,
        Kind::ReferralRedirect,
        Kind::ReferralCancel,
        Kind::TransferDecline,
        Kind::TransferRedirect,
        Kind::TransferCancel,
        Kind::ConsultationReturn,
        Kind::ConsultationDecline,
        Kind::ConsultationCancel,
        Kind::ConsultationRecollect,
    ];
    for kind in kinds {
        let unknown = refused(kind, |it| {
            set(it, "/body/reason", json!({ "code": "UP01" }));
        });
        assert_eq!(unknown, ["C006 body.reason.code"], "{kind}");
    }
    for kind in kinds {
        let own = example(kind)["body"]["reason"]["code"].as_str().unwrap().to_owned();
        let other = format!("{}99", &own[..2]);
        let wordless = refused(kind, |it| set(it, "/body/reason", json!({ "code": other })));
        assert_eq!(wordless, ["C007 body.reason.text"], "{kind}");
    }
}

#[test]
fn whatever_opens_no_case_names_one() {
    for kind in [Kind::ReferralAccept, Kind::TransferReceive, Kind::StatusQuery] {
        let problems = refused(kind, |it| {
            set(it, "/case", json!({}));
            set(it, "/in_reply_to", json!({ "organisation": "330199101" }));
        });
        assert_eq!(problems, ["C009 case.number"], "{kind}");

        let reply = refused(kind, |it| {
            set(it, "/case", json!({}));
            set(it, "/in_reply_to", json!({ "message_id": "M1" }));
        });
        assert!(reply.is_empty(), "{kind}");
    }
}

#[test]
fn a_misread_case_number_is_noticed() {
    let problems = refused(Kind::ReferralAccept, |it| {
        set(it, "/case/number", json!("R2600000018"));
    });
    assert_eq!(problems, ["C029 case.number"]);
}

#[test]
fn an_envelope_is_whole_and_of_our_version() {
    let problems = refused(Kind::ReferralAccept, |it| {
        set(it, "/schema", json!("2.0"));
        set(it, "/source/message_id", json!(" "));
        set(it, "/case/numbers/0/number", json!(" "));
    });
    assert_eq!(problems, ["C030 schema", "C001 source.message_id", "C001 case.numbers[0].number"]);
}

#[test]
fn clocks_ahead_of_ours_are_noted() {
    let envelope = noted(Kind::ReferralAccept, |it| {
        set(it, "/occurred_at", json!("2026-03-10T01:45:00Z"));
    });
    assert_eq!(envelope, ["C019 occurred_at"]);

    let happened = noted(Kind::ReferralArrive, |it| {
        set(it, "/body/at", json!("2026-04-01T00:00:00Z"));
    });
    assert_eq!(happened, ["C019 body.at"]);
}

#[test]
fn the_answers_say_the_one_thing_they_are_for() {
    let empty = [
        (Kind::ConsultationOpinion, "/body/text", json!(""), "C001 body.text"),
        (Kind::ConsultationReport, "/body/conclusion", json!(" "), "C001 body.conclusion"),
        (
            Kind::ConsultationReport,
            "/body/writer",
            json!({ "name": "陆一帆" }),
            "C001 body.writer.code",
        ),
        (Kind::ConsultationAudit, "/body/auditor", json!({}), "C001 body.auditor.code"),
        (Kind::ConsultationClaim, "/body/reader", json!({}), "C001 body.reader.code"),
        (Kind::ConsultationCritical, "/body/items/0/what", json!({}), "C001 body.items[0].what"),
        (Kind::StatusReport, "/body/state", json!(""), "C001 body.state"),
    ];
    for (kind, path, value, problem) in empty {
        assert_eq!(refused(kind, |it| set(it, path, value)), [problem]);
    }
}

#[test]
fn answers_that_tell_little_are_noted() {
    let outcome = noted(Kind::ReferralFeedback, |it| {
        set(it, "/body", json!({ "stage": "outcome" }));
    });
    assert_eq!(outcome, ["C024 body.summary"]);

    let failed = noted(Kind::ConsultationAudit, |it| {
        set(it, "/body/passed", json!(false));
        without(it, "/body/note");
    });
    assert_eq!(failed, ["C024 body.note"]);

    let follow_up = noted(Kind::TransferFollowUp, |it| set(it, "/body", json!({})));
    assert_eq!(follow_up, ["C024 body.findings"]);
}

#[test]
fn an_appointment_has_a_time_in_order_and_in_reach() {
    let end = |kind, to: &str| refused(kind, |it| set(it, "/body/appointment/end", json!(to)));
    assert_eq!(end(Kind::ReferralSchedule, "2026-03-10T06:30:00Z"), ["C018 body.appointment.end"]);
    assert_eq!(end(Kind::ReferralSchedule, "2026-03-20T06:30:00Z"), ["C018 body.appointment.end"]);

    let year = refused(Kind::ReferralSchedule, |it| {
        without(it, "/body/appointment/end");
        set(it, "/body/appointment/start", json!("2062-03-10T06:30:00Z"));
    });
    assert_eq!(year, ["C018 body.appointment.start"]);

    let past = noted(Kind::ReferralSchedule, |it| {
        without(it, "/body/appointment/end");
        set(it, "/body/appointment/start", json!("2026-03-01T06:30:00Z"));
    });
    assert_eq!(past, ["C032 body.appointment.start"]);
}

#[test]
fn an_appointment_says_when_or_which_bed() {
    let nothing = refused(Kind::ReferralSchedule, |it| {
        set(it, "/body/appointment", json!({ "place": "住院楼" }));
    });
    assert_eq!(nothing, ["C001 body.appointment.start"]);

    let bed = refused(Kind::ReferralSchedule, |it| {
        set(it, "/body/appointment", json!({ "bed": "06床" }));
    });
    assert!(bed.is_empty());

    let session = refused(Kind::ConsultationSchedule, |it| {
        without(it, "/body/appointment/start");
    });
    assert_eq!(session, ["C001 body.appointment.start"]);

    let endless = noted(Kind::ConsultationSchedule, |it| {
        without(it, "/body/appointment/end");
    });
    assert_eq!(endless, ["C024 body.appointment.end"]);
}

#[test]
fn an_expert_is_booked_once() {
    let twice = noted(Kind::ConsultationSchedule, |it| {
        let first = it["body"]["appointment"]["experts"][0].clone();
        it["body"]["appointment"]["experts"][1] = first;
    });
    assert_eq!(twice, ["C028 body.appointment.experts[1]"]);

    let nobody = refused(Kind::ConsultationSchedule, |it| {
        set(it, "/body/appointment/experts/0/practitioner", json!(" "));
    });
    assert_eq!(nobody, ["C001 body.appointment.experts[0].practitioner"]);
}

#[test]
fn wanted_times_and_stays_are_in_order() {
    let wanted = refused(Kind::ConsultationAmend, |it| {
        let start = it["body"]["wanted"][1]["start"].clone();
        it["body"]["wanted"][1]["end"] = start;
    });
    assert_eq!(wanted, ["C018 body.wanted[1].end"]);

    let stay = refused(Kind::TransferOffer, |it| {
        set(it, "/body/stay/discharged_at", json!("2026-02-01T00:00:00Z"));
    });
    assert_eq!(stay, ["C018 body.stay.discharged_at"]);
}

#[test]
fn what_is_held_is_held_beyond_now() {
    let hold = refused(Kind::ReferralAccept, |it| {
        set(it, "/body/hold_until", json!("2026-03-10T01:31:00Z"));
    });
    assert_eq!(hold, ["C018 body.hold_until"]);

    let valid = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/valid_until", json!("2026-03-09T00:00:00Z"));
    });
    assert_eq!(valid, ["C018 body.valid_until"]);
}

#[test]
fn slots_have_numbers_of_their_own_and_times_in_order() {
    let twice = refused(Kind::SlotPublish, |it| {
        set(it, "/body/slots/1/number", json!("CARD-OP-0326-03"));
    });
    assert_eq!(twice, ["C028 body.slots[1].number"]);

    let order = refused(Kind::SlotPublish, |it| {
        set(it, "/body/slots/0/end", json!("2026-03-01T00:00:00Z"));
    });
    assert_eq!(order, ["C018 body.slots[0].end"]);

    let long = refused(Kind::SlotPublish, |it| {
        set(it, "/body/slots/1/end", json!("2026-12-01T00:00:00Z"));
    });
    assert_eq!(long, ["C018 body.slots[1].end"]);

    let blank = refused(Kind::SlotPublish, |it| {
        set(it, "/body/slots/0/number", json!(" "));
    });
    assert_eq!(blank, ["C001 body.slots[0].number"]);

    let none = refused(Kind::SlotWithdraw, |it| {
        set(it, "/body/numbers", json!([" "]));
    });
    assert_eq!(none, ["C001 body.numbers[0]"]);
}

#[test]
fn an_attachment_holds_something_or_says_where_it_is() {
    let none = refused(Kind::ReferralSubmit, |it| {
        without(it, "/body/attachments/1/reference");
    });
    assert_eq!(none, ["C020 body.attachments[1]"]);

    let untyped = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/attachments/1/media_type", json!(""));
    });
    assert_eq!(untyped, ["C001 body.attachments[1].media_type"]);
}

#[test]
fn an_attachment_is_base64_and_whole() {
    let broken = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/attachments/0/content", json!("%%%"));
    });
    assert_eq!(broken, ["C021 body.attachments[0].content"]);

    let changed = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/attachments/0/content", json!("QUJD"));
    });
    assert_eq!(changed, ["C023 body.attachments[0].size_bytes", "C023 body.attachments[0].sha256"]);

    let hash = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/attachments/1/sha256", json!("abc"));
    });
    assert_eq!(hash, ["C023 body.attachments[1].sha256"]);
}

#[test]
fn an_attachment_has_a_largest_size() {
    let largest = crate::clinical::ATTACHMENT_INLINE_BYTES_MAX;
    let of_size = |bytes: usize| {
        refused(Kind::ReferralSubmit, |it| {
            without(it, "/body/attachments/0/sha256");
            without(it, "/body/attachments/0/size_bytes");
            let mut content = "A".repeat(bytes.div_ceil(3) * 4);
            let padding = (3 - bytes % 3) % 3;
            content.truncate(content.len() - padding);
            content.push_str(&"=".repeat(padding));
            set(it, "/body/attachments/0/content", json!(content));
        })
    };

    assert!(of_size(largest).is_empty());
    assert_eq!(of_size(largest + 1), ["C022 body.attachments[0].content"]);
    assert_eq!(of_size(largest + 10), ["C022 body.attachments[0].content"]);
}

#[test]
fn codes_outside_their_table_are_noted() {
    let notes = noted(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient/ethnicity", json!({ "code": "97", "system": "GB/T 3304" }));
        set(it, "/body/reasons", json!([{ "code": "X1", "text": "自编" }]));
        set(it, "/body/to/department", json!({ "code": "0304", "system": "department" }));
        set(it, "/body/purpose", json!({ "code": "9", "system": "our own table" }));
    });
    assert_eq!(
        notes,
        [
            "C026 body.patient.ethnicity.code",
            "C026 body.to.department.code",
            "C026 body.reasons[0].code"
        ]
    );
}

#[test]
fn an_odd_telephone_is_noted() {
    let notes = noted(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient/contact/phone", json!("不详"));
    });
    assert_eq!(notes, ["C025 body.patient.contact.phone"]);
}

#[test]
fn texts_fit_and_hold_no_nul() {
    let problems = refused(Kind::ReferralSubmit, |it| {
        set(it, "/body/patient/name", json!("汪\u{0}德福"));
        set(it, "/body/patient/age_text", json!("岁".repeat(33)));
        set(it, "/body/clinical/notes", json!(["长".repeat(65_537)]));
    });
    assert_eq!(
        problems,
        ["C003 body.patient.age_text", "C003 body.clinical.notes[0]", "C004 body.patient.name"]
    );

    let control = noted(Kind::ReferralSubmit, |it| {
        set(it, "/body/reason_text", json!("一行\n二行\t\u{b}三"));
    });
    assert_eq!(control, ["C005 body.reason_text"]);
}

#[test]
fn a_profile_may_require_more() {
    let without_phone = |kind| {
        let mut value = example(kind);
        if kind == Kind::ReferralSubmit {
            without(&mut value, "/body/patient/phone");
        }
        check_value(value, &["body.patient.phone", "body.patient.phon"]).problems
    };

    let found = without_phone(Kind::ReferralSubmit);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code.as_str(), found[0].field.as_str()), ("C002", "body.patient.phone"));
    assert_eq!(without_phone(Kind::ReferralAccept), []);
}

#[test]
fn a_flood_of_problems_is_cut() {
    let many = changed(Kind::ReferralSubmit, |it| {
        set(
            it,
            "/body/attachments",
            Value::Array(vec![
                json!({
                    "kind": "other", "title": "", "media_type": ""
                });
                2000
            ]),
        );
    });

    assert_eq!(many.problems.len(), FOUND_MAX);
    assert_eq!(many.deviations.len(), FOUND_MAX);
}

/// Every place in `value` that holds no list and no object.
fn leaves(value: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) => {
                open.extend(fields.iter().map(|(key, inner)| (format!("{path}/{key}"), inner)));
            }
            Value::Array(items) => {
                open.extend(
                    items.iter().enumerate().map(|(at, inner)| (format!("{path}/{at}"), inner)),
                );
            }
            _ => paths.push(path),
        }
    }
    paths.sort();
    paths
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,40}".prop_map(Value::from),
        "[0-9Xx:TZ+. -]{0,30}".prop_map(Value::from),
        Just(json!(format!("{CANARY}\u{0}"))),
        Just(json!(CANARY)),
        Just(json!(CANARY.repeat(9000))),
        Just(json!("9999-12-30T22:00:00Z")),
        Just(json!("-009999-01-02T01:59:59Z")),
        Just(json!("9999-12-31")),
        any::<u64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn no_message_that_can_be_read_makes_the_check_panic_or_quote_it(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_leaf()), 1..6),
        now in -377_705_023_201_i64..253_402_207_200,
    ) {
        let mut value = example(kind);
        let paths = leaves(&value);
        for (at, leaf) in changes {
            let path = &paths[at.index(paths.len())];
            if path != "/kind" {
                *value.pointer_mut(path).unwrap() = leaf;
            }
        }
        let Ok(message) = message::from_value(value) else { return Ok(()) };
        let required = BTreeSet::from(["body.patient.phone".to_owned(), "body[0]..x[".to_owned()]);
        let now = Timestamp::from_second(now).unwrap();

        let found = check(&message, &Rules { now, required: &required });

        let texts = found.problems.iter().flat_map(|it| [&it.field, &it.text]);
        let notes = found.deviations.iter().flat_map(|it| [&it.field, &it.text]);
        for text in texts.chain(notes) {
            prop_assert!(!text.contains(CANARY), "{text}");
        }
    }
}

#[test]
fn whom_an_answer_names_need_not_be_complete_and_is_never_refused_over_its_number() {
    let named = |subject: Value| {
        noted(Kind::ReferralAccept, |value| value["subject"] = subject)
            .into_iter()
            .filter(|it| it.contains("subject"))
            .collect::<Vec<_>>()
    };
    let card = |number: &str| json!({ "document": { "kind": "01", "number": number } });

    assert_eq!(named(json!({})), Vec::<String>::new());
    assert_eq!(named(card("990101195001010010")), Vec::<String>::new());
    assert_eq!(named(card("990101195001010011")), ["C013 subject.document.number"]);
    assert_eq!(named(card("990101500101001")), ["C031 subject.document.number"]);
}

#[test]
fn whom_an_answer_names_has_the_limits_of_a_patient() {
    let found = refused(Kind::ReferralAccept, |value| {
        value["subject"] = json!({ "name": "名".repeat(101) });
    });

    assert_eq!(found, ["C003 subject.name"]);
}
