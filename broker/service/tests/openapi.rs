//! The OpenAPI document and the router tell the same story.
//!
//! A real broker, embedded, on the example county; every documented route is called.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::path::Path;

use serde_json::Value;
use tierlink::app::{App, Options};
use tierlink::config::Config;
use tierlink::desk::{Person, Reason};
use tierlink::tokens::Wanted;

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
            profile.inbound.peers.clear();
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
async fn the_operation_of_fhir_is_found_however_a_client_writes_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let (app, base) = start(folder.path()).await;
    let client = reqwest::Client::new();

    for path in
        ["$process-message", "%24process-message", "$process-message/", "%24process-message/"]
    {
        let answer = client.post(format!("{base}/fhir/{path}")).send().await.unwrap();

        assert_eq!(answer.status().as_u16(), 401, "{path}: asks who is there");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_compressed_or_xml_body_is_told_so_and_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (app, base) = start(folder.path()).await;
    let (by, why) = (Person::with_token("test"), Reason::new("a test").unwrap());
    let sender = tierlink_schemas::OrganisationCode::new("330199101").unwrap();
    let token =
        app.desk().create_token(Wanted::of("sender", Some(sender)), &by, &why).await.unwrap();
    app.tokens().read().await.unwrap();
    let client = reqwest::Client::new();

    for path in ["/api/v1/messages", "/fhir/$process-message"] {
        for (header, value) in
            [("Content-Encoding", "gzip"), ("Content-Type", "application/fhir+xml")]
        {
            let request = client.post(format!("{base}{path}")).bearer_auth(&token).body("x");

            let answer = request.header(header, value).send().await.unwrap();

            assert_eq!(answer.status().as_u16(), 415, "{path} {header}");
            let told = answer.text().await.unwrap();
            assert!(told.contains("A019"), "{told}");
            assert_eq!(told.contains("not-supported"), path.starts_with("/fhir"), "{told}");
        }
    }
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

#[tokio::test]
async fn what_the_routes_answer_is_what_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let (app, base) = start(folder.path()).await;
    let (by, why) = (Person::with_token("test"), Reason::new("a test").unwrap());
    let desk = app.desk();
    let operator = desk.create_token(Wanted::of("operator", None), &by, &why).await.unwrap();
    let sender = tierlink_schemas::OrganisationCode::new("330199101").unwrap();
    let token = desk.create_token(Wanted::of("sender", Some(sender)), &by, &why).await.unwrap();
    app.tokens().read().await.unwrap();
    let client = reqwest::Client::new();
    let message = include_str!("../../../schemas/examples/referral.submit.json");
    let sent = client.post(format!("{base}/api/v1/messages")).bearer_auth(&token).body(message);
    let sent: Value = sent.send().await.unwrap().json().await.unwrap();
    let case = sent["case_number"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
    let document = tierlink::api::document();

    for path in [
        "/api/v1/cases",
        "/api/v1/cases/{case}",
        "/api/v1/cases/{case}/events",
        "/api/v1/cases/{case}/custody",
        "/api/v1/slots",
        "/api/v1/lanes",
        "/api/v1/parked",
        "/api/v1/acts",
        "/readyz",
    ] {
        let url = format!("{base}{}", path.replace("{case}", &case));
        let request = client.get(url).bearer_auth(&operator);

        let answer: Value = request.send().await.unwrap().json().await.unwrap();

        let schema =
            &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"];
        let schema = &schema["schema"];
        let whole = serde_json::json!({ "allOf": [schema], "components": document["components"] });
        let faults: Vec<String> = jsonschema::validator_for(&whole)
            .unwrap()
            .iter_errors(&answer)
            .map(|fault| fault.to_string())
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{path}: {answer}");
    }
    app.stop().await;
}

#[test]
fn every_reference_to_a_schema_leads_to_one() {
    let document = tierlink::api::document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut followed = 0;
    let mut values = vec![document];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(fields) => {
                let name = fields.get("$ref").and_then(Value::as_str);
                if let Some(name) = name.and_then(|name| name.strip_prefix(COMPONENTS)) {
                    assert!(schemas.contains_key(name), "{name}");
                    followed += 1;
                }
                values.extend(fields.values());
            }
            Value::Array(items) => values.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(followed > 50, "only {followed} references");
    assert!(std::ptr::eq(document, tierlink::api::document()), "it is made once");
}

const COMPONENTS: &str = "#/components/schemas/";
