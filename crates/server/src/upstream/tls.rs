//! TLS to upstreams: whom a gateway trusts, how it shows itself, and under which name it asks. There is no way to trust anybody.

use std::fmt;
use std::sync::Arc;

use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use super::definition::Protocol;

/// How servers with TLS are reached. Equal if it was made of the same files.
#[derive(Clone)]
pub(crate) struct Tls {
    client: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    /// A digest of all that it was made of.
    origin: [u8; 32],
}

/// The files of a TLS definition, in PEM.
pub(crate) struct Files<'f> {
    /// Instead of the machine's own trust anchors.
    pub(crate) anchors: Option<&'f [u8]>,
    /// The gateway's certificates and private key.
    pub(crate) own: Option<(&'f [u8], &'f [u8])>,
    pub(crate) name: Option<&'f str>,
}

/// What is wrong with the files of a TLS definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// No trust anchor was found.
    Anchors,
    /// No certificate, or one that does not fit the key.
    Certificate,
    /// No private key.
    Key,
    /// The provider of cryptography has no version of TLS.
    Versions,
    /// The name is neither a host name nor an address.
    Name,
}

impl TlsFault {
    /// What is wrong, and the mend.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Anchors => {
                ("there is no trust anchor", "name a PEM file of certificates under `ca`, or install the system's certificates")
            }
            Self::Certificate => ("the certificate cannot be used with the key", "name PEM files that belong together"),
            Self::Key => ("there is no private key", "name a PEM file with one private key under `key`"),
            Self::Versions => ("no version of TLS can be spoken", "report this: the build lacks its cryptography"),
            Self::Name => ("the server name is no host name", "write a name such as orders.internal"),
        }
    }
}

impl Tls {
    /// # Errors
    /// The first file that cannot be used.
    pub(crate) fn new(files: &Files<'_>, protocol: Protocol) -> Result<Self, TlsFault> {
        let anchors = match files.anchors {
            Some(pem) => anchors(certificates(pem).map_err(|()| TlsFault::Anchors)?)?,
            None => anchors(rustls_native_certs::load_native_certs().certs)?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|_| TlsFault::Versions)?;
        let builder = builder.with_root_certificates(anchors);
        let mut client = match files.own {
            Some((certificate, key)) => {
                let chain = certificates(certificate).map_err(|()| TlsFault::Certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsFault::Key)?;
                builder.with_client_auth_cert(chain, key).map_err(|_| TlsFault::Certificate)?
            }
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols = match protocol {
            Protocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        let name = files.name.map(|name| ServerName::try_from(name.to_owned()).map_err(|_| TlsFault::Name)).transpose()?;
        Ok(Self { client: Arc::new(client), name, origin: origin(files) })
    }

    /// Puts TLS onto connections.
    pub(crate) fn connector(&self, http: HttpConnector) -> HttpsConnector<HttpConnector> {
        let names: Arc<dyn ResolveServerName + Send + Sync> = match &self.name {
            Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
            None => Arc::new(DefaultServerNameResolver::default()),
        };
        HttpsConnector::new(http, Arc::clone(&self.client), true, names)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ()> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(drop)?;
    if found.is_empty() { Err(()) } else { Ok(found) }
}

fn anchors(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsFault> {
    let mut store = RootCertStore::empty();
    let (taken, _) = store.add_parsable_certificates(certificates);
    if taken == 0 { Err(TlsFault::Anchors) } else { Ok(store) }
}

/// Length before text, so that no two sets of files have the same digest.
fn origin(files: &Files<'_>) -> [u8; 32] {
    let (certificate, key) = files.own.unzip();
    let mut digest = Sha256::new();
    for text in [files.anchors, certificate, key, files.name.map(str::as_bytes)] {
        digest.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        digest.update(text.unwrap_or_default());
    }
    digest.finalize().into()
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin && self.client.alpn_protocols == other.client.alpn_protocols
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}
