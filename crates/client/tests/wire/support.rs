//! A raw server that records, and clients of it.

use std::sync::{Arc, Mutex};

use countersign_client::{Signer, SigningClient};
use countersign_protocol::{Credential, Dialect, Dialects, Inputs, Intact, Keys, Part, Policy, Refusal, Request, Scheme, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const NOW: i64 = 1_780_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(NOW).unwrap()
}

type Answers = dyn Fn(usize, &Request) -> String + Send + Sync;

/// A server that records each request, and answers it on a connection that it then closes.
pub(crate) struct Recorder {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Recorder {
    /// Answers the request of each number, from 0, as this says; no text: the connection is closed without an answer.
    pub(crate) async fn answering(answer: impl Fn(usize, &Request) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, Arc::clone(&seen), Arc::new(answer)));
        Self { address, seen }
    }

    pub(crate) async fn start(answer: &'static str) -> Self {
        Self::answering(move |_, _| answer.to_owned()).await
    }

    pub(crate) async fn ok() -> Self {
        Self::start(OK).await
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn taken(&self) -> Vec<Request> {
        self.seen.lock().unwrap().drain(..).collect()
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// An answer with this status line's rest, these header lines and this body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A refusal as the gateway writes it.
pub(crate) fn problem(status: &str, headers: &str, code: &str) -> String {
    let body = format!("{{\"code\": \"{code}\", \"detail\": \"what helps\"}}");
    answer(status, &format!("Content-Type: application/problem+json\r\n{headers}"), &body)
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Vec<Request>>>, answer: Arc<Answers>) {
    let mut number = 0;
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(bytes) = read(&mut stream).await else { continue };
        let request = parse(&bytes);
        let text = answer(number, &request);
        number += 1;
        seen.lock().unwrap().push(request);
        // A caller that went away is seen by its test.
        let _written = stream.write_all(text.as_bytes()).await;
    }
}

/// One request; none when the connection ends before it is whole.
async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut request, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
        let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let is_chunked = head.contains("transfer-encoding: chunked");
        if if is_chunked { request.ends_with(b"0\r\n\r\n") } else { request.len() >= end + 4 + length } {
            return Some(request);
        }
    }
}

fn parse(bytes: &[u8]) -> Request {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let mut lines = bytes[..end].split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut first = lines.next().unwrap().split(|b| *b == b' ');
    let mut request = Request::new(String::from_utf8(first.next().unwrap().to_vec()).unwrap(), first.next().unwrap());
    assert_eq!((first.next(), first.next()), (Some(&b"HTTP/1.1"[..]), None), "a request line of three words");
    request.scheme = Scheme::Http;
    for line in lines {
        let colon = line.iter().position(|b| *b == b':').unwrap();
        let name = String::from_utf8(line[..colon].to_vec()).unwrap();
        request = request.with_header(name, line[colon + 1..].strip_prefix(b" ").unwrap_or_default());
    }
    let body = &bytes[end + 4..];
    let is_chunked = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    request.with_body(if is_chunked { dechunk(body) } else { body.to_vec() })
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

/// The value of a header that was sent.
pub(crate) fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let value = request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])?;
    Some(std::str::from_utf8(value).unwrap())
}

pub(crate) fn dialect(id: &str) -> Dialect {
    Dialects::builtin().unwrap().get(id).unwrap_or_else(|| panic!("{id}")).clone()
}

pub(crate) fn credential() -> Credential {
    Credential::hmac("key-1", "0123456789abcdef0123456789abcdef").with_part("token_secret", "a token's secret")
}

const INPUTS: [(&str, &str); 2] = [("region", "us-east-1"), ("service", "service")];

pub(crate) fn signer(id: &str) -> Signer {
    let dialect = dialect(id);
    let wanted: Vec<_> = INPUTS.into_iter().filter(|(name, _)| dialect.inputs().iter().any(|input| input.name == *name)).collect();
    wanted.into_iter().fold(Signer::new(dialect, credential()).with_clock(now), |signer, (name, value)| signer.with_input(name, value))
}

pub(crate) fn client(id: &str) -> SigningClient {
    SigningClient::from_signer(reqwest::Client::builder(), signer(id)).unwrap()
}

pub(crate) fn verify(id: &str, request: &Request) -> Result<Intact, Refusal> {
    // What a dialect leaves unsigned or in doubt is not the question here; the bytes are compared besides.
    let waive = if id == "x-ca" { vec![Part::Body, Part::Query] } else { vec![Part::Body] };
    let policy = Policy { allow_unsafe: true, allow_ambiguous: true, waive, ..Policy::default() };
    let dialect = dialect(id);
    let inputs = INPUTS.into_iter().filter(|(name, _)| dialect.inputs().iter().any(|input| input.name == *name));
    let inputs = inputs.fold(Inputs::new(), |inputs, (name, value)| inputs.with(name, value));
    let credential = credential();
    let fresh = dialect.claim(request, &inputs)?.check_clock(now(), &policy)?;
    fresh.verify(Keys::Known(&[&credential]))?.require(&policy)?.check_body(&request.body)
}
