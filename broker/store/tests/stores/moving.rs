//! Whatever a store does to a delivery is what `tierlink_core::delivery` says of it.
//!
//! Each way in which a store may change a delivery is tried on a delivery in each state.

use jiff::Timestamp;
use tierlink_core::delivery::{
    self, Act, Circumstances, Event, Outcome, RetryPolicy, State, Step, Why,
};
use tierlink_store::{Attempt, CaseKey, DeliveryId, DeliveryRow, Repair, Store};

use crate::county::{HOSPITAL, code};
use crate::open::Place;
use crate::said::{accepted, later, noon, problem, refused, settle, submit, taken};

/// A state into which a delivery can be brought.
const STATES: [&str; 6] = ["queued", "published", "waiting", "delivered", "parked", "withdrawn"];

/// A way in which a store may change a delivery, and what it is to the core.
#[derive(Clone, Debug)]
enum Way {
    Published,
    Answered(Outcome),
    BusIsEmpty,
    LaneIsNew,
    Stale,
    Changed,
    LookAtWait(Timestamp),
    Act(Act),
    NoteAttempt,
}

fn ways() -> Vec<Way> {
    let problems = || vec![problem()];
    vec![
        Way::Published,
        Way::Answered(taken()),
        Way::Answered(refused()),
        Way::Answered(Outcome::Unsendable { problems: problems() }),
        Way::Answered(Outcome::NotNow { problems: problems() }),
        Way::Answered(Outcome::Unanswered { problems: problems() }),
        Way::Answered(Outcome::GaveUp { problems: problems() }),
        Way::Answered(Outcome::TurnedAway { status: Some(403), problems: problems() }),
        Way::Answered(Outcome::Held { problems: problems() }),
        Way::BusIsEmpty,
        Way::LaneIsNew,
        Way::Stale,
        Way::Changed,
        Way::LookAtWait(noon()),
        Way::LookAtWait(later(3_600)),
        Way::LookAtWait(later(-3_600)),
        Way::Act(Act::Replay),
        Way::Act(Act::Drop),
        Way::NoteAttempt,
    ]
}

async fn row(store: &dyn Store, id: &DeliveryId) -> (DeliveryRow, Option<Timestamp>) {
    let message = store.message(id.message, None).await.unwrap().unwrap().message;
    let key = CaseKey::Id(message.case.id.unwrap());
    let file = store.case(key, None).await.unwrap().unwrap();
    let custody = file.custody.into_iter().find(|row| row.delivery.id == *id).unwrap();
    (custody.delivery, custody.published_at)
}

async fn act(store: &dyn Store, id: &DeliveryId, its: Act) {
    let act = match its {
        Act::Replay => tierlink_store::Act::Replay(id.clone()),
        Act::Drop => tierlink_store::Act::Drop(id.clone()),
    };
    // Where nothing is parked, nothing is done; the test looks at the state afterwards.
    let _done_or_not = crate::said::act(store, act, noon()).await;
}

/// A delivery of a new case, in this state.
async fn bring(store: &dyn Store, case: &str, state: &str) -> DeliveryId {
    let work = submit(case);
    let id = DeliveryId { message: work.id, to: code(HOSPITAL) };
    accepted(store, work).await;
    if state == "queued" {
        return id;
    }
    store.mark_published(vec![(id.clone(), 1)], noon()).await.unwrap();
    match state {
        "waiting" => {
            let not_now = Outcome::NotNow { problems: vec![problem()] };
            settle(store, &id, 1, not_now, noon()).await;
        }
        "delivered" => settle(store, &id, 1, taken(), noon()).await,
        "parked" | "withdrawn" => settle(store, &id, 1, refused(), noon()).await,
        _ => {}
    }
    if state == "withdrawn" {
        act(store, &id, Act::Drop).await;
    }
    id
}

async fn go(store: &dyn Store, way: &Way, row: &DeliveryRow) {
    let (id, round) = (row.id.clone(), row.round);
    match way {
        Way::Published => store.mark_published(vec![(id, round)], noon()).await.unwrap(),
        Way::Answered(outcome) => settle(store, &id, round, outcome.clone(), noon()).await,
        Way::BusIsEmpty => drop(store.repair(Repair::BusIsEmpty).await.unwrap()),
        Way::LaneIsNew => drop(store.repair(Repair::Lane(id.to.into())).await.unwrap()),
        Way::Stale => {
            let stale = Repair::Stale { before: later(1), waiting: Vec::new(), limit: 500 };
            store.repair(stale).await.unwrap();
        }
        Way::Changed => {
            store.repair(Repair::Changed(vec![(id, round)])).await.unwrap();
        }
        Way::LookAtWait(now) => {
            let queued = store.queue_due(vec![(id.clone(), round)], *now).await.unwrap();
            let offered = store.to_publish(*now, 500, &[]).await.unwrap();
            let offered = offered.iter().any(|row| row.id == id && row.state == State::Queued);
            assert_eq!(offered, !queued.is_empty() || row.state == State::Queued);
        }
        Way::Act(its) => act(store, &id, *its).await,
        Way::NoteAttempt => {
            let lane = id.to.clone().into();
            let (problem, at) = (problem(), noon());
            let attempt = Attempt { id, lane, attempts: 1, problem, held: false, at };
            store.note_attempts(vec![attempt]).await.unwrap();
        }
    }
}

/// What the core says.
fn said(way: &Way, row: &DeliveryRow, published_at: Option<Timestamp>) -> Step {
    let event = match way {
        Way::Published => Event::Published,
        Way::Answered(outcome) => Event::Answered(outcome.clone()),
        Way::BusIsEmpty | Way::LaneIsNew | Way::Stale | Way::Changed => Event::Repaired,
        Way::LookAtWait(_) => Event::Due { waits_since: published_at },
        Way::Act(its) => return delivery::act(&row.state, *its),
        Way::NoteAttempt => return Step::Ignore,
    };
    let now = if let Way::LookAtWait(now) = way { *now } else { noon() };
    let at = Circumstances { now, attempts: 1, silent_since: row.silent_since, jitter: 0.0 };
    delivery::step(&row.state, &event, &at, &RetryPolicy::default())
}

pub async fn a_delivery_moves_only_as_the_core_says(place: &Place) {
    let store = &*place.store;
    let mut moves = 0;
    for state in STATES {
        for (at, way) in ways().iter().enumerate() {
            let id = bring(store, &format!("m-{state}-{at}"), state).await;
            let (before, published_at) = row(store, &id).await;

            go(store, way, &before).await;

            let (after, _) = row(store, &id).await;
            let next = match said(way, &before, published_at) {
                Step::Move(next) => next,
                Step::Ignore => before.state,
            };
            // Operators are offered parked deliveries only.
            let is_offered = before.state == State::Parked { why: Why::Refused };
            let next = if matches!(way, Way::Act(_)) && !is_offered { before.state } else { next };
            assert_eq!(after.state, next, "{:?} after {way:?}", before.state);
            moves += u32::from(after.state != before.state);
        }
    }
    // Eight outcomes each in three states, of which four leave what waits as it is; one confirmation,
    // four repairs, two ends of a wait, two acts and a late acceptance.
    assert_eq!(moves, 3 * 8 - 4 + 1 + 4 + 2 + 2 + 1);
}
