//! A token opens what its organisation has a part in, and nothing else shows even that it exists.
//!
//! Two questions are asked in the same words, one about a case of others and one about a case that
//! does not exist: over every route of `/openapi.json`, with every kind of message, by every way
//! of naming a case, in all three formats. The answers must be the same, apart from what they
//! repeat of the question, and the case must be untouched afterwards.
//!
//! So asks a stranger of a case of others, and so ask the target and an expert of a case that no
//! review has let go yet: for them it must not be there either. A past target is told the same before
//! and after whatever follows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tierlink_integration_tests::county::{
    BAIMA, CITY, County, FENGQIAO, LEAD, LIUWAN, Mode, QINGSHI, QINGSHI_FACILITY, SECOND,
};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Answer, Charset, Hl7, bundle, new_control_id, new_number, said,
};
use uuid::Uuid;

for_both_modes! {
    a_stranger_cannot_tell_a_case_of_others_from_none,
    a_target_cannot_tell_a_case_in_review_from_none,
    an_expert_cannot_tell_a_consultation_in_review_from_none,
    an_expert_outside_cannot_tell_a_consultation_that_the_lead_hospital_has_not_let_go,
    a_past_target_is_told_nothing_of_what_comes_after,
}

/// Every way to name a case, of one that exists and of one that does not.
struct Named {
    /// Who asked.
    origin: &'static str,
    number: String,
    id: String,
    /// What its origin calls it.
    business: String,
    /// A message about it, by our id and as HL7 v2 writes it.
    message: String,
    control_id: String,
}

impl Named {
    fn nobodys() -> Self {
        Self {
            origin: FENGQIAO,
            number: nobodys_number(),
            id: Uuid::now_v7().to_string(),
            business: new_number("FQ"),
            message: Uuid::now_v7().to_string(),
            control_id: "01K3CP1TVJ0G7R4Z9N2M".to_owned(),
        }
    }

    /// Replaces everything that a question of this test may repeat.
    fn without_echoes(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for echo in [&self.number, &self.id, &self.business, &self.message, &self.control_id] {
            text = text.replace(echo.as_str(), "ECHO");
        }
        text
    }
}

/// A number with a sound check digit (ISO 7064 MOD 11,10) that no case here will reach.
fn nobodys_number() -> String {
    let digits = "269999999";
    let mut product = 10;
    for digit in digits.bytes().map(|b| u32::from(b - b'0')) {
        let sum = (digit + product) % 10;
        product = (if sum == 0 { 10 } else { sum } * 2) % 11;
    }
    format!("R{digits}{}", (11 - product) % 10)
}

/// A referral between others, accepted, with a message that `LEAD` received over HL7 v2.
async fn case_of_others(county: &County) -> Named {
    let business = new_number("FQ");
    let mut submit = said(FENGQIAO, "referral.submit", None, Some(LEAD)).unwrap();
    submit["case"]["numbers"] = json!([{ "organisation": FENGQIAO, "number": business }]);
    let number = county.must_send(&submit).await.unwrap();
    let at_lead = county.hospital(LEAD).wait_for_kind("REF^I12", &number).await.unwrap();
    let yes = said(LEAD, "referral.accept", Some(&number), None).unwrap();
    county.must_send(&yes).await.unwrap();
    let accepted =
        county.hospital(FENGQIAO).wait_for_kind("referral.accept", &number).await.unwrap();
    county.wait_drained().await.unwrap();
    let case = county.case("operator", &number).await.unwrap();
    Named {
        origin: FENGQIAO,
        number,
        id: case["id"].as_str().unwrap().to_owned(),
        business,
        message: accepted.control_id,
        control_id: at_lead.control_id,
    }
}

async fn a_stranger_cannot_tell_a_case_of_others_from_none(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let theirs = case_of_others(&county).await;
    let nobodys = Named::nobodys();
    let before = county.case("operator", &theirs.number).await.unwrap();

    routes(&county, BAIMA, &theirs, &nobodys).await;
    kinds(&county, BAIMA, &theirs, &nobodys).await;
    fhir(&county, BAIMA, &theirs, &nobodys).await;
    hl7(&county, QINGSHI, ("HIS", QINGSHI_FACILITY), &theirs, &nobodys).await;

    let after = county.case("operator", &theirs.number).await.unwrap();
    assert_eq!(before, after, "the case was touched");
    // The questions themselves were good: who has a part gets an answer to them.
    let insider = county.http(LEAD).unwrap();
    for name in [&theirs.number, &theirs.id] {
        assert_eq!(insider.get(&format!("/api/v1/cases/{name}")).await.unwrap().status, 200);
    }
    let message = county.http(FENGQIAO).unwrap();
    let message = message.get(&format!("/api/v1/messages/{}", theirs.message)).await.unwrap();
    assert_eq!(message.status, 200);
}

