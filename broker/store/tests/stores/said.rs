//! What hospitals say in these tests: the example messages, changed where a test needs it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tierlink_core::delivery::{Outcome, State};
use tierlink_core::find;
use tierlink_schemas::message::{from_value, to_vec};
use tierlink_schemas::{Kind, LaneName, OrganisationCode, Verdict, examples};
use tierlink_store::{
    Act, Acted, Content, DeliveryId, Judge, Judged, NewAct, Outgoing, ParkedQuery, ParkedRow,
    Settlement, Store, Through, ToJudge, Work,
};
use uuid::Uuid;

use crate::county::{HOSPITAL, TOWNSHIP, code, core};

/// When these tests happen: a working day.
pub fn noon() -> Timestamp {
    "2026-03-10T04:00:00Z".parse().unwrap()
}

pub fn later(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

/// A statement by `from`, with the example's body.
pub fn say(kind: Kind, from: &str, id: &str, change: impl FnOnce(&mut Value)) -> Work {
    let mut value: Value = serde_json::from_str(examples::of(kind)).unwrap();
    let ours = Uuid::now_v7();
    value["id"] = json!(ours);
    value["case"] = json!({});
    value["source"] = json!({ "organisation": from, "message_id": id });
    let envelope = value.as_object_mut().unwrap();
    envelope.remove("in_reply_to");
    change(&mut value);
    let message = from_value(value).unwrap();
    let sender = code(from);
    let mut said = message.clone();
    said.id = Uuid::nil();
    Work {
        id: ours,
        organisation: sender.clone(),
        system: None,
        format: "json",
        raw: format!("raw {id}").into_bytes().into(),
        fingerprint: fingerprint(&to_vec(&said)),
        received_at: noon(),
        deviations: Vec::new(),
        code_map: None,
        second_message_id: Uuid::now_v7(),
        counter: counter(),
        content: Content::Message(Box::new(ToJudge {
            family_stated: true,
            keys: find::keys(&message, &sender),
            parent_keys: find::parent_keys(&message),
            message,
        })),
    }
}

/// A fresh id for a receipt. The judge draws the jitter of a wait from its last byte: none here.
fn receipt_id() -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    bytes[15] = 0;
    Uuid::from_bytes(bytes)
}

/// Not SHA-256: it only must differ when the content does.
fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut print = [0_u8; 32];
    for (at, byte) in bytes.iter().enumerate() {
        let place = &mut print[at % 32];
        *place = place.wrapping_mul(31).wrapping_add(*byte).rotate_left(3);
    }
    print
}

fn counter() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A referral from the township to the county hospital, under the township's own number.
pub fn submit(id: &str) -> Work {
    submit_from(TOWNSHIP, id)
}

pub fn submit_from(from: &str, id: &str) -> Work {
    say(Kind::ReferralSubmit, from, id, |message| {
        message["case"] =
            json!({ "numbers": [{ "organisation": from, "number": format!("N-{id}") }] });
        message["body"]["from"]["organisation"] = json!(from);
    })
}

/// The hospital's answer on the case that `verdict` names.
pub fn answer(kind: Kind, from: &str, id: &str, verdict: &Verdict) -> Work {
    let number = number_of(verdict);
    say(kind, from, id, |message| message["case"] = json!({ "number": number }))
}

pub fn accept(id: &str, verdict: &Verdict) -> Work {
    answer(Kind::ReferralAccept, HOSPITAL, id, verdict)
}

/// The origin changes what it said: any number of times.
pub fn amend(id: &str, verdict: &Verdict) -> Work {
    let number = number_of(verdict);
    say(Kind::ReferralAmend, TOWNSHIP, id, |message| {
        message["case"] = json!({ "number": number });
        message["body"]["from"]["organisation"] = json!(TOWNSHIP);
        message["body"]["to"]["organisation"] = json!(HOSPITAL);
        message["body"]["reason_text"] = json!(id);
    })
}

pub fn number_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted { case_number: Some(number), .. }
        | Verdict::Repeated { case_number: Some(number), .. } => number.as_str().to_owned(),
        other => panic!("no case number in {other:?}"),
    }
}

pub fn refusal_code(judged: &Judged) -> &str {
    judged.verdict.label()
}

