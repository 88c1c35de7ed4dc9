//! Certificates and private keys from PEM files, and the choice among them by the name that a peer asks for.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;

use super::{TlsError, provider};

/// Bytes of a PEM file.
const MOST_BYTES: u64 = 1024 * 1024;

/// A chain and its key, which belong to each other.
pub(super) fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let fault = |_| TlsError::new(key, "holds no private key as PEM");
    // Wiped when it is dropped; the parsed key is wiped by its own type.
    let text = Secret::new(bytes(key)?);
    let private = PrivateKeyDer::from_pem_slice(text.expose()).map_err(fault)?;
    let pair = CertifiedKey::from_der(chain, private, &provider());
    pair.map_err(|error| TlsError::new(certificate, format!("does not go with {}: {error}", key.display())))
}

/// The name of a certificate, the first for which it was issued or else its subject, and when it ends.
pub(super) fn end(certificate: &CertificateDer<'_>) -> Option<(String, Timestamp)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let named = names.and_then(|names| names.value.general_names.first()).and_then(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let end = Timestamp::from_seconds(certificate.validity().not_after.timestamp())?;
    Some((named.unwrap_or_else(|| certificate.subject().to_string()), end))
}

/// Every certificate of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(path)?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| TlsError::new(path, format!("is no PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(TlsError::new(path, "holds no certificate as PEM"));
    }
    Ok(certificates)
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fault = |error: std::io::Error| TlsError::new(path, error.to_string());
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TlsError::new(path, format!("more than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Chooses the first certificate that holds the name which a peer asks for; the first of all where none does.
pub(super) struct ByName(Vec<Arc<CertifiedKey>>);

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("certificates", &self.0.len()).finish_non_exhaustive()
    }
}

impl ByName {
    pub(super) fn new(pairs: impl Iterator<Item = CertifiedKey>) -> Self {
        Self(pairs.map(Arc::new).collect())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.0.iter().find(|pair| holds(pair, &name)));
        named.or_else(|| self.0.first()).cloned()
    }
}

fn holds(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}
