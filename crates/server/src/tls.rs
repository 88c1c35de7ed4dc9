//! TLS of accepted connections: certificates chosen by name, and certificates of clients.

mod certificates;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Timestamp;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::certificates::{ByName, certificates};

/// An address at which TLS is spoken, and how.
#[derive(Debug, Clone)]
pub struct TlsListener {
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
}

/// How one listener speaks. It holds private keys, and shows nothing.
#[derive(Clone)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    /// When its certificates end, by name.
    ends: Arc<[(String, Timestamp)]>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl TlsListener {
    /// The address, as configured.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The SHA-256 of a certificate's DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A certificate with its chain and private key.
pub(crate) struct Pair(rustls::sign::CertifiedKey);

impl Pair {
    /// Reads both from PEM files.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        certificates::pair(certificate, key).map(Self)
    }
}

/// Who issues certificates of clients.
#[derive(Debug)]
pub(crate) struct ClientAuthority {
    roots: RootCertStore,
    required: bool,
}

impl ClientAuthority {
    /// Reads the authorities' certificates from a PEM file.
    pub(crate) fn read(path: &Path, required: bool) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::new(path, error.to_string()))?;
        }
        Ok(Self { roots, required })
    }
}

impl Server {
    /// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1. Early data is not accepted, since it can be replayed.
    pub(crate) fn new(pairs: Vec<Pair>, clients: Option<ClientAuthority>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(ClientAuthority { roots, required }) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?)
            }
        };
        let ends = pairs.iter().filter_map(|pair| certificates::end(pair.0.cert.first()?)).collect();
        let mut server = builder.with_cert_resolver(Arc::new(ByName::new(pairs.into_iter().map(|pair| pair.0))));
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(server), ends })
    }

    /// When its certificates end, by name.
    pub(crate) fn ends(&self) -> &[(String, Timestamp)] {
        &self.ends
    }

    /// Shakes hands with a peer, within this time.
    pub(crate) async fn accept(&self, stream: TcpStream, most: Duration) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(most, TlsAcceptor::from(Arc::clone(&self.config)).accept(stream)).await?
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The fingerprint of the certificate that the peer showed and the listener's authority issued.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Option<Fingerprint> {
    stream.get_ref().1.peer_certificates()?.first().map(Fingerprint::of)
}

/// What is wrong with a file of certificates or keys. The operator is at fault.
#[derive(Debug)]
pub(crate) struct TlsError {
    file: PathBuf,
    fault: String,
}

impl TlsError {
    fn new(file: &Path, fault: impl Into<String>) -> Self {
        Self { file: file.to_owned(), fault: fault.into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.fault)
    }
}

impl std::error::Error for TlsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_hexadecimal_digits() {
        let text = "0f".repeat(32);
        assert_eq!(Fingerprint::parse(&text).unwrap().to_string(), text);
        assert_eq!(Fingerprint::parse(&text.to_uppercase()).unwrap().to_string(), text);
        for bad in ["", "0f", &"0g".repeat(32), &"+f".repeat(32), &"\u{e4}".repeat(32), &"0f".repeat(33)] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
