//! Promises about deliveries: in order, once per round, and never forgotten.

use jiff::SignedDuration;
use tierlink_core::delivery::{Outcome, State};
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{LaneName, Verdict};
use tierlink_store::{
    Act, Acted, Attempt, BodyHash, CaseKey, DeliveryId, LaneCondition, Outbox, Outgoing,
    RecordedRow, Repair, Store,
};
use uuid::Uuid;

use crate::acting::execute;
use crate::county::{HOSPITAL, STRANGER, TOWNSHIP, code};
use crate::open::Place;
use crate::said::{
    accept, accepted, act, amend, commit_one, drain, later, noon, parked, problem, publish,
    refused, settle, submit, taken,
};

/// A case with `more` deliveries to the hospital behind the first.
async fn line(store: &dyn Store, id: &str, more: u32) -> Verdict {
    let verdict = accepted(store, submit(id)).await;
    for at in 0..more {
        accepted(store, amend(&format!("{id}-a{at}"), &verdict)).await;
    }
    verdict
}

fn to_hospital(outgoing: &[Outgoing]) -> Vec<&Outgoing> {
    outgoing.iter().filter(|row| row.id.to == code(HOSPITAL)).collect()
}

async fn park(store: &dyn Store, row: &Outgoing) {
    settle(store, &row.id, row.round, refused(), noon()).await;
}

async fn due(store: &dyn Store, id: &DeliveryId, round: u32) -> bool {
    !store.still_due(vec![(id.clone(), round)]).await.unwrap().is_empty()
}

pub async fn only_the_first_of_a_line_goes_to_the_bus(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 2).await;
    line(store, "m-2", 0).await;

    let first = publish(store, noon()).await;
    let nothing = publish(store, noon()).await;
    settle(store, &first[0].id, first[0].round, taken(), noon()).await;
    let second = publish(store, noon()).await;

    assert_eq!(first.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 1]);
    assert!(nothing.is_empty());
    let second = to_hospital(&second);
    assert_eq!(second.iter().map(|row| row.number).collect::<Vec<_>>(), [2]);
}

pub async fn a_delivery_is_known_however_it_ended(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);
    let waits = store.on_record(vec![head.id.clone()]).await.unwrap();
    settle(store, &head.id, head.round, taken(), noon()).await;
    let elsewhere = DeliveryId { message: head.id.message, to: code(STRANGER) };
    let never = DeliveryId { message: Uuid::now_v7(), to: head.id.to.clone() };

    let known = store.on_record(vec![never, head.id.clone(), elsewhere]).await.unwrap();

    let lane = LaneName::from(code(HOSPITAL));
    let body_hash = BodyHash::of(&head.body);
    let row = RecordedRow { id: head.id, lane, round: head.round, body_hash };
    assert_eq!(waits, std::slice::from_ref(&row));
    assert_eq!(known, [row]);
}

/// Also of a message that a release without hashes has written.
pub async fn what_must_be_sent_is_known_by_its_hash(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);
    let hash_of = async || {
        let due = store.still_due(vec![(head.id.clone(), head.round)]).await.unwrap().remove(0);
        let on_record = store.on_record(vec![head.id.clone()]).await.unwrap().remove(0);
        assert_eq!(due.body_hash, on_record.body_hash);
        due.body_hash
    };

    let hashed = hash_of().await;
    execute(place, "UPDATE messages SET canonical_hash = NULL").await;
    let unhashed = hash_of().await;

    assert_eq!([hashed, unhashed], [BodyHash::of(&head.body); 2]);
    assert_ne!(hashed, BodyHash::of(b"something else"));
}

/// A lane may meet it before the relay has marked it as published.
pub async fn what_was_changed_before_it_was_marked_is_queued_again(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = store.to_publish(noon(), 10, &[]).await.unwrap().remove(0);
    let key = || vec![(head.id.clone(), head.round)];

    let queued = store.repair(Repair::Changed(key())).await.unwrap();
    store.mark_published(key(), noon()).await.unwrap();

    assert_eq!(queued, 1);
    let again = publish(store, later(1)).await;
    assert_eq!((&again[0].id, again[0].round), (&head.id, head.round + 1));
}

