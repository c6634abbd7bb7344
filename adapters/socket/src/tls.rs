//! TLS for both sides, from PEM text: TLS 1.2 or newer, with or without client certificates.
//!
//! Hospitals have their own certificate authorities, so a destination is checked against
//! authorities that are passed in as text; the operating system's are used only where the caller
//! asks for them. No files are read here.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_platform_verifier::Verifier;
use sha2::{Digest, Sha256};

/// Our own certificate and key, both PEM.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate, followed by intermediate certificates.
    pub chain: &'a [u8],
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: &'a [u8],
}

/// Whether clients must present a certificate, and which authorities (PEM) may have signed it.
#[derive(Clone, Copy)]
pub enum ClientCertificates<'a> {
    /// Clients are not asked for a certificate.
    NotAsked,
    /// Clients may present one; an invalid one is refused.
    Optional {
        /// The authorities to trust, PEM.
        roots: &'a [u8],
    },
    /// Clients must present one.
    Required {
        /// The authorities to trust, PEM.
        roots: &'a [u8],
    },
}

/// The authorities to trust for a destination's certificate.
#[derive(Clone, Copy)]
pub enum Roots<'a> {
    /// These (PEM) and no others. For closed networks.
    Only(&'a [u8]),
    /// Those of the operating system.
    System,
    /// Those of the operating system, and these (PEM).
    SystemAnd(&'a [u8]),
}

/// Why TLS could not be set up. The transports define the error codes.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A PEM text cannot be read.
    #[error("{what} cannot be read; it must be PEM text")]
    Unreadable {
        /// Which text: certificate, key or authorities.
        what: &'static str,
        /// The error of the PEM reader.
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM text contains no certificate.
    #[error("{what} holds no certificate; put at least one PEM certificate there")]
    NoCertificate {
        /// Which text: certificate, key or authorities.
        what: &'static str,
    },
    /// A PEM text can be read but not used.
    #[error("{what} cannot be used; check that it is complete, and that key and certificate match")]
    Unusable {
        /// Which text: certificate, key or authorities.
        what: &'static str,
        /// The error of the TLS library.
        source: rustls::Error,
    },
    /// Client certificates cannot be checked with these authorities.
    #[error("the client authorities cannot be used")]
    Verifier(#[from] VerifierBuilderError),
}

const CHAIN: &str = "the certificate chain";
const KEY: &str = "the private key";
const ROOTS: &str = "the list of authorities";
const SYSTEM_ROOTS: &str = "the operating system's list of authorities";

/// TLS configuration for a server.
pub fn server(
    identity: Identity<'_>,
    clients: ClientCertificates<'_>,
) -> Result<Arc<ServerConfig>, Fault> {
    let unusable = |source| Fault::Unusable { what: CHAIN, source };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match clients {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Optional { roots } => {
            let verifier = verifier(roots)?.allow_unauthenticated().build()?;
            builder.with_client_cert_verifier(verifier)
        }
        ClientCertificates::Required { roots } => {
            builder.with_client_cert_verifier(verifier(roots)?.build()?)
        }
    };
    let (chain, key) = (certificates(identity.chain, CHAIN)?, private_key(identity.key)?);
    Ok(Arc::new(builder.with_single_cert(chain, key).map_err(unusable)?))
}

/// TLS for a client: whom to believe, and who we are if they ask.
///
/// The same texts give the same configuration for as long as somebody uses it: it holds every
/// authority and room for hundreds of sessions, and thousands of destinations have a client each.
pub fn client(
    roots: Roots<'_>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, Fault> {
    static MADE: Mutex<BTreeMap<[u8; 32], Weak<ClientConfig>>> = Mutex::new(BTreeMap::new());
    let key = hash_of(roots, identity);
    let made = || MADE.lock();
    if let Some(known) = made().get(&key).and_then(Weak::upgrade) {
        return Ok(known);
    }
    let config = make_client(roots, identity)?;
    let mut made = made();
    made.retain(|_, config| config.strong_count() > 0);
    made.insert(key, Arc::downgrade(&config));
    Ok(config)
}

/// What tells two configurations of a client apart.
fn hash_of(roots: Roots<'_>, identity: Option<Identity<'_>>) -> [u8; 32] {
    let (kind, authorities): (&[u8], &[u8]) = match roots {
        Roots::Only(pem) => (b"only", pem),
        Roots::System => (b"system", b""),
        Roots::SystemAnd(pem) => (b"system and", pem),
    };
    let (chain, key) = identity.map_or((&b""[..], &b""[..]), |it| (it.chain, it.key));
    let mut hash = Sha256::new();
    for part in [kind, authorities, chain, key] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn make_client(
    roots: Roots<'_>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, Fault> {
    let unusable = |what| move |source| Fault::Unusable { what, source };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable(CHAIN))?;
    let builder = match roots {
        Roots::Only(pem) => builder.with_root_certificates(authorities(pem)?),
        Roots::System | Roots::SystemAnd(_) => {
            let more = match roots {
                Roots::SystemAnd(pem) => certificates(pem, ROOTS)?,
                Roots::Only(_) | Roots::System => Vec::new(),
            };
            let verifier =
                Verifier::new_with_extra_roots(more, provider()).map_err(unusable(SYSTEM_ROOTS))?;
            // The name is misleading: the verifier checks everything, and only the list
            // of authorities differs.
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(certificates(chain, CHAIN)?, private_key(key)?)
            .map_err(unusable(CHAIN))?,
    };
    Ok(Arc::new(config))
}

/// For a client that never uses TLS but needs a configuration: trusts no certificate.
pub fn believing_nobody() -> Result<Arc<ClientConfig>, Fault> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| Fault::Unusable { what: CHAIN, source })?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Chosen here and not taken from the process, so that no order of start-up can make it panic.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(roots: &[u8]) -> Result<rustls::server::ClientCertVerifierBuilder, Fault> {
    let roots = Arc::new(authorities(roots)?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider()))
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, ROOTS)? {
        let unusable = |source| Fault::Unusable { what: ROOTS, source };
        store.add(certificate).map_err(unusable)?;
    }
    Ok(store)
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|source| Fault::Unreadable { what, source })?;
    if found.is_empty() { Err(Fault::NoCertificate { what }) } else { Ok(found) }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|source| Fault::Unreadable { what: KEY, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["hospital".to_owned()]).unwrap();
        made.cert.pem().into_bytes()
    }

    #[test]
    fn clients_with_the_same_texts_share_one_configuration() {
        let (one, other) = (authority(), authority());
        let of = |pem| client(Roots::Only(pem), None).unwrap();
        let first = of(&one);

        assert!(Arc::ptr_eq(&first, &of(&one)));
        assert!(!Arc::ptr_eq(&first, &of(&other)));

        let kept = Arc::downgrade(&first);
        drop(first);
        assert!(kept.upgrade().is_none(), "nobody uses it any more");
        of(&one);
    }
}
