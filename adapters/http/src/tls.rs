//! TLS for both sides of HTTP, from PEM text: TLS 1.2 or newer, with or without client certificates.
//!
//! Hospitals run their own certificate authorities, so a destination is checked against the roots
//! in its profile; only for one with a public certificate are the operating system's roots asked.
//! No file of ours is read here. How it is done is in `tierlink-socket`.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, ServerConfig};
use tierlink_schemas::Code;
use tierlink_socket::tls::{self, Fault};
pub use tierlink_socket::tls::{ClientCertificates, Identity, Roots};

const CODE: Code = Code::new("E025");

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CannotUseTls(#[from] Fault);

impl CannotUseTls {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        CODE
    }
}

/// TLS for [`crate::Server`].
pub fn server(
    identity: Identity<'_>,
    clients: ClientCertificates<'_>,
) -> Result<Arc<ServerConfig>, CannotUseTls> {
    Ok(tls::server(identity, clients)?)
}

/// TLS for [`crate::Client`]: whom to believe, and who we are if they ask.
pub fn client(
    roots: Roots<'_>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, CannotUseTls> {
    Ok(tls::client(roots, identity)?)
}

/// For a client that speaks plain HTTP only: it believes nobody.
///
/// One for the whole process: a configuration has room for hundreds of TLS sessions, and thousands
/// of destinations have a client each.
pub(crate) fn none() -> Result<Arc<ClientConfig>, CannotUseTls> {
    static NONE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(known) = NONE.get() {
        return Ok(Arc::clone(known));
    }
    let made = tls::believing_nobody()?;
    Ok(Arc::clone(NONE.get_or_init(|| made)))
}
