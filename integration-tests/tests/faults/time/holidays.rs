//! Deadlines that fall into a holiday swap (调休), end to end: the broker's clock is moved to the
//! days themselves, and each deadline passes at its second.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tierlink_integration_tests::county::{County, FENGQIAO, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{new_number, said};
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::Trial;
use tierlink_integration_tests::servers::MovedClock;

use super::super::hospitals::{heard, label};
use super::start;

for_both_modes! { a_deadline_in_a_holiday_swap_passes_at_its_second }

/// Four hours while the doors are open (08:00–12:00 and 14:00–17:30); 24 hours of working days.
const DEADLINES: &str = "[deadlines.urgent]\naccept = { minutes = 240, clock = \"working_hours\" }\n\
    [deadlines.routine]\naccept = { minutes = 1440, clock = \"working_days\" }";

/// Submitted, priority, and when the answer is due: at +08:00, in the order in which they come.
///
/// All are submitted at 16:30, an hour before the doors close and seven and a half before midnight.
const SWAPS: [(&str, &str, &str); 6] = [
    // Saturday 14 February is worked for Spring Festival, 15 to 23 are free. One hour is left on
    // Saturday, and three on Tuesday morning.
    ("2026-02-14T16:30:00+08:00", "urgent", "2026-02-24T11:00:00+08:00"),
    // Friday; the Saturday after it is worked too. One hour on Friday, three on Saturday.
    ("2026-02-27T16:30:00+08:00", "urgent", "2026-02-28T11:00:00+08:00"),
    // Sunday 20 September is worked for National Day: one hour on it, three on Monday.
    ("2026-09-20T16:30:00+08:00", "urgent", "2026-09-21T11:00:00+08:00"),
    // Wednesday, 1 to 7 October are free: 7.5 hours until midnight, 16.5 on Thursday the 8th.
    ("2026-09-30T16:30:00+08:00", "routine", "2026-10-08T16:30:00+08:00"),
    // Friday; Saturday 10 October is worked: 7.5 hours on Friday, 16.5 on Saturday.
    ("2026-10-09T16:30:00+08:00", "routine", "2026-10-10T16:30:00+08:00"),
    // Saturday 10 October is worked, Sunday is not: 7.5 hours on Saturday, 16.5 on Monday.
    ("2026-10-10T16:30:01+08:00", "routine", "2026-10-12T16:30:01+08:00"),
];

/// So long before a deadline the broker must not see it pass. It looks every second.
const BEFORE_SECONDS: i64 = 3;

async fn a_deadline_in_a_holiday_swap_passes_at_its_second(mode: Mode) {
    let trial = Trial::of(&format!("{}: deadlines in holiday swaps", label(mode)));
    let mut county = County::plan(mode).await.unwrap();
    DEADLINES.clone_into(&mut county.settings);
    county.begin().await.unwrap();
    county.stop().await.unwrap();
    let stage = Stage::new(county);
    let clock = MovedClock::new().await.unwrap();
    let (first, ..) = SWAPS[0];
    clock.set_to(first.parse().unwrap()).unwrap();
    let broker = start(&stage, &clock).await.unwrap();

    let (mut set, mut raised, mut early) = (0, 0, 0);
    for (submitted, priority, due) in SWAPS {
        let due: Timestamp = due.parse().unwrap();
        clock.set_to(submitted.parse().unwrap()).unwrap();
        let case = submit(&stage, priority, submitted).await.unwrap();
        is_due(&stage, &case, submitted.parse().unwrap(), due).await.unwrap();
        set += 1;

        clock.set_to(due - SignedDuration::from_secs(BEFORE_SECONDS)).unwrap();
        early += usize::from(wait_for_report(&stage, &case).await.unwrap() < due);
        raised += 1;
    }

    eprintln!(
        "deadlines set {set}, raised {raised}, raised too early {early}, missed {}",
        set - raised
    );
    assert_eq!(early, 0);
    let counts = trial.judge_with_reports(&stage, &[broker]).await.unwrap();
    assert!(counts.delivered > counts.sent, "the reports arrived too: {counts}");
}

async fn submit(stage: &Stage, priority: &str, at: &str) -> Result<String> {
    let number = new_number("DL");
    let mut message = said(FENGQIAO, "referral.submit", None, Some(SECOND))?;
    message["case"] = json!({ "numbers": [{ "organisation": FENGQIAO, "number": number }] });
    message["priority"] = json!(priority);
    message["occurred_at"] = json!(at);
    let case = stage.county.must_send(&message).await?;
    stage.put_down(heard(FENGQIAO, "referral.submit", (FENGQIAO, &number), 1));
    Ok(case)
}

/// The clock goes on while the message is on its way, and the deadline with it.
async fn is_due(stage: &Stage, case: &str, opened: Timestamp, due: Timestamp) -> Result<()> {
    let case = stage.county.case("operator", case).await?;
    let deadlines = case["deadlines"].as_array().context("a case has deadlines")?;
    let accept = deadlines.iter().find(|one| one["name"] == "accept").context("no deadline")?;
    let moment = |value: &Value| -> Result<Timestamp> {
        Ok(value.as_str().context("a moment is a text")?.parse()?)
    };
    let later = moment(&accept["since"])?.duration_since(opened);
    let found = moment(&accept["due"])?;
    ensure!(found == due + later, "due at {found}, and not {later:#} after {due}");
    Ok(())
}

/// Waits for the report of the passed deadline, and says when it was made, by the broker's clock.
async fn wait_for_report(stage: &Stage, case: &str) -> Result<Timestamp> {
    eventually("the deadline is reported", async || {
        let case = stage.county.case("operator", case).await?;
        let overdue = |event: &&Value| {
            event["note"].as_str().is_some_and(|note| note.starts_with("overdue:"))
        };
        let events = case["events"].as_array().cloned().unwrap_or_default();
        let report = events.iter().find(overdue).map(|event| event["at"].clone());
        report.map(|at| Ok(at.as_str().context("an event has a time")?.parse()?)).transpose()
    })
    .await
}
