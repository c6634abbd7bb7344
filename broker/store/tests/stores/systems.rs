//! Promises about the systems of an organisation: each has its own ids, its own lines and its own lane.

use tierlink_schemas::{LaneName, SystemName, Verdict};
use tierlink_store::{Act, ActQuery, Acted, Attempt, Outgoing, Repair, Store, Work};

use crate::county::{HOSPITAL, TOWNSHIP, code, core_with_systems};
use crate::open::Place;
use crate::said::{
    accept, accepted, act, amend, commit_one, later, noon, parked, problem, publish, refusal_code,
    refused, settle_by, submit, taken,
};

/// The hospital's default system takes everything but amendments; these go to `desk`.
fn desk() -> LaneName {
    LaneName::new(code(HOSPITAL), Some(system("desk")))
}

fn default() -> LaneName {
    code(HOSPITAL).into()
}

fn system(name: &str) -> SystemName {
    SystemName::new(name).unwrap()
}

async fn take(store: &dyn Store, work: Work) -> Verdict {
    let judged = store.commit(vec![work].into(), core_with_systems()).await.unwrap().remove(0);
    assert!(judged.verdict.is_positive(), "{judged:?}");
    judged.verdict
}

/// A case of which the default system and the desk hear in turns: two messages each.
async fn case(store: &dyn Store, id: &str) {
    let verdict = take(store, submit(id)).await;
    for at in 0..2 {
        take(store, amend(&format!("{id}-{at}"), &verdict)).await;
    }
}

fn of<'a>(outgoing: &'a [Outgoing], lane: &LaneName) -> Vec<&'a Outgoing> {
    outgoing.iter().filter(|row| row.lane == *lane).collect()
}

async fn row_of(store: &dyn Store, lane: &LaneName) -> tierlink_store::LaneRow {
    let lanes = store.lanes().await.unwrap();
    lanes.into_iter().find(|row| row.lane == *lane).unwrap()
}

pub async fn two_systems_may_use_one_message_id(place: &Place) {
    let store = &*place.store;
    let from = |id: &str, name: Option<&str>, number: &str| {
        let mut work = submit(number);
        let tierlink_store::Content::Message(asked) = &mut work.content else { unreachable!() };
        id.clone_into(&mut asked.message.source.message_id);
        work.system = name.map(system);
        work.fingerprint = [u8::try_from(number.len()).unwrap(); 32];
        work
    };

    let his = accepted(store, from("1", None, "m-1")).await;
    let ecg = accepted(store, from("1", Some("ecg"), "m-22")).await;
    let again = commit_one(store, from("1", Some("ecg"), "m-22")).await;
    let other = commit_one(store, from("1", Some("ecg"), "m-333")).await;

    assert_ne!(his, ecg);
    assert!(
        matches!((&again.verdict, &ecg), (
            Verdict::Repeated { message, .. }, Verdict::Accepted { message: first, .. }
        ) if message == first),
        "{again:?}"
    );
    assert_eq!((refusal_code(&other), other.conflict), ("S010", true));
}

pub async fn each_system_has_its_own_line_of_a_case(place: &Place) {
    let store = &*place.store;
    case(store, "m-1").await;

    let first = publish(store, noon()).await;
    assert_eq!(of(&first, &default()).len(), 1);
    let head = of(&first, &desk())[0].clone();
    assert!(publish(store, noon()).await.is_empty());
    // The default system is dead: the other goes on, in order.
    settle_by(store, core_with_systems(), &head.id, head.round, taken(), later(1)).await;
    let next = publish(store, later(2)).await;

    assert!(of(&next, &default()).is_empty());
    assert_eq!(of(&next, &desk()).len(), 1);
    assert!(of(&next, &desk())[0].number > head.number);
}

