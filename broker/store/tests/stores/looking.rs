//! Promises about looking: everyone sees what is theirs, once, and nothing else.

use std::collections::HashSet;

use serde_json::json;
use tierlink_core::access::{self, Asker, View};
use tierlink_schemas::{Family, Kind, Priority, Verdict};
use tierlink_store::{CaseFile, CaseKey, CaseQuery, ParkedQuery, Store};
use uuid::Uuid;

use crate::county::{HOSPITAL, OTHER_HOSPITAL, OTHER_TOWNSHIP, STRANGER, TOWNSHIP, VILLAGE, code};
use crate::open::Place;
use crate::said::{
    accept, accepted, answer, later, noon, number_of, publish, refused, say, settle, submit,
    submit_from, taken,
};

fn all(limit: u32) -> CaseQuery {
    CaseQuery { limit, ..CaseQuery::default() }
}

async fn count(store: &dyn Store, query: CaseQuery) -> usize {
    store.cases(query).await.unwrap().len()
}

pub async fn a_stranger_sees_nothing(place: &Place) {
    let store = &*place.store;
    let opened = submit("m-1");
    let id = opened.id;
    let verdict = accepted(store, opened).await;
    let number = tierlink_schemas::CaseNumber::read(&number_of(&verdict)).unwrap();

    for (who, sees) in [(TOWNSHIP, true), (HOSPITAL, true), (STRANGER, false)] {
        let who = Some(code(who));
        for key in [CaseKey::Id(id), CaseKey::Number(number.clone())] {
            assert_eq!(store.case(key, who.clone()).await.unwrap().is_some(), sees, "{who:?}");
        }
        assert_eq!(store.message(id, who.clone()).await.unwrap().is_some(), sees, "{who:?}");
        let listed = count(store, CaseQuery { seen_by: who, ..all(10) }).await;
        assert_eq!(listed, usize::from(sees));
    }
    let seen = store.message(id, Some(code(HOSPITAL))).await.unwrap().unwrap();
    assert!(seen.raw.is_empty(), "what the source wrote in its own format is its own");
    assert!(store.case(CaseKey::Id(Uuid::now_v7()), None).await.unwrap().is_none());
}

pub async fn pages_show_each_case_once(place: &Place) {
    let store = &*place.store;
    for at in 0..23 {
        let mut work = submit(&format!("m-{at}"));
        // Some at the very same moment.
        work.received_at = later(i64::from(at / 4));
        accepted(store, work).await;
    }

    for open in [Some(true), None] {
        let mut seen = HashSet::new();
        let mut after = None;
        loop {
            let query = CaseQuery { open, after, seen_by: Some(code(HOSPITAL)), ..all(5) };
            let page = store.cases(query).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.changed_at, last.id));
            for row in &page {
                assert!(seen.insert(row.id), "{} is shown twice", row.number);
            }
        }
        assert_eq!(seen.len(), 23, "{open:?}");
    }
    assert_eq!(count(store, CaseQuery { open: Some(false), ..all(5) }).await, 0);
}

pub async fn pages_show_each_parked_delivery_once(place: &Place) {
    let store = &*place.store;
    for at in 0..7 {
        accepted(store, submit(&format!("m-{at}"))).await;
    }
    // Some were parked at the very same moment.
    for (at, row) in publish(store, noon()).await.into_iter().enumerate() {
        let since = later(i64::try_from(at / 3).unwrap());
        settle(store, &row.id, row.round, refused(), since).await;
    }

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.parked(ParkedQuery { after, limit: 2, ..ParkedQuery::default() }).await;
        let page = page.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.since, last.delivery.id.clone()));
        seen.extend(page.into_iter().map(|row| (row.since, row.delivery.id)));
    }

    assert_eq!(seen.len(), 7);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    let (since, id) = seen.swap_remove(3);
    let one = ParkedQuery { id: Some(id.clone()), limit: 10, ..ParkedQuery::default() };
    let found = store.parked(one).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|row| (row.since, row.delivery.id)).collect();
    assert_eq!(found, [(since, id)]);
}

pub async fn the_most_urgent_come_first(place: &Place) {
    let store = &*place.store;
    for (at, priority) in ["routine", "urgent", "chronic", "urgent"].into_iter().enumerate() {
        let mut work = say(Kind::ReferralSubmit, TOWNSHIP, &format!("m-{at}"), |message| {
            message["priority"] = json!(priority);
        });
        work.received_at = later(i64::try_from(at).unwrap());
        accepted(store, work).await;
    }

    for seen_by in [None, Some(code(HOSPITAL))] {
        let query = CaseQuery { open: Some(true), seen_by, ..all(10) };
        let rows = store.cases(query).await.unwrap();

        let order: Vec<_> = rows.iter().map(|row| (row.priority, row.changed_at)).collect();
        let wanted = [
            (Priority::Urgent, later(1)),
            (Priority::Urgent, later(3)),
            (Priority::Routine, noon()),
            (Priority::Chronic, later(2)),
        ];
        assert_eq!(order, wanted);
    }
}

