//! TLS to upstreams: only a server that an anchor vouches for, under the name that was asked for, gets a request.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::fixture::{Fixture, Setup};
use crate::servers::written;

/// An authority of the test, and a folder with its certificates.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Writes a certificate for this name and its key; gives back the file's stem.
    fn issue(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        std::fs::set_permissions(self.file(&format!("{name}.key")), std::fs::Permissions::from_mode(0o600)).unwrap();
        name.to_owned()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(self.issuer.der().clone()).unwrap();
        Arc::new(store)
    }
}

/// A server with TLS; which versions of HTTP it was spoken to in, and how many handshakes failed.
#[derive(Clone, Default)]
struct Secure {
    versions: Arc<Mutex<Vec<Version>>>,
    failed: Arc<AtomicUsize>,
}

impl Secure {
    async fn start(authority: &Authority, stem: &str, asks_for_certificates: bool, protocols: &[&str]) -> (Self, SocketAddr) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match asks_for_certificates {
            true => {
                builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().unwrap())
            }
            false => builder.with_no_client_auth(),
        };
        let pem = |suffix: &str| std::fs::read(authority.file(&format!("{stem}.{suffix}"))).unwrap();
        let chain = rustls::pki_types::CertificateDer::pem_slice_iter(&pem("pem")).collect::<Result<Vec<_>, _>>().unwrap();
        let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(&pem("key")).unwrap()).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, server) = (listener.local_addr().unwrap(), Self::default());
        tokio::spawn(server.clone().accept(listener, TlsAcceptor::from(Arc::new(config))));
        (server, address)
    }

    async fn accept(self, listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            let (this, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    this.failed.fetch_add(1, Ordering::SeqCst);
                    return;
                };
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    this.versions.lock().unwrap().push(request.version());
                    std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("ok")))))
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }

    fn requests(&self) -> usize {
        self.versions.lock().unwrap().len()
    }
}

async fn gateway(server: SocketAddr, tls: &str, more: &str) -> Fixture {
    let servers = format!("{{ url = \"https://{server}\" }}");
    Fixture::start(&written(&servers, &format!("tls = {{ {tls} }}\n{more}"), ""), Setup::default()).await
}

fn quoted(key: &str, path: &Path) -> String {
    format!("{key} = {:?}", path.to_str().unwrap())
}

async fn get(gateway: &Fixture) -> u16 {
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status
}

#[tokio::test]
async fn a_server_of_the_own_authority_is_spoken_to_in_the_version_that_was_agreed_on() {
    let authority = Authority::new();
    let stem = authority.issue("127.0.0.1");
    let ca = quoted("ca", &authority.file("ca.pem"));
    let cases: [(&[&str], &str, Version); 4] = [
        (&["h2", "http/1.1"], "", Version::HTTP_2),
        (&["http/1.1"], "", Version::HTTP_11),
        (&[], "", Version::HTTP_11),
        (&["h2", "http/1.1"], "protocol = \"http1\"", Version::HTTP_11),
    ];
    for (offers, protocol, version) in cases {
        let (server, address) = Secure::start(&authority, &stem, false, offers).await;
        let gateway = gateway(address, &ca, protocol).await;
        assert_eq!((get(&gateway).await, get(&gateway).await), (200, 200), "{offers:?} {protocol}");
        assert_eq!(*server.versions.lock().unwrap(), [version, version], "{offers:?} {protocol}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (stem, wrong_name) = (authority.issue("127.0.0.1"), authority.issue("other.internal"));
    let (right, wrong) = (quoted("ca", &authority.file("ca.pem")), quoted("ca", &other.file("ca.pem")));
    let named = format!("{right}, server_name = \"orders.internal\"");
    for (stem, tls) in [(&stem, wrong.as_str()), (&stem, "server_name = \"127.0.0.1\""), (&wrong_name, &right), (&stem, &named)] {
        let (server, address) = Secure::start(&authority, stem, false, &["http/1.1"]).await;
        let gateway = gateway(address, tls, "").await;
        let request = gateway.sign("house", gateway.request("GET", "/"));
        // Nothing went, so each try is as good as the first.
        gateway.send(&request).await.refuses(502, "upstream_unavailable");
        gateway.send(&request).await.refuses(502, "upstream_unavailable");
        crate::servers::until("both handshakes failed", || server.failed.load(Ordering::SeqCst) == 2).await;
        assert_eq!(server.requests(), 0, "{stem} {tls}");
    }
}

#[tokio::test]
async fn a_name_that_was_configured_is_asked_for() {
    let authority = Authority::new();
    let stem = authority.issue("orders.internal");
    let (server, address) = Secure::start(&authority, &stem, false, &["http/1.1"]).await;
    let tls = format!("{}, server_name = \"orders.internal\"", quoted("ca", &authority.file("ca.pem")));
    assert_eq!(get(&gateway(address, &tls, "").await).await, 200);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_where_one_is_configured() {
    let authority = Authority::new();
    let (stem, own) = (authority.issue("127.0.0.1"), authority.issue("gateway"));
    let (server, address) = Secure::start(&authority, &stem, true, &["http/1.1"]).await;
    let ca = quoted("ca", &authority.file("ca.pem"));
    let (certificate, key) = (authority.file(&format!("{own}.pem")), authority.file(&format!("{own}.key")));
    let shown = format!("{ca}, {}, {}", quoted("certificate", &certificate), quoted("key", &key));
    assert_eq!(get(&gateway(address, &shown, "").await).await, 200);
    assert_eq!(get(&gateway(address, &ca, "").await).await, 502);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let plain = crate::servers::Raw::answering().await;
    let authority = Authority::new();
    let gateway = gateway(plain.address, &quoted("ca", &authority.file("ca.pem")), "connect = \"200ms\"").await;
    assert_eq!(get(&gateway).await, 502);
    assert!(plain.all().iter().all(|bytes| !bytes.starts_with(b"GET")), "{:?}", plain.all());
}