/// What the village asks of `target`, while its township reviews it. The township heard it over
/// HL7 v2.
async fn case_in_review(county: &County, mut request: Value) -> Named {
    let business = new_number("LW");
    request["case"]["numbers"] = json!([{ "organisation": LIUWAN, "number": business }]);
    let number = county.must_send(&request).await.unwrap();
    let at_township = county.hospital(QINGSHI).wait_for_kind("REF^I12", &number).await.unwrap();
    let case = county.case("operator", &number).await.unwrap();
    assert_eq!(case["state"], "in_review");
    let id = case["id"].as_str().unwrap().to_owned();
    let message = case["events"][0]["message"].as_str().unwrap().to_owned();
    let control_id = at_township.control_id;
    Named { origin: LIUWAN, number, id, business, message, control_id }
}

/// Asks by every route, with every kind, and in the asker's own format; then again once the case
/// was returned, and once it was cancelled.
async fn must_not_be_there(county: &County, asker: &str, theirs: &Named, family: &str) {
    let nobodys = Named { origin: LIUWAN, ..Named::nobodys() };
    let state = async || county.state(&theirs.number).await.unwrap();
    routes(county, asker, theirs, &nobodys).await;
    kinds(county, asker, theirs, &nobodys).await;
    if asker == LEAD {
        hl7(county, LEAD, ("HIP", LEAD), theirs, &nobodys).await;
    } else {
        fhir(county, asker, theirs, &nobodys).await;
    }
    assert_eq!(state().await, "in_review", "it was touched");
    for (author, kind, then) in [
        (QINGSHI, format!("{family}.return"), "returned"),
        (LIUWAN, format!("{family}.cancel"), "cancelled"),
    ] {
        let message = said(author, &kind, Some(&theirs.number), None).unwrap();
        assert_eq!(county.send(&message).await.unwrap().status, 200);
        assert_eq!(state().await, then);
        routes(county, asker, theirs, &nobodys).await;
    }
    county.wait_drained().await.unwrap();
    for heard in county.hospital(asker).received() {
        assert!(!heard.is_about(&theirs.number), "{asker} heard {}", heard.kind);
        assert!(!heard.text.contains(&theirs.business), "{asker} heard {}", heard.kind);
    }
}

async fn a_target_cannot_tell_a_case_in_review_from_none(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    for target in [SECOND, LEAD] {
        let request = said(LIUWAN, "referral.submit", None, Some(target)).unwrap();
        let theirs = case_in_review(&county, request).await;
        // The questions themselves are good: who reviews it gets an answer to them.
        let reviewer = county.http(QINGSHI).unwrap();
        let seen = reviewer.get(&format!("/api/v1/cases/{}", theirs.number)).await.unwrap();
        assert_eq!(seen.status, 200);

        must_not_be_there(&county, target, &theirs, "referral").await;
    }
}

async fn an_expert_cannot_tell_a_consultation_in_review_from_none(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let mut request = said(LIUWAN, "consultation.amend", None, Some(LEAD)).unwrap();
    request["kind"] = json!("consultation.request");
    request["body"]["experts"] = json!([
        { "organisation": SECOND, "practitioner": { "code": "ZY2001", "name": "陆知远" } },
        { "organisation": CITY, "practitioner": { "code": "SY3310", "name": "周慕云" } },
    ]);
    for asker in [SECOND, CITY] {
        let theirs = case_in_review(&county, request.clone()).await;
        must_not_be_there(&county, asker, &theirs, "consultation").await;
        request["source"]["message_id"] = json!(new_number("M"));
    }
}

