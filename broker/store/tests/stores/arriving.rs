//! Promises about messages that arrive: once, whole, and with the verdict that they deserve.

use serde_json::json;
use tierlink_core::find::Key;
use tierlink_schemas::{Kind, Refusal, SystemName, Verdict, Version};
use tierlink_store::{
    CaseKey, Content, Error, REFUSAL_BYTES_MAX, REFUSALS_KEPT_MAX, REFUSED_BYTES_KEPT_MAX,
    RefusalQuery,
};

use crate::county::{HOSPITAL, TOWNSHIP, code, core, spoilt_core};
use crate::open::Place;
use crate::said::{
    accept, accepted, amend, commit, commit_one, noon, number_of, publish, refusal_code, say,
    settlement, submit, taken,
};

pub async fn what_was_written_is_what_is_read(place: &Place) {
    let work = submit("m-1");
    let Content::Message(asked) = work.content.clone() else { panic!("it is a message") };
    let (id, raw) = (work.id, work.raw.clone());

    let verdict = accepted(&*place.store, work).await;

    let file = place.store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    assert_eq!(file.case.number.as_str(), number_of(&verdict));
    assert_eq!(file.case.context.patient.name, asked.message.patient().unwrap().name);
    assert_eq!(file.case.opened_at, noon());
    assert_eq!(file.events.len(), 1);
    assert_eq!((file.events[0].number, file.events[0].kind), (1, Kind::ReferralSubmit));
    let to: Vec<&str> = file.custody.iter().map(|row| row.delivery.id.to.as_str()).collect();
    assert_eq!(to, [HOSPITAL]);
    let kept = place.store.message(id, None).await.unwrap().unwrap();
    assert_eq!(kept.raw, raw);
    assert_eq!(kept.format, "json");
    assert_eq!(kept.message.body, asked.message.body);
    assert_eq!(kept.message.case.number, Some(file.case.number.clone()));
}

pub async fn a_message_shows_the_code_maps_that_read_and_wrote_it(place: &Place) {
    let store = &*place.store;
    let read_by =
        Version { label: Some("2026-03".to_owned()), hash: "00112233aabbccdd".to_owned() };
    let written_by = Version { label: None, hash: "ffeeddccbbaa9988".to_owned() };
    for (at, source_id) in ["m-1", "m-2"].into_iter().enumerate() {
        let mut work = submit(source_id);
        work.code_map = Some(read_by.clone());
        let id = work.id;

        accepted(store, work).await;
        for row in publish(store, noon()).await {
            let mut settlement = settlement(&row.id, row.round, taken(), noon());
            settlement.code_map = Some(written_by.clone());
            store.settle(vec![settlement], core()).await.unwrap();
        }

        let file = store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
        let message = store.message(id, None).await.unwrap().unwrap();
        assert_eq!(message.code_map.as_ref(), Some(&read_by), "message {at}");
        assert_eq!(file.events[0].code_map.as_ref(), Some(&read_by), "event of message {at}");
        assert_eq!(file.custody[0].code_map.as_ref(), Some(&written_by), "delivery {at}");
    }
}

pub async fn a_repeat_gets_the_first_verdict_again(place: &Place) {
    let first = submit("m-1");
    let mut again = first.clone();
    again.id = uuid::Uuid::now_v7();
    let id = first.id;
    let accepted_first = accepted(&*place.store, first).await;
    // The case goes on meanwhile: the repeat hears what the first one heard all the same.
    accepted(&*place.store, accept("h-1", &accepted_first)).await;

    let judged = commit_one(&*place.store, again).await;

    let Verdict::Accepted { case_number, state, .. } = accepted_first else { panic!("accepted") };
    assert_eq!(judged.verdict, Verdict::Repeated { message: id, case_number, state });
    assert_eq!(judged.deliveries, 0);
    let file = place.store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    assert_eq!(file.events.len(), 2);
}

pub async fn a_repeat_within_one_batch_is_a_repeat(place: &Place) {
    let first = submit("m-1");
    let mut again = first.clone();
    again.id = uuid::Uuid::now_v7();
    let id = first.id;

    let judged = commit(&*place.store, vec![first, again]).await;

    assert!(matches!(judged[0].verdict, Verdict::Accepted { message, .. } if message == id));
    assert!(matches!(judged[1].verdict, Verdict::Repeated { message, .. } if message == id));
    assert_eq!(publish(&*place.store, noon()).await.len(), 1);
}

pub async fn the_same_id_with_other_content_is_a_conflict(place: &Place) {
    accepted(&*place.store, submit("m-1")).await;
    let mut other = submit("m-1");
    other.fingerprint = [9; 32];
    let id = other.id;

    let judged = commit_one(&*place.store, other).await;

    assert!(judged.conflict);
    assert_eq!(refusal_code(&judged), "S010");
    assert!(matches!(judged.verdict, Verdict::Refused { refusal: Refusal::Conflict, .. }));
    let query = RefusalQuery { id: Some(id), ..RefusalQuery::default() };
    let kept = place.store.refusals(query).await.unwrap();
    assert_eq!(kept[0].raw, b"raw m-1");
    assert_eq!(kept[0].source_message_id.as_deref(), Some("m-1"));
}

