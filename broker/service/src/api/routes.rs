//! The list of routes: path, purpose, who may call, and what is read and written.
//!
//! The router and the OpenAPI document are both made from this list.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodRouter, get, post};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tierlink_schemas::Verdict;
use tierlink_store::Scope;

use super::auth::expect_scope;
use super::schemas::{any_message, fhir_resource, inline_schema_of, schema_of};
use super::shared::Api;
use super::{cases, desk, health, messages, views};

/// Generates the schema of a type.
pub(super) type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// A body: its media type and its schema.
pub(super) struct Media {
    pub(super) r#type: &'static str,
    pub(super) schema: SchemaFn,
}

/// Body of a request.
pub(super) enum Body {
    /// A message, answered by intake.
    Message(Media),
    /// The reason for an act.
    Reason(Media),
}

/// One route of the API.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) summary: &'static str,
    /// What its token must be good for; `None` if it asks for none.
    pub(super) scope: Option<Scope>,
    /// Names and meanings of what stands in the path.
    pub(super) in_path: &'static [(&'static str, &'static str)],
    /// The type of the query parameters.
    pub(super) query: Option<SchemaFn>,
    pub(super) body: Option<Body>,
    pub(super) answer: Media,
    handler: MethodRouter<Api>,
}

const JSON: &str = "application/json";
const FHIR: &str = "application/fhir+json";
const TEXT: &str = "text/plain";

impl Route {
    fn new(
        path: &'static str,
        method: &'static str,
        handler: MethodRouter<Api>,
        summary: &'static str,
    ) -> Self {
        let answer = Media { r#type: TEXT, schema: schema_of::<String> };
        Self {
            path,
            method,
            summary,
            scope: Some(Scope::CasesRead),
            in_path: &[],
            query: None,
            body: None,
            answer,
            handler,
        }
    }

    fn get<H, T>(path: &'static str, handler: H, summary: &'static str) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self::new(path, "get", get(handler), summary)
    }

