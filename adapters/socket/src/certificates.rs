//! Reads the names in a client's certificate: its common name and its DNS names.
//!
//! The TLS handshake has checked the certificate before.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
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
