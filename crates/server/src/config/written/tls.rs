//! TLS listeners as they are written.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

/// `[[tls]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenTls {
    /// `["0.0.0.0:8443"]`
    pub(in crate::config) listen: Vec<Spanned<String>>,
    /// The first answers names that no certificate holds.
    pub(in crate::config) certificates: Vec<Spanned<WrittenCertificate>>,
    /// Certificates of those who may certify clients, as PEM.
    pub(in crate::config) client_ca: Option<Spanned<PathBuf>>,
    /// `required` or `optional`
    pub(in crate::config) client_certificate: Option<Spanned<String>>,
}

/// `{ certificate = "api.pem", key = "api.key" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenCertificate {
    /// The chain as PEM, the server's own first.
    pub(in crate::config) certificate: PathBuf,
    /// The private key as PEM.
    pub(in crate::config) key: PathBuf,
}

impl WrittenTls {
    /// The files that it names.
    pub(in crate::config) fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().map(Spanned::get_ref);
        let named = pairs.flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()]);
        named.chain(self.client_ca.as_ref().map(|path| path.get_ref().as_path()))
    }
}
