//! What people do, by the command line, over HTTP and with a signal: done once, recorded with who
//! and why, and never one without the other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tierlink_integration_tests::county::{County, FENGQIAO, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Answer, Manners, said};
use tierlink_integration_tests::servers::{Broker, program};

for_both_modes! {
    every_act_is_listed_with_person_and_reason,
    parked_deliveries_are_listed_page_by_page,
    only_an_operator_may_act_and_only_once,
    an_act_that_is_killed_half_way_leaves_neither_deed_nor_record,
    a_reload_that_cannot_be_recorded_changes_nothing,
}

/// A parked delivery to `SECOND`, as `<message>@<organisation>`.
async fn parked(county: &County) -> String {
    let second = county.hospital(SECOND);
    second.behave(|manners| manners.refuses = Some("坏消息".to_owned()));
    let mut bad = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    bad["body"]["clinical"]["treatment"] = json!("坏消息");
    let case = county.must_send(&bad).await.unwrap();
    let operator = county.operator().unwrap();
    let delivery = eventually("the refused delivery is parked", async || {
        let parked = operator.get("/api/v1/parked").await?.json();
        let parked = parked["parked"].as_array().cloned().unwrap_or_default();
        let ours = parked.into_iter().find(|one| one["case_number"] == case.as_str());
        Ok(ours.and_then(|one| one["delivery"].as_str().map(str::to_owned)))
    })
    .await
    .unwrap();
    second.behave(Manners::reform);
    delivery
}

async fn parked_deliveries_are_listed_page_by_page(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let deliveries = [parked(&county).await, parked(&county).await, parked(&county).await];
    let operator = county.operator().unwrap();

    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = operator.get(&format!("/api/v1/parked?limit=2{next}")).await.unwrap().json();
        let page_of = page["parked"].as_array().unwrap();
        seen.extend(page_of.iter().map(|one| one["delivery"].as_str().unwrap().to_owned()));
        let Some(after) = page["next"].as_str() else { break };
        next = format!("&after={after}");
    }

    assert_eq!(seen, deliveries);
    let wrong = operator.get("/api/v1/parked?after=yesterday").await.unwrap();
    assert_eq!((wrong.status, &wrong.json()["code"]), (400, &json!("A009")));
}

fn of_delivery(delivery: &str, act: &str) -> String {
    format!("/api/v1/parked/{}/{act}", delivery.replace('@', "/"))
}

/// An act over HTTP, in the name of `who`.
async fn post(county: &County, who: &str, path: &str, why: &str) -> Answer {
    let body = json!({ "why": why }).to_string();
    county.http(who).unwrap().post(path, "application/json", body).await.unwrap()
}

/// The acts that the command line lists, newest first.
async fn listed(county: &County, words: &[&str]) -> Vec<Value> {
    let all = [&["acts", "list", "--json"][..], words].concat();
    let listed = county.run(&all).await.unwrap().json().unwrap();
    listed["acts"].as_array().unwrap().clone()
}

fn summary(act: &Value) -> [&str; 4] {
    ["act", "by", "through", "why"].map(|field| act[field].as_str().unwrap())
}