/// The township asks within the county; only one of the experts lies outside of it.
async fn an_expert_outside_cannot_tell_a_consultation_that_the_lead_hospital_has_not_let_go(
    mode: Mode,
) {
    let county = County::open(mode).await.unwrap();
    let business = new_number("FQ");
    let mut request = said(FENGQIAO, "consultation.amend", None, Some(SECOND)).unwrap();
    request["kind"] = json!("consultation.request");
    request["case"]["numbers"] = json!([{ "organisation": FENGQIAO, "number": business }]);
    request["body"]["experts"] = json!([
        { "organisation": SECOND, "practitioner": { "code": "ZY2001", "name": "陆知远" } },
        { "organisation": CITY, "practitioner": { "code": "SY3310", "name": "周慕云" } },
    ]);
    let number = county.must_send(&request).await.unwrap();
    let case = county.case("operator", &number).await.unwrap();
    assert_eq!((&case["state"], &case["reviews"]), (&json!("in_review"), &json!([LEAD])));
    let at_lead = county
        .hospital(LEAD)
        .wait_for("it", |all| all.iter().find(|one| one.is_about(&number)).cloned());
    let theirs = Named {
        origin: FENGQIAO,
        id: case["id"].as_str().unwrap().to_owned(),
        business,
        message: case["events"][0]["message"].as_str().unwrap().to_owned(),
        control_id: at_lead.await.unwrap().control_id,
        number,
    };
    let nobodys = Named::nobodys();

    for asker in [SECOND, CITY] {
        routes(&county, asker, &theirs, &nobodys).await;
        kinds(&county, asker, &theirs, &nobodys).await;
        fhir(&county, asker, &theirs, &nobodys).await;
    }

    for asker in [SECOND, CITY] {
        let heard = county.hospital(asker).received();
        assert!(!heard.iter().any(|one| one.is_about(&theirs.number)), "{asker} heard of it");
    }
    let passed = said(LEAD, "consultation.review", Some(&theirs.number), None).unwrap();
    assert_eq!(county.send(&passed).await.unwrap().status, 200);
    let city = county.hospital(CITY);
    city.wait_for("what was let go", |all| {
        all.iter().any(|one| one.is_about(&theirs.number)).then_some(())
    })
    .await
    .unwrap();
}

/// What every reading route answers about the case, in an order that stays.
async fn told(county: &County, asker: &str, theirs: &Named) -> Vec<(String, u16, String)> {
    let asker_too = county.http(asker).unwrap();
    let document = county.anonymous().unwrap().get("/openapi.json").await.unwrap().json();
    let mut told = Vec::new();
    for path in document["paths"].as_object().unwrap().keys() {
        if !path.starts_with("/api/v1/cases") && !path.starts_with("/api/v1/messages/") {
            continue;
        }
        for (question, _) in questions(path, asker, theirs, &Named::nobodys()) {
            let answer = asker_too.get(&question).await.unwrap();
            told.push((question, answer.status, answer.body));
        }
    }
    assert!(told.len() > 15, "only {} questions", told.len());
    told
}

async fn a_past_target_is_told_nothing_of_what_comes_after(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let business = new_number("FQ");
    let mut submit = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    submit["case"]["numbers"] = json!([{ "organisation": FENGQIAO, "number": business }]);
    let number = county.must_send(&submit).await.unwrap();
    let heard = county.hospital(SECOND).wait_for_kind("referral.submit", &number).await.unwrap();
    let mut elsewhere = said(SECOND, "referral.redirect", Some(&number), None).unwrap();
    elsewhere["body"]["to"] = json!(LEAD);
    assert_eq!(county.send(&elsewhere).await.unwrap().status, 200);
    county.hospital(LEAD).wait_for_kind("REF^I12", &number).await.unwrap();
    county.wait_drained().await.unwrap();
    let case = county.case("operator", &number).await.unwrap();
    let theirs = Named {
        origin: FENGQIAO,
        id: case["id"].as_str().unwrap().to_owned(),
        business,
        message: case["events"][0]["message"].as_str().unwrap().to_owned(),
        control_id: heard.control_id,
        number: number.clone(),
    };
    let before = told(&county, SECOND, &theirs).await;

    for kind in ["referral.accept", "referral.schedule", "referral.arrive"] {
        let message = said(LEAD, kind, Some(&number), None).unwrap();
        assert_eq!(county.send(&message).await.unwrap().status, 200, "{kind}");
    }
    county.wait_drained().await.unwrap();

    let after = told(&county, SECOND, &theirs).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    // It is in the plain list, as it was; and in none that asks where cases stand now.
    for (question, status, body) in &after {
        let in_list = question.starts_with("/api/v1/cases?") || question == "/api/v1/cases";
        if !in_list {
            continue;
        }
        assert_eq!(*status, 200, "{question}");
        let asks_for_now = ["state=", "with=", "open=true", "overdue="];
        let may = !asks_for_now.iter().any(|filter| question.contains(filter))
            && !question.contains("consultation");
        assert_eq!(body.contains(&number), may, "{question}: {body}");
        assert!(!body.contains(LEAD), "{question} tells where it went: {body}");
        assert!(!body.contains("arrived"), "{question} tells how it stands: {body}");
    }
}