pub async fn a_cursor_tells_nothing_of_a_case_of_others(place: &Place) {
    let store = &*place.store;
    let chronic = say(Kind::ReferralSubmit, TOWNSHIP, "m-1", |message| {
        message["priority"] = json!("chronic");
    });
    let theirs = chronic.id;
    accepted(store, chronic).await;
    accepted(store, submit_from(OTHER_TOWNSHIP, "m-2")).await;

    let mut lengths = Vec::new();
    for behind in [theirs, Uuid::now_v7()] {
        let after = Some((later(-1), behind));
        let seen_by = Some(code(OTHER_TOWNSHIP));
        let query = CaseQuery { open: Some(true), seen_by, after, ..all(10) };
        lengths.push(count(store, query).await);
    }
    assert_eq!(lengths, [1, 1]);
}

pub async fn what_was_touched_last_waits_behind(place: &Place) {
    let store = &*place.store;
    let mut verdicts = Vec::new();
    for at in 0..3 {
        let mut work = submit(&format!("m-{at}"));
        work.received_at = later(at);
        verdicts.push(accepted(store, work).await);
    }
    let mut accepting = accept("h-1", &verdicts[0]);
    accepting.received_at = later(5);
    accepted(store, accepting).await;
    let mut cancelling = answer(Kind::ReferralCancel, TOWNSHIP, "c-1", &verdicts[1]);
    cancelling.received_at = later(6);
    accepted(store, cancelling).await;

    let numbers = |places: &[usize]| -> Vec<String> {
        places.iter().map(|place| number_of(&verdicts[*place])).collect()
    };
    for who in [None, Some(code(TOWNSHIP)), Some(code(HOSPITAL))] {
        for (open, wanted) in [
            (Some(true), numbers(&[2, 0])),
            (Some(false), numbers(&[1])),
            (None, numbers(&[2, 1, 0])),
        ] {
            let query = CaseQuery { open, seen_by: who.clone(), ..all(10) };
            let rows = store.cases(query).await.unwrap();
            let listed: Vec<_> = rows.iter().map(|row| row.number.as_str().to_owned()).collect();
            assert_eq!(listed, wanted, "{who:?} {open:?}");
        }
    }
}

pub async fn a_past_target_sees_up_to_its_end(place: &Place) {
    let store = &*place.store;
    let opened = submit("m-1");
    let id = opened.id;
    let verdict = accepted(store, opened).await;
    let number = number_of(&verdict);
    let mut redirect = say(Kind::ReferralRedirect, HOSPITAL, "h-1", |message| {
        message["case"] = json!({ "number": number });
        message["body"]["to"] = json!(OTHER_HOSPITAL);
    });
    redirect.received_at = later(1);
    accepted(store, redirect).await;
    let mut accepting = answer(Kind::ReferralAccept, OTHER_HOSPITAL, "o-1", &verdict);
    accepting.received_at = later(2);
    accepted(store, accepting).await;

    let file = |who| store.case(CaseKey::Id(id), Some(code(who)));

    assert_eq!(file(TOWNSHIP).await.unwrap().unwrap().events.len(), 3);
    assert_eq!(file(OTHER_HOSPITAL).await.unwrap().unwrap().events.len(), 3);
    let past = file(HOSPITAL).await.unwrap().unwrap();
    let seen: Vec<u32> = past.events.iter().map(|event| event.number).collect();
    // As the lead hospital it may watch on; as a past target it sees what happened until then.
    let watches = past.case.watchers.contains(&code(HOSPITAL));
    assert_eq!(seen, if watches { vec![1, 2, 3] } else { vec![1, 2] });
}

/// A referral of the township that the other hospital redirected to the county hospital, which has
/// accepted it.
async fn redirected(store: &dyn Store) -> (Uuid, Verdict) {
    let opened = say(Kind::ReferralSubmit, TOWNSHIP, "m-1", |message| {
        message["body"]["from"]["organisation"] = json!(TOWNSHIP);
        message["body"]["to"]["organisation"] = json!(OTHER_HOSPITAL);
    });
    let id = opened.id;
    let verdict = accepted(store, opened).await;
    let number = number_of(&verdict);
    let mut redirect = say(Kind::ReferralRedirect, OTHER_HOSPITAL, "o-1", |message| {
        message["case"] = json!({ "number": number });
        message["body"]["to"] = json!(HOSPITAL);
    });
    redirect.received_at = later(1);
    accepted(store, redirect).await;
    let mut accepting = accept("h-1", &verdict);
    accepting.received_at = later(2);
    accepted(store, accepting).await;
    (id, verdict)
}

