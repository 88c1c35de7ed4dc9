//! A running gateway, a raw client and a raw recording upstream.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::admission::Admission;
use countersign_core::app::{App, NewCredential, Terms};
use countersign_core::replay::{Epoch, MemoryGuard, ReplayLimits};
use countersign_core::store::{CredentialStore, MemoryStore};
use countersign_protocol::{Credential, Dialects, KeyMaterial, Request, Scheme, Secret, SignOptions, Timestamp};
use countersign_server::Gateway;
use countersign_server::config::Config;
use countersign_server::reload::{Reloader, Source};
use countersign_server::upstream::Directory;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) const NOW: i64 = 1_767_225_600;
pub(crate) const KEY: &str = "key-1";
pub(crate) const SECRET: &str = "a shared secret of some length";

/// A gateway that runs until it is dropped.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) reloader: Reloader,
    /// For files of its configuration.
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) upstream: Recorder,
    pub(crate) dialects: Dialects,
    /// The gateway's upstreams, and what is known of their servers.
    pub(crate) upstreams: Directory,
    clock: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    ran: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// What a fixture is made of, beside its configuration.
pub(crate) struct Setup {
    pub(crate) now: i64,
    pub(crate) guard: ReplayLimits,
    pub(crate) epoch: Epoch,
    pub(crate) terms: Terms,
    pub(crate) dialects: Dialects,
}

impl Default for Setup {
    fn default() -> Self {
        let mut dialects = Dialects::builtin().unwrap();
        dialects.add_yaml("house", HOUSE).unwrap();
        let terms = Terms::new(["house", "qlm-open", "hmac-sha256", "hmac-sha256-body", "x-ca-labelled", "aws-sigv1", "standard-webhooks"]);
        Self { now: NOW, guard: ReplayLimits::default(), epoch: Epoch::begin(at(0), false), terms, dialects }
    }
}

/// An in-house dialect: time and nonce signed, target and body as bytes.
pub(crate) const HOUSE: &str = r#"
countersign: 1
dialect: house
title: In-house
string_to_sign: |-
  {method}
  {host}
  {target}
  {time}
  {nonce}
  {headers}
  {signed_headers}
  {body_digest}
headers: { sign: [x-signed] }
body_digest: "{body | sha256 | hex}"
algorithm: [hmac-sha256, hmac-sha512]
carry:
  header:
    X-House-Key: "{key_id}"
    X-House-Time: "{time}"
    X-House-Nonce: "{nonce}"
    X-House-Headers: "[{signed_headers}]"
    X-House-Digest: "{body_digest}"
    X-House-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

/// A configuration with one route at `/` for the in-house dialect, and these further lines in it.
pub(crate) fn house(further: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[[route]]\nprefix = \"/\"\nupstream = \"http://UPSTREAM\"\ndialects = [\"house\"]\n{further}\n"
    )
}

impl Fixture {
    pub(crate) async fn house() -> Self {
        Self::start(&house(""), Setup::default()).await
    }

    /// Starts a gateway; `UPSTREAM` in its configuration is the recorder's address.
    pub(crate) async fn start(config: &str, setup: Setup) -> Self {
        countersign_testbed::keep_log();
        let upstream = Recorder::start().await;
        let clock = Arc::new(AtomicI64::new(setup.now * 1_000));
        let store = Arc::new(MemoryStore::new().unwrap());
        store.add_app(App::new("shop", at(0))).await.unwrap();
        let credential = NewCredential::new(KEY, KeyMaterial::Hmac(SECRET.into()), setup.terms.clone());
        store.add_credential("shop", credential, at(0)).await.unwrap();
        let guard = Arc::new(MemoryGuard::new(setup.guard, setup.epoch));
        let read = Arc::clone(&clock);
        let now = Arc::new(move || Timestamp::from_millis(read.load(Ordering::SeqCst)).unwrap());
        let admission =
            Admission::new(Arc::clone(&store) as Arc<dyn CredentialStore>, guard, now, &Secret::from("replay")).knowing(&setup.dialects);
        let config = Config::parse("gateway.toml", &config.replace("UPSTREAM", &upstream.address.to_string())).unwrap();
        let gateway = Gateway::bind(config.compile(&setup.dialects).unwrap(), &setup.dialects, admission).unwrap();
        let upstreams = gateway.upstreams();
        let (tls, admin, reloader) = (gateway.tls_addresses().to_vec(), gateway.admin_address(), gateway.reloader());
        let address = gateway.addresses().first().or(tls.first()).copied().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let ran = tokio::spawn(gateway.run(async move { drop(stopped.await) }));
        Self { address, tls, admin, reloader, folder, store, upstream, dialects: setup.dialects, upstreams, clock, stop: Some(stop), ran }
    }

    /// The configuration file, with this text, from which the gateway can be reloaded. `UPSTREAM` as in [`Fixture::start`].
    pub(crate) fn source(&self, config: &str) -> Arc<Source> {
        let file = self.folder.path().join("gateway.toml");
        self.write_config(config);
        let dialects = self.dialects.clone();
        Arc::new(Source::new(&file, move |_| Ok(dialects.clone())))
    }