/// Status and body must not differ but in what they repeat.
fn must_be_alike(what: &str, theirs: (&Named, &Answer), nobodys: (&Named, &Answer)) {
    let plain = |(named, answer): (&Named, &Answer)| {
        (answer.status, without_ids(&named.without_echoes(&answer.body)))
    };
    assert_eq!(plain(theirs), plain(nobodys), "{what}");
    for secret in ["accepted\"", "汪德福", "990101195001010010"] {
        let found = theirs.1.status >= 400 && theirs.1.body.contains(secret);
        assert!(!found, "{what} shows {secret}: {}", theirs.1.body);
    }
}

/// Every fresh id, number and time of an answer, made the same.
fn without_ids(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':') {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let fresh = Uuid::parse_str(bare).is_ok()
            || (bare.len() >= 11 && bare[1..].bytes().all(|b| b.is_ascii_digit()))
            || bare.parse::<jiff::civil::DateTime>().is_ok();
        let rest = &word[bare.len()..];
        plain.push_str(if fresh { "FRESH" } else { bare });
        plain.push_str(rest);
    }
    plain
}

/// Every documented route, as a stranger and as nobody at all.
async fn routes(county: &County, asker: &str, theirs: &Named, nobodys: &Named) {
    let (stranger, nobody) = (county.http(asker).unwrap(), county.anonymous().unwrap());
    let document = nobody.get("/openapi.json").await.unwrap().json();
    let mut walked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            walked += 1;
            let what = format!("{method} {path}");
            let guarded = operation["security"].is_array();
            for (mine, other) in questions(path, asker, theirs, nobodys) {
                if method == "get" {
                    let first = stranger.get(&mine).await.unwrap();
                    let second = stranger.get(&other).await.unwrap();
                    must_not_show(&what, theirs, &first);
                    if mine != other {
                        must_be_alike(&what, (theirs, &first), (nobodys, &second));
                    }
                    let barred = nobody.get(&mine).await.unwrap().status;
                    assert_eq!(barred == 401, guarded, "{what} without a token: {barred}");
                } else {
                    let barred = nobody.post(&mine, "application/json", "{}").await.unwrap();
                    assert_eq!(barred.status, 401, "{what} without a token");
                    let operator = county.operator().unwrap();
                    let operator = operator.post(&mine, "application/json", "{}").await.unwrap();
                    if is_act(path) {
                        let first = stranger.post(&mine, "application/json", WHY).await.unwrap();
                        let second = stranger.post(&other, "application/json", WHY).await.unwrap();
                        assert_eq!(first.status, 403, "{what} as a stranger");
                        must_be_alike(&what, (theirs, &first), (nobodys, &second));
                        assert_eq!(operator.status, 400, "{what} as an operator without a reason");
                    } else {
                        assert_eq!(operator.status, 403, "{what} as an operator");
                    }
                }
            }
        }
    }
    assert!(walked >= 10, "only {walked} routes are documented");
    for barred in ["/api/v1/lanes", "/api/v1/parked", "/api/v1/acts"] {
        assert_eq!(stranger.get(barred).await.unwrap().status, 403, "{barred}");
    }
}

/// The body of an act.
const WHY: &str = r#"{ "why": "curious" }"#;

/// Whether operators act there, instead of organisations sending messages.
fn is_act(path: &str) -> bool {
    ["/replay", "/drop", "/pause", "/resume"].iter().any(|act| path.ends_with(act))
}