async fn every_act_is_listed_with_person_and_reason(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    let pause = format!("/api/v1/lanes/{SECOND}/pause");
    let (first, second) = (parked(&county).await, parked(&county).await);
    let replay = post(&county, "operator", &of_delivery(&first, "replay"), "已修正对照表").await;
    assert_eq!(replay.status, 200, "{}", replay.body);
    let words = ["parked", "drop", &second, "--because", "电话已告知", "--by", "孙主任"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    let paused = post(&county, "operator", &pause, "系统升级").await;
    assert_eq!((paused.status, &paused.json()["paused"]), (200, &json!(true)), "{}", paused.body);
    let words = ["lane", "resume", SECOND, "--why", "升级完成", "--by", "孙主任"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    let words = ["token", "create", "his-2027", "--organisation", SECOND, "--why", "new HIS"];
    county.run(&[&words[..], &["--by", "孙主任"]].concat()).await.unwrap().succeeded().unwrap();
    let words = ["token", "revoke", "his-2027", "--why", "not needed", "--by", "孙主任"];
    county.run(&words).await.unwrap().succeeded().unwrap();
    county.profile(SECOND).unwrap().before.push_str("# changed\n");
    county.reload().await.unwrap();

    let acts = eventually("the reload is recorded", async || {
        let acts = listed(&county, &["--limit", "7"]).await;
        Ok((acts[0]["act"] == "reload").then_some(acts))
    })
    .await
    .unwrap();

    let mut summaries: Vec<_> = acts.iter().map(summary).collect();
    summaries.reverse();
    let [what, by, through, why] = summaries.pop().unwrap();
    assert_eq!((what, through, why), ("reload", "signal", "SIGHUP"));
    assert!(!by.is_empty(), "the owner of the process");
    assert_ne!(acts[0]["config_before"], acts[0]["config_after"]);
    assert_eq!(
        summaries,
        [
            ["replay", "operator", "api", "已修正对照表"],
            ["drop", "孙主任", "command-line", "电话已告知"],
            ["pause", "operator", "api", "系统升级"],
            ["resume", "孙主任", "command-line", "升级完成"],
            ["token-create", "孙主任", "command-line", "new HIS"],
            ["token-revoke", "孙主任", "command-line", "not needed"],
        ]
    );
    assert_eq!(acts[6]["delivery"], first.as_str());
    assert_eq!(acts[6]["id"], replay.json()["act"]);
    let of_organisation = listed(&county, &["--organisation", SECOND, "--act", "pause"]).await;
    assert_eq!(of_organisation.len(), 1);
    let table = county.run(&["acts", "list", "--by", "孙主任"]).await.unwrap().succeeded().unwrap();
    for word in ["升级完成", "电话已告知", second.as_str()] {
        assert!(table.contains(word), "{word} is missing:\n{table}");
    }
    // The API gives the same acts, page by page.
    let operator = county.operator().unwrap();
    let (mut paged, mut path) = (Vec::new(), "/api/v1/acts?limit=3".to_owned());
    while paged.len() < 7 {
        let page = operator.get(&path).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        paged.extend(page["acts"].as_array().unwrap().iter().cloned());
        path = format!("/api/v1/acts?limit=3&after={}", page["next"].as_str().unwrap());
    }
    assert_eq!(paged[..7], acts);
}

async fn only_an_operator_may_act_and_only_once(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let delivery = parked(&county).await;
    let before = listed(&county, &[]).await;
    let (replay, drop) = (of_delivery(&delivery, "replay"), of_delivery(&delivery, "drop"));
    let (pause, resume) =
        (format!("/api/v1/lanes/{SECOND}/pause"), format!("/api/v1/lanes/{SECOND}/resume"));

    for path in [&replay, &drop, &pause, &resume] {
        let foreign = post(&county, SECOND, path, "mine").await;
        assert_eq!((foreign.status, &foreign.json()["code"]), (403, &json!("A006")), "{path}");
        for (body, code) in [
            ("{}".to_owned(), "A009"),
            ("why".to_owned(), "A009"),
            (json!({ "why": "x", "by": "somebody" }).to_string(), "A009"),
            (json!({ "why": " \n\u{0}" }).to_string(), "A012"),
            (json!({ "why": "长".repeat(501) }).to_string(), "A012"),
        ] {
            let operator = county.operator().unwrap();
            let unsaid = operator.post(path, "application/json", body.clone()).await.unwrap();
            assert_eq!(
                (unsaid.status, &unsaid.json()["code"]),
                (400, &json!(code)),
                "{path} {body}"
            );
        }
    }
    let (_, organisation) = delivery.split_once('@').unwrap();
    let nowhere = format!("{}@{organisation}", uuid::Uuid::now_v7());
    for path in [of_delivery(&nowhere, "replay"), "/api/v1/lanes/999999999/pause".to_owned()] {
        let unknown = post(&county, "operator", &path, "try").await;
        assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("A013")), "{path}");
    }
    for path in ["/api/v1/acts?limit=x", "/api/v1/acts?act=dance", "/api/v1/acts?who=me"] {
        assert_eq!(county.operator().unwrap().get(path).await.unwrap().status, 400, "{path}");
    }
    assert_eq!(county.http(SECOND).unwrap().get("/api/v1/acts").await.unwrap().status, 403);
    assert_eq!(listed(&county, &[]).await, before, "nothing of this was done");

    let once = post(&county, "operator", &replay, "once\u{1b}[1m").await;
    let twice = post(&county, "operator", &replay, "twice").await;
    let too_late = post(&county, "operator", &drop, "too late").await;
    let paused = post(&county, "operator", &pause, "upgrade").await;
    let paused_again = post(&county, "operator", &pause, "upgrade").await;

    assert_eq!(once.status, 200, "{}", once.body);
    for late in [&twice, &too_late] {
        assert_eq!((late.status, &late.json()["code"]), (409, &json!("A014")), "{}", late.body);
    }
    assert!(paused.json()["act"].is_string(), "{}", paused.body);
    assert_eq!(paused_again.json(), json!({ "act": null, "lane": SECOND, "paused": true }));
    let acts = listed(&county, &[]).await;
    assert_eq!(acts.len(), before.len() + 2, "each was done once");
    assert_eq!(acts[1]["why"], "once[1m", "no control characters on a terminal");
    let unsaid = county.run(&["lane", "resume", SECOND, "--why", " "]).await.unwrap();
    assert!(!unsaid.status.success() && unsaid.stderr.contains("A012"), "{}", unsaid.stderr);
}

