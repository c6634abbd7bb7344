//! The OpenAPI document and the router tell the same story.
//!
//! A real broker, embedded, on the example county; every documented route is called.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::path::Path;

use serde_json::Value;
use tierlink::app::{App, Options};
use tierlink::config::Config;

async fn start(folder: &Path) -> (App, String) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/examples");
    let county = std::fs::read_to_string(example.join("county.toml")).unwrap();
    let mut settings: toml::Table = toml::from_str(&county).unwrap();
    settings["http"]["listen"] = "127.0.0.1:0".into();
    settings.remove("mllp");
    settings["store"]["url"] = format!("sqlite:{}", folder.join("t.db").display()).into();
    let profiles = std::fs::read_dir(example.join("profiles"))
        .unwrap()
        .map(|file| {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut profile = tierlink_codec::Profile::from_toml(&text).unwrap();
            profile.inbound.listener = None;
            profile.outbound.address = None;
            (profile.organisation.code.to_string(), profile)
        })
        .collect();
    let settings = settings.try_into().unwrap();
    let config = Config::build(settings, folder.to_path_buf(), profiles, Vec::new()).unwrap();
    let _provider = rustls::crypto::ring::default_provider().install_default();
    let app = App::start(config, Options::default()).await.unwrap();
    let base = format!("http://{}", app.http_address().unwrap());
    (app, base)
}

#[tokio::test]
async fn every_documented_route_is_there_and_asks_for_a_token_where_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (app, base) = start(folder.path()).await;
    let client = reqwest::Client::new();
    let document: Value =
        client.get(format!("{base}/openapi.json")).send().await.unwrap().json().await.unwrap();

    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let url = format!(
                "{base}{}",
                path.replace("{case}", "R1").replace("{id}", "1").replace("{message}", "1")
            );
            let request = if method == "post" { client.post(url) } else { client.get(url) };

            let status = request.send().await.unwrap().status().as_u16();

            let wanted = if operation.get("security").is_some() { 401 } else { 200 };
            assert_eq!(status, wanted, "{method} {path}");
            routes += 1;
        }
    }
    assert_eq!(routes, 19);
    let unknown = client.get(format!("{base}/api/v1/secrets")).send().await.unwrap();
    assert_eq!(unknown.status().as_u16(), 404);
    app.stop().await;
}

#[tokio::test]
async fn the_document_has_a_schema_for_every_kind() {
    let document = tierlink::api::document();

    let schemas = document["components"]["schemas"].as_object().unwrap();

    for kind in tierlink_schemas::Kind::ALL {
        assert!(schemas.contains_key(kind.as_str()), "{kind}");
    }
}