/// The same question about both cases. A route that this test does not know fails it.
fn questions(path: &str, asker: &str, theirs: &Named, nobodys: &Named) -> Vec<(String, String)> {
    let alike = |query: &str| vec![(format!("{path}{query}"), format!("{path}{query}"))];
    let about =
        |hole: &str, one: &str, other: &str| (path.replace(hole, one), path.replace(hole, other));
    match path {
        "/api/v1/cases/{case}" | "/api/v1/cases/{case}/events" | "/api/v1/cases/{case}/custody" => {
            vec![
                about("{case}", &theirs.number, &nobodys.number),
                about("{case}", &theirs.id, &nobodys.id),
                about("{case}", &theirs.business, &nobodys.business),
            ]
        }
        "/api/v1/messages/{id}" => vec![
            about("{id}", &theirs.message, &nobodys.message),
            about("{id}", &theirs.id, &nobodys.id),
        ],
        "/api/v1/cases" => {
            let mut all = alike("");
            for query in [
                "?limit=200",
                "?family=referral",
                "?family=consultation",
                "?state=accepted",
                "?state=in_review",
                "?state=returned",
                "?open=true",
                "?open=false",
                "?overdue=true",
            ] {
                all.extend(alike(query));
            }
            for who in [LEAD, QINGSHI, asker] {
                all.extend(alike(&format!("?with={who}")));
            }
            all
        }
        "/api/v1/parked/{message}/{organisation}/replay"
        | "/api/v1/parked/{message}/{organisation}/drop" => {
            let path = path.replace("{organisation}", FENGQIAO);
            let about = |id: &str| path.replace("{message}", id);
            vec![(about(&theirs.message), about(&nobodys.message))]
        }
        "/api/v1/lanes/{lane}/pause" | "/api/v1/lanes/{lane}/resume" => {
            vec![about("{lane}", LEAD, "999999999")]
        }
        "/api/v1/slots" => alike(&format!("?organisation={LEAD}")),
        "/api/v1/messages"
        | "/fhir/$process-message"
        | "/api/v1/lanes"
        | "/api/v1/parked"
        | "/api/v1/acts"
        | "/fhir/metadata"
        | "/healthz"
        | "/readyz"
        | "/metrics" => alike(""),
        new => panic!("{new} is new: say here what a stranger may ask it"),
    }
}

fn must_not_show(what: &str, theirs: &Named, answer: &Answer) {
    let body = &answer.body;
    let shown = [&theirs.number, &theirs.id, &theirs.business, &theirs.message];
    for secret in shown.into_iter().filter(|_| answer.status < 400) {
        assert!(!body.contains(secret.as_str()), "{what} shows {secret}");
    }
}

/// Every canonical kind, by every way of naming a case.
async fn kinds(county: &County, asker: &str, theirs: &Named, nobodys: &Named) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/examples");
    let mut kinds: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    assert!(kinds.len() >= 35, "only {} kinds have examples", kinds.len());
    let stranger = county.http(asker).unwrap();
    for kind in &kinds {
        for way in 0..WAYS {
            let first = stranger.send(&message(kind, asker, theirs, way)).await.unwrap();
            let second = stranger.send(&message(kind, asker, nobodys, way)).await.unwrap();
            let what = format!("{kind}, way {way}");
            must_be_alike(&what, (theirs, &first), (nobodys, &second));
            let opens = matches!(
                kind.as_str(),
                "referral.submit" | "transfer.offer" | "consultation.request"
            );
            let noted = kind.starts_with("slot.");
            let hidden = first.status >= 400;
            assert!(hidden || opens || noted, "{what}: {} {}", first.status, first.body);
        }
    }
}

/// By number, id, the origin's number, the answered message in two forms, and as a parent.
const WAYS: usize = 6;

fn message(kind: &str, asker: &str, named: &Named, way: usize) -> Value {
    let to = if kind.starts_with("transfer.") {
        FENGQIAO
    } else if asker == SECOND {
        LEAD
    } else {
        SECOND
    };
    let mut message = said(asker, kind, None, Some(to)).unwrap();
    let opens = matches!(kind, "referral.submit" | "transfer.offer" | "consultation.request");
    match way {
        0 => message["case"] = json!({ "number": named.number }),
        1 => message["case"] = json!({ "id": named.id }),
        2 => {
            let number = json!({ "organisation": named.origin, "number": named.business });
            message["case"] = json!({ "numbers": [number] });
        }
        3 => message["in_reply_to"] = json!({ "id": named.message }),
        4 => message["in_reply_to"] = json!({ "message_id": named.control_id }),
        _ if opens => {
            message["case"] = json!({ "parent": named.number });
            if kind == "transfer.offer" {
                message["body"]["parent_referral"] = json!(named.business);
                message["body"].as_object_mut().unwrap().remove("no_referral_reason");
            }
        }
        _ => message["case"] = json!({ "number": named.number, "id": named.id }),
    }
    if kind == "receipt" {
        message["body"]["of"] = json!(named.message);
        message["body"]["case_number"] = json!(named.number);
    }
    message
}

