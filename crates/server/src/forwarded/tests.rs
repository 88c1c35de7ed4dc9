//! What is believed of the way of a request.

use countersign_protocol::{Reason, Scheme};

use super::*;
use crate::limits::Limits;

fn proxies() -> Proxies {
    Proxies::new(["10.0.0.0/8", "2001:db8:1::/48"].map(|range| range.parse().unwrap()).to_vec())
}

fn origin(peer: &str, headers: &[&str]) -> Result<Origin, Reason> {
    let head = format!("GET / HTTP/1.1\r\nHost: wire{}", headers.iter().map(|line| format!("\r\n{line}")).collect::<String>());
    let head = Head::from_http1(head.as_bytes(), &Limits::default()).unwrap();
    proxies().origin(&head, peer.parse().unwrap()).map_err(|refusal| refusal.reason())
}

fn client(peer: &str, header: &str) -> String {
    origin(peer, &[header]).unwrap().client.to_string()
}

#[test]
fn an_untrusted_peer_is_not_believed_and_not_even_read() {
    for header in ["X-Forwarded-For: 10.0.0.9", "Forwarded: for=10.0.0.9;proto=https;host=h", "Forwarded: %%%", "X-Forwarded-Proto: gopher"]
    {
        let told = origin("203.0.113.9", &[header]).unwrap();
        assert_eq!(told, Origin::direct("203.0.113.9".parse().unwrap()), "{header}");
    }
}

#[test]
fn the_last_hop_that_is_not_trusted_is_the_client() {
    for (header, expected) in [
        ("X-Forwarded-For: 203.0.113.1", "203.0.113.1"),
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.1", "203.0.113.1"),
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.1, 10.1.1.1,10.2.2.2", "203.0.113.1"),
        ("X-Forwarded-For: 10.3.3.3, 10.1.1.1", "10.3.3.3"),
        ("X-Forwarded-For: 203.0.113.1:4711", "203.0.113.1"),
        ("X-Forwarded-For: 2001:db8::7", "2001:db8::7"),
        ("X-Forwarded-For: [2001:db8::7]:80, 2001:db8:1::2", "2001:db8::7"),
        ("X-Forwarded-For: ::ffff:203.0.113.1", "203.0.113.1"),
        ("Forwarded: for=203.0.113.1", "203.0.113.1"),
        ("forwarded: For=198.51.100.1, FOR=203.0.113.1;by=10.0.0.2, for=10.1.1.1", "203.0.113.1"),
        ("Forwarded: for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("Forwarded: for=\"203.0.113.1:_port\"", "-"),
        ("Forwarded: for=unknown, for=10.1.1.1", "10.1.1.1"),
        ("Forwarded: for=_hidden", "10.0.0.1"),
        ("X-Forwarded-Proto: https", "10.0.0.1"),
    ] {
        let found = origin("10.0.0.1", &[header]).map_or("-".to_owned(), |origin| origin.client.to_string());
        assert_eq!(found, expected, "{header}");
    }
    assert_eq!(client("::ffff:10.0.0.1", "X-Forwarded-For: 203.0.113.1"), "203.0.113.1");
}

