//! What a proxy in front tells of the way of a request, and who is believed.

use countersign_protocol::Request;

use crate::fixture::{Client, Fixture, Setup, house, raw};

/// A gateway that trusts these proxies, with a route that takes scheme and host from them.
async fn behind(trusted: &str, further: &str) -> Fixture {
    let config =
        house(&format!("authority = \"forwarded\"\n{further}")).replacen("workers", &format!("trusted_proxies = {trusted}\nworkers"), 1);
    Fixture::start(&config, Setup::default()).await
}

/// Signed as a client outside sees it, and sent as the proxy in front sends it.
fn through_a_proxy(gateway: &Fixture, host: &str, target: &str, proxied: &str, headers: &[(&str, &str)]) -> Request {
    let mut signed = gateway.sign("house", Request::new("GET", target).with_header("Host", host));
    signed.target = proxied.as_bytes().to_vec();
    for (name, value) in &mut signed.headers {
        if name == "Host" {
            *value = b"inner".to_vec();
        }
    }
    headers.iter().fold(signed, |request, (name, value)| request.with_header(*name, *value))
}

fn line<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn the_host_of_a_trusted_proxy_is_the_one_that_was_signed() {
    let gateway = behind("[\"127.0.0.0/8\"]", "").await;
    let ways: [&[(&str, &str)]; 4] = [
        &[("Forwarded", "for=203.0.113.7;host=api.example.com;proto=https")],
        &[("Forwarded", "for=198.51.100.1;host=evil, for=\"[2001:db8::7]:4711\";host=\"api.example.com\", for=127.0.0.9;host=other")],
        &[("X-Forwarded-For", "198.51.100.1, 203.0.113.7"), ("X-Forwarded-Host", "api.example.com"), ("X-Forwarded-Proto", "https")],
        &[("X-Forwarded-For", "203.0.113.7, 127.0.0.9"), ("X-Forwarded-Host", "evil,api.example.com")],
    ];
    for way in ways {
        let answer = gateway.send(&through_a_proxy(&gateway, "api.example.com", "/", "/", way)).await;
        assert_eq!(answer.status, 200, "{way:?}: {}", String::from_utf8_lossy(&answer.body));
    }
    let seen = gateway.upstream.requests();
    let clients: Vec<_> = seen.iter().map(|request| line(request, "x-countersign-client").unwrap()).collect();
    assert_eq!(clients, ["203.0.113.7", "2001:db8::7", "203.0.113.7", "203.0.113.7"]);
    assert!(seen.iter().all(|request| line(request, "host") == Some("api.example.com")), "{seen:?}");
    let spelt_otherwise = through_a_proxy(&gateway, "h", "/", "/", &[("X-Forwarded-Host", "h"), ("X_Forwarded_For", "192.0.2.66")]);
    assert_eq!(gateway.send(&spelt_otherwise).await.status, 200);
    assert!(!gateway.upstream.requests()[4].contains("192.0.2.66"));
    assert_eq!(line(&seen[2], "x-forwarded-for"), Some("198.51.100.1, 203.0.113.7"), "a trusted proxy's word goes on");
}

#[tokio::test]
async fn an_untrusted_peer_is_neither_believed_nor_passed_on() {
    let gateway = behind("[\"10.0.0.0/8\"]", "[limits]\naddress_rate = { per_second = 1, burst = 2 }").await;
    let spoofed =
        [("X-Forwarded-Host", "api.example.com"), ("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1;host=api.example.com")];
    gateway.send(&through_a_proxy(&gateway, "api.example.com", "/", "/", &spoofed)).await.refuses(401, "signature_mismatch");
    let own = gateway
        .request("GET", "/")
        .with_header("X-Forwarded-For", "203.0.113.7")
        .with_header("X_Forwarded_Host", "evil")
        .with_header("X-Real-IP", "1.1.1.1");
    // In-house, every header can be signed: a signature makes nobody a proxy.
    let own = own.with_header("Forwarded", "for=203.0.113.7");
    assert_eq!(gateway.send(&gateway.sign("house", own)).await.status, 200);
    let seen = gateway.upstream.only().to_ascii_lowercase();
    assert!(!seen.contains("forwarded") && !seen.contains("real-ip"), "{seen}");
    assert_eq!(line(&seen, "x-countersign-client"), Some("127.0.0.1"));
    // Nor does another address give it another budget.
    gateway.send(&through_a_proxy(&gateway, "a", "/", "/", &[("X-Forwarded-For", "198.51.100.77")])).await.refuses(429, "rate_limited");
}

#[tokio::test]
async fn the_limit_per_address_counts_clients_behind_a_trusted_proxy() {
    let gateway = behind("[\"127.0.0.1\"]", "[limits]\naddress_rate = { per_second = 1, burst = 1 }").await;
    let from = |client: &str| gateway.sign("house", gateway.request("GET", "/")).with_header("X-Forwarded-For", client);
    assert_eq!(gateway.send(&from("203.0.113.7")).await.status, 200);
    gateway.send(&from("203.0.113.7")).await.refuses(429, "rate_limited");
    assert_eq!(gateway.send(&from("203.0.113.8")).await.status, 200);
    // What the client wrote itself stands farther away.
    gateway.send(&from("192.0.2.1, 203.0.113.8")).await.refuses(429, "rate_limited");
}