    fn post<H, T>(path: &'static str, handler: H, summary: &'static str) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self::new(path, "post", post(handler), summary)
    }

    /// Makes the route callable without a token.
    fn without_token(mut self) -> Self {
        self.scope = None;
        self
    }

    /// It needs an operator's token.
    fn for_operators(mut self) -> Self {
        self.scope = Some(Scope::Operate);
        self
    }

    fn in_path(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.in_path = names;
        self
    }

    fn query<Q: JsonSchema>(mut self) -> Self {
        self.query = Some(inline_schema_of::<Q>);
        self
    }

    fn takes(mut self, r#type: &'static str, schema: SchemaFn) -> Self {
        self.body = Some(Body::Message(Media { r#type, schema }));
        self.scope = Some(Scope::Messages);
        self
    }

    /// Marks an act of an operator, which requires a reason.
    fn acts<A: JsonSchema>(mut self) -> Self {
        let reason = Media { r#type: JSON, schema: schema_of::<desk::Why> };
        self.body = Some(Body::Reason(reason));
        self.for_operators().gives::<A>()
    }

    fn gives<A: JsonSchema>(mut self) -> Self {
        self.answer = Media { r#type: JSON, schema: schema_of::<A> };
        self
    }

    fn gives_as(mut self, r#type: &'static str, schema: SchemaFn) -> Self {
        self.answer = Media { r#type, schema };
        self
    }
}

const CASE: &[(&str, &str)] = &[("case", "The case's number (`R2600012345`) or id.")];

const LANE: &[(&str, &str)] = &[("lane", "The organisation's code.")];
const DELIVERY: &[(&str, &str)] = &[
    ("message", "Our id of the message; before the `@` of `delivery`."),
    ("organisation", "Where it goes; after the `@` of `delivery`."),
];

/// All documented routes: all except the OpenAPI document itself.
pub(super) fn all() -> Vec<Route> {
    vec![
        Route::post(
            "/api/v1/messages",
            messages::native,
            "Send a canonical message. 200 means that it is on disk and on its way.",
        )
        .takes(JSON, any_message)
        .gives::<Verdict>(),
        Route::get("/api/v1/messages/{id}", cases::message, "A message that you sent or receive.")
            .in_path(&[("id", "Our id of the message.")])
            .gives_as(JSON, any_message),
        Route::get("/api/v1/cases", cases::list, "A page of the cases in which you have a part. One that has left you is shown as it was then, \
             and only without `state`, `with` and `overdue`.")
            .query::<cases::ListQuery>()
            .gives::<views::CasePage<'_>>(),
        Route::get(
            "/api/v1/cases/{case}",
            cases::show,
            "A case with its events and the custody of each message.",
        )
        .in_path(CASE)
        .gives::<views::CaseShown<'_>>(),
        Route::get("/api/v1/cases/{case}/events", cases::events, "The events of a case.")
            .in_path(CASE)
            .gives::<views::Events<'_>>(),
        Route::get(
            "/api/v1/cases/{case}/custody",
            cases::custody,
            "How each message of a case fared at every hop.",
        )
        .in_path(CASE)
        .gives::<views::Custody<'_>>(),
        Route::get("/api/v1/slots", cases::slots, "Slots, beds and expert times that are offered.")
            .query::<cases::SlotsQuery>()
            .gives::<views::Slots<'_>>(),
        Route::get("/api/v1/lanes", desk::lanes, "All lanes. For operators.")
            .for_operators()
            .gives::<views::Lanes<'_>>(),
        Route::post(
            "/api/v1/lanes/{lane}/pause",
            desk::pause,
            "Stop delivering to an organisation. For operators.",
        )
        .in_path(LANE)
        .acts::<views::LaneAct<'_>>(),
        Route::post(
            "/api/v1/lanes/{lane}/resume",
            desk::resume,
            "Deliver to an organisation again. For operators.",
        )
        .in_path(LANE)
        .acts::<views::LaneAct<'_>>(),
        Route::get(
            "/api/v1/parked",
            desk::parked,
            "Deliveries that need a person, oldest first. For operators.",
        )
        .for_operators()
        .query::<desk::ParkedQuery>()
        .gives::<views::Parked<'_>>(),
        Route::post(
            "/api/v1/parked/{message}/{organisation}/replay",
            desk::replay,
            "Send a parked delivery again. For operators.",
        )
        .in_path(DELIVERY)
        .acts::<views::DeliveryAct>(),
        Route::post(
            "/api/v1/parked/{message}/{organisation}/drop",
            desk::drop,
            "Give a parked delivery up; what waits behind it goes on. For operators.",
        )
        .in_path(DELIVERY)
        .acts::<views::DeliveryAct>(),
        Route::get(
            "/api/v1/acts",
            desk::acts,
            "What people did, newest first: who, why and when. For operators.",
        )
        .for_operators()
        .query::<desk::ActsQuery>()
        .gives::<views::Acts<'_>>(),
        Route::post(PROCESS_MESSAGE, messages::fhir, "Send a FHIR R4 message Bundle.")
            .takes(FHIR, fhir_resource)
            .gives_as(FHIR, fhir_resource),
        Route::get("/fhir/metadata", messages::fhir_metadata, "The CapabilityStatement.")
            .without_token()
            .gives_as(JSON, fhir_resource),
        Route::get("/healthz", health::alive, "Whether the process answers.").without_token(),
        Route::get("/readyz", health::ready, "Whether messages can be taken now.")
            .without_token()
            .gives::<views::Readiness>(),
        Route::get("/metrics", health::metrics, "Figures for Prometheus.").without_token(),
    ]
}

/// Where FHIR messages are posted.
const PROCESS_MESSAGE: &str = "/fhir/$process-message";

/// The same as HTTP libraries write it: RFC 3986 lets a client encode the `$`, and many add a slash.
const PROCESS_MESSAGE_TOO: [&str; 3] =
    ["/fhir/%24process-message", "/fhir/$process-message/", "/fhir/%24process-message/"];

/// The router over all of them.
pub(super) fn router() -> Router<Api> {
    let routes = all().into_iter();
    let scoped = |handler: MethodRouter<Api>, scope: Option<Scope>| match scope {
        None => handler,
        Some(scope) => handler.route_layer(from_fn(move |request: Request, next: Next| {
            expect_scope(scope, request, next)
        })),
    };
    let router = routes.fold(Router::new(), |router, route| {
        router.route(route.path, scoped(route.handler, route.scope))
    });
    PROCESS_MESSAGE_TOO.iter().fold(router, |router, path| {
        router.route(path, scoped(post(messages::fhir), Some(Scope::Messages)))
    })
}