pub async fn what_was_changed_on_the_bus_is_queued_again_once(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);
    let changed = || Repair::Changed(vec![(head.id.clone(), head.round); 2]);

    let queued = store.repair(changed()).await.unwrap();
    let queued_again = store.repair(changed()).await.unwrap();

    assert_eq!((queued, queued_again), (1, 0), "the second is of an older round");
    let again = publish(store, later(1)).await;
    assert_eq!(
        again.iter().map(|row| (&row.id, row.round)).collect::<Vec<_>>(),
        [(&head.id, head.round + 1)]
    );
    settle(store, &head.id, again[0].round, taken(), later(2)).await;
    let settled = Repair::Changed(vec![(head.id.clone(), again[0].round)]);
    assert_eq!(store.repair(settled).await.unwrap(), 0, "what is settled stays settled");
}

pub async fn a_parked_delivery_holds_its_line_and_no_other(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 2).await;
    let head = publish(store, noon()).await.remove(0);

    park(store, &head).await;

    assert!(to_hospital(&publish(store, later(1)).await).is_empty());
    line(store, "m-2", 0).await;
    assert_eq!(to_hospital(&publish(store, later(2)).await).len(), 1);
    let held = parked(store, Some(code(HOSPITAL).into())).await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].behind, held[0].since), (2, noon()));
    assert_eq!(held[0].problems, [problem()]);
    assert!(parked(store, Some(code(TOWNSHIP).into())).await.is_empty());
}

pub async fn a_replay_makes_older_copies_void(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 1).await;
    let head = publish(store, noon()).await.remove(0);
    store.note_attempts(vec![attempt(&head.id)]).await.unwrap();
    park(store, &head).await;

    let acted = act(store, Act::Replay(head.id.clone()), later(9)).await;

    assert_eq!(acted, Acted::Done);
    assert!(!due(store, &head.id, head.round).await);
    let again = publish(store, later(10)).await;
    let again = to_hospital(&again)[0];
    assert_eq!((&again.id, again.round), (&head.id, head.round + 1));
    let row = store.still_due(vec![(head.id.clone(), again.round)]).await.unwrap().remove(0).row;
    assert_eq!((row.state, row.silent_since), (State::Published, None));
    // A late "no" of the older round changes nothing.
    settle(store, &head.id, head.round, refused(), later(11)).await;
    assert!(due(store, &head.id, again.round).await);
    let nothing = act(store, Act::Replay(head.id), later(12)).await;
    assert_eq!(nothing, Acted::NotParked(State::Published));
}

pub async fn a_dropped_delivery_lets_its_followers_go(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 1).await;
    let head = publish(store, noon()).await.remove(0);
    park(store, &head).await;

    let acted = act(store, Act::Drop(head.id), later(1)).await;

    assert_eq!(acted, Acted::Done);
    let follower = publish(store, later(2)).await;
    assert_eq!(to_hospital(&follower)[0].number, 2);
}

pub async fn a_wait_is_respected(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 1).await;
    let head = publish(store, noon()).await.remove(0);
    let not_now = Outcome::NotNow { problems: vec![problem()] };

    settle(store, &head.id, head.round, not_now, noon()).await;

    assert!(!due(store, &head.id, head.round).await);
    assert!(to_hospital(&publish(store, noon()).await).is_empty());
    line(store, "m-2", 0).await;
    assert_eq!(to_hospital(&publish(store, noon()).await).len(), 1, "other cases go on");
    let again = publish(store, later(3_600)).await;
    let again = to_hospital(&again)[0];
    assert_eq!((&again.id, again.round), (&head.id, head.round + 1));
    let row = store.still_due(vec![(head.id, again.round)]).await.unwrap().remove(0).row;
    assert_eq!(row.silent_since, Some(noon()));
}

pub async fn a_wait_from_a_wrong_clock_is_over(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let ahead = later(3_600);
    let head = publish(store, ahead).await.remove(0);
    let not_now = Outcome::NotNow { problems: vec![problem()] };

    settle(store, &head.id, head.round, not_now, ahead).await;

    assert!(to_hospital(&publish(store, ahead).await).is_empty(), "the wait counts on its clock");
    let again = publish(store, later(1)).await;
    assert_eq!(to_hospital(&again)[0].id, head.id, "the clock was set back by an hour");
    assert!(to_hospital(&publish(store, later(1)).await).is_empty(), "and once is enough");
}