pub async fn a_case_that_has_left_is_listed_as_it_was_then(place: &Place) {
    let store = &*place.store;
    let (id, _) = redirected(store).await;
    let list = async |query: CaseQuery| {
        let seen_by = Some(code(OTHER_HOSPITAL));
        store.cases(CaseQuery { seen_by, limit: 10, ..query }).await.unwrap()
    };

    let file = store.case(CaseKey::Id(id), Some(code(OTHER_HOSPITAL))).await.unwrap().unwrap();
    let listed = list(CaseQuery::default()).await;

    let last = file.events.last().unwrap();
    assert_eq!(file.view, View::Until(later(1)));
    let told: Vec<_> = file.custody.iter().map(|row| row.delivery.id.to.as_str()).collect();
    assert_eq!(told, [OTHER_HOSPITAL, TOWNSHIP], "and not how the successor fares");
    assert_eq!(listed.len(), 1);
    let row = &listed[0];
    assert_eq!((row.state.as_str(), row.events), (last.to_state.as_str(), last.number));
    assert_eq!((row.changed_at, row.due_at), (later(1), None));
    assert_eq!((&row.target, &row.reviewer), (&code(OTHER_HOSPITAL), &None));
    // Being in such a list, or not, would tell where the case stands now.
    for state in ["submitted", "accepted"] {
        let state = Some(state.to_owned());
        assert!(list(CaseQuery { state, ..CaseQuery::default() }).await.is_empty());
    }
    let overdue_at = Some(later(365 * 86_400));
    assert!(list(CaseQuery { overdue_at, ..CaseQuery::default() }).await.is_empty());
    let with = Some(code(HOSPITAL));
    assert!(list(CaseQuery { with, ..CaseQuery::default() }).await.is_empty());
    assert!(list(CaseQuery { open: Some(true), ..CaseQuery::default() }).await.is_empty());
    assert_eq!(list(CaseQuery { open: Some(false), ..CaseQuery::default() }).await.len(), 1);
}

pub async fn pages_are_full_although_cases_have_left(place: &Place) {
    let store = &*place.store;
    for at in 0..6 {
        let opened = say(Kind::ReferralSubmit, TOWNSHIP, &format!("m-{at}"), |message| {
            message["body"]["from"]["organisation"] = json!(TOWNSHIP);
            message["body"]["to"]["organisation"] = json!(OTHER_HOSPITAL);
        });
        let verdict = accepted(store, opened).await;
        if at % 2 == 0 {
            let number = number_of(&verdict);
            let redirect =
                say(Kind::ReferralRedirect, OTHER_HOSPITAL, &format!("r-{at}"), |message| {
                    message["case"] = json!({ "number": number });
                    message["body"]["to"] = json!(HOSPITAL);
                });
            accepted(store, redirect).await;
        }
    }

    let state = Some("submitted".to_owned());
    let seen_by = Some(code(OTHER_HOSPITAL));
    let rows = store.cases(CaseQuery { state, seen_by, ..all(3) }).await.unwrap();

    assert_eq!(rows.len(), 3);
}

pub async fn linked_cases_are_told_to_those_who_have_a_part_in_them(place: &Place) {
    let store = &*place.store;
    let opened = submit("m-1");
    let parent = opened.id;
    let verdict = accepted(store, opened).await;
    accepted(store, accept("h-1", &verdict)).await;
    let number = number_of(&verdict);
    let asking = say(Kind::ConsultationRequest, HOSPITAL, "h-2", |message| {
        message["body"]["from"]["organisation"] = json!(HOSPITAL);
        message["body"]["to"]["organisation"] = json!(OTHER_HOSPITAL);
        message["body"]["experts"] = json!([]);
        message["body"]["parent"] = json!(number);
    });
    let child = asking.id;
    let asked = accepted(store, asking).await;
    let file = async |id, who: Option<&str>| {
        store.case(CaseKey::Id(id), who.map(code)).await.unwrap().unwrap()
    };
    let numbers = |file: &CaseFile| -> Vec<String> {
        file.children.iter().map(|number| number.as_str().to_owned()).collect()
    };

    // The county hospital has a part in both, and so has whoever runs the broker.
    for who in [Some(HOSPITAL), None] {
        assert_eq!(numbers(&file(parent, who).await), [number_of(&asked)], "{who:?}");
        let above = file(child, who).await.parent;
        assert_eq!(above.map(|above| above.as_str().to_owned()), Some(number.clone()), "{who:?}");
    }
    assert_eq!(numbers(&file(parent, Some(TOWNSHIP)).await), [""; 0]);
    assert_eq!(file(child, Some(OTHER_HOSPITAL)).await.parent, None);
}

