//! Senders that say one thing many times at once, and two things under one id.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tierlink_integration_tests::county::{
    BAIMA, FENGQIAO, LEAD, Mode, QINGSHI, QINGSHI_FACILITY, SECOND,
};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Person, fhir_referral, hl7_referral, new_control_id, new_number, said,
};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, set_the_stage_in};
use tokio::sync::Barrier;

use super::{heard, label};

for_both_modes! {
    a_hundred_times_at_once_is_once,
    of_two_contents_under_one_id_the_first_counts,
}

const TIMES: usize = 100;

fn rounds() -> usize {
    if long() { 20 } else { 3 }
}

/// A request, in the format of its sender.
#[derive(Clone)]
enum Letter {
    Hl7(Vec<u8>),
    Fhir(Value),
    Json(Value),
}

/// Who sends in which format, and to whom.
const LINES: [(&str, &str); 3] = [(QINGSHI, LEAD), (BAIMA, SECOND), (FENGQIAO, SECOND)];

/// A referral with this number. `phone` is the one thing in which two contents differ.
fn referral((from, to): (&str, &str), ids: (&str, &str), phone: &str) -> Result<Letter> {
    let person = Person { phone: phone.to_owned(), ..Person::default() };
    Ok(match from {
        QINGSHI => {
            let sides = (QINGSHI_FACILITY, to);
            Letter::Hl7(hl7_referral(sides, ids, &person, Charset::Gb18030)?)
        }
        BAIMA => {
            let mut bundle = fhir_referral((from, to), ids.1, &person)?;
            bundle["entry"][0]["resource"]["id"] = json!(ids.0);
            Letter::Fhir(bundle)
        }
        _ => {
            let mut message = said(from, "referral.submit", None, Some(to))?;
            message["source"]["message_id"] = json!(ids.0);
            message["case"] = json!({ "numbers": [{ "organisation": from, "number": ids.1 }] });
            message["body"]["patient"] = person.canonical();
            Letter::Json(message)
        }
    })
}

/// What one sender heard.
#[derive(Debug)]
enum Heard {
    /// Accepted or repeated: the case.
    Case(String),
    /// Refused: the whole answer.
    Refused(String),
}

/// Sends it over a connection of its own, at the same moment as everybody else at the barrier.
async fn send(stage: &Stage, from: &str, letter: Letter, together: &Barrier) -> Result<Heard> {
    let answer = match letter {
        Letter::Hl7(bytes) => {
            let mut line = stage.county.mllp(from).await?;
            together.wait().await;
            let answer = line.exchange(&bytes).await?;
            let whole = [answer.all("MSA"), answer.all("ERR")].concat().concat();
            return Ok(answer.accepted().map_or(Heard::Refused(whole), Heard::Case));
        }
        Letter::Fhir(bundle) => {
            let line = stage.county.http(from)?;
            together.wait().await;
            line.send_fhir(&bundle).await?
        }
        Letter::Json(message) => {
            let line = stage.county.http(from)?;
            together.wait().await;
            line.send(&message).await?
        }
    };
    Ok(answer.accepted().map_or(Heard::Refused(answer.body), Heard::Case))
}

/// Sends all these at once.
async fn send_all(stage: &Arc<Stage>, from: &'static str, all: Vec<Letter>) -> Result<Vec<Heard>> {
    let together = Arc::new(Barrier::new(all.len()));
    let sending = all.into_iter().map(|letter| {
        let (stage, together) = (Arc::clone(stage), Arc::clone(&together));
        let task = tokio::spawn(async move { send(&stage, from, letter, &together).await });
        async move { task.await? }
    });
    try_join_all(sending).await
}

async fn a_hundred_times_at_once_is_once(mode: Mode) {
    let trial = Trial::of(&format!("{}: one message {TIMES} times at once", label(mode)));
    let stage = set_the_stage_in(mode).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    for _ in 0..rounds() {
        for (from, to) in LINES {
            let number = new_number("HB");
            let ids = (new_control_id(), number.clone());
            let letter = referral((from, to), (&ids.0, &ids.1), "13900000001").unwrap();

            let answers = send_all(&stage, from, vec![letter; TIMES]).await.unwrap();

            let case = only_case(answers.iter()).unwrap();
            stage.county.hospital(to).wait_for_text(&case).await.unwrap();
            let tries = u32::try_from(TIMES).unwrap();
            stage.put_down(heard(from, "referral.submit", (from, &number), tries));
        }
    }

    let counts = trial.judge(&stage, &[broker]).await.unwrap();
    assert_eq!((counts.cases, counts.repeats), (counts.sent, 0), "{counts}");
}

/// The one case that all these answers name.
fn only_case<'a>(answers: impl Iterator<Item = &'a Heard>) -> Result<String> {
    let mut case: Option<&String> = None;
    for answer in answers {
        let Heard::Case(told) = answer else { anyhow::bail!("refused: {answer:?}") };
        ensure!(case.is_none_or(|known| known == told), "two cases: {case:?} and {told}");
        case = Some(told);
    }
    case.cloned().context("nobody answered")
}

const COPIES: usize = 12;
const PHONES: [&str; 2] = ["13900000002", "13900000003"];

async fn of_two_contents_under_one_id_the_first_counts(mode: Mode) {
    let trial = Trial::of(&format!("{}: two contents under one id", label(mode)));
    let stage = set_the_stage_in(mode).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    for round in 0..rounds() {
        for (from, to) in LINES {
            let (id, number) = (new_control_id(), new_number("CF"));
            let both = PHONES.map(|phone| referral((from, to), (&id, &number), phone).unwrap());
            if round == 0 {
                let first = send_all(&stage, from, vec![both[0].clone()]).await.unwrap();
                only_case(first.iter()).unwrap();
            }
            let all = (0..2 * COPIES).map(|copy| both[copy % 2].clone()).collect();

            let answers = send_all(&stage, from, all).await.unwrap();

            let winner = usize::from(matches!(answers[1], Heard::Case(_)));
            assert!(round > 0 || winner == 0, "the first counts, however often the other comes");
            let case = only_case(answers.iter().skip(winner).step_by(2)).unwrap();
            for refused in answers.iter().skip(1 - winner).step_by(2) {
                let right = matches!(refused, Heard::Refused(why) if why.contains("S010"));
                assert!(right, "a conflict is refused as one: {refused:?}");
            }
            let arrived = stage.county.hospital(to).wait_for_text(&case).await.unwrap();
            assert!(arrived.text.contains(PHONES[winner]), "who was acknowledged is delivered");
            let tries = u32::try_from(COPIES).unwrap();
            stage.put_down(heard(from, "referral.submit", (from, &number), tries));
        }
    }

    // A conflict is an alarm, so the log is not judged as usual.
    let logs = broker.logs().unwrap();
    assert!(logs.contains("ALARM") && !logs.contains("panicked"), "{logs}");
    let counts = trial.judge(&stage, &[]).await.unwrap();
    assert_eq!((counts.cases, counts.repeats), (counts.sent, 0), "{counts}");
}