pub async fn an_answer_may_overtake_the_publishing(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = store.to_publish(noon(), 10, &[]).await.unwrap().remove(0);

    assert!(due(store, &head.id, head.round).await);
    settle(store, &head.id, head.round, taken(), noon()).await;
    store.mark_published(vec![(head.id.clone(), head.round)], later(1)).await.unwrap();

    assert!(!due(store, &head.id, head.round).await);
    let file = file_of(store, &head.id).await;
    let custody = file.custody.iter().find(|row| row.delivery.id == head.id).unwrap();
    assert_eq!(custody.delivery.state, State::Delivered);
    assert_eq!(custody.destination_number.as_deref(), Some("7"));
    assert_eq!(custody.settled_at, Some(noon()));
}

pub async fn what_was_taken_in_an_older_round_is_taken(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);
    assert_eq!(store.repair(Repair::BusIsEmpty).await.unwrap(), 1);

    settle(store, &head.id, head.round, taken(), later(1)).await;

    assert!(!due(store, &head.id, head.round + 1).await);
    assert!(to_hospital(&publish(store, later(2)).await).is_empty());
}

pub async fn a_paused_lane_keeps_its_deliveries(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;

    let paused = act(store, Act::Pause(code(HOSPITAL).into()), noon()).await;
    let nothing = publish(store, noon()).await;
    let shown = condition_of(store, HOSPITAL).await;
    let resumed = act(store, Act::Resume(code(HOSPITAL).into()), noon()).await;

    assert_eq!((paused, resumed), (Acted::Done, Acted::Done));
    assert!(nothing.is_empty());
    assert_eq!((shown.paused, shown.unanswered_at), (true, None));
    assert!(!condition_of(store, HOSPITAL).await.paused);
    assert_eq!(publish(store, noon()).await.len(), 1);
}

fn attempt(id: &DeliveryId) -> Attempt {
    let lane = id.to.clone().into();
    Attempt { id: id.clone(), lane, attempts: 3, problem: problem(), held: false, at: later(1) }
}

pub async fn silence_is_remembered_until_an_answer(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);

    store.note_attempts(vec![attempt(&head.id)]).await.unwrap();

    let row = store.still_due(vec![(head.id.clone(), head.round)]).await.unwrap().remove(0).row;
    assert_eq!((row.attempts, row.silent_since), (3, Some(later(1))));
    let lane = store.lanes().await.unwrap().remove(0);
    assert_eq!(lane.trouble, Some((later(1), problem())));
    assert_eq!(condition_of(store, HOSPITAL).await.unanswered_at, Some(later(1)));
    let custody = file_of(store, &head.id).await.custody.remove(0);
    assert_eq!(custody.problems, [problem()]);
    let gave_up = Outcome::GaveUp { problems: vec![problem()] };
    settle(store, &head.id, head.round, gave_up, later(2)).await;
    assert!(lane_of(store, HOSPITAL).await.trouble.is_some(), "to give up is no answer");
    line(store, "m-2", 0).await;
    let next = publish(store, later(3)).await;
    let next = to_hospital(&next)[0].clone();
    settle(store, &next.id, next.round, taken(), later(4)).await;
    let lane = lane_of(store, HOSPITAL).await;
    assert_eq!((lane.trouble, lane.last_settled_at), (None, Some(later(4))));
    assert_eq!(condition_of(store, HOSPITAL).await.unanswered_at, None);
}

async fn condition_of(store: &dyn Outbox, lane: &str) -> LaneCondition {
    let lanes = store.lane_conditions().await.unwrap();
    lanes.into_iter().find(|row| row.lane == code(lane).into()).unwrap()
}

async fn lane_of(store: &dyn Store, lane: &str) -> tierlink_store::LaneRow {
    let lanes = store.lanes().await.unwrap();
    lanes.into_iter().find(|row| row.lane == code(lane).into()).unwrap()
}

async fn file_of(store: &dyn Store, id: &DeliveryId) -> tierlink_store::CaseFile {
    let message = store.message(id.message, None).await.unwrap().unwrap().message;
    store.case(CaseKey::Id(message.case.id.unwrap()), None).await.unwrap().unwrap()
}

pub async fn what_a_forgetful_road_held_is_queued_again(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    line(store, "m-2", 0).await;
    let held = publish(store, noon()).await;
    settle(store, &held[0].id, held[0].round, taken(), noon()).await;
    publish(store, noon()).await;

    let repaired = store.repair(Repair::Lane(code(HOSPITAL).into())).await.unwrap();

    assert_eq!(repaired, 1, "what was answered stays answered");
    assert!(!due(store, &held[1].id, held[1].round).await);
    let again = publish(store, later(1)).await;
    assert_eq!(to_hospital(&again)[0].round, held[1].round + 1);
    assert!(store.repair(Repair::BusIsEmpty).await.unwrap() >= 1);
}

