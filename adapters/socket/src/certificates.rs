//! Reads from certificates what TLS does not tell: the names in it (its common name and its DNS
//! names), and when it ends.
//!
//! Whether a certificate is to be believed is for the TLS handshake, and is not looked at here.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Most names to read. No hospital's certificate has more.
const NAMES_MAX: usize = 32;

/// The names in the first certificate of `chain`, common name first, each once. Empty if it
/// cannot be read.
pub fn names(chain: Option<&[CertificateDer<'_>]>) -> Arc<[String]> {
    let certificate = chain
        .and_then(<[_]>::first)
        .and_then(|der| X509Certificate::from_der(der).ok())
        .map(|(_rest, certificate)| certificate);
    certificate.map_or_else(|| Arc::from([]), |certificate| names_of(&certificate))
}

/// When this certificate (DER) ends; `None` if it cannot be read.
#[must_use]
pub fn ends_at(certificate: &[u8]) -> Option<Timestamp> {
    let (_rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// When the first certificate of a chain ends, as rustls hands it out.
#[must_use]
pub fn chain_ends_at(chain: Option<&[CertificateDer<'_>]>) -> Option<Timestamp> {
    ends_at(chain?.first()?)
}

/// When the first of the certificates in this PEM text ends; `None` if it holds none.
#[must_use]
pub fn first_end(pem: &[u8]) -> Option<Timestamp> {
    ends(pem).min()
}

/// When the last of the certificates in this PEM text ends; `None` if it holds none.
#[must_use]
pub fn last_end(pem: &[u8]) -> Option<Timestamp> {
    ends(pem).max()
}

fn ends(pem: &[u8]) -> impl Iterator<Item = Timestamp> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    certificates.filter_map(|certificate| ends_at(&certificate))
}

fn names_of(certificate: &X509Certificate<'_>) -> Arc<[String]> {
    let common_names = certificate.subject().iter_common_name().filter_map(|it| it.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let dns_names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let dns_names = dns_names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });

    let mut names: Vec<String> = Vec::new();
    for name in common_names.chain(dns_names) {
        if names.len() < NAMES_MAX && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names.into()
}
