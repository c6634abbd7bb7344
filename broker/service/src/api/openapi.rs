//! The OpenAPI document, generated from the canonical types and the list of routes.
//!
//! A test walks the list and asks the router for each route, so that the two cannot differ.

use axum::Json;
use serde_json::{Map, Value, json};
use tierlink_schemas::{Kind, schema};

use crate::desk::REASON_CHARS_MAX;

/// One documented route.
struct Route {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    /// Whether it asks for a token.
    token: bool,
    parameters: &'static [Parameter],
    body: Option<Body>,
}

/// What a request carries.
#[derive(Clone, Copy)]
enum Body {
    /// A canonical message.
    Message,
    /// A FHIR Bundle.
    Bundle,
    /// The reason of an act.
    Why,
}

/// Name, place and meaning of a parameter.
type Parameter = (&'static str, &'static str, &'static str);

const CASE: Parameter = ("case", "path", "The case's number (`R2600012345`) or id.");
const LANE: Parameter = ("lane", "path", "The organisation's code.");
const MESSAGE: Parameter =
    ("message", "path", "Our id of the message; before the `@` of `delivery`.");
const TO: Parameter = ("organisation", "path", "Where it goes; after the `@` of `delivery`.");
const LIMIT: Parameter = ("limit", "query", "Page size, 1 to 200; 50 if absent.");

const ROUTES: &[Route] = &[
    Route {
        path: "/api/v1/messages",
        method: "post",
        summary: "Send a canonical message. 200 means that it is on disk and on its way.",
        token: true,
        parameters: &[],
        body: Some(Body::Message),
    },
    Route {
        path: "/api/v1/messages/{id}",
        method: "get",
        summary: "A message that you sent or receive.",
        token: true,
        parameters: &[("id", "path", "Our id of the message.")],
        body: None,
    },
    Route {
        path: "/api/v1/cases",
        method: "get",
        summary: "A page of the cases in which you have a part.",
        token: true,
        parameters: &[
            ("family", "query", "`referral`, `transfer` or `consultation`."),
            ("state", "query", "A state, such as `accepted`."),
            ("with", "query", "The organisation that must act now."),
            ("open", "query", "`true`: only open cases; `false`: only ended ones."),
            ("overdue", "query", "`true`: only cases whose deadline has passed."),
            ("after", "query", "`next` of the page before."),
            LIMIT,
        ],
        body: None,
    },
    Route {
        path: "/api/v1/cases/{case}",
        method: "get",
        summary: "A case with its events and the custody of each message.",
        token: true,
        parameters: &[CASE],
        body: None,
    },
    Route {
        path: "/api/v1/cases/{case}/events",
        method: "get",
        summary: "The events of a case.",
        token: true,
        parameters: &[CASE],
        body: None,
    },
    Route {
        path: "/api/v1/cases/{case}/custody",
        method: "get",
        summary: "How each message of a case fared at every hop.",
        token: true,
        parameters: &[CASE],
        body: None,
    },
    Route {
        path: "/api/v1/slots",
        method: "get",
        summary: "Slots, beds and expert times that are offered.",
        token: true,
        parameters: &[("organisation", "query", "Only this organisation's."), LIMIT],
        body: None,
    },
    Route {
        path: "/api/v1/lanes",
        method: "get",
        summary: "All lanes. For operators.",
        token: true,
        parameters: &[],
        body: None,
    },
    Route {
        path: "/api/v1/lanes/{lane}/pause",
        method: "post",
        summary: "Stop delivering to an organisation. For operators.",
        token: true,
        parameters: &[LANE],
        body: Some(Body::Why),
    },
    Route {
        path: "/api/v1/lanes/{lane}/resume",
        method: "post",
        summary: "Deliver to an organisation again. For operators.",
        token: true,
        parameters: &[LANE],
        body: Some(Body::Why),
    },
    Route {
        path: "/api/v1/parked",
        method: "get",
        summary: "Deliveries that need a person, oldest first. For operators.",
        token: true,
        parameters: &[("lane", "query", "Only those to this organisation."), LIMIT],
        body: None,
    },
    Route {
        path: "/api/v1/parked/{message}/{organisation}/replay",
        method: "post",
        summary: "Send a parked delivery again. For operators.",
        token: true,
        parameters: &[MESSAGE, TO],
        body: Some(Body::Why),
    },
    Route {
        path: "/api/v1/parked/{message}/{organisation}/drop",
        method: "post",
        summary: "Give a parked delivery up; what waits behind it goes on. For operators.",
        token: true,
        parameters: &[MESSAGE, TO],
        body: Some(Body::Why),
    },
    Route {
        path: "/api/v1/acts",
        method: "get",
        summary: "What people did, newest first: who, why and when. For operators.",
        token: true,
        parameters: &[
            ("act", "query", "Only these, such as `replay`."),
            ("organisation", "query", "Only those that concern this organisation."),
            ("by", "query", "Only those of this person or token."),
            ("since", "query", "Only those at this time or later, such as 2026-11-30T08:00:00Z."),
            ("after", "query", "`next` of the page before."),
            LIMIT,
        ],
        body: None,
    },
    Route {
        path: "/fhir/$process-message",
        method: "post",
        summary: "Send a FHIR R4 message Bundle.",
        token: true,
        parameters: &[],
        body: Some(Body::Bundle),
    },
    Route {
        path: "/fhir/metadata",
        method: "get",
        summary: "The CapabilityStatement.",
        token: false,
        parameters: &[],
        body: None,
    },
    Route {
        path: "/healthz",
        method: "get",
        summary: "Whether the process answers.",
        token: false,
        parameters: &[],
        body: None,
    },
    Route {
        path: "/readyz",
        method: "get",
        summary: "Whether messages can be taken now.",
        token: false,
        parameters: &[],
        body: None,
    },
    Route {
        path: "/metrics",
        method: "get",
        summary: "Figures for Prometheus.",
        token: false,
        parameters: &[],
        body: None,
    },
];

/// Serves the document.
pub async fn serve() -> Json<Value> {
    Json(document())
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = entry {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    let schemas: Map<String, Value> =
        Kind::ALL.iter().map(|kind| (kind.as_str().to_owned(), schema::of(*kind).into())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "TierLink",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Two-way referral and remote consultation inside a county medical \
                            consortium. Each kind of message has a JSON Schema below.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas,
        },
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|(name, place, meaning)| {
            json!({
                "name": name,
                "in": place,
                "required": *place == "path",
                "description": meaning,
                "schema": { "type": "string" },
            })
        })
        .collect();
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses(route),
    });
    if let Some(body) = route.body {
        let (media_type, schema) = content(body);
        operation["requestBody"] =
            json!({ "required": true, "content": { media_type: { "schema": schema } } });
    }
    if route.token {
        operation["security"] = json!([{ "token": [] }]);
    }
    operation
}

