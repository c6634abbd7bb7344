//! Who is asked about a request before its body is read.

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use tierlink_socket::Peer;

/// Looks at the head of each request, while its body is still on its way.
pub trait Doorkeeper: Send + Sync + 'static {
    /// Says who sends this, or answers it; then the body is never read and the connection ends.
    ///
    /// Whoever is known keeps its place and may fill memory. What is found out may be left in the
    /// extensions of `head` for the handlers. Must be quick.
    fn admit(
        &self,
        head: &mut Parts,
        peer: &Peer,
        has_body: bool,
    ) -> Result<Standing, Box<Response<Body>>>;
}

/// What is known of the sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Stranger,
    /// Who it is.
    Known,
}

/// Admits every request as one of a known sender, for servers without senders to tell apart, as in
/// tests.
pub(crate) struct OpenDoor;

impl Doorkeeper for OpenDoor {
    fn admit(
        &self,
        _head: &mut Parts,
        _peer: &Peer,
        _has_body: bool,
    ) -> Result<Standing, Box<Response<Body>>> {
        Ok(Standing::Known)
    }
}