/// Makes every record of an act take this long, in the transaction of the act, after its deed.
const RECORDING_LASTS: Duration = Duration::from_secs(6);

pub async fn execute(county: &County, sql: &str) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match county.mode() {
        Mode::Production => {
            let mut connection = PgConnection::connect(&county.store()).await?;
            sqlx::raw_sql(sql).execute(&mut connection).await?;
            connection.close().await?;
        }
        Mode::Embedded => {
            let mut connection = SqliteConnection::connect(&county.store()).await?;
            sqlx::raw_sql("PRAGMA busy_timeout = 60000").execute(&mut connection).await?;
            sqlx::raw_sql(sql).execute(&mut connection).await?;
            connection.close().await?;
        }
    }
    Ok(())
}

async fn record_slowly(county: &County) -> Result<()> {
    let sql = match county.mode() {
        Mode::Production => format!(
            "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep({}); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON acts FOR EACH ROW EXECUTE FUNCTION wait_here();",
            RECORDING_LASTS.as_secs()
        ),
        // SQLite has no sleep. Counting so far takes longer than any of these tests waits.
        Mode::Embedded => "CREATE TRIGGER slow BEFORE INSERT ON acts BEGIN
             SELECT (WITH RECURSIVE counted(n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 200000000)
                 SELECT max(n) FROM counted);
             END"
        .to_owned(),
    };
    execute(county, &sql).await
}

async fn record_at_once(county: &County) -> Result<()> {
    let sql = match county.mode() {
        Mode::Production => "DROP TRIGGER slow ON acts; DROP FUNCTION wait_here();",
        Mode::Embedded => "DROP TRIGGER slow",
    };
    execute(county, sql).await
}

/// Waits until a record is being written, that is until the deed is done and not yet committed.
async fn wait_until_recording(county: &County) -> Result<()> {
    let mut held = 0;
    eventually("an act is being recorded", async || match county.mode() {
        Mode::Production => {
            let recording = recording_backends(county).await?;
            Ok((recording > 0).then_some(()))
        }
        Mode::Embedded => {
            // Nobody else holds the write lock for long.
            let mut connection = SqliteConnection::connect(&county.store()).await?;
            sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(&mut connection).await?;
            let free = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.is_ok();
            connection.close().await?;
            held = if free { 0 } else { held + 1 };
            Ok((held >= 10).then_some(()))
        }
    })
    .await
}

/// Processes of PostgreSQL that are inside the statement that records an act.
async fn recording_backends(county: &County) -> Result<i64> {
    let mut connection = PgConnection::connect(&county.store()).await?;
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'active'
             AND query LIKE '-- record_act%' AND wait_event = 'PgSleep'",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(count)
}

/// Waits until PostgreSQL has noticed that the process is gone.
async fn wait_until_given_up(county: &County) -> Result<()> {
    if county.mode() == Mode::Embedded {
        return Ok(());
    }
    eventually("PostgreSQL gives the transaction up", async || {
        Ok((recording_backends(county).await? == 0).then_some(()))
    })
    .await
}

