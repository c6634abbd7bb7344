//! Promises about two processes that meet. A race that is run once proves little, so each is run
//! many times.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tierlink_schemas::{Kind, Verdict};
use tierlink_store::{CaseKey, Hold, Judged, Store, Work};
use uuid::Uuid;

use crate::open::Place;
use crate::said::{accept, accepted, answer, commit_one, later, noon, submit};

const ROUNDS: u32 = 50;
const WORKERS: usize = 6;

/// Commits each work in a task of its own, on one of two processes.
async fn race(stores: &[Arc<dyn Store>], works: Vec<Work>) -> Vec<Judged> {
    let tasks: Vec<_> = works
        .into_iter()
        .enumerate()
        .map(|(at, work)| {
            let store = Arc::clone(&stores[at % stores.len()]);
            tokio::spawn(async move { commit_one(&*store, work).await })
        })
        .collect();
    let mut judged = Vec::new();
    for task in tasks {
        judged.push(task.await.unwrap());
    }
    judged
}

fn copies(work: &Work) -> Vec<Work> {
    (0..WORKERS)
        .map(|_| {
            let mut copy = work.clone();
            copy.id = Uuid::now_v7();
            copy.second_message_id = Uuid::now_v7();
            copy.counter = submit("counted").counter;
            copy
        })
        .collect()
}

fn count(judged: &[Judged], wanted: fn(&Verdict) -> bool) -> usize {
    judged.iter().filter(|one| wanted(&one.verdict)).count()
}

fn is_accepted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted { .. })
}

fn is_repeated(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Repeated { .. })
}

pub async fn one_message_taken_twice_at_once_is_accepted_once(place: &Place) {
    let stores = [Arc::clone(&place.store), place.another().await];
    for round in 0..ROUNDS {
        let opening = race(&stores, copies(&submit(&format!("m-{round}")))).await;
        assert_eq!(count(&opening, is_accepted), 1, "round {round}: {opening:?}");
        assert_eq!(count(&opening, is_repeated), WORKERS - 1, "round {round}: {opening:?}");

        let verdict = opening.into_iter().map(|one| one.verdict).find(is_accepted).unwrap();
        let answers = race(&stores, copies(&accept(&format!("h-{round}"), &verdict))).await;
        assert_eq!(count(&answers, is_accepted), 1, "round {round}: {answers:?}");
        assert_eq!(count(&answers, is_repeated), WORKERS - 1, "round {round}: {answers:?}");
    }
    stores[1].close().await;
}

pub async fn two_decisions_on_one_case_come_one_after_the_other(place: &Place) {
    let stores = [Arc::clone(&place.store), place.another().await];
    for round in 0..ROUNDS / 2 {
        let opened = submit(&format!("m-{round}"));
        let id = opened.id;
        let verdict = accepted(&*place.store, opened).await;
        let works = vec![
            accept(&format!("a-{round}"), &verdict),
            answer(Kind::ReferralCancel, crate::county::TOWNSHIP, &format!("c-{round}"), &verdict),
            accept(&format!("b-{round}"), &verdict),
        ];

        let judged = race(&stores, works).await;

        // Whoever comes first decides; what the others may still do follows from that.
        let file = place.store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
        let positive = count(&judged, Verdict::is_positive);
        assert_eq!(file.events.len(), 1 + positive, "round {round}: {judged:?}");
        for pair in file.events.windows(2) {
            assert_eq!(pair[1].number, pair[0].number + 1);
            assert_eq!(pair[1].from_state.as_deref(), Some(pair[0].to_state.as_str()));
        }
        assert!(count(&[judged[0].clone(), judged[2].clone()], Verdict::is_positive) <= 1);
    }
    stores[1].close().await;
}