#[tokio::test]
async fn what_a_trusted_proxy_tells_in_two_ways_is_refused() {
    let gateway = behind("[\"127.0.0.1\"]", "").await;
    for headers in [
        &[("Forwarded", "for=203.0.113.7"), ("X-Forwarded-For", "203.0.113.8")][..],
        &[("Forwarded", "for=2001:db8::7")],
        &[("Forwarded", "for=203.0.113.7;host=\"a b\"")],
        &[("X-Forwarded-For", "203.0.113.7,")],
        &[("X-Forwarded-Proto", "gopher")],
        &[("X-Forwarded-Host", "a:80"), ("X-Forwarded-Port", "81")],
    ] {
        let request =
            headers.iter().fold(gateway.sign("house", gateway.request("GET", "/")), |r, (name, value)| r.with_header(*name, *value));
        gateway.send(&request).await.refuses(400, "malformed_request");
    }
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_route_of_the_wire_takes_only_the_client_from_a_proxy() {
    let config = house("").replacen("workers", "trusted_proxies = [\"127.0.0.1\"]\nworkers", 1);
    let gateway = Fixture::start(&config, Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/")).with_header("Forwarded", "for=203.0.113.7;host=other;proto=https");
    assert_eq!(gateway.send(&request).await.status, 200);
    assert_eq!(line(&gateway.upstream.only(), "x-countersign-client"), Some("203.0.113.7"));
}

#[tokio::test]
async fn a_prefix_that_a_proxy_took_off_is_verified_and_does_not_go_up() {
    let told = behind("[\"127.0.0.1\"]", "").await;
    let request = through_a_proxy(&told, "h", "/api/a?b=c", "/a?b=c", &[("X-Forwarded-Host", "h"), ("X-Forwarded-Prefix", "/api")]);
    assert_eq!(told.send(&request).await.status, 200);
    assert!(told.upstream.only().starts_with("GET /a?b=c HTTP/1.1\r\n"));
    let fixed = Fixture::start(&house("external_prefix = \"/api\""), Setup::default()).await;
    let mut request = fixed.sign("house", fixed.request("GET", "/api/a?b=c"));
    request.target = b"/a?b=c".to_vec();
    assert_eq!(fixed.send(&request).await.status, 200);
    assert!(fixed.upstream.only().starts_with("GET /a?b=c HTTP/1.1\r\n"));
    fixed.send(&fixed.sign("house", fixed.request("GET", "/a?b=c"))).await.refuses(401, "signature_mismatch");
}

#[tokio::test]
async fn a_proxy_header_of_a_trusted_proxy_names_the_client() {
    let config = |trusted: &str| {
        let keys = format!("trusted_proxies = [\"{trusted}\"]\nproxy_protocol = true\nworkers");
        house("[limits]\naddress_rate = { per_second = 1, burst = 1 }\nhandshake_time = \"200ms\"").replacen("workers", &keys, 1)
    };
    let gateway = Fixture::start(&config("127.0.0.1"), Setup::default()).await;
    let begin = async |header: &str| {
        let mut client = Client::connect(gateway.address).await;
        client.write(&[header.as_bytes(), &raw(&gateway.sign("house", gateway.request("GET", "/")))].concat()).await;
        client.answer().await
    };
    let header = |client: &str| format!("PROXY TCP4 {client} 192.0.2.2 4711 443\r\n");
    assert_eq!(begin(&header("203.0.113.7")).await.unwrap().status, 200);
    begin(&header("203.0.113.7")).await.unwrap().refuses(429, "rate_limited");
    assert_eq!(begin(&header("203.0.113.8")).await.unwrap().status, 200);
    // Whom the header does not name cannot name itself.
    let mut unnamed = Client::connect(gateway.address).await;
    let spoofing = gateway.sign("house", gateway.request("GET", "/")).with_header("X-Forwarded-For", "203.0.113.66");
    unnamed.write(&[b"PROXY UNKNOWN\r\n", &raw(&spoofing)[..]].concat()).await;
    assert_eq!(unnamed.answer().await.unwrap().status, 200);
    assert_eq!(line(&gateway.upstream.requests()[2], "x-countersign-client"), Some("127.0.0.1"));
    for bad in ["", "PROXY TCP4 203.0.113.9\r\n", "PROXY "] {
        assert!(begin(bad).await.is_none(), "{bad}");
    }
    let seen = gateway.upstream.requests();
    assert_eq!(
        (seen.len(), line(&seen[0], "x-countersign-client"), line(&seen[1], "x-countersign-client")),
        (3, Some("203.0.113.7"), Some("203.0.113.8"))
    );
    // From anyone else it is no header but the beginning of a request that cannot be read.
    let gateway = Fixture::start(&config("10.0.0.1"), Setup::default()).await;
    let bytes = [header("203.0.113.7").as_bytes(), &raw(&gateway.sign("house", gateway.request("GET", "/")))].concat();
    gateway.exchange(&bytes).await.refuses(400, "malformed_request");
    assert!(gateway.upstream.requests().is_empty());
}
