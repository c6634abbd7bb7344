//! `tierlink simulate` talks with `tierlink serve`: in each format, with a misbehaviour each.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tierlink_integration_tests::county::{BAIMA, County, FENGQIAO, LEAD, Mode, QINGSHI, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::{fhir_answer, said};
use tierlink_integration_tests::servers::{free_port, program};
use tokio::process::{Child, Command};

use super::refer;

/// A county in which somebody else than the tests plays this hospital.
struct Stage {
    county: County,
    code: &'static str,
    listen: String,
}

impl Stage {
    async fn of(code: &'static str) -> Self {
        let mut county = County::plan(Mode::Embedded).await.unwrap();
        let listen = format!("127.0.0.1:{}", free_port().unwrap());
        let profile = county.profile(code).unwrap();
        let own = county_address(profile.address.as_deref().unwrap(), &listen);
        profile.address = Some(own);
        county.begin().await.unwrap();
        Self { county, code, listen }
    }

    fn profile(&self) -> PathBuf {
        self.county.folder().join(format!("profiles/{}.toml", self.code))
    }

    async fn simulate(&self, broker: &str, script: &str) -> Child {
        let path = self.county.folder().join("script.toml");
        std::fs::write(&path, script).unwrap();
        Command::new(program().await.unwrap())
            .args(["simulate", "--json", "--listen", &self.listen, "--broker", broker])
            .env("TIERLINK_TOKEN", self.county.token(self.code).unwrap())
            .arg("--profile")
            .arg(self.profile())
            .arg("--script")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn mllp(&self) -> String {
        format!("mllp://127.0.0.1:{}", self.county.mllp_port(self.code))
    }

    fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.county.http_port())
    }
}

/// The same address with another host and port.
fn county_address(address: &str, listen: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap();
    let path = rest.split_once('/').map_or_else(String::new, |(_, path)| format!("/{path}"));
    format!("{scheme}://{listen}{path}")
}

/// What the play printed, line by line, once it ended well.
async fn well(child: Child) -> Vec<Value> {
    let output = child.wait_with_output().await.unwrap();
    let lines = lines(&output);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {lines:#?} {shown}", output.status);
    assert_eq!(lines.last().unwrap()["well"], true);
    lines
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How the messages of this kind were treated, in their order.
fn turns(lines: &[Value], kind: &str) -> Vec<Value> {
    let heard = lines.iter().filter(|line| line["event"] == "heard" && line["kind"] == kind);
    heard.map(|line| line["turn"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_hospital_refers_in_hl7_and_answers_with_a_wrong_id() {
    let stage = Stage::of(QINGSHI).await;
    let script = format!(
        "[manners]\nfirst_time = \"other-id\"\n\
         [[step]]\nsays = \"referral.submit\"\nto = \"{SECOND}\"\n\
         [[step]]\nhears = \"referral.accept\"\n"
    );
    let playing = stage.simulate(&stage.mllp(), &script).await;

    let second = stage.county.hospital(SECOND);
    let submitted = second.wait_for_count(1).await.unwrap().remove(0);
    let case = submitted.case_number().unwrap();
    let accept = fhir_answer("referral.accept", (SECOND, QINGSHI), &case).unwrap();
    stage.county.http(SECOND).unwrap().send_fhir(&accept).await.unwrap().accepted().unwrap();

    let lines = well(playing).await;
    assert_eq!(turns(&lines, "referral.accept"), ["other-id", "take"]);
    let said = lines.iter().find(|line| line["event"] == "said").unwrap();
    assert_eq!((&said["outcome"], &said["detail"]), (&json!("taken"), &json!(case)));
    assert_eq!(stage.county.state(&case).await.unwrap(), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_hospital_accepts_in_fhir_after_garbage() {
    let stage = Stage::of(SECOND).await;
    let script = "[manners]\nfirst_time = \"garbage\"\ncloses_after_each = true\n\
                  [[step]]\nhears = \"referral.submit\"\n\
                  [[step]]\nsays = \"referral.accept\"\nafter_seconds = 0.2\n\
                  [[step]]\nsays = \"referral.schedule\"\n";
    let playing = stage.simulate(&stage.http(), script).await;

    let case = refer(&stage.county, FENGQIAO, SECOND).await;

    let lines = well(playing).await;
    assert_eq!(turns(&lines, "referral.submit"), ["garbage", "take"]);
    assert_eq!(stage.county.state(&case).await.unwrap(), "scheduled");
    let origin = stage.county.hospital(FENGQIAO);
    origin.wait_for_kind("referral.schedule", &case).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_hospital_refers_in_json_and_breaks_off() {
    let stage = Stage::of(FENGQIAO).await;
    let script = format!(
        "[manners]\nnext = [\"mute\", \"not-now\"]\nslow_ms = 100\n\
         [[step]]\nsays = \"referral.submit\"\nto = \"{SECOND}\"\n\
         [[step]]\nhears = \"referral.accept\"\n"
    );
    let playing = stage.simulate(&stage.http(), &script).await;

    let second = stage.county.hospital(SECOND);
    let case = second.wait_for_count(1).await.unwrap().remove(0).case_number().unwrap();
    let accept = said(SECOND, "referral.accept", Some(&case), None).unwrap();
    stage.county.must_send(&accept).await.unwrap();

    let lines = well(playing).await;
    assert_eq!(turns(&lines, "referral.accept"), ["mute", "not-now", "take"]);
    assert_eq!(lines.last().unwrap()["taken_here"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_hospital_declines_in_every_format_until_it_is_stopped() {
    for code in [LEAD, SECOND, FENGQIAO] {
        let stage = Stage::of(code).await;
        let broker = if code == LEAD { stage.mllp() } else { stage.http() };
        let script = "[[whenever]]\nhears = \"referral.submit\"\nsays = \"referral.decline\"\n\
                      [[whenever]]\nhears = \"transfer.offer\"\nsays = \"transfer.decline\"\n";
        let playing = stage.simulate(&broker, script).await;

        let (from, kind) =
            if code == FENGQIAO { (LEAD, "transfer.offer") } else { (BAIMA, "referral.submit") };
        let request = said(from, kind, None, Some(code)).unwrap();
        let case = stage.county.must_send(&request).await.unwrap();

        eventually("the request is declined", async || {
            Ok((stage.county.state(&case).await? == "declined").then_some(()))
        })
        .await
        .unwrap();
        let id = playing.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        well(playing).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_hospital_that_waits_in_vain_ends_with_a_failure() {
    let stage = Stage::of(FENGQIAO).await;
    let script = "[[step]]\nhears = \"transfer.offer\"\nwithin_seconds = 0.2\n";

    let playing = stage.simulate(&stage.http(), script).await;

    let output = playing.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    assert!(lines.iter().any(|line| line["event"] == "missed"), "{lines:#?}");
    assert_eq!(lines.last().unwrap()["missed"], 1);
}