pub async fn one_number_opens_one_case_however_it_races(place: &Place) {
    let stores = [Arc::clone(&place.store), place.another().await];
    for round in 0..ROUNDS / 2 {
        // Different messages that open a case under the same number of the township's.
        let works: Vec<Work> = copies(&submit(&format!("m-{round}")))
            .into_iter()
            .enumerate()
            .map(|(at, mut work)| {
                let tierlink_store::Content::Message(asked) = &mut work.content else {
                    panic!("it is a message")
                };
                asked.message.source.message_id = format!("m-{round}-{at}");
                asked.message.id = work.id;
                work
            })
            .collect();

        let judged = race(&stores, works).await;

        assert_eq!(count(&judged, is_accepted), 1, "round {round}: {judged:?}");
    }
    stores[1].close().await;
}

pub async fn counters_are_never_given_twice(place: &Place) {
    let stores = [Arc::clone(&place.store), place.another().await];
    let tasks: Vec<_> = (0..40)
        .map(|at: usize| {
            let store = Arc::clone(&stores[at % 2]);
            tokio::spawn(async move { store.take_counters().await.unwrap() })
        })
        .collect();

    let mut seen = HashSet::new();
    for task in tasks {
        let (first, count) = task.await.unwrap();
        assert!(first > 0 && count > 0);
        for counter in first..first + count {
            assert!(seen.insert(counter), "{counter} was given twice");
        }
    }
    stores[1].close().await;
}

/// Asks for a lease of five seconds.
async fn holds(store: &dyn Store, name: &str, holder: Uuid, now: Timestamp) -> bool {
    let until = now + SignedDuration::from_secs(5);
    store.hold_lease(name, holder, now, until, None).await.unwrap() == Hold::Ours
}

pub async fn a_lease_from_a_wrong_clock_is_taken_once_it_is_abandoned(place: &Place) {
    let store = &place.store;
    let (wrong, right, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let ahead = |second| later(second) + SignedDuration::from_hours(1);
    let ask = |holder, second, abandoned| {
        store.hold_lease("relay", holder, later(second), later(second + 5), abandoned)
    };
    assert!(holds(&**store, "relay", wrong, ahead(0)).await);

    let theirs = Hold::Theirs { until: ahead(5) };
    assert_eq!(ask(right, 0, None).await.unwrap(), theirs);
    // It is renewed while somebody watches the old end.
    assert!(holds(&**store, "relay", wrong, ahead(1)).await);
    let theirs = Hold::Theirs { until: ahead(6) };
    assert_eq!(ask(right, 6, Some(ahead(5))).await.unwrap(), theirs);

    assert_eq!(ask(right, 12, Some(ahead(6))).await.unwrap(), Hold::Ours);
    let theirs = Hold::Theirs { until: later(17) };
    assert_eq!(ask(other, 12, Some(ahead(6))).await.unwrap(), theirs, "one takes it, not both");
}

pub async fn a_lease_has_one_holder_at_a_time(place: &Place) {
    let stores = [Arc::clone(&place.store), place.another().await];
    for round in 0..ROUNDS {
        let name = format!("relay-{round}");
        let tasks: Vec<_> = (0..WORKERS)
            .map(|at| {
                let (store, name) = (Arc::clone(&stores[at % 2]), name.clone());
                let holder = Uuid::now_v7();
                tokio::spawn(async move { (holder, holds(&*store, &name, holder, noon()).await) })
            })
            .collect();
        let mut holders = Vec::new();
        for task in tasks {
            let (holder, held) = task.await.unwrap();
            holders.extend(held.then_some(holder));
        }
        assert_eq!(holders.len(), 1, "round {round}");

        let other = Uuid::now_v7();
        let store = &place.store;
        assert!(!holds(&**store, &name, other, later(4)).await);
        assert!(holds(&**store, &name, holders[0], later(4)).await);
        assert!(!holds(&**store, &name, other, later(8)).await);
        assert!(holds(&**store, &name, other, later(9)).await);
        store.release_lease(&name, holders[0]).await.unwrap();
        assert!(!holds(&**store, &name, holders[0], later(10)).await);
        store.release_lease(&name, other).await.unwrap();
        assert!(holds(&**store, &name, holders[0], later(10)).await);
    }
    stores[1].close().await;
}
