//! Reads the certificates of listeners from files.

use anyhow::Context;

use crate::config::{Config, TlsSettings};

/// The contents of a listener's certificate files.
pub(crate) struct TlsFiles {
    /// The certificate chain, as PEM.
    pub(crate) certificate: Vec<u8>,
    /// The private key, as PEM.
    pub(crate) key: Vec<u8>,
    /// The authorities of client certificates, as PEM; `None` if clients need no certificate.
    pub(crate) clients: Option<Vec<u8>>,
}

impl TlsFiles {
    /// Reads all files of `settings`.
    pub(crate) fn read(config: &Config, settings: &TlsSettings) -> anyhow::Result<Self> {
        let read = |path: &std::path::Path| {
            let path = config.path(path);
            std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            clients: settings.client_authorities.as_deref().map(read).transpose()?,
        })
    }
}