/// What FHIR can say about a case.
async fn fhir(county: &County, asker: &str, theirs: &Named, nobodys: &Named) {
    let stranger = county.http(asker).unwrap();
    for (event, status) in [
        ("referral.accept", "accepted"),
        ("referral.decline", "rejected"),
        ("referral.cancel", "cancelled"),
        ("referral.close", "completed"),
        ("status.query", "requested"),
    ] {
        let ask = async |named: &Named, answers: bool| {
            let number = json!({ "system": "urn:tierlink:case-number", "value": named.number });
            let task = json!({
                "resourceType": "Task", "id": "task", "status": status, "intent": "order",
                "statusReason": { "text": "无床位" },
                "focus": if answers { Value::Null } else { json!({ "identifier": number }) },
            });
            let mut asked = bundle(event, (asker, LEAD), vec![task]);
            if answers {
                let response = json!({ "identifier": named.message, "code": "ok" });
                asked["entry"][0]["resource"]["response"] = response;
            }
            stranger.send_fhir(&asked).await.unwrap()
        };
        for answers in [false, true] {
            let (first, second) = (ask(theirs, answers).await, ask(nobodys, answers).await);
            let what = format!("FHIR {event}, as an answer: {answers}");
            must_be_alike(&what, (theirs, &first), (nobodys, &second));
            assert!(first.status >= 400, "{what}: {}", first.body);
        }
    }
}

/// What HL7 v2 can say about a case.
async fn hl7(
    county: &County,
    asker: &str,
    (application, facility): (&str, &str),
    theirs: &Named,
    nobodys: &Named,
) {
    let mut line = county.mllp(asker).await.unwrap();
    let asked = [
        ("RRI^I12", "MSA|AA|CONTROL\rRF1|A|A||||BUSINESS^ORIGIN|||||NUMBER^TIERLINK\r"),
        ("RRI^I12", "MSA|AA|CONTROL\rRF1|A\r"),
        ("RRI^I12", "MSA|AA|X1\rRF1|R|A||||BUSINESS||||RJ01^无床位\r"),
        ("REF^I14", "RF1|P|A||||BUSINESS^ORIGIN||||CN02\rPRD|RT|||^^^330199001\r"),
        ("REF^I15", "RF1|P|A||||NUMBER\rPRD|RT|||^^^330199001\r"),
        (
            "ADT^A04",
            "EVN|A04|20260310090000\rPID|1||990101195001010010^^^^NI||汪德福\rPV1|1|I|||NUMBER\r",
        ),
        (
            "SIU^S12",
            "SCH|BUSINESS|YY0088||||BOOKED||||||||||||||||||||Booked|NUMBER\rTQ1|1||||||20270310143000|20270310150000\r",
        ),
        (
            "ORU^R01",
            "ORC|RE|BUSINESS||NUMBER\rOBR|1|BUSINESS||18842-5^Discharge summary^LN\rOBX|1|TX|8648-8^住院经过^LN||行造影||||||F\r",
        ),
    ];
    for (event, segments) in asked {
        let mut answers = Vec::new();
        for named in [theirs, nobodys] {
            let id = new_control_id();
            let text = format!(
                "MSH|^~\\&|{application}|{facility}|TIERLINK|{LEAD}|20260310090000||{event}|{id}|P|\
                 2.4||||||UNICODE UTF-8\r{segments}"
            );
            let text = text
                .replace("CONTROL", &named.control_id)
                .replace("BUSINESS", &named.business)
                .replace("ORIGIN", named.origin)
                .replace("NUMBER", &named.number);
            let answer = line.exchange(&Charset::Utf8.encode(&text).unwrap()).await.unwrap();
            answers.push(plain(&answer, named, &id));
        }
        assert_eq!(answers[0], answers[1], "{event}");
        assert!(answers[0].contains("MSA|AE|") || answers[0].contains("MSA|AR|"), "{}", answers[0]);
    }
}

/// MSA and ERR of an answer, without what they repeat.
fn plain(answer: &Hl7, named: &Named, control_id: &str) -> String {
    let lines = [answer.all("MSA"), answer.all("ERR")].concat().join("\n");
    named.without_echoes(&lines.replace(control_id, "ECHO"))
}
