//! One message, followed through the log by its id.

use serde_json::Value;
use tierlink_integration_tests::county::{County, Mode};

use crate::search::Search;

/// The steps of a message that is delivered, as spans of the log name them.
const STEPS: [&str; 6] = ["receive", "judge", "commit", "relay", "deliver", "settle"];

/// Sends `message` to `hospital`, finds each step in the lines that hold its id, and nothing of
/// `secret` in the log.
pub async fn follow(mode: Mode, message: &Value, hospital: &str, secret: &Search) {
    let mut county = County::plan(mode).await.unwrap();
    county.environment.push(("TIERLINK_LOG".to_owned(), "debug".to_owned()));
    county.begin().await.unwrap();

    let answer = county.send(message).await.unwrap();

    let id = answer.json()["message"].as_str().unwrap().to_owned();
    county.hospital(hospital).wait_for_count(1).await.unwrap();
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
    assert_eq!(secret.find(log.as_bytes()), None, "the log holds the patient");
}
