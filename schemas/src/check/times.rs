//! Checks that events are not in the future; otherwise a clock, theirs or ours, is wrong.
//!
//! Only a deviation: the rest of the message is right, and a patient may be waiting.

use jiff::Timestamp;
use serde_json::Value;

use super::envelope::CLOCK_AHEAD_MAX;
use super::found::{C019_CLOCK, Checked, Rules, each};

/// Names of fields that hold when something happened, anywhere in the body.
const HAPPENED: [&str; 4] = ["at", "admitted_at", "acquired_at", "uploaded_at"];

pub(super) fn check(message: &Value, with: &Rules<'_>, found: &mut Checked) {
    let Some(body) = message.get("body") else {
        return;
    };
    each(body, &mut "body".to_owned(), &mut |path, value| {
        let name = path.rsplit('.').next().unwrap_or_default();
        let at = value.as_str().filter(|_| HAPPENED.contains(&name));
        let at = at.and_then(|text| text.parse::<Timestamp>().ok());
        if at.is_some_and(|at| at.duration_since(with.now) > CLOCK_AHEAD_MAX) {
            let fix = "The time is later than our clock although the event has happened; set the sender's clock (NTP).";
            found.note(C019_CLOCK, path, fix);
        }
        true
    });
}
