//! How often the bytes of a large message are copied on their way from the socket into the store.
//!
//! An allocator that counts stands under the real codec, intake, committer and SQLite. What a
//! message costs is given in copies of itself: bytes allocated, divided by its length. SQLite
//! keeps its pages in memory of its own, which is not counted.
//!
//! One test, so that nothing else allocates meanwhile.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]
#![expect(clippy::cast_precision_loss, reason = "some megabytes are far below 2^52")]

use std::alloc::System;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tierlink::codecs::codecs;
use tierlink::committer::Committer;
use tierlink::config::Config;
use tierlink::counters::Counters;
use tierlink::current_config::CurrentConfig;
use tierlink::intake::Intake;
use tierlink_codec::{Codec, Profile, Reading};
use tierlink_edge::environment::SystemEnvironment;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The largest attachment, before base64.
const ATTACHMENT_BYTES: usize = 4 * 1024 * 1024;

const COUNTY: &str = r#"
    [county]
    name = "Copies"
    [store]
    url = "sqlite:opened-below"
"#;

fn config() -> Config {
    let profile = |code: &str, tier: &str| {
        let text = format!(
            "[organisation]\ncode = \"{code}\"\nname = \"{code}\"\ntier = \"{tier}\"\n\
             [format]\nname = \"json\"\n"
        );
        (format!("{code}.toml"), Profile::from_toml(&text).unwrap())
    };
    let profiles = vec![profile("330199101", "township"), profile("330199001", "county")];
    Config::build(toml::from_str(COUNTY).unwrap(), PathBuf::new(), profiles, Vec::new()).unwrap()
}

/// A referral with two attachments of the largest size: nearly 12 MiB.
fn message(id: &str) -> Bytes {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/examples/referral.submit.json");
    let mut message: Value = serde_json::from_slice(&std::fs::read(example).unwrap()).unwrap();
    let fields = message.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("received_at");
    message["source"]["message_id"] = id.into();
    let content = "QUJD".repeat(ATTACHMENT_BYTES / 3);
    let attachment = json!({
        "kind": "ecg", "title": "CT", "media_type": "application/pdf", "content": content,
    });
    message["body"]["attachments"] = json!([attachment, attachment]);
    serde_json::to_vec(&message).unwrap().into()
}

#[tokio::test]
async fn a_large_message_is_copied_no_more_often_than_it_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("t.db").display());
    tierlink_store::open_to_migrate(&url, 1).unwrap().migrate().await.unwrap();
    let store = tierlink_store::open(&url, 1).await.unwrap();
    let config = config();
    let profile = config.profiles.values().find(|p| p.organisation.code.as_str() == "330199101");
    let profile = profile.unwrap().default_system().unwrap().clone();
    let json = codecs().get("json").unwrap().clone();
    let current_config = Arc::new(CurrentConfig::new(config));
    let tasks = TaskTracker::new();
    let committer =
        Committer::start(store.clone(), &current_config, &Arc::new(Notify::new()), &tasks);
    let counters = Counters::new(store.clone());
    let environment = Arc::new(SystemEnvironment);
    let intake =
        Intake::new(Arc::clone(&current_config), codecs(), committer, counters, environment);
    // What is made once (schemas, tables, connections) is made before counting.
    let answer = intake.take(&profile, &json, message("warm")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.frames[0]));

    let raw = message("decoded");
    let reading = Reading {
        profile: &profile,
        directory: &current_config.load().directory,
        id: Uuid::now_v7(),
        received_at: Timestamp::now(),
        head: None,
    };
    let region = Region::new(COUNTED);
    let decoded = tierlink_json::Json.decode(&raw, &reading);
    let decoding = region.change().bytes_allocated as f64 / raw.len() as f64;
    assert!(decoded.outcome.is_ok());
    drop(decoded);

    let raw = message("counted");
    let length = raw.len() as f64;
    let region = Region::new(COUNTED);
    let answer = intake.take(&profile, &json, raw).await;
    let all = region.change().bytes_allocated as f64 / length;

    assert_eq!(answer.status, 200);
    let beyond = all - decoding;
    println!(
        "{length} bytes: {all:.2} copies from the socket into the store, {decoding:.2} of them in \
         the codec, {beyond:.2} behind it"
    );
    assert!(beyond < BEYOND_THE_CODEC_MAX, "{beyond:.2} copies behind the codec");
    store.close().await;
}

/// One each: the values that the check looks at, the canonical bytes, and the raw bytes that sqlx
/// wants to own. A little more for everything else.
const BEYOND_THE_CODEC_MAX: f64 = 3.25;
