//! The broker and PostgreSQL run in zones with daylight saving, while their clocks change: nothing
//! depends on the zone of a machine.

use anyhow::{Context, Result, ensure};
use jiff::tz::{TimeZone, offset};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::county::{County, Mode, QINGSHI, QINGSHI_FACILITY, SECOND};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Hl7, Person, Received, hl7_referral, new_control_id, new_number, said,
};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow};
use tierlink_integration_tests::servers::MovedClock;

use super::super::hospitals::{heard, label};

for_both_modes! { daylight_saving_of_the_machine_changes_nothing }

/// Each zone and how many changes of its clocks lie between: the last one, and the one before, so
/// that clocks go back in one and forward in the other.
const CHANGES: [(&str, usize); 3] =
    [("America/New_York", 0), ("America/New_York", 1), ("Europe/Berlin", 0)];

/// The broker begins so many seconds before the change, and so the change comes while it works.
const BEFORE_SECONDS: i64 = 5;

async fn daylight_saving_of_the_machine_changes_nothing(mode: Mode) {
    // With both servers each start takes long, so that one change must do in the short form.
    let changes = if mode == Mode::Embedded || long() { &CHANGES[..] } else { &CHANGES[2..] };
    for (zone, back) in changes {
        let change = change_of(zone, *back).unwrap();
        let trial = Trial::of(&format!("{}: {zone} at {change}", label(mode)));
        let mut county = County::plan(mode).await.unwrap();
        if mode == Mode::Production {
            put_in_zone(&county.store(), zone).await.unwrap();
        }
        county.begin().await.unwrap();
        county.stop().await.unwrap();
        let stage = Stage::new(county);
        let clock = MovedClock::new().await.unwrap();
        clock.set_to(change - SignedDuration::from_secs(BEFORE_SECONDS)).unwrap();
        let [file, library] = clock.environment().unwrap();
        let environment = [
            (file.0.as_str(), file.1.as_str()),
            (library.0.as_str(), library.1.as_str()),
            ("TZ", zone),
        ];
        let broker = stage.county.start_another(&environment).await.unwrap();

        let breaking = async {
            times_are_the_countys(&stage).await?;
            // Past the change, on both sides of which messages flow.
            flow(&stage, 40).await?;
            clock.set_to(change + SignedDuration::from_secs(1))?;
            flow(&stage, 10).await?;
            times_are_the_countys(&stage).await?;
            Ok(vec![broker])
        };
        trial.run(&stage, breaking).await.unwrap();
    }
}

/// When the clocks of a zone changed last, or so many changes before that. What hospitals plan for
/// tomorrow is in the future then too.
fn change_of(zone: &str, back: usize) -> Result<Timestamp> {
    let zone = TimeZone::get(zone)?;
    let change = zone.preceding(Timestamp::now()).nth(back).context("its clocks never change")?;
    Ok(change.timestamp())
}

/// Puts a database in a zone, for all its sessions.
async fn put_in_zone(url: &str, zone: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let (name,): (String,) =
        sqlx::query_as("SELECT current_database()::text").fetch_one(&mut connection).await?;
    // Both names are ours, and neither can be sent as a parameter.
    let statement = AssertSqlSafe(format!("ALTER DATABASE {name} SET timezone = '{zone}'"));
    sqlx::query(statement).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Times without a zone are the county's, in both directions.
async fn times_are_the_countys(stage: &Stage) -> Result<()> {
    let sides = (QINGSHI_FACILITY, SECOND);
    // In New York, one of these does not exist and the other exists twice.
    for local in ["20250309023000", "20251102013000"] {
        let number = new_number("TZ");
        let (id, person) = (new_control_id(), Person::default());
        let text = Charset::read(&hl7_referral(sides, (&id, &number), &person, Charset::Gb18030)?);
        let dated = Hl7::parse(&text).field("MSH", 7).to_owned();
        let bytes = Charset::Gb18030.encode(&text.replace(&dated, local))?;
        let answer = stage.county.mllp(QINGSHI).await?.exchange(&bytes).await?;
        let case = answer.accepted()?;
        stage.put_down(heard(QINGSHI, "referral.submit", (QINGSHI, &number), 1));
        let arrived = stage.county.hospital(SECOND).wait_for_text(&number).await?.json();
        let expected = in_shanghai(local)?;
        let authored = find(&arrived, "authoredOn").context("no authoredOn")?;
        let authored: Timestamp = authored.parse()?;
        ensure!(authored == expected, "{local} was read as {authored}");
        back(stage, &case, &number).await?;
    }
    Ok(())
}

/// An appointment in UTC is told in the county's time to a hospital without zones.
async fn back(stage: &Stage, case: &str, number: &str) -> Result<()> {
    let mut expected = String::new();
    for kind in ["referral.accept", "referral.schedule"] {
        let message = said(SECOND, kind, Some(case), None)?;
        if let Some(start) = message["body"]["appointment"]["start"].as_str() {
            let start: Timestamp = start.parse()?;
            expected = start.to_zoned(shanghai()).strftime("%Y%m%d%H%M").to_string();
        }
        stage.county.must_send(&message).await?;
        stage.put_down(heard(SECOND, kind, (QINGSHI, number), 1));
    }
    let told = |all: &[Received]| {
        all.iter().any(|one| one.is_about(case) && one.text.contains(&expected)).then_some(())
    };
    stage.county.hospital(QINGSHI).wait_for(&format!("an appointment at {expected}"), told).await
}

/// China has kept this offset all year since 1991.
fn shanghai() -> TimeZone {
    TimeZone::fixed(offset(8))
}

fn in_shanghai(local: &str) -> Result<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", local)?;
    Ok(civil.to_zoned(shanghai())?.timestamp())
}

/// The first text under this name, wherever it stands.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_str)
            .or_else(|| fields.values().find_map(|inner| find(inner, name))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
