//! Hostile requests: each is refused, or forwarded as exactly the one request that was verified.

use crate::fixture::{Client, Fixture, Setup, raw};
use crate::servers::{Raw, named};

/// What stands between a request line and the rest, or in its place.
fn hostile(gateway: &Fixture) -> Vec<(String, Vec<u8>)> {
    let signed = || gateway.sign("house", gateway.request("POST", "/path?query").with_body("hello"));
    let text = || String::from_utf8(raw(&signed())).unwrap();
    let line = |extra: &str| text().replacen("\r\n", &format!("\r\n{extra}\r\n"), 1);
    let host = format!("Host: {}\r\n", gateway.address);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut cases = vec![
        ("TE beside CL", line("Transfer-Encoding: chunked")),
        ("CL beside TE", text().replace("\r\n\r\nhello", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") + smuggled),
        ("TE with a tab", line("Transfer-Encoding:\tchunked")),
        ("TE in odd spelling", line("Transfer-Encoding: xchunked")),
        ("TE twice", line("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
        ("TE list", line("Transfer-Encoding: gzip, chunked")),
        ("TE with a blank before the colon", line("Transfer-Encoding : chunked")),
        ("TE folded", line("Transfer-Encoding:\r\n chunked")),
        ("two lengths", line("Content-Length: 5")),
        ("two lengths that differ", line("Content-Length: 0")),
        ("a list of lengths", text().replace("Content-Length: 5", "Content-Length: 5, 5")),
        ("a signed length", text().replace("Content-Length: 5", "Content-Length: +5")),
        ("a hexadecimal length", text().replace("Content-Length: 5", "Content-Length: 0x5")),
        ("a huge length", text().replace("Content-Length: 5", "Content-Length: 18446744073709551621")),
        ("a negative length", text().replace("Content-Length: 5", "Content-Length: -5")),
        ("no Host", text().replace(&host, "")),
        ("two Hosts", line("Host: other")),
        ("the same Host twice", line(host.trim_end())),
        ("an empty Host", text().replace(&host, "Host: \r\n")),
        ("Host with a path", text().replace(&host, "Host: a/b\r\n")),
        ("Host with a user", text().replace(&host, "Host: a@b\r\n")),
        ("Host list", text().replace(&host, "Host: a, b\r\n")),
        ("absolute form", text().replacen(" /path", " http://other/path", 1)),
        ("absolute form, same host", text().replacen(" /path", &format!(" http://{}/path", gateway.address), 1)),
        ("authority form", text().replacen(" /path?query", " other:80", 1)),
        ("asterisk", text().replacen(" /path?query", " *", 1)),
        ("a fragment", text().replacen("query", "query#fragment", 1)),
        ("a fragment in the path", text().replacen("path", "path#fragment", 1)),
        ("a non-ASCII target", text().replacen("path", "p\u{e4}th", 1)),
        ("a tab in the target", text().replacen("path", "pa\tth", 1)),
        ("two blanks", text().replacen(" /path", "  /path", 1)),
        ("a blank at the end", text().replacen("HTTP/1.1", "HTTP/1.1 ", 1)),
        ("a blank in the target", text().replacen("path", "pa th", 1)),
        ("HTTP/0.9", text().replacen(" HTTP/1.1", "", 1)),
        ("HTTP/1.2", text().replacen("HTTP/1.1", "HTTP/1.2", 1)),
        ("HTTP/2.0", text().replacen("HTTP/1.1", "HTTP/2.0", 1)),
        ("http in lower case", text().replacen("HTTP/1.1", "http/1.1", 1)),
        ("CONNECT", text().replacen("POST", "CONNECT", 1)),
        ("a method with a blank before", format!(" {}", text())),
        ("a bare LF after the request line", text().replacen("\r\n", "\n", 1)),
        ("bare LFs everywhere", text().replace("\r\n", "\n")),
        ("a bare LF in a header", line("X-A: b\nX-B: c")),
        ("a bare CR in a header", line("X-A: b\rX-B: c")),
        ("a NUL in a header", line("X-A: b\0c")),
        ("a DEL in a header", line("X-A: b\u{7f}c")),
        ("a folded header", line("X-A: b\r\n c")),
        ("a folded first header", line(" X-A: b")),
        ("no colon", line("X-A")),
        ("no name", line(": a")),
        ("a blank in a name", line("X A: b")),
        ("a non-ASCII name", line("X-\u{e4}: b")),
        ("Connection names a signed header", line("Connection: X-House-Nonce")),
        ("Connection names the identity", line("Connection: close, X-Countersign-App")),
        ("Connection names Host", line("Connection: host")),
        ("another expectation", line("Expect: 200-maybe")),
        ("two empty lines first", format!("\r\n\r\n{}", text())),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .collect::<Vec<_>>();
    // Chunked bodies whose framing is wrong.
    for framing in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "g\r\n",
        "-1\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello",
        "5\r\nhello\r\n0\r\n\n",
        "05;\nx\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut chunked = signed();
        chunked.headers.push(("Transfer-Encoding".to_owned(), b"chunked".to_vec()));
        chunked.body.clear();
        cases.push((format!("chunks {framing:?}"), [raw(&chunked), framing.as_bytes().to_vec(), smuggled.as_bytes().to_vec()].concat()));
    }
    // Every control character and every byte beyond ASCII, in a header's name, in the target, and in Host.
    for byte in (0..=0x1f_u8).chain(0x7f..=0xff).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        for (place, at) in [("name", "X-House-Key"), ("target", "/path"), ("host", "Host: 1")] {
            let bytes = text().into_bytes();
            let cut = crate::fixture::find(&bytes, at.as_bytes()).unwrap() + at.len();
            cases.push((format!("byte {byte:#x} in the {place}"), [&bytes[..cut], &[byte], &bytes[cut..]].concat()));
        }
    }
    cases
}

#[tokio::test]
async fn hostile_requests_are_refused_and_nothing_goes_upstream() {
    let gateway = Fixture::house().await;
    let cases = hostile(&gateway);
    assert!(cases.len() > 200, "{}", cases.len());
    for (name, bytes) in cases {
        let mut client = Client::connect(gateway.address).await;
        client.write(&bytes).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{name}: no answer"));
        // A byte that a value may hold changes what was signed; everything else is no request at all.
        match answer.status {
            400 => drop(answer.refuses(400, "malformed_request")),
            _ => drop(answer.refuses(401, "signature_mismatch")),
        }
        assert!(client.is_closed().await || answer.status == 401, "{name}: still open");
        assert!(gateway.upstream.requests().is_empty(), "{name}: {:?}", gateway.upstream.requests());
    }
}

/// Whether what a server received holds a complete request, however it is framed.
fn is_complete(seen: &[u8]) -> bool {
    let text = String::from_utf8_lossy(seen);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse::<usize>().unwrap());
    length.map_or_else(|| !head.contains("transfer-encoding") || format!("\r\n{body}").contains("\r\n0\r\n\r\n"), |n| body.len() >= n)
}

#[tokio::test]
async fn where_bodies_go_by_a_hostile_request_is_never_complete_upstream() {
    for route in ["body = \"streamed\"", "body = \"unsigned\"", "body = \"unsigned\"\nupgrade = true"] {
        let server = Raw::silent().await;
        let gateway = Fixture::start(&named(&[server.address], "", route), Setup::default()).await;
        for (name, bytes) in hostile(&gateway) {
            let answer = gateway.exchange(&bytes).await;
            match answer.status {
                400 => drop(answer.refuses(400, "malformed_request")),
                _ => drop(answer.refuses(401, "signature_mismatch")),
            }
            assert!(server.all().iter().all(|seen| !is_complete(seen)), "{route} {name}: {:?}", server.all());
        }
        // Those whose head was clear, and whose chunks were not.
        assert!(server.connections() <= 8, "{route}: {}", server.connections());
    }
}

#[tokio::test]
async fn where_bodies_go_by_odd_but_clear_requests_are_forwarded_as_one() {
    for route in ["body = \"streamed\"", "body = \"unsigned\""] {
        let server = Raw::start(|mut peer| async move {
            while peer.until(b"hello").await && tokio::io::AsyncWriteExt::write_all(&mut peer.stream, LAST).await.is_ok() {
                while peer.read().await {}
            }
        })
        .await;
        let gateway = Fixture::start(&named(&[server.address], "", route), Setup::default()).await;
        let signed = || String::from_utf8(raw(&gateway.sign("house", gateway.request("POST", "/path?query").with_body("hello")))).unwrap();
        let cases = [
            format!("\r\n{}", signed()),
            signed().replacen("HTTP/1.1", "HTTP/1.0", 1),
            signed().replacen("\r\n", "\r\nX-A: caf\u{e9}\r\n", 1),
            signed() + "GARBAGE\r\n\r\n",
        ];
        for (n, text) in cases.iter().enumerate() {
            assert_eq!(gateway.exchange(text.as_bytes()).await.status, 200, "{route} {text}");
            let seen = String::from_utf8_lossy(&server.seen(n)).into_owned();
            assert!(seen.starts_with("POST /path?query HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nhello"), "{route}: {seen}");
        }
        assert_eq!(server.connections(), cases.len());
    }
}

/// An answer after which the connection is closed.
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

#[tokio::test]
async fn odd_but_clear_requests_are_forwarded_as_one() {
    let gateway = Fixture::house().await;
    let signed = || String::from_utf8(raw(&gateway.sign("house", gateway.request("POST", "/path?query").with_body("hello")))).unwrap();
    let cases = [
        ("an empty line first", format!("\r\n{}", signed())),
        ("an unknown method", {
            let request = gateway.request("BREW", "/path?query").with_body("hello");
            String::from_utf8(raw(&gateway.sign("house", request))).unwrap()
        }),
        ("HTTP/1.0", signed().replacen("HTTP/1.1", "HTTP/1.0", 1)),
        ("tabs around a value", signed().replacen("\r\n", "\r\nX-A: \t b \t\r\n", 1)),
        ("Latin-1 in a value", signed().replacen("\r\n", "\r\nX-A: caf\u{e9}\r\n", 1)),
        ("an empty value", signed().replacen("\r\n", "\r\nX-A:\r\n", 1)),
        ("bytes after the body", signed() + "GARBAGE\r\n\r\n"),
    ];
    for (count, (name, text)) in cases.iter().enumerate() {
        let answer = gateway.exchange(text.as_bytes()).await;
        assert_eq!(answer.status, 200, "{name}");
        let seen = gateway.upstream.requests();
        assert_eq!(seen.len(), count + 1, "{name}: {seen:?}");
        assert!(seen[count].contains(" /path?query HTTP/1.1\r\n") && seen[count].ends_with("\r\n\r\nhello"), "{name}: {}", seen[count]);
    }
}