fn content(body: Body) -> (&'static str, Value) {
    match body {
        Body::Message => {
            let kinds: Vec<Value> = Kind::ALL
                .iter()
                .map(|kind| json!({ "$ref": format!("#/components/schemas/{kind}") }))
                .collect();
            ("application/json", json!({ "oneOf": kinds }))
        }
        Body::Bundle => (
            "application/fhir+json",
            json!({ "type": "object", "description": "A FHIR R4 Bundle of type `message`." }),
        ),
        Body::Why => (
            "application/json",
            json!({
                "type": "object",
                "properties": { "why": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": REASON_CHARS_MAX,
                    "description": "The reason; it is recorded with the token's name.",
                } },
                "required": ["why"],
                "additionalProperties": false,
            }),
        ),
    }
}

fn responses(route: &Route) -> Value {
    let mut responses = json!({ "200": { "description": "Done." } });
    let mut add = |status: &str, meaning: &str| {
        responses[status] = json!({ "description": meaning });
    };
    if route.token {
        add("401", "No valid token.");
        add("403", "The token may not do this.");
        add("404", "It does not exist, or is not yours: the two look alike.");
    }
    match route.body {
        None => {}
        Some(Body::Why) => {
            add("400", "The reason is missing or too long.");
            add("409", "It is not parked (any more).");
            add("503", "Nothing was done; ask again.");
        }
        Some(Body::Message | Body::Bundle) => {
            add("400", "It cannot be read.");
            add(
                "409",
                "The case's state does not allow it, or the id carried other content before.",
            );
            add("413", "It is too large.");
            add("422", "It was read and its content is wrong; every problem is listed.");
            add("425", "What it refers to has not arrived yet; send it again later.");
            add("503", "Nothing was stored; send it again.");
        }
    }
    responses
}
