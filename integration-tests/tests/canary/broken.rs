//! Messages with the patient just where they are wrong, and questions that name the patient.

use serde_json::{Value, json};
use tierlink_integration_tests::county::{
    BAIMA, County, FENGQIAO, QINGSHI, QINGSHI_FACILITY, SECOND,
};
use tierlink_integration_tests::hospitals::{
    Charset, HttpSender, fhir_referral, hl7_referral, new_control_id, new_number,
};

use crate::patient::{COMPLAINT, NAME, PHONE, Shown, canary, exchange, json_referral};

/// HL7 v2 with the patient where something is wrong.
pub async fn hl7(county: &County, shown: &mut Shown) {
    let person = canary();
    for (charset, name) in [(Charset::Gb18030, "GB 18030"), (Charset::Utf8, "UTF-8")] {
        let (id, number) = (new_control_id(), new_number("QS"));
        let good =
            hl7_referral((QINGSHI_FACILITY, SECOND), (&id, &number), &person, charset).unwrap();
        let good = Charset::read(&good);
        let swap = |from: &str, to: &str| good.replacen(from, to, 1);
        let wrong = [
            ("an unknown priority", swap("|A^ASAP^HL70280|", &format!("|{NAME}|"))),
            ("an unknown recipient", good.replace(SECOND, NAME)),
            ("another sex than the number says", swap("|M|", "|F|")),
            ("an unknown sex", swap("|M|", &format!("|{NAME}|"))),
            ("a birth date that is a name", swap("|19610307|", &format!("|{NAME}|"))),
            ("an identity number with a wrong digit", swap(&person.number, "990101196103077079")),
            ("a message type that is a name", swap("REF^I12", &format!("REF^{NAME}"))),
            ("a version that is a name", swap("|2.4|", &format!("|{NAME}|"))),
            ("a sender that is a name", swap(QINGSHI_FACILITY, NAME)),
            ("a charset that is a name", swap(charset.label(), NAME)),
            ("an empty name", swap(NAME, "")),
            ("no patient", swap("PID|", &format!("ZZ{PHONE}|"))),
            ("no MSH", good[4..].to_owned()),
            ("half a message", good[..good.find("PRD").unwrap()].to_owned() + NAME),
            ("a segment of its own", good.clone() + "Z" + NAME + "|" + COMPLAINT + "\r"),
            ("an escape that never ends", swap("DG1|1", &format!("DG1|\\X{NAME}"))),
        ];
        for (what, text) in wrong {
            let mut line = county.mllp(QINGSHI).await.unwrap();
            let bytes = charset.encode(&text).unwrap();
            shown.add(format!("ACK to {what} in {name}"), exchange(&mut line, &bytes).await);
        }
        // Frames that are none.
        let bytes = charset.encode(&good).unwrap();
        for frame in [
            [b"\x0b", bytes.as_slice(), b"\x1c\x0b"].concat(),
            [b"no frame: ", bytes.as_slice(), b"\x1c\x0d"].concat(),
            [b"\x0b", &bytes[..200], b"\x0b", bytes.as_slice(), b"\x1c\x0d"].concat(),
        ] {
            let mut line = county.mllp(QINGSHI).await.unwrap();
            line.write(&frame).await.unwrap();
            drop(line);
        }
    }
}

/// JSON and FHIR with the patient where something is wrong, and questions that name the patient.
pub async fn http(county: &County, shown: &mut Shown) {
    let http = county.http(FENGQIAO).unwrap();
    let good = json_referral(FENGQIAO, SECOND);
    let with = |path: &str, value: Value| {
        let mut message = good.clone();
        message["source"]["message_id"] = json!(new_number("C"));
        *message.pointer_mut(path).unwrap() = value;
        message
    };
    let number = canary().number;
    for message in [
        with("/kind", json!(NAME)),
        with("/schema", json!(NAME)),
        with("/priority", json!(NAME)),
        with("/occurred_at", json!(NAME)),
        with("/source/organisation", json!(NAME)),
        with("/body/to/organisation", json!(NAME)),
        with("/body/to/organisation", json!(number)),
        with("/body/patient/sex", json!(NAME)),
        with("/body/patient/sex", json!("female")),
        with("/body/patient/birth_date", json!(PHONE)),
        with("/body/patient/document/kind", json!(NAME)),
        with("/body/patient/document/number", json!(number.clone() + "9")),
        with("/body/patient", json!({ NAME: NAME })),
        with("/body/reasons", json!([{ "code": NAME, "system": NAME }])),
        with("/body/clinical/diagnoses", json!([NAME])),
        with("/body", json!(NAME)),
        with("/case", json!({ "number": number, NAME: 1 })),
    ] {
        let answer = http.send(&message).await.unwrap();
        shown.add(format!("JSON answer {}", answer.status), answer.body);
    }
    let text = good.to_string();
    for body in
        [text[..text.find(NAME).unwrap() + 3].to_owned(), NAME.to_owned(), text.clone() + NAME]
    {
        let answer = http.post("/api/v1/messages", "application/json", body).await.unwrap();
        assert!(answer.status >= 400, "{}", answer.body);
        shown.add("JSON answer to no JSON", answer.body);
    }
    let conflict = with("/body/reason_text", json!(COMPLAINT));
    county.must_send(&conflict).await.unwrap();
    let mut other = conflict.clone();
    other["body"]["reason_text"] = json!(NAME);
    let answer = county.send(&other).await.unwrap();
    assert_eq!(answer.status, 409);
    shown.add("JSON answer to a conflict", answer.body);

    let baima = county.http(BAIMA).unwrap();
    let good = fhir_referral((BAIMA, SECOND), &new_number("BM"), &canary()).unwrap().to_string();
    for (from, to) in [
        ("\"male\"", "\"female\""),
        ("\"male\"", "\"龘𠮷·隐娘\""),
        ("\"urgent\"", "\"龘𠮷·隐娘\""),
        ("referral.submit", NAME),
        ("1961-03-07", NAME),
        (SECOND, NAME),
        ("Patient/patient", NAME),
        ("\"Patient\"", "\"龘𠮷·隐娘\""),
        ("\"message\"", "\"龘𠮷·隐娘\""),
        ("}", "金丝雀"),
    ] {
        let answer = baima
            .post("/fhir/$process-message", "application/fhir+json", good.replace(from, to))
            .await
            .unwrap();
        shown.add(format!("FHIR answer {}", answer.status), answer.body);
    }

    let operator = county.operator().unwrap();
    for who in [&http, &baima, &operator] {
        for path in [
            format!("/api/v1/cases/{NAME}"),
            format!("/api/v1/cases/{number}"),
            format!("/api/v1/messages/{NAME}"),
            format!("/api/v1/cases?state={NAME}"),
            format!("/api/v1/cases?with={NAME}"),
            format!("/api/v1/cases?after={NAME}"),
            format!("/api/v1/cases?{NAME}={PHONE}"),
            format!("/api/v1/slots?organisation={NAME}"),
            format!("/{NAME}?{number}"),
        ] {
            let answer = who.get(&path).await.unwrap();
            shown.add("answer to a question", answer.body);
        }
    }
    let intruder = HttpSender::new(county.http_port(), Some(&canary().number));
    let answer = intruder.unwrap().get("/api/v1/cases").await.unwrap();
    assert_eq!(answer.status, 401);
    shown.add("answer to a wrong token", answer.body);
}
