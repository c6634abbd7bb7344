//! Promises about what can be used once at a time: experts, rooms and slots.

use std::sync::Arc;

use serde_json::{Value, json};
use tierlink_schemas::{Kind, OrganisationCode, Verdict};
use tierlink_store::{SlotQuery, Store, Work};

use crate::county::{HOSPITAL, TOWNSHIP, code};
use crate::open::Place;
use crate::said::{accepted, commit, commit_one, noon, number_of, refusal_code, say};

/// Rounds of a race: once is chance.
const ROUNDS: u32 = 25;

fn request(id: &str) -> Work {
    say(Kind::ConsultationRequest, TOWNSHIP, id, |message| {
        message["case"] =
            json!({ "numbers": [{ "organisation": TOWNSHIP, "number": format!("N-{id}") }] });
        message["priority"] = json!("routine");
        let body = message["body"].as_object_mut().unwrap();
        body.insert("form".to_owned(), json!("interactive"));
        body.remove("reading");
        body["from"]["organisation"] = json!(TOWNSHIP);
        body["to"]["organisation"] = json!(HOSPITAL);
    })
}

fn schedule(id: &str, verdict: &Verdict, room: &str, start: &str, end: &str) -> Work {
    let number = number_of(verdict);
    say(Kind::ConsultationSchedule, HOSPITAL, id, |message| {
        message["case"] = json!({ "number": number });
        message["body"]["appointment"] = json!({ "start": start, "end": end, "room": room });
    })
}

const TWO: &str = "2026-03-11T06:00:00Z";
const HALF_PAST_TWO: &str = "2026-03-11T06:30:00Z";
const THREE: &str = "2026-03-11T07:00:00Z";
const FOUR: &str = "2026-03-11T08:00:00Z";

pub async fn a_room_is_given_to_one_case_at_a_time(place: &Place) {
    let store = &*place.store;
    let first = accepted(store, request("c-1")).await;
    let second = accepted(store, request("c-2")).await;
    accepted(store, schedule("s-1", &first, "HZ-01", TWO, THREE)).await;

    let same_time = commit_one(store, schedule("s-2", &second, "HZ-01", HALF_PAST_TWO, FOUR)).await;
    let after = commit_one(store, schedule("s-3", &second, "HZ-01", THREE, FOUR)).await;
    let moved = commit_one(store, schedule("s-4", &first, "HZ-01", HALF_PAST_TWO, THREE)).await;

    assert!(!same_time.verdict.is_positive(), "{same_time:?}");
    assert!(after.verdict.is_positive(), "{after:?}");
    assert!(moved.verdict.is_positive(), "a case is not in its own way: {moved:?}");
    // Within one batch as well, and a room that is given up is free at once.
    let third = accepted(store, request("c-3")).await;
    let works = vec![
        schedule("s-5", &first, "HZ-02", TWO, THREE),
        schedule("s-6", &third, "HZ-01", TWO, THREE),
        schedule("s-7", &second, "HZ-02", TWO, THREE),
    ];
    let judged = commit(store, works).await;
    let good: Vec<bool> = judged.iter().map(|one| one.verdict.is_positive()).collect();
    assert_eq!(good, [true, true, false], "{judged:?}");
}

pub async fn two_cases_never_get_one_room_however_they_race(place: &Place) {
    let stores = [place.another().await, place.another().await];
    for round in 0..ROUNDS {
        let one = accepted(&*place.store, request(&format!("a-{round}"))).await;
        let two = accepted(&*place.store, request(&format!("b-{round}"))).await;
        let room = format!("HZ-{round}");
        let race = |store: &Arc<dyn Store>, id: String, verdict: &Verdict| {
            let work = schedule(&id, verdict, &room, TWO, THREE);
            let store = Arc::clone(store);
            tokio::spawn(async move { commit_one(&*store, work).await })
        };

        let (first, second) = tokio::join!(
            race(&stores[0], format!("x-{round}"), &one),
            race(&stores[1], format!("y-{round}"), &two)
        );

        let given = [first.unwrap(), second.unwrap()];
        let winners = given.iter().filter(|judged| judged.verdict.is_positive()).count();
        assert_eq!(winners, 1, "round {round}: {given:?}");
    }
    for store in stores {
        store.close().await;
    }
}

