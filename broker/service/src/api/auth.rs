//! Authenticates callers by bearer token.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use tierlink_schemas::{Code, OrganisationCode};

use super::shared::Api;
use crate::desk::Person;
use crate::tokens::Caller;

/// Error code: the request carries no valid token.
pub const NO_TOKEN: Code = Code::new("A005");
/// Error code: the route is for operators only, or for organisations only.
pub const NOT_FOR_YOU: Code = Code::new("A006");

/// The authenticated caller.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Api> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
        tierlink_http::bearer(&parts.headers)
            .and_then(|token| api.tokens.caller(token))
            .map(Self)
            .ok_or_else(|| {
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
            })
    }
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

fn not_for_you(detail: &str) -> Response {
    tierlink_http::problem(StatusCode::FORBIDDEN, &NOT_FOR_YOU, "not for this token", detail)
        .into_response()
}
