//! Promises about running a store: deadlines, tables, tokens, health.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tierlink_store::{Act, Acted, CaseKey, Error, Scope, TokenRow, open};
use uuid::Uuid;

use crate::county::{HOSPITAL, TOWNSHIP, code, core, doubtful_core};
use crate::open::{Place, empty_postgres, empty_sqlite, postgres_made_with};
use crate::said::{accepted, act, commit_one, later, noon, publish, submit};

fn escalation_ids() -> Vec<Uuid> {
    (0..10).map(|_| Uuid::now_v7()).collect()
}

pub async fn deadlines_escalate_and_move_on(place: &Place) {
    let store = &*place.store;
    let opened = submit("m-1");
    let id = opened.id;
    accepted(store, opened).await;
    let due = store.case(CaseKey::Id(id), None).await.unwrap().unwrap().case.next_due().unwrap();
    publish(store, noon()).await;

    let early = store.escalate(noon(), 10, escalation_ids(), core()).await.unwrap();
    let escalated = store.escalate(due, 10, escalation_ids(), core()).await.unwrap();
    let again = store.escalate(due, 10, escalation_ids(), core()).await.unwrap();

    assert_eq!((early, escalated, again), (0, 1, 0));
    let file = store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    assert_eq!(file.events.len(), 2);
    assert!(file.events[1].note.as_deref().is_some_and(|note| note.starts_with("overdue:")));
    assert!(file.case.next_due().is_some_and(|next| next > due));
    assert!(file.custody.len() > 1, "somebody is told");
}

pub async fn migrating_twice_is_harmless(place: &Place) {
    accepted(&*place.store, submit("m-1")).await;

    let nothing = place.store.migrate().await.unwrap();
    let other = place.another().await;
    let (one, two) = tokio::join!(place.store.migrate(), other.migrate());

    assert!(nothing.is_empty(), "{nothing:?}");
    assert!(one.unwrap().is_empty() && two.unwrap().is_empty());
    assert_eq!(publish(&*place.store, noon()).await.len(), 1);
    other.close().await;
}

pub async fn old_tables_are_refused(place: &Place) {
    let empty =
        if place.store.name() == "sqlite" { empty_sqlite() } else { empty_postgres().await };

    let refused = open(&empty.url, 1).await.err().unwrap();
    let applied = empty.store.migrate().await.unwrap();
    let opened = open(&empty.url, 1).await;

    assert!(matches!(refused, Error::NotMigrated), "{refused:?}");
    assert_eq!(refused.code().as_str(), "S004");
    assert!(applied[0].starts_with("0001"), "{applied:?}");
    opened.unwrap().close().await;
    empty.clear().await;
}

pub async fn newer_tables_are_no_obstacle(place: &Place) {
    let sql = "INSERT INTO _sqlx_migrations \
        (version, description, success, checksum, execution_time) \
        VALUES (9999, 'of a later release', true, $1, 1)";
    let checksum = vec![1_u8; 48];
    if place.store.name() == "sqlite" {
        let path = place.url.strip_prefix("sqlite:").unwrap();
        let pool = sqlx::SqlitePool::connect(path).await.unwrap();
        sqlx::query(sql).bind(checksum).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
        sqlx::query(sql).bind(checksum).execute(&pool).await.unwrap();
        pool.close().await;
    }

    let opened = place.another().await;

    accepted(&*opened, submit("m-1")).await;
    assert!(opened.migrate().await.unwrap().is_empty());
    assert_eq!(opened.newer_tables().await.unwrap(), [9999]);
    opened.close().await;
}

pub async fn tokens_live_until_they_are_revoked(place: &Place) {
    let store = &*place.store;
    let token = |name: &str, organisation| TokenRow {
        name: name.to_owned(),
        organisation,
        hash: [7; 32],
        created_at: noon(),
        expires_at: Some(later(60)),
        scopes: BTreeSet::from([Scope::CasesRead]),
        last_used_at: None,
    };
    let create = |name: &str, whose| Act::CreateToken(token(name, whose));
    let made = act(store, create("his", Some(code(TOWNSHIP))), noon()).await;
    let too = act(store, create("operator", None), noon()).await;

    let twice = act(store, create("his", None), noon()).await;
    let revoked = act(store, Act::RevokeToken("his".to_owned()), later(1)).await;
    let again = act(store, Act::RevokeToken("his".to_owned()), later(2)).await;

    assert_eq!((made, too), (Acted::Done, Acted::Done));
    assert_eq!((twice, revoked, again), (Acted::NameTaken, Acted::Done, Acted::Unknown));
    assert_eq!(store.tokens().await.unwrap(), [token("operator", None)]);
    let anew = act(store, create("his", Some(code(HOSPITAL))), later(3)).await;
    assert_eq!((anew, store.tokens().await.unwrap().len()), (Acted::Done, 2));
    // Uses are noted whole processes later, in any order: the last one counts.
    let uses = [("his", later(9)), ("his", later(8)), ("gone", later(9))];
    for (name, at) in uses {
        store.note_token_uses(vec![(name.to_owned(), at)]).await.unwrap();
    }
    let used: Vec<_> =
        store.tokens().await.unwrap().into_iter().map(|it| it.last_used_at).collect();
    assert_eq!(used, [Some(later(9)), None]);
}

