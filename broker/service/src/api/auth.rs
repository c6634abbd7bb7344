//! Who calls: whoever the doorkeeper found, or nobody.

use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tierlink_schemas::{Code, OrganisationCode};
use tierlink_store::Scope;

use super::shared::Api;
use crate::desk::Person;
use crate::tokens::{Caller, Shown};

/// Error code: the request carries no valid token.
pub const NO_TOKEN: Code = Code::new("A005");
/// Error code: the route is for operators only, or for organisations only.
pub const NOT_FOR_YOU: Code = Code::new("A006");

/// The authenticated caller.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Api> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Response> {
        let shown = parts.extensions.get::<Shown>();
        shown.map(|shown| Self(shown.caller.clone())).ok_or_else(no_token)
    }
}

/// The request carries no valid token.
pub(super) fn no_token() -> Response {
    let mut response = tierlink_http::problem(
        StatusCode::UNAUTHORIZED,
        &NO_TOKEN,
        "no valid token",
        "Send `Authorization: Bearer …` with the token that your operator gave you.",
    );
    response.headers_mut().insert(
        axum::http::header::WWW_AUTHENTICATE,
        axum::http::HeaderValue::from_static("Bearer"),
    );
    response
}

impl Authenticated {
    /// The organisation whose cases the caller may see; `None` (an operator) means all.
    pub fn sees(&self) -> Option<OrganisationCode> {
        match &self.0 {
            Caller::Organisation(organisation) => Some(organisation.clone()),
            Caller::Operator { .. } => None,
        }
    }

    /// The calling organisation. Refuses operators.
    pub fn organisation(&self) -> Result<&OrganisationCode, Response> {
        match &self.0 {
            Caller::Organisation(organisation) => Ok(organisation),
            Caller::Operator { .. } => Err(not_for_you(
                "Messages are sent by organisations; use a token \
                                                 of one.",
            )),
        }
    }

    /// The calling operator. Refuses organisations.
    pub fn operator(&self) -> Result<Person, Response> {
        match &self.0 {
            Caller::Operator { token } => Ok(Person::with_token(token)),
            Caller::Organisation(_) => {
                Err(not_for_you("This is for operators; ask the IT staff of the county."))
            }
        }
    }
}

/// Lets a request through if its token may be used for `scope`.
pub(super) async fn expect_scope(scope: Scope, request: Request, next: Next) -> Response {
    match request.extensions().get::<Shown>() {
        None => no_token(),
        Some(shown) if shown.scopes.contains(&scope) => next.run(request).await,
        Some(_) => {
            let name = scope.as_str();
            let more = match scope {
                Scope::Messages => "messages are sent by organisations",
                Scope::CasesRead => "ask the IT staff of the county for one that may",
                Scope::Operate => "this is for operators; ask the IT staff of the county",
            };
            not_for_you(&format!("The token may not be used for `{name}`; {more}."))
        }
    }
}

fn not_for_you(detail: &str) -> Response {
    tierlink_http::problem(StatusCode::FORBIDDEN, &NOT_FOR_YOU, "not for this token", detail)
        .into_response()
}
