//! A proxy in front of an upstream, which asks a decider.

use std::net::SocketAddr;

use countersign_core::app::Terms;
use countersign_protocol::{Request, Scheme};

use crate::fixture::{Answer, Client, Fixture, Setup, raw};

pub(crate) const HOST: &str = "api.example.com:8443";

/// The document whose configurations are tested here.
const DOCUMENT: &str = include_str!("../../DECIDE.md");

/// A dialect that does not sign bodies.
const LINE: &str = r#"
countersign: 1
dialect: line
title: The request line
string_to_sign: "{method}\n{host}\n{target}\n{time}\n{nonce}"
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-Line-Key: "{key_id}"
    X-Line-Time: "{time}"
    X-Line-Nonce: "{nonce}"
    X-Line-Signature: "{signature}"
time: { format: unix, window: 5m }
event: "{nonce}"
"#;

pub(crate) struct Front<P> {
    pub(crate) address: SocketAddr,
    pub(crate) decider: Fixture,
    /// Runs as long as this lives.
    pub(crate) proxy: P,
}

/// A decider for this proxy, with these further lines in its route.
pub(crate) async fn decider(proxy: &str, further: &str) -> Fixture {
    let config = format!(
        "mode = \"decide\"\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[decide]\nproxy = {proxy}\n[[route]]\nprefix = \"/\"\ndialects = [\"house\", \"line\"]\n{further}\n"
    );
    let mut setup = Setup { terms: Terms::new(["house", "line", "hmac-sha256-body"]), ..Setup::default() };
    setup.dialects.add_yaml("line", LINE).unwrap();
    Fixture::start(&config, setup).await
}

/// The configuration of this language in the document, for these addresses.
pub(crate) fn documented(language: &str, decider: SocketAddr, upstream: SocketAddr) -> String {
    let (_, block) = DOCUMENT.split_once(&format!("```{language}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    for address in [":8080", "127.0.0.1:9000", "127.0.0.1:3000"] {
        assert!(block.contains(address), "{address}");
    }
    let block =
        block.replace("127.0.0.1:8080", "LISTEN").replace("http://:8080", "http://:PORT").replace("127.0.0.1:9000", &decider.to_string());
    block.replace("127.0.0.1:3000", &upstream.to_string())
}

/// A request to [`HOST`], not yet signed.
pub(crate) fn request(method: &str, target: &str) -> Request {
    let mut request = Request::new(method, target).with_header("Host", HOST);
    request.scheme = Scheme::Http;
    request
}

impl<P> Front<P> {
    pub(crate) fn sign(&self, request: Request) -> Request {
        self.decider.sign("house", request)
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.exchange(&raw(request)).await
    }

    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.write(bytes).await;
        client.answer().await.expect("an answer")
    }

    /// What the upstream has seen.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.decider.upstream.requests()
    }
}

/// The values under this name in what the upstream saw.
pub(crate) fn values<'a>(seen: &'a str, name: &str) -> Vec<&'a str> {
    let lines = seen.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}