#[test]
fn scheme_and_host_are_those_that_the_client_used() {
    let told = origin(
        "10.0.0.1",
        &[
            "Forwarded: for=198.51.100.1;host=evil, for=203.0.113.1;proto=HTTPS;host=\"api.example.com:8443\" , for=10.1.1.1;proto=http;host=inner",
        ],
    );
    let told = told.unwrap();
    assert_eq!((told.scheme, told.host.as_deref()), (Some(Scheme::Https), Some("api.example.com:8443")));
    let told =
        origin("10.0.0.1", &["X-Forwarded-Host: evil, api.example.com", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /api/"]).unwrap();
    assert_eq!((told.scheme, told.host.as_deref(), told.prefix.as_deref()), (Some(Scheme::Https), Some("api.example.com"), Some("/api")));
}

#[test]
fn quoted_values_are_read_as_they_are_meant() {
    let told = origin("10.0.0.1", &["Forwarded: host=\"api\\.example.com\";proto=\"https\";ext=\"a,b;c=d\";for=\"203.0.113.1\""]).unwrap();
    assert_eq!((told.client.to_string().as_str(), told.host.as_deref()), ("203.0.113.1", Some("api.example.com")));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for header in [
        "Forwarded: for",
        "Forwarded: for=",
        "Forwarded: ",
        "Forwarded: for=203.0.113.1,",
        "Forwarded: ,for=203.0.113.1",
        "Forwarded: for=203.0.113.1;",
        "Forwarded: for=203.0.113.1;for=203.0.113.2",
        "Forwarded: for=2001:db8::7",
        "Forwarded: for=[2001:db8::7]",
        "Forwarded: for=\"2001:db8::7\"",
        "Forwarded: for=\"203.0.113.1",
        "Forwarded: for=\"203.0.113.1\"x",
        "Forwarded: for=203.0.113.1 for=203.0.113.2",
        "Forwarded: for =203.0.113.1",
        "Forwarded: for= 203.0.113.1",
        "Forwarded: for=203.0.113.999",
        "Forwarded: for=\"203.0.113.1:99999\"",
        "Forwarded: for=client.example.com",
        "Forwarded: for=_",
        "Forwarded: proto=ftp",
        "Forwarded: host=\"a b\"",
        "Forwarded: host=\"user@h\"",
        "Forwarded: f\u{e4}r=1",
        "X-Forwarded-For: ",
        "X-Forwarded-For: 203.0.113.1,",
        "X-Forwarded-For: unknown",
        "X-Forwarded-For: 203.0.113.1 203.0.113.2",
        "X-Forwarded-For: 203.0.113.01",
        "X-Forwarded-For: [2001:db8::7",
        "X-Forwarded-For: 203.0.113.1:",
        "X-Forwarded-Proto: wss",
        "X-Forwarded-Proto: ",
        "X-Forwarded-Host: a/b",
        "X-Forwarded-Port: 0",
        "X-Forwarded-Port: +80",
        "X-Forwarded-Port: 70000",
        "X-Forwarded-Prefix: api",
        "X-Forwarded-Prefix: /a/../b",
        "X-Forwarded-Prefix: /a%2e",
    ] {
        assert_eq!(origin("10.0.0.1", &[header]), Err(Reason::MalformedRequest), "{header}");
    }
    let many = format!("X-Forwarded-For: {}", ["10.0.0.1"; MOST_HOPS + 1].join(","));
    assert_eq!(origin("10.0.0.1", &[&many]), Err(Reason::MalformedRequest));
    let many = format!("Forwarded: {}", ["for=10.0.0.1"; MOST_HOPS + 1].join(","));
    assert_eq!(origin("10.0.0.1", &[&many]), Err(Reason::MalformedRequest));
}

#[test]
fn both_kinds_may_stand_together_only_if_they_agree() {
    let both = |standard: &str, legacy: &[&str]| origin("10.0.0.1", &[&[standard], legacy].concat());
    let standard = "Forwarded: for=203.0.113.1;proto=https;host=api.example.com";
    let told = both(standard, &["X-Forwarded-For: 203.0.113.1", "X-Forwarded-Host: API.example.com", "X-Forwarded-Prefix: /api"]).unwrap();
    assert_eq!((told.scheme, told.prefix.as_deref()), (Some(Scheme::Https), Some("/api")));
    for legacy in [
        &["X-Forwarded-For: 203.0.113.2"][..],
        &["X-Forwarded-Proto: https"],
        &["X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http"],
        &["X-Forwarded-For: 203.0.113.1", "X-Forwarded-Host: other"],
    ] {
        assert_eq!(both(standard, legacy), Err(Reason::MalformedRequest), "{legacy:?}");
    }
}

#[test]
fn a_port_beside_the_host_is_part_of_the_authority() {
    let authority =
        |headers: &[&str], scheme| origin("10.0.0.1", headers).unwrap().authority(b"wire", scheme).map_err(|refusal| refusal.reason());
    let host = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(authority(&["X-Forwarded-Host: h", "X-Forwarded-Port: 8443"], Scheme::Https), host("h:8443"));
    assert_eq!(authority(&["X-Forwarded-Host: h", "X-Forwarded-Port: 443"], Scheme::Https), host("h"));
    assert_eq!(authority(&["X-Forwarded-Host: h:8443", "X-Forwarded-Port: 8443"], Scheme::Https), host("h:8443"));
    assert_eq!(authority(&["X-Forwarded-Port: 8080"], Scheme::Http), host("wire:8080"));
    assert_eq!(authority(&["X-Forwarded-Host: [2001:db8::7]", "X-Forwarded-Port: 81"], Scheme::Http), host("[2001:db8::7]:81"));
    assert_eq!(authority(&["X-Forwarded-Host: h:1", "X-Forwarded-Port: 2"], Scheme::Http), Err(Reason::MalformedRequest));
    assert_eq!(authority(&["X-Forwarded-Proto: http"], Scheme::Http), Ok(None));
}

#[test]
fn headers_of_the_way_are_known_in_plain_spelling() {
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-anything", "x-real-ip", "x-forwarded"] {
        assert!(is_of_the_way(name), "{name}");
    }
    assert!(!is_of_the_way("x-forward"));
}

#[test]
fn every_short_text_is_read_or_refused() {
    let alphabet = ["f", "=", "\"", ";", ",", "\\", " ", "[", ":", "_", "1", "\u{e4}"];
    let head = Head::from_http1(b"GET / HTTP/1.1\r\nHost: wire\r\nForwarded: -\r\nX-Forwarded-For: -", &Limits::default()).unwrap();
    let mut texts = vec![String::new()];
    for _ in 0..4 {
        texts = texts.iter().flat_map(|text| alphabet.iter().map(move |more| format!("{text}{more}"))).collect();
        for text in &texts {
            let mut head = head.clone();
            head.headers[1].1 = format!("for={text}").into_bytes();
            head.headers[2].1 = text.clone().into_bytes();
            assert!(standard::read(&head).is_ok_and(|hops| hops.is_some()) || standard::read(&head).is_err());
            drop(legacy::read(&head));
        }
    }
}
