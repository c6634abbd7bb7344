//! TLS for both sides of MLLP, from PEM text: TLS 1.2 or newer, with or without client certificates.
//!
//! There are no built-in roots, and the operating system's are not asked: hospitals run their own
//! certificate authorities, and an endpoint that any public authority can vouch for is not a closed
//! network. No file is read here. How it is done is in `tierlink-socket`.

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

/// TLS for [`crate::Client`]: whom to believe (PEM), and who we are if they ask.
pub fn client(
    roots: &[u8],
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, CannotUseTls> {
    Ok(tls::client(Roots::Only(roots), identity)?)
}