pub async fn a_refused_message_is_judged_anew_when_it_comes_again(place: &Place) {
    let opened = submit("m-1");
    let other = submit("m-2");
    let verdict = accepted(&*place.store, other).await;
    // Nobody accepts a case that does not exist yet.
    let mut early = accept("h-1", &verdict);
    let Content::Message(asked) = &mut early.content else { panic!("it is a message") };
    asked.keys = vec![Key::Id(opened.id)];
    let mut again = early.clone();
    again.id = uuid::Uuid::now_v7();
    let refused = commit_one(&*place.store, early).await;
    assert!(matches!(refused.verdict, Verdict::Refused { .. }), "{refused:?}");
    accepted(&*place.store, opened).await;

    let judged = commit_one(&*place.store, again).await;

    assert!(matches!(judged.verdict, Verdict::Accepted { .. }), "{judged:?}");
}

pub async fn messages_of_one_batch_see_each_other(place: &Place) {
    let opened = submit("m-1");
    let id = opened.id;
    let mut answered = say(Kind::ReferralAccept, HOSPITAL, "h-1", |_| {});
    let Content::Message(asked) = &mut answered.content else { panic!("it is a message") };
    asked.keys =
        vec![Key::Theirs { organisation: Some(code(TOWNSHIP)), number: "N-m-1".to_owned() }];

    let judged = commit(&*place.store, vec![opened, answered]).await;

    assert!(judged.iter().all(|one| one.verdict.is_positive()), "{judged:?}");
    let file = place.store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    let states: Vec<&str> = file.events.iter().map(|event| event.to_state.as_str()).collect();
    assert_eq!(states, ["submitted", "accepted"]);
}

pub async fn a_batch_is_written_whole_or_not_at_all(place: &Place) {
    let verdict = accepted(&*place.store, submit("m-1")).await;
    let fine = submit("m-2");
    let fine_id = fine.id;
    // Its event gets a number that is taken, so the database refuses the whole batch.
    let clashing = accept("h-1", &verdict);

    let outcome = place.store.commit([fine, clashing].into(), spoilt_core()).await;

    assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
    assert!(place.store.message(fine_id, None).await.unwrap().is_none());
    assert!(place.store.case(CaseKey::Id(fine_id), None).await.unwrap().is_none());
    assert_eq!(publish(&*place.store, noon()).await.len(), 1);
    // Nothing of it stands in the way of trying again.
    accepted(&*place.store, submit("m-2")).await;
}

