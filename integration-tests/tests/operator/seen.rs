//! How these tests look at a broker: as an operator would.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tierlink_integration_tests::county::County;
use tierlink_integration_tests::eventually::eventually;

/// The page of an alert, as `tierlink doctor` names it.
pub fn page(alert: &str) -> String {
    format!("ops/runbooks/{alert}.md")
}

/// What `tierlink doctor` found wrong: what, and the page that it names.
pub async fn doctor(county: &County) -> Result<BTreeMap<String, String>> {
    let ran = county.run(&["doctor", "--json"]).await?;
    let code = ran.status.code();
    let said: Value = serde_json::from_str(&ran.stdout)
        .with_context(|| format!("no JSON: {}{}", ran.stdout, ran.stderr))?;
    let findings = said["findings"].as_array().context("doctor has findings")?;
    let wrong: BTreeMap<String, String> = findings
        .iter()
        .filter(|finding| finding["ok"] == false)
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            (text("what"), text("see"))
        })
        .collect();
    let expected = i32::from(!wrong.is_empty());
    ensure!(code == Some(expected), "doctor ended with {code:?} and found {wrong:?}");
    Ok(wrong)
}

/// Waits until `tierlink doctor` finds nothing wrong.
pub async fn doctor_is_content(county: &County) {
    let mut last = BTreeMap::new();
    let content = eventually("doctor finds nothing wrong", async || {
        last = doctor(county).await?;
        Ok(last.is_empty().then_some(()))
    });
    let ended = content.await;
    assert!(ended.is_ok(), "doctor still finds {last:?}");
}

/// Waits until a figure, summed over its labels, is what an alert looks for.
pub async fn figure_is(county: &County, name: &str, right: impl Fn(f64) -> bool) {
    let mut last = f64::NAN;
    let there = eventually(name, async || {
        last = county.figure(name).await?;
        Ok(right(last).then_some(()))
    });
    let ended = there.await;
    assert!(ended.is_ok(), "{name} stays {last}");
}

/// Warnings and errors in the log after so many bytes, without their times, and how often each.
pub fn complaints(log: &str, after: usize) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in log[after..].lines() {
        let said = [" WARN ", " ERROR "].into_iter().find_map(|level| line.split_once(level));
        if let Some((_, said)) = said {
            *found.entry(said.trim().to_owned()).or_default() += 1;
        }
    }
    found
}

/// No line for every retry: nothing is complained of twice, and there are at most so many at all.
pub fn assert_readable(log: &str, after: usize, most: usize) {
    let complaints = complaints(log, after);
    let twice: Vec<_> = complaints.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "told again and again: {twice:#?}");
    assert!(complaints.len() <= most, "{} complaints: {complaints:#?}", complaints.len());
}

/// How many failures the line counts that tells the end of this trouble.
pub fn failures_told(log: &str, what: &str) -> Option<u64> {
    let over = log.lines().rfind(|line| line.contains("Over after ") && line.contains(what))?;
    let (before, _) = over.split_once(" failure(s)")?;
    before.rsplit(' ').next()?.parse().ok()
}