    /// Puts a new text in the place of the configuration file's, at once.
    pub(crate) fn write_config(&self, config: &str) {
        let (draft, file) = (self.folder.path().join("draft"), self.folder.path().join("gateway.toml"));
        std::fs::write(&draft, config.replace("UPSTREAM", &self.upstream.address.to_string())).unwrap();
        std::fs::rename(draft, file).unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// A request to the gateway's own address, not yet signed.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        let mut request = Request::new(method, target).with_header("Host", self.address.to_string());
        request.scheme = Scheme::Http;
        request
    }

    /// Signs with the credential of the fixture, at its clock, with a new nonce.
    pub(crate) fn sign(&self, dialect: &str, request: Request) -> Request {
        self.sign_as(dialect, request, &Credential::hmac(KEY, SECRET), &self.options())
    }

    pub(crate) fn options(&self) -> SignOptions {
        static NONCES: AtomicI64 = AtomicI64::new(0);
        SignOptions::new(self.now()).with_nonce(format!("nonce-{}", NONCES.fetch_add(1, Ordering::SeqCst)))
    }

    pub(crate) fn sign_as(&self, dialect: &str, request: Request, credential: &Credential, options: &SignOptions) -> Request {
        let signed = self.dialects.get(dialect).unwrap().sign(request, credential, options).unwrap();
        signed.into_message().into_request().unwrap()
    }

    /// Sends a signed request and reads the answer.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.exchange(&raw(request)).await
    }

    /// Sends these bytes on a new connection and reads one answer.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.write(bytes).await;
        client.answer().await.expect("an answer")
    }

    /// Stops the gateway and waits until it has stopped.
    pub(crate) async fn stop(mut self) -> std::io::Result<()> {
        drop(self.stop.take());
        (&mut self.ran).await.unwrap()
    }
}

/// The bytes of a request, with its length.
pub(crate) fn raw(request: &Request) -> Vec<u8> {
    let mut bytes = [request.method.as_bytes(), b" ", &request.target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in &request.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    // Some dialects sign the length, and then it is there.
    if !request.body.is_empty() && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        bytes.extend(format!("Content-Length: {}\r\n", request.body.len()).into_bytes());
    }
    [&bytes, &b"\r\n"[..], &request.body].concat()
}

/// Any stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A raw connection to the gateway.
pub(crate) struct Client {
    stream: Box<dyn Duplex>,
    read: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: impl Duplex + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Whether all of these bytes could be sent before the gateway closed the connection.
    pub(crate) async fn could_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next answer; `None` when the connection was closed before one began.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(Duration::from_secs(20), self.read_answer()).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end;
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
        while self.read.len() < end + 4 + length {
            assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "the answer broke off");
        }
        let body = self.read[end + 4..end + 4 + length].to_vec();
        self.read.drain(..end + 4 + length);
        Some(Answer { status, headers, body })
    }

    /// Reads until these bytes have come; everything up to their end, which is taken off.
    pub(crate) async fn read_until(&mut self, wanted: &[u8]) -> Vec<u8> {
        let reading = async {
            loop {
                if let Some(at) = find(&self.read, wanted) {
                    return self.read.drain(..at + wanted.len()).collect();
                }
                assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "closed: {}", String::from_utf8_lossy(&self.read));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("these bytes in time")
    }

    /// Whether the gateway closes the connection, sending nothing more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = [0; 1];
        matches!(tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut rest)).await, Ok(Ok(0) | Err(_)))
    }
}

/// An answer of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts a refusal in every respect that all refusals share; the body.
    pub(crate) fn refuses(&self, status: u16, code: &str) -> serde_json::Value {
        assert_eq!(self.status, status, "{code}: {}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("www-authenticate").is_some(), status == 401, "{code}");
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503), "{code}");
        assert!(self.header("date").is_some());
        let body = self.json();
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))));
        assert_eq!(body["type"], format!("urn:countersign:reason:{code}"));
        assert_eq!(body["instance"], format!("urn:uuid:{}", self.header("x-request-id").unwrap()));
        assert!(body["title"].is_string() && body["detail"].is_string());
        body
    }
}

/// An upstream that keeps every byte it gets, and answers `200 ok` to each request.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record_connection(stream, Arc::clone(&record)));
            }
        });
        Self { address, seen }
    }

    /// Every request so far, byte for byte.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) {
        for _ in 0..2_000 {
            if self.requests().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{count} requests did not come: {:?}", self.requests());
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> String {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// Takes requests apart by their length only, as a simple server would. What does not fit is recorded as it is.
async fn record_connection(mut stream: TcpStream, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut read = Vec::new();
    loop {
        while let Some(end) = find(&read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            assert!(!head.contains("transfer-encoding"), "the gateway frames by length");
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
            if read.len() < end + 4 + length {
                break;
            }
            seen.lock().unwrap().push(read.drain(..end + 4 + length).collect());
            let status = if head.starts_with("post /fails") { "500 Internal Server Error" } else { "200 OK" };
            if head.contains(" /slow") {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: 2\r\nX-Upstream: yes\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\nok"
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            if !read.is_empty() {
                seen.lock().unwrap().push(read);
            }
            return;
        }
    }
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
