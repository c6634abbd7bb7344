//! The OpenAPI document: generated once, from the same list of routes as the router and from the
//! types that handlers read and write.
//!
//! Canonical messages have JSON Schemas already (`tierlink_schemas::schema`); the schemas of
//! queries and answers are derived with `schemars` too.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use tierlink_schemas::{Kind, schema};

use super::routes::{self, Body, Media, Route};

/// The document as it is served.
static DOCUMENT: LazyLock<Made> = LazyLock::new(|| {
    let document = serde_json::to_value(Document::new(&routes::all()))
        .unwrap_or_else(|_| unreachable!("the document has string keys and no failing writers"));
    let text = document.to_string();
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes())));
    Made { document, text, tag }
});

/// The document, its text, and the name of exactly this text (`ETag`).
struct Made {
    document: Value,
    text: String,
    tag: String,
}

/// It changes with a release only; an hour is soon enough to notice.
const KEPT_FOR: &str = "public, max-age=3600";

/// Serves the document, or says that the asker has it already.
pub async fn serve(asked: HeaderMap) -> Response {
    let tag = DOCUMENT.tag.as_str();
    let known =
        asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let named = [(header::ETAG, tag), (header::CACHE_CONTROL, KEPT_FOR)];
    if known {
        return (StatusCode::NOT_MODIFIED, named).into_response();
    }
    (named, [(header::CONTENT_TYPE, "application/json")], DOCUMENT.text.as_str()).into_response()
}

/// The document as JSON.
#[must_use]
pub fn document() -> &'static Value {
    &DOCUMENT.document
}

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Info,
    paths: BTreeMap<&'static str, BTreeMap<&'static str, Operation>>,
    components: Components,
}

#[derive(Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
struct Components {
    #[serde(rename = "securitySchemes")]
    security_schemes: BTreeMap<&'static str, SecurityScheme>,
    schemas: Map<String, Value>,
}

#[derive(Serialize)]
struct SecurityScheme {
    r#type: &'static str,
    scheme: &'static str,
}

#[skip_serializing_none]
#[derive(Serialize)]
struct Operation {
    summary: &'static str,
    parameters: Vec<Parameter>,
    #[serde(rename = "requestBody")]
    request_body: Option<RequestBody>,
    responses: BTreeMap<&'static str, Answer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security: Vec<BTreeMap<&'static str, Scopes>>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    r#in: &'static str,
    required: bool,
    description: String,
    schema: Value,
}

#[derive(Serialize)]
struct RequestBody {
    required: bool,
    content: BTreeMap<&'static str, Content>,
}

#[derive(Serialize)]
struct Answer {
    description: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    content: BTreeMap<&'static str, Content>,
}

#[derive(Serialize)]
struct Content {
    schema: Schema,
}

/// What a token must be good for.
type Scopes = Vec<&'static str>;

/// The name of the only security scheme.
const TOKEN: &str = "token";

impl Document {
    fn new(routes: &[Route]) -> Self {
        // OpenAPI 3.1 uses JSON Schema 2020-12, as the schemas of canonical messages do.
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        let mut generator = settings.into_generator();
        let mut paths: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for route in routes {
            let methods = paths.entry(route.path).or_default();
            methods.insert(route.method, Operation::new(route, &mut generator));
        }
        let kinds = Kind::ALL.iter().map(|kind| (kind.to_string(), schema::of(*kind).into()));
        let mut schemas = generator.take_definitions(true);
        schemas.extend(kinds);
        Self {
            openapi: "3.1.0",
            info: Info {
                title: "TierLink",
                version: env!("CARGO_PKG_VERSION"),
                description: "Two-way referral and remote consultation inside a county medical \
                              consortium. Each kind of message has a JSON Schema below.",
            },
            paths,
            components: Components {
                security_schemes: BTreeMap::from([(
                    TOKEN,
                    SecurityScheme { r#type: "http", scheme: "bearer" },
                )]),
                schemas,
            },
        }
    }
}

impl Operation {
    fn new(route: &Route, generator: &mut SchemaGenerator) -> Self {
        let path = route.in_path.iter().map(|(name, meaning)| Parameter {
            name: (*name).to_owned(),
            r#in: "path",
            required: true,
            description: (*meaning).to_owned(),
            schema: json_schema!({ "type": "string" }).into(),
        });
        let query = route.query.map(|schema| query_parameters(&schema(generator)));
        let request_body = route.body.as_ref().map(|body| match body {
            Body::Message(media) | Body::Reason(media) => {
                RequestBody { required: true, content: content(media, generator) }
            }
        });
        Self {
            summary: route.summary,
            parameters: path.chain(query.into_iter().flatten()).collect(),
            request_body,
            responses: responses(route, generator),
            security: match route.scope {
                Some(scope) => vec![BTreeMap::from([(TOKEN, vec![scope.as_str()])])],
                None => Vec::new(),
            },
        }
    }
}

/// Each field of the type that a handler reads the query into is a parameter, with its doc
/// comment as description.
fn query_parameters(schema: &Schema) -> Vec<Parameter> {
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields
        .map(|(name, field)| Parameter {
            name: name.clone(),
            r#in: "query",
            required: false,
            description: field
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            schema: field.clone(),
        })
        .collect()
}

fn content(media: &Media, generator: &mut SchemaGenerator) -> BTreeMap<&'static str, Content> {
    let schema = (media.schema)(generator);
    BTreeMap::from([(media.r#type, Content { schema })])
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> BTreeMap<&'static str, Answer> {
    let done = Answer { description: "Done.", content: content(&route.answer, generator) };
    let mut responses = BTreeMap::from([("200", done)]);
    let mut add = |status: &'static str, description: &'static str| {
        responses.insert(status, Answer { description, content: BTreeMap::new() });
    };
    if route.scope.is_some() {
        add("401", "No valid token.");
        add("403", "The token may not do this.");
        add("404", "It does not exist, or is not yours: the two look alike.");
    }
    if route.query.is_some() {
        add("400", "A parameter is unknown or makes no sense.");
    }
    match route.body {
        None => {}
        Some(Body::Reason(_)) => {
            add("400", "The reason is missing or too long.");
            add("409", "It is not parked (any more).");
            add("503", "Nothing was done; ask again.");
        }
        Some(Body::Message(_)) => {
            let conflict =
                "The case's state does not allow it, or the id carried other content before.";
            add("400", "It cannot be read.");
            add("409", conflict);
            add("413", "It is too large.");
            add("422", "It was read and its content is wrong; every problem is listed.");
            add("425", "What it refers to has not arrived yet; send it again later.");
            add("503", "Nothing was stored; send it again.");
        }
    }
    responses
}
