//! TLS for both sides of HTTP, from PEM text: TLS 1.2 or newer, with or without client certificates.
//!
//! Hospitals have their own certificate authorities, so a destination is checked against those in
//! its profile; the operating system's are used only for destinations with a public certificate. No
//! files are read here. The implementation is in `tierlink-socket`.

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
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        CODE
    }
}

/// TLS configuration for [`crate::Server`].
pub fn server(
    identity: Identity<'_>,
    clients: ClientCertificates<'_>,
) -> Result<Arc<ServerConfig>, CannotUseTls> {
    Ok(tls::server(identity, clients)?)
}

/// TLS configuration for [`crate::Client`]: the authorities to trust, and our own certificate.
pub fn client(
    roots: Roots<'_>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, CannotUseTls> {
    Ok(tls::client(roots, identity)?)
}

/// For a client that uses only plain HTTP: trusts no certificate.
///
/// One for the whole process, because a configuration has room for hundreds of TLS sessions, and
/// there may be thousands of clients.
pub(crate) fn none() -> Result<Arc<ClientConfig>, CannotUseTls> {
    static NONE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(known) = NONE.get() {
        return Ok(Arc::clone(known));
    }
    let made = tls::believing_nobody()?;
    Ok(Arc::clone(NONE.get_or_init(|| made)))
}
