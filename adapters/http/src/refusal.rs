//! Refusals of this server: a status and a `problem+json` (RFC 9457) with one of our error codes.
//!
//! [`problem`] is public, so that the routes of this server can refuse in the same form.

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use tierlink_schemas::Code;

/// The media type of a problem.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// Value of `Retry-After`, in seconds: long enough for a burst to pass, short enough not
/// to be noticed.
const TRY_AGAIN_AFTER_SECONDS: u16 = 2;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a Code,
}

/// Makes a refusing response. `title` and `detail` must not contain anything from the request.
pub fn problem(status: StatusCode, code: &Code, title: &str, detail: &str) -> Response<Body> {
    let r#type = format!("urn:tierlink:error:{code}");
    let problem = Problem { r#type, title, status: status.as_u16(), detail, code };
    // Serializing texts and numbers cannot fail.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    response
}

/// Why a request did not reach its handler, or got no response from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The body is longer than allowed.
    TooLarge { bytes_max: usize },
    /// The body did not arrive in time.
    TooSlow { seconds: u64 },
    /// The body ended early, or its chunks were not valid.
    BrokenOff,
    /// Too many requests, or too many bytes of them, are being handled.
    TooBusy,
    /// The head could be read in two ways.
    Malformed,
    /// The handler panicked.
    Crashed,
}

impl Refusal {
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::new("E022"),
            Self::TooSlow { .. } => Code::new("E023"),
            Self::TooBusy => Code::new("E024"),
            Self::Crashed => Code::new("E026"),
            Self::Malformed => Code::new("E029"),
            Self::BrokenOff => Code::new("E028"),
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crashed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BrokenOff | Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "the body is too large",
            Self::TooSlow { .. } => "the body came too slowly",
            Self::TooBusy => "too much is in hand",
            Self::Crashed => "an error of ours",
            Self::BrokenOff => "the body broke off",
            Self::Malformed => "the head of the request is malformed",
        }
    }

    fn detail(self) -> String {
        match self {
            Self::TooLarge { bytes_max } => {
                format!("At most {bytes_max} bytes are taken; send large attachments by reference.")
            }
            Self::TooSlow { seconds } => format!(
                "The whole body must arrive within {seconds} seconds; check the line, then send \
                 again."
            ),
            Self::TooBusy => {
                "Nothing was done with this request; send it again a little later.".to_owned()
            }
            Self::Crashed => "It is not known how far this request got; send it again with the \
                              same message id."
                .to_owned(),
            Self::Malformed => {
                "Send exactly one Host header, and end each line with a carriage return and a \
                 line feed."
                    .to_owned()
            }
            Self::BrokenOff => "The body ended before its announced length, or its chunks cannot \
                                be read; send it again."
                .to_owned(),
        }
    }

    /// Whether unread bytes of the body may still arrive, so that the connection must be closed.
    const fn ends_connection(self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::TooSlow { .. } | Self::BrokenOff | Self::Malformed => {
                true
            }
            Self::TooBusy | Self::Crashed => false,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = problem(self.status(), &self.code(), self.title(), &self.detail());
        if self.ends_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::TooBusy {
            response.headers_mut().insert(RETRY_AFTER, TRY_AGAIN_AFTER_SECONDS.into());
        }
        response
    }
}
