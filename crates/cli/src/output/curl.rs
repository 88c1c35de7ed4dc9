//! Writes a request as one line for `sh` that makes curl send exactly its bytes.

use countersign_protocol::Request;

use crate::input::url::Origin;

/// The longest text that is passed as an argument; Linux takes 128 KiB.
const ARGUMENT_LIMIT: usize = 100 * 1024;
/// From this size on some versions of curl ask for `100 Continue` first.
const EXPECT_FROM: usize = 1_000;

/// The command line, without a line end.
pub(crate) fn write(request: &Request, origin: &Origin) -> Vec<u8> {
    let mut line = Line::default();
    let sends_body = !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    let piped = sends_body && !is_clean(&request.body);
    if piped {
        line.0.extend_from_slice(b"printf ");
        line.word(&printf_format(&request.body));
        line.0.extend_from_slice(b"| ");
    }
    line.raw("curl -sS --globoff --path-as-is");
    method(request, sends_body, &mut line);
    headers(request, origin, sends_body, &mut line);
    if piped {
        line.raw("--data-binary @-");
    } else if sends_body {
        // --data-binary would take a leading @ for the name of a file.
        line.raw(if request.body.starts_with(b"@") { "--data-raw" } else { "--data-binary" });
        line.word(&request.body);
    }
    url(request, origin, &mut line);
    line.0.trim_ascii_end().to_vec()
}

#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b' ');
    }

    /// One word in single quotes, unless it needs none.
    fn word(&mut self, word: &[u8]) {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._/:@%+,=".contains(b);
        if !word.is_empty() && word.iter().all(plain) {
            self.0.extend_from_slice(word);
        } else {
            self.0.push(b'\'');
            for byte in word {
                match byte {
                    b'\'' => self.0.extend_from_slice(br"'\''"),
                    _ => self.0.push(*byte),
                }
            }
            self.0.push(b'\'');
        }
        self.0.push(b' ');
    }

    fn header(&mut self, text: &[u8]) {
        self.raw("-H");
        self.word(text);
    }
}

fn method(request: &Request, sends_body: bool, line: &mut Line) {
    match (request.method.as_str(), sends_body) {
        ("GET", false) | ("POST", true) => {}
        // With -X HEAD curl would wait for a body that never comes.
        ("HEAD", false) => line.raw("--head"),
        (method, _) => {
            line.raw("-X");
            line.word(method.as_bytes());
        }
    }
    if request.version == "HTTP/1.0" {
        line.raw("--http1.0");
    }
}

fn headers(request: &Request, origin: &Origin, sends_body: bool, line: &mut Line) {
    for (name, value) in &request.headers {
        if is_curls_own(name, value, request, origin) {
            continue;
        }
        let text = if value.is_empty() { format!("{name};").into_bytes() } else { [name.as_bytes(), b": ", value].concat() };
        line.header(&text);
    }
    let missing = |name: &str| !request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if missing("Accept") {
        line.header(b"Accept:");
    }
    if sends_body && missing("Content-Type") {
        line.header(b"Content-Type:");
    }
    if request.body.len() >= EXPECT_FROM && missing("Expect") {
        line.header(b"Expect:");
    }
}

/// Whether curl sends this very line by itself.
fn is_curls_own(name: &str, value: &[u8], request: &Request, origin: &Origin) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "host" => {
            value == origin.host_header() && value.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(b))
        }
        "content-length" => value == request.body.len().to_string().as_bytes(),
        _ => false,
    }
}

fn url(request: &Request, origin: &Origin, line: &mut Line) {
    // curl would encode bytes beyond ASCII, and a target that is no path fits into no URL.
    let odd = !request.target.starts_with(b"/") || !request.target.is_ascii();
    if odd {
        line.raw("--request-target");
        line.word(&request.target);
    }
    let target = if odd { &b"/"[..] } else { &request.target };
    line.word(&[&origin.text(), target].concat());
}

/// Whether the body can stand in a command line that is one line of text.
fn is_clean(body: &[u8]) -> bool {
    body.len() <= ARGUMENT_LIMIT && std::str::from_utf8(body).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The format with which `printf` writes these bytes: octal, which every shell's `printf` knows.
fn printf_format(bytes: &[u8]) -> Vec<u8> {
    let mut format = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'%' => format.extend_from_slice(b"%%"),
            b'\n' => format.extend_from_slice(br"\n"),
            // A leading '-' would be an option, a '\' an escape.
            b' '..=b'~' if !matches!(byte, b'\\' | b'-') => format.push(*byte),
            _ => format.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    format
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::curl::parse;

    fn origin() -> Origin {
        Origin { scheme: countersign_protocol::Scheme::Http, authority: b"h".to_vec() }
    }

    fn shown(request: &Request) -> String {
        String::from_utf8(write(request, &origin())).unwrap()
    }

    fn bare(method: &str, target: &str) -> Request {
        let mut request = Request::new(method, target).with_header("Host", "h");
        request.scheme = countersign_protocol::Scheme::Http;
        request
    }

    #[test]
    fn the_line_holds_what_curl_would_not_send_by_itself() {
        assert_eq!(shown(&bare("GET", "/a/../b?x=1&y")), "curl -sS --globoff --path-as-is -H Accept: 'http://h/a/../b?x=1&y'");
        let post = bare("POST", "/").with_header("X-A", "it's").with_header("X-E", "").with_header("Content-Length", "2").with_body("@a");
        assert_eq!(
            shown(&post),
            r"curl -sS --globoff --path-as-is -H 'X-A: it'\''s' -H 'X-E;' -H Accept: -H Content-Type: --data-raw @a http://h/"
        );
        assert!(shown(&bare("HEAD", "/")).contains("--head"));
        assert!(shown(&bare("OPTIONS", "*")).ends_with("--request-target '*' http://h/"));
    }

    #[test]
    fn the_line_is_read_back_as_the_same_request() {
        let big = "x".repeat(ARGUMENT_LIMIT + 1);
        for body in ["", "a=1&b='%s'", "-n", "a\nb\\n", "\u{1f600}é", "a\0b\r\n%", &big] {
            let request = bare("POST", "/%2f//?a=+&a").with_header("accept", "x/y").with_header("Content-Type", "t/p").with_body(body);
            let line = write(&request, &origin());
            assert!(!line.contains(&b'\n'), "{body:?}");
            let read = parse(&line).unwrap().request;
            assert_eq!((&read.body, &read.target, read.method.as_str()), (&request.body, &request.target, "POST"), "{body:?}");
            assert_eq!(read.headers, request.headers, "{body:?}");
        }
    }
}
