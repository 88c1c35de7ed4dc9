//! Stopping the binary: what is in flight ends well, nothing new begins, and a second signal ends it at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use countersign_testbed::wait_until;

use crate::serving::Serving;
use crate::support::{Run, Scratch, command, countersign, finish};

/// A gateway with one slow upstream, which answers when it is told to, and a request that it holds.
struct Held {
    serving: Serving,
    address: String,
    admin: String,
    upstream: TcpStream,
    caller: TcpStream,
    _scratch: Scratch,
}

impl Held {
    fn start() -> Self {
        let scratch = Scratch::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let data = scratch.path().join("data");
        let text = format!(
            "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nworkers = 2\n\n[limits]\ndrain = \"20s\"\n\n[[route]]\nprefix = \"/\"\nupstream = \"http://{}\"\ndialects = [\"hmac-sha256\"]\n",
            listener.local_addr().unwrap()
        );
        let config = scratch.file("gateway.toml", text);
        let mut serving = Serving::start(&data, &["--config", &config]);
        let address = serving.address().trim_start_matches("http://").to_owned();
        let admin = serving.line("admin on http://");
        let added = countersign(["app", "--data", data.to_str().unwrap(), "add", "shop", "-d", "hmac-sha256", "--json"]).ok().json();
        let mut sign = command();
        sign.args(["sign", "-d", "hmac-sha256", "-k", added["key_id"].as_str().unwrap(), "--url", &format!("http://{address}/slow")]);
        let request = finish(sign.env("COUNTERSIGN_SECRET", added["secret"].as_str().unwrap()), b"").ok().stdout;
        let mut caller = TcpStream::connect(&address).unwrap();
        caller.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        caller.write_all(&request).unwrap();
        let mut upstream = listener.accept().unwrap().0;
        let mut first = [0; 4];
        upstream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"GET ");
        Self { serving, address, admin, upstream, caller, _scratch: scratch }
    }

    fn ready(&self) -> Run {
        countersign(["probe", &format!("http://{}/readyz", self.admin)])
    }
}

#[test]
fn a_stop_ends_what_is_in_flight_and_takes_nothing_new() {
    let mut held = Held::start();
    assert_eq!(held.ready().code, 0);
    held.serving.signal("TERM");
    // An operator's balancer sees it as long as it drains.
    assert!(wait_until(Duration::from_secs(10), || held.ready().text().contains("503")), "{}", held.ready().text());
    assert!(wait_until(Duration::from_secs(10), || TcpStream::connect(&held.address).is_err()), "it still accepts");
    held.upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
    let mut answer = String::new();
    BufReader::new(&held.caller).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(held.serving.code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut held = Held::start();
    held.serving.signal("TERM");
    assert!(wait_until(Duration::from_secs(10), || held.ready().text().contains("503")));
    let second = Instant::now();
    held.serving.signal("TERM");
    assert_eq!(held.serving.code(), Some(1));
    assert!(second.elapsed() < Duration::from_secs(5), "it took {:?}", second.elapsed());
}

#[test]
fn an_address_is_probed() {
    let held = Held::start();
    assert_eq!(countersign(["probe", &format!("http://{}/livez", held.admin)]).ok().code, 0);
    // Nobody signed this one.
    let refused = countersign(["probe", &format!("http://{}/", held.address)]);
    assert!(refused.code == 1 && refused.text().contains("401"), "{}", refused.text());
    for (url, code) in
        [("http://127.0.0.1:1/", 1), ("https://127.0.0.1/", 2), ("http://", 2), ("http://a@b/", 2), ("http://h/ x", 2), ("", 2)]
    {
        assert_eq!(countersign(["probe", url]).code, code, "{url}");
    }
}
