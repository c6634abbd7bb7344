//! TLS for both sides of MLLP, from PEM text: TLS 1.2 or newer, with or without client certificates.
//!
//! No built-in authorities are trusted, nor the operating system's: hospitals have their own, and
//! an endpoint that any public authority can vouch for is not a closed network. No files are read
//! here. The implementation is in `tierlink-socket`.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use tierlink_schemas::Code;
use tierlink_socket::tls::{self, Fault, Roots};
pub use tierlink_socket::tls::{ClientCertificates, Identity};

pub(crate) const CODE: Code = Code::new("E007");

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

/// TLS configuration for [`crate::Client`]: the authorities to trust (PEM), and
/// our own certificate.
pub fn client(
    roots: &[u8],
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, CannotUseTls> {
    Ok(tls::client(Roots::Only(roots), identity)?)
}