pub async fn lists_show_what_the_core_says(place: &Place) {
    let store = &*place.store;
    let (id, verdict) = redirected(store).await;
    let mut cancelling = answer(Kind::ReferralCancel, TOWNSHIP, "c-1", &verdict);
    cancelling.received_at = later(3);
    let everybody = [TOWNSHIP, HOSPITAL, OTHER_HOSPITAL, OTHER_TOWNSHIP, STRANGER];

    for step in [None, Some(cancelling), Some(submit("m-2"))] {
        if let Some(work) = step {
            accepted(store, work).await;
        }
        let case = store.case(CaseKey::Id(id), None).await.unwrap().unwrap().case;
        for who in everybody.map(code) {
            let list = async |open| {
                let seen_by = Some(who.clone());
                let rows = store.cases(CaseQuery { open, seen_by, ..all(10) }).await.unwrap();
                rows.iter().any(|row| row.id == id)
            };
            let file = store.case(CaseKey::Id(id), Some(who.clone())).await.unwrap();

            let view = access::view(&case, Asker::Organisation(&who));
            let sees = view != View::Nothing;
            let open = access::is_open_for(&case, &who);
            assert_eq!(file.map_or(View::Nothing, |file| file.view), view, "{who}");
            assert_eq!(list(None).await, sees, "{who}");
            assert_eq!(list(Some(true)).await, open, "{who}");
            assert_eq!(list(Some(false)).await, sees && !open, "{who}");
        }
    }
}

pub async fn lists_narrow_down(place: &Place) {
    let store = &*place.store;
    let first = accepted(store, submit("m-1")).await;
    accepted(store, submit("m-2")).await;
    accepted(store, submit_from(OTHER_TOWNSHIP, "m-3")).await;
    accepted(store, accept("h-1", &first)).await;
    accepted(
        store,
        answer(Kind::ReferralCancel, TOWNSHIP, "c-1", &{ accepted(store, submit("m-4")).await }),
    )
    .await;

    let open = |query: CaseQuery| CaseQuery { open: Some(true), limit: 10, ..query };
    let none = CaseQuery::default;
    assert_eq!(count(store, open(none())).await, 3);
    assert_eq!(count(store, CaseQuery { open: Some(false), ..all(10) }).await, 1);
    let state = Some("accepted".to_owned());
    assert_eq!(count(store, open(CaseQuery { state, ..none() })).await, 1);
    let mine = Some(code(OTHER_TOWNSHIP));
    assert_eq!(count(store, open(CaseQuery { seen_by: mine, ..none() })).await, 1);
    let with = Some(code(HOSPITAL));
    assert_eq!(count(store, open(CaseQuery { with, ..none() })).await, 3);
    let with = Some(code(TOWNSHIP));
    assert_eq!(count(store, open(CaseQuery { with, ..none() })).await, 0);
    let family = Some(Family::Transfer);
    assert_eq!(count(store, open(CaseQuery { family, ..none() })).await, 0);
    let ended = CaseQuery {
        open: Some(false),
        family: Some(Family::Referral),
        state: Some("cancelled".to_owned()),
        ..all(10)
    };
    assert_eq!(count(store, ended).await, 1);
    assert_eq!(count(store, open(CaseQuery { overdue_at: Some(noon()), ..none() })).await, 0);
    let year = Some(later(365 * 86_400));
    assert_eq!(count(store, open(CaseQuery { overdue_at: year, ..none() })).await, 3);
}

pub async fn lanes_and_figures_count_what_is_there(place: &Place) {
    let store = &*place.store;
    for at in 0..3 {
        accepted(store, submit(&format!("m-{at}"))).await;
    }
    assert_eq!(store.figures(noon()).await.unwrap().unpublished, 3);
    let outgoing = publish(store, noon()).await;
    settle(store, &outgoing[0].id, 1, refused(), later(1)).await;
    settle(store, &outgoing[1].id, 1, taken(), later(2)).await;

    let lanes = store.lanes().await.unwrap();
    let figures = store.figures(noon()).await.unwrap();

    let lane = lanes.iter().find(|lane| lane.lane == code(HOSPITAL).into()).unwrap();
    assert_eq!((lane.waiting, lane.parked), (1, 1));
    assert_eq!((lane.oldest_at, lane.last_settled_at), (Some(noon()), Some(later(2))));
    assert!(!lane.paused);
    assert_eq!((figures.open, figures.overdue, figures.unpublished), (3, 0, 2), "two receipts");
}

