//! `sign -o curl | sh`: what reaches the server is what was signed, byte for byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use crate::support::{Scratch, countersign, with_input};

/// Takes one connection, records the request, and answers 200.
fn record() -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let recorder = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        request
    });
    (port, recorder)
}

fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut request, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let read = stream.read(&mut piece).unwrap();
        request.extend_from_slice(&piece[..read]);
        let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if read == 0 || request.len() >= end + 4 + length {
            return request;
        }
    }
}

/// Runs the line in each shell and gives what arrived.
fn run_in(shell: &str, line: &[u8]) {
    let mut sh = Command::new(shell).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    sh.stdin.take().unwrap().write_all(line).unwrap();
    let output = sh.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", String::from_utf8_lossy(line), String::from_utf8_lossy(&output.stderr));
}

/// Signs, lets curl send, and verifies what arrived.
fn round_trip(shell: &str, dialect: &[&str], request: &[&str], target: &str, body: Option<&[u8]>) {
    let scratch = Scratch::new();
    let key = ["-k", "key-1", "--secret-file", &scratch.file("secret", "it's a $ecret\n")].map(str::to_owned);
    let (port, recorder) = record();
    let url = format!("http://127.0.0.1:{port}{target}");
    let mut sign: Vec<String> = ["sign", "--url", &url, "-o", "curl"].map(str::to_owned).to_vec();
    sign.extend(key.iter().cloned().chain(dialect.iter().chain(request).map(|arg| (*arg).to_owned())));
    if let Some(body) = body {
        sign.extend(["--data-file".to_owned(), scratch.file("body", body)]);
    }
    let line = countersign(&sign).ok().stdout;
    assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1, "one line: {}", String::from_utf8_lossy(&line));
    run_in(shell, &line);
    let arrived = recorder.join().unwrap();
    let head = String::from_utf8_lossy(&arrived).lines().next().unwrap().to_owned();
    assert!(arrived.ends_with(body.unwrap_or_default()), "{head}");
    let mut verify: Vec<String> = ["verify", "--scheme", "http", "-i", "-", "--unsafe"].map(str::to_owned).to_vec();
    verify.extend(key.into_iter().chain(dialect.iter().map(|arg| (*arg).to_owned())));
    let verdict = with_input(&verify, &arrived);
    assert_eq!(verdict.code, 0, "{dialect:?} {head}: {} {}", verdict.text(), verdict.stderr);
}

const SIGV4: &[&str] = &["-d", "aws-sigv4", "--set", "region=r", "--set", "service=s"];

#[test]
fn awkward_targets_arrive_as_signed() {
    for target in ["/", "/a%2Fb/%E4%BD%A0?x=+&x=%20&y&=z", "/a//b/?q='\"$(id)`id`!*{[1-3]}&z=\\", "/?a=1&a=2&a="] {
        for dialect in [&["-d", "hmac-sha256"][..], SIGV4, &["-d", "qlm-open"]] {
            round_trip("sh", dialect, &["--header", "Content-Type: application/json; charset=UTF-8"], target, None);
        }
    }
    round_trip("sh", &["-d", "hmac-sha256"], &[], "/a/./../b", None);
    round_trip("sh", &["-d", "qlm-open"], &["--header", "Content-Type: application/json; charset=UTF-8"], "/V1/?", None);
}

#[test]
fn awkward_bodies_arrive_as_signed() {
    let big = vec![b'x'; 1 << 20];
    let bodies: [&[u8]; 9] = [
        b"",
        b"{\"a\":'it''s'}",
        b"@/etc/passwd",
        b"-n",
        b"a\r\nb\n",
        b"%s%%\\n\\0",
        b"\x00\xff\xfe\x01",
        "\u{4f60}\u{597d} \u{1f600}".as_bytes(),
        &big,
    ];
    for body in bodies {
        for shell in ["sh", "bash"] {
            round_trip(shell, SIGV4, &["--method", "PUT"], "/x", Some(body));
        }
    }
}

#[test]
fn other_carriers_arrive_as_signed() {
    round_trip("sh", &["-d", "aws-sigv1"], &[], "/?Action=A%20b%2B", None);
    round_trip("sh", &["-d", "aws-sigv4-presigned", "--set", "region=r", "--set", "service=s"], &[], "/a?b=c", None);
    round_trip("sh", &["-d", "hmac-sha256"], &["--method", "HEAD"], "/", None);
    round_trip(
        "sh",
        &["-d", "hmac-sha256"],
        &["--method", "DELETE", "--header", "X-Empty:", "--header", "X-Quote: it's \"so\" \\ $HOME"],
        "/",
        None,
    );
    round_trip(
        "sh",
        &["-d", "hmac-sha256"],
        &["--method", "POST", "--header", "Accept: text/plain", "--header", "Host: Other.Example:80"],
        "/",
        None,
    );
}

#[test]
fn a_curl_line_is_signed_as_curl_sends_it() {
    let (port, recorder) = record();
    let line = format!("curl -sS 'http://127.0.0.1:{port}/a/../b?x=1' -H 'X-A: b' \\\n -d 'a=1' -d b=2");
    let key = ["-d", "x-ca", "-k", "k", "--secret", "s"];
    let signed = with_input([&["sign", "-i", "-", "-o", "curl"][..], &key].concat(), line.as_bytes()).ok().stdout;
    run_in("sh", &signed);
    let arrived = recorder.join().unwrap();
    assert!(arrived.starts_with(b"POST /b?x=1 HTTP/1.1\r\n") && arrived.ends_with(b"a=1&b=2"), "{}", String::from_utf8_lossy(&arrived));
    with_input([&["verify", "-i", "-", "--scheme", "http"][..], &key].concat(), &arrived).ok();
    // The printed line is read back too.
    with_input([&["verify", "-i", "-"][..], &key].concat(), &signed).ok();
}
