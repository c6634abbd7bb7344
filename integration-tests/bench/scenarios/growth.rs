//! A store that has seen a million cases: does it still take, list and find as quickly as an empty
//! one?
//!
//! One referral is sent, delivered and cancelled by a real broker. Its rows are then copied by SQL
//! with numbers of their own, spread over a year: every table and index gets what real life would
//! have left there.
//!
//! What stands for an empty store has a few of these copies too: a case that was sent, delivered
//! and cancelled is more to read than one that has only been sent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::hospitals::{HttpSender, said};

use super::ground::{CONNECTIONS, drop_database, drop_vhost, fresh_ground, rabbit, settle_disk};
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
/// How often one store is looked at after the other, so that whatever the machine does meets both.
const TURNS: u32 = 15;
/// The first page of a worklist.
const PAGE: &str = "/api/v1/cases?open=true&limit=50";
/// Names for copies, for one connection.
const FUNCTIONS: &str = include_str!("../fill/functions.sql");
/// What is copied, for one connection.
const FIRST_CASE: &str = include_str!("../fill/first_case.sql");
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
    /// Address of the database.
    pub store: String,
    cases: u32,
}

impl Filled {
    /// Makes a database with this many cases.
    pub async fn new(cases: u32) -> Result<Self> {
        let ground = fresh_ground().await?;
        let Ground::Production { store, bus } = &ground else { unreachable!("just made") };
        let mut town = Town::open(ground.clone(), Relay::Here).await?;
        close_one_case(&town, store).await?;
        town.stop().await?;
        let begun = Instant::now();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(copy(store.clone(), writer, cases));
        }
        while let Some(done) = writers.join_next().await {
            done??;
        }
        let mut db = PgConnection::connect(store).await?;
        sqlx::query("VACUUM ANALYZE").execute(&mut db).await?;
        sqlx::query("CHECKPOINT").execute(&mut db).await?;
        db.close().await?;
        tell(&format!("{cases} closed cases made in {} s", begun.elapsed().as_secs()));
        drop_vhost(bus).await?;
        Ok(Self { store: store.clone(), cases })
    }

    /// Has PostgreSQL hold what people look at, as far as it has room, as on a server that has run
    /// for a while. What is too long for its row stays on the disk: a case is shown without it.
    async fn read_once(&self) -> Result<()> {
        const READ: &str = "SELECT count(pg_prewarm(oid)) FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')";
        let mut db = PgConnection::connect(&self.store).await?;
        sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_prewarm").execute(&mut db).await?;
        sqlx::query(READ).execute(&mut db).await?;
        db.close().await?;
        Ok(())
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
    for sql in [FUNCTIONS, FIRST_CASE] {
        sqlx::raw_sql(sql).execute(&mut db).await?;
    }
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
    let small = Filled::new(sizes.lookups / TURNS).await?;
    let mut empty = Seen::of(&small, sizes).await?;
    let mut full = Seen::of(filled, sizes).await?;
    // Otherwise who looks writes down first what the load left in memory.
    settle_disk().await?;
    small.read_once().await?;
    filled.read_once().await?;
    empty.town.start().await?;
    full.town.start().await?;
    for turn in 0..TURNS as usize {
        empty.look(turn).await?;
        full.look(turn).await?;
    }
    empty.close().await?;
    full.close().await?;
    drop_database(&small.store).await?;
    filled.sweep().await?;
    let cases = filled.cases;
    Ok(vec![
        Figure::new(format!("AA, 64 connections, {cases} cases"), "/s", full.taken)
            .beside(empty.taken)
            .limit(Limit::ShareMin(0.9)),
        Figure::new("worklist page, rate (beside: empty)", "/s", full.pages.per_second())
            .beside(empty.pages.per_second())
            .limit(Limit::ShareMin(0.9)),
        Figure::new("worklist page, p50", "ms", full.pages.times.within(500))
            .beside(empty.pages.times.within(500)),
        Figure::new("worklist page, p99", "ms", full.pages.times.within(990))
            .beside(empty.pages.times.within(990))
            .limit(Limit::Max(20.0)),
        Figure::new("case by number, rate", "/s", full.cases.per_second())
            .beside(empty.cases.per_second())
            .limit(Limit::ShareMin(0.9)),
        Figure::new("case by number, p99", "ms", full.cases.times.within(990))
            .beside(empty.cases.times.within(990)),
    ])
}

/// What somebody sees of a store.
struct Seen {
    town: Town,
    bus: String,
    http: HttpSender,
    /// Paths of ended cases, for one turn after the other.
    turns: Vec<Vec<String>>,
    taken: f64,
    pages: Looks,
    cases: Looks,
}

impl Seen {
    /// Loads a store at full speed, and leaves its broker stopped.
    async fn of(filled: &Filled, sizes: Sizes) -> Result<Self> {
        let bus = rabbit().await?.fresh_vhost().await?;
        let ground = Ground::Production { store: filled.store.clone(), bus: bus.clone() };
        let mut town = Town::plan(ground, Relay::Elsewhere).await?;
        let http = HttpSender::new(town.http(), Some(&town.token(LOOKS).await?))?;
        town.start().await?;
        let route = town.route(|_| true);
        load::at_full_speed(&route, CONNECTIONS, sizes.warm).await?;
        settle_disk().await?;
        let taken = load::at_full_speed(&route, CONNECTIONS, sizes.burst).await?.per_second();
        town.stop().await?;

        let mut db = PgConnection::connect(&filled.store).await?;
        sqlx::query("ANALYZE").execute(&mut db).await?;
        sqlx::raw_sql(FUNCTIONS).execute(&mut db).await?;
        let each = sizes.lookups / TURNS;
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let numbers: Vec<(String,)> = sqlx::query_as(
                "SELECT pg_temp.number(n) FROM generate_series(1 + floor(random() * $1)::bigint, $2, $1) \
                 AS n ORDER BY random()",
            )
            .bind(i64::from(filled.cases / each))
            .bind(i64::from(filled.cases))
            .fetch_all(&mut db)
            .await?;
            turns.push(numbers.iter().map(|(number,)| format!("/api/v1/cases/{number}")).collect());
        }
        db.close().await?;
        let (pages, cases) = (Looks::default(), Looks::default());
        Ok(Self { town, bus, http, turns, taken, pages, cases })
    }

    /// Looks at pages, and at the cases of a turn.
    async fn look(&mut self, turn: usize) -> Result<()> {
        let paths = &self.turns[turn];
        let pages = vec![PAGE.to_owned(); paths.len()];
        self.pages.look(&self.http, &pages).await?;
        self.cases.look(&self.http, paths).await
    }

    async fn close(&mut self) -> Result<()> {
        self.town.stop().await?;
        drop_vhost(&self.bus).await
    }
}

/// Answers to one question after the other.
#[derive(Default)]
struct Looks {
    times: Times,
    lasted: Duration,
}

impl Looks {
    async fn look(&mut self, http: &HttpSender, paths: &[String]) -> Result<()> {
        let began = Instant::now();
        for path in paths {
            let at = Instant::now();
            let answer = http.get(path).await?;
            ensure!(answer.status == 200, "{path}: HTTP {}: {}", answer.status, answer.body);
            self.times.note(at.elapsed());
        }
        self.lasted += began.elapsed();
        Ok(())
    }

    fn per_second(&self) -> f64 {
        f64::from(self.times.count()) / self.lasted.as_secs_f64()
    }
}
