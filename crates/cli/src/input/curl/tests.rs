//! Command lines and the requests that curl 7.88 was seen to send for them.

use super::*;

fn read(line: &str) -> Request {
    parse(line.as_bytes()).unwrap().request
}

fn shown(request: &Request) -> String {
    let headers: Vec<_> = request.headers.iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v))).collect();
    format!(
        "{} {} | {} | {}",
        request.method,
        String::from_utf8_lossy(&request.target),
        headers.join(", "),
        String::from_utf8_lossy(&request.body)
    )
}

#[test]
fn requests_are_what_curl_sends() {
    for (line, want) in [
        ("curl h", "GET / | Host: h, Accept: */* | "),
        ("curl -g --path-as-is http://h:80/a/../b/%2f?x", "GET /a/../b/%2f?x | Host: h, Accept: */* | "),
        ("curl 'https://h:8443/a/./../b//c/..?x=/../'", "GET /b//?x=/../ | Host: h:8443, Accept: */* | "),
        ("curl 'http://h/é?ü'", "GET /%c3%a9?ü | Host: h, Accept: */* | "),
        ("curl 'http://h/?'", "GET /? | Host: h, Accept: */* | "),
        ("curl http://h/p#frag", "GET /p | Host: h, Accept: */* | "),
        ("curl -XPUT -d a=1 -d 'b=2' h/x", "PUT /x | Host: h, Accept: */*, Content-Type: application/x-www-form-urlencoded | a=1&b=2"),
        ("curl -sSG -d a=1 -d b 'h/x?y'", "GET /x?y&a=1&b | Host: h, Accept: */* | "),
        ("curl -I h", "HEAD / | Host: h, Accept: */* | "),
        ("curl --json '{\"a\":' --json '1}' h", "POST / | Host: h, Accept: application/json, Content-Type: application/json | {\"a\":1}"),
        (
            "curl --json '{\"a\":1}' -G -d q=1 http://h/x",
            "GET /x?{\"a\":1}&q=1 | Host: h, Accept: application/json, Content-Type: application/json | ",
        ),
        ("curl -d q=1 --json 2 h", "POST / | Host: h, Accept: application/json, Content-Type: application/json | q=12"),
        (
            "curl -H 'accept:' -H 'Content-Type: text/plain' -H 'X-E;' -H 'X:  a  b ' --data-raw @x h",
            "POST / | Host: h, Content-Type: text/plain, X-E: , X: a  b | @x",
        ),
        (
            "curl -A me -e http://r/ -b a=1 -b 'b=2' h",
            "GET / | Host: h, User-Agent: me, Accept: */*, Referer: http://r/, Cookie: a=1; b=2 | ",
        ),
        ("curl -H 'Host: Foo:80' h", "GET / | Accept: */*, Host: Foo:80 | "),
        ("curl --data-urlencode 'a=c+ü' -H content-type: h", "POST / | Host: h, Accept: */* | a=c%2B%C3%BC"),
        ("curl --oauth2-bearer t --url h -- ", "GET / | Host: h, Authorization: Bearer t, Accept: */* | "),
        ("printf 'a\\000b%%' | curl --data-binary @- -H 'Content-Type;' h", "POST / | Host: h, Accept: */*, Content-Type:  | a\0b%"),
        (
            "curl -X POST $'http://h/\\x61' \\\n  -d $'\\'x\\n'",
            "POST /a | Host: h, Accept: */*, Content-Type: application/x-www-form-urlencoded | 'x\n",
        ),
    ] {
        assert_eq!(shown(&read(line)), want, "{line}");
    }
}

#[test]
fn what_is_left_out_is_said() {
    let parsed = parse(b"curl -u me:pw --compressed https://u:p@h/").unwrap();
    assert_eq!(parsed.notes.len(), 3, "{:?}", parsed.notes);
    assert!(parsed.notes[0].contains("-u"));
    assert!(!format!("{parsed:?}").contains("pw"));
    assert_eq!(parsed.origin.authority, b"h");
}

#[test]
fn what_cannot_be_told_is_refused_by_name() {
    for (line, word) in [
        ("curl", "no URL"),
        ("curl a b", "two URLs"),
        ("curl -F a=b h", "boundary"),
        ("curl --no-such h", "--no-such"),
        ("curl -y h", "-y"),
        ("curl -H", "needs a value"),
        ("curl -H novalue h", "no header line"),
        ("curl -b jar.txt h", "cookie file"),
        ("curl -I -d x h", "-I"),
        ("curl h/[1-3]", "--globoff"),
        ("curl h?a=1&b=2", "'&'"),
        ("curl --data-urlencode 'a=b c' h", "by version"),
        ("curl -d @- h", "stdin"),
        ("curl h | sh", "not curl"),
        ("cat f | curl -d @- h", "printf"),
        ("curl -X 'A B' h", "method"),
        ("curl ftp://h/", "ftp"),
    ] {
        let fault = parse(line.as_bytes()).unwrap_err();
        assert!(fault.contains(word), "{line}: {fault}");
    }
}

#[test]
fn data_from_a_file_loses_line_ends_only_with_data() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, b"a\r\nb\0\n").unwrap();
    let body = |option: &str| read(&format!("curl {option} '@{}' h", file.display())).body;
    assert_eq!(body("-d"), b"ab");
    assert_eq!(body("--data-binary"), b"a\r\nb\0\n");
}