pub async fn commit(store: &dyn Store, works: Vec<Work>) -> Vec<Judged> {
    store.commit(works.into(), core()).await.unwrap()
}

pub async fn commit_one(store: &dyn Store, work: Work) -> Judged {
    commit(store, vec![work]).await.remove(0)
}

/// Commits a work that must be accepted.
pub async fn accepted(store: &dyn Store, work: Work) -> Verdict {
    let judged = commit_one(store, work).await;
    assert!(matches!(judged.verdict, Verdict::Accepted { .. }), "{judged:?}");
    judged.verdict
}

/// Everything that may go to the bus now, taken and marked.
pub async fn publish(store: &dyn Store, now: Timestamp) -> Vec<Outgoing> {
    let mut outgoing = store.to_publish(now, 500, &[]).await.unwrap();
    let waiting = outgoing.iter().filter(|row| row.state != State::Queued);
    let waiting = waiting.map(|row| (row.id.clone(), row.round)).collect();
    let queued = store.queue_due(waiting, now).await.unwrap();
    outgoing
        .retain(|row| row.state == State::Queued || queued.contains(&(row.id.clone(), row.round)));
    let keys = outgoing.iter().map(|row| (row.id.clone(), row.round)).collect();
    store.mark_published(keys, now).await.unwrap();
    outgoing
}

pub fn taken() -> Outcome {
    Outcome::Taken { number: Some("7".to_owned()) }
}

pub fn refused() -> Outcome {
    Outcome::Refused { problems: vec![problem()] }
}

pub fn problem() -> tierlink_schemas::Problem {
    tierlink_schemas::Problem::new(tierlink_schemas::Code::new("E999"), "PID-5", "is missing")
}

/// What a destination made of the copy of this round, without losses.
pub fn settlement(id: &DeliveryId, round: u32, outcome: Outcome, at: Timestamp) -> Settlement {
    Settlement {
        id: id.clone(),
        round,
        outcome,
        attempts: 1,
        silent_since: None,
        losses: Vec::new(),
        code_map: None,
        at,
        receipt_id: receipt_id(),
    }
}

pub async fn settle(
    store: &dyn Store,
    id: &DeliveryId,
    round: u32,
    outcome: Outcome,
    at: Timestamp,
) {
    settle_by(store, core(), id, round, outcome, at).await;
}

/// The same, by another judge.
pub async fn settle_by(
    store: &dyn Store,
    judge: Arc<dyn Judge>,
    id: &DeliveryId,
    round: u32,
    outcome: Outcome,
    at: Timestamp,
) {
    let settlement = settlement(id, round, outcome, at);
    store.settle(vec![settlement], judge).await.unwrap();
}

/// Publishes and takes whatever goes to `lane`, until nothing more does. Returns kinds and numbers
/// in order.
pub async fn drain(
    store: &dyn Store,
    lane: &OrganisationCode,
    now: Timestamp,
) -> Vec<(String, u32)> {
    let mut seen = Vec::new();
    loop {
        let outgoing = publish(store, now).await;
        let mine: Vec<&Outgoing> = outgoing.iter().filter(|row| row.id.to == *lane).collect();
        if mine.is_empty() {
            return seen;
        }
        for row in mine {
            let message = tierlink_schemas::message::from_slice(&row.body).unwrap();
            seen.push((message.kind().as_str().to_owned(), row.number));
            settle(store, &row.id, row.round, taken(), now).await;
        }
    }
}

/// The first parked deliveries, of this lane or of all.
pub async fn parked(store: &dyn Store, lane: Option<LaneName>) -> Vec<ParkedRow> {
    store.parked(ParkedQuery { lane, limit: 100, ..ParkedQuery::default() }).await.unwrap()
}

/// An act of an operator, with a reason.
pub fn new_act(act: Act, at: Timestamp) -> NewAct {
    let seconds = u64::try_from(at.as_second()).unwrap();
    let nanoseconds = u32::try_from(at.subsec_nanosecond()).unwrap();
    NewAct {
        id: Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)),
        why: format!("{} was needed", act.name()),
        act,
        by: "operator".to_owned(),
        through: Through::Api,
        at,
    }
}

/// What came of an act of an operator.
pub async fn act(store: &dyn Store, act: Act, at: Timestamp) -> Acted {
    store.act(new_act(act, at), None).await.unwrap()
}
