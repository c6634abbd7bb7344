//! One message, followed through the log by its id.

use tierlink_integration_tests::county::{County, FENGQIAO, Mode, SECOND};

use crate::{json_referral, search};

/// The steps of a message that is delivered, as spans of the log name them.
const STEPS: [&str; 6] = ["receive", "judge", "commit", "relay", "deliver", "settle"];

/// Sends one message, and finds each step in the lines that hold its id.
pub async fn one_message_is_followed_through_the_log_by_its_id(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    county.environment.push(("TIERLINK_LOG".to_owned(), "debug".to_owned()));
    county.begin().await.unwrap();

    let answer = county.send(&json_referral(FENGQIAO, SECOND)).await.unwrap();

    let id = answer.json()["message"].as_str().unwrap().to_owned();
    county.hospital(SECOND).wait_for_count(1).await.unwrap();
    county.wait_drained().await.unwrap();
    let log = county.stop().await.unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
    for step in STEPS {
        let span = format!(" {step}{{");
        assert!(
            lines.iter().any(|line| line.contains(&span)),
            "{step} is not in the log of {id}:\n{}",
            lines.join("\n")
        );
    }
    assert_eq!(search().find(log.as_bytes()), None, "the log holds the patient");
}
