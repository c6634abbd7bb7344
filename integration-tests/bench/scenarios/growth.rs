//! A store that has seen a million cases: does it still take, list and find as quickly as an empty
//! one?
//!
//! One referral is sent, delivered and cancelled by a real broker. Its rows are then copied by SQL
//! with numbers of their own, spread over a year: every table and index gets what real life would
//! have left there.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::hospitals::{HttpSender, said};

use super::{CONNECTIONS, clear, fresh_ground, rabbit, settle_disk};
use crate::load;
use crate::sizes::Sizes;
use crate::table::{Figure, Limit};
use crate::timing::Times;
use crate::town::{Ground, Relay, Town, code};

/// Cases that one statement writes.
const TOGETHER: u32 = 5_000;
/// Connections that write.
const WRITERS: u32 = 2;
/// Whose worklist is looked at.
const LOOKS: usize = 1;
/// The functions that the copying needs, for one connection.
const FUNCTIONS: &str = include_str!("../fill/functions.sql");
/// Copies the rows of the first case, for the numbers from $1 to $2.
const COPIES: [&str; 7] = [
    include_str!("../fill/copies.sql"),
    include_str!("../fill/messages.sql"),
    include_str!("../fill/cases.sql"),
    include_str!("../fill/parties.sql"),
    include_str!("../fill/numbers.sql"),
    include_str!("../fill/events.sql"),
    include_str!("../fill/deliveries.sql"),
];

/// A database with closed cases.
pub struct Filled {
    /// Its address.
    pub store: String,
    cases: u32,
}