/// What the acts of this test change: parked deliveries, pauses, tokens, and the records.
async fn everything(county: &County) -> Result<Value> {
    let run = async |words: &[&str]| county.run(words).await?.json();
    let lanes = run(&["lane", "list", "--json"]).await?;
    let lanes = lanes["lanes"].as_array().context("lanes")?.iter();
    let paused: Vec<&Value> =
        lanes.filter(|lane| lane["paused"] == true).map(|lane| &lane["lane"]).collect();
    let parked = run(&["parked", "list", "--json"]).await?;
    // When a token was used is noted by the broker in its own time.
    let tokens = county.run(&["token", "list"]).await?.succeeded()?;
    let tokens: Vec<&str> =
        tokens.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let acts = run(&["acts", "list", "--json"]).await?;
    Ok(json!({ "paused": paused, "parked": parked, "tokens": tokens, "acts": acts }))
}

async fn an_act_that_is_killed_half_way_leaves_neither_deed_nor_record(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    let (first, second) = (parked(&county).await, parked(&county).await);
    // The command is killed.
    county.stop().await.unwrap();
    let config = county.folder().to_str().unwrap().to_owned();
    for words in [
        vec!["parked", "replay", first.as_str()],
        vec!["parked", "drop", first.as_str()],
        vec!["lane", "pause", SECOND],
        vec!["token", "create", "his-2027", "--operator"],
        vec!["token", "revoke", "operator"],
    ] {
        let before = everything(&county).await.unwrap();
        record_slowly(&county).await.unwrap();
        let words = [&words[..], &["--why", "a kill", "--config", &config]].concat();
        let mut command = Broker::run(program().await.unwrap(), &words, &[]).unwrap();
        wait_until_recording(&county).await.unwrap();

        command.kill9().await.unwrap();

        wait_until_given_up(&county).await.unwrap();
        record_at_once(&county).await.unwrap();
        assert_eq!(everything(&county).await.unwrap(), before, "{words:?}");
    }
    // The broker is killed while it acts over HTTP.
    county.start().await.unwrap();
    let before = everything(&county).await.unwrap();
    record_slowly(&county).await.unwrap();
    let id = county.broker().unwrap().id().unwrap();
    let path = of_delivery(&second, "replay");
    let asking = async {
        let body = json!({ "why": "a kill" }).to_string();
        county.operator()?.post(&path, "application/json", body).await
    };
    let killing = async {
        wait_until_recording(&county).await?;
        let killed = tokio::process::Command::new("kill").args(["-9", &id.to_string()]).status();
        ensure!(killed.await?.success(), "could not kill the broker");
        wait_until_given_up(&county).await
    };
    let (answer, killed) = tokio::join!(asking, killing);
    killed.unwrap();
    assert!(answer.is_err(), "nobody was left to answer: {answer:?}");
    record_at_once(&county).await.unwrap();
    assert_eq!(everything(&county).await.unwrap(), before, "the broker was killed");

    // Nothing is in the way of doing it after all, and then both are there.
    let _ended = county.take_broker().unwrap();
    county.start().await.unwrap();
    let replay = post(&county, "operator", &of_delivery(&second, "replay"), "again").await;
    assert_eq!(replay.status, 200, "{}", replay.body);
    let acts = listed(&county, &["--limit", "1"]).await;
    assert_eq!(summary(&acts[0]), ["replay", "operator", "api", "again"]);
    county.hospital(SECOND).wait_for_text("坏消息").await.unwrap();
    county.wait_parked(1).await.unwrap();
}

async fn a_reload_that_cannot_be_recorded_changes_nothing(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    let profile = county.remove_profile(SECOND).unwrap();
    county.begin().await.unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    execute(&county, "ALTER TABLE acts RENAME TO acts_away").await.unwrap();
    county.add_profile(SECOND, profile);

    county.reload().await.unwrap();
    eventually("the operator is told", async || {
        Ok(county.logs()?.contains("its reload could not be recorded").then_some(()))
    })
    .await
    .unwrap();

    assert_eq!(super::refused(&county, &message).await, "R009", "the old one is in force");
    execute(&county, "ALTER TABLE acts_away RENAME TO acts").await.unwrap();
    county.reload().await.unwrap();
    eventually("the new one is in force", async || {
        Ok((county.send(&message).await?.status == 200).then_some(()))
    })
    .await
    .unwrap();
    let acts = listed(&county, &["--act", "reload"]).await;
    assert_eq!(acts.len(), 1, "only the one that counts is recorded");
}