pub async fn a_dropped_caller_harms_nobody(place: &Place) {
    for round in 0..40_u64 {
        let work = submit(&format!("m-{round}"));
        let mut again = work.clone();
        again.id = Uuid::now_v7();
        let wait = std::time::Duration::from_micros(round * 150);
        // The sender hangs up in the middle.
        let cut = tokio::time::timeout(wait, commit_one(&*place.store, work)).await;

        let judged = commit_one(&*place.store, again).await;

        assert!(judged.verdict.is_positive(), "{cut:?} {judged:?}");
    }
    let cases = tierlink_store::CaseQuery { limit: 100, ..Default::default() };
    assert_eq!(place.store.cases(cases).await.unwrap().len(), 40);
}

pub async fn a_healthy_store_says_so(place: &Place) {
    place.store.healthy().await.unwrap();
    place.store.close().await;

    let closed = place.store.healthy().await.err().unwrap();

    assert!(matches!(closed, Error::Closing { .. }), "{closed:?}");
    assert_eq!(closed.code().as_str(), "S005");
}

pub async fn no_case_ends_while_the_clock_is_in_doubt(place: &Place) {
    let store = &*place.store;
    let opened = submit("m-1");
    let id = opened.id;
    accepted(store, opened).await;
    let case = async || store.case(CaseKey::Id(id), None).await.unwrap().unwrap();
    let month = later(31 * 86_400);

    for _ in 0..5 {
        store.escalate(month, 10, escalation_ids(), doubtful_core()).await.unwrap();
    }

    let file = case().await;
    assert!(!file.case.state.is_terminal(), "{}", file.case.state.as_str());
    let notes: Vec<&str> = file.events.iter().filter_map(|event| event.note.as_deref()).collect();
    assert_eq!(notes, ["overdue:accept,clock_in_doubt"], "reported once, and it says so");
    // The clock is right again: what it wrote is set right, and the case is called in its time.
    let soon = later(60);
    assert!(file.case.next_due().unwrap() > soon);
    assert_eq!(store.escalate(later(3 * 86_400), 10, escalation_ids(), core()).await.unwrap(), 0);
    let page = store.set_right(soon, None, 1, core()).await.unwrap();
    assert_eq!(page.corrected, 1);
    let rest = store.set_right(soon, page.next, 1, core()).await.unwrap();
    assert_eq!((rest.corrected, rest.next), (0, None));
    let called = store.escalate(later(3 * 86_400), 10, escalation_ids(), core()).await.unwrap();
    assert_eq!(called, 1);
    assert_eq!(store.set_right(later(3 * 86_400), None, 10, core()).await.unwrap().corrected, 0);
    // And it may end by a clock that is certain.
    store.escalate(month, 10, escalation_ids(), core()).await.unwrap();
    assert_eq!(case().await.case.state.as_str(), "expired");
}

/// Seen to fail while the finer time of the case was compared with the column: every restart told of a
/// clock that had been ahead.
pub async fn what_no_clock_wrote_wrongly_is_left_as_it_is(place: &Place) {
    let store = &*place.store;
    let mut opened = submit("m-1");
    opened.received_at += SignedDuration::from_nanos(123);
    accepted(store, opened).await;

    let page = store.set_right(later(1), None, 10, core()).await.unwrap();

    assert_eq!(page.corrected, 0);
}

pub async fn a_store_tells_the_time_that_it_knows(place: &Place) {
    let store = &*place.store;
    assert_eq!(store.time().await.unwrap().newest, None);
    accepted(store, submit("m-1")).await;
    assert_eq!(act(store, Act::VouchForClock, later(1)).await, Acted::Done);

    let time = store.time().await.unwrap();

    assert_eq!((time.newest, time.vouched), (Some(noon()), 1));
    assert_eq!(time.server.is_some(), store.name() == "postgres");
    let now = jiff::Timestamp::now();
    assert!(time.server.is_none_or(|at| now.duration_since(at).abs().as_secs() < 60));
}

pub async fn a_database_that_cannot_hold_every_character_is_refused(place: &Place) {
    // SQLite knows only encodings that can.
    if place.store.name() == "sqlite" {
        return;
    }
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let options =
            format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        let foreign = postgres_made_with(&options).await;

        let migrated = foreign.store.migrate().await.err().unwrap();
        let opened = open(&foreign.url, 1).await.err().unwrap();

        for refused in [migrated, opened] {
            assert!(matches!(refused, Error::NotUnicode { .. }), "{refused:?}");
            assert_eq!(refused.code().as_str(), "S006");
            assert!(refused.to_string().contains(encoding), "{refused}");
        }
        foreign.clear().await;
    }
}