impl Filled {
    /// Makes it.
    pub async fn new(sizes: Sizes) -> Result<Self> {
        let ground = fresh_ground().await?;
        let Ground::Production { store, .. } = &ground else { unreachable!("just made") };
        let mut town = Town::open(ground.clone(), Relay::Here).await?;
        close_one_case(&town, store).await?;
        town.stop().await?;
        let begun = Instant::now();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(copy(store.clone(), writer, sizes.cases));
        }
        while let Some(done) = writers.join_next().await {
            done??;
        }
        let mut db = PgConnection::connect(store).await?;
        sqlx::query("VACUUM ANALYZE").execute(&mut db).await?;
        sqlx::query("CHECKPOINT").execute(&mut db).await?;
        db.close().await?;
        tell(&format!("{} closed cases made in {} s", sizes.cases, begun.elapsed().as_secs()));
        Ok(Self { store: store.clone(), cases: sizes.cases })
    }

    /// Takes out what a measurement left open, so that the next one finds the same store.
    async fn sweep(&self) -> Result<()> {
        let mut db = PgConnection::connect(&self.store).await?;
        sqlx::query("SET session_replication_role = replica").execute(&mut db).await?;
        sqlx::query("CREATE TEMP TABLE left_open AS SELECT id FROM cases WHERE open")
            .execute(&mut db)
            .await?;
        for table in ["deliveries", "events", "case_numbers", "case_parties", "messages"] {
            let sql = format!("DELETE FROM {table} WHERE case_id IN (SELECT id FROM left_open)");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut db).await?;
        }
        sqlx::query("DELETE FROM cases WHERE open").execute(&mut db).await?;
        for table in ["deliveries", "events", "case_numbers", "case_parties", "messages", "cases"] {
            sqlx::query(AssertSqlSafe(format!("VACUUM ANALYZE {table}"))).execute(&mut db).await?;
        }
        db.close().await?;
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "filling takes minutes; whoever waits wants to know why")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// Sends a referral, cancels it, and waits until both are delivered.
async fn close_one_case(town: &Town, store: &str) -> Result<()> {
    let route = town.route(|lane| lane == LOOKS);
    load::so_many(&route, 1, 1).await?;
    let mut db = PgConnection::connect(store).await?;
    let (number,): (String,) =
        sqlx::query_as("SELECT number FROM cases").fetch_one(&mut db).await?;
    let http = HttpSender::new(town.http(), Some(&town.token(0).await?))?;
    let cancel = said(&code(0), "referral.cancel", Some(&number), None)?;
    // Tokens are read every few seconds.
    let began = Instant::now();
    loop {
        let answer = http.send(&cancel).await?;
        if answer.status != 401 {
            answer.accepted()?;
            break;
        }
        ensure!(began.elapsed().as_secs() < 30, "the token is not known");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    loop {
        let (open,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM deliveries WHERE state <> 'delivered'")
                .fetch_one(&mut db)
                .await?;
        if open == 0 {
            break;
        }
        ensure!(began.elapsed().as_secs() < 60, "the first case is not delivered");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    db.close().await?;
    Ok(())
}

async fn copy(store: String, writer: u32, cases: u32) -> Result<()> {
    let mut db = PgConnection::connect(&store).await?;
    for setting in ["session_replication_role = replica", "synchronous_commit = off"] {
        sqlx::query(AssertSqlSafe(format!("SET {setting}"))).execute(&mut db).await?;
    }
    sqlx::raw_sql(FUNCTIONS).execute(&mut db).await?;
    let mut from = 1 + writer * TOGETHER;
    while from <= cases {
        let to = (from + TOGETHER - 1).min(cases);
        for sql in COPIES {
            sqlx::query(sql)
                .bind(i64::from(from))
                .bind(i64::from(to))
                .execute(&mut db)
                .await
                .with_context(|| sql.lines().next().unwrap_or_default())?;
        }
        from += WRITERS * TOGETHER;
    }
    db.close().await?;
    Ok(())
}

pub async fn measure(sizes: Sizes, filled: &Filled) -> Result<Vec<Figure>> {
    let ground = fresh_ground().await?;
    let Ground::Production { store, .. } = &ground else { unreachable!("just made") };
    let mut empty = Seen::measure(&ground, store, sizes, "SELECT number FROM cases").await?;
    clear(&ground).await?;
    let bus = rabbit().await?.fresh_vhost().await?;
    let ground = Ground::Production { store: filled.store.clone(), bus };
    let closed = "SELECT number FROM cases WHERE NOT open AND id IN \
         (SELECT id FROM cases TABLESAMPLE SYSTEM (0.5))";
    let mut full = Seen::measure(&ground, &filled.store, sizes, closed).await?;
    filled.sweep().await?;
    let cases = filled.cases;
    Ok(vec![
        Figure::new(format!("AA, 64 connections, {cases} cases"), "/s", full.taken)
            .beside(empty.taken)
            .limit(Limit::ShareMin(0.9)),
        Figure::new("worklist page, rate (beside: empty)", "/s", full.pages_per_second)
            .beside(empty.pages_per_second)
            .limit(Limit::ShareMin(0.9)),
        Figure::new("worklist page, p50", "ms", full.pages.within(500))
            .beside(empty.pages.within(500)),
        Figure::new("worklist page, p99", "ms", full.pages.within(990))
            .beside(empty.pages.within(990))
            .limit(Limit::Max(20.0)),
        Figure::new("case by number, rate", "/s", full.cases_per_second)
            .beside(empty.cases_per_second)
            .limit(Limit::ShareMin(0.9)),
        Figure::new("case by number, p99", "ms", full.cases.within(990))
            .beside(empty.cases.within(990)),
    ])
}

/// What somebody sees of a store.
struct Seen {
    taken: f64,
    pages: Times,
    pages_per_second: f64,
    cases: Times,
    cases_per_second: f64,
}

impl Seen {
    async fn measure(ground: &Ground, store: &str, sizes: Sizes, numbers: &str) -> Result<Self> {
        let mut town = Town::plan(ground.clone(), Relay::Elsewhere).await?;
        let token = town.token(LOOKS).await?;
        town.start().await?;
        let route = town.route(|_| true);
        load::at_full_speed(&route, CONNECTIONS, sizes.warm).await?;
        settle_disk().await?;
        let taken = load::at_full_speed(&route, CONNECTIONS, sizes.burst).await?.per_second();

        let mut db = PgConnection::connect(store).await?;
        sqlx::query("ANALYZE").execute(&mut db).await?;
        let to_us = format!(
            "{numbers}{} target = '{}' ORDER BY random() LIMIT {}",
            if numbers.contains("WHERE") { " AND" } else { " WHERE" },
            code(LOOKS),
            sizes.lookups
        );
        let numbers: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(to_us)).fetch_all(&mut db).await?;
        ensure!(!numbers.is_empty(), "there is nothing to look up");
        db.close().await?;

        let http = HttpSender::new(town.http(), Some(&token))?;
        let page = "/api/v1/cases?open=true&limit=50".to_owned();
        let pages: Vec<String> = (0..sizes.lookups).map(|_| page.clone()).collect();
        let (pages, pages_per_second) = look(&http, &pages).await?;
        let paths: Vec<String> =
            numbers.into_iter().map(|(number,)| format!("/api/v1/cases/{number}")).collect();
        let (cases, cases_per_second) = look(&http, &paths).await?;
        town.stop().await?;
        Ok(Self { taken, pages, pages_per_second, cases, cases_per_second })
    }
}

/// Asks for one after the other.
async fn look(http: &HttpSender, paths: &[String]) -> Result<(Times, f64)> {
    for path in paths.iter().take(10) {
        http.get(path).await?;
    }
    let (mut times, began) = (Times::default(), Instant::now());
    for path in paths {
        let at = Instant::now();
        let answer = http.get(path).await?;
        ensure!(answer.status == 200, "{path}: HTTP {}: {}", answer.status, answer.body);
        times.note(at.elapsed());
    }
    let rate = f64::from(times.count()) / began.elapsed().as_secs_f64();
    Ok((times, rate))
}