pub async fn a_slot_has_only_its_places(place: &Place) {
    let store = &*place.store;
    accepted(store, publish("p-1", 1)).await;
    let first = accepted(store, crate::said::submit("m-1")).await;
    let second = accepted(store, crate::said::submit("m-2")).await;
    accepted(store, crate::said::accept("h-1", &first)).await;
    accepted(store, crate::said::accept("h-2", &second)).await;

    let got = commit_one(store, use_slot("s-1", &first)).await;
    let full = commit_one(store, use_slot("s-2", &second)).await;
    let again = commit_one(store, use_slot("s-3", &first)).await;

    assert!(got.verdict.is_positive(), "{got:?}");
    assert!(!full.verdict.is_positive(), "{full:?}");
    assert!(again.verdict.is_positive(), "its own place is not in its way: {again:?}");
    let slots = store.slots(offered(Some(code(HOSPITAL)))).await.unwrap();
    assert_eq!((slots.len(), slots[0].used, slots[0].slot.places), (1, 1, 1));
    // A second place: now there is room.
    accepted(store, publish("p-2", 2)).await;
    let room = commit_one(store, use_slot("s-4", &second)).await;
    assert!(room.verdict.is_positive(), "{room:?}");
}

pub async fn slots_taken_back_are_gone(place: &Place) {
    let store = &*place.store;
    accepted(store, publish("p-1", 1)).await;
    let withdraw = say(Kind::SlotWithdraw, HOSPITAL, "p-2", |message| {
        message["body"] = json!({ "numbers": ["S-1"] });
    });

    let judged = commit_one(store, withdraw).await;

    assert!(judged.verdict.is_positive(), "{}", refusal_code(&judged));
    assert!(store.slots(offered(None)).await.unwrap().is_empty());
}

pub async fn slots_come_in_pages(place: &Place) {
    let store = &*place.store;
    // Some begin at the very same moment.
    let numbers: Vec<String> = (0..7).map(|at| format!("S-{at}")).collect();
    let slots: Vec<Value> = numbers
        .iter()
        .map(|number| {
            json!({
                "number": number, "kind": "outpatient", "start": TWO, "end": THREE, "places": 1,
            })
        })
        .collect();
    let offer = say(Kind::SlotPublish, HOSPITAL, "p-1", |message| {
        message["body"] = json!({ "slots": slots });
    });
    assert!(commit_one(store, offer).await.verdict.is_positive());

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let query = SlotQuery { after, limit: 3, ..offered(None) };
        let page = store.slots(query).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.slot.start, last.organisation.clone(), last.slot.number.clone()));
        seen.extend(page.into_iter().map(|row| row.slot.number));
    }

    assert_eq!(seen, numbers);
}

/// The first slots from noon on.
fn offered(organisation: Option<OrganisationCode>) -> SlotQuery {
    SlotQuery { organisation, from: noon(), after: None, limit: 10 }
}

fn publish(id: &str, places: u16) -> Work {
    say(Kind::SlotPublish, HOSPITAL, id, |message| {
        message["body"] = json!({ "slots": [{
            "number": "S-1", "kind": "outpatient", "start": TWO, "end": THREE, "places": places,
        }] });
    })
}

fn use_slot(id: &str, verdict: &Verdict) -> Work {
    let number = number_of(verdict);
    say(Kind::ReferralSchedule, HOSPITAL, id, |message| {
        message["case"] = json!({ "number": number });
        message["body"]["appointment"] = json!({ "start": TWO, "end": THREE, "slot": "S-1" });
    })
}