pub async fn what_cannot_be_stored_is_refused_by_its_field(place: &Place) {
    let nul = submit("m\u{0}1");
    let mut number = submit("m-2");
    let Content::Message(asked) = &mut number.content else { panic!("it is a message") };
    asked.message.case.numbers[0].number.push('\0');
    let fine = submit("m-3");

    let judged = commit(&*place.store, vec![nul, number, fine]).await;

    let problem = |at: usize| match &judged[at].verdict {
        Verdict::Refused { problems, .. } => {
            (problems[0].code.as_str().to_owned(), problems[0].field.clone())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(0), ("S011".to_owned(), "source.message_id".to_owned()));
    assert_eq!(problem(1), ("S011".to_owned(), "case.numbers".to_owned()));
    assert!(judged[2].verdict.is_positive());
}

pub async fn refusals_are_kept_within_a_limit(place: &Place) {
    let refusal = |at: u32| {
        let mut work = submit(&format!("m-{at}"));
        let verdict = Verdict::refused(Refusal::Unreadable, crate::said::problem());
        work.content = Content::Refused { verdict, source_message_id: None };
        work
    };
    let oldest = refusal(0);
    let oldest_id = oldest.id;
    commit(&*place.store, vec![oldest]).await;
    for portion in 0..REFUSALS_KEPT_MAX / 100 {
        let works = (0..100).map(|at| refusal(portion * 100 + at)).collect();
        commit(&*place.store, works).await;
    }

    let newest = refusal(0);
    let newest_id = newest.id;
    commit(&*place.store, vec![newest]).await;

    let one = |id| RefusalQuery { id: Some(id), ..RefusalQuery::default() };
    assert!(place.store.refusals(one(oldest_id)).await.unwrap().is_empty());
    assert_eq!(place.store.refusals(one(newest_id)).await.unwrap().len(), 1);
    let listed = RefusalQuery { limit: 5, ..RefusalQuery::default() };
    let listed = place.store.refusals(listed).await.unwrap();
    assert_eq!(listed.len(), 5);
    assert!(listed.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert!(listed.iter().all(|row| row.raw.is_empty()));
}

pub async fn a_refusal_shows_the_system_and_the_code_map_that_read_it(place: &Place) {
    let store = &*place.store;
    let version =
        Version { label: Some("2026-03".to_owned()), hash: "00112233aabbccdd".to_owned() };
    let system = SystemName::new("ecg").unwrap();
    let mut works = Vec::new();
    // One that its format could not read, and one that the core refuses.
    let mut unreadable = submit("m-1");
    let verdict = Verdict::refused(Refusal::Unreadable, crate::said::problem());
    unreadable.content = Content::Refused { verdict, source_message_id: None };
    works.push(unreadable);
    works.push(say(Kind::ReferralAccept, HOSPITAL, "h-1", |message| {
        message["case"] = json!({ "number": "R2600000011" });
    }));
    let ids: Vec<_> = works.iter().map(|work| work.id).collect();
    for work in &mut works {
        (work.system, work.code_map) = (Some(system.clone()), Some(version.clone()));
    }

    let judged = commit(store, works).await;

    assert!(judged.iter().all(|one| !one.verdict.is_positive()), "{judged:?}");
    for id in ids {
        let query = RefusalQuery { id: Some(id), ..RefusalQuery::default() };
        let kept = store.refusals(query).await.unwrap().remove(0);
        assert_eq!((kept.system, kept.code_map), (Some(system.clone()), Some(version.clone())));
    }
    let unmapped = RefusalQuery { limit: 10, ..RefusalQuery::default() };
    assert_eq!(store.refusals(unmapped).await.unwrap().len(), 2);
}

pub async fn of_what_is_refused_the_beginning_is_kept_and_no_more_than_a_budget(place: &Place) {
    let refusal = |at: u32| {
        let mut work = submit(&format!("m-{at}"));
        let verdict = Verdict::refused(Refusal::Unreadable, crate::said::problem());
        work.content = Content::Refused { verdict, source_message_id: None };
        work.raw = vec![b'x'; 3 * REFUSAL_BYTES_MAX].into();
        work
    };
    let whole = REFUSED_BYTES_KEPT_MAX / u32::try_from(REFUSAL_BYTES_MAX).unwrap();
    let mut ids = Vec::new();
    for at in 0..whole + 10 {
        let work = refusal(at);
        ids.push(work.id);
        commit(&*place.store, vec![work]).await;
    }

    let one = |id| RefusalQuery { id: Some(id), ..RefusalQuery::default() };
    let newest = place.store.refusals(one(*ids.last().unwrap())).await.unwrap();
    assert_eq!(newest[0].raw, vec![b'x'; REFUSAL_BYTES_MAX]);
    assert!(place.store.refusals(one(ids[9])).await.unwrap().is_empty());
    assert_eq!(place.store.refusals(one(ids[10])).await.unwrap().len(), 1);
}

pub async fn a_query_is_answered_to_the_asker_alone(place: &Place) {
    let verdict = accepted(&*place.store, submit("m-1")).await;
    publish(&*place.store, noon()).await;
    let number = number_of(&verdict);
    let query = say(Kind::StatusQuery, TOWNSHIP, "q-1", |message| {
        message["case"] = json!({ "number": number });
    });

    let judged = commit_one(&*place.store, query).await;

    assert!(judged.verdict.is_positive(), "{judged:?}");
    let outgoing = publish(&*place.store, noon()).await;
    let to: Vec<&str> = outgoing.iter().map(|row| row.id.to.as_str()).collect();
    assert_eq!(to, [TOWNSHIP]);
    let answer = tierlink_schemas::message::from_slice(&outgoing[0].body).unwrap();
    assert_eq!(answer.kind(), Kind::StatusReport);
}

pub async fn a_case_is_found_by_every_name_it_has(place: &Place) {
    let opened = submit("m-1");
    let id = opened.id;
    accepted(&*place.store, opened).await;
    let file = place.store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    let wire = tierlink_schemas::message::control_id(id);
    let (first, last) = tierlink_schemas::message::ids_of_control_id(&wire).unwrap();
    let keys = [
        Key::Id(id),
        Key::Number(file.case.number.clone()),
        Key::Theirs { organisation: Some(code(TOWNSHIP)), number: "N-m-1".to_owned() },
        Key::Theirs { organisation: None, number: "N-m-1".to_owned() },
        Key::Answered { first, last },
        Key::AnsweredId(id),
    ];

    for (at, key) in keys.into_iter().enumerate() {
        let mut work = amend(
            &format!("a-{at}"),
            &Verdict::Accepted {
                message: id,
                case_number: Some(file.case.number.clone()),
                state: None,
            },
        );
        let Content::Message(asked) = &mut work.content else { panic!("it is a message") };
        asked.keys = vec![key.clone()];
        let judged = place.store.commit([work].into(), core()).await.unwrap();
        assert!(judged[0].verdict.is_positive(), "{key:?}: {judged:?}");
    }
}
