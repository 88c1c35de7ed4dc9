//! The gateway's own signature: what an upstream receives verifies in the route's other dialect, and nothing of the peer's is left.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign_core::clock::{Clock, SystemClock};
use countersign_protocol::{Credential, Dialects, Inputs, Intact, Policy, Refusal, Request, Scheme};
use countersign_server::config::Config;

use crate::fixture::{Fixture, HOUSE, Setup, find};
use crate::servers::{Raw, named};

const SECRET: &str = "the gateway's own secret, long enough";

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn secret_file(mode: u32) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    File { _folder: folder, path }
}

fn identity(dialect: &str, file: &File) -> String {
    format!("identity = {{ sign_with = \"{dialect}\", key_id = \"gateway\", secret_file = {:?} }}", file.path.to_str().unwrap())
}

/// What came on a connection, as a request.
fn received(bytes: &[u8]) -> Request {
    let end = find(bytes, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap().split(' ');
    let mut request = Request::new(words.next().unwrap(), words.next().unwrap());
    request.scheme = Scheme::Http;
    request.headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec())).collect();
    request.body = bytes[end + 4..].to_vec();
    request
}

fn verify(dialect: &str, request: &Request) -> Result<Intact, Refusal> {
    let dialects = Dialects::builtin().unwrap();
    let credential = Credential::hmac("gateway", SECRET);
    dialects.get(dialect).unwrap().verify(request, &Inputs::new(), &[&credential], SystemClock.now(), &Policy::default())
}

#[tokio::test]
async fn what_goes_upstream_is_signed_as_it_is_received() {
    let file = secret_file(0o600);
    for dialect in ["hmac-sha256", "hmac-sha256-body"] {
        let server = Raw::start(|mut peer| async move {
            if peer.until(b"hello\"").await {
                drop(tokio::io::AsyncWriteExt::write_all(&mut peer.stream, crate::servers::OK).await);
            }
            while peer.read().await {}
        })
        .await;
        let gateway = Fixture::start(&named(&[server.address], "", &identity(dialect, &file)), Setup::default()).await;
        let request =
            gateway.request("POST", "/a%2Fb?x=1&y=+").with_header("Content-Type", "application/json").with_body("{\"a\":\"hello\"}");
        assert_eq!(gateway.send(&gateway.sign("house", request)).await.status, 200, "{dialect}");
        let request = received(&server.seen(0));
        let intact = verify(dialect, &request).unwrap_or_else(|refusal| panic!("{dialect}: {refusal:?} of {request:?}"));
        assert_eq!(intact.verified().key_id(), "gateway");
        assert_eq!(request.target, b"/a%2Fb?x=1&y=+");
        let named = |name: &str| request.headers.iter().filter(|(n, _)| n.starts_with(name)).count();
        assert_eq!((named("x-house-"), named("x-countersign-app"), named("host")), (0, 1, 1));
        let mut other = request.clone();
        other.target = b"/a%2Fb?x=2&y=+".to_vec();
        assert!(verify(dialect, &other).is_err(), "{dialect}");
    }
}

#[tokio::test]
async fn a_peer_cannot_put_its_own_signature_in_that_place() {
    let file = secret_file(0o600);
    let server = Raw::answering().await;
    let gateway = Fixture::start(&named(&[server.address], "", &identity("hmac-sha256", &file)), Setup::default()).await;
    let dialect = Dialects::builtin().unwrap();
    let carried: Vec<String> = dialect.get("hmac-sha256").unwrap().carriers().map(|carrier| carrier.name.to_owned()).collect();
    assert!(!carried.is_empty());
    // The peer signs what it wrote, so it would be forwarded on another route.
    let mut request = gateway.request("GET", "/");
    for name in &carried {
        request = request.with_header(name, "the peer's");
    }
    let mut options = gateway.options();
    options.headers = Some(carried.iter().map(|name| name.to_ascii_lowercase()).collect());
    let credential = Credential::hmac(crate::fixture::KEY, crate::fixture::SECRET);
    assert_eq!(gateway.send(&gateway.sign_as("house", request, &credential, &options)).await.status, 200);
    let request = received(&server.seen(0));
    assert!(request.headers.iter().all(|(_, value)| value != b"the peer's"), "{request:?}");
    assert!(verify("hmac-sha256", &request).is_ok());
}

#[test]
fn an_identity_that_cannot_sign_is_refused_with_its_line() {
    let (good, open) = (secret_file(0o600), secret_file(0o644));
    let route = |lines: &str| named(&["127.0.0.1:1".parse().unwrap()], "", lines);
    let cases = [
        (identity("hmac-sha256", &open), "others may read it"),
        (identity("no-such", &good), "no dialect `no-such`"),
        (identity("aws-sigv4", &good), "cannot sign"),
        (identity("hmac-sha256", &good).replace(" }", ", inputs = { region = \"x\" } }"), "has no input `region`"),
        (identity("hmac-sha256", &good).replace("gateway.secret", "missing.secret"), "No such file"),
        (format!("{}\nkeep_credentials = true", identity("hmac-sha256", &good)), "beside the gateway's own"),
        (format!("{}\nbody = \"streamed\"", identity("hmac-sha256-body", &good)), "signs the body"),
    ];
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    let compile = |text: &str| Config::parse("gateway.toml", text).unwrap().compile(&dialects);
    compile(&route(&identity("hmac-sha256", &good))).unwrap();
    // A key that is shown goes over TLS, or stays on the machine.
    let shown = route(&identity("api-key", &good));
    compile(&shown).unwrap();
    compile(&shown.replace("http://127.0.0.1:1", "https://10.0.0.1")).unwrap();
    let error = compile(&shown.replace("127.0.0.1:1", "10.0.0.1:1")).unwrap_err();
    assert!(error.to_string().starts_with("gateway.toml:11: ") && error.to_string().contains("shows its secret"), "{error}");
    for (lines, fault) in cases {
        let error = compile(&route(&lines)).expect_err(&lines);
        assert!(error.to_string().starts_with("gateway.toml:11: ") && error.to_string().contains(fault), "{error}");
        assert!(!error.mend().is_empty() && !error.to_string().contains(SECRET));
    }
}