pub async fn a_parked_delivery_of_one_system_holds_no_other(place: &Place) {
    let store = &*place.store;
    case(store, "m-1").await;
    let first = publish(store, noon()).await;
    let (his, head) = (of(&first, &default())[0].clone(), of(&first, &desk())[0].clone());

    settle_by(store, core_with_systems(), &head.id, head.round, refused(), noon()).await;
    settle_by(store, core_with_systems(), &his.id, his.round, taken(), noon()).await;

    let held = parked(store, Some(desk())).await;
    assert_eq!(held.iter().map(|row| row.delivery.lane()).collect::<Vec<_>>(), [desk()]);
    assert_eq!(held[0].behind, 1);
    assert!(parked(store, Some(default())).await.is_empty());
    assert_eq!(parked(store, None).await.len(), 1);
    assert_eq!(row_of(store, &desk()).await.parked, 1);
    assert_eq!(row_of(store, &default()).await.parked, 0);
    assert_eq!(act(store, Act::Replay(head.id), later(1)).await, Acted::Done);
    assert_eq!(of(&publish(store, later(2)).await, &desk()).len(), 1);
}

pub async fn each_system_has_a_lane_of_its_own(place: &Place) {
    let store = &*place.store;
    case(store, "m-1").await;

    assert_eq!(act(store, Act::Pause(desk()), noon()).await, Acted::Done);
    let first = publish(store, noon()).await;
    assert_eq!(first.iter().map(|row| &row.lane).collect::<Vec<_>>(), [&default()]);
    assert!(row_of(store, &desk()).await.paused && !row_of(store, &default()).await.paused);
    assert_eq!(act(store, Act::Pause(desk()), noon()).await, Acted::AsBefore);
    assert_eq!(act(store, Act::Resume(desk()), noon()).await, Acted::Done);
    let acts = store.acts(ActQuery { limit: 1, ..ActQuery::default() }).await.unwrap();
    assert_eq!(acts[0].system.as_ref(), desk().system());

    let mut head = publish(store, later(1)).await;
    assert_eq!(head.len(), 1);
    let head = head.remove(0);
    let silent = Attempt {
        id: head.id.clone(),
        lane: head.lane.clone(),
        attempts: 1,
        problem: problem(),
        held: false,
        at: later(2),
    };
    store.note_attempts(vec![silent]).await.unwrap();
    assert!(row_of(store, &desk()).await.trouble.is_some());
    assert!(row_of(store, &default()).await.trouble.is_none());
    settle_by(store, core_with_systems(), &head.id, head.round, taken(), later(3)).await;
    let row = row_of(store, &desk()).await;
    assert_eq!((row.trouble, row.last_settled_at), (None, Some(later(3))));
}

pub async fn what_one_lane_lost_is_queued_again_for_it_alone(place: &Place) {
    let store = &*place.store;
    case(store, "m-1").await;
    let first = publish(store, noon()).await;
    assert_eq!(first.len(), 2);

    assert_eq!(store.repair(Repair::Lane(desk())).await.unwrap(), 1);
    let again = publish(store, later(1)).await;
    assert_eq!(again.iter().map(|row| &row.lane).collect::<Vec<_>>(), [&desk()]);
    let stale = |waiting| Repair::Stale { before: later(60), waiting, limit: 10 };
    assert_eq!(store.repair(stale(vec![desk(), default()])).await.unwrap(), 0);
    assert_eq!(store.repair(stale(vec![desk()])).await.unwrap(), 1);
    assert_eq!(of(&publish(store, later(61)).await, &default()).len(), 1);
}

pub async fn a_receipt_goes_back_to_the_system_that_said_it(place: &Place) {
    let store = &*place.store;
    let mut work = submit("m-1");
    work.system = Some(system("ward"));
    let verdict = take(store, work).await;
    take(store, accept("m-2", &verdict)).await;
    let outgoing = publish(store, noon()).await;
    let head = of(&outgoing, &default())[0];

    settle_by(store, core_with_systems(), &head.id, head.round, taken(), later(1)).await;

    let receipts = publish(store, later(2)).await;
    let ward = LaneName::new(code(TOWNSHIP), Some(system("ward")));
    assert_eq!(of(&receipts, &ward).len(), 1, "{receipts:?}");
}