pub async fn what_a_moving_lane_left_behind_is_queued_again(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    let lost = publish(store, noon()).await.remove(0);
    line(store, "m-2", 0).await;
    let heard = publish(store, later(1)).await.remove(0);
    settle(store, &heard.id, heard.round, taken(), later(2)).await;
    let stale = |before| Repair::Stale { before, waiting: Vec::new(), limit: 10 };

    assert_eq!(store.repair(stale(noon())).await.unwrap(), 0, "it is too young");
    assert_eq!(store.repair(stale(later(1))).await.unwrap(), 1);

    assert!(!due(store, &lost.id, lost.round).await);
    assert!(due(store, &lost.id, lost.round + 1).await);
}

pub async fn a_silent_lane_proves_nothing(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 0).await;
    publish(store, noon()).await;
    let stale = |waiting| Repair::Stale { before: later(60), waiting, limit: 10 };

    assert_eq!(store.repair(stale(vec![code(HOSPITAL).into()])).await.unwrap(), 0);
    assert_eq!(store.repair(stale(vec![code(TOWNSHIP).into()])).await.unwrap(), 1);

    // Behind a lane that answers older ones, the younger ones only wait for their turn.
    line(store, "m-2", 0).await;
    let all = publish(store, later(61)).await;
    let older = all.iter().find(|row| row.round == 2).unwrap();
    line(store, "m-3", 0).await;
    publish(store, later(62)).await;
    settle(store, &older.id, older.round, taken(), later(63)).await;
    let stale = |before| Repair::Stale { before, waiting: vec![code(TOWNSHIP).into()], limit: 10 };
    assert_eq!(store.repair(stale(later(63))).await.unwrap(), 0);

    // Nothing was answered since, and nobody is silent: what is left of the lane was lost.
    assert_eq!(store.repair(stale(later(64))).await.unwrap(), 2);
}

pub async fn receipts_stand_in_the_line_of_their_case(place: &Place) {
    let store = &*place.store;
    let verdict = line(store, "m-1", 0).await;
    let head = publish(store, noon()).await.remove(0);

    settle(store, &head.id, head.round, taken(), noon()).await;
    accepted(store, accept("h-1", &verdict)).await;

    let receipt = publish(store, noon()).await.remove(0);
    assert_eq!((receipt.id.to.as_str(), receipt.number), (TOWNSHIP, 1));
    assert_eq!(from_slice(&receipt.body).unwrap().kind().as_str(), "receipt");
    settle(store, &receipt.id, receipt.round, taken(), later(1)).await;
    let answer = publish(store, later(1)).await.remove(0);
    assert_eq!((answer.id.to.as_str(), answer.number), (TOWNSHIP, 2));
}

pub async fn numbers_within_a_line_have_no_gaps(place: &Place) {
    let store = &*place.store;
    let verdict = line(store, "m-1", 0).await;
    // Together, alone, and refused ones in between.
    let works = (0..5).map(|at| amend(&format!("x-{at}"), &verdict)).collect();
    crate::said::commit(store, works).await;
    let mut unknown = accept("h-0", &verdict);
    unknown.organisation = code(TOWNSHIP);
    commit_one(store, unknown).await;
    for at in 0..3 {
        accepted(store, amend(&format!("y-{at}"), &verdict)).await;
    }

    let seen = drain(store, &code(HOSPITAL), later(1)).await;

    let numbers: Vec<u32> = seen.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert_eq!(seen[0].0, "referral.submit");
    assert!(seen[1..].iter().all(|(kind, _)| kind == "referral.amend"));
}

pub async fn events_are_announced_once(place: &Place) {
    let store = &*place.store;
    line(store, "m-1", 2).await;

    let events = store.to_announce(2).await.unwrap();
    let keys = events.iter().map(|event| (event.case, event.number)).collect();
    store.mark_announced(keys).await.unwrap();

    assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2]);
    let rest = store.to_announce(10).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.number).collect::<Vec<_>>(), [3]);
    assert!(rest[0].at.duration_since(noon()) < SignedDuration::from_secs(1));
}
