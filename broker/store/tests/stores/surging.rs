//! What PostgreSQL does when much arrives after a quiet night, in which it took its statistics.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::open::postgres;
use crate::said::{accepted, noon, publish, submit};

/// Enough to be more than a handful of pages.
const SETTLED: u32 = 20_000;
const SURGE: usize = 60;

async fn run(db: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(db).await.unwrap();
}

async fn count(db: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
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
    // A connection tells what it has scanned when it ends.
    store.close().await;
    place.store.close().await;
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while count(&mut db, others).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lookups =
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'deliveries_pkey'";
    let lookups = count(&mut db, lookups).await;
    db.close().await.unwrap();
    place.clear().await;

    assert_eq!(published.len(), SURGE);
    assert!(usize::try_from(lookups).unwrap() >= SURGE, "{lookups} of {SURGE} were looked up");
}
