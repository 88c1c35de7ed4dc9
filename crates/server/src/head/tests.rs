//! What is refused of a head, and what stays as it was.

use super::*;

fn read(text: &str) -> Result<Head, Refusal> {
    Head::from_http1(text.as_bytes(), &Limits::default())
}

#[test]
fn the_bytes_stay_as_they_were() {
    let head = read("PUT /a%2F../b?x=+%20&x= HTTP/1.1\r\nHoSt: h:80\r\nX-A:  1 \r\nX-A:\t2").unwrap();
    assert_eq!(head.target, b"/a%2F../b?x=+%20&x=");
    let names: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    assert_eq!(names, [("HoSt", &b"h:80"[..]), ("X-A", b"1"), ("X-A", b"2")]);
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let host = "Host: h";
    let cases = [
        "GET / HTTP/1.1".to_owned(),
        format!("GET / HTTP/1.1\r\n{host}\r\n{host}"),
        "GET / HTTP/1.1\r\nHost: a, b".to_owned(),
        "GET / HTTP/1.1\r\nHost: user@h".to_owned(),
        "GET / HTTP/1.1\r\nHost:".to_owned(),
        "GET / HTTP/1.1\r\nHost: h:x".to_owned(),
        format!("GET  / HTTP/1.1\r\n{host}"),
        format!("GET / HTTP/1.1 \r\n{host}"),
        format!("GET / HTTP/1.2\r\n{host}"),
        format!("GET http://h/ HTTP/1.1\r\n{host}"),
        format!("OPTIONS * HTTP/1.1\r\n{host}"),
        format!("CONNECT h:80 HTTP/1.1\r\n{host}"),
        format!("GET /a#b HTTP/1.1\r\n{host}"),
        format!("GET /\u{e9} HTTP/1.1\r\n{host}"),
        format!("GET /\t HTTP/1.1\r\n{host}"),
        format!("GET /<a> HTTP/1.1\r\n{host}"),
        format!("GET / HTTP/1.1\n{host}"),
        format!("GET / HTTP/1.1\r\n{host}\rX: y"),
        format!("GET / HTTP/1.1\r\n{host}\r\n folded"),
        format!("GET / HTTP/1.1\r\n{host}\r\nX : y"),
        format!("GET / HTTP/1.1\r\n{host}\r\nno colon"),
        format!("GET / HTTP/1.1\r\n{host}\r\nX: a\0b"),
        format!("GET / HTTP/1.1\r\n{host}\r\nX: a\u{c}"),
        format!("GET / HTTP/1.1\r\n{host}\r\nX:\u{c} a"),
        format!("GET / HTTP/1.1\r\n{host}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked"),
        format!("GET / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 1"),
        format!("GET / HTTP/1.1\r\n{host}\r\nContent-Length: 1\r\nContent-Length: 1"),
        format!("GET / HTTP/1.1\r\n{host}\r\nContent-Length: 1, 1"),
        format!("GET / HTTP/1.1\r\n{host}\r\nContent-Length: +1"),
        format!("GET / HTTP/1.1\r\n{host}\r\nContent-Length: 99999999999999999999"),
        format!("GET / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: gzip, chunked"),
        format!("GET / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        format!("GET / HTTP/1.0\r\n{host}\r\nTransfer-Encoding: chunked"),
        format!("GET / HTTP/1.1\r\n{host}\r\nConnection: close, X-Countersign-App"),
        format!("GET / HTTP/1.1\r\n{host}\r\nExpect: something"),
    ];
    for case in &cases {
        assert_eq!(read(case).unwrap_err().reason(), Reason::MalformedRequest, "{case:?}");
    }
}

#[test]
fn only_a_plain_handshake_asks_for_a_websocket_connection() {
    let asks = |lines: &str| read(lines).unwrap().asks_for_websocket();
    assert!(asks("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket"));
    for lines in [
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket",
        "GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket, h2c",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, close\r\nUpgrade: websocket",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade",
    ] {
        assert!(!asks(lines), "{lines}");
    }
}

#[test]
fn each_count_has_its_limit() {
    let lines = |n: usize| format!("GET / HTTP/1.1\r\nHost: h{}", "\r\nX: y".repeat(n - 1));
    assert!(read(&lines(100)).is_ok());
    assert_eq!(read(&lines(101)).unwrap_err().reason(), Reason::HeadTooLarge);
    let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: h", "a".repeat(n - 1));
    assert!(read(&target(8192)).is_ok());
    assert_eq!(read(&target(8193)).unwrap_err().reason(), Reason::HeadTooLarge);
    let parameters = |n: usize| format!("GET /?a{} HTTP/1.1\r\nHost: h", "&a".repeat(n - 1));
    assert!(read(&parameters(256)).is_ok());
    assert_eq!(read(&parameters(257)).unwrap_err().reason(), Reason::HeadTooLarge);
    let after_another_mark = |n: usize| format!("GET /??a{} HTTP/1.1\r\nHost: h", "&a".repeat(n - 1));
    assert!(read(&after_another_mark(256)).is_ok());
    assert_eq!(read(&after_another_mark(257)).unwrap_err().reason(), Reason::HeadTooLarge);
}

fn over_http2(headers: &[(&str, &str)]) -> Result<Head, Refusal> {
    let builder = http::Request::builder().uri("http://h/");
    let request = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap();
    Head::from_http2(&request.into_parts().0, &Limits::default())
}

#[test]
fn the_crumbs_of_a_cookie_are_one_line() {
    let head = over_http2(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3"), ("cookie", "d=4"), ("x-a", "2")]).unwrap();
    assert_eq!(head.values("cookie").collect::<Vec<_>>(), [b"a=1; b=2; c=3; d=4"]);
    assert_eq!(head.values("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
}

#[test]
fn a_blank_at_an_end_of_a_value_is_refused_over_http2() {
    assert!(over_http2(&[("x-a", "a b\tc"), ("x-b", "")]).is_ok());
    for value in [" a", "a ", "\ta", "a\t", " "] {
        assert_eq!(over_http2(&[("x-a", value)]).unwrap_err().reason(), Reason::MalformedRequest, "{value:?}");
    }
}

#[test]
fn an_authority_that_differs_from_host_is_refused() {
    let parts = |host: Option<&str>| {
        let mut builder = http::Request::builder().method("GET").uri("http://h/a?b");
        builder = host.into_iter().fold(builder, |b, host| b.header("host", host));
        builder.body(()).unwrap().into_parts().0
    };
    let head = Head::from_http2(&parts(None), &Limits::default()).unwrap();
    assert_eq!((head.host(), head.target.as_slice(), head.version), (&b"h"[..], &b"/a?b"[..], "HTTP/2.0"));
    assert!(Head::from_http2(&parts(Some("h")), &Limits::default()).is_ok());
    assert_eq!(Head::from_http2(&parts(Some("other")), &Limits::default()).unwrap_err().reason(), Reason::MalformedRequest);
}
