//! What PostgreSQL reads: beside much of others, and when much arrives after a quiet night, in which
//! it took its statistics.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_schemas::Kind;
use tierlink_store::{CaseQuery, Store};

use crate::county::{HOSPITAL, TOWNSHIP, code};
use crate::open::{Place, postgres};
use crate::said::{accepted, answer, noon, publish, submit};

/// Enough to be more than a handful of pages.
const SETTLED: u32 = 20_000;
const SURGE: usize = 60;
/// Cases of others, and a page of one's own.
const OTHERS: i64 = 20_000;
const PAGE: u32 = 10;

async fn run(db: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(db).await.unwrap();
}

async fn count(db: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
}

/// Waits until all connections but ours are gone: each tells what it has read when it ends.
async fn end(store: &dyn Store, place: &Place, db: &mut PgConnection) {
    store.close().await;
    place.store.close().await;
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while count(db, others).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_by_its_key_is_not_looked_for_among_all_that_waits() {
    let place = postgres().await;
    let mut db = PgConnection::connect(&place.url).await.unwrap();
    run(&mut db, "SET session_replication_role = replica".to_owned()).await;
    let sql = format!(
        "INSERT INTO deliveries (message_id, destination, number, state, round, attempts, created_at)
        SELECT gen_random_uuid(), 'QUIET', 1, 'delivered', 1, 1, 0 FROM generate_series(1, {SETTLED})"
    );
    run(&mut db, sql).await;
    run(&mut db, "VACUUM ANALYZE".to_owned()).await;

    let store = place.another().await;
    for number in 0..SURGE {
        accepted(&*store, submit(&format!("m-{number}"))).await;
    }
    let published = publish(&*store, noon()).await;
    end(&*store, &place, &mut db).await;
    let lookups =
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'deliveries_pkey'";
    let lookups = count(&mut db, lookups).await;
    db.close().await.unwrap();
    place.clear().await;

    assert_eq!(published.len(), SURGE);
    assert!(usize::try_from(lookups).unwrap() >= SURGE, "{lookups} of {SURGE} were looked up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_one_reads_no_cases_of_others() {
    for open in [true, false] {
        let place = postgres().await;
        let mut db = PgConnection::connect(&place.url).await.unwrap();
        let sql = format!(
            "WITH made AS (
                INSERT INTO cases (id, number, family, state, open, origin, target, priority,
                    urgency, opened_at, changed_at, events, body)
                SELECT ('ffffffff' || lpad(to_hex(n), 24, '0'))::uuid, 'N' || n, 'referral',
                    'submitted', {open}, 'A', 'B', 'urgent', 1, n, n, 1, ''
                FROM generate_series(1, {OTHERS}) AS n
                RETURNING id, urgency, changed_at)
            INSERT INTO case_parties (organisation, case_id, open, urgency, changed_at)
            SELECT organisation, id, {open}, urgency, changed_at
            FROM made CROSS JOIN (VALUES ('A'), ('B')) AS parties (organisation)
            ORDER BY id"
        );
        run(&mut db, sql).await;
        run(&mut db, "VACUUM ANALYZE".to_owned()).await;
        let store = place.another().await;
        for number in 0..2 * PAGE {
            let opened = accepted(&*store, submit(&format!("m-{number}"))).await;
            if !open {
                let id = format!("c-{number}");
                accepted(&*store, answer(Kind::ReferralCancel, TOWNSHIP, &id, &opened)).await;
            }
        }
        store.close().await;
        let read = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes \
             WHERE relname IN ('cases', 'case_parties')";
        let store = place.another().await;
        let query = CaseQuery {
            open: Some(open),
            seen_by: Some(code(HOSPITAL)),
            limit: PAGE,
            ..CaseQuery::default()
        };
        let before = count(&mut db, read).await;
        let page = store.cases(query).await.unwrap();
        end(&*store, &place, &mut db).await;
        let read = count(&mut db, read).await - before;
        db.close().await.unwrap();
        place.clear().await;

        assert_eq!(page.len(), PAGE as usize);
        assert!(read <= OTHERS / 10, "{read} entries were read for {PAGE} (open: {open})");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_on_behind_what_a_release_without_worklists_wrote() {
    let place = postgres().await;
    for number in 0..3 * PAGE {
        accepted(&*place.store, submit(&format!("m-{number}"))).await;
    }
    let mut db = PgConnection::connect(&place.url).await.unwrap();
    let first = "UPDATE case_parties SET urgency = DEFAULT, changed_at = DEFAULT WHERE case_id IN
        (SELECT id FROM cases ORDER BY id LIMIT 5)";
    run(&mut db, first.to_owned()).await;
    db.close().await.unwrap();

    let mut seen = HashSet::new();
    let mut after = None;
    loop {
        let query = CaseQuery {
            open: Some(true),
            seen_by: Some(code(HOSPITAL)),
            after,
            limit: 3,
            ..CaseQuery::default()
        };
        let page = place.store.cases(query).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.changed_at, last.id));
        for row in &page {
            assert!(seen.insert(row.id), "{} is shown twice", row.number);
        }
    }
    place.clear().await;

    assert_eq!(seen.len(), 3 * PAGE as usize);
}
