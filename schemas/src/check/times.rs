//! Things said to have happened must not lie ahead: then a clock is wrong, ours or theirs.
//!
//! Only noted. The message is right in everything else, and a patient may be waiting.

use jiff::Timestamp;
use serde_json::Value;

use super::envelope::CLOCK_AHEAD_MAX;
use super::found::{C019_CLOCK, Checked, Rules, each};

/// Fields that hold when something happened, wherever they stand in the body.
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
            let fix = "The time lies ahead of ours although it has happened; set the clock (NTP).";
            found.note(C019_CLOCK, path, fix);
        }
        true
    });
}
