//! The alerts, run by Prometheus' own tool, and beside the figures of a running broker.

use std::path::PathBuf;
use std::process::Stdio;

use tierlink_integration_tests::county::{County, FENGQIAO, LEAD, Mode};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::said;

fn top() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `promtool`, or `None` on a machine that has none and may not take it from Debian.
async fn promtool() -> Option<PathBuf> {
    let script = top().join("ops/lib/servers.sh");
    let output = tokio::process::Command::new("bash")
        .args(["-c", "source \"$1\" && install_promtool", "bash"])
        .arg(script)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        return Some(PathBuf::from(path.trim()));
    }
    // On a machine that tests every change, a tool that is gone must not go unnoticed.
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "no promtool: {why}");
    eprintln!("The rules are not run, for want of promtool: {why}");
    None
}

/// Seen to fail with each expression in turn replaced by one that never holds, and by one that
/// always does.
#[tokio::test]
async fn every_alert_fires_and_clears_in_prometheus_own_tool() {
    let Some(promtool) = promtool().await else { return };
    for words in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output = tokio::process::Command::new(&promtool)
            .args(words)
            .current_dir(top().join("ops/prometheus"))
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();

        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    }
}

/// Prometheus sees no increase in a figure whose first value is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_an_alert_watches_has_a_value_before_anything_is_wrong() {
    let county = County::open(Mode::Embedded).await.unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(LEAD)).unwrap();
    let case = county.must_send(&message).await.unwrap();
    county.hospital(LEAD).wait_for_kind("REF^I12", &case).await.unwrap();
    let rules = std::fs::read_to_string(top().join("ops/prometheus/alerts.yml")).unwrap();
    let watched: Vec<&str> = rules
        .lines()
        .filter(|line| !line.contains("description: "))
        .flat_map(|line| line.split(|c: char| !c.is_ascii_lowercase() && c != '_'))
        .filter(|word| word.starts_with("tierlink_"))
        .collect();
    assert!(watched.len() > 15, "{watched:?}");

    let mut missing = Vec::new();
    let all = eventually("every figure is there", async || {
        let text = county.anonymous()?.get("/metrics").await?.body;
        let told = |name: &&&str| {
            let name = **name;
            !text.lines().any(|line| line.split(['{', ' ']).next() == Some(name))
        };
        missing = watched.iter().filter(told).copied().collect();
        Ok(missing.is_empty().then_some(()))
    });
    let ended = all.await;
    assert!(ended.is_ok(), "no value: {missing:?}");
}
