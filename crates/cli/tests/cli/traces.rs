//! Traces reach a collector: one span for each request, going on with the trace of a trusted proxy, without a secret.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{IN_HOUSE, Scratch, command, countersign, finish};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A collector that takes whatever is posted to it.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(posted) = posted(&mut stream) {
                    let _ = sender.send(posted);
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (address, receiver)
}

fn posted(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut line) = (String::new(), String::new());
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        head += &line.to_lowercase();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn each_request_is_a_span_that_goes_on_with_its_trace() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    std::fs::create_dir(scratch.path().join("dialects")).unwrap();
    scratch.file("dialects/in-house.yaml", IN_HOUSE);
    let (data, folder) = (data.to_str().unwrap(), scratch.path().join("dialects"));
    let config = format!(
        "listen = [\"127.0.0.1:0\"]\ndialects = [\"{}\"]\n[log]\nrequest_ids_from = [\"127.0.0.1\"]\n\
         [[route]]\nprefix = \"/V1\"\nupstream = \"echo\"\ndialects = [\"in-house\"]\n",
        folder.display()
    );
    let config = scratch.file("gateway.toml", config);
    let (address, received) = collector();
    let mut serve = command();
    serve.args(["serve", "--config", &config, "--data", data]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
    let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("listening on ") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended before it listened");
    }
    let url = format!("{}/V1/a", line.trim_end().trim_start_matches("listening on "));
    let added =
        countersign(["app", "--data", data, "--dialects", folder.to_str().unwrap(), "add", "shop", "-d", "in-house", "--json"]).ok().json();
    let secret = added["secret"].as_str().unwrap();
    let mut sign = command();
    sign.args(["sign", "-d", "in-house", "--dialects", folder.to_str().unwrap(), "-k", added["key_id"].as_str().unwrap(), "--url", &url]);
    let signed = finish(sign.args(["-o", "curl"]).env("COUNTERSIGN_SECRET", secret), b"").ok().text();
    let traced = signed.trim_end().replacen("curl ", &format!("curl -H 'traceparent: 00-{TRACE}-00f067aa0ba902b7-01' "), 1);
    for _ in 0..2 {
        assert!(Command::new("sh").args(["-c", &traced]).output().unwrap().status.success());
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());

    let mut spans = Vec::new();
    while let Ok((head, body)) = received.recv_timeout(Duration::from_millis(if spans.is_empty() { 10_000 } else { 200 })) {
        assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
        spans.extend(body);
    }
    let trace: Vec<u8> = (0..16).map(|i| u8::from_str_radix(&TRACE[2 * i..2 * i + 2], 16).unwrap()).collect();
    for told in [b"countersign", &b"request.id"[..], b"/V1", b"in-house", b"replayed", &trace] {
        assert!(holds(&spans, told), "{}", String::from_utf8_lossy(told));
    }
    assert_eq!(spans.windows(16).filter(|window| *window == trace).count(), 2);
    assert!(!holds(&spans, secret.as_bytes()));
    let carried =
        signed.split('\'').filter_map(|word| word.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("x-house-signature"));
    assert!(!holds(&spans, carried.unwrap().1.as_bytes()));
}