/// A case of the village that the township has not let go yet, and its id.
async fn in_review(store: &dyn Store) -> (Uuid, Verdict) {
    let opened = submit_from(VILLAGE, "v-1");
    let id = opened.id;
    (id, accepted(store, opened).await)
}

pub async fn a_target_sees_nothing_before_the_review_let_the_case_go(place: &Place) {
    let store = &*place.store;
    let (id, verdict) = in_review(store).await;
    let number = tierlink_schemas::CaseNumber::read(&number_of(&verdict)).unwrap();
    let seen_by = || Some(code(HOSPITAL));
    let sees = async || {
        let mut seen = Vec::new();
        for key in [CaseKey::Id(id), CaseKey::Number(number.clone())] {
            seen.push(store.case(key, seen_by()).await.unwrap().is_some());
        }
        seen.push(store.message(id, seen_by()).await.unwrap().is_some());
        let none = CaseQuery::default;
        let queries = [
            none(),
            CaseQuery { open: Some(true), ..none() },
            CaseQuery { open: Some(false), ..none() },
            CaseQuery { family: Some(Family::Referral), ..none() },
            CaseQuery { state: Some("in_review".to_owned()), ..none() },
            CaseQuery { state: Some("submitted".to_owned()), ..none() },
            CaseQuery { with: Some(code(HOSPITAL)), ..none() },
            CaseQuery { with: Some(code(TOWNSHIP)), ..none() },
            CaseQuery { overdue_at: Some(later(365 * 86_400)), ..none() },
        ];
        for query in queries {
            let query = CaseQuery { seen_by: seen_by(), limit: 10, ..query };
            seen.push(count(store, query).await > 0);
        }
        seen.contains(&true)
    };

    assert!(!sees().await, "in review");
    // A release before this one wrote down the target, too.
    let sql = format!(
        "INSERT INTO case_parties (organisation, case_id, open)
         SELECT '{HOSPITAL}', id, {} FROM cases",
        if store.name() == "sqlite" { "1" } else { "true" }
    );
    crate::acting::execute(place, &sql).await;
    assert!(!sees().await, "written down by an earlier release");
    accepted(store, answer(Kind::ReferralReturn, TOWNSHIP, "t-1", &verdict)).await;
    assert!(!sees().await, "returned");
    let township = Some(code(TOWNSHIP));
    assert!(store.case(CaseKey::Id(id), township).await.unwrap().is_some(), "the reviewer sees it");

    let again = say(Kind::ReferralAmend, VILLAGE, "v-2", |message| {
        message["case"] = json!({ "number": number.as_str() });
        message["body"]["from"]["organisation"] = json!(VILLAGE);
        message["body"]["to"]["organisation"] = json!(HOSPITAL);
    });
    accepted(store, again).await;
    assert!(!sees().await, "amended");
    accepted(store, answer(Kind::ReferralReview, TOWNSHIP, "t-2", &verdict)).await;
    assert!(sees().await, "let go");
    let open = CaseQuery { seen_by: seen_by(), open: Some(true), ..all(10) };
    assert_eq!(count(store, open).await, 1);
}

pub async fn a_past_target_is_not_told_how_urgent_a_case_became(place: &Place) {
    let store = &*place.store;
    let (id, verdict) = redirected(store).await;
    let number = number_of(&verdict);
    let mut urgent = say(Kind::ReferralAmend, TOWNSHIP, "u-1", |message| {
        message["case"] = json!({ "number": number });
        message["priority"] = json!("emergency");
        message["body"]["from"]["organisation"] = json!(TOWNSHIP);
        message["body"]["to"]["organisation"] = json!(HOSPITAL);
    });
    urgent.received_at = later(3);
    let before = store.case(CaseKey::Id(id), Some(code(OTHER_HOSPITAL))).await.unwrap().unwrap();
    accepted(store, urgent).await;

    let file = store.case(CaseKey::Id(id), Some(code(OTHER_HOSPITAL))).await.unwrap().unwrap();
    let mine = CaseQuery { seen_by: Some(code(OTHER_HOSPITAL)), ..all(10) };
    let listed = store.cases(mine).await.unwrap();

    assert_eq!(file.case.priority, Priority::Emergency);
    assert_ne!(before.priority, Priority::Emergency);
    assert_eq!((file.priority, listed[0].priority), (before.priority, before.priority));
}
